// What becomes one operation of several: norms, biases, and, on request, norms
// that go into the weights before them.
#include <math.h>
#include <string.h>

#include "frontend/cli/onnx_graph.h"
#include "ir/base/diag.h"
#include "ir/conv.h"
#include "ir/eval.h"

// Numbers that are computed here have no more elements.
static const int64_t most_elements = (int64_t)1 << 28;

// ---- numbers of constants ---------------------------------------------------

typedef VEC(EvalBinding) Bindings;

static const double *stored_numbers(const OnnxBuild *build, const Node *node)
{
    const StoreTensor *stored =
        store_find(build->store, node->attrs[PARAM_NAME].text);
    int64_t count = type_elements(&node->type);
    double *numbers = ARENA_ARRAY(build->arena, double, count + 1);
    INTERNAL_CHECK(stored && stored->param.tile == 0);
    for (int64_t i = 0; i < count; i++)
        numbers[i] = node->type.dtype == DT_F64
                         ? ((const double *)stored->data)[i]
                         : (double)((const float *)stored->data)[i];
    return numbers;
}

// The value with what it is made of, in a graph of its own.
static Value copy_constant(const OnnxBuild *build, Graph *to, Value value,
                           Value *copies, Bindings *bindings)
{
    const Node *node = graph_node(build->graph, value);
    if (copies[value] != NO_VALUE)
        return copies[value];
    if (!build->constant[value] || type_elements(&node->type) > most_elements)
        return NO_VALUE;
    Value *inputs = ARENA_ARRAY(build->arena, Value, node->input_count + 1);
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = copy_constant(build, to, node->inputs[i], copies, bindings);
        if (inputs[i] == NO_VALUE)
            return NO_VALUE;
    }
    copies[value] = graph_add(to, node->op, node->input_count, inputs,
                              node->attrs, &node->type);
    if (node->op == OP_PARAM)
        vec_push(build->arena, bindings,
                 ((EvalBinding){copies[value], stored_numbers(build, node)}));
    return copies[value];
}

// Its elements in double precision; NULL where it depends on more than weights.
static const double *numbers_of(const OnnxBuild *build, Value value)
{
    const Node *node = graph_node(build->graph, value);
    if (node->op == OP_PARAM)
        return stored_numbers(build, node);
    Graph *graph = graph_new(build->arena, "constant");
    Bindings bindings = {0};
    Value *copies =
        ARENA_ARRAY(build->arena, Value, build->graph->nodes.count + 1);
    for (Value v = 0; v < build->graph->nodes.count; v++)
        copies[v] = NO_VALUE;
    Value copy = copy_constant(build, graph, value, copies, &bindings);
    if (copy == NO_VALUE)
        return NULL;
    return eval_graph(graph, build->arena, bindings.count, bindings.at)[copy];
}

// ---- constants of channels --------------------------------------------------

// What an operand holds for each channel (axis 1): a vector, or a number.
typedef struct Channels {
    bool is;
    Value vector; // NO_VALUE: the number
    double number;
} Channels;

static Channels channels_of(const OnnxBuild *build, Value value)
{
    const Node *node = graph_node(build->graph, value);
    Channels none = {.vector = NO_VALUE};
    if (node->op == OP_CONST)
        return (Channels){true, NO_VALUE, node->attrs[CONST_VALUE].f};
    if (node->op != OP_BROADCAST || !build->constant[value])
        return none;
    const IntList *axes = &node->attrs[BROADCAST_AXES].ints;
    Value from = node->inputs[0];
    if (axes->count != 1 || axes->at[0] != 1 ||
        graph_type(build->graph, from)->dims[0] != node->type.dims[1])
        return none;
    return (Channels){true, from, 0};
}

static bool is_linear(Op op)
{
    return op == OP_ADD || op == OP_SUB || op == OP_MUL || op == OP_DIV;
}

// Readers, where there is one alone, which is no output.
static Value *find_readers(const OnnxBuild *build, const int *uses)
{
    const Graph *graph = build->graph;
    Value *readers = ARENA_ARRAY(build->arena, Value, graph->nodes.count + 1);
    for (Value v = 0; v < graph->nodes.count; v++)
        readers[v] = NO_VALUE;
    for (Value v = 0; v < graph->nodes.count; v++)
        for (int i = 0; i < graph_node(graph, v)->input_count; i++) {
            Value read = graph_node(graph, v)->inputs[i];
            if (uses[read] == 1)
                readers[read] = v;
        }
    return readers;
}

