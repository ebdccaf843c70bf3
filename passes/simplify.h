// Between simplify's two files: the algebra of elementwise ops (simplify.c) and
// the rules for ops that move or regroup elements (simplify_shape.c).
#ifndef SIMCC_PASSES_SIMPLIFY_H
#define SIMCC_PASSES_SIMPLIFY_H

#include "passes/rewrite.h"

// Rewrite.context of both.
typedef struct SimplifyContext {
    const Graph *graph; // as it was before the walk
    const int *uses;    // of its values
} SimplifyContext;

RewriteRule simplify_broadcast;
RewriteRule simplify_reshape;
RewriteRule simplify_transpose;
RewriteRule simplify_slice;
RewriteRule simplify_pad;
RewriteRule simplify_concat;
RewriteRule simplify_reduce;
RewriteRule simplify_matmul;
RewriteRule simplify_add_padded; // an ADD of two PADs

#endif
