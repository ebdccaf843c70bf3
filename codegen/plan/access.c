// A value as an address. Views cost nothing: their index map is folded into
// the strides with which the reader walks the value below them.
#include "codegen/plan/lower.h"
#include "ir/base/diag.h"

Place value_place(const Lowering *lower, Value value)
{
    for (;;) {
        Place place = lower->place[value];
        if (place.kind != PLACE_NONE || !value_is_alias(lower, value))
            return place;
        value = graph_node(lower->graph, value)->inputs[0];
    }
}

static Access access_placed(const TensorType *type, Place place)
{
    Access access = {EXPR_LOAD, type->dtype, place, 0, 0, {0}};
    strides_row_major(type->rank, type->dims, access.strides);
    return access;
}

static Access access_iota(const Node *node)
{
    Access access = {EXPR_IOTA, node->type.dtype, {0}, 0, 0, {0}};
    access.strides[node->attrs[AXIS_AXIS].i] = 1;
    return access;
}

// Output axis axes[i] walks input axis i; the others, and stretched ones,
// stand still.
static void map_BROADCAST(const Lowering *lower, const Node *node,
                          Access *access)
{
    const TensorType *in = graph_type(lower->graph, node->inputs[0]);
    int64_t strides[MAX_RANK] = {0};
    for (int i = 0; i < in->rank; i++)
        if (in->dims[i] != 1)
            strides[node->attrs[BROADCAST_AXES].ints.at[i]] =
                access->strides[i];
    memcpy(access->strides, strides, sizeof strides);
}

static void map_TRANSPOSE(const Lowering *lower, const Node *node,
                          Access *access)
{
    (void)lower;
    int64_t strides[MAX_RANK] = {0};
    for (int i = 0; i < node->type.rank; i++)
        strides[i] = access->strides[node->attrs[PERM_PERM].ints.at[i]];
    memcpy(access->strides, strides, sizeof strides);
}

static void map_SLICE(const Lowering *lower, const Node *node, Access *access)
{
    (void)lower;
    for (int i = 0; i < node->type.rank; i++) {
        int64_t skip = node->attrs[SLICE_START].ints.at[i] * access->strides[i];
        if (access->kind == EXPR_LOAD || access->kind == EXPR_RANDOM)
            access->offset += skip;
        else if (access->kind == EXPR_IOTA)
            access->value += (double)skip;
    }
}

// In the place of the key, a number for each index.
static void map_RANDOM(const Lowering *lower, const Node *node, Access *access)
{
    (void)lower;
    INTERNAL_CHECK(access->kind == EXPR_LOAD && access->offset == 0);
    access->kind = EXPR_RANDOM;
    access->random = node;
    memset(access->strides, 0, sizeof access->strides);
    memcpy(access->strides, node->attrs[RANDOM_STEPS].ints.at,
           sizeof *access->strides * (size_t)node->type.rank);
}

// How each op of class INDEX walks what is below it.
static void (*const index_maps[OP_COUNT])(const Lowering *lower,
                                          const Node *node, Access *access) = {
#define PICK_INDEX(id) [OP_##id] = map_##id,
#include "ir/ops_of.def"
};

Access value_access(const Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    Place place = value_place(lower, value);
    if (place.kind != PLACE_NONE)
        return access_placed(&node->type, place);
    if (value_is_constant(lower, value))
        return (Access){EXPR_CONST,
                        node->type.dtype,
                        {0},
                        0,
                        node->op == OP_CONST ? node->attrs[CONST_VALUE].f : 0,
                        {0}};
    if (node->op == OP_IOTA)
        return access_iota(node);
    if (!value_is_folded(lower, value))
        INTERNAL_ERROR("graph \"%s\": %%%d (%s) is read before it is made",
                       lower->graph->name, value, op_info(node->op)->text);
    Access access = value_access(lower, node->inputs[0]);
    if (index_maps[node->op])
        index_maps[node->op](lower, node, &access);
    else // an alias, and not placed: of a constant
        INTERNAL_CHECK(access.kind == EXPR_CONST);
    return access;
}