// ---- folding into weights ---------------------------------------------------

// y = scale x + shift before the step becomes the step of it.
static bool take_step(const OnnxBuild *build, const Node *node, Value from,
                      int64_t channels, OnnxFused *fused)
{
    int place = node->inputs[0] == from ? 0 : 1;
    Channels other = channels_of(build, node->inputs[1 - place]);
    const double *numbers = NULL;
    if (!other.is || node->inputs[0] == node->inputs[1] ||
        (node->op == OP_DIV && place == 1))
        return false;
    if (other.vector != NO_VALUE &&
        !(numbers = numbers_of(build, other.vector)))
        return false;
    for (int64_t c = 0; c < channels; c++) {
        double by = numbers ? numbers[c] : other.number;
        double *scale = &fused->scale[c], *shift = &fused->shift[c];
        double sign = node->op == OP_SUB && place == 1 ? -1 : 1;
        double factor = node->op == OP_MUL   ? by
                        : node->op == OP_DIV ? 1 / by
                                             : sign;
        *scale *= factor;
        *shift *= factor;
        *shift += node->op == OP_ADD                 ? by
                  : node->op == OP_SUB && place == 0 ? -by
                  : node->op == OP_SUB               ? by
                                                     : 0;
    }
    return true;
}

static int weights_input(const Node *root)
{
    return root->op == OP_MATMUL ? 1 : conv_weights_input(root->op);
}

// A convolution's or product's chain of norms and biases, as far as it goes.
static void find_folded(OnnxBuild *build, Value root, const Value *readers)
{
    const Node *node = graph_node(build->graph, root);
    int64_t channels = node->type.dims[1];
    int weights = weights_input(node);
    if (!build->constant[node->inputs[weights]] ||
        build->constant[node->inputs[1 - weights]])
        return;
    OnnxFused fused = {
        .kind = ONNX_FOLDED,
        .root = root,
        .scale = ARENA_ARRAY(build->arena, double, channels),
        .shift = ARENA_ARRAY(build->arena, double, channels),
    };
    for (int64_t c = 0; c < channels; c++) {
        fused.scale[c] = 1;
        fused.shift[c] = 0;
    }
    Value last = root;
    for (Value next = readers[root];
         next != NO_VALUE && is_linear(graph_node(build->graph, next)->op);
         next = readers[next]) {
        if (!take_step(build, graph_node(build->graph, next), last, channels,
                       &fused))
            break;
        last = next;
    }
    if (last != root)
        build->fused[last] = fused;
}

// ---- biases and norms as they are -------------------------------------------

static void find_bias(OnnxBuild *build, Value root, const Value *readers)
{
    Value next = readers[root];
    if (next == NO_VALUE || graph_node(build->graph, next)->op != OP_ADD)
        return;
    const Node *node = graph_node(build->graph, next);
    Channels other = channels_of(build, node->inputs[node->inputs[0] == root]);
    if (other.is && other.vector != NO_VALUE)
        build->fused[next] =
            (OnnxFused){.kind = ONNX_BIAS, .root = root, .beta = other.vector};
}

// scale = rsqrt(variance + epsilon), maybe times gamma.
static bool read_scale(const OnnxBuild *build, Value scale, OnnxFused *fused)
{
    const Graph *graph = build->graph;
    const Node *node = graph_node(graph, scale);
    fused->gamma = NO_VALUE;
    if (node->op == OP_MUL) {
        int root = graph_node(graph, node->inputs[0])->op == OP_RSQRT ? 0 : 1;
        fused->gamma = node->inputs[1 - root];
        node = graph_node(graph, node->inputs[root]);
    }
    if (node->op != OP_RSQRT)
        return false;
    node = graph_node(graph, node->inputs[0]);
    if (node->op != OP_ADD)
        return false;
    int place = graph_node(graph, node->inputs[1])->op == OP_CONST ? 1 : 0;
    const Node *epsilon = graph_node(graph, node->inputs[place]);
    fused->variance = node->inputs[1 - place];
    fused->epsilon = epsilon->attrs[CONST_VALUE].f;
    return epsilon->op == OP_CONST;
}

