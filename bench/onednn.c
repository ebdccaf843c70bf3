// Over the C interface of oneDNN 2 (Debian 12 has 2.6.3).
#include "bench/onednn.h"

#include <math.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

#include "ir/image.h"

enum { TENSORS = 3, WEIGHTS = 1 };

// In the order of Conv: x, w, y.
struct OneDnnConv {
    dnnl_primitive_t primitive;
    dnnl_memory_t own[TENSORS]; // in the library's layouts
    dnnl_memory_desc_t simcc[TENSORS];
    int result; // which of the three is made
    dnnl_exec_arg_t args[TENSORS];
    dnnl_primitive_t move; // NULL: weights lie as the forward kernel has them
    dnnl_memory_t lying;   // as that has them
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void require(dnnl_status_t status)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "bench: oneDNN fails with status %d\n", (int)status);
    exit(1);
}

const char *onednn_version(void)
{
    static char text[32];
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", version->major, version->minor,
             version->patch);
    return text;
}

static void open_engine(void)
{
    if (engine)
        return;
    require(dnnl_engine_create(&engine, dnnl_cpu, 0));
    require(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
}

// ---- descriptors ------------------------------------------------------------

static dnnl_memory_desc_t describe(const TensorType *type,
                                   dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t desc;
    dnnl_dims_t dims = {type->dims[0], image_channels(type), type->dims[2],
                        type->dims[3]};
    require(dnnl_memory_desc_init_by_tag(&desc, 4, dims, dnnl_f32, tag));
    return desc;
}

static dnnl_memory_desc_t describe_weights(const TensorType *type,
                                           dnnl_format_tag_t tag)
{
    TensorType plain = weights_plain_type(type);
    return describe(&plain, tag);
}

// As simcc has it.
static dnnl_memory_desc_t describe_simcc(const TensorType *type)
{
    return describe(type, image_block(type) > 1 ? dnnl_nChw16c : dnnl_nchw);
}

static dnnl_status_t describe_conv(const ConvGeometry *conv, OneDnnKind kind,
                                   dnnl_convolution_desc_t *desc)
{
    dnnl_alg_kind_t algorithm = kind == ONEDNN_WINOGRAD
                                    ? dnnl_convolution_winograd
                                    : dnnl_convolution_direct;
    dnnl_format_tag_t tag =
        kind == ONEDNN_CHANNELS_LAST ? dnnl_nhwc : dnnl_format_tag_any;
    dnnl_memory_desc_t x = describe(&conv->x, tag);
    dnnl_memory_desc_t w = describe_weights(&conv->w, dnnl_format_tag_any);
    dnnl_memory_desc_t y = describe(&conv->y, tag);
    dnnl_dims_t stride = {conv->stride[0], conv->stride[1]};
    dnnl_dims_t before = {conv->pad[0], conv->pad[1]};
    dnnl_dims_t after = {conv->pad[2], conv->pad[3]};
    if (conv->op == OP_CONV2D)
        return dnnl_convolution_forward_desc_init(desc, dnnl_forward_training,
                                                  algorithm, &x, &w, NULL, &y,
                                                  stride, before, after);
    if (conv->op == OP_CONV2D_GRAD_X)
        return dnnl_convolution_backward_data_desc_init(
            desc, algorithm, &x, &w, &y, stride, before, after);
    return dnnl_convolution_backward_weights_desc_init(
        desc, algorithm, &x, &w, NULL, &y, stride, before, after);
}

// Gradients are chosen beside a forward primitive, as a hint.
static bool choose(const ConvGeometry *conv, OneDnnKind kind,
                   dnnl_primitive_desc_t *chosen)
{
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t hint = NULL;
    ConvGeometry forward = *conv;
    forward.op = OP_CONV2D;
    if (conv->op != OP_CONV2D && !choose(&forward, kind, &hint))
        return false;
    dnnl_status_t status = describe_conv(conv, kind, &desc);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(chosen, &desc, NULL, engine, hint);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    return status == dnnl_success;
}

// ---- memory -----------------------------------------------------------------

static dnnl_memory_t new_memory(const dnnl_memory_desc_t *desc, void *data)
{
    dnnl_memory_t memory;
    require(dnnl_memory_create(&memory, desc, engine, data));
    return memory;
}

static const dnnl_memory_desc_t *memory_desc(dnnl_memory_t memory)
{
    const dnnl_memory_desc_t *desc;
    require(dnnl_memory_get_memory_desc(memory, &desc));
    return desc;
}

static dnnl_primitive_t new_reorder(dnnl_memory_t from, dnnl_memory_t to)
{
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    require(dnnl_reorder_primitive_desc_create(&desc, memory_desc(from), engine,
                                               memory_desc(to), engine, NULL));
    require(dnnl_primitive_create(&primitive, desc));
    dnnl_primitive_desc_destroy(desc);
    return primitive;
}

static void run_reorder(dnnl_primitive_t primitive, dnnl_memory_t from,
                        dnnl_memory_t to)
{
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    require(dnnl_primitive_execute(primitive, stream, 2, args));
    require(dnnl_stream_wait(stream));
}

static void reorder(dnnl_memory_t from, dnnl_memory_t to)
{
    dnnl_primitive_t primitive = new_reorder(from, to);
    run_reorder(primitive, from, to);
    dnnl_primitive_destroy(primitive);
}

// Which argument each tensor is, and what to ask the descriptor for.
static void make_memory(OneDnnConv *self, const ConvGeometry *conv,
                        const_dnnl_primitive_desc_t chosen)
{
    static const int forward[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    static const int by_data[] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS,
                                  DNNL_ARG_DIFF_DST};
    static const int by_weights[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS,
                                     DNNL_ARG_DIFF_DST};
    bool is_forward = conv->op == OP_CONV2D;
    bool is_by_data = conv->op == OP_CONV2D_GRAD_X;
    const int *args = is_forward ? forward : is_by_data ? by_data : by_weights;
    self->result = is_forward ? 2 : is_by_data ? 0 : 1;
    for (int i = 0; i < TENSORS; i++) {
        const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(
            chosen, dnnl_query_exec_arg_md, args[i]);
        self->own[i] = new_memory(desc, DNNL_MEMORY_ALLOCATE);
        self->args[i] = (dnnl_exec_arg_t){args[i], self->own[i]};
    }
    self->simcc[0] = describe_simcc(&conv->x);
    self->simcc[1] = describe_weights(
        &conv->w, conv->w.form == FORM_TILED ? dnnl_OIhw16i16o : dnnl_nchw);
    self->simcc[2] = describe_simcc(&conv->y);
}

// simcc's tiles of weights are those of the library's direct forward kernel.
static void prepare_move(OneDnnConv *self)
{
    const dnnl_memory_desc_t *lying = &self->simcc[WEIGHTS];
    dnnl_memory_t own = self->own[WEIGHTS];
    if (dnnl_memory_desc_equal(lying, memory_desc(own)))
        return;
    self->lying = new_memory(lying, DNNL_MEMORY_ALLOCATE);
    bool back = self->result == WEIGHTS;
    self->move =
        new_reorder(back ? own : self->lying, back ? self->lying : own);
}

OneDnnConv *onednn_new(const ConvGeometry *conv, OneDnnKind kind, int threads,
                       const float *const data[2])
{
    dnnl_primitive_desc_t chosen;
    open_engine();
    omp_set_num_threads(threads);
    if (!choose(conv, kind, &chosen))
        return NULL;
    OneDnnConv *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    make_memory(self, conv, chosen);
    require(dnnl_primitive_create(&self->primitive, chosen));
    dnnl_primitive_desc_destroy(chosen);
    for (int i = 0, input = 0; i < TENSORS; i++) {
        if (i == self->result)
            continue;
        dnnl_memory_t from =
            new_memory(&self->simcc[i], (void *)(uintptr_t)data[input++]);
        reorder(from, self->own[i]);
        dnnl_memory_destroy(from);
    }
    prepare_move(self);
    return self;
}

void onednn_free(OneDnnConv *conv)
{
    if (!conv)
        return;
    for (int i = 0; i < TENSORS; i++)
        dnnl_memory_destroy(conv->own[i]);
    if (conv->move) {
        dnnl_memory_destroy(conv->lying);
        dnnl_primitive_destroy(conv->move);
    }
    dnnl_primitive_destroy(conv->primitive);
    free(conv);
}

void onednn_run(OneDnnConv *conv)
{
    require(
        dnnl_primitive_execute(conv->primitive, stream, TENSORS, conv->args));
    require(dnnl_stream_wait(stream));
}

bool onednn_move_weights(OneDnnConv *conv)
{
    dnnl_memory_t own = conv->own[WEIGHTS];
    bool back = conv->result == WEIGHTS;
    if (conv->move)
        run_reorder(conv->move, back ? own : conv->lying,
                    back ? conv->lying : own);
    return conv->move;
}

double onednn_difference(OneDnnConv *conv, const float *result)
{
    const dnnl_memory_desc_t *desc = &conv->simcc[conv->result];
    dnnl_memory_t copy = new_memory(desc, DNNL_MEMORY_ALLOCATE);
    void *data;
    double largest = 0, difference = 0;
    reorder(conv->own[conv->result], copy);
    require(dnnl_memory_get_data_handle(copy, &data));
    size_t count = dnnl_memory_desc_get_size(desc) / sizeof(float);
    for (size_t i = 0; i < count; i++) {
        double value = ((const float *)data)[i];
        largest = fmax(largest, fabs(value));
        double here = fabs(value - result[i]);
        if (!(here <= difference)) // NaN counts
            difference = here;
    }
    dnnl_memory_destroy(copy);
    return difference / largest;
}
