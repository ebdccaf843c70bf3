#include "tests/diff/generator.h"

#include <math.h>

#include "ir/autodiff.h"
#include "ir/base/text.h"
#include "tests/diff/generator_parts.h"

// ---- choice -----------------------------------------------------------------

// splitmix64: a step of the golden ratio, then a finalizer of two rounds.
uint64_t gen_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

int gen_choose(Generator *gen, int count)
{
    return (int)(gen_random(&gen->state) % (uint64_t)count);
}

bool gen_one_in(Generator *gen, int count)
{
    return gen_choose(gen, count) == 0;
}

bool gen_is_leaf(const Generator *gen, Value v)
{
    return op_has(graph_node(gen->graph, v)->op, TRAIT_NAMED);
}

// ---- bounds -----------------------------------------------------------------

Value gen_note(Generator *gen, Value v, double bound)
{
    while (gen->bound.count < gen->graph->nodes.count)
        vec_push(gen->graph->arena, &gen->bound, bound);
    gen->bound.at[v] = bound;
    return v;
}

Value gen_tame(Generator *gen, Value v)
{
    int exponent;
    if (gen_bound(gen, v) <= 16)
        return v;
    frexp(gen_bound(gen, v), &exponent);
    double scale = ldexp(1, 1 - exponent);
    return gen_note(gen,
                    build_binary(gen->graph, OP_MUL, v,
                                 build_const_like(gen->graph, v, scale)),
                    2);
}

// ---- leaves -----------------------------------------------------------------

Value gen_leaf(Generator *gen, const TensorType *dims)
{
    Graph *g = gen->graph;
    TensorType type = type_make(gen->dtype, dims->rank, dims->dims);
    const char *scope = g->origin.scope;
    int number = gen->leaf_count++;
    Value v;
    if (gen_one_in(gen, 2)) {
        v = build_param(g, type, arena_printf(g->arena, "w%d", number),
                        gen_one_in(gen, 3) ? "state" : "weight", "normal", 0.5);
        vec_push(g->arena, &gen->params, v);
    } else {
        v = build_input(g, type, arena_printf(g->arena, "x%d", number));
    }
    g->origin.scope = scope;
    return gen_note(gen, v, LEAF_BOUND);
}

TensorType gen_dims(Generator *gen, int rank)
{
    TensorType type = {gen->dtype, rank, {0}};
    int64_t left = MOST_ELEMENTS;
    for (int i = 0; i < rank; i++) {
        int64_t most = left < 9 ? left : 9;
        type.dims[i] = 1 + gen_choose(gen, (int)most);
        left /= type.dims[i];
    }
    return type;
}

double gen_grid_number(Generator *gen)
{
    return (gen_choose(gen, 4 * GRID) - 2 * GRID) / (double)GRID;
}

// ---- operands ---------------------------------------------------------------

static bool is_usable(const Generator *gen, Value v)
{
    const TensorType *type = gen_type(gen, v);
    return type->dtype == gen->dtype && type_elements(type) <= MOST_ELEMENTS &&
           graph_node(gen->graph, v)->op != OP_ASSIGN;
}

Value gen_pick(Generator *gen, int rank)
{
    int count = gen->graph->nodes.count;
    // Now and then the newest, so that chains arise.
    Value newest = count - 1;
    if (count && gen_one_in(gen, 4) && is_usable(gen, newest) &&
        (rank < 0 || gen_type(gen, newest)->rank == rank))
        return newest;
    for (int tries = 0; tries < 12 && count; tries++) {
        int a = gen_choose(gen, count), b = gen_choose(gen, count);
        Value v = a > b ? a : b;
        if (is_usable(gen, v) && (rank < 0 || gen_type(gen, v)->rank == rank))
            return v;
    }
    TensorType dims = gen_dims(gen, rank < 0 ? gen_choose(gen, 4) : rank);
    return gen_leaf(gen, &dims);
}

