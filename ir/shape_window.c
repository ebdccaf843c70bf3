// Shape rules of products, convolutions and pools.
#include "ir/base/text.h"
#include "ir/image.h"
#include "ir/matmul.h"
#include "ir/shape_rules.h"

int64_t shape_windows(int64_t size, int64_t kernel, int64_t stride,
                      int64_t pad_before, int64_t pad_after)
{
    int64_t room = size + pad_before + pad_after - kernel;
    return room < 0 ? 0 : room / stride + 1;
}

// ---- matmul -----------------------------------------------------------------

// Leading axes line up from the last; sizes agree where they are equal or one
// of them is 1 or missing.
static const char *leading_type(const Graph *graph, const Node *node,
                                TensorType *out)
{
    const TensorType *a = shape_input(graph, node, 0);
    const TensorType *b = shape_input(graph, node, 1);
    int leading = (a->rank > b->rank ? a->rank : b->rank) - 2;
    out->rank = leading + 2;
    for (int axis = 0; axis < leading; axis++) {
        int64_t x = matmul_leading(a, leading, axis);
        int64_t y = matmul_leading(b, leading, axis);
        if (x != y && x != 1 && y != 1)
            return shape_error(
                graph, node,
                "axes before the last two differ: %s has %lld, %s has %lld",
                shape_text(graph, node, 0), (long long)x,
                shape_text(graph, node, 1), (long long)y);
        out->dims[axis] = x == 1 ? y : x;
    }
    return NULL;
}

const char *shape_matmul(const Graph *graph, Node *node)
{
    const TensorType *a = shape_input(graph, node, 0);
    const TensorType *b = shape_input(graph, node, 1);
    int64_t trans_a = node->attrs[MATMUL_TRANS_A].i;
    int64_t trans_b = node->attrs[MATMUL_TRANS_B].i;
    if ((trans_a != 0 && trans_a != 1) || (trans_b != 0 && trans_b != 1))
        return shape_error(graph, node, "trans_a and trans_b are 0 or 1");
    if (a->rank < 2 || b->rank < 2 || a->form != FORM_PLAIN ||
        b->form != FORM_PLAIN || a->dtype != b->dtype ||
        !dtype_is_float(a->dtype))
        return shape_error(
            graph, node, "needs matrices of one float type, not %s and %s",
            shape_text(graph, node, 0), shape_text(graph, node, 1));
    const int64_t *a_dims = a->dims + a->rank - 2;
    const int64_t *b_dims = b->dims + b->rank - 2;
    int64_t inner_a = a_dims[trans_a ? 0 : 1];
    int64_t inner_b = b_dims[trans_b ? 1 : 0];
    if (inner_a != inner_b)
        return shape_error(
            graph, node, "inner sizes differ: %s%s has %lld, %s%s has %lld",
            shape_text(graph, node, 0), trans_a ? " transposed" : "",
            (long long)inner_a, shape_text(graph, node, 1),
            trans_b ? " transposed" : "", (long long)inner_b);
    node->type = type_scalar(a->dtype);
    const char *error = leading_type(graph, node, &node->type);
    if (error)
        return error;
    node->type.dims[node->type.rank - 2] = a_dims[trans_a ? 1 : 0];
    node->type.dims[node->type.rank - 1] = b_dims[trans_b ? 0 : 1];
    return NULL;
}

// ---- windows ----------------------------------------------------------------

// `kernel` is what a window covers: of a dilated one, gaps and all.
typedef struct Windows {
    IntList stride, pad;
    int64_t kernel[2];
} Windows;

static const char *want_stride_and_pad(const Graph *graph, const Node *node,
                                       IntList stride, IntList pad)
{
    if (stride.count != 2 || !shape_in_range(stride, 1, MAX_ELEMENTS))
        return shape_error(graph, node,
                           "stride is two positive numbers: down and across");
    if (pad.count != 4 || !shape_in_range(pad, 0, MAX_ELEMENTS))
        return shape_error(graph, node,
                           "pad is four numbers, none negative: top, left, "
                           "bottom and right");
    return NULL;
}

// out[n, channels] and the windows of x, in blocks of that many channels, which
// must divide them, unless x is plain; false when the kernel does not fit.
static bool window_type(const TensorType *x, int64_t channels, int64_t block,
                        const Windows *windows, TensorType *out)
{
    *out = *x;
    out->dims[1] = channels / block;
    if (x->form != FORM_PLAIN) {
        out->form = FORM_BLOCKED;
        out->dims[4] = block;
    }
    for (int i = 0; i < 2; i++)
        out->dims[2 + i] = shape_windows(
            x->dims[2 + i], windows->kernel[i], windows->stride.at[i],
            windows->pad.at[i], windows->pad.at[2 + i]);
    return out->dims[2] > 0 && out->dims[3] > 0;
}

// ---- convolution ------------------------------------------------------------

// Weights of images of that type, and their gradients: f32 where images are
// bf16.
static DType weights_dtype(DType image)
{
    return image == DT_BF16 ? DT_F32 : image;
}

