// Rules for ops that move or regroup elements. Views of views become one view,
// views that change nothing vanish, and transposes go into products.
#include "passes/simplify.h"

#include "ir/build.h"

static bool same_type(const Rewrite *rewrite, Value v, const Node *node)
{
    return type_equal(graph_type(rewrite->graph, v), &node->type);
}

// 0, 1, 2, ...
static bool is_identity(IntList list)
{
    for (int i = 0; i < list.count; i++)
        if (list.at[i] != i)
            return false;
    return true;
}

static bool all_zero(IntList list)
{
    for (int i = 0; i < list.count; i++)
        if (list.at[i] != 0)
            return false;
    return true;
}

static Value reshape_to(Rewrite *rewrite, Value x, const TensorType *type)
{
    if (type_equal(graph_type(rewrite->graph, x), type))
        return x;
    return build_reshape_to(rewrite->graph, x, type);
}

Value simplify_broadcast(Rewrite *rewrite, const Node *node)
{
    IntList axes = node->attrs[BROADCAST_AXES].ints;
    if (same_type(rewrite, node->inputs[0], node) && is_identity(axes))
        return node->inputs[0];
    const Node *inner = rewrite_node(rewrite, node->inputs[0]);
    if (inner->op != OP_BROADCAST)
        return NO_VALUE;
    // Axis i of x lies at inner axis a[i], and that at outer axis axes[a[i]].
    IntList first = inner->attrs[BROADCAST_AXES].ints;
    int64_t composed[MAX_RANK];
    for (int i = 0; i < first.count; i++)
        composed[i] = axes.at[first.at[i]];
    return build_broadcast_to(rewrite->graph, inner->inputs[0], &node->type,
                              composed);
}

Value simplify_reshape(Rewrite *rewrite, const Node *node)
{
    if (same_type(rewrite, node->inputs[0], node))
        return node->inputs[0];
    const Node *inner = rewrite_node(rewrite, node->inputs[0]);
    return inner->op == OP_RESHAPE
               ? reshape_to(rewrite, inner->inputs[0], &node->type)
               : NO_VALUE;
}

// Whether the axes longer than 1 keep their order, so that no element moves.
static bool moves_nothing(const Node *node, IntList perm)
{
    int64_t last = -1;
    for (int i = 0; i < perm.count; i++) {
        if (node->type.dims[i] == 1)
            continue;
        if (perm.at[i] < last)
            return false;
        last = perm.at[i];
    }
    return true;
}

// (a b)' = b' a', of a product of two matrices that nobody else reads: the
// gradient of a weight that is read transposed.
static Value transpose_product(Rewrite *rewrite, const Node *product)
{
    const SimplifyContext *context = rewrite->context;
    Value old = graph_node(context->graph, rewrite->old)->inputs[0];
    if (product->type.rank != 2 || context->uses[old] > 1)
        return NO_VALUE;
    return build_matmul(rewrite->graph, product->inputs[1], product->inputs[0],
                        product->attrs[MATMUL_TRANS_B].i == 0,
                        product->attrs[MATMUL_TRANS_A].i == 0);
}

Value simplify_transpose(Rewrite *rewrite, const Node *node)
{
    IntList perm = node->attrs[PERM_PERM].ints;
    if (moves_nothing(node, perm))
        return reshape_to(rewrite, node->inputs[0], &node->type);
    const Node *inner = rewrite_node(rewrite, node->inputs[0]);
    if (inner->op == OP_MATMUL)
        return transpose_product(rewrite, inner);
    if (inner->op != OP_TRANSPOSE)
        return NO_VALUE;
    // Axis i is axis perm[i] of the inner result, which is first[perm[i]] of x.
    IntList first = inner->attrs[PERM_PERM].ints;
    int64_t composed[MAX_RANK];
    for (int i = 0; i < perm.count; i++)
        composed[i] = first.at[perm.at[i]];
    return build_transpose_to(rewrite->graph, inner->inputs[0], composed,
                              node->type.form);
}

Value simplify_slice(Rewrite *rewrite, const Node *node)
{
    if (same_type(rewrite, node->inputs[0], node))
        return node->inputs[0];
    const Node *inner = rewrite_node(rewrite, node->inputs[0]);
    if (inner->op != OP_SLICE)
        return NO_VALUE;
    IntList first = inner->attrs[SLICE_START].ints;
    IntList start = node->attrs[SLICE_START].ints;
    int64_t sum[MAX_RANK];
    for (int i = 0; i < start.count; i++)
        sum[i] = first.at[i] + start.at[i];
    return build_slice(rewrite->graph, inner->inputs[0], sum, node->type.dims);
}

