// The layout pass: nets mean the same in blocks, by the oracle, and nothing is
// converted inside them.
#include "ir/autodiff.h"
#include "ir/base/diag.h"
#include "ir/build.h"
#include "ir/text_form.h"
#include "ir/eval.h"
#include "tests/graphs.h"
#include "tests/harness.h"
#include "tests/passes.h"
#include "tests/tiled.h"

#define L(...) ((const int64_t[]){__VA_ARGS__})

// ---- a small library of layers ----------------------------------------------

enum { MOST_WEIGHTS = 64 };

typedef struct Net {
    Arena *arena;
    Graph *graph;
    DType dtype;
    int count;
    Value weights[MOST_WEIGHTS];
} Net;

static Net net_new(DType dtype)
{
    Arena *arena = arena_new();
    return (Net){.arena = arena, .graph = graph_new(arena, "g"), dtype};
}

static const TensorType *type_of(const Net *net, Value v)
{
    return graph_type(net->graph, v);
}

static Value add_weight(Net *net, int rank, const int64_t *dims)
{
    const char *name = arena_printf(net->arena, "w%d", net->count);
    TensorType type = type_make(net->dtype, rank, dims);
    Value v = build_param(net->graph, type, name, "weight", "normal", 1);
    return net->weights[net->count++] = v;
}

static Value add_input(Net *net, int rank, const int64_t *dims)
{
    const char *name = arena_printf(net->arena, "x%d", net->graph->nodes.count);
    return build_input(net->graph, type_make(net->dtype, rank, dims), name);
}

static Value add_node(Net *net, Op op, Value x, Value y, const Attr *attrs)
{
    int count = y == NO_VALUE ? 1 : 2;
    Value v = graph_add(net->graph, op, count, (Value[]){x, y}, attrs, NULL);
    if (v == NO_VALUE)
        test_fail(__FILE__, __LINE__, "%s", net->graph->error);
    return v;
}

static Attr ints(int count, const int64_t *at)
{
    return (Attr){.ints = {count, at}};
}

static Value scaled(Net *net, Value x, double scale)
{
    Graph *g = net->graph;
    return build_binary(g, OP_MUL, x, build_const_like(g, x, scale));
}

static Value conv(Net *net, Value x, int64_t filters, int64_t k, int64_t stride)
{
    int64_t channels = type_of(net, x)->dims[1], p = k / 2;
    Value w = add_weight(net, 4, L(filters, channels, k, k));
    Attr attrs[MAX_ATTRS] = {ints(2, L(stride, stride)),
                             ints(4, L(p, p, p, p))};
    Value y = add_node(net, OP_CONV2D, x, w, attrs);
    return scaled(net, y, 1.0 / (double)(channels * k));
}

static Value windows(Net *net, Op op, Value x, int64_t k, int64_t stride)
{
    Attr attrs[MAX_ATTRS] = {ints(2, L(k, k)), ints(2, L(stride, stride)),
                             ints(4, L(0, 0, k - 1, k - 1))};
    return add_node(net, op, x, NO_VALUE, attrs);
}

// [c] or [n, c] to the dims of an image.
static Value stretch(Net *net, Value v, Value like)
{
    TensorType type = *type_of(net, like);
    bool per_image = type_of(net, v)->rank == 2;
    return build_broadcast(net->graph, v, 4, type.dims,
                           per_image ? L(0, 1) : L(1));
}

static Value batch_norm(Net *net, Value x)
{
    Graph *g = net->graph;
    TensorType type = *type_of(net, x);
    double count = (double)(type.dims[0] * type.dims[2] * type.dims[3]);
    Value mean = scaled(net, build_reduce(g, OP_REDUCE_SUM, x, 3, L(0, 2, 3)),
                        1 / count);
    Value centred = build_binary(g, OP_SUB, x, stretch(net, mean, x));
    Value square = build_binary(g, OP_MUL, centred, centred);
    Value variance = scaled(
        net, build_reduce(g, OP_REDUCE_SUM, square, 3, L(0, 2, 3)), 1 / count);
    variance =
        build_binary(g, OP_ADD, variance, build_const_like(g, variance, 0.1));
    Value gamma = add_weight(net, 1, L(type.dims[1]));
    Value scale =
        build_binary(g, OP_MUL, build_unary(g, OP_RSQRT, variance), gamma);
    Value beta = add_weight(net, 1, L(type.dims[1]));
    Value y = build_binary(g, OP_MUL, centred, stretch(net, scale, x));
    return build_binary(g, OP_ADD, y, stretch(net, beta, x));
}

