// The layout pass where channels do not fill blocks, by the oracle: random
// graphs and random nets of images in blocks of 2, 4 and 8, which they fill or
// leave spare lanes in. (Nets in whole blocks: tests/unit/layout_test.c.)
#include "ir/autodiff.h"
#include "ir/build.h"
#include "ir/conv.h"
#include "ir/eval.h"
#include "ir/random.h"
#include "passes/pass.h"
#include "tests/diff/generator.h"
#include "tests/graphs.h"
#include "tests/harness.h"
#include "tests/tiled.h"

#define L(...) ((const int64_t[]){__VA_ARGS__})

enum { NODES = 40, SEEDS = 400, NETS = 500 };

// What generate_bindings gives plain params, in their tiles.
static double **evaluate(Arena *arena, const Graph *graph, uint64_t seed)
{
    int count;
    EvalBinding *bindings = generate_bindings(graph, arena, seed, &count);
    for (int b = 0; b < count; b++)
        tiled_move(arena, graph_type(graph, bindings[b].value),
                   (double *)(uintptr_t)bindings[b].data, true);
    return eval_graph(graph, arena, count, bindings);
}

static void compare(const char *what, const double *want, const double *got,
                    int64_t count)
{
    double largest = 1;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(want[i]))
            largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < count; i++)
        if (got[i] != want[i] && !(isnan(got[i]) && isnan(want[i])) &&
            !(fabs(got[i] - want[i]) <= 1e-9 * largest)) {
            test_fail(__FILE__, __LINE__,
                      "%s: element %lld is %.17g, not %.17g", what,
                      (long long)i, got[i], want[i]);
            return;
        }
}

typedef struct Seen {
    int blocked, spare; // convolutions; types of more lanes than channels
} Seen;

static void check_graphs(const char *what, Arena *arena, uint64_t seed,
                         const Graph *plain, Graph *changed, int64_t block,
                         Seen *seen)
{
    what = arena_printf(arena, "%s %llu, blocks of %lld", what,
                        (unsigned long long)seed, (long long)block);
    CHECK(!passes_run(
        changed,
        &(PassOptions){.names = "layout", .paranoid = true, .block = block}));
    double **want = evaluate(arena, plain, seed);
    double **got = evaluate(arena, changed, seed);
    for (int i = 0; i < plain->outputs.count; i++)
        compare(arena_printf(arena, "%s: %s", what, plain->outputs.at[i].name),
                want[plain->outputs.at[i].value],
                got[changed->outputs.at[i].value],
                type_elements(graph_type(plain, plain->outputs.at[i].value)));
    for (Value v = 0; v < plain->nodes.count; v++) {
        const Node *node = graph_node(plain, v);
        if (node->op != OP_ASSIGN)
            continue;
        const char *name =
            graph_node(plain, node->inputs[0])->attrs[PARAM_NAME].text;
        Value other = graph_assign(changed, name);
        CHECK(other != NO_VALUE);
        if (other == NO_VALUE)
            continue;
        const TensorType *type = graph_type(changed, other);
        tiled_move(arena, type, got[other], false);
        compare(arena_printf(arena, "%s: %s", what, name), want[v], got[other],
                type_elements(type));
    }
    for (Value v = 0; v < changed->nodes.count; v++) {
        const Node *node = graph_node(changed, v);
        if (op_info(node->op)->lower == LOWER_CONV)
            for (int k = 0; k < 2; k++)
                seen->blocked +=
                    graph_type(changed, node->inputs[k])->form == FORM_BLOCKED;
        seen->spare += node->op == OP_LT && node->type.form == FORM_BLOCKED;
    }
}

static void check_seed(uint64_t seed, int64_t block, Seen *seen)
{
    Arena *arena = arena_new();
    check_graphs("seed", arena, seed,
                 generate_graph(arena, seed, DT_F32, NODES),
                 generate_graph(arena, seed, DT_F32, NODES), block, seen);
    arena_free(arena);
}

// ---- random nets of images --------------------------------------------------

