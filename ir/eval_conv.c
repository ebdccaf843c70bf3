// The oracle's matrix product, convolutions and pools: the definitions as
// loops.
#include <math.h>

#include "ir/conv.h"
#include "ir/eval_rules.h"
#include "ir/image.h"
#include "ir/matmul.h"

void eval_matmul(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    const TensorType *types[] = {eval_input_type(context, self, 0),
                                 eval_input_type(context, self, 1)};
    bool trans_a = node->attrs[MATMUL_TRANS_A].i;
    bool trans_b = node->attrs[MATMUL_TRANS_B].i;
    int leading = node->type.rank - 2;
    int64_t m = node->type.dims[leading], n = node->type.dims[leading + 1];
    int64_t k = types[0]->dims[types[0]->rank - (trans_a ? 2 : 1)];
    int64_t a_row = trans_a ? 1 : k, a_column = trans_a ? m : 1;
    int64_t b_row = trans_b ? 1 : n, b_column = trans_b ? k : 1;
    for (int64_t c = 0; c < type_elements(&node->type) / (m * n); c++) {
        // The operands' matrices at the place of the result's c-th.
        int64_t at[2] = {0, 0}, stride[2] = {m * k, k * n}, left = c;
        for (int axis = leading - 1; axis >= 0; axis--) {
            for (int i = 0; i < 2; i++) {
                int64_t size = matmul_leading(types[i], leading, axis);
                at[i] += left % node->type.dims[axis] % size * stride[i];
                stride[i] *= size;
            }
            left /= node->type.dims[axis];
        }
        const double *a = eval_input(context, self, 0) + at[0];
        const double *b = eval_input(context, self, 1) + at[1];
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t l = 0; l < k; l++)
                    sum += a[i * a_row + l * a_column] *
                           b[l * b_row + j * b_column];
                out[(c * m + i) * n + j] = sum;
            }
    }
}

// ---- windows ---------------------------------------------------------------

// Windows of kh x kw over planes of h x w, oh x ow of them. Kernel place (a, b)
// of window (i, j) is at row i stride_v + a - top, column j stride_h + b -
// left. Neighbours in a plane are `step` elements apart, neighbours among the
// windows `out_step`: the blocks of images.
typedef struct Windows {
    int64_t h, w, oh, ow, kh, kw;
    int64_t stride_v, stride_h, top, left;
    int64_t gap_v, gap_h; // of the kernel's places: 1, or the dilation
    int64_t step, out_step;
} Windows;

static Windows windows_of(const TensorType *data, const TensorType *windows,
                          int64_t kh, int64_t kw, const int64_t stride[2],
                          const int64_t pad[4])
{
    return (Windows){.h = data->dims[2],
                     .w = data->dims[3],
                     .oh = windows->dims[2],
                     .ow = windows->dims[3],
                     .kh = kh,
                     .kw = kw,
                     .stride_v = stride[0],
                     .stride_h = stride[1],
                     .top = pad[0],
                     .left = pad[1],
                     .gap_v = 1,
                     .gap_h = 1,
                     .step = image_block(data),
                     .out_step = image_block(windows)};
}

// The offset in its plane of a window's place, -1 in the padding.
static int64_t window_place(const Windows *at, int64_t i, int64_t j, int64_t a,
                            int64_t b)
{
    int64_t y = i * at->stride_v + a - at->top;
    int64_t x = j * at->stride_h + b - at->left;
    bool inside = y >= 0 && y < at->h && x >= 0 && x < at->w;
    return inside ? (y * at->w + x) * at->step : -1;
}

// ---- convolutions ----------------------------------------------------------

// The three tensors of the trilinear form behind the convolutions (see
// gradients_conv.c), of which the one to compute is written.
typedef struct ConvForm {
    ConvGeometry conv;
    double *x, *w, *y;
} ConvForm;

