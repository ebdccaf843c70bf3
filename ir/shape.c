// Shape rules of leaves, elementwise ops, movements, reductions and
// collectives. Products and windows are in shape_window.c.
#include "ir/image.h"
#include "ir/shape_rules.h"

#include <math.h>

#include "ir/base/diag.h"

static ShapeRule *const rules[OP_COUNT] = {
#define OP(id, text, in, attrs, shape, ...) [OP_##id] = shape_##shape,
#include "ir/ops.def"
#undef OP
};

const char *shape_error(const Graph *graph, const Node *node,
                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(graph->arena, format, args);
    va_end(args);
    return arena_printf(graph->arena, "%s: %s", op_info(node->op)->text,
                        message);
}

bool shape_in_range(IntList list, int64_t low, int64_t high)
{
    for (int i = 0; i < list.count; i++)
        if (list.at[i] < low || list.at[i] > high)
            return false;
    return true;
}

// ---- what holds for every op ------------------------------------------------

static const char *check_inputs(const Graph *graph, const Node *node)
{
    int wanted = op_info(node->op)->input_count;
    if (wanted >= 0 ? node->input_count != wanted : node->input_count < 1)
        return wanted < 0 ? shape_error(graph, node, "takes at least one input")
                          : shape_error(graph, node, "takes %d input%s, not %d",
                                        wanted, wanted == 1 ? "" : "s",
                                        node->input_count);
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] < 0 || node->inputs[i] >= graph->nodes.count)
            return shape_error(graph, node, "input %%%d does not exist",
                               (int)node->inputs[i]);
    return NULL;
}

static const char *check_attrs(const Graph *graph, const Node *node)
{
    const AttrSpec *spec = op_info(node->op)->attrs;
    for (int i = 0; spec[i].name; i++) {
        const Attr *attr = &node->attrs[i];
        if (spec[i].kind == ATTR_TEXT && !attr->text)
            return shape_error(graph, node, "%s is missing", spec[i].name);
        if (spec[i].kind == ATTR_INTS &&
            (attr->ints.count < 0 || attr->ints.count > MAX_RANK))
            return shape_error(graph, node,
                               "%s has %d numbers; at most %d are allowed",
                               spec[i].name, attr->ints.count, MAX_RANK);
    }
    return NULL;
}

const char *shape_infer(const Graph *graph, Node *node)
{
    const char *error = check_inputs(graph, node);
    if (!error)
        error = check_attrs(graph, node);
    if (!error)
        error = rules[node->op](graph, node);
    if (!error && !type_fits_form(&node->type))
        error = shape_error(graph, node, "%s cannot be of that form",
                            type_text(graph->arena, &node->type));
    if (!error && !type_is_sane(&node->type))
        error = shape_error(graph, node,
                            "%s has a size below 1 or more than 2^40 elements",
                            type_text(graph->arena, &node->type));
    return error;
}

// ---- leaves -----------------------------------------------------------------

static bool one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(*words, text) != 0)
        words++;
    return *words != NULL;
}

const char *shape_param(const Graph *graph, Node *node)
{
    static const char *const roles[] = {"weight", "state", "slot",
                                        "frozen", "sum",   NULL};
    static const char *const inits[] = {
        "constant", "normal", "truncated_normal", "uniform", "copy", NULL};
    const Attr *attrs = node->attrs;
    if (!attrs[PARAM_NAME].text[0])
        return shape_error(graph, node, "name is empty");
    if (!one_of(attrs[PARAM_ROLE].text, roles))
        return shape_error(graph, node,
                           "role \"%s\" is not weight, state, slot, frozen "
                           "or sum",
                           attrs[PARAM_ROLE].text);
    if (!one_of(attrs[PARAM_INIT].text, inits))
        return shape_error(graph, node,
                           "init \"%s\" is not constant, normal, "
                           "truncated_normal, uniform or copy",
                           attrs[PARAM_INIT].text);
    if (!isfinite(attrs[PARAM_SCALE].f))
        return shape_error(graph, node, "scale is not a finite number");
    if (!dtype_is_float(node->type.dtype))
        return shape_error(graph, node, "elements must be floats, not bool");
    return NULL;
}

const char *shape_input_leaf(const Graph *graph, Node *node)
{
    if (!node->attrs[INPUT_NAME].text[0])
        return shape_error(graph, node, "name is empty");
    return NULL;
}

