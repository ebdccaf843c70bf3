// Which way to compute each convolution is fastest here: measured.
#ifndef SIMCC_FRONTEND_CLI_TUNE_H
#define SIMCC_FRONTEND_CLI_TUNE_H

#include "frontend/cli/compiler.h"

// Measures, for every distinct convolution of a graph that went through all
// passes, the ways there are on as many threads as the program will have.
// *ways (codegen/way.h; in the compiler's arena) are those that beat the rule.
// What was measured before on this processor, with this LLVM and so many
// threads, comes from the cache. Adds to compiler->tuned. STATUS_MEMORY.
Status tune_convs(Compiler *compiler, const Graph *graph, const char **ways);

// Says what tuning did, if it was asked for.
void tune_tell(const Compiler *compiler, const Cli *cli);

#endif
