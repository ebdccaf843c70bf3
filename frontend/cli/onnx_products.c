// Products, convolutions, pools, attention, and images of other sizes as ONNX
// has them.
#include <string.h>

#include "frontend/cli/onnx_graph.h"
#include "ir/base/diag.h"
#include "ir/conv.h"

// ---- products ---------------------------------------------------------------

// Matrices in the last two axes of a value.
typedef struct Matrices {
    OnnxShaped shaped; // the axis that is summed over has its full size
    int rank;
    bool transposed;
} Matrices;

// MatMul, with as many axes as the operand of more: a[..,m,k] b[..,k,n], whose
// axes before these are equal, 1 or missing.
static Status multiply(OnnxBuild *build, const Node *node, const Matrices *a,
                       const Matrices *b, OnnxShaped *made)
{
    const Matrices *sides[] = {a, b};
    const char *inputs[2];
    int rank = a->rank > b->rank ? a->rank : b->rank, batches[2];
    OnnxShaped result = {.batch = -1};
    for (int i = 0; i < rank; i++)
        result.dims[i] = 1;
    for (int i = 0; i < 2; i++) {
        const Matrices *side = sides[i];
        const OnnxShaped *from = &side->shaped;
        int64_t perm[MAX_RANK];
        int more = rank - side->rank, place = rank - 2 + i;
        int own = side->rank - 2 + (i != (int)side->transposed);
        int summed = 2 * side->rank - 3 - own;
        if (from->batch == summed)
            return onnx_refuse(node, "it sums over the images of a batch");
        batches[i] = from->batch < 0      ? -1
                     : from->batch == own ? place
                                          : from->batch + more;
        for (int axis = 0; axis < side->rank - 2; axis++)
            if (from->dims[axis] > 1)
                result.dims[axis + more] = from->dims[axis];
        result.dims[place] = from->dims[own];
        inputs[i] = from->name;
        if (!side->transposed)
            continue;
        for (int axis = 0; axis < side->rank; axis++)
            perm[axis] = axis;
        perm[side->rank - 2] = side->rank - 1;
        perm[side->rank - 1] = side->rank - 2;
        OnnxAttribute attribute = onnx_attribute("perm", side->rank, perm);
        inputs[i] =
            onnx_add(build, node, "Transpose", 1, inputs + i, 1, &attribute);
    }
    if (batches[0] >= 0 && batches[1] >= 0 && batches[0] != batches[1])
        return onnx_refuse(node, "it joins each image with each other");
    result.batch = batches[0] >= 0 ? batches[0] : batches[1];
    for (int i = 0; i < 2 && result.batch >= 0; i++) {
        int axis = result.batch - (rank - sides[i]->rank);
        if (batches[i] < 0 && result.batch < rank - 2 && axis >= 0 &&
            sides[i]->shaped.dims[axis] > 1)
            return onnx_refuse(node, "it reads another matrix for each image "
                                     "of a batch");
    }
    result.name = onnx_add(build, node, "MatMul", 2, inputs, 0, NULL);
    *made = result;
    return status_ok();
}

// An input's matrices, whose axes of `axes` have their full size.
static Status take_matrices(OnnxBuild *build, const Node *node, int input,
                            bool transposed, unsigned axes, Matrices *matrices)
{
    const TensorType *type = graph_type(build->graph, node->inputs[input]);
    *matrices =
        (Matrices){*onnx_input(build, node, input), type->rank, transposed};
    for (int axis = 0; axis < type->rank; axis++)
        if (axes >> axis & 1)
            matrices->shaped.dims[axis] = type->dims[axis];
    return onnx_full(build, node->inputs[input], axes, &matrices->shaped.name);
}

// softmax(scale q k') v
Status onnx_add_attention(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    Matrices q, k, v, scores = {.rank = node->type.rank};
    unsigned last = 1u << (scores.rank - 1), rows = last >> 1;
    OnnxAttribute axis = onnx_int("axis", scores.rank - 1);
    const char *factors[2];
    TRY(take_matrices(build, node, 0, false, last, &q));
    TRY(take_matrices(build, node, 1, true, last | rows, &k));
    TRY(take_matrices(build, node, 2, false, rows, &v));
    TRY(multiply(build, node, &q, &k, &scores.shaped));
    factors[0] = scores.shaped.name;
    factors[1] = onnx_number(build, node->type.dtype, scores.rank,
                             node->attrs[SCALE_SCALE].f);
    factors[0] = onnx_add(build, node, "Mul", 2, factors, 0, NULL);
    scores.shaped.name = onnx_add(build, node, "Softmax", 1, factors, 1, &axis);
    return multiply(build, node, &scores, &v, made);
}

