// From the front end's experiment to the runtime's program.
#ifndef SIMCC_FRONTEND_CLI_PROGRAM_H
#define SIMCC_FRONTEND_CLI_PROGRAM_H

#include "frontend/lang/experiment.h"
#include "runtime/exec/program.h"

// Is the file one that `simcc compile` wrote?
bool program_is_artifact(const char *path);
// A malloc'ed program with the settings of every phase; plans and objects are
// still empty.
Program *program_from_experiment(const Experiment *experiment, DType dtype,
                                 const char *target);
// TrainOptions.program_change; the context is nothing to it.
bool program_change(void *context, const char *path, const Program *program,
                    const ProgramPhase *phase, char *text, size_t size);

#endif