typedef struct Net {
    Graph *graph;
    uint64_t state;
    int count; // leaves so far
    VEC(Value) params;
} Net;

// A whole number in [low, high].
static int64_t draw(Net *net, int64_t low, int64_t high)
{
    net->state = net->state * 6364136223846793005u + 1442695040888963407u;
    return low + (int64_t)((net->state >> 33) % (uint64_t)(high - low + 1));
}

static Value new_param(Net *net, int rank, const int64_t *dims)
{
    Graph *g = net->graph;
    Value v = build_param(g, type_make(DT_F32, rank, dims),
                          arena_printf(g->arena, "w%d", net->count++), "weight",
                          "constant", 0);
    vec_push(g->arena, &net->params, v);
    return v;
}

// Dense, in groups, depthwise; dilated, strided, or not.
static Value net_conv(Net *net, Value x)
{
    TensorType type = *graph_type(net->graph, x);
    int64_t c = type.dims[1], groups = 1, o = draw(net, 1, 11);
    switch (draw(net, 0, 3)) {
    case 0:
        groups = o = c;
        break;
    case 1:
        groups = c % 2 ? 1 : 2;
        o = groups * draw(net, 1, 4);
        break;
    }
    int64_t k = draw(net, 1, 3), gap = draw(net, 1, 2);
    ConvGeometry conv = {.stride = {draw(net, 1, 2), 1},
                         .pad = {gap, gap, gap, gap},
                         .dilation = {gap, gap},
                         .groups = groups};
    Attr attrs[MAX_ATTRS] = {{0}};
    conv_set_attrs(&conv, attrs);
    Value w = new_param(net, 4, L(o, c / groups, k, k));
    Value y = graph_add(net->graph, OP_CONV2D, 2, (Value[]){x, w}, attrs, NULL);
    return y == NO_VALUE ? x : y;
}

static Value stretch(Graph *g, Value v, Value like, const int64_t *axes)
{
    return build_broadcast_to(g, v, graph_type(g, like), axes);
}

// Statistics of some axes, and the image by them: what makes spare lanes
// unknown (axis 1 among them) or infinite (0 / 0, the logarithm of 0).
static Value net_normalize(Net *net, Value x)
{
    Graph *g = net->graph;
    Value square = build_binary(g, OP_MUL, x, x);
    Op op = draw(net, 0, 1) ? OP_DIV : OP_SUB;
    if (draw(net, 0, 1)) {
        Value sum =
            build_reduce(g, draw(net, 0, 1) ? OP_REDUCE_SUM : OP_REDUCE_MAX,
                         square, 1, L(1));
        return build_binary(g, op, x, stretch(g, sum, x, L(0, 2, 3)));
    }
    Value sum = build_reduce(g, OP_REDUCE_SUM, square, 3, L(0, 2, 3));
    if (draw(net, 0, 1))
        sum = build_unary(g, OP_LOG, sum);
    return build_binary(g, op, x, stretch(g, sum, x, L(1)));
}

// A factor for each image, or a mask: 0 or 1 of random numbers.
static Value net_mask(Net *net, Value x)
{
    Graph *g = net->graph;
    TensorType type = *graph_type(g, x);
    bool paths = draw(net, 0, 1);
    int64_t steps[MAX_RANK];
    int rank = paths ? 1 : 4;
    random_plain_steps(rank, type.dims, steps);
    Attr attrs[MAX_ATTRS] = {
        [RANDOM_DIMS] = {.ints = {rank, type.dims}},
        [RANDOM_STEPS] = {.ints = {rank, steps}},
        [RANDOM_STREAM] = {.text = arena_printf(g->arena, "%d", net->count)}};
    Value key = build_input(g, type_make(DT_F32, 1, L(RANDOM_KEY_ELEMENTS)),
                            arena_printf(g->arena, "k%d", net->count++));
    Value u = graph_add(g, OP_RANDOM, 1, &key, attrs, NULL);
    Value keep = build_binary(g, OP_LT, u, build_const_like(g, u, 0.5));
    if (!paths)
        return build_select(g, keep, x, build_const_like(g, x, 0));
    Value factor = build_cast(g, keep, DT_F32);
    return build_binary(g, OP_MUL, x, stretch(g, factor, x, L(0)));
}