// Gemm of two matrices, MatMul of more.
Status onnx_add_product(OnnxBuild *build, Value value, const char *weights,
                        const char *bias, OnnxShaped *made)
{
    const Node *node = graph_node(build->graph, value);
    bool trans_a = node->attrs[MATMUL_TRANS_A].i;
    bool trans_b = node->attrs[MATMUL_TRANS_B].i;
    const OnnxShaped *a = onnx_input(build, node, 0);
    const OnnxShaped *b = onnx_input(build, node, 1);
    const char *inputs[] = {NULL, weights, bias};
    OnnxAttribute attributes[] = {onnx_int("transA", trans_a),
                                  onnx_int("transB", trans_b)};
    if (node->type.rank > 2) {
        Matrices sides[2];
        for (int i = 0; i < 2; i++) {
            bool trans = i == 0 ? trans_a : trans_b;
            int rank = graph_type(build->graph, node->inputs[i])->rank;
            TRY(take_matrices(build, node, i, trans,
                              1u << (rank - 1 - (i != (int)trans)), &sides[i]));
        }
        return multiply(build, node, &sides[0], &sides[1], made);
    }
    // Weights of another name take the place of some that were not made.
    int batch = weights ? -1 : b->batch;
    if (a->batch == !trans_a || batch == trans_b)
        return onnx_refuse(node, "it sums over the images of a batch");
    if (a->batch >= 0 && batch >= 0)
        return onnx_refuse(node, "it joins each image with each other");
    TRY(onnx_full(build, node->inputs[0], 1u << !trans_a, &inputs[0]));
    if (!weights)
        TRY(onnx_full(build, node->inputs[1], 1u << trans_b, &inputs[1]));
    made->dims[0] = a->dims[trans_a];
    made->dims[1] = weights ? node->type.dims[1] : b->dims[!trans_b];
    made->batch = a->batch >= 0 ? 0 : batch >= 0 ? 1 : -1;
    made->name = onnx_add(build, node, "Gemm", 2 + (bias != NULL), inputs, 2,
                          attributes);
    return status_ok();
}

// ---- convolutions, pools ----------------------------------------------------

Status onnx_add_conv(OnnxBuild *build, Value value, const char *weights,
                     const char *bias, OnnxShaped *made)
{
    const Node *node = graph_node(build->graph, value);
    ConvGeometry conv = conv_geometry(build->graph, node);
    // conv_transpose2d: the convolution's gradient by its data.
    bool transposed = node->op == OP_CONV2D_GRAD_X;
    int w_at = conv_weights_input(node->op), x_at = 1 - w_at;
    int64_t further[2];
    const OnnxShaped *x = onnx_input(build, node, x_at);
    const OnnxShaped *w = onnx_input(build, node, w_at);
    const char *inputs[] = {NULL, weights, bias};
    OnnxAttribute attributes[] = {
        onnx_attribute("kernel_shape", 2, &conv.w.dims[2]),
        onnx_attribute("strides", 2, conv.stride),
        onnx_attribute("pads", 4, conv.pad),
        onnx_attribute("dilations", 2, conv.dilation),
        onnx_int("group", conv.groups),
        onnx_attribute("output_padding", 2, further),
    };
    for (int i = 0; i < 2; i++)
        further[i] = conv.x.dims[2 + i] + conv.pad[i] + conv.pad[2 + i] -
                     (conv.y.dims[2 + i] - 1) * conv.stride[i] -
                     (conv.w.dims[2 + i] - 1) * conv.dilation[i] - 1;
    if (x->batch > 0 || (!weights && w->batch >= 0))
        return onnx_refuse(node, "its weights are made of images");
    TRY(onnx_full(build, node->inputs[x_at], ~1u, &inputs[0]));
    if (!weights)
        TRY(onnx_full(build, node->inputs[w_at], ~0u, &inputs[1]));
    memcpy(made->dims, node->type.dims, sizeof made->dims);
    made->dims[0] = x->dims[0];
    made->batch = x->batch;
    made->name =
        onnx_add(build, node, transposed ? "ConvTranspose" : "Conv",
                 2 + (bias != NULL), inputs, 5 + transposed, attributes);
    return status_ok();
}