// Those in tiles may have been rounded, for products in bf16.
static bool weights_fit(DType image, const TensorType *w)
{
    return w->dtype == weights_dtype(image) ||
           (image == DT_BF16 && w->dtype == DT_BF16 && w->form == FORM_TILED);
}

// The type of conv2d(x, w) with this node's stride and pad. Where x is planes
// its result is in blocks of `block` channels.
static const char *conv_type(const Graph *graph, const Node *node,
                             const TensorType *x, const TensorType *w,
                             int64_t block, TensorType *out)
{
    Windows windows = {.stride = node->attrs[CONV_STRIDE].ints,
                       .pad = node->attrs[CONV_PAD].ints};
    const char *error =
        want_stride_and_pad(graph, node, windows.stride, windows.pad);
    if (error)
        return error;
    IntList dilation = node->attrs[CONV_DILATION].ints;
    int64_t groups =
        node->attrs[CONV_GROUPS].i ? node->attrs[CONV_GROUPS].i : 1;
    if (dilation.count != 0 &&
        (dilation.count != 2 || !shape_in_range(dilation, 1, MAX_ELEMENTS)))
        return shape_error(graph, node,
                           "dilation is two positive numbers: down and across");
    if (groups < 1)
        return shape_error(graph, node, "groups must be 1 or more, not %lld",
                           (long long)groups);
    if (x->dtype == DT_BF16 && !weights_fit(x->dtype, w))
        return shape_error(graph, node,
                           "weights of images in bf16 are f32, not %s",
                           type_text(graph->arena, w));
    if (!image_has_form(x) || !weights_have_form(w) ||
        !weights_fit(x->dtype, w) || !dtype_is_float(x->dtype))
        return shape_error(graph, node,
                           "needs x[n,c,h,w] and w[o,c,kh,kw] of one float "
                           "type, not %s and %s",
                           type_text(graph->arena, x),
                           type_text(graph->arena, w));
    TensorType plain = weights_plain_type(w);
    int64_t outputs = plain.dims[0], inputs = plain.dims[1];
    if (x->form == FORM_PLANES && (groups > 1 || dilation.count))
        return shape_error(graph, node,
                           "images in planes have no groups or dilation");
    if (x->form == FORM_BLOCKED && groups > 1 &&
        (w->form == FORM_TILED
             ? outputs / groups % weights_tile(w) != 0
             : groups != image_channels(x) || groups != outputs))
        return shape_error(graph, node,
                           "%lld groups of blocked x %s and w %s are neither "
                           "of whole blocks nor of one channel each",
                           (long long)groups, type_text(graph->arena, x),
                           type_text(graph->arena, w));
    if (groups > 1 && image_channels(x) % groups != 0)
        return shape_error(
            graph, node, "the %lld channel%s of x %s do not make %lld groups",
            (long long)image_channels(x), text_s(image_channels(x)),
            type_text(graph->arena, x), (long long)groups);
    if (groups > 1 && outputs % groups != 0)
        return shape_error(graph, node,
                           "the %lld output%s of w %s do not make %lld groups",
                           (long long)outputs, text_s(outputs),
                           type_text(graph->arena, w), (long long)groups);
    if (groups > 1 && image_channels(x) != inputs * groups)
        return shape_error(
            graph, node,
            "x %s has %lld channel%s, %lld to each of %lld groups, but w %s "
            "takes %lld",
            type_text(graph->arena, x), (long long)image_channels(x),
            text_s(image_channels(x)), (long long)(image_channels(x) / groups),
            (long long)groups, type_text(graph->arena, w), (long long)inputs);
    if (groups == 1 && image_channels(x) != inputs)
        return shape_error(
            graph, node, "x %s has %lld channel%s, but w %s takes %lld",
            type_text(graph->arena, x), (long long)image_channels(x),
            text_s(image_channels(x)), type_text(graph->arena, w),
            (long long)inputs);
    if (x->form != FORM_PLANES)
        block = image_block(x);
    if (block < 1 || (block & (block - 1)) != 0)
        return shape_error(graph, node,
                           "a convolution of planes needs the block of its "
                           "result, a power of two, not %lld",
                           (long long)block);
    if (outputs % block != 0)
        return shape_error(
            graph, node, "the %lld outputs of w %s do not fill blocks of %lld",
            (long long)outputs, type_text(graph->arena, w), (long long)block);
    for (int i = 0; i < 2; i++) {
        int64_t gap = dilation.count ? dilation.at[i] : 1;
        // Beyond any image, rather than beyond int64_t.
        windows.kernel[i] = gap > MAX_ELEMENTS / w->dims[2 + i]
                                ? MAX_ELEMENTS * 4
                                : (w->dims[2 + i] - 1) * gap + 1;
    }
    bool fits = window_type(x, outputs, block, &windows, out);
    if (!fits && dilation.count)
        return shape_error(
            graph, node,
            "kernel of w %s, spread by dilation %lld and %lld to %lldx%lld, "
            "does not fit padded %s",
            type_text(graph->arena, w), (long long)dilation.at[0],
            (long long)dilation.at[1], (long long)windows.kernel[0],
            (long long)windows.kernel[1], type_text(graph->arena, x));
    if (!fits)
        return shape_error(graph, node, "kernel of w %s does not fit padded %s",
                           type_text(graph->arena, w),
                           type_text(graph->arena, x));
    return NULL;
}

