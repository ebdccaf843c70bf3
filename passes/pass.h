// Passes change a graph in place. Each runs alone: simcc compile
// --from=graph --passes=cse,fuse --emit=graph.
#ifndef SIMCC_PASSES_PASS_H
#define SIMCC_PASSES_PASS_H

#include "ir/conv.h"
#include "ir/graph.h"

// What a pass is given besides the graph.
typedef struct PassContext {
    Arena *scratch;    // dies after the pass
    int block;         // PassOptions.block
    bool bf16;         // PassOptions.bf16
    ConvBf16 products; // PassOptions.products
} PassContext;

typedef void PassFunction(Graph *graph, const PassContext *context);

typedef struct Pass {
    const char *name;
    PassFunction *run;
    const char *doc;
} Pass;

// All passes in default order; *count receives how many.
const Pass *pass_table(int *count);

typedef void PassObserver(void *context, const Pass *pass, Graph *graph);

typedef struct PassOptions {
    const char *names; // "cse,dce"; NULL = all in default order
    // The verifier, and print -> parse -> print, after each pass; else the
    // verifier after the last.
    bool paranoid;
    // Channels that the target's convolutions want side by side, as
    // codegen_block says; 0 or 1: images stay plain.
    int block;
    // Activations and their gradients are stored in bf16 (precision.c).
    bool bf16;
    // Of these, the convolutions that multiply in bf16, too, as
    // codegen_bf16_products says.
    ConvBf16 products;
    PassObserver *observe; // called after each pass; may be NULL
    void *context;         // for it
} PassOptions;

// Runs the passes. What the verifier finds is an internal error. Returns the
// first unknown name, or NULL.
const char *passes_run(Graph *graph, const PassOptions *options);

#endif