static Value relu(Net *net, Value x)
{
    return build_unary(net->graph, OP_RELU, x);
}

static Value add(Net *net, Value x, Value y)
{
    return build_binary(net->graph, OP_ADD, x, y);
}

static Value unit(Net *net, Value x, int64_t filters, int64_t k, int64_t stride)
{
    return relu(net, batch_norm(net, conv(net, x, filters, k, stride)));
}

static Value residual(Net *net, Value x, int64_t filters, int64_t stride)
{
    Value y = unit(net, x, filters, 3, stride);
    y = batch_norm(net, conv(net, y, filters, 3, 1));
    if (stride > 1 || type_of(net, x)->dims[1] != filters)
        x = batch_norm(net, conv(net, x, filters, 1, stride));
    return relu(net, add(net, x, y));
}

static Value mean_pool(Net *net, Value x)
{
    const TensorType *type = type_of(net, x);
    double scale = 1 / (double)(type->dims[2] * type->dims[3]);
    return scaled(net, build_reduce(net->graph, OP_REDUCE_SUM, x, 2, L(2, 3)),
                  scale);
}

static Value keep_pixel(Net *net, Value x)
{
    const TensorType *type = type_of(net, x);
    return build_reshape(net->graph, x, 4,
                         L(type->dims[0], type->dims[1], 1, 1));
}

// A per-image gate [n, c, 1, 1] on every pixel.
static Value gated(Net *net, Value x, Value gate)
{
    TensorType type = *type_of(net, x);
    Value wide = build_broadcast(net->graph, gate, 4, type.dims, L(0, 1, 2, 3));
    return build_binary(net->graph, OP_MUL, x, wide);
}

static Value channels(Net *net, Value x, int64_t first, int64_t count)
{
    TensorType type = *type_of(net, x);
    type.dims[1] = count;
    return build_slice(net->graph, x, L(0, first, 0, 0), type.dims);
}

static Value selective_kernel(Net *net, Value x, int64_t filters)
{
    Graph *g = net->graph;
    Value streams = unit(net, x, 2 * filters, 3, 1);
    Value first = channels(net, streams, 0, filters);
    Value second = channels(net, streams, filters, filters);
    Value pooled = keep_pixel(net, mean_pool(net, add(net, first, second)));
    Value mixing = conv(net, unit(net, pooled, 32, 1, 1), 2 * filters, 1, 1);
    Value share =
        build_unary(g, OP_SIGMOID,
                    build_binary(g, OP_SUB, channels(net, mixing, 0, filters),
                                 channels(net, mixing, filters, filters)));
    Value rest = build_binary(g, OP_SUB, build_const_like(g, share, 1), share);
    return add(net, gated(net, first, share), gated(net, second, rest));
}

// ---- the nets ---------------------------------------------------------------

static Value build_resnet(Net *net)
{
    Value x = unit(net, add_input(net, 4, L(2, 3, 9, 10)), 16, 3, 1);
    x = residual(net, residual(net, x, 16, 1), 32, 2);
    return mean_pool(net, x);
}

static Value build_pooled_stem(Net *net)
{
    Value x = unit(net, add_input(net, 4, L(2, 3, 12, 12)), 16, 5, 2);
    x = windows(net, OP_MAX_POOL, x, 3, 2);
    x = residual(net, x, 16, 1);
    return mean_pool(net, residual(net, x, 32, 2));
}

static Value build_sk_net(Net *net)
{
    Value x = unit(net, add_input(net, 4, L(2, 3, 8, 8)), 16, 3, 1);
    x = selective_kernel(net, x, 16);
    Value shortcut = scaled(net, windows(net, OP_SUM_POOL, x, 2, 2), 0.25);
    shortcut = batch_norm(net, conv(net, shortcut, 32, 1, 1));
    x = batch_norm(net, conv(net, x, 32, 3, 2));
    return mean_pool(net, relu(net, add(net, x, shortcut)));
}

// Gates of few channels, in the plain form.
static Value build_se_net(Net *net)
{
    Value x = unit(net, add_input(net, 4, L(2, 3, 6, 6)), 32, 3, 1);
    Value y = conv(net, x, 32, 3, 1);
    Value gate =
        relu(net, conv(net, keep_pixel(net, mean_pool(net, y)), 5, 1, 1));
    gate = build_unary(net->graph, OP_SIGMOID, conv(net, gate, 32, 1, 1));
    return mean_pool(net, add(net, x, gated(net, y, gate)));
}

