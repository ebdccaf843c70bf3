// Where a phase's weights come from: an earlier phase, a file, a teacher.
#ifndef SIMCC_RUNTIME_WEIGHTS_H
#define SIMCC_RUNTIME_WEIGHTS_H

#include "runtime/train.h"

// Loads what `from`, `only` and `except` of the phase name. What the file
// lacks stays to be initialised and is listed by options->message. STATUS_DATA
// when the file is missing, a shape differs or nothing in it fits.
Status weights_load_from(const Program *program, const ProgramPhase *phase,
                         const TrainOptions *options, Store *store);

// Loads the frozen "teacher." tensors of the store, if it has any, from the
// result of the teacher's phase in options->out; all must be there.
Status weights_load_teacher(const ProgramPhase *phase,
                            const TrainOptions *options, Store *store);

// Loads every weight and state of the store from a file that must hold all.
Status weights_load_all(const char *path, Store *store);

#endif
