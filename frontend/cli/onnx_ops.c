// Operations of a graph as those of ONNX, one by one.
#include <inttypes.h>
#include <string.h>

#include "frontend/cli/onnx_graph.h"
#include "ir/base/diag.h"

static bool is_stretched(const OnnxShaped *shaped, const TensorType *type,
                         int axis)
{
    return shaped->dims[axis] == 1 && type->dims[axis] > 1;
}

// One number, whatever its dims.
static bool is_flat(const OnnxShaped *shaped, int rank)
{
    for (int a = 0; a < rank; a++)
        if (shaped->dims[a] != 1)
            return false;
    return shaped->batch < 0;
}

// ---- stretching -------------------------------------------------------------

// Expand keeps what is longer than the shape it is given.
Status onnx_full(OnnxBuild *build, Value value, unsigned axes,
                 const char **name)
{
    const Node *node = graph_node(build->graph, value);
    const OnnxShaped *shaped = &build->values[value];
    TensorType wanted = node->type;
    bool missing = false;
    for (int a = 0; a < wanted.rank; a++) {
        bool here = is_stretched(shaped, &node->type, a) && axes >> a & 1;
        if (here && a == 0 && wanted.dims[0] == build->images)
            return onnx_refuse(
                node,
                "it has to have as many rows as there are images, which are "
                "not known; if these rows are no images', --set "
                "%.*s.batch=%" PRId64,
                (int)strcspn(build->graph->name, "."), build->graph->name,
                build->images + 1);
        missing = missing || here;
        if (!here)
            wanted.dims[a] = node->op == OP_CONST ? shaped->dims[a] : 1;
    }
    *name = shaped->name;
    if (!missing)
        return status_ok();
    if (node->op == OP_CONST) {
        int64_t count = type_elements(&wanted);
        double *elements = ARENA_ARRAY(build->arena, double, count + 1);
        for (int64_t i = 0; i < count; i++)
            elements[i] = node->attrs[CONST_VALUE].f;
        *name = onnx_tensor(build, NULL, &wanted, elements);
        return status_ok();
    }
    const char *inputs[] = {shaped->name,
                            onnx_ints(build, wanted.rank, wanted.dims)};
    *name = onnx_add(build, node, "Expand", 2, inputs, 0, NULL);
    return status_ok();
}

// With a row for each of the images, however many there are.
static const char *stretch_rows(OnnxBuild *build, const Node *node,
                                const char *name, int axis)
{
    const int64_t first = 0, ones[MAX_RANK] = {1, 1, 1, 1, 1, 1};
    int rank = node->type.rank;
    const char *images[] = {"images"};
    const char *shape[] = {onnx_add(build, node, "Shape", 1, images, 0, NULL),
                           onnx_ints(build, 1, &first)};
    const char *parts[3];
    int count = 0;
    if (axis > 0)
        parts[count++] = onnx_ints(build, axis, ones);
    parts[count++] = onnx_add(build, node, "Gather", 2, shape, 0, NULL);
    if (axis + 1 < rank)
        parts[count++] = onnx_ints(build, rank - axis - 1, ones);
    OnnxAttribute attribute = onnx_int("axis", 0);
    const char *inputs[] = {
        name, onnx_add(build, node, "Concat", count, parts, 1, &attribute)};
    return onnx_add(build, node, "Expand", 2, inputs, 0, NULL);
}

// ---- leaves -----------------------------------------------------------------

static Status add_input(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    static const int64_t planes[] = {0, 3, 1, 2};
    const char *name = node->attrs[INPUT_NAME].text;
    if (strcmp(name, "images") != 0)
        return onnx_refuse(node,
                           "it is \"%s\", which a use of the net "
                           "has not",
                           name);
    made->batch = 0;
    made->name = "images";
    if (!build->options.bytes)
        return status_ok();
    // The type goes through simcc's own numbers: FLOAT is 1 there, too.
    OnnxAttribute to = onnx_int("to", onnx_type(node->type.dtype));
    OnnxAttribute perm = onnx_attribute("perm", 4, planes);
    const char *inputs[] = {made->name};
    inputs[0] = onnx_add(build, node, "Cast", 1, inputs, 1, &to);
    // As the runtime's pipelines scale pixels, in single precision.
    const char *scaled[] = {
        inputs[0], onnx_number(build, node->type.dtype, 4, 1.0f / 255)};
    inputs[0] = onnx_add(build, node, "Mul", 2, scaled, 0, NULL);
    made->name = onnx_add(build, node, "Transpose", 1, inputs, 1, &perm);
    return status_ok();
}