// Channels that are no multiple of 16 between such that are, and movements
// that cannot be done in blocks.
static Value build_mixed(Net *net)
{
    Graph *g = net->graph;
    Value x = unit(net, add_input(net, 4, L(2, 16, 5, 6)), 32, 3, 1);
    Value y = unit(net, unit(net, x, 24, 3, 1), 16, 1, 1);
    Value odd = channels(net, x, 8, 16);
    Value even = channels(net, x, 16, 16);
    y = add(net, y, add(net, odd, even));
    y = build_concat(g, 2, (Value[]){y, x}, 1);
    y = build_pad(g, y, L(0, 16, 1, 0), L(0, 0, 0, 2), 0.5);
    y = unit(net, y, 16, 3, 1);
    Value turned = build_transpose(g, y, L(0, 1, 3, 2));
    int64_t count = type_elements(type_of(net, y)) / 2;
    Value flat = build_reshape(g, y, 2, L(2, count));
    Value flat_turned = build_reshape(g, turned, 2, L(2, count));
    return build_binary(g, OP_MUL, flat, flat_turned);
}

typedef struct NetCase {
    const char *name;
    Value (*build)(Net *net);
    bool all_blocks; // fit for blocks from the stem to the end
} NetCase;

static const NetCase net_cases[] = {
    {"resnet", build_resnet, true},
    {"pooled stem", build_pooled_stem, true},
    {"selective kernel", build_sk_net, true},
    {"squeeze and excite", build_se_net, true},
    {"mixed", build_mixed, false},
};
enum { NET_CASES = sizeof net_cases / sizeof net_cases[0] };

// A classifier with a loss on the features, its gradients and an update.
static void finish_training(Net *net, Value features)
{
    Graph *g = net->graph;
    int64_t inner = type_of(net, features)->dims[1];
    Value dense = add_weight(net, 2, L(4, inner));
    Value logits = build_matmul(g, features, dense, false, true);
    Value target = add_input(net, 2, L(type_of(net, features)->dims[0], 4));
    Value error = build_binary(g, OP_SUB, logits, target);
    Value loss = build_reduce(
        g, OP_REDUCE_SUM, build_binary(g, OP_MUL, error, error), 2, L(0, 1));
    loss = scaled(net, loss, 1.0 / (double)inner);
    Value gradients[MOST_WEIGHTS], culprit;
    CHECK(autodiff(g, loss, net->count, net->weights, gradients, &culprit));
    for (int i = 0; i < net->count; i++) {
        Value step = scaled(net, gradients[i], 0.1);
        build_assign(g, net->weights[i],
                     build_binary(g, OP_SUB, net->weights[i], step));
    }
    graph_add_output(g, "loss", loss);
    graph_add_output(g, "logits", logits);
}

static Net make_net(const NetCase *at, DType dtype)
{
    Net net = net_new(dtype);
    finish_training(&net, at->build(&net));
    CHECK(!run_passes(net.graph, "simplify,cse,dce", false));
    return net;
}

typedef struct Dice {
    uint64_t state;
} Dice;

static int roll(Dice *dice, int sides)
{
    dice->state = dice->state * 6364136223846793005u + 1442695040888963407u;
    return (int)((dice->state >> 33) % (uint64_t)sides);
}

// ---- running and comparing --------------------------------------------------

static const char *graph_text(Arena *arena, const Graph *graph)
{
    Text text = text_new(arena);
    graph_print(graph, &text);
    return text_string(&text);
}

static Graph *run_layout(Arena *arena, const Graph *graph)
{
    Graph *changed = copy_graph(arena, graph);
    CHECK(!run_passes(changed, "layout", false));
    const char *text = graph_text(arena, changed);
    DiagList diags = diag_list_new(arena);
    GraphList *read = graph_parse(
        arena, source_from_text(arena, "g", text, strlen(text)), &diags);
    CHECK(read && strcmp(graph_text(arena, read->graphs.at[0]), text) == 0);
    return changed;
}

