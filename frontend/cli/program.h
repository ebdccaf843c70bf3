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

#endif
