#include "bench/conv_list.h"

#include "ir/image.h"
#include "passes/pass.h"

// ---- from graphs ------------------------------------------------------------

static void add_conv(Arena *arena, BenchConvList *list,
                     const ConvGeometry *conv, int bench)
{
    int i = 0;
    while (i < list->count && !conv_equal(&list->at[i].conv, conv))
        i++;
    if (i == list->count)
        vec_push(arena, list, (BenchConv){.conv = *conv});
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
    PassOptions passes = {.block = codegen_block(&compiler.codegen)};
    for (int i = 0; i < compiler.experiment->phases.count; i++) {
        Graph *graph = compiler.experiment->phases.at[i].train;
        if (!compiler_wants(&compiler, compiler.experiment->phases.at[i].name))
            continue;
        passes_run(graph, &passes);
        for (Value v = 0; v < graph->nodes.count; v++) {
            const Node *node = graph_node(graph, v);
            if (!conv_is(node))
                continue;
            ConvGeometry conv = conv_geometry(graph, node);
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

const char *conv_shape_text(Arena *arena, const ConvGeometry *conv)
{
    TensorType plain = weights_plain_type(&conv->w);
    const int64_t *x = conv->x.dims, *w = plain.dims;
    return arena_printf(arena, "%lldx%lld%s %lld>%lld %lld^2 x%lld",
                        (long long)w[2], (long long)w[3],
                        conv->stride[0] == 2 ? "/2" : "", (long long)w[1],
                        (long long)w[0], (long long)x[2], (long long)x[0]);
}

const char *conv_direction(const ConvGeometry *conv)
{
    return conv->op == OP_CONV2D          ? "forward"
           : conv->op == OP_CONV2D_GRAD_X ? "by data"
                                          : "by weights";
}

double conv_gflop(const ConvGeometry *conv)
{
    return 2e-9 * (double)conv_macs(conv);
}
