// What a kernel of convolutions makes of its sums before it stores them: the
// group of elementwise nodes behind a convolution (passes/fuse.c), where these
// are few enough in kind that they can be computed in registers, without a pass
// over memory of their own. They are the same operations on the same numbers as
// in a loop nest, so the results are the same to the bit.
#ifndef SIMCC_CODEGEN_EPILOGUE_H
#define SIMCC_CODEGEN_EPILOGUE_H

#include "ir/base/text.h"
#include "ir/graph.h"

typedef enum EpilogueKind {
    EPILOGUE_SUM,     // what the kernel has summed
    EPILOGUE_CONST,   // value
    EPILOGUE_EACH,    // of an operand, the element at the result's own place
    EPILOGUE_CHANNEL, // of an operand, a number for each channel: those of a
                      // block side by side, `stride` elements behind those of
                      // the block before
    EPILOGUE_OP       // op of earlier expressions
} EpilogueKind;

typedef struct EpilogueExpr {
    EpilogueKind kind;
    DType dtype; // operands and results are f32; bool in between
    Op op;       // of class LOWER_MAP
    int in[3];
    double value;
    int operand; // from 0; the kernel's arguments behind its own
    int64_t stride;
} EpilogueExpr;

// The last expression is the result.
typedef struct Epilogue {
    VEC(EpilogueExpr) exprs;
    int operand_count;
} Epilogue;

// In words, as a part of a kernel's key.
void epilogue_text(Text *text, const Epilogue *epilogue);

#endif
