// The oracle's matrix product, convolutions and pools: the definitions as
// loops.
#include <math.h>

#include "ir/eval_rules.h"

void eval_matmul(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    const double *a = eval_input(context, self, 0);
    const double *b = eval_input(context, self, 1);
    bool trans_a = node->attrs[MATMUL_TRANS_A].i;
    bool trans_b = node->attrs[MATMUL_TRANS_B].i;
    int64_t m = node->type.dims[0], n = node->type.dims[1];
    int64_t k = eval_input_type(context, self, 0)->dims[trans_a ? 0 : 1];
    int64_t a_row = trans_a ? 1 : k, a_column = trans_a ? m : 1;
    int64_t b_row = trans_b ? 1 : n, b_column = trans_b ? k : 1;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum +=
                    a[i * a_row + l * a_column] * b[l * b_row + j * b_column];
            out[i * n + j] = sum;
        }
}

// ---- windows ---------------------------------------------------------------

// Windows of kh x kw over planes of h x w, oh x ow of them. Kernel place (a, b)
// of window (i, j) is at row i stride_v + a - top, column j stride_h + b -
// left.
typedef struct Windows {
    int64_t h, w, oh, ow, kh, kw;
    int64_t stride_v, stride_h, top, left;
} Windows;

static Windows windows_of(const TensorType *data, const TensorType *windows,
                          int64_t kh, int64_t kw, IntList stride, IntList pad)
{
    return (Windows){.h = data->dims[2],
                     .w = data->dims[3],
                     .oh = windows->dims[2],
                     .ow = windows->dims[3],
                     .kh = kh,
                     .kw = kw,
                     .stride_v = stride.at[0],
                     .stride_h = stride.at[1],
                     .top = pad.at[0],
                     .left = pad.at[1]};
}

// The offset in its plane of a window's place, -1 in the padding.
static int64_t window_place(const Windows *at, int64_t i, int64_t j, int64_t a,
                            int64_t b)
{
    int64_t y = i * at->stride_v + a - at->top;
    int64_t x = j * at->stride_h + b - at->left;
    return y < 0 || y >= at->h || x < 0 || x >= at->w ? -1 : y * at->w + x;
}

// ---- convolutions ----------------------------------------------------------

// The three tensors of the trilinear form behind the convolutions (see
// gradients_conv.c), of which the one to compute is written.
typedef struct ConvForm {
    Op op;
    const TensorType *x_type, *w_type, *v_type;
    double *x, *w, *v;
} ConvForm;

// The terms of one row of windows and one place (a, b) of the kernel. Columns
// outside the image are left out by the range of j, not by a test for each.
static void conv_row(Op op, const Windows *at, double *restrict x,
                     double *restrict w, double *restrict v, int64_t b)
{
    int64_t stride = at->stride_h, shift = b - at->left;
    int64_t first = shift < 0 ? (-shift + stride - 1) / stride : 0;
    int64_t room = at->w - 1 - shift; // of j * stride
    int64_t last = room < 0 ? -1 : room / stride;
    if (last >= at->ow)
        last = at->ow - 1;
    if (op == OP_CONV2D) {
        for (int64_t j = first; j <= last; j++)
            v[j] += x[j * stride + shift] * *w;
    } else if (op == OP_CONV2D_GRAD_X) {
        for (int64_t j = first; j <= last; j++)
            x[j * stride + shift] += *w * v[j];
    } else {
        double sum = *w;
        for (int64_t j = first; j <= last; j++)
            sum += x[j * stride + shift] * v[j];
        *w = sum;
    }
}

// All terms of one pair of planes: one image n and channel c, one output o.
static void conv_planes(const ConvForm *form, const Windows *at, double *x,
                        double *w, double *v)
{
    for (int64_t a = 0; a < at->kh; a++)
        for (int64_t b = 0; b < at->kw; b++)
            for (int64_t i = 0; i < at->oh; i++) {
                int64_t y = i * at->stride_v + a - at->top;
                if (y >= 0 && y < at->h)
                    conv_row(form->op, at, x + y * at->w, w + a * at->kw + b,
                             v + i * at->ow, b);
            }
}

static void conv_sum(const EvalContext *context, Value self,
                     const ConvForm *form)
{
    const Attr *attrs = eval_node(context, self)->attrs;
    int64_t images = form->x_type->dims[0], inputs = form->x_type->dims[1];
    int64_t outputs = form->w_type->dims[0];
    Windows at = windows_of(form->x_type, form->v_type, form->w_type->dims[2],
                            form->w_type->dims[3], attrs[CONV_STRIDE].ints,
                            attrs[CONV_PAD].ints);
    for (int64_t n = 0; n < images; n++)
        for (int64_t o = 0; o < outputs; o++)
            for (int64_t c = 0; c < inputs; c++)
                conv_planes(form, &at, form->x + (n * inputs + c) * at.h * at.w,
                            form->w + (o * inputs + c) * at.kh * at.kw,
                            form->v + (n * outputs + o) * at.oh * at.ow);
}

static double *conv_input(const EvalContext *context, Value self, int i)
{
    return context->results[eval_node(context, self)->inputs[i]];
}

