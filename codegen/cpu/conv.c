// Which implementation a convolution gets: the first of a list that suits its
// shape.
#include "codegen/cpu/conv.h"

#include "ir/base/diag.h"
#include "ir/conv.h"
#include "ir/image.h"

// ---- convolutions -----------------------------------------------------------

// Of Winograd's tiles, by PlanSums.
static const WinogradForm winograd_forms[] = {
    [PLAN_SUMS_FAST] = WINOGRAD_LARGE,
    [PLAN_SUMS_STRICT] = WINOGRAD_SMALL,
    [PLAN_SUMS_PLAIN] = WINOGRAD_NONE};
_Static_assert(sizeof winograd_forms / sizeof *winograd_forms == PLAN_SUMS,
               "tiles for each");

static ConvShape conv_shape(const Codegen *codegen, const Graph *graph,
                            const Node *node)
{
    ConvGeometry conv = conv_geometry(graph, node);
    TensorType plain = weights_plain_type(&conv.w);
    ConvBf16 narrow = target_bf16_products(cpu_target(&codegen->target),
                                           codegen->options.bf16_products);
    return (ConvShape){.op = node->op,
                       .dtype = conv.w.dtype == DT_BF16 ? DT_F32 : conv.w.dtype,
                       .in = {graph_type(graph, node->inputs[0])->dtype,
                              graph_type(graph, node->inputs[1])->dtype},
                       .out = node->type.dtype,
                       .n = conv.x.dims[0],
                       .c = plain.dims[1] * conv.groups,
                       .h = conv.x.dims[2],
                       .w = conv.x.dims[3],
                       .o = plain.dims[0],
                       .kh = plain.dims[2],
                       .kw = plain.dims[3],
                       .oh = conv.y.dims[2],
                       .ow = conv.y.dims[3],
                       .sh = conv.stride[0],
                       .sw = conv.stride[1],
                       .top = conv.pad[0],
                       .left = conv.pad[1],
                       .dh = conv.dilation[0],
                       .dw = conv.dilation[1],
                       .groups = conv.groups,
                       .block = image_block(&conv.x),
                       .out_block = image_block(&conv.y),
                       .tile = weights_tile(&conv.w),
                       .winograd = winograd_forms[codegen->options.sums],
                       .multiplies_bf16 = conv_multiplies_bf16(&conv, narrow)};
}

KernelTypes conv_types(const ConvShape *s)
{
    int data = conv_weights_input(s->op) == 0; // which input, or the first
    bool by_weights = s->op == OP_CONV2D_GRAD_W;
    return (KernelTypes){{s->in[data], by_weights ? s->in[1] : s->dtype},
                         s->out,
                         s->dtype,
                         s->epilogue};
}

LowerStep conv_step(Lowering *lower, const ConvShape *shape,
                    const CpuKernel *kernel, int64_t task_count,
                    const char *label, const Place args[3])
{
    const LowerEpilogue *behind = shape->epilogue ? lower->epilogue : NULL;
    int count = behind ? behind->operands.count : 0;
    LowerStep step = cpu_step(lower, kernel, 3 + count, task_count,
                              behind ? behind->label : label);
    for (int a = 0; a < 3; a++)
        step_arg(lower, &step, args[a], 0, a == 2, false);
    for (int i = 0; i < count; i++)
        step_arg(lower, &step, behind->operands.at[i].place,
                 behind->operands.at[i].offset, false, false);
    return step;
}

// What a way is chosen for.
static const char *shape_text(Arena *arena, const ConvShape *s)
{
    const char *text = arena_printf(
        arena,
        "%s %s %lldx%lldx%lldx%lld > %lldx%lldx%lld window %lldx%lld/%lld,%lld "
        "pad %lld,%lld blocks %lld,%lld,%lld",
        op_info(s->op)->text, dtype_name(conv_types(s).in[0]), (long long)s->n,
        (long long)s->c, (long long)s->h, (long long)s->w, (long long)s->o,
        (long long)s->oh, (long long)s->ow, (long long)s->kh, (long long)s->kw,
        (long long)s->sh, (long long)s->sw, (long long)s->top,
        (long long)s->left, (long long)s->block, (long long)s->out_block,
        (long long)s->tile);
    if (s->groups > 1 || s->dh > 1 || s->dw > 1)
        text = arena_printf(arena, "%s groups %lld dilation %lld,%lld", text,
                            (long long)s->groups, (long long)s->dh,
                            (long long)s->dw);
    return text;
}

static bool takes_tiles(const ConvShape *s)
{
    return conv_winograd_takes(s) || conv_winograd_takes_weights(s);
}