// The terms of one row of windows and one place (a, b) of the kernel. Columns
// outside the image are left out by the range of j, not by a test for each.
static void conv_row(Op op, const Windows *at, double *restrict x,
                     double *restrict w, double *restrict y, int64_t b)
{
    int64_t stride = at->stride_h, step = at->step;
    int64_t shift = b * at->gap_h - at->left;
    int64_t out = at->out_step;
    int64_t first = shift < 0 ? (-shift + stride - 1) / stride : 0;
    int64_t room = at->w - 1 - shift; // of j * stride
    int64_t last = room < 0 ? -1 : room / stride;
    if (last >= at->ow)
        last = at->ow - 1;
    if (op == OP_CONV2D) {
        for (int64_t j = first; j <= last; j++)
            y[j * out] += x[(j * stride + shift) * step] * *w;
    } else if (op == OP_CONV2D_GRAD_X) {
        for (int64_t j = first; j <= last; j++)
            x[(j * stride + shift) * step] += *w * y[j * out];
    } else {
        double sum = *w;
        for (int64_t j = first; j <= last; j++)
            sum += x[(j * stride + shift) * step] * y[j * out];
        *w = sum;
    }
}

// All terms of one pair of planes: one image n and channel c, one output o.
static void conv_planes(const ConvForm *form, const Windows *at, double *x,
                        double *w, double *y)
{
    int64_t tile = weights_tile(&form->conv.w);
    for (int64_t a = 0; a < at->kh; a++)
        for (int64_t b = 0; b < at->kw; b++)
            for (int64_t i = 0; i < at->oh; i++) {
                int64_t row = i * at->stride_v + a * at->gap_v - at->top;
                if (row >= 0 && row < at->h)
                    conv_row(form->conv.op, at, x + row * at->w * at->step,
                             w + (a * at->kw + b) * tile * tile,
                             y + i * at->ow * at->out_step, b);
            }
}

// The convolution in any direction: `out` is the tensor of the three that the
// node makes.
void eval_conv(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    ConvForm form = {.conv = conv_geometry(context->graph, node)};
    const ConvGeometry *conv = &form.conv;
    double *inputs[2];
    for (int i = 0; i < 2; i++)
        inputs[i] = context->results[node->inputs[i]];
    form.x = conv->op == OP_CONV2D_GRAD_X ? out : inputs[0];
    form.w = conv->op == OP_CONV2D_GRAD_W
                 ? out
                 : inputs[conv_weights_input(conv->op)];
    form.y = conv->op == OP_CONV2D ? out : inputs[1];
    TensorType w = weights_plain_type(&conv->w);
    Windows at = windows_of(&conv->x, &conv->y, w.dims[2], w.dims[3],
                            conv->stride, conv->pad);
    at.gap_v = conv->dilation[0];
    at.gap_h = conv->dilation[1];
    int64_t group = w.dims[0] / conv->groups; // outputs
    for (int64_t n = 0; n < conv->x.dims[0]; n++)
        for (int64_t o = 0; o < w.dims[0]; o++)
            for (int64_t c = 0; c < w.dims[1]; c++) {
                int64_t channel = o / group * w.dims[1] + c;
                conv_planes(&form, &at,
                            form.x + image_offset(&conv->x, n, channel),
                            form.w + weights_offset(&conv->w, o, c),
                            form.y + image_offset(&conv->y, n, o));
            }
}

// ---- pools -----------------------------------------------------------------

static Windows pool_windows(const EvalContext *context, Value self,
                            const TensorType *data, const TensorType *windows)
{
    const Attr *attrs = eval_node(context, self)->attrs;
    const int64_t *kernel = attrs[POOL_KERNEL].ints.at;
    return windows_of(data, windows, kernel[0], kernel[1],
                      attrs[POOL_STRIDE].ints.at, attrs[POOL_PAD].ints.at);
}

// The place of the first largest element of a window, or of its last NaN: what
// PyTorch takes, too. -1 if all is padding.
static int64_t window_largest(const Windows *at, const double *plane, int64_t i,
                              int64_t j)
{
    int64_t best = -1;
    for (int64_t a = 0; a < at->kh; a++)
        for (int64_t b = 0; b < at->kw; b++) {
            int64_t place = window_place(at, i, j, a, b);
            if (place >= 0 &&
                (best < 0 || plane[place] > plane[best] || isnan(plane[place])))
                best = place;
        }
    return best;
}