static const char *add_param(OnnxBuild *build, const Node *node)
{
    const StoreTensor *stored =
        store_find(build->store, node->attrs[PARAM_NAME].text);
    INTERNAL_CHECK(stored && stored->param.tile == 0);
    for (int i = 0; i < build->tensors.count; i++)
        if (strcmp(build->tensors.at[i].name, stored->param.tensor.name) == 0)
            return build->tensors.at[i].name;
    OnnxTensor tensor = {.name = stored->param.tensor.name,
                         .type = onnx_type(node->type.dtype),
                         .rank = node->type.rank,
                         .data = stored->data,
                         .bytes = stored->param.tensor.bytes};
    memcpy(tensor.dims, node->type.dims,
           sizeof(int64_t) * (size_t)node->type.rank);
    vec_push(build->arena, &build->tensors, tensor);
    return tensor.name;
}

static Status add_iota(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    int64_t axis = node->attrs[AXIS_AXIS].i;
    TensorType type = node->type;
    int64_t count = type.dims[axis];
    double *elements = ARENA_ARRAY(build->arena, double, count + 1);
    if (axis == 0 && count == build->images)
        return onnx_refuse(
            node,
            "it numbers the images of a batch; if it numbers something else, "
            "of which there are as many, --set %.*s.batch=%" PRId64,
            (int)strcspn(build->graph->name, "."), build->graph->name,
            count + 1);
    for (int a = 0; a < type.rank; a++)
        made->dims[a] = type.dims[a] = a == axis ? count : 1;
    for (int64_t i = 0; i < count; i++)
        elements[i] = (double)i;
    made->name = onnx_tensor(build, NULL, &type, elements);
    return status_ok();
}

// ---- elementwise ------------------------------------------------------------

static const char *const elementwise_names[OP_COUNT] = {
    [OP_NEG] = "Neg",
    [OP_ABS] = "Abs",
    [OP_EXP] = "Exp",
    [OP_LOG] = "Log",
    [OP_SQRT] = "Sqrt",
    [OP_RSQRT] = "Sqrt",
    [OP_SIN] = "Sin",
    [OP_COS] = "Cos",
    [OP_TANH] = "Tanh",
    [OP_ERF] = "Erf",
    [OP_SIGMOID] = "Sigmoid",
    [OP_RELU] = "Relu",
    [OP_FLOOR] = "Floor",
    [OP_SIGN] = "Sign",
    [OP_NOT] = "Not",
    [OP_CAST] = "Cast",
    [OP_STOP_GRADIENT] = "Identity",
    [OP_ADD] = "Add",
    [OP_SUB] = "Sub",
    [OP_MUL] = "Mul",
    [OP_DIV] = "Div",
    [OP_MAX] = "Max",
    [OP_MIN] = "Min",
    [OP_POW] = "Pow",
    [OP_EQ] = "Equal",
    [OP_NE] = "Equal",
    [OP_LT] = "Less",
    [OP_LE] = "LessOrEqual",
    [OP_AND] = "And",
    [OP_OR] = "Or",
    [OP_SELECT] = "Where",
};

// Its axes are as long as the longest of the inputs'.
static Status shape_elementwise(OnnxBuild *build, const Node *node,
                                OnnxShaped *made)
{
    for (int a = 0; a < node->type.rank; a++)
        made->dims[a] = 1;
    for (int i = 0; i < node->input_count; i++) {
        const OnnxShaped *from = onnx_input(build, node, i);
        if (from->batch >= 0 && made->batch >= 0 && from->batch != made->batch)
            return onnx_refuse(node, "it joins each image with each other");
        made->batch = from->batch >= 0 ? from->batch : made->batch;
        for (int a = 0; a < node->type.rank; a++)
            if (from->dims[a] > made->dims[a])
                made->dims[a] = from->dims[a];
    }
    for (int i = 0; i < node->input_count && made->batch >= 0; i++) {
        const OnnxShaped *from = onnx_input(build, node, i);
        if (from->batch < 0 && from->dims[made->batch] > 1)
            return onnx_refuse(node,
                               "it reads another number for each image of a "
                               "batch");
    }
    return status_ok();
}

