// Where a phase's weights come from: an earlier phase, a file, a teacher.
// Whatever is loaded is compared with the program first; weights of another
// network are refused with a table of what differs.
#ifndef SIMCC_RUNTIME_WEIGHTS_H
#define SIMCC_RUNTIME_WEIGHTS_H

#include "runtime/files/checkpoint.h"
#include "runtime/files/model.h"
#include "runtime/train/train.h"

// Loads options->init, or else what `from`, `only` and `except` of the phase
// name. What the file lacks stays to be initialised and is listed by
// options->message. STATUS_DATA when the file is missing, a shape differs,
// nothing in it fits, or a phase's model is not of this program.
Status weights_load_start(const Program *program, const ProgramPhase *phase,
                          const TrainOptions *options, Store *store);

// Loads the frozen "teacher." tensors of the store, if it has any, from the
// result of the teacher's phase in options->out; all must be there.
Status weights_load_teacher(const Program *program, const ProgramPhase *phase,
                            const TrainOptions *options, Store *store);

// Which weights the phase would begin with now. Those of a file that is not
// there are not known.
Status weights_origin(const Program *program, const ProgramPhase *phase,
                      const TrainOptions *options, WeightsOrigin *origin);

// STATUS_DATA when the phase starts from, or is taught by, a phase whose result
// is not in options->out, or is another program's. `made` says of each phase of
// the program whether it will be there by then.
Status weights_check_sources(const Program *program, const ProgramPhase *phase,
                             const bool *made, const TrainOptions *options);

// Fails as weights_load_start would with the file of `from "FILE"`, which is
// read for it; nothing where the phase starts from none.
Status weights_check_file(const Program *program, const ProgramPhase *phase,
                          const TrainOptions *options);

// Loads every weight and state of the store from a file that must hold all,
// and no more of the same modules than the phase has.
Status weights_load_all(const Program *program, const ProgramPhase *phase,
                        const char *path, const TrainOptions *options,
                        Store *store);

// STATUS_DATA, with the table, when the file's names and shapes are not
// exactly those the phase is trained with. A program that does not say them
// is not compared.
Status weights_check(const Program *program, const ProgramPhase *phase,
                     const char *path, const TrainOptions *options);

#endif
