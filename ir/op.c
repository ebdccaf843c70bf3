#include "ir/op.h"

#include <stddef.h>
#include <string.h>

// By the slots of op.h; {0} follows the last.
#define LIST(name, ...)                                                        \
    static const AttrSpec attrs_##name[] = {__VA_ARGS__{0}};                   \
    _Static_assert(sizeof attrs_##name / sizeof(AttrSpec) <= MAX_ATTRS + 1,    \
                   "more attributes than a node has room for")
LIST(none, );
LIST(param, [PARAM_NAME] = {"name", ATTR_TEXT},
     [PARAM_ROLE] = {"role", ATTR_TEXT}, [PARAM_INIT] = {"init", ATTR_TEXT},
     [PARAM_SCALE] = {"scale", ATTR_FLOAT}, );
LIST(input, [INPUT_NAME] = {"name", ATTR_TEXT}, );
LIST(constant, [CONST_VALUE] = {"value", ATTR_FLOAT}, );
LIST(axis, [AXIS_AXIS] = {"axis", ATTR_INT}, );
LIST(dtype, [CAST_DTYPE] = {"dtype", ATTR_TEXT}, );
LIST(broadcast, [BROADCAST_DIMS] = {"dims", ATTR_INTS},
     [BROADCAST_AXES] = {"axes", ATTR_INTS},
     [BROADCAST_FORM] = {"form", ATTR_FORM, true}, );
LIST(dims, [DIMS_DIMS] = {"dims", ATTR_INTS},
     [DIMS_FORM] = {"form", ATTR_FORM, true}, );
LIST(perm, [PERM_PERM] = {"perm", ATTR_INTS},
     [PERM_FORM] = {"form", ATTR_FORM, true}, );
LIST(slice, [SLICE_START] = {"start", ATTR_INTS},
     [SLICE_SIZE] = {"size", ATTR_INTS}, );
LIST(pad, [PAD_LOW] = {"low", ATTR_INTS}, [PAD_HIGH] = {"high", ATTR_INTS},
     [PAD_VALUE] = {"value", ATTR_FLOAT}, );
LIST(axes, [AXES_AXES] = {"axes", ATTR_INTS}, );
LIST(matmul, [MATMUL_TRANS_A] = {"trans_a", ATTR_INT},
     [MATMUL_TRANS_B] = {"trans_b", ATTR_INT}, );
LIST(guard, [GUARD_GUARD] = {"guard", ATTR_FLOAT}, );
LIST(trans, [TRANS_TRANS] = {"trans", ATTR_INT}, );
LIST(conv, [CONV_STRIDE] = {"stride", ATTR_INTS},
     [CONV_PAD] = {"pad", ATTR_INTS},
     [CONV_DILATION] = {"dilation", ATTR_INTS, true},
     [CONV_GROUPS] = {"groups", ATTR_INT, true},
     [CONV_BLOCK] = {"block", ATTR_INT, true}, );
LIST(conv_grad, [CONV_STRIDE] = {"stride", ATTR_INTS},
     [CONV_PAD] = {"pad", ATTR_INTS},
     [CONV_DILATION] = {"dilation", ATTR_INTS, true},
     [CONV_GROUPS] = {"groups", ATTR_INT, true},
     [CONV_DIMS] = {"dims", ATTR_INTS},
     [CONV_FORM] = {"form", ATTR_FORM, true}, );
LIST(pool, [POOL_KERNEL] = {"kernel", ATTR_INTS},
     [POOL_STRIDE] = {"stride", ATTR_INTS}, [POOL_PAD] = {"pad", ATTR_INTS}, );
LIST(pool_grad, [POOL_KERNEL] = {"kernel", ATTR_INTS},
     [POOL_STRIDE] = {"stride", ATTR_INTS}, [POOL_PAD] = {"pad", ATTR_INTS},
     [POOL_DIMS] = {"dims", ATTR_INTS},
     [POOL_FORM] = {"form", ATTR_FORM, true}, );
LIST(scale, [SCALE_SCALE] = {"scale", ATTR_FLOAT}, );
LIST(count, [COUNT_COUNT] = {"count", ATTR_INT}, );
LIST(resize, [RESIZE_SIZE] = {"size", ATTR_INTS},
     [RESIZE_MODE] = {"mode", ATTR_TEXT}, );
LIST(ranks, [RANKS_RANKS] = {"ranks", ATTR_INT}, );
LIST(random, [RANDOM_DIMS] = {"dims", ATTR_INTS},
     [RANDOM_STEPS] = {"steps", ATTR_INTS},
     [RANDOM_STREAM] = {"stream", ATTR_TEXT},
     [RANDOM_IMAGES] = {"images", ATTR_INTS, true},
     [RANDOM_FORM] = {"form", ATTR_FORM, true}, );
#undef LIST

static const OpInfo op_table[OP_COUNT] = {
#define OP(id, text, in, attrs, shape, grad, eval, rows, layout, precision,    \
           lower, traits, doc)                                                 \
    [OP_##id] = {text, in, attrs_##attrs, #grad, LOWER_##lower, traits, doc},
#include "ir/ops.def"
#undef OP
};

const OpInfo *op_info(Op op)
{
    return &op_table[op];
}

int op_attr_count(Op op)
{
    int count = 0;
    while (op_table[op].attrs[count].name)
        count++;
    return count;
}

Op op_by_name(const char *text)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (strcmp(op_table[op].text, text) == 0)
            return (Op)op;
    return OP_NONE;
}
