#include "ir/build.h"

#include "ir/base/diag.h"

// graph_add for callers whose types are right by construction.
static Value build_node(Graph *g, Op op, int count, const Value *inputs,
                        const Attr *attrs, const TensorType *type)
{
    Value value = graph_add(g, op, count, inputs, attrs, type);
    if (value == NO_VALUE)
        INTERNAL_ERROR("ill-typed node: %s", g->error);
    return value;
}

static Attr attr_ints(int count, const int64_t *at)
{
    return (Attr){.ints = {count, at}};
}

Value build_param(Graph *g, TensorType type, const char *name, const char *role,
                  const char *init, double scale)
{
    Attr attrs[] = {[PARAM_NAME].text = name,
                    [PARAM_ROLE].text = role,
                    [PARAM_INIT].text = init,
                    [PARAM_SCALE].f = scale};
    return build_node(g, OP_PARAM, 0, NULL, attrs, &type);
}

Value build_input(Graph *g, TensorType type, const char *name)
{
    Attr attrs[] = {[INPUT_NAME].text = name};
    return build_node(g, OP_INPUT, 0, NULL, attrs, &type);
}

Value build_const(Graph *g, TensorType type, double value)
{
    Attr attrs[] = {[CONST_VALUE].f = value};
    return build_node(g, OP_CONST, 0, NULL, attrs, &type);
}

Value build_scalar(Graph *g, DType dtype, double value)
{
    return build_const(g, type_scalar(dtype), value);
}

Value build_const_like(Graph *g, Value like, double value)
{
    return build_const(g, *graph_type(g, like), value);
}

Value build_iota(Graph *g, TensorType type, int axis)
{
    Attr attrs[] = {[AXIS_AXIS].i = axis};
    return build_node(g, OP_IOTA, 0, NULL, attrs, &type);
}

Value build_unary(Graph *g, Op op, Value x)
{
    return build_node(g, op, 1, &x, NULL, NULL);
}

Value build_binary(Graph *g, Op op, Value x, Value y)
{
    return build_node(g, op, 2, (Value[]){x, y}, NULL, NULL);
}

Value build_select(Graph *g, Value condition, Value yes, Value no)
{
    return build_node(g, OP_SELECT, 3, (Value[]){condition, yes, no}, NULL,
                      NULL);
}

Value build_cast(Graph *g, Value x, DType dtype)
{
    Attr attrs[] = {[CAST_DTYPE].text = dtype_name(dtype)};
    return build_node(g, OP_CAST, 1, &x, attrs, NULL);
}

Value build_broadcast(Graph *g, Value x, int rank, const int64_t *dims,
                      const int64_t *axes)
{
    TensorType type = type_make(graph_type(g, x)->dtype, rank, dims);
    return build_broadcast_to(g, x, &type, axes);
}

Value build_broadcast_to(Graph *g, Value x, const TensorType *type,
                         const int64_t *axes)
{
    Attr attrs[] = {[BROADCAST_DIMS] = attr_ints(type->rank, type->dims),
                    [BROADCAST_AXES] = attr_ints(graph_type(g, x)->rank, axes),
                    [BROADCAST_FORM].i = type->form};
    return build_node(g, OP_BROADCAST, 1, &x, attrs, NULL);
}

Value build_fill(Graph *g, Value scalar, Value like)
{
    TensorType type = *graph_type(g, like);
    return build_broadcast_to(g, scalar, &type, NULL);
}

Value build_reshape(Graph *g, Value x, int rank, const int64_t *dims)
{
    TensorType type = type_make(graph_type(g, x)->dtype, rank, dims);
    return build_reshape_to(g, x, &type);
}

Value build_reshape_to(Graph *g, Value x, const TensorType *type)
{
    Attr attrs[] = {[DIMS_DIMS] = attr_ints(type->rank, type->dims),
                    [DIMS_FORM].i = type->form};
    return build_node(g, OP_RESHAPE, 1, &x, attrs, NULL);
}

Value build_transpose(Graph *g, Value x, const int64_t *perm)
{
    return build_transpose_to(g, x, perm, FORM_PLAIN);
}

Value build_transpose_to(Graph *g, Value x, const int64_t *perm, Form form)
{
    Attr attrs[] = {[PERM_PERM] = attr_ints(graph_type(g, x)->rank, perm),
                    [PERM_FORM].i = form};
    return build_node(g, OP_TRANSPOSE, 1, &x, attrs, NULL);
}

Value build_slice(Graph *g, Value x, const int64_t *start, const int64_t *size)
{
    int rank = graph_type(g, x)->rank;
    Attr attrs[] = {[SLICE_START] = attr_ints(rank, start),
                    [SLICE_SIZE] = attr_ints(rank, size)};
    return build_node(g, OP_SLICE, 1, &x, attrs, NULL);
}

Value build_pad(Graph *g, Value x, const int64_t *low, const int64_t *high,
                double value)
{
    int rank = graph_type(g, x)->rank;
    Attr attrs[] = {[PAD_LOW] = attr_ints(rank, low),
                    [PAD_HIGH] = attr_ints(rank, high),
                    [PAD_VALUE].f = value};
    return build_node(g, OP_PAD, 1, &x, attrs, NULL);
}

Value build_concat(Graph *g, int count, const Value *inputs, int axis)
{
    Attr attrs[] = {[AXIS_AXIS].i = axis};
    return build_node(g, OP_CONCAT, count, inputs, attrs, NULL);
}

Value build_reduce(Graph *g, Op op, Value x, int count, const int64_t *axes)
{
    if (count == 0)
        return x;
    Attr attrs[] = {[AXES_AXES] = attr_ints(count, axes)};
    return build_node(g, op, 1, &x, attrs, NULL);
}

Value build_matmul(Graph *g, Value a, Value b, bool trans_a, bool trans_b)
{
    Attr attrs[] = {[MATMUL_TRANS_A].i = trans_a, [MATMUL_TRANS_B].i = trans_b};
    return build_node(g, OP_MATMUL, 2, (Value[]){a, b}, attrs, NULL);
}

Value build_assign(Graph *g, Value param, Value value)
{
    return build_node(g, OP_ASSIGN, 2, (Value[]){param, value}, NULL, NULL);
}
