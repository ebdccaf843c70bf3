#include "ir/op.h"

#include <stddef.h>
#include <string.h>

#define LIST(name, ...) static const AttrSpec attrs_##name[] = {__VA_ARGS__{0}}
LIST(none, );
LIST(param, {"name", ATTR_TEXT}, {"role", ATTR_TEXT}, {"init", ATTR_TEXT},
     {"scale", ATTR_FLOAT}, );
LIST(input, {"name", ATTR_TEXT}, );
LIST(constant, {"value", ATTR_FLOAT}, );
LIST(axis, {"axis", ATTR_INT}, );
LIST(dtype, {"dtype", ATTR_TEXT}, );
LIST(broadcast, {"dims", ATTR_INTS}, {"axes", ATTR_INTS},
     {"form", ATTR_FORM, true}, );
LIST(dims, {"dims", ATTR_INTS}, {"form", ATTR_FORM, true}, );
LIST(perm, {"perm", ATTR_INTS}, {"form", ATTR_FORM, true}, );
LIST(slice, {"start", ATTR_INTS}, {"size", ATTR_INTS}, );
LIST(pad, {"low", ATTR_INTS}, {"high", ATTR_INTS}, {"value", ATTR_FLOAT}, );
LIST(axes, {"axes", ATTR_INTS}, );
LIST(matmul, {"trans_a", ATTR_INT}, {"trans_b", ATTR_INT}, );
LIST(guard, {"guard", ATTR_FLOAT}, );
LIST(trans, {"trans", ATTR_INT}, );
LIST(conv, {"stride", ATTR_INTS}, {"pad", ATTR_INTS},
     {"block", ATTR_INT, true}, );
LIST(conv_grad, {"stride", ATTR_INTS}, {"pad", ATTR_INTS}, {"dims", ATTR_INTS},
     {"form", ATTR_FORM, true}, );
LIST(pool, {"kernel", ATTR_INTS}, {"stride", ATTR_INTS}, {"pad", ATTR_INTS}, );
LIST(pool_grad, {"kernel", ATTR_INTS}, {"stride", ATTR_INTS},
     {"pad", ATTR_INTS}, {"dims", ATTR_INTS}, {"form", ATTR_FORM, true}, );
LIST(ranks, {"ranks", ATTR_INT}, );
#undef LIST

static const OpInfo op_table[OP_COUNT] = {
#define OP(id, text, in, attrs, shape, grad, eval, rows, layout, lower,        \
           traits, doc)                                                        \
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