static Status add_elementwise(OnnxBuild *build, const Node *node,
                              OnnxShaped *made)
{
    const char *inputs[3];
    OnnxAttribute to = onnx_int("to", onnx_type(node->type.dtype));
    TRY(shape_elementwise(build, node, made));
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = onnx_input(build, node, i)->name;
    made->name = onnx_add(build, node, elementwise_names[node->op],
                          node->input_count, inputs, node->op == OP_CAST, &to);
    if (node->op == OP_RSQRT)
        made->name =
            onnx_add(build, node, "Reciprocal", 1, &made->name, 0, NULL);
    else if (node->op == OP_NE)
        made->name = onnx_add(build, node, "Not", 1, &made->name, 0, NULL);
    return status_ok();
}

// ---- the same numbers elsewhere ---------------------------------------------

// Axes of size 1 are put between those of the input; the rest is stretched by
// whoever reads it.
static Status add_broadcast(OnnxBuild *build, const Node *node,
                            OnnxShaped *made)
{
    const OnnxShaped *from = onnx_input(build, node, 0);
    const IntList *axes = &node->attrs[BROADCAST_AXES].ints;
    bool taken[MAX_RANK] = {false};
    int64_t fresh[MAX_RANK];
    int count = 0;
    for (int a = 0; a < node->type.rank; a++)
        made->dims[a] = 1;
    for (int i = 0; i < axes->count; i++) {
        if (i > 0 && axes->at[i] <= axes->at[i - 1])
            return onnx_refuse(node, "it changes the order of axes");
        made->dims[axes->at[i]] = from->dims[i];
        taken[axes->at[i]] = true;
        if (i == from->batch)
            made->batch = (int)axes->at[i];
    }
    for (int a = 0; a < node->type.rank; a++)
        if (!taken[a])
            fresh[count++] = a;
    made->name = from->name;
    if (!count)
        return status_ok();
    const char *inputs[] = {from->name, onnx_ints(build, count, fresh)};
    made->name = onnx_add(build, node, "Unsqueeze", 2, inputs, 0, NULL);
    return status_ok();
}

// Where the axis of images is after a reshape; -1 = nowhere. Rows of an image
// may be its own rows afterwards, as many for each, and the other way round.
static int moved_batch(const OnnxBuild *build, const TensorType *from,
                       const TensorType *to, int batch)
{
    int64_t before = 1, all = type_elements(from);
    if (batch == 0 && to->rank > 0) {
        int64_t row = all / to->dims[0], image = all / build->images;
        return image % row == 0 ? 0 : -1;
    }
    for (int a = 0; a < batch; a++)
        before *= from->dims[a];
    for (int a = 0; a < to->rank; a++) {
        if (before == 1 && to->dims[a] == from->dims[batch])
            return a;
        if (before % to->dims[a] != 0)
            return -1;
        before /= to->dims[a];
    }
    return -1;
}

static Status add_reshape(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    Value input = node->inputs[0];
    const OnnxShaped *from = &build->values[input];
    const TensorType *type = graph_type(build->graph, input);
    const char *inputs[2];
    int64_t shape[MAX_RANK];
    unsigned axes = ~0u;
    int rank = node->type.rank;
    bool flat = is_flat(from, type->rank);
    // Rows that are all alike stay one.
    bool first = from->batch < 0 && rank && type->rank &&
                 is_stretched(from, type, 0) &&
                 type->dims[0] == node->type.dims[0];
    if (from->batch >= 0) {
        made->batch = moved_batch(build, type, &node->type, from->batch);
        if (made->batch < 0)
            return onnx_refuse(node, "it puts several images into a row");
    }
    if (flat || first)
        axes = flat ? 0 : ~1u;
    TRY(onnx_full(build, input, axes, &inputs[0]));
    for (int a = 0; a < rank; a++) {
        made->dims[a] = flat || (first && a == 0) ? 1 : node->type.dims[a];
        shape[a] = a == made->batch ? -1 : made->dims[a];
    }
    inputs[1] = onnx_ints(build, rank, shape);
    made->name = onnx_add(build, node, "Reshape", 2, inputs, 0, NULL);
    return status_ok();
}

