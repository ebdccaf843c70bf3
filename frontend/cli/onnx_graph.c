#include "frontend/cli/onnx_graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/text.h"

// What operations are called in .net files, where the graph has other names.
static const char *const words[OP_COUNT] = {
    [OP_MATMUL] = "the product @", [OP_REDUCE_SUM] = "sum",
    [OP_REDUCE_MAX] = "max_over",  [OP_SUM_POOL] = "avg_pool",
    [OP_SELECT] = "where",         [OP_CONV2D_GRAD_X] = "conv_transpose2d",
    [OP_ATTENTION] = "attend",
};

Status onnx_refuse(const Node *node, const char *format, ...)
{
    char what[256];
    const char *word =
        words[node->op] ? words[node->op] : op_info(node->op)->text;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (!node->origin.file)
        return status_error(STATUS_FAILED, "%s cannot be written as ONNX: %s",
                            word, what);
    return status_error(STATUS_FAILED,
                        "%s:%d: %s cannot be written as ONNX: %s",
                        node->origin.file, node->origin.line, word, what);
}

// ---- nodes ------------------------------------------------------------------

OnnxAttribute onnx_attribute(const char *name, int count, const int64_t *ints)
{
    return (OnnxAttribute){
        .name = name, .kind = ONNX_INTS, .count = count, .ints = ints};
}

OnnxAttribute onnx_int(const char *name, int64_t value)
{
    return (OnnxAttribute){.name = name, .kind = ONNX_INT, .i = value};
}

OnnxAttribute onnx_text(const char *name, const char *text)
{
    return (OnnxAttribute){.name = name, .kind = ONNX_TEXT, .text = text};
}

const OnnxShaped *onnx_input(const OnnxBuild *build, const Node *node, int i)
{
    return &build->values[node->inputs[i]];
}

const char *onnx_add(OnnxBuild *build, const Node *from, const char *op,
                     int input_count, const char *const *inputs,
                     int attribute_count, const OnnxAttribute *attributes)
{
    const char *scope = from && from->origin.scope ? from->origin.scope : "";
    OnnxNode node = {.op = op,
                     .input_count = input_count,
                     .attribute_count = attribute_count};
    node.name =
        arena_printf(build->arena, "%s/%s_%d", scope, op, build->nodes.count);
    node.output = node.name;
    node.inputs = ARENA_ARRAY(build->arena, const char *, input_count + 1);
    for (int i = 0; i < input_count; i++)
        node.inputs[i] = inputs[i];
    INTERNAL_CHECK(attribute_count <= ONNX_ATTRIBUTES);
    for (int i = 0; i < attribute_count; i++) {
        OnnxAttribute *to = &node.attributes[i];
        *to = attributes[i];
        if (to->kind != ONNX_INTS)
            continue;
        int64_t *ints = ARENA_ARRAY(build->arena, int64_t, to->count + 1);
        memcpy(ints, to->ints, sizeof *ints * (size_t)to->count);
        to->ints = ints;
    }
    vec_push(build->arena, &build->nodes, node);
    return node.output;
}

// ---- constants --------------------------------------------------------------

OnnxType onnx_type(DType dtype)
{
    static const OnnxType types[DT_COUNT] = {
        [DT_F32] = ONNX_FLOAT,
        [DT_F64] = ONNX_DOUBLE,
        [DT_BF16] = ONNX_BFLOAT16,
        [DT_BOOL] = ONNX_BOOL,
    };
    return types[dtype];
}

static const char *find_tensor(const OnnxBuild *build, const OnnxTensor *wanted)
{
    for (int i = 0; i < build->tensors.count; i++) {
        const OnnxTensor *tensor = &build->tensors.at[i];
        if (tensor->type == wanted->type && tensor->rank == wanted->rank &&
            tensor->bytes == wanted->bytes && tensor->bytes <= 64 &&
            memcmp(tensor->dims, wanted->dims, sizeof tensor->dims) == 0 &&
            memcmp(tensor->data, wanted->data, (size_t)tensor->bytes) == 0)
            return tensor->name;
    }
    return NULL;
}

// A small one that is there under another name serves as well.
static const char *add_constant(OnnxBuild *build, OnnxTensor tensor)
{
    const char *there = find_tensor(build, &tensor);
    if (there)
        return there;
    if (!tensor.name)
        tensor.name =
            arena_printf(build->arena, "constant/%d", build->tensors.count);
    vec_push(build->arena, &build->tensors, tensor);
    return tensor.name;
}

const char *onnx_ints(OnnxBuild *build, int count, const int64_t *ints)
{
    int64_t *copy = ARENA_ARRAY(build->arena, int64_t, count + 1);
    memcpy(copy, ints, sizeof *copy * (size_t)count);
    return add_constant(build, (OnnxTensor){.type = ONNX_INT64,
                                            .rank = 1,
                                            .dims = {count},
                                            .data = copy,
                                            .bytes = 8 * count});
}

const char *onnx_elements(OnnxBuild *build, const char *name,
                          const TensorType *type, const void *data)
{
    OnnxTensor tensor = {.name = name,
                         .type = onnx_type(type->dtype),
                         .rank = type->rank,
                         .data = data,
                         .bytes =
                             type_elements(type) * dtype_size(type->dtype)};
    memcpy(tensor.dims, type->dims, sizeof(int64_t) * (size_t)type->rank);
    return add_constant(build, tensor);
}