// Multiples of 1/16 that depend on a leaf's name and the seed alone.
static EvalBinding *bind_leaves(const Graph *graph, Arena *arena, uint64_t seed,
                                int *count)
{
    EvalBinding *bindings = ARENA_ARRAY(arena, EvalBinding, graph->nodes.count);
    *count = 0;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op != OP_PARAM && node->op != OP_INPUT)
            continue;
        const char *name = node->attrs[PARAM_NAME].text; // INPUT_NAME likewise
        Dice dice = {text_hash(seed, name, strlen(name))};
        int64_t elements = type_elements(&node->type);
        double *data = ARENA_ARRAY(arena, double, elements);
        for (int64_t i = 0; i < elements; i++)
            data[i] = (roll(&dice, 64) - 32) / 16.0;
        if (node->op == OP_PARAM)
            tiled_move(arena, &node->type, data, true);
        bindings[(*count)++] = (EvalBinding){v, data};
    }
    return bindings;
}

static void check_close(const char *what, const TensorType *type,
                        const double *a, const double *b)
{
    double largest = 1e-3;
    for (int64_t i = 0; i < type_elements(type); i++)
        largest = fmax(largest, fabs(a[i]));
    for (int64_t i = 0; i < type_elements(type); i++)
        if (!(fabs(a[i] - b[i]) <= 1e-10 * largest)) {
            test_fail(__FILE__, __LINE__, "%s: element %lld is %g, not %g",
                      what, (long long)i, b[i], a[i]);
            return;
        }
}

static Value next_assign(const Graph *graph, Value v)
{
    while (v < graph->nodes.count && graph_node(graph, v)->op != OP_ASSIGN)
        v++;
    return v;
}

// Outputs and assigns, which stay in their order.
static void check_same(const char *what, Arena *arena, const Graph *a,
                       const Graph *b, uint64_t seed)
{
    int count_a, count_b;
    EvalBinding *data_a = bind_leaves(a, arena, seed, &count_a);
    EvalBinding *data_b = bind_leaves(b, arena, seed, &count_b);
    double **results_a = eval_graph(a, arena, count_a, data_a);
    double **results_b = eval_graph(b, arena, count_b, data_b);
    CHECK_INT(b->outputs.count, a->outputs.count);
    for (int i = 0; i < a->outputs.count; i++) {
        Value x = a->outputs.at[i].value, y = b->outputs.at[i].value;
        CHECK(type_equal(graph_type(a, x), graph_type(b, y)));
        check_close(what, graph_type(a, x), results_a[x], results_b[y]);
    }
    Value x = next_assign(a, 0), y = next_assign(b, 0);
    while (x < a->nodes.count && y < b->nodes.count) {
        Value p = graph_node(a, x)->inputs[0], q = graph_node(b, y)->inputs[0];
        CHECK_TEXT(graph_node(b, q)->attrs[PARAM_NAME].text,
                   graph_node(a, p)->attrs[PARAM_NAME].text);
        tiled_move(arena, graph_type(b, y), results_b[y], false);
        check_close(what, graph_type(a, x), results_a[x], results_b[y]);
        x = next_assign(a, x + 1);
        y = next_assign(b, y + 1);
    }
    CHECK(x == a->nodes.count && y == b->nodes.count);
}

static int count_op(const Graph *graph, Op op, int rank)
{
    int count = 0;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        const TensorType *first =
            node->input_count ? graph_type(graph, node->inputs[0]) : NULL;
        count += node->op == op &&
                 (node->type.rank == rank || (first && first->rank == rank));
    }
    return count;
}

// ---- the tests --------------------------------------------------------------

TEST(nets_mean_the_same_in_blocks)
{
    for (int i = 0; i < NET_CASES; i++) {
        Net net = make_net(&net_cases[i], DT_F32);
        Graph *blocked = run_layout(net.arena, net.graph);
        check_same(net_cases[i].name, net.arena, net.graph, blocked, 1);
        CHECK(count_op(blocked, OP_CONV2D, 5) > 0);
        CHECK(count_op(blocked, OP_CONV2D_GRAD_X, 5) > 0);
        CHECK(count_op(blocked, OP_CONV2D_GRAD_W, 5) > 0);
        arena_free(net.arena);
    }
}