static Value net_move(Net *net, Value x)
{
    Graph *g = net->graph;
    TensorType type = *graph_type(g, x);
    int64_t first = draw(net, 0, type.dims[1] - 1);
    switch (draw(net, 0, 3)) {
    case 0:
        return build_slice(
            g, x, L(0, first, 0, 0),
            L(type.dims[0], type.dims[1] - first, type.dims[2], type.dims[3]));
    case 1:
        return build_pad(g, x, L(0, draw(net, 0, 2), 1, 0), L(0, 0, 0, 1),
                         (double)draw(net, 0, 1));
    case 2:
        return build_concat(g, 2, (Value[]){x, x}, (int)draw(net, 0, 1));
    default: {
        Attr attrs[MAX_ATTRS] = {{.ints = {2, L(2, 2)}},
                                 {.ints = {2, L(1, 1)}},
                                 {.ints = {4, L(0, 0, 1, 1)}}};
        return graph_add(g, draw(net, 0, 1) ? OP_SUM_POOL : OP_MAX_POOL, 1, &x,
                         attrs, NULL);
    }
    }
}

static Value net_layer(Net *net, Value x)
{
    static const Op ops[] = {OP_RELU, OP_SIGMOID, OP_COS, OP_TANH};
    Graph *g = net->graph;
    switch (draw(net, 0, 7)) {
    case 0:
        return build_unary(g, ops[draw(net, 0, 3)], x);
    case 1: {
        Value bias = new_param(net, 1, L(graph_type(g, x)->dims[1]));
        return build_binary(g, OP_ADD, x, stretch(g, bias, x, L(1)));
    }
    case 2:
        return build_binary(g, OP_MUL, x, build_unary(g, OP_SIGMOID, x));
    case 3:
        return net_normalize(net, x);
    case 4:
        return net_move(net, x);
    case 5:
        return net_mask(net, x);
    default:
        return net_conv(net, x);
    }
}

// Twelve layers, the gradients of their params and an update.
static Graph *random_net(Arena *arena, uint64_t seed)
{
    Net net = {.graph = graph_new(arena, "net"), .state = seed};
    Graph *g = net.graph;
    Value x =
        build_input(g, type_make(DT_F32, 4, L(2, draw(&net, 1, 7), 7, 6)), "x");
    for (int i = 0; i < 12; i++)
        x = net_layer(&net, x);
    x = build_unary(g, OP_TANH, x);
    graph_add_output(g, "image", x);
    graph_add_output(g, "means", build_reduce(g, OP_REDUCE_SUM, x, 2, L(2, 3)));
    Value loss = build_reduce(g, OP_REDUCE_SUM, build_binary(g, OP_MUL, x, x),
                              4, L(0, 1, 2, 3));
    Value *gradients = ARENA_ARRAY(arena, Value, net.params.count + 1), culprit;
    if (!autodiff(g, loss, net.params.count, net.params.at, gradients,
                  &culprit))
        test_fail(__FILE__, __LINE__, "no gradient of %%%d", culprit);
    for (int i = 0; i < net.params.count; i++)
        build_assign(g, net.params.at[i], gradients[i]);
    return g;
}

TEST(graphs_mean_the_same_with_spare_lanes)
{
    Seen seen = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        check_seed(seed, 2, &seen);
    for (uint64_t seed = SEEDS; seed < 2 * SEEDS; seed++)
        check_seed(seed, 4, &seen);
    for (uint64_t seed = 0; seed < NETS; seed++)
        for (int64_t block = 2; block <= 8; block *= 2) {
            Arena *arena = arena_new();
            check_graphs("net", arena, seed, random_net(arena, seed),
                         random_net(arena, seed), block, &seen);
            arena_free(arena);
        }
    // It was tried.
    CHECK(seen.blocked > 500);
    CHECK(seen.spare > 50);
}
