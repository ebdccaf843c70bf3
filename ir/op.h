// What every folder may know about an operation: the columns of ops.def that
// do not belong to a single folder.
#ifndef SIMCC_IR_OP_H
#define SIMCC_IR_OP_H

#include <stdbool.h>
#include <stdint.h>

typedef enum Op {
#define OP(id, ...) OP_##id,
#include "ir/ops.def"
#undef OP
    OP_COUNT,
    OP_NONE = -1
} Op;

// How an op becomes a kernel (codegen/plan/lower.c goes by it).
typedef enum LowerClass {
    LOWER_LEAF,       // no kernel: a buffer, or a value inside other kernels
    LOWER_MAP,        // one output element from one element of each input
    LOWER_INDEX,      // a strided view: folded into the reader's loads
    LOWER_VIEW,       // the same bytes under another shape: no kernel
    LOWER_MOVE,       // strided stores into a larger tensor
    LOWER_REDUCE,     // loops over the reduced axes
    LOWER_MATMUL,     // BLAS
    LOWER_ROWS,       // a product that is never stored, by tiles
    LOWER_CONV,       // convolution descriptor
    LOWER_POOL,       // window loops
    LOWER_CALL,       // a function of the runtime
    LOWER_COLLECTIVE, // over ranks
} LowerClass;

enum {
    TRAIT_ELEMENTWISE = 1, // all inputs and the output have the same dims
    TRAIT_COMMUTES = 2,    // f(x, y) == f(y, x)
    TRAIT_CHEAP = 4,       // recompute rather than store
    TRAIT_EFFECT = 8,      // kept although nobody reads it
    TRAIT_NAMED = 16,      // identity is the name: never merged, never moved
    TRAIT_LIGHT = 32, // an instruction or two an element, no function: made
                      // again where that saves a tensor from memory
};

// Attribute kinds; every op has at most MAX_ATTRS attributes.
typedef enum AttrKind {
    ATTR_INT,
    ATTR_INTS,
    ATTR_FLOAT,
    ATTR_TEXT,
    ATTR_FORM // an int: a Form, written as its word
} AttrKind;
enum { MAX_ATTRS = 6 };

typedef struct AttrSpec {
    const char *name; // NULL ends the list
    AttrKind kind;
    bool optional; // left out of the text form where it is 0, or has no numbers
} AttrSpec;

// Attribute slots by list: where op.c's attrs_<list> has them.
enum {
    PARAM_NAME = 0,     // text
    PARAM_ROLE = 1,     // text: "weight", "state", "slot", "frozen" or
                        // "sum"
    PARAM_INIT = 2,     // text: "constant", "normal", "truncated_normal",
                        // "uniform", or "copy" of the param whose name
                        // follows the first dot of this one's
    PARAM_SCALE = 3,    // float: the constant, the sigma, or the half-width
    INPUT_NAME = 0,     // text
    CONST_VALUE = 0,    // float
    AXIS_AXIS = 0,      // int
    CAST_DTYPE = 0,     // text: "f32", "f64", "bf16", "bool"
    BROADCAST_DIMS = 0, // ints
    BROADCAST_AXES = 1, // ints
    BROADCAST_FORM = 2, // form of the result
    DIMS_DIMS = 0,      // ints
    DIMS_FORM = 1,      // form of the result
    PERM_PERM = 0,      // ints
    PERM_FORM = 1,      // form of the result
    SLICE_START = 0,    // ints
    SLICE_SIZE = 1,     // ints
    PAD_LOW = 0,        // ints
    PAD_HIGH = 1,       // ints
    PAD_VALUE = 2,      // float
    AXES_AXES = 0,      // ints
    MATMUL_TRANS_A = 0, // int 0/1
    MATMUL_TRANS_B = 1, // int 0/1
    GUARD_GUARD = 0,    // float
    TRANS_TRANS = 0,    // int 0/1
    CONV_STRIDE = 0,    // ints [vertical, horizontal]
    CONV_PAD = 1,       // ints [top, left, bottom, right]
    CONV_DILATION = 2,  // ints [vertical, horizontal]; none: 1 and 1
    CONV_GROUPS = 3,    // int; 0: 1
    CONV_BLOCK = 4,     // int, for conv of planes: the result's block
    CONV_DIMS = 4,      // ints, for conv_grad: of x or w
    CONV_FORM = 5,      // form, for conv_grad: of x or w
    POOL_KERNEL = 0,    // ints [vertical, horizontal]
    POOL_STRIDE = 1,    // ints
    POOL_PAD = 2,       // ints [top, left, bottom, right]
    POOL_DIMS = 3,      // ints, for pool_grad: of x
    POOL_FORM = 4,      // form, for pool_grad: of x
    COUNT_COUNT = 0,    // int
    SCALE_SCALE = 0,    // float
    RESIZE_SIZE = 0,    // ints [height, width] of the result
    RESIZE_MODE = 1,    // text: "nearest", "bilinear"
    RANKS_RANKS = 0,    // int
    RANDOM_DIMS = 0,    // ints
    RANDOM_STEPS = 1,   // ints: of the counter along each axis (ir/random.h)
    RANDOM_STREAM = 2,  // text: calls of one stream and counter are equal
    RANDOM_IMAGES = 3,  // ints of RandomImages, the first two where all follow
                        // one another; none: axis 0 does not count images
    RANDOM_FORM = 4,    // form of the result
};

typedef struct OpInfo {
    const char *text;
    int input_count;       // -1 = one or more
    const AttrSpec *attrs; // ends with a NULL name
    const char *gradient;  // the rule's name; "none" = not differentiable
    LowerClass lower;
    unsigned traits;
    const char *doc;
} OpInfo;

const OpInfo *op_info(Op op);
static inline bool op_has(Op op, unsigned traits)
{
    return (op_info(op)->traits & traits) == traits;
}
int op_attr_count(Op op);
// OP_NONE when no op has that name.
Op op_by_name(const char *text);

#endif