TEST(nothing_is_converted_inside_a_net)
{
    for (int i = 0; i < NET_CASES; i++) {
        if (!net_cases[i].all_blocks)
            continue;
        Net net = make_net(&net_cases[i], DT_F32);
        Graph *blocked = run_layout(net.arena, net.graph);
        int got = count_op(blocked, OP_TRANSPOSE, 5);
        if (got != 0)
            test_fail(__FILE__, __LINE__, "%s: %d conversions",
                      net_cases[i].name, got);
        // Where a plane is one pixel.
        CHECK(count_op(blocked, OP_RELU, 4) <= 1);
        CHECK_INT(count_op(blocked, OP_MAX_POOL, 4), 0);
        CHECK_INT(count_op(blocked, OP_REDUCE_SUM, 4), 0);
        arena_free(net.arena);
    }
}

TEST(a_second_walk_changes_nothing)
{
    for (int i = 0; i < NET_CASES; i++) {
        Net net = make_net(&net_cases[i], DT_F32);
        Graph *once = run_layout(net.arena, net.graph);
        Graph *twice = run_layout(net.arena, once);
        CHECK_TEXT(graph_text(net.arena, twice), graph_text(net.arena, once));
        arena_free(net.arena);
    }
}

static Value build_narrow(Net *net)
{
    Value x = add_input(net, 4, L(2, 3, 6, 6));
    return mean_pool(net, unit(net, unit(net, x, 16, 3, 1), 8, 3, 1));
}

TEST(graphs_without_whole_blocks_stay_as_they_are)
{
    static const NetCase narrow = {"narrow", build_narrow, false};
    const NetCase *cases[] = {&narrow, &net_cases[0]};
    DType dtypes[] = {DT_F32, DT_F64};
    for (int i = 0; i < 2; i++) {
        Net net = make_net(cases[i], dtypes[i]);
        Graph *same = run_layout(net.arena, net.graph);
        CHECK_TEXT(graph_text(net.arena, same),
                   graph_text(net.arena, net.graph));
        arena_free(net.arena);
    }
}

TEST(inputs_params_and_outputs_stay_plain)
{
    Net net = net_new(DT_F32);
    Value x = add_input(&net, 4, L(1, 16, 4, 4));
    Value y = conv(&net, x, 16, 3, 1);
    Value sum = add(&net, y, x);
    graph_add_output(net.graph, "y", y);
    graph_add_output(net.graph, "sum", sum);
    graph_add_output(net.graph, "x", x);
    Graph *blocked = run_layout(net.arena, net.graph);
    check_same("outputs", net.arena, net.graph, blocked, 5);
    CHECK_INT(count_op(blocked, OP_ADD, 5), 1);
    arena_free(net.arena);
}

// ---- random graphs ----------------------------------------------------------

typedef struct Pool {
    Net net;
    Dice dice;
    int count;
    Value at[64];
} Pool;

static Value pick(Pool *pool)
{
    int a = roll(&pool->dice, pool->count), b = roll(&pool->dice, pool->count);
    return pool->at[a > b ? a : b];
}

// Another image of the same dims: from the pool, or made somehow.
static Value pick_like(Pool *pool, Value x)
{
    Net *net = &pool->net;
    TensorType type = *type_of(net, x);
    for (int i = 0; i < pool->count; i++) {
        Value y = pick(pool);
        if (type_same_dims(type_of(net, y), &type))
            return y;
    }
    static const struct {
        int rank;
        int64_t axes[4];
    } from[] = {{0, {0}},       {1, {1}},    {2, {0, 1}},       {2, {1, 2}},
                {3, {1, 2, 3}}, {2, {0, 3}}, {4, {0, 1, 2, 3}}, {1, {2}}};
    int choice = roll(&pool->dice, 9);
    if (choice == 8)
        return build_const_like(net->graph, x, 0.25);
    int64_t dims[4];
    for (int i = 0; i < from[choice].rank; i++) {
        int64_t size = type.dims[from[choice].axes[i]];
        dims[i] = roll(&pool->dice, 3) ? size : 1;
    }
    Value source = add_weight(net, from[choice].rank, dims);
    return build_broadcast(net->graph, source, 4, type.dims, from[choice].axes);
}