// Elements as a file has them.
static void *store_elements(Arena *arena, DType dtype, int64_t count,
                            const double *elements)
{
    char *data = arena_alloc(arena, (size_t)(count + 1) * 8);
    for (int64_t i = 0; i < count; i++) {
        float single = (float)elements[i];
        uint32_t bits;
        memcpy(&bits, &single, sizeof bits);
        uint16_t half = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
        if (dtype == DT_F32)
            memcpy(data + 4 * i, &single, 4);
        else if (dtype == DT_F64)
            memcpy(data + 8 * i, &elements[i], 8);
        else if (dtype == DT_BF16)
            memcpy(data + 2 * i, &half, 2);
        else
            data[i] = elements[i] != 0;
    }
    return data;
}

const char *onnx_tensor(OnnxBuild *build, const char *name,
                        const TensorType *type, const double *elements)
{
    return onnx_elements(build, name, type,
                         store_elements(build->arena, type->dtype,
                                        type_elements(type), elements));
}

const char *onnx_number(OnnxBuild *build, DType dtype, int rank, double value)
{
    static const int64_t ones[MAX_RANK] = {1, 1, 1, 1, 1, 1};
    TensorType type = type_make(dtype, rank, ones);
    return onnx_tensor(build, NULL, &type, &value);
}

// ---- the whole --------------------------------------------------------------

static Status find_images(OnnxBuild *build)
{
    const Graph *graph = build->graph;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op == OP_INPUT &&
            strcmp(node->attrs[INPUT_NAME].text, "images") == 0)
            build->images = node->type.dims[0];
    }
    if (!build->images)
        return status_error(STATUS_FAILED, "%s does not depend on the images",
                            graph->outputs.at[0].name);
    if (build->images > 1)
        return status_ok();
    return status_error(STATUS_USAGE,
                        "in batches of one image its axes cannot be told from "
                        "others of size 1: --set %.*s.batch=2, or more",
                        (int)strcspn(graph->name, "."), graph->name);
}

static bool *find_constant(const OnnxBuild *build)
{
    const Graph *graph = build->graph;
    bool *constant = ARENA_ARRAY(build->arena, bool, graph->nodes.count + 1);
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        constant[v] = node->op != OP_INPUT && !op_is_collective(node->op) &&
                      !op_has(node->op, TRAIT_EFFECT);
        for (int i = 0; i < node->input_count; i++)
            constant[v] = constant[v] && constant[node->inputs[i]];
    }
    return constant;
}

// Which values the output is made of, when what is fused is.
static bool *find_needed(const OnnxBuild *build)
{
    const Graph *graph = build->graph;
    bool *needed = ARENA_ARRAY(build->arena, bool, graph->nodes.count + 1);
    needed[graph->outputs.at[0].value] = true;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        int room = graph_node(graph, v)->input_count + 8;
        Value *reads = ARENA_ARRAY(build->arena, Value, room);
        int count = needed[v] ? onnx_reads(build, v, reads, room) : 0;
        for (int i = 0; i < count; i++)
            needed[reads[i]] = true;
    }
    return needed;
}

// The output under the name that the program has for it.
static Status name_output(OnnxBuild *build, OnnxModel *model)
{
    const Output *output = &build->graph->outputs.at[0];
    const Node *node = graph_node(build->graph, output->value);
    const OnnxShaped *made = &build->values[output->value];
    const char *name;
    if (made->batch != 0 || node->type.dims[0] != build->images)
        return status_error(STATUS_FAILED,
                            "%s has no row that is made of each image",
                            output->name);
    TRY(onnx_full(build, output->value, ~1u, &name));
    const char *inputs[] = {name};
    onnx_add(build, NULL, "Identity", 1, inputs, 0, NULL);
    build->nodes.at[build->nodes.count - 1].output = output->name;
    model->output = (OnnxValue){.name = output->name,
                                .type = onnx_type(node->type.dtype),
                                .rank = node->type.rank};
    memcpy(model->output.dims, node->type.dims,
           sizeof(int64_t) * (size_t)node->type.rank);
    model->output.dims[0] = -1;
    return status_ok();
}

static void name_input(const OnnxBuild *build, OnnxModel *model)
{
    const Graph *graph = build->graph;
    model->input = (OnnxValue){.name = "images", .rank = 4};
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        const int64_t *dims = node->type.dims;
        if (node->op != OP_INPUT ||
            strcmp(node->attrs[INPUT_NAME].text, "images") != 0)
            continue;
        bool bytes = build->options.bytes;
        model->input.type = bytes ? ONNX_UINT8 : onnx_type(node->type.dtype);
        int64_t planes[] = {-1, dims[1], dims[2], dims[3]};
        int64_t pixels[] = {-1, dims[2], dims[3], dims[1]};
        memcpy(model->input.dims, bytes ? pixels : planes, sizeof planes);
    }
}

Status onnx_from_graph(const Graph *graph, const Store *store,
                       const OnnxOptions *options, OnnxModel *model)
{
    int count = graph->nodes.count;
    OnnxBuild build = {.arena = graph->arena,
                       .graph = graph,
                       .store = store,
                       .options = *options};
    TRY(find_images(&build));
    build.constant = find_constant(&build);
    build.values = ARENA_ARRAY(build.arena, OnnxShaped, count + 1);
    onnx_find_fused(&build);
    bool *needed = find_needed(&build);
    for (Value v = 0; v < count; v++) {
        if (!needed[v])
            continue;
        TRY(build.fused[v].kind == ONNX_ALONE ? onnx_add_op(&build, v)
                                              : onnx_add_fused(&build, v));
    }
    TRY(name_output(&build, model));
    name_input(&build, model);
    model->node_count = build.nodes.count;
    model->nodes = build.nodes.at;
    model->tensor_count = build.tensors.count;
    model->tensors = build.tensors.at;
    return status_ok();
}
