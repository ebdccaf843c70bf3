// Which implementation a convolution gets: the first of a list that suits its
// shape.
#include "codegen/cpu/conv.h"

#include "ir/base/diag.h"
#include "ir/conv.h"
#include "ir/image.h"

// ---- convolutions -----------------------------------------------------------

// Of Winograd's tiles, by PlanSums.
static const int tile_results[] = {[PLAN_SUMS_FAST] = WINOGRAD_LARGE,
                                   [PLAN_SUMS_STRICT] = WINOGRAD_SMALL,
                                   [PLAN_SUMS_PLAIN] = 0};
_Static_assert(sizeof tile_results / sizeof *tile_results == PLAN_SUMS,
               "tiles for each");

static ConvShape conv_shape(const Codegen *codegen, const Graph *graph,
                            const Node *node)
{
    ConvGeometry conv = conv_geometry(graph, node);
    TensorType plain = weights_plain_type(&conv.w);
    return (ConvShape){.op = node->op,
                       .dtype = node->type.dtype,
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
                       .winograd = tile_results[codegen->options.sums]};
}

// What a way is chosen for.
static const char *shape_text(Arena *arena, const ConvShape *s)
{
    const char *text = arena_printf(
        arena,
        "%s %s %lldx%lldx%lldx%lld > %lldx%lldx%lld window %lldx%lld/%lld,%lld "
        "pad %lld,%lld blocks %lld,%lld,%lld",
        op_info(s->op)->text, dtype_name(s->dtype), (long long)s->n,
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
    int64_t (*lower)(Lowering *lower, const ConvShape *shape, Value value);
} ConvKernel;

static const ConvKernel conv_kernels[] = {
    {"blocked, Winograd", false, conv_winograd_takes, conv_winograd_pays,
     conv_winograd},
    {"blocked, Winograd, weights", false, conv_winograd_takes_weights,
     conv_winograd_pays, conv_winograd_weights},
    {"blocked, direct", true, conv_direct_takes_data, NULL, conv_direct_data},
    {"blocked, direct, weights", true, conv_direct_takes_weights, NULL,
     conv_direct_weights},
    {"blocked, depthwise", true, conv_depthwise_takes, NULL, conv_depthwise},
    {"blocked, depthwise, weights", true, conv_depthwise_takes_weights, NULL,
     conv_depthwise_weights},
    {"planes to blocks", true, conv_stem_takes, NULL, conv_stem},
    {"planes to blocks, weights", true, conv_stem_takes_weights, NULL,
     conv_stem_weights},
    {"im2col and BLAS by image", true, conv_blas_takes_images, NULL,
     conv_blas_images},
    {"im2col and BLAS by weight", true, conv_blas_takes_weights, NULL,
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

int64_t cpu_lower_conv(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const Codegen *codegen = lower->codegen;
    ConvShape shape = conv_shape(codegen, lower->graph, node);
    int count = sizeof conv_kernels / sizeof *conv_kernels;
    if (codegen->ways)
        shape.way = way_find(codegen->ways, shape_text(lower->arena, &shape));
    for (int i = 0; i < count; i++)
        if (is_taken(&conv_kernels[i], &shape))
            return conv_kernels[i].lower(lower, &shape, value);
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