void eval_conv(const EvalContext *context, Value self, double *out)
{
    ConvForm form = {OP_CONV2D,
                     eval_input_type(context, self, 0),
                     eval_input_type(context, self, 1),
                     &eval_node(context, self)->type,
                     conv_input(context, self, 0),
                     conv_input(context, self, 1),
                     out};
    conv_sum(context, self, &form);
}

void eval_conv_grad_x(const EvalContext *context, Value self, double *out)
{
    ConvForm form = {OP_CONV2D_GRAD_X,
                     &eval_node(context, self)->type,
                     eval_input_type(context, self, 0),
                     eval_input_type(context, self, 1),
                     out,
                     conv_input(context, self, 0),
                     conv_input(context, self, 1)};
    conv_sum(context, self, &form);
}

void eval_conv_grad_w(const EvalContext *context, Value self, double *out)
{
    ConvForm form = {OP_CONV2D_GRAD_W,
                     eval_input_type(context, self, 0),
                     &eval_node(context, self)->type,
                     eval_input_type(context, self, 1),
                     conv_input(context, self, 0),
                     out,
                     conv_input(context, self, 1)};
    conv_sum(context, self, &form);
}

// ---- pools -----------------------------------------------------------------

static Windows pool_windows(const EvalContext *context, Value self,
                            const TensorType *data, const TensorType *windows)
{
    const Attr *attrs = eval_node(context, self)->attrs;
    const int64_t *kernel = attrs[POOL_KERNEL].ints.at;
    return windows_of(data, windows, kernel[0], kernel[1],
                      attrs[POOL_STRIDE].ints, attrs[POOL_PAD].ints);
}

// The place of the first largest element of a window; -1 if all is padding.
static int64_t window_largest(const Windows *at, const double *plane, int64_t i,
                              int64_t j)
{
    int64_t best = -1;
    for (int64_t a = 0; a < at->kh; a++)
        for (int64_t b = 0; b < at->kw; b++) {
            int64_t place = window_place(at, i, j, a, b);
            if (place >= 0 && (best < 0 || plane[place] > plane[best]))
                best = place;
        }
    return best;
}

void eval_max_pool(const EvalContext *context, Value self, double *out)
{
    const TensorType *data = eval_input_type(context, self, 0);
    const double *plane = eval_input(context, self, 0);
    Windows at =
        pool_windows(context, self, data, &eval_node(context, self)->type);
    for (int64_t p = 0; p < data->dims[0] * data->dims[1]; p++) {
        for (int64_t i = 0; i < at.oh; i++)
            for (int64_t j = 0; j < at.ow; j++) {
                int64_t best = window_largest(&at, plane, i, j);
                *out++ = best < 0 ? -INFINITY : plane[best];
            }
        plane += at.h * at.w;
    }
}

void eval_max_pool_grad(const EvalContext *context, Value self, double *out)
{
    const TensorType *data = eval_input_type(context, self, 0);
    const double *plane = eval_input(context, self, 0);
    const double *dy = eval_input(context, self, 1);
    Windows at =
        pool_windows(context, self, data, eval_input_type(context, self, 1));
    for (int64_t p = 0; p < data->dims[0] * data->dims[1]; p++) {
        for (int64_t i = 0; i < at.oh; i++)
            for (int64_t j = 0; j < at.ow; j++, dy++) {
                int64_t best = window_largest(&at, plane, i, j);
                if (best >= 0)
                    out[best] += *dy;
            }
        plane += at.h * at.w;
        out += at.h * at.w;
    }
}

void eval_sum_pool(const EvalContext *context, Value self, double *out)
{
    const TensorType *data = eval_input_type(context, self, 0);
    const double *plane = eval_input(context, self, 0);
    Windows at =
        pool_windows(context, self, data, &eval_node(context, self)->type);
    for (int64_t p = 0; p < data->dims[0] * data->dims[1]; p++) {
        for (int64_t i = 0; i < at.oh; i++)
            for (int64_t j = 0; j < at.ow; j++, out++)
                for (int64_t ab = 0; ab < at.kh * at.kw; ab++) {
                    int64_t place =
                        window_place(&at, i, j, ab / at.kw, ab % at.kw);
                    *out += place < 0 ? 0 : plane[place];
                }
        plane += at.h * at.w;
    }
}

void eval_sum_pool_grad(const EvalContext *context, Value self, double *out)
{
    const TensorType *data = &eval_node(context, self)->type;
    const double *dy = eval_input(context, self, 0);
    Windows at =
        pool_windows(context, self, data, eval_input_type(context, self, 0));
    for (int64_t p = 0; p < data->dims[0] * data->dims[1]; p++) {
        for (int64_t i = 0; i < at.oh; i++)
            for (int64_t j = 0; j < at.ow; j++, dy++)
                for (int64_t ab = 0; ab < at.kh * at.kw; ab++) {
                    int64_t place =
                        window_place(&at, i, j, ab / at.kw, ab % at.kw);
                    if (place >= 0)
                        out[place] += *dy;
                }
        out += at.h * at.w;
    }
}