const char *shape_const(const Graph *graph, Node *node)
{
    double value = node->attrs[CONST_VALUE].f;
    if (node->type.dtype == DT_BOOL && value != 0 && value != 1)
        return shape_error(graph, node, "a bool is 0 or 1, not %g", value);
    return NULL;
}

const char *shape_iota(const Graph *graph, Node *node)
{
    int64_t axis = node->attrs[AXIS_AXIS].i;
    if (!dtype_is_float(node->type.dtype))
        return shape_error(graph, node, "elements must be floats, not bool");
    if (axis < 0 || axis >= node->type.rank)
        return shape_error(graph, node, "%s has no axis %lld",
                           type_text(graph->arena, &node->type),
                           (long long)axis);
    return NULL;
}

const char *shape_rank(const Graph *graph, Node *node)
{
    if (node->type.rank != 0 || !dtype_is_float(node->type.dtype))
        return shape_error(graph, node, "the type is a scalar float, not %s",
                           type_text(graph->arena, &node->type));
    return NULL;
}

// ---- elementwise ------------------------------------------------------------

static const char *want_float(const Graph *graph, const Node *node, int input)
{
    if (dtype_is_float(shape_input(graph, node, input)->dtype))
        return NULL;
    return shape_error(graph, node, "needs floats, not %s",
                       shape_text(graph, node, input));
}

static const char *want_bool(const Graph *graph, const Node *node, int input)
{
    if (shape_input(graph, node, input)->dtype == DT_BOOL)
        return NULL;
    return shape_error(graph, node, "needs bool, not %s",
                       shape_text(graph, node, input));
}

static const char *want_equal(const Graph *graph, const Node *node, int a,
                              int b)
{
    const TensorType *x = shape_input(graph, node, a);
    const TensorType *y = shape_input(graph, node, b);
    if (type_equal(x, y))
        return NULL;
    return shape_error(graph, node, "types differ: %s and %s",
                       type_text(graph->arena, x), type_text(graph->arena, y));
}

const char *shape_unary(const Graph *graph, Node *node)
{
    node->type = *shape_input(graph, node, 0);
    return want_float(graph, node, 0);
}

const char *shape_logic1(const Graph *graph, Node *node)
{
    node->type = *shape_input(graph, node, 0);
    return want_bool(graph, node, 0);
}

const char *shape_cast(const Graph *graph, Node *node)
{
    const char *name = node->attrs[CAST_DTYPE].text;
    node->type = *shape_input(graph, node, 0);
    if (!dtype_by_name(name, &node->type.dtype))
        return shape_error(graph, node, "unknown element type \"%s\"", name);
    return NULL;
}

const char *shape_binary(const Graph *graph, Node *node)
{
    node->type = *shape_input(graph, node, 0);
    const char *error = want_equal(graph, node, 0, 1);
    return error ? error : want_float(graph, node, 0);
}

const char *shape_compare(const Graph *graph, Node *node)
{
    const char *error = shape_binary(graph, node);
    node->type.dtype = DT_BOOL;
    return error;
}

const char *shape_logic2(const Graph *graph, Node *node)
{
    node->type = *shape_input(graph, node, 0);
    const char *error = want_bool(graph, node, 0);
    return error ? error : want_equal(graph, node, 0, 1);
}

const char *shape_select(const Graph *graph, Node *node)
{
    node->type = *shape_input(graph, node, 1);
    const char *error = want_bool(graph, node, 0);
    if (!error)
        error = want_equal(graph, node, 1, 2);
    if (!error && !type_same_dims(shape_input(graph, node, 0), &node->type))
        error = shape_error(
            graph, node, "condition %s and choices %s differ in shape",
            shape_text(graph, node, 0), shape_text(graph, node, 1));
    return error;
}

const char *shape_assign(const Graph *graph, Node *node)
{
    node->type = *shape_input(graph, node, 0);
    if (graph_node(graph, node->inputs[0])->op != OP_PARAM)
        return shape_error(graph, node, "%%%d is not a param",
                           (int)node->inputs[0]);
    return want_equal(graph, node, 0, 1);
}

// ---- movements --------------------------------------------------------------

// The type with x's elements, and dims and form of two attributes.
static const char *type_from_list(const Graph *graph, Node *node, int dims_slot,
                                  int form_slot)
{
    IntList dims = node->attrs[dims_slot].ints;
    node->type = type_make_form(shape_input(graph, node, 0)->dtype, dims.count,
                                dims.at, (Form)node->attrs[form_slot].i);
    if (type_is_sane(&node->type))
        return NULL;
    return shape_error(graph, node,
                       "%s has a size below 1 or more than 2^40 elements",
                       type_text(graph->arena, &node->type));
}

