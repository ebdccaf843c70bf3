// Passes change a graph in place. Each runs alone: simcc compile
// --from=graph --passes=cse,fuse --emit=graph.
#ifndef SIMCC_PASSES_PASS_H
#define SIMCC_PASSES_PASS_H

#include "ir/graph.h"

// `scratch` dies after the pass.
typedef void PassFunction(Graph *graph, Arena *scratch);

typedef struct Pass {
    const char *name;
    PassFunction *run;
    const char *doc;
} Pass;

// All passes in default order; *count receives how many.
const Pass *pass_table(int *count);

typedef void PassObserver(void *context, const Pass *pass, Graph *graph);

// Runs the passes named in `names` ("cse,dce"; NULL = all in default order).
// After the last, or when `paranoid` after each: the verifier; with the latter
// print -> parse -> print, too. A failure there is an internal error. `observe`
// (may be NULL) is called after each pass, for timing and dumps. Returns the
// first unknown name, or NULL.
const char *passes_run(Graph *graph, const char *names, bool paranoid,
                       PassObserver *observe, void *context);

#endif