static Status add_transpose(OnnxBuild *build, const Node *node,
                            OnnxShaped *made)
{
    const OnnxShaped *from = onnx_input(build, node, 0);
    const IntList *perm = &node->attrs[PERM_PERM].ints;
    OnnxAttribute attribute = onnx_attribute("perm", perm->count, perm->at);
    for (int i = 0; i < perm->count; i++) {
        made->dims[i] = from->dims[perm->at[i]];
        if (perm->at[i] == from->batch)
            made->batch = i;
    }
    made->name =
        onnx_add(build, node, "Transpose", 1, &from->name, 1, &attribute);
    return status_ok();
}

static Status add_slice(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    const OnnxShaped *from = onnx_input(build, node, 0);
    const TensorType *type = graph_type(build->graph, node->inputs[0]);
    const int64_t *start = node->attrs[SLICE_START].ints.at;
    const int64_t *size = node->attrs[SLICE_SIZE].ints.at;
    int64_t starts[MAX_RANK], ends[MAX_RANK], axes[MAX_RANK];
    int count = 0;
    made->batch = from->batch;
    for (int a = 0; a < type->rank; a++) {
        made->dims[a] = from->dims[a] == 1 ? 1 : size[a];
        if (size[a] == from->dims[a] || is_stretched(from, type, a))
            continue;
        INTERNAL_CHECK(start[a] + size[a] <= from->dims[a]);
        if (a == from->batch)
            return onnx_refuse(node, "it takes some images of a batch");
        starts[count] = start[a];
        ends[count] = start[a] + size[a];
        axes[count++] = a;
    }
    made->name = from->name;
    if (!count)
        return status_ok();
    const char *inputs[] = {from->name, onnx_ints(build, count, starts),
                            onnx_ints(build, count, ends),
                            onnx_ints(build, count, axes)};
    made->name = onnx_add(build, node, "Slice", 4, inputs, 0, NULL);
    return status_ok();
}

static Status add_pad(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    const OnnxShaped *from = onnx_input(build, node, 0);
    const int64_t *low = node->attrs[PAD_LOW].ints.at;
    const int64_t *high = node->attrs[PAD_HIGH].ints.at;
    int rank = node->type.rank;
    int64_t pads[2 * MAX_RANK];
    unsigned axes = 0;
    for (int a = 0; a < rank; a++) {
        bool padded = low[a] || high[a];
        if (padded && a == from->batch)
            return onnx_refuse(node, "it adds images to a batch");
        axes |= (unsigned)padded << a;
        pads[a] = low[a];
        pads[rank + a] = high[a];
        made->dims[a] = padded ? node->type.dims[a] : from->dims[a];
    }
    const char *inputs[] = {
        NULL, onnx_ints(build, 2 * rank, pads),
        onnx_number(build, node->type.dtype, 0, node->attrs[PAD_VALUE].f)};
    TRY(onnx_full(build, node->inputs[0], axes, &inputs[0]));
    made->batch = from->batch;
    made->name = onnx_add(build, node, "Pad", 3, inputs, 0, NULL);
    return status_ok();
}

// Concat stretches nothing: all inputs are as long as the longest.
static Status add_concat(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    int axis = (int)node->attrs[AXIS_AXIS].i, rank = node->type.rank;
    unsigned full = 1u << axis;
    const char **inputs =
        ARENA_ARRAY(build->arena, const char *, node->input_count + 1);
    OnnxAttribute attribute = onnx_int("axis", axis);
    for (int i = 0; i < node->input_count; i++) {
        const OnnxShaped *from = onnx_input(build, node, i);
        made->batch = from->batch >= 0 ? from->batch : made->batch;
        for (int a = 0; a < rank; a++)
            full |= (unsigned)(from->dims[a] > 1 && a != from->batch) << a;
    }
    if (made->batch == axis)
        return onnx_refuse(node, "it joins batches of images");
    for (int i = 0; i < node->input_count; i++) {
        const OnnxShaped *from = onnx_input(build, node, i);
        bool rows = made->batch >= 0 && from->batch < 0;
        if ((from->batch >= 0 && from->batch != made->batch) ||
            (rows && from->dims[made->batch] > 1))
            return onnx_refuse(node, "not all of it is of each image");
        TRY(onnx_full(build, node->inputs[i],
                      rows ? full & ~(1u << made->batch) : full, &inputs[i]));
        if (rows)
            inputs[i] = stretch_rows(build, node, inputs[i], made->batch);
    }
    for (int a = 0; a < rank; a++)
        made->dims[a] =
            full >> a & 1 || a == made->batch ? node->type.dims[a] : 1;
    made->name = onnx_add(build, node, "Concat", node->input_count, inputs, 1,
                          &attribute);
    return status_ok();
}