Value simplify_pad(Rewrite *rewrite, const Node *node)
{
    (void)rewrite;
    bool nothing = all_zero(node->attrs[PAD_LOW].ints) &&
                   all_zero(node->attrs[PAD_HIGH].ints);
    return nothing ? node->inputs[0] : NO_VALUE;
}

// A concatenation first or last in another along the same axis is part of it.
Value simplify_concat(Rewrite *rewrite, const Node *node)
{
    if (node->input_count == 1)
        return node->inputs[0];
    int64_t axis = node->attrs[AXIS_AXIS].i;
    VEC(Value) parts = {0};
    for (int i = 0; i < node->input_count; i++) {
        const Node *part = rewrite_node(rewrite, node->inputs[i]);
        bool same = part->op == OP_CONCAT && part->attrs[AXIS_AXIS].i == axis;
        for (int k = 0; same && k < part->input_count; k++)
            vec_push(rewrite->scratch, &parts, part->inputs[k]);
        if (!same)
            vec_push(rewrite->scratch, &parts, node->inputs[i]);
    }
    return parts.count > node->input_count
               ? build_concat(rewrite->graph, parts.count, parts.at, (int)axis)
               : NO_VALUE;
}

// The axis along which `next` begins where `first` ends, both framed by zeros
// to tensors of one type, and elsewhere framed alike; -1: there is none.
static int adjoining_axis(const Rewrite *rewrite, const Node *first,
                          const Node *next)
{
    IntList low[] = {first->attrs[PAD_LOW].ints, next->attrs[PAD_LOW].ints};
    IntList high[] = {first->attrs[PAD_HIGH].ints, next->attrs[PAD_HIGH].ints};
    const TensorType *type = graph_type(rewrite->graph, first->inputs[0]);
    int found = -1;
    for (int i = 0; i < low[0].count; i++) {
        if (low[0].at[i] == low[1].at[i] && high[0].at[i] == high[1].at[i])
            continue;
        if (found >= 0 || low[0].at[i] + type->dims[i] != low[1].at[i])
            return -1;
        found = i;
    }
    return found;
}

// Neighbours in zeros, added: what the gradient of slices of one tensor is.
Value simplify_add_padded(Rewrite *rewrite, const Node *node)
{
    const Node *pads[2];
    for (int i = 0; i < 2; i++) {
        pads[i] = rewrite_node(rewrite, node->inputs[i]);
        if (pads[i]->op != OP_PAD || pads[i]->attrs[PAD_VALUE].f != 0)
            return NO_VALUE;
    }
    for (int i = 0; i < 2; i++) {
        const Node *first = pads[i], *next = pads[1 - i];
        int axis = adjoining_axis(rewrite, first, next);
        if (axis < 0)
            continue;
        int64_t high[MAX_RANK];
        IntList low = first->attrs[PAD_LOW].ints;
        for (int k = 0; k < low.count; k++)
            high[k] = next->attrs[PAD_HIGH].ints.at[k];
        Value both =
            build_concat(rewrite->graph, 2,
                         (Value[]){first->inputs[0], next->inputs[0]}, axis);
        return build_pad(rewrite->graph, both, low.at, high, 0);
    }
    return NO_VALUE;
}

// Over axes of size 1 both sum and maximum are the element itself.
Value simplify_reduce(Rewrite *rewrite, const Node *node)
{
    const TensorType *type = graph_type(rewrite->graph, node->inputs[0]);
    if (type_elements(type) != type_elements(&node->type))
        return NO_VALUE;
    return reshape_to(rewrite, node->inputs[0], &node->type);
}

// Whether the last two axes are exchanged and no other moves.
static bool transposes_matrices(const Node *node)
{
    IntList perm = node->attrs[PERM_PERM].ints;
    if (node->op != OP_TRANSPOSE || perm.count < 2)
        return false;
    for (int i = 0; i < perm.count - 2; i++)
        if (perm.at[i] != i)
            return false;
    return perm.at[perm.count - 1] == perm.count - 2;
}

// Transposed matrices are read by a flag of the product.
Value simplify_matmul(Rewrite *rewrite, const Node *node)
{
    bool trans[2] = {node->attrs[MATMUL_TRANS_A].i != 0,
                     node->attrs[MATMUL_TRANS_B].i != 0};
    Value operands[2];
    bool changed = false;
    for (int i = 0; i < 2; i++) {
        const Node *input = rewrite_node(rewrite, node->inputs[i]);
        bool through = transposes_matrices(input);
        operands[i] = through ? input->inputs[0] : node->inputs[i];
        trans[i] ^= through;
        changed |= through;
    }
    if (!changed)
        return NO_VALUE;
    return build_matmul(rewrite->graph, operands[0], operands[1], trans[0],
                        trans[1]);
}