// Implementations, best first; the first that supports the shape, and pays
// there, is taken. A rule of the shape alone: results must not depend on the
// machine's load.
typedef struct ConvKernel {
    const char *name;
    bool plain; // a sum of products
    bool (*supports)(const ConvShape *shape);
    bool (*pays)(const ConvShape *shape); // NULL: wherever it is supported
    unsigned bf16; // CONV_* of what it takes and gives in bf16
    // Of these, what it had better get in f32; NULL: nothing.
    unsigned (*widened)(const Lowering *lower, const ConvShape *shape);
    int64_t (*lower)(Lowering *lower, const ConvShape *shape, Value value);
    bool epilogue; // forward, it takes one
} ConvKernel;

static const ConvKernel conv_kernels[] = {
    {"blocked, products of bf16", true, conv_bf16_takes_data, NULL,
     CONV_IN_0 | CONV_IN_1 | CONV_OUT | CONV_WEIGHTS, NULL, conv_bf16_data,
     false},
    {"blocked, products of bf16, weights", true, conv_bf16_takes_weights, NULL,
     CONV_IN_0 | CONV_IN_1, NULL, conv_bf16_weights},
    {"blocked, Winograd", false, conv_winograd_takes, conv_winograd_pays,
     CONV_IN_0 | CONV_IN_1 | CONV_OUT, NULL, conv_winograd, true},
    {"blocked, Winograd, weights", false, conv_winograd_takes_weights,
     conv_winograd_pays, CONV_IN_0 | CONV_IN_1, NULL, conv_winograd_weights},
    {"blocked, products of pixels", true, conv_pointwise_takes_data, NULL,
     CONV_IN_0 | CONV_IN_1 | CONV_OUT, conv_pointwise_widened, conv_direct_data,
     true},
    {"blocked, products of pixels, weights", true, conv_pointwise_takes_weights,
     NULL, CONV_IN_0 | CONV_IN_1, conv_weights_widened, conv_direct_weights},
    {"blocked, direct", true, conv_direct_takes_data, NULL, CONV_OUT, NULL,
     conv_direct_data, true},
    {"blocked, direct, weights", true, conv_direct_takes_weights, NULL, 0, NULL,
     conv_direct_weights},
    {"blocked, depthwise", true, conv_depthwise_takes, NULL,
     CONV_IN_0 | CONV_IN_1 | CONV_OUT, NULL, conv_depthwise, true},
    {"blocked, depthwise, weights", true, conv_depthwise_takes_weights, NULL,
     CONV_IN_0 | CONV_IN_1, NULL, conv_depthwise_weights},
    {"planes to blocks", true, conv_stem_takes, NULL, CONV_OUT, NULL, conv_stem,
     true},
    {"planes to blocks, weights", true, conv_stem_takes_weights, NULL,
     CONV_IN_1, NULL, conv_stem_weights},
    {"im2col and BLAS by image", true, conv_blas_takes_images, NULL, 0, NULL,
     conv_blas_images},
    {"im2col and BLAS by weight", true, conv_blas_takes_weights, NULL, 0, NULL,
     conv_blas_weights},
};

static bool is_taken(const ConvKernel *kernel, const ConvShape *s)
{
    if (!kernel->supports(s))
        return false;
    bool plain = s->way.method >= WAY_ROWS;
    return kernel->plain || s->way.method == WAY_WINOGRAD ||
           (!plain && (!kernel->pays || kernel->pays(s)));
}

// A copy of an image in elements of `dtype`, to `to` or, where that is no
// place, to a buffer of its own.
static Place convert_image(Lowering *lower, const TensorType *type, Place from,
                           DType dtype, Place to, const char *label)
{
    TensorType space = *type;
    space.dtype = dtype;
    Access access = {.kind = EXPR_LOAD, .dtype = type->dtype, .place = from};
    strides_row_major(type->rank, type->dims, access.strides);
    if (to.kind == PLACE_NONE)
        to = (Place){PLACE_SLAB, buffer_new(lower, type_bytes(&space))};
    lower_copy_access(lower, &space, &access, to, 0, access.strides, label);
    return to;
}