// Rows of x by their numbers. Gather has none for numbers that are no row's, so
// such places take row 0, and zeros in its place.
static Status add_take(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    const OnnxShaped *x = onnx_input(build, node, 0);
    const OnnxShaped *numbers = onnx_input(build, node, 1);
    const TensorType *type = graph_type(build->graph, node->inputs[0]);
    DType dtype = node->type.dtype;
    int places = node->type.rank - (type->rank - 1), count = 0;
    int64_t fresh[MAX_RANK];
    OnnxAttribute to = onnx_int("to", ONNX_INT64);
    OnnxAttribute axis = onnx_int("axis", 0);
    const char *zero = onnx_number(build, dtype, 0, 0);
    const char *least[] = {zero, numbers->name};
    const char *most[] = {numbers->name,
                          onnx_number(build, dtype, 0, (double)type->dims[0])};
    if (x->batch == 0)
        return onnx_refuse(node, "it takes some images of a batch");
    if (x->batch > 0 && numbers->batch >= 0)
        return onnx_refuse(node, "it joins each image with each other");
    made->batch = x->batch > 0 ? places + x->batch - 1 : numbers->batch;
    for (int a = 0; a < node->type.rank; a++)
        made->dims[a] = a < places ? numbers->dims[a] : x->dims[a - places + 1];
    const char *is_row[] = {
        onnx_add(build, node, "LessOrEqual", 2, least, 0, NULL),
        onnx_add(build, node, "Less", 2, most, 0, NULL)};
    const char *whole[] = {numbers->name, onnx_add(build, node, "Floor", 1,
                                                   &numbers->name, 0, NULL)};
    is_row[0] = onnx_add(build, node, "And", 2, is_row, 0, NULL);
    is_row[1] = onnx_add(build, node, "Equal", 2, whole, 0, NULL);
    const char *chosen[] = {onnx_add(build, node, "And", 2, is_row, 0, NULL),
                            numbers->name, zero};
    const char *there = onnx_add(build, node, "Where", 3, chosen, 0, NULL);
    const char *rows[] = {NULL,
                          onnx_add(build, node, "Cast", 1, &there, 1, &to)};
    TRY(onnx_full(build, node->inputs[0], 1, &rows[0]));
    chosen[1] = onnx_add(build, node, "Gather", 2, rows, 1, &axis);
    for (int a = places; a < node->type.rank; a++)
        fresh[count++] = a;
    if (count) {
        const char *wider[] = {chosen[0], onnx_ints(build, count, fresh)};
        chosen[0] = onnx_add(build, node, "Unsqueeze", 2, wider, 0, NULL);
    }
    made->name = onnx_add(build, node, "Where", 3, chosen, 0, NULL);
    return status_ok();
}

// ---- reductions -------------------------------------------------------------

// A sum over an axis that nobody stretched is a multiple.
static Status add_reduce(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    const OnnxShaped *from = onnx_input(build, node, 0);
    const TensorType *type = graph_type(build->graph, node->inputs[0]);
    const IntList *axes = &node->attrs[AXES_AXES].ints;
    bool sum = node->op == OP_REDUCE_SUM, gone[MAX_RANK] = {false};
    double times = 1;
    int kept = 0;
    for (int i = 0; i < axes->count; i++) {
        int64_t a = axes->at[i];
        bool stretched = is_stretched(from, type, (int)a);
        if (a == from->batch ||
            (stretched && a == 0 && type->dims[0] == build->images))
            return onnx_refuse(node, "it is over the images of a batch");
        times *= stretched ? (double)type->dims[a] : 1;
        gone[a] = true;
    }
    for (int a = 0; a < type->rank; a++) {
        if (gone[a])
            continue;
        if (a == from->batch)
            made->batch = kept;
        made->dims[kept++] = from->dims[a];
    }
    // Sums have their axes as an input since opset 13, maxima an attribute.
    OnnxAttribute attributes[] = {
        onnx_int("keepdims", 0), onnx_attribute("axes", axes->count, axes->at)};
    const char *inputs[] = {from->name,
                            sum ? onnx_ints(build, axes->count, axes->at) : ""};
    made->name = onnx_add(build, node, sum ? "ReduceSum" : "ReduceMax", 1 + sum,
                          inputs, 2 - sum, attributes);
    if (!sum || times == 1)
        return status_ok();
    const char *factors[] = {made->name,
                             onnx_number(build, node->type.dtype, kept, times)};
    made->name = onnx_add(build, node, "Mul", 2, factors, 0, NULL);
    return status_ok();
}