// Padding counts as 0 in sums, which are means of the whole window, times its
// size; in maxima it counts as nothing.
Status onnx_add_pool(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    const OnnxShaped *from = onnx_input(build, node, 0);
    const int64_t *kernel = node->attrs[POOL_KERNEL].ints.at;
    const int64_t *pad = node->attrs[POOL_PAD].ints.at;
    bool sum = node->op == OP_SUM_POOL;
    OnnxAttribute attributes[] = {
        onnx_attribute("kernel_shape", 2, kernel),
        onnx_attribute("strides", 2, node->attrs[POOL_STRIDE].ints.at),
        onnx_attribute("pads", 4, pad),
        onnx_int("count_include_pad", 1),
    };
    const char *input;
    if (from->batch > 0)
        return onnx_refuse(node, "its windows join images");
    for (int i = 0; i < 4; i++)
        if (pad[i] >= kernel[i % 2])
            return onnx_refuse(node, "its padding is as wide as its window");
    TRY(onnx_full(build, node->inputs[0], 1u << 2 | 1u << 3, &input));
    memcpy(made->dims, from->dims, sizeof made->dims);
    made->dims[2] = node->type.dims[2];
    made->dims[3] = node->type.dims[3];
    made->batch = from->batch;
    made->name = onnx_add(build, node, sum ? "AveragePool" : "MaxPool", 1,
                          &input, 3 + sum, attributes);
    if (!sum)
        return status_ok();
    const char *factors[] = {made->name,
                             onnx_number(build, node->type.dtype, 4,
                                         (double)(kernel[0] * kernel[1]))};
    made->name = onnx_add(build, node, "Mul", 2, factors, 0, NULL);
    return status_ok();
}

// ---- images of other sizes --------------------------------------------------

// Rows or columns by their numbers, in whole numbers: Resize divides in single
// precision, and takes a neighbour where the quotient is whole but for
// rounding.
static const char *take_nearest(OnnxBuild *build, const Node *node,
                                const char *name, int axis, int64_t from)
{
    int64_t count = node->type.dims[axis];
    int64_t *places = ARENA_ARRAY(build->arena, int64_t, count + 1);
    OnnxAttribute attribute = onnx_int("axis", axis);
    for (int64_t i = 0; i < count; i++)
        places[i] = i * from / count;
    const char *inputs[] = {name, onnx_ints(build, (int)count, places)};
    return onnx_add(build, node, "Gather", 2, inputs, 1, &attribute);
}

// By the size, for a scale may be no number of single precision. Nearest is
// Resize where an image grows by whole numbers, Gather otherwise.
Status onnx_add_resize(OnnxBuild *build, const Node *node, OnnxShaped *made)
{
    const OnnxShaped *from = onnx_input(build, node, 0);
    const TensorType *type = graph_type(build->graph, node->inputs[0]);
    const int64_t *dims = node->type.dims, first[] = {0}, second[] = {2};
    bool linear = strcmp(node->attrs[RESIZE_MODE].text, "bilinear") == 0;
    const char *image, *shape[3], *sizes[2], *inputs[] = {NULL, "", "", NULL};
    OnnxAttribute axis = onnx_int("axis", 0);
    OnnxAttribute attributes[] = {
        onnx_text("mode", linear ? "linear" : "nearest"),
        onnx_text("coordinate_transformation_mode",
                  linear ? "half_pixel" : "asymmetric"),
        onnx_text("nearest_mode", "floor")};
    if (from->batch > 1)
        return onnx_refuse(node, "its pixels are those of several images");
    TRY(onnx_full(build, node->inputs[0], 1u << 2 | 1u << 3, &image));
    memcpy(made->dims, from->dims, sizeof made->dims);
    made->dims[2] = dims[2];
    made->dims[3] = dims[3];
    made->batch = from->batch;
    made->name = image;
    if (!linear && (dims[2] % type->dims[2] || dims[3] % type->dims[3])) {
        for (int a = 2; a < 4; a++)
            if (dims[a] != type->dims[a])
                made->name =
                    take_nearest(build, node, made->name, a, type->dims[a]);
        return status_ok();
    }
    shape[0] = onnx_add(build, node, "Shape", 1, &image, 0, NULL);
    shape[1] = onnx_ints(build, 1, first);
    shape[2] = onnx_ints(build, 1, second);
    sizes[0] = onnx_add(build, node, "Slice", 3, shape, 0, NULL);
    sizes[1] = onnx_ints(build, 2, &dims[2]);
    inputs[0] = image;
    inputs[3] = onnx_add(build, node, "Concat", 2, sizes, 1, &axis);
    made->name =
        onnx_add(build, node, "Resize", 4, inputs, linear ? 2 : 3, attributes);
    return status_ok();
}
