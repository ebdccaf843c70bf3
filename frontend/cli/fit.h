// Batches that fit into memory: --memory.
#ifndef SIMCC_FRONTEND_CLI_FIT_H
#define SIMCC_FRONTEND_CLI_FIT_H

#include "frontend/cli/compiler.h"

// The bytes of --memory: "8G", "500M"; 0 when it is not given. STATUS_USAGE for
// what is no size.
Status fit_memory(const Cli *cli, int64_t *bytes);

// Of `memory`, what decoded images may take.
int64_t fit_cache(int64_t memory);

// For each phase to compile whose batch nobody set: gives the param
// PHASE.batch the largest value, up to the program's, with which the process
// stays within `memory` bytes, and says so, and which chunks would do. In a
// phase that takes its batch in chunks, PHASE.chunk takes the batch's place.
// The compiler must be loaded, and is loaded anew. STATUS_MEMORY, with what
// would fit, when none does or it was set.
Status fit_batches(Compiler *compiler, Cli *cli, int64_t memory);

// STATUS_MEMORY when a phase of the program needs more than the machine has,
// or the control group allows. `validates`: as plans_need.
Status fit_machine(const Program *program, int threads, bool validates);

#endif
