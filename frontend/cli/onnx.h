// simcc export -o NET.onnx: a value of a phase as a network for other programs.
#ifndef SIMCC_FRONTEND_CLI_ONNX_H
#define SIMCC_FRONTEND_CLI_ONNX_H

#include "frontend/cli/job.h"

// Does the command line ask for it, by the name of the file?
bool onnx_is_wanted(const Cli *cli);
// Returns an exit code.
int onnx_export(Cli *cli);

#endif