// One plane of images of x and of y, the windows.
typedef void PoolPlane(const Windows *at, const double *from, const double *dy,
                       double *out);

// Plane by plane; `x` and `y` are the types of the larger and smaller side.
// `from` has x's dims or is NULL, `dy` has y's or is NULL; `out` is of x's when
// it is a gradient, else of y's.
static void pool_planes(const EvalContext *context, Value self,
                        const TensorType *x, const TensorType *y,
                        const double *from, const double *dy, double *out,
                        PoolPlane *rule)
{
    Windows at = pool_windows(context, self, x, y);
    for (int64_t n = 0; n < x->dims[0]; n++)
        for (int64_t c = 0; c < image_channels(x); c++) {
            int64_t large = image_offset(x, n, c);
            int64_t small = image_offset(y, n, c);
            rule(&at, from ? from + large : NULL, dy ? dy + small : NULL,
                 out + (dy ? large : small));
        }
}

static void max_plane(const Windows *at, const double *from, const double *dy,
                      double *out)
{
    (void)dy;
    for (int64_t i = 0; i < at->oh; i++)
        for (int64_t j = 0; j < at->ow; j++) {
            int64_t best = window_largest(at, from, i, j);
            out[(i * at->ow + j) * at->step] =
                best < 0 ? -INFINITY : from[best];
        }
}

static void max_grad_plane(const Windows *at, const double *from,
                           const double *dy, double *out)
{
    for (int64_t i = 0; i < at->oh; i++)
        for (int64_t j = 0; j < at->ow; j++) {
            int64_t best = window_largest(at, from, i, j);
            if (best >= 0)
                out[best] += dy[(i * at->ow + j) * at->step];
        }
}

static void sum_plane(const Windows *at, const double *from, const double *dy,
                      double *out)
{
    (void)dy;
    for (int64_t i = 0; i < at->oh; i++)
        for (int64_t j = 0; j < at->ow; j++)
            for (int64_t ab = 0; ab < at->kh * at->kw; ab++) {
                int64_t place =
                    window_place(at, i, j, ab / at->kw, ab % at->kw);
                if (place >= 0)
                    out[(i * at->ow + j) * at->step] += from[place];
            }
}

static void sum_grad_plane(const Windows *at, const double *from,
                           const double *dy, double *out)
{
    (void)from;
    for (int64_t i = 0; i < at->oh; i++)
        for (int64_t j = 0; j < at->ow; j++)
            for (int64_t ab = 0; ab < at->kh * at->kw; ab++) {
                int64_t place =
                    window_place(at, i, j, ab / at->kw, ab % at->kw);
                if (place >= 0)
                    out[place] += dy[(i * at->ow + j) * at->step];
            }
}

void eval_max_pool(const EvalContext *context, Value self, double *out)
{
    pool_planes(context, self, eval_input_type(context, self, 0),
                &eval_node(context, self)->type, eval_input(context, self, 0),
                NULL, out, max_plane);
}

void eval_max_pool_grad(const EvalContext *context, Value self, double *out)
{
    pool_planes(context, self, eval_input_type(context, self, 0),
                eval_input_type(context, self, 1), eval_input(context, self, 0),
                eval_input(context, self, 1), out, max_grad_plane);
}

void eval_sum_pool(const EvalContext *context, Value self, double *out)
{
    pool_planes(context, self, eval_input_type(context, self, 0),
                &eval_node(context, self)->type, eval_input(context, self, 0),
                NULL, out, sum_plane);
}

void eval_sum_pool_grad(const EvalContext *context, Value self, double *out)
{
    pool_planes(context, self, &eval_node(context, self)->type,
                eval_input_type(context, self, 0), NULL,
                eval_input(context, self, 0), out, sum_grad_plane);
}