// Whether the axis counts the channels inside a block or tile, of which there
// are always as many.
static bool is_inside_block(const TensorType *type, int axis)
{
    return type->form != FORM_PLAIN && axis >= 4;
}

// One number per axis of the input.
static const char *want_per_axis(const Graph *graph, const Node *node, int attr)
{
    int rank = shape_input(graph, node, 0)->rank;
    int count = node->attrs[attr].ints.count;
    if (count == rank)
        return NULL;
    return shape_error(graph, node, "%s has %d number%s, but %s has %d axes",
                       op_info(node->op)->attrs[attr].name, count,
                       count == 1 ? "" : "s", shape_text(graph, node, 0), rank);
}

// Strictly increasing and below `rank`.
static const char *want_axes(const Graph *graph, const Node *node, IntList axes,
                             int rank)
{
    for (int i = 0; i < axes.count; i++) {
        if (axes.at[i] < 0 || axes.at[i] >= rank)
            return shape_error(graph, node, "there is no axis %lld among %d",
                               (long long)axes.at[i], rank);
        if (i > 0 && axes.at[i] <= axes.at[i - 1])
            return shape_error(
                graph, node, "axes must increase: %lld follows %lld",
                (long long)axes.at[i], (long long)axes.at[i - 1]);
    }
    return NULL;
}

const char *shape_broadcast(const Graph *graph, Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    IntList axes = node->attrs[BROADCAST_AXES].ints;
    const char *error =
        type_from_list(graph, node, BROADCAST_DIMS, BROADCAST_FORM);
    if (!error)
        error = want_per_axis(graph, node, BROADCAST_AXES);
    if (!error)
        error = want_axes(graph, node, axes, node->type.rank);
    for (int i = 0; !error && i < x->rank; i++)
        if (x->dims[i] != 1 && x->dims[i] != node->type.dims[axes.at[i]])
            error = shape_error(graph, node, "axis %d of %s does not fit %s", i,
                                type_text(graph->arena, x),
                                type_text(graph->arena, &node->type));
    return error;
}

const char *shape_reshape(const Graph *graph, Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    const char *error = type_from_list(graph, node, DIMS_DIMS, DIMS_FORM);
    if (error || type_elements(x) == type_elements(&node->type))
        return error;
    return shape_error(graph, node, "%s has %lld elements, but %s has %lld",
                       type_text(graph->arena, x), (long long)type_elements(x),
                       type_text(graph->arena, &node->type),
                       (long long)type_elements(&node->type));
}

const char *shape_transpose(const Graph *graph, Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    IntList perm = node->attrs[PERM_PERM].ints;
    const char *error = want_per_axis(graph, node, PERM_PERM);
    if (error)
        return error;
    node->type = *x;
    node->type.form = (Form)node->attrs[PERM_FORM].i;
    unsigned seen = 0;
    for (int i = 0; i < perm.count; i++) {
        int64_t axis = perm.at[i];
        if (axis < 0 || axis >= x->rank || (seen >> axis & 1))
            return shape_error(graph, node,
                               "perm must name each axis of %s once",
                               type_text(graph->arena, x));
        seen |= 1u << axis;
        node->type.dims[i] = x->dims[axis];
    }
    return NULL;
}

const char *shape_slice(const Graph *graph, Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    IntList start = node->attrs[SLICE_START].ints;
    IntList size = node->attrs[SLICE_SIZE].ints;
    const char *error = want_per_axis(graph, node, SLICE_START);
    if (!error)
        error = want_per_axis(graph, node, SLICE_SIZE);
    if (error)
        return error;
    node->type = *x;
    for (int i = 0; i < x->rank; i++) {
        if (is_inside_block(x, i) && size.at[i] != x->dims[i])
            return shape_error(graph, node, "axis %d of %s can only stay whole",
                               i, type_text(graph->arena, x));
        if (start.at[i] < 0 || start.at[i] >= x->dims[i] || size.at[i] < 1 ||
            size.at[i] > x->dims[i] - start.at[i])
            return shape_error(graph, node,
                               "%lld from %lld on is outside axis %d of %s",
                               (long long)size.at[i], (long long)start.at[i], i,
                               type_text(graph->arena, x));
        node->type.dims[i] = size.at[i];
    }
    return NULL;
}