// (x - mean) scale, maybe + beta.
static void find_norm(OnnxBuild *build, Value first, const Value *readers)
{
    const Graph *graph = build->graph;
    const Node *node = graph_node(graph, first);
    Value last = readers[first];
    OnnxFused fused = {.kind = ONNX_NORM, .beta = NO_VALUE};
    Channels mean = channels_of(build, node->inputs[1]);
    if (!mean.is || mean.vector == NO_VALUE || last == NO_VALUE ||
        build->constant[node->inputs[0]] ||
        graph_node(graph, last)->op != OP_MUL)
        return;
    node = graph_node(graph, last);
    Channels scale = channels_of(build, node->inputs[node->inputs[0] == first]);
    if (!scale.is || scale.vector == NO_VALUE ||
        !read_scale(build, scale.vector, &fused))
        return;
    fused.root = graph_node(graph, first)->inputs[0];
    fused.mean = mean.vector;
    Value next = readers[last];
    if (next != NO_VALUE && graph_node(graph, next)->op == OP_ADD) {
        node = graph_node(graph, next);
        Channels beta =
            channels_of(build, node->inputs[node->inputs[0] == last]);
        if (beta.is && beta.vector != NO_VALUE) {
            fused.beta = beta.vector;
            last = next;
        }
    }
    build->fused[last] = fused;
}

// A later find does not take what an earlier one has: that one's nodes are read
// by nobody else, and it begins where the other ends.
void onnx_find_fused(OnnxBuild *build)
{
    const Graph *graph = build->graph;
    int count = graph->nodes.count;
    build->fused = ARENA_ARRAY(build->arena, OnnxFused, count + 1);
    const Value *readers =
        find_readers(build, graph_use_counts(graph, build->arena));
    for (Value v = 0; v < count; v++)
        if (graph_node(graph, v)->op == OP_SUB)
            find_norm(build, v, readers);
    for (Value v = 0; v < count; v++) {
        Op op = graph_node(graph, v)->op;
        // Products of other ranks have their channels in the last axis, and no
        // bias in ONNX.
        if (op != OP_CONV2D && op != OP_CONV2D_GRAD_X &&
            !(op == OP_MATMUL && graph_type(graph, v)->rank == 2))
            continue;
        if (build->options.fold)
            find_folded(build, v, readers);
        else
            find_bias(build, v, readers);
    }
}

// ---- making them ------------------------------------------------------------

int onnx_reads(const OnnxBuild *build, Value value, Value *reads, int room)
{
    const OnnxFused *fused = &build->fused[value];
    const Node *node = graph_node(build->graph, fused->kind == ONNX_ALONE ||
                                                        fused->kind == ONNX_NORM
                                                    ? value
                                                    : fused->root);
    int count = 0;
    INTERNAL_CHECK(room >= node->input_count + 5 || fused->kind == ONNX_ALONE);
    if (fused->kind == ONNX_NORM) {
        Value norm[] = {fused->root, fused->mean, fused->variance, fused->gamma,
                        fused->beta};
        for (int i = 0; i < 5; i++)
            if (norm[i] != NO_VALUE)
                reads[count++] = norm[i];
        return count;
    }
    for (int i = 0; i < node->input_count; i++)
        if (fused->kind != ONNX_FOLDED || i != weights_input(node))
            reads[count++] = node->inputs[i];
    if (fused->kind == ONNX_BIAS)
        reads[count++] = fused->beta;
    return count;
}

static Status add_norm(OnnxBuild *build, const OnnxFused *fused, Value last)
{
    const Node *node = graph_node(build->graph, last);
    OnnxShaped *made = &build->values[last];
    TensorType vector = type_make(node->type.dtype, 1, &node->type.dims[1]);
    double *fill = ARENA_ARRAY(build->arena, double, vector.dims[0]);
    const char *inputs[5];
    const Value values[] = {fused->gamma, fused->beta, fused->mean,
                            fused->variance};
    OnnxAttribute epsilon = {
        .name = "epsilon", .kind = ONNX_REAL, .f = fused->epsilon};
    *made = build->values[fused->root];
    TRY(onnx_full(build, fused->root, ~1u, &inputs[0]));
    memcpy(made->dims + 1, node->type.dims + 1,
           sizeof(int64_t) * (size_t)(node->type.rank - 1));
    for (int i = 0; i < 4; i++) {
        for (int64_t c = 0; values[i] == NO_VALUE && c < vector.dims[0]; c++)
            fill[c] = i == 0; // without gamma 1, without beta 0
        if (values[i] == NO_VALUE)
            inputs[1 + i] = onnx_tensor(build, NULL, &vector, fill);
        else
            TRY(onnx_full(build, values[i], 1, &inputs[1 + i]));
    }
    made->name =
        onnx_add(build, node, "BatchNormalization", 5, inputs, 1, &epsilon);
    return status_ok();
}

