#include "ir/conv.h"

#include <string.h>

#include "ir/base/diag.h"
#include "ir/build.h"
#include "ir/image.h"

// Which tensor of the forward convolution each op of the class makes.
typedef enum ConvTensor { CONV_Y, CONV_X, CONV_W } ConvTensor;
enum {
    MADE_BY_CONV2D = CONV_Y,
    MADE_BY_CONV2D_GRAD_X = CONV_X,
    MADE_BY_CONV2D_GRAD_W = CONV_W
};
static const ConvTensor made_by[OP_COUNT] = {
#define PICK_CONV(id) [OP_##id] = (ConvTensor)MADE_BY_##id,
#include "ir/ops_of.def"
};

bool conv_is(const Node *node)
{
    return op_info(node->op)->lower == LOWER_CONV;
}

int conv_weights_input(Op op)
{
    static const int inputs[] = {[CONV_Y] = 1, [CONV_X] = 0, [CONV_W] = -1};
    return inputs[made_by[op]];
}

ConvGeometry conv_geometry(const Graph *graph, const Node *node)
{
    TensorType in0 = *graph_type(graph, node->inputs[0]);
    TensorType in1 = *graph_type(graph, node->inputs[1]);
    ConvGeometry conv = {.op = node->op, .dilation = {1, 1}, .groups = 1};
    // The inputs are the other two of x, w and y, in this order.
    switch (made_by[node->op]) {
    case CONV_Y:
        conv.x = in0, conv.w = in1, conv.y = node->type;
        break;
    case CONV_X:
        conv.x = node->type, conv.w = in0, conv.y = in1;
        break;
    case CONV_W:
        conv.x = in0, conv.w = node->type, conv.y = in1;
        break;
    }
    memcpy(conv.stride, node->attrs[CONV_STRIDE].ints.at, sizeof conv.stride);
    memcpy(conv.pad, node->attrs[CONV_PAD].ints.at, sizeof conv.pad);
    IntList dilation = node->attrs[CONV_DILATION].ints;
    for (int i = 0; i < dilation.count; i++)
        conv.dilation[i] = dilation.at[i];
    if (node->attrs[CONV_GROUPS].i)
        conv.groups = node->attrs[CONV_GROUPS].i;
    return conv;
}

bool conv_multiplies_bf16(const ConvGeometry *conv, ConvBf16 which)
{
    int64_t window = conv->w.dims[2] * conv->w.dims[3];
    bool plain = window == 1 || conv->stride[0] > 1 || conv->stride[1] > 1;
    return conv->x.form == FORM_BLOCKED && conv->w.form == FORM_TILED &&
           conv->groups == 1 && window <= CONV_BF16_WINDOW &&
           conv->stride[0] <= CONV_BF16_STRIDE &&
           conv->stride[1] <= CONV_BF16_STRIDE &&
           (which == CONV_BF16_ALL || (which == CONV_BF16_PLAIN && plain));
}

void conv_set_attrs(const ConvGeometry *conv, Attr *attrs)
{
    bool dilated = conv->dilation[0] > 1 || conv->dilation[1] > 1;
    attrs[CONV_STRIDE].ints = (IntList){2, conv->stride};
    attrs[CONV_PAD].ints = (IntList){4, conv->pad};
    attrs[CONV_DILATION].ints = (IntList){dilated ? 2 : 0, conv->dilation};
    attrs[CONV_GROUPS].i = conv->groups > 1 ? conv->groups : 0;
}

bool conv_equal(const ConvGeometry *a, const ConvGeometry *b)
{
    return a->op == b->op && type_equal(&a->x, &b->x) &&
           type_equal(&a->w, &b->w) && type_equal(&a->y, &b->y) &&
           memcmp(a->stride, b->stride, sizeof a->stride) == 0 &&
           memcmp(a->pad, b->pad, sizeof a->pad) == 0 &&
           memcmp(a->dilation, b->dilation, sizeof a->dilation) == 0 &&
           a->groups == b->groups;
}

int64_t conv_macs(const ConvGeometry *conv)
{
    TensorType w = weights_plain_type(&conv->w);
    return type_elements(&conv->y) * w.dims[1] * w.dims[2] * w.dims[3];
}

Graph *conv_graph(Arena *arena, const ConvGeometry *conv, const char *name)
{
    Graph *graph = graph_new(arena, name);
    Attr attrs[MAX_ATTRS] = {{0}};
    Value inputs[2];
    int count = 0;
    conv_set_attrs(conv, attrs);
    if (conv->op != OP_CONV2D_GRAD_X)
        inputs[count++] = build_input(graph, conv->x, "x");
    if (conv->op != OP_CONV2D_GRAD_W)
        inputs[count++] =
            build_param(graph, conv->w, "w", "weight", "constant", 0);
    if (conv->op != OP_CONV2D)
        inputs[count++] = build_input(graph, conv->y, "dy");
    const TensorType *made = conv->op == OP_CONV2D_GRAD_X ? &conv->x : &conv->w;
    if (conv->op == OP_CONV2D) {
        attrs[CONV_BLOCK].i =
            conv->x.form == FORM_PLANES ? image_block(&conv->y) : 0;
    } else {
        attrs[CONV_DIMS].ints = (IntList){made->rank, made->dims};
        attrs[CONV_FORM].i = made->form;
    }
    Value out = graph_add(graph, conv->op, count, inputs, attrs, NULL);
    if (out == NO_VALUE)
        INTERNAL_ERROR("%s", graph->error);
    graph_add_output(graph, "out", out);
    return graph;
}