const char *shape_pad(const Graph *graph, Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    IntList low = node->attrs[PAD_LOW].ints;
    IntList high = node->attrs[PAD_HIGH].ints;
    const char *error = want_per_axis(graph, node, PAD_LOW);
    if (!error)
        error = want_per_axis(graph, node, PAD_HIGH);
    if (error)
        return error;
    if (!shape_in_range(low, 0, MAX_ELEMENTS) ||
        !shape_in_range(high, 0, MAX_ELEMENTS))
        return shape_error(graph, node, "low and high must be 0 to 2^40");
    double value = node->attrs[PAD_VALUE].f;
    if (x->dtype == DT_BOOL && value != 0 && value != 1)
        return shape_error(graph, node, "a bool is 0 or 1, not %g", value);
    node->type = *x;
    for (int i = 0; i < x->rank; i++) {
        if (is_inside_block(x, i) && (low.at[i] || high.at[i]))
            return shape_error(graph, node, "axis %d of %s can only stay whole",
                               i, type_text(graph->arena, x));
        node->type.dims[i] += low.at[i] + high.at[i];
    }
    return NULL;
}

// Whether y can follow x along `axis`.
static bool concat_fits(const TensorType *x, const TensorType *y, int64_t axis)
{
    if (x->dtype != y->dtype || x->rank != y->rank || x->form != y->form ||
        is_inside_block(x, (int)axis))
        return false;
    for (int i = 0; i < x->rank; i++)
        if (i != axis && x->dims[i] != y->dims[i])
            return false;
    return true;
}

const char *shape_concat(const Graph *graph, Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    int64_t axis = node->attrs[AXIS_AXIS].i;
    if (axis < 0 || axis >= x->rank)
        return shape_error(graph, node, "%s has no axis %lld",
                           shape_text(graph, node, 0), (long long)axis);
    node->type = *x;
    for (int i = 1; i < node->input_count; i++) {
        const TensorType *y = shape_input(graph, node, i);
        if (!concat_fits(x, y, axis))
            return shape_error(graph, node, "%s cannot follow %s along axis %d",
                               shape_text(graph, node, i),
                               shape_text(graph, node, 0), (int)axis);
        node->type.dims[axis] += y->dims[axis];
        if (node->type.dims[axis] > MAX_ELEMENTS)
            return shape_error(graph, node, "more than 2^40 elements");
    }
    return NULL;
}

// ---- reductions and collectives ---------------------------------------------

const char *shape_reduce(const Graph *graph, Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    IntList axes = node->attrs[AXES_AXES].ints;
    const char *error = want_float(graph, node, 0);
    if (!error && axes.count == 0)
        error = shape_error(graph, node, "no axis to reduce");
    if (!error)
        error = want_axes(graph, node, axes, x->rank);
    if (error)
        return error;
    node->type = type_scalar(x->dtype);
    for (int i = 0, next = 0; i < x->rank; i++) {
        if (next < axes.count && axes.at[next] == i)
            next++;
        else
            node->type.dims[node->type.rank++] = x->dims[i];
    }
    return NULL;
}

enum { MAX_RANKS = 1 << 16 };

const char *shape_all_sum(const Graph *graph, Node *node)
{
    int64_t ranks = node->attrs[RANKS_RANKS].i;
    if (ranks < 1 || ranks > MAX_RANKS)
        return shape_error(graph, node, "ranks must be 1 to %d, not %lld",
                           MAX_RANKS, (long long)ranks);
    return shape_unary(graph, node);
}

const char *shape_gather(const Graph *graph, Node *node)
{
    const char *error = shape_all_sum(graph, node);
    if (!error && node->type.rank == 0)
        error = shape_error(graph, node, "a scalar has no axis 0");
    if (!error)
        node->type.dims[0] *= node->attrs[RANKS_RANKS].i;
    return error;
}

const char *shape_scatter(const Graph *graph, Node *node)
{
    int64_t ranks = node->attrs[RANKS_RANKS].i;
    const char *error = shape_all_sum(graph, node);
    if (!error && (node->type.rank == 0 || node->type.dims[0] % ranks != 0))
        error = shape_error(graph, node,
                            "axis 0 of %s cannot be divided by %lld ranks",
                            shape_text(graph, node, 0), (long long)ranks);
    if (!error)
        node->type.dims[0] /= ranks;
    return error;
}