// ---- all of them ------------------------------------------------------------

// Products that are never stored, by what does store them.
static Status refuse_other(const OnnxBuild *build, const Node *node)
{
    static const char *const instead[OP_COUNT] = {
        [OP_MATMUL_LSE] = "log_sum_exp(p, over = 1)",
        [OP_MATMUL_MAX] = "max_over(p, over = 1)",
        [OP_MATMUL_ENTROPY] = "-sum(softmax(p, over = 1) * log(softmax(p, "
                              "over = 1) + guard), over = 1)",
    };
    if (!instead[node->op])
        return onnx_refuse(node,
                           "export knows no counterpart of it; --value names "
                           "another value, made without it");
    if (onnx_input(build, node, 0)->batch >= 0 &&
        onnx_input(build, node, 1)->batch >= 0)
        return onnx_refuse(node, "it joins each image with each other");
    return onnx_refuse(node,
                       "ONNX has no product that is not stored; write %s, "
                       "where p = a @ transpose(b)",
                       instead[node->op]);
}

static Status add_moved(OnnxBuild *build, Value value, OnnxShaped *made)
{
    const Node *node = graph_node(build->graph, value);
    switch (node->op) {
    case OP_BROADCAST:
        return add_broadcast(build, node, made);
    case OP_RESHAPE:
        return add_reshape(build, node, made);
    case OP_TRANSPOSE:
        return add_transpose(build, node, made);
    case OP_SLICE:
        return add_slice(build, node, made);
    case OP_PAD:
        return add_pad(build, node, made);
    case OP_CONCAT:
        return add_concat(build, node, made);
    case OP_TAKE:
        return add_take(build, node, made);
    case OP_REDUCE_SUM:
    case OP_REDUCE_MAX:
        return add_reduce(build, node, made);
    case OP_MATMUL:
        return onnx_add_product(build, value, NULL, NULL, made);
    case OP_CONV2D:
    case OP_CONV2D_GRAD_X:
        return onnx_add_conv(build, value, NULL, NULL, made);
    case OP_MAX_POOL:
    case OP_SUM_POOL:
        return onnx_add_pool(build, node, made);
    case OP_ATTENTION:
        return onnx_add_attention(build, node, made);
    case OP_RESIZE:
        return onnx_add_resize(build, node, made);
    default:
        return refuse_other(build, node);
    }
}

Status onnx_add_op(OnnxBuild *build, Value value)
{
    const Node *node = graph_node(build->graph, value);
    OnnxShaped *made = &build->values[value];
    made->batch = -1;
    memcpy(made->dims, node->type.dims, sizeof made->dims);
    // The sums of exponentials beside what attention makes are sliced off.
    for (int i = 0; i < node->input_count; i++)
        INTERNAL_CHECK(graph_node(build->graph, node->inputs[i])->op !=
                           OP_ATTENTION ||
                       node->op == OP_SLICE);
    switch (node->op) {
    case OP_INPUT:
        return add_input(build, node, made);
    case OP_PARAM:
        made->name = add_param(build, node);
        return status_ok();
    case OP_CONST:
        for (int a = 0; a < node->type.rank; a++)
            made->dims[a] = 1;
        made->name = onnx_number(build, node->type.dtype, node->type.rank,
                                 node->attrs[CONST_VALUE].f);
        return status_ok();
    case OP_IOTA:
        return add_iota(build, node, made);
    default:
        return elementwise_names[node->op] ? add_elementwise(build, node, made)
                                           : add_moved(build, value, made);
    }
}