static Value random_reduction(Pool *pool, Value x)
{
    Net *net = &pool->net;
    int64_t axes[4], kept[4], dims[4];
    int count = 0, rank = 0, mask = 1 + roll(&pool->dice, 15);
    TensorType type = *type_of(net, x);
    for (int i = 0; i < 4; i++)
        if (mask >> i & 1) {
            axes[count++] = i;
        } else {
            dims[rank] = type.dims[i];
            kept[rank++] = i;
        }
    Op op = roll(&pool->dice, 2) ? OP_REDUCE_SUM : OP_REDUCE_MAX;
    Value y = build_reduce(net->graph, op, scaled(net, x, 0.125), count, axes);
    if (rank == 2 && kept[1] == 1) {
        y = keep_pixel(net, y);
        if (roll(&pool->dice, 2))
            return y;
        y = build_reshape(net->graph, build_unary(net->graph, OP_TANH, y), 2,
                          dims);
    }
    return build_broadcast(net->graph, y, 4, type.dims, kept);
}

static Value random_movement(Pool *pool, Value x)
{
    Net *net = &pool->net;
    Graph *g = net->graph;
    TensorType type = *type_of(net, x);
    int64_t c = type.dims[1], some = 8 * (1 + roll(&pool->dice, 2));
    switch (roll(&pool->dice, 6)) {
    case 0:
        return c > some ? channels(net, x, some, c - some) : x;
    case 1:
        return build_concat(g, 2, (Value[]){x, pick_like(pool, x)},
                            roll(&pool->dice, 4));
    case 2:
        return build_pad(g, x, L(0, some, 0, 1), L(0, 16, 1, 0), 0.5);
    case 3:
        return build_transpose(g, x, L(0, 1, 3, 2));
    case 4:
        return build_reshape(
            g, x, 4, L(type.dims[0], c, 1, type.dims[2] * type.dims[3]));
    default:
        return build_slice(g, x, L(type.dims[0] - 1, 0, 0, 0),
                           L(1, c, type.dims[2], 1));
    }
}

static Value random_node(Pool *pool)
{
    Net *net = &pool->net;
    Graph *g = net->graph;
    Value x = pick(pool);
    switch (roll(&pool->dice, 9)) {
    case 0:
    case 1:
        return conv(net, x, 8 * (1 + roll(&pool->dice, 4)),
                    1 + 2 * roll(&pool->dice, 2), 1 + roll(&pool->dice, 2));
    case 2:
        return windows(net, roll(&pool->dice, 2) ? OP_MAX_POOL : OP_SUM_POOL, x,
                       2, 1);
    case 3:
        return random_reduction(pool, x);
    case 4:
        return random_movement(pool, x);
    case 5:
        return build_select(g, build_binary(g, OP_LT, x, pick_like(pool, x)),
                            pick_like(pool, x), x);
    case 6:
        return relu(net, x);
    default:
        return scaled(net, add(net, x, pick_like(pool, x)), 0.5);
    }
}

static Pool make_random(uint64_t seed)
{
    Pool pool = {net_new(DT_F32), {seed * 77 + 1}, 0, {0}};
    Net *net = &pool.net;
    pool.at[pool.count++] = add_input(net, 4, L(2, 16, 5, 4));
    pool.at[pool.count++] = conv(net, pool.at[0], 32, 3, 1);
    while (pool.count < 16) {
        Value v = random_node(&pool);
        if (type_elements(type_of(net, v)) < 8000)
            pool.at[pool.count++] = v;
    }
    Value loss = build_scalar(net->graph, DT_F32, 0);
    for (int i = pool.count - 3; i < pool.count; i++) {
        Value y = build_unary(net->graph, OP_TANH, pool.at[i]);
        loss =
            add(net, loss,
                build_reduce(net->graph, OP_REDUCE_SUM, y, 4, L(0, 1, 2, 3)));
        graph_add_output(net->graph, arena_printf(net->arena, "out%d", i),
                         pool.at[i]);
    }
    Value gradients[MOST_WEIGHTS], culprit;
    CHECK(autodiff(net->graph, loss, net->count, net->weights, gradients,
                   &culprit));
    for (int i = 0; i < net->count; i++)
        build_assign(net->graph, net->weights[i], gradients[i]);
    return pool;
}

TEST(random_graphs_mean_the_same_in_blocks)
{
    int in_blocks = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        Pool pool = make_random(seed);
        Arena *arena = pool.net.arena;
        Graph *blocked = run_layout(arena, pool.net.graph);
        check_same(arena_printf(arena, "seed %d", (int)seed), arena,
                   pool.net.graph, blocked, seed);
        for (Value v = 0; v < blocked->nodes.count; v++)
            in_blocks += graph_type(blocked, v)->form == FORM_BLOCKED;
        arena_free(arena);
    }
    CHECK(in_blocks > 2000);
}