// Images of bf16 that the kernel does not read or write itself: it has copies
// in f32, which live as long as its steps.
static int64_t lower_converted(Lowering *lower, const ConvKernel *kernel,
                               const ConvShape *shape, Value value)
{
    static const unsigned in_bits[2] = {CONV_IN_0, CONV_IN_1};
    const Node *node = graph_node(lower->graph, value);
    const char *label =
        arena_printf(lower->arena, "%s: in f32", value_label(lower, value));
    ConvShape changed = *shape;
    Place before[2];
    unsigned narrow = kernel->bf16;
    if (kernel->widened)
        narrow &= ~kernel->widened(lower, shape);
    for (int i = 0; i < 2; i++) {
        Value input = node->inputs[i];
        before[i] = lower->place[input];
        bool weights = i == conv_weights_input(shape->op);
        if (shape->in[i] != DT_BF16 ||
            (narrow & in_bits[i] && (!weights || narrow & CONV_WEIGHTS)))
            continue;
        Place from = value_place(lower, input);
        if (value_is_rounded_weights(lower, input)) {
            Value wide = graph_node(lower->graph, input)->inputs[0];
            from = convert_image(lower, graph_type(lower->graph, wide),
                                 value_place(lower, wide), DT_BF16,
                                 (Place){PLACE_NONE, 0}, label);
        }
        lower->place[input] =
            convert_image(lower, graph_type(lower->graph, input), from, DT_F32,
                          (Place){PLACE_NONE, 0}, label);
        changed.in[i] = DT_F32;
    }
    bool widens = shape->out == DT_BF16 && !(narrow & CONV_OUT);
    if (widens) {
        lower->wide = value;
        changed.out = DT_F32;
    }
    int64_t rows = kernel->lower(lower, &changed, value);
    lower->wide = NO_VALUE;
    for (int i = 0; i < 2; i++)
        lower->place[node->inputs[i]] = before[i];
    if (!widens)
        return rows;
    TensorType made = node->type;
    made.dtype = DT_F32;
    Place from = lower->place[value];
    convert_image(
        lower, &made, from, DT_BF16, value_new_buffer(lower, value),
        arena_printf(lower->arena, "%s: in bf16", value_label(lower, value)));
    return 0;
}

int64_t cpu_lower_conv(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const Codegen *codegen = lower->codegen;
    ConvShape shape = conv_shape(codegen, lower->graph, node);
    int count = sizeof conv_kernels / sizeof *conv_kernels;
    if (codegen->ways)
        shape.way = way_find(codegen->ways, shape_text(lower->arena, &shape));
    for (int i = 0; i < count; i++) {
        const ConvKernel *kernel = &conv_kernels[i];
        if (!is_taken(kernel, &shape))
            continue;
        if (lower->epilogue && kernel->epilogue && shape.op == OP_CONV2D &&
            shape.in[0] == DT_F32 && shape.out == DT_F32) {
            shape.epilogue = lower->epilogue->epilogue;
            lower->epilogue->taken = true;
        }
        return lower_converted(lower, kernel, &shape, value);
    }
    INTERNAL_ERROR("no kernel for %s with blocks of %lld and tiles of %lld",
                   op_info(node->op)->text, (long long)shape.block,
                   (long long)shape.tile);
}

// ---- ways to choose among ---------------------------------------------------

static void add_way(Text *text, Arena *arena, ConvWay way)
{
    text_addf(text, "%s\n", way_text(arena, &way));
}

// The register tile's blocks, and the order of tasks.
static void add_tiles(Text *text, Arena *arena, const ConvShape *s,
                      WayMethod method)
{
    int64_t channels = s->op == OP_CONV2D ? s->o : s->c;
    for (int blocks = 1; blocks <= 4; blocks *= 2)
        for (int order = ORDER_IMAGES; order <= ORDER_WEIGHTS; order++) {
            bool ordered = method == WAY_ROWS;
            if (channels / CPU_BLOCK % blocks ||
                (!ordered && order == ORDER_WEIGHTS))
                continue;
            add_way(text, arena,
                    (ConvWay){method, blocks, ordered ? order : ORDER_RULE, 0});
        }
}

const char *cpu_conv_ways(const Codegen *codegen, const Graph *graph,
                          Value value, Arena *arena, const char **shape)
{
    ConvShape s = conv_shape(codegen, graph, graph_node(graph, value));
    bool by_data = conv_direct_takes_data(&s);
    Text text = text_new(arena);
    *shape = shape_text(arena, &s);
    add_way(&text, arena, (ConvWay){WAY_RULE});
    if (!by_data && !conv_direct_takes_weights(&s))
        return text_string(&text);
    for (int scale = -1; scale <= 1; scale++) {
        if (takes_tiles(&s))
            add_way(&text, arena, (ConvWay){WAY_WINOGRAD, .scale = scale});
        add_way(&text, arena, (ConvWay){WAY_ROWS, .scale = scale});
        if (by_data && s.kh == 1 && s.kw == 1)
            add_way(&text, arena, (ConvWay){WAY_PIXELS, .scale = scale});
    }
    if (by_data) {
        add_tiles(&text, arena, &s, WAY_ROWS);
        add_tiles(&text, arena, &s, WAY_IMAGES);
        if (s.kh == 1 && s.kw == 1)
            add_tiles(&text, arena, &s, WAY_PIXELS);
        if (takes_tiles(&s))
            add_tiles(&text, arena, &s, WAY_WINOGRAD);
    }
    return text_string(&text);
}