Value gen_const_like(Generator *gen, Value like)
{
    static const double favourites[] = {0, 1, -1, 2, 0.5};
    double value = gen_one_in(gen, 2) ? favourites[gen_choose(gen, 5)]
                                      : gen_grid_number(gen);
    return gen_note(gen, build_const_like(gen->graph, like, value), LEAF_BOUND);
}

Value gen_stretched(Generator *gen, Value like)
{
    TensorType type = *gen_type(gen, like), from = {gen->dtype, 0, {0}};
    int64_t axes[MAX_RANK];
    for (int i = 0; i < type.rank; i++) {
        if (gen_one_in(gen, 2))
            continue;
        axes[from.rank] = i;
        from.dims[from.rank++] = gen_one_in(gen, 3) ? 1 : type.dims[i];
    }
    Value source = NO_VALUE;
    for (int tries = 0; tries < 20 && source == NO_VALUE; tries++) {
        Value v = gen_choose(gen, gen->graph->nodes.count);
        if (is_usable(gen, v) && type_same_dims(gen_type(gen, v), &from))
            source = v;
    }
    if (source == NO_VALUE)
        source = gen_leaf(gen, &from);
    return gen_note(
        gen, build_broadcast(gen->graph, source, type.rank, type.dims, axes),
        gen_bound(gen, source));
}

Value gen_pick_like(Generator *gen, Value like)
{
    for (int tries = 0; tries < 16; tries++) {
        Value v = gen_choose(gen, gen->graph->nodes.count);
        if (is_usable(gen, v) &&
            type_same_dims(gen_type(gen, v), gen_type(gen, like)))
            return v;
    }
    TensorType type = *gen_type(gen, like);
    type.dtype = gen->dtype;
    switch (gen_choose(gen, 5)) {
    case 0:
        return gen_note(gen,
                        build_const(gen->graph, type, gen_grid_number(gen)),
                        LEAF_BOUND);
    case 1:
        if (type.rank > 0)
            return gen_note(
                gen, build_iota(gen->graph, type, gen_choose(gen, type.rank)),
                9);
        return like;
    case 2:
    case 3:
        return gen_stretched(gen, like);
    default:
        return gen_leaf(gen, &type);
    }
}

// ---- effects ----------------------------------------------------------------

// Assigns a param: a moving average, another param, or a view of something.
static Value make_assign(Generator *gen)
{
    if (!gen->params.count)
        return NO_VALUE;
    int at = gen_choose(gen, gen->params.count);
    Value p = gen->params.at[at], value = NO_VALUE;
    gen->params.at[at] = gen->params.at[--gen->params.count];
    Graph *g = gen->graph;
    switch (gen_choose(gen, 3)) {
    case 0:
        value = gen_pick_like(gen, p);
        break;
    case 1: {
        Value x = gen_note(
            gen, build_binary(g, OP_MUL, p, build_const_like(g, p, 0.75)),
            LEAF_BOUND);
        value = build_binary(g, OP_ADD, x, gen_pick_like(gen, p));
        break;
    }
    default:
        value = gen_stretched(gen, p);
    }
    Value assign = gen_note(gen, build_assign(g, p, value), LEAF_BOUND);
    vec_push(g->arena, &gen->assigned, assign);
    return NO_VALUE; // readers of the new content are made at the end
}

