// Passes as tests run them: as for a target of blocks of 16 channels.
#ifndef SIMCC_TESTS_PASSES_H
#define SIMCC_TESTS_PASSES_H

#include "passes/pass.h"

enum { TEST_BLOCK = 16 };

static inline const char *run_passes(Graph *graph, const char *names,
                                     bool paranoid)
{
    return passes_run(graph, &(PassOptions){.names = names,
                                            .paranoid = paranoid,
                                            .block = TEST_BLOCK});
}

#endif
