#include "bench/conv_list.h"

#include <string.h>

#include "ir/base/diag.h"
#include "ir/build.h"
#include "ir/image.h"
#include "passes/pass.h"

// ---- from graphs ------------------------------------------------------------

static BenchConv read_conv(const Graph *graph, const Node *node)
{
    TensorType in0 = *graph_type(graph, node->inputs[0]);
    TensorType in1 = *graph_type(graph, node->inputs[1]);
    BenchConv conv = {.op = node->op, .x = in0, .w = in1, .y = node->type};
    if (node->op == OP_CONV2D_GRAD_X)
        conv.x = node->type, conv.w = in0, conv.y = in1;
    else if (node->op == OP_CONV2D_GRAD_W)
        conv.x = in0, conv.w = node->type, conv.y = in1;
    memcpy(conv.stride, node->attrs[CONV_STRIDE].ints.at, sizeof conv.stride);
    memcpy(conv.pad, node->attrs[CONV_PAD].ints.at, sizeof conv.pad);
    return conv;
}

static bool is_same(const BenchConv *a, const BenchConv *b)
{
    return a->op == b->op && type_equal(&a->x, &b->x) &&
           type_equal(&a->w, &b->w) && type_equal(&a->y, &b->y) &&
           memcmp(a->stride, b->stride, sizeof a->stride) == 0 &&
           memcmp(a->pad, b->pad, sizeof a->pad) == 0;
}

static void add_conv(Arena *arena, BenchConvList *list, const BenchConv *conv,
                     int bench)
{
    int i = 0;
    while (i < list->count && !is_same(&list->at[i], conv))
        i++;
    if (i == list->count)
        vec_push(arena, list, *conv);
    list->at[i].uses[bench]++;
}

static void add_case(Arena *arena, BenchConvList *list, int bench)
{
    Compiler compiler;
    bench_compiler(&compiler, arena, &bench_cases[bench], 1);
    if (!compiler_load(&compiler)) {
        diag_print(&compiler.diags, stderr, false);
        Status status = status_error(STATUS_SOURCE, "nets.net does not load");
        bench_require(&status);
    }
    for (int i = 0; i < compiler.experiment->phases.count; i++) {
        Graph *graph = compiler.experiment->phases.at[i].train;
        if (!compiler_wants(&compiler, compiler.experiment->phases.at[i].name))
            continue;
        passes_run(graph, NULL, false, NULL, NULL);
        for (Value v = 0; v < graph->nodes.count; v++) {
            const Node *node = graph_node(graph, v);
            if (op_info(node->op)->lower != LOWER_CONV)
                continue;
            BenchConv conv = read_conv(graph, node);
            add_conv(arena, list, &conv, bench);
        }
    }
}

BenchConvList conv_list(Arena *arena)
{
    BenchConvList list = {0};
    for (int i = 0; i < BENCH_CASES; i++)
        if (bench_cases[i].convolutions)
            add_case(arena, &list, i);
    return list;
}

// ---- descriptions -----------------------------------------------------------

const char *conv_shape_text(Arena *arena, const BenchConv *conv)
{
    TensorType plain = weights_plain_type(&conv->w);
    const int64_t *x = conv->x.dims, *w = plain.dims;
    return arena_printf(arena, "%lldx%lld%s %lld>%lld %lld^2 x%lld",
                        (long long)w[2], (long long)w[3],
                        conv->stride[0] == 2 ? "/2" : "", (long long)w[1],
                        (long long)w[0], (long long)x[2], (long long)x[0]);
}

const char *conv_direction(const BenchConv *conv)
{
    return conv->op == OP_CONV2D          ? "forward"
           : conv->op == OP_CONV2D_GRAD_X ? "by data"
                                          : "by weights";
}

double conv_gflop(const BenchConv *conv)
{
    TensorType plain = weights_plain_type(&conv->w);
    double taps = (double)(plain.dims[1] * plain.dims[2] * plain.dims[3]);
    return 2e-9 * (double)type_elements(&conv->y) * taps;
}

// ---- to graphs --------------------------------------------------------------

Graph *conv_graph(Arena *arena, const BenchConv *conv, const char *name)
{
    Graph *graph = graph_new(arena, name);
    Attr attrs[MAX_ATTRS] = {[CONV_STRIDE].ints = {2, conv->stride},
                             [CONV_PAD].ints = {4, conv->pad}};
    Value inputs[2];
    int count = 0;
    if (conv->op != OP_CONV2D_GRAD_X)
        inputs[count++] = build_input(graph, conv->x, "x");
    if (conv->op != OP_CONV2D_GRAD_W)
        inputs[count++] =
            build_param(graph, conv->w, "w", "weight", "constant", 0);
    if (conv->op != OP_CONV2D)
        inputs[count++] = build_input(graph, conv->y, "dy");
    const TensorType *made = conv->op == OP_CONV2D_GRAD_X ? &conv->x : &conv->w;
    if (conv->op != OP_CONV2D)
        attrs[CONV_DIMS].ints = (IntList){made->rank, made->dims};
    Value out = graph_add(graph, conv->op, count, inputs, attrs, NULL);
    if (out == NO_VALUE)
        INTERNAL_ERROR("%s", graph->error);
    graph_add_output(graph, "out", out);
    return graph;
}