// A scalar loss over a few values, its gradients by up to four params and a
// step along them, scaled by their norms or not.
static void add_training(Generator *gen)
{
    Graph *g = gen->graph;
    Value loss = build_scalar(g, gen->dtype, 0);
    for (int i = 0; i < 4; i++) {
        Value x = gen_pick(gen, -1);
        int64_t axes[MAX_RANK] = {0, 1, 2, 3, 4, 5};
        x = build_unary(g, OP_TANH, x);
        x = build_reduce(g, OP_REDUCE_SUM, x, gen_type(gen, x)->rank, axes);
        loss = build_binary(g, OP_ADD, loss, x);
    }
    gen_note(gen, loss, 4 * MOST_ELEMENTS);
    Value wrt[4], grads[4], culprit;
    int count = 0;
    while (count < 4 && gen->params.count)
        wrt[count++] = gen->params.at[--gen->params.count];
    bool done = autodiff(g, loss, count, wrt, grads, &culprit);
    gen_note(gen, loss, 4 * MOST_ELEMENTS);
    graph_add_output(g, "loss", loss);
    for (int i = 0; done && i < count; i++) {
        Value step = build_binary(g, OP_MUL, grads[i],
                                  build_const_like(g, grads[i], 0.0625));
        if (gen_one_in(gen, 2)) {
            int64_t axes[MAX_RANK] = {0, 1, 2, 3, 4, 5};
            Value square = build_binary(g, OP_MUL, grads[i], grads[i]);
            Value norm = build_reduce(g, OP_REDUCE_SUM, square,
                                      gen_type(gen, square)->rank, axes);
            norm = build_binary(g, OP_ADD, norm, build_const_like(g, norm, 1));
            norm = build_unary(g, OP_RSQRT, norm);
            step = build_binary(g, OP_MUL, step, build_fill(g, norm, step));
        }
        build_assign(g, wrt[i], build_binary(g, OP_SUB, wrt[i], step));
    }
    gen_note(gen, loss, 4 * MOST_ELEMENTS);
}

static void add_outputs(Generator *gen)
{
    Graph *g = gen->graph;
    int count = 2 + gen_choose(gen, 6);
    for (int i = 0; i < count; i++)
        graph_add_output(g, arena_printf(g->arena, "out%d", i),
                         gen_pick(gen, -1));
    if (!gen->assigned.count || gen_one_in(gen, 2))
        return;
    // Something that reads what a param was given.
    Value fresh = gen->assigned.at[gen_choose(gen, gen->assigned.count)];
    graph_add_output(g, "fresh", fresh);
    graph_add_output(g, "fresher", build_unary(g, OP_COS, fresh));
}

Graph *generate_graph(Arena *arena, uint64_t seed, DType dtype, int nodes)
{
    static Recipe *const recipes[] = {
        make_unary,     make_unary,   make_bounded_unary, make_stepped,
        make_binary,    make_binary,  make_binary,        make_quotient,
        make_power,     make_select,  make_cast,          make_broadcast,
        make_broadcast, make_reshape, make_transpose,     make_slice,
        make_pad,       make_concat,  make_reduce,        make_reduce,
        make_matmul,    make_conv,    make_pool,          make_collective,
        make_rows,      make_rows,    make_take,          make_resize,
        make_attention, make_random,  make_assign};
    enum { RECIPE_COUNT = sizeof recipes / sizeof recipes[0] };
    Generator gen = {
        .graph = graph_new(arena, arena_printf(arena, "random.%llu",
                                               (unsigned long long)seed)),
        .dtype = dtype,
        .state = seed * 2 + (dtype == DT_F64)};
    while (gen.graph->nodes.count < nodes) {
        Value v = recipes[gen_choose(&gen, RECIPE_COUNT)](&gen);
        if (v != NO_VALUE)
            gen_tame(&gen, v);
    }
    if (!gen_one_in(&gen, 3))
        add_training(&gen);
    add_outputs(&gen);
    return gen.graph;
}

// ---- data -------------------------------------------------------------------

EvalBinding *generate_bindings(const Graph *graph, Arena *arena, uint64_t seed,
                               int *count)
{
    EvalBinding *bindings =
        ARENA_ARRAY(arena, EvalBinding, graph->nodes.count + 1);
    *count = 0;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (!op_has(node->op, TRAIT_NAMED))
            continue;
        const char *name = node->attrs[0].text; // of params and inputs alike
        uint64_t state = text_hash(seed, name, strlen(name));
        int64_t elements = type_elements(&node->type);
        double *data = ARENA_ARRAY(arena, double, elements);
        for (int64_t i = 0; i < elements; i++)
            data[i] =
                ((double)(gen_random(&state) % (4 * GRID)) - 2 * GRID) / GRID;
        bindings[(*count)++] = (EvalBinding){v, data};
    }
    return bindings;
}