// The output channel that a number of the weights belongs to: axis 0 of a
// convolution's, with the input's groups axis 1 of a transposed one's, the axis
// of a product's that is not summed over.
static int64_t channel_of(const Node *root, const TensorType *weights,
                          int64_t i)
{
    int64_t channels = root->type.dims[1], count = type_elements(weights);
    const int64_t *dims = weights->dims;
    if (root->op == OP_MATMUL && !root->attrs[MATMUL_TRANS_B].i)
        return i % channels;
    if (root->op != OP_CONV2D_GRAD_X)
        return i / (count / channels);
    int64_t plane = i / (dims[2] * dims[3]);
    int64_t groups = channels / dims[1], row = plane / dims[1];
    return row / (dims[0] / groups) * dims[1] + plane % dims[1];
}

// Weights times the scale of their output channel. In place of each number, not
// beside it: they may be most of the memory.
static const char *scaled_weights(OnnxBuild *build, const OnnxFused *fused,
                                  const char *name)
{
    const Node *root = graph_node(build->graph, fused->root);
    Value weights = root->inputs[weights_input(root)];
    const Node *node = graph_node(build->graph, weights);
    const TensorType *type = &node->type;
    const StoreTensor *stored =
        node->op == OP_PARAM
            ? store_find(build->store, node->attrs[PARAM_NAME].text)
            : NULL;
    const double *numbers = stored ? NULL : numbers_of(build, weights);
    bool precise = type->dtype == DT_F64;
    int64_t count = type_elements(type);
    if (!stored && !numbers)
        return NULL;
    void *scaled = arena_alloc(
        build->arena, (size_t)(count + 1) * (size_t)dtype_size(type->dtype));
    for (int64_t i = 0; i < count; i++) {
        double scale = fused->scale[channel_of(root, type, i)];
        double number = numbers   ? numbers[i]
                        : precise ? ((const double *)stored->data)[i]
                                  : (double)((const float *)stored->data)[i];
        if (precise)
            ((double *)scaled)[i] = scale * number;
        else
            ((float *)scaled)[i] = (float)(scale * number);
    }
    return onnx_elements(build, name, type, scaled);
}

static Status add_folded(OnnxBuild *build, const OnnxFused *fused, Value last)
{
    const Node *root = graph_node(build->graph, fused->root);
    TensorType vector = type_make(root->type.dtype, 1, &root->type.dims[1]);
    const char *scope = root->origin.scope ? root->origin.scope : "";
    const char *stem = arena_printf(build->arena, "%s%sfolded_%d", scope,
                                    *scope ? "." : "", build->tensors.count);
    const char *weights = scaled_weights(
        build, fused, arena_printf(build->arena, "%s.weight", stem));
    const char *bias =
        onnx_tensor(build, arena_printf(build->arena, "%s.bias", stem), &vector,
                    fused->shift);
    if (!weights)
        return onnx_refuse(root,
                           "its weights are too many to be folded: leave out "
                           "--fold");
    return root->op == OP_MATMUL ? onnx_add_product(build, fused->root, weights,
                                                    bias, &build->values[last])
                                 : onnx_add_conv(build, fused->root, weights,
                                                 bias, &build->values[last]);
}

Status onnx_add_fused(OnnxBuild *build, Value last)
{
    const OnnxFused *fused = &build->fused[last];
    const Node *root = graph_node(build->graph, fused->root);
    const char *bias;
    build->values[last].batch = -1;
    if (fused->kind == ONNX_NORM)
        return add_norm(build, fused, last);
    if (fused->kind == ONNX_FOLDED)
        return add_folded(build, fused, last);
    TRY(onnx_full(build, fused->beta, 1, &bias));
    return root->op == OP_MATMUL ? onnx_add_product(build, fused->root, NULL,
                                                    bias, &build->values[last])
                                 : onnx_add_conv(build, fused->root, NULL, bias,
                                                 &build->values[last]);
}
