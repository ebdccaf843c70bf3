// Which way to compute each convolution is fastest here: measured.
#ifndef SIMCC_FRONTEND_CLI_TUNE_H
#define SIMCC_FRONTEND_CLI_TUNE_H

#include "codegen/codegen.h"
#include "frontend/cli/cli.h"

typedef struct TuneStats {
    int convs, measured, changed; // distinct ones; now; not as the rule says
    double seconds;
} TuneStats;

// Measures, for every distinct convolution of a graph that went through all
// passes, the ways there are on so many threads. *ways (codegen/way.h; in
// `arena`) are those that beat the rule. What was measured before on this
// processor, with this LLVM and so many threads, comes from the cache. Adds to
// the stats. STATUS_MEMORY.
Status tune_convs(const CodegenOptions *options, int threads,
                  const Graph *graph, Arena *arena, const char **ways,
                  TuneStats *stats);

// Says what tuning did, if it was asked for.
void tune_tell(const TuneStats *stats, const Cli *cli);

#endif