const char *shape_conv(const Graph *graph, Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    int64_t block = node->attrs[CONV_BLOCK].i;
    if (block != 0 && x->form != FORM_PLANES)
        return shape_error(graph, node,
                           "block is for convolutions of planes, not of %s",
                           type_text(graph->arena, x));
    return conv_type(graph, node, x, shape_input(graph, node, 1), block,
                     &node->type);
}

// The type a gradient is taken by: dims and form of the attributes with dy's
// elements.
static const char *type_from_dims(const Graph *graph, const Node *node,
                                  int dims_slot, int form_slot, DType dtype,
                                  TensorType *type)
{
    IntList dims = node->attrs[dims_slot].ints;
    *type = type_make_form(dtype, dims.count, dims.at,
                           (Form)node->attrs[form_slot].i);
    if (type_is_sane(type) && type_fits_form(type) && dims.count >= 4)
        return NULL;
    return shape_error(graph, node,
                       "dims must be four sane sizes, or those of blocks or "
                       "tiles, not %s",
                       type_text(graph->arena, type));
}

static const char *want_dy(const Graph *graph, const Node *node,
                           const TensorType *forward, int dy)
{
    if (type_equal(forward, shape_input(graph, node, dy)))
        return NULL;
    return shape_error(graph, node, "dy is %s, but the result it is for is %s",
                       shape_text(graph, node, dy),
                       type_text(graph->arena, forward));
}

const char *shape_conv_grad_x(const Graph *graph, Node *node)
{
    TensorType x, y;
    const TensorType *w = shape_input(graph, node, 0);
    const char *error = type_from_dims(graph, node, CONV_DIMS, CONV_FORM,
                                       shape_input(graph, node, 1)->dtype, &x);
    if (!error)
        error = conv_type(graph, node, &x, w,
                          image_block(shape_input(graph, node, 1)), &y);
    if (!error)
        error = want_dy(graph, node, &y, 1);
    node->type = x;
    return error;
}

const char *shape_conv_grad_w(const Graph *graph, Node *node)
{
    TensorType w, y;
    const TensorType *x = shape_input(graph, node, 0);
    const char *error = type_from_dims(graph, node, CONV_DIMS, CONV_FORM,
                                       weights_dtype(x->dtype), &w);
    if (!error)
        error = conv_type(graph, node, x, &w,
                          image_block(shape_input(graph, node, 1)), &y);
    if (!error)
        error = want_dy(graph, node, &y, 1);
    node->type = w;
    return error;
}

// ---- pools ------------------------------------------------------------------

// The type of a pool of x with this node's kernel, stride and pad.
static const char *pool_type(const Graph *graph, const Node *node,
                             const TensorType *x, TensorType *out)
{
    IntList kernel = node->attrs[POOL_KERNEL].ints;
    Windows windows = {.stride = node->attrs[POOL_STRIDE].ints,
                       .pad = node->attrs[POOL_PAD].ints};
    const char *error =
        want_stride_and_pad(graph, node, windows.stride, windows.pad);
    if (error)
        return error;
    if (kernel.count != 2 || !shape_in_range(kernel, 1, MAX_ELEMENTS))
        return shape_error(graph, node,
                           "kernel is two positive numbers: down and across");
    // Then every window holds an element that is no padding.
    for (int i = 0; i < 4; i++)
        if (windows.pad.at[i] >= kernel.at[i % 2])
            return shape_error(
                graph, node, "pad %lld is not smaller than the kernel, %lld",
                (long long)windows.pad.at[i], (long long)kernel.at[i % 2]);
    if (!image_has_form(x) || !dtype_is_float(x->dtype))
        return shape_error(graph, node, "needs floats x[n,c,h,w], not %s",
                           type_text(graph->arena, x));
    windows.kernel[0] = kernel.at[0];
    windows.kernel[1] = kernel.at[1];
    if (!window_type(x, image_channels(x), image_block(x), &windows, out))
        return shape_error(graph, node, "kernel %lldx%lld does not fit %s",
                           (long long)kernel.at[0], (long long)kernel.at[1],
                           type_text(graph->arena, x));
    return NULL;
}

const char *shape_pool(const Graph *graph, Node *node)
{
    return pool_type(graph, node, shape_input(graph, node, 0), &node->type);
}

const char *shape_max_pool_grad(const Graph *graph, Node *node)
{
    TensorType y;
    const TensorType *x = shape_input(graph, node, 0);
    const char *error = pool_type(graph, node, x, &y);
    if (!error)
        error = want_dy(graph, node, &y, 1);
    node->type = *x;
    return error;
}

const char *shape_pool_grad(const Graph *graph, Node *node)
{
    TensorType x, y;
    const char *error = type_from_dims(graph, node, POOL_DIMS, POOL_FORM,
                                       shape_input(graph, node, 0)->dtype, &x);
    if (!error)
        error = pool_type(graph, node, &x, &y);
    if (!error)
        error = want_dy(graph, node, &y, 0);
    node->type = x;
    return error;
}
