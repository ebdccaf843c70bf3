// Random graphs mean the same before and after every pass: outputs and assigned
// params, by the oracle. Also what schedule and fuse promise about their order.
#include <stdlib.h>

#include "ir/base/diag.h"
#include "ir/build.h"
#include "ir/text_form.h"
#include "tests/passes.h"
#include "passes/storage.h"
#include "tests/diff/generator.h"
#include "tests/graphs.h"
#include "tests/harness.h"
#include "tests/tiled.h"

enum { SEEDS = 120, NODES = 60 };

typedef struct Meaning {
    const Graph *graph;
    double **results;
} Meaning;

static Meaning find_meaning(Arena *arena, const Graph *graph, uint64_t seed)
{
    int count;
    EvalBinding *bindings = generate_bindings(graph, arena, seed, &count);
    for (int i = 0; i < count; i++)
        tiled_move(arena, graph_type(graph, bindings[i].value),
                   (double *)(uintptr_t)bindings[i].data, true);
    Meaning meaning = {graph, eval_graph(graph, arena, count, bindings)};
    for (Value v = 0; v < graph->nodes.count; v++) {
        Op op = graph_node(graph, v)->op;
        if (op == OP_ASSIGN || op == OP_PARAM)
            tiled_move(arena, graph_type(graph, v), meaning.results[v], false);
    }
    return meaning;
}

// NULL, or what differs by more than `tolerance` of the largest element.
static const char *compare_values(Arena *arena, const Meaning *a, Value x,
                                  const Meaning *b, Value y, double tolerance)
{
    const TensorType *type = graph_type(a->graph, x);
    const TensorType *other = graph_type(b->graph, y);
    TensorType plain = *other;
    if (other->form == FORM_TILED && type->form == FORM_PLAIN)
        plain = weights_plain_type(other); // find_meaning moved it
    if (!type_equal(type, &plain))
        return "type differs";
    double largest = 1;
    for (int64_t i = 0; i < type_elements(type); i++)
        largest = fmax(largest, fabs(a->results[x][i]));
    for (int64_t i = 0; i < type_elements(type); i++) {
        double p = a->results[x][i], q = b->results[y][i];
        if (!(fabs(p - q) <= tolerance * largest) && !(isnan(p) && isnan(q)))
            return arena_printf(arena, "element %lld is %.17g, not %.17g",
                                (long long)i, q, p);
    }
    return NULL;
}

static void check_same(Arena *arena, const Meaning *a, const Meaning *b,
                       double tolerance, const char *what)
{
    for (int i = 0; i < a->graph->outputs.count; i++) {
        const Output *x = &a->graph->outputs.at[i];
        const Output *y = &b->graph->outputs.at[i];
        const char *wrong =
            compare_values(arena, a, x->value, b, y->value, tolerance);
        if (wrong || strcmp(x->name, y->name) != 0)
            test_fail(__FILE__, __LINE__, "%s: output %s: %s", what, x->name,
                      wrong);
    }
    for (Value v = 0; v < a->graph->nodes.count; v++) {
        const Node *node = graph_node(a->graph, v);
        if (node->op != OP_ASSIGN)
            continue;
        const char *name =
            graph_node(a->graph, node->inputs[0])->attrs[PARAM_NAME].text;
        Value other = graph_assign(b->graph, name);
        // An assign may go only when the param keeps what it has.
        const char *wrong =
            other == NO_VALUE
                ? compare_values(arena, a, v, a, node->inputs[0], 0)
                : compare_values(arena, a, v, b, other, tolerance);
        if (wrong)
            test_fail(__FILE__, __LINE__, "%s: assign %s: %s", what, name,
                      wrong);
    }
}

// Runs the passes on a random graph and compares.
static Graph *check_passes(Arena *arena, uint64_t seed, DType dtype,
                           const char *names)
{
    Graph *graph = generate_graph(arena, seed, dtype, NODES);
    Graph *changed = copy_graph(arena, graph);
    const char *unknown = run_passes(changed, names, true);
    CHECK(!unknown);
    Meaning before = find_meaning(arena, graph, seed);
    Meaning after = find_meaning(arena, changed, seed);
    // Folded constants are rounded to float in a graph of floats.
    check_same(arena, &before, &after, dtype == DT_F64 ? 1e-12 : 1e-4,
               arena_printf(arena, "seed %llu, %s, passes %s",
                            (unsigned long long)seed, dtype_name(dtype),
                            names ? names : "all"));
    return changed;
}

TEST(every_pass_alone_keeps_the_meaning)
{
    int count;
    const Pass *table = pass_table(&count);
    for (int p = 0; p < count; p++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            Arena *arena = arena_new();
            check_passes(arena, seed, seed % 4 ? DT_F64 : DT_F32,
                         table[p].name);
            arena_free(arena);
        }
}

TEST(passes_in_any_order_keep_the_meaning)
{
    int count;
    const Pass *table = pass_table(&count);
    srand(7);
    for (uint64_t seed = 1000; seed < 1000 + SEEDS; seed++) {
        Arena *arena = arena_new();
        Text names = text_new(arena);
        for (int i = 0; i < 8; i++)
            text_addf(&names, "%s%s", i ? "," : "", table[rand() % count].name);
        check_passes(arena, seed, DT_F64, text_string(&names));
        arena_free(arena);
    }
}

// ---- what fuse and schedule promise -----------------------------------------

// An assign to p comes after every other node that reads p's bytes.
static bool assigns_are_last(const Graph *graph)
{
    for (Value a = 0; a < graph->nodes.count; a++) {
        const Node *assign = graph_node(graph, a);
        if (assign->op != OP_ASSIGN)
            continue;
        for (Value v = a + 1; v < graph->nodes.count; v++) {
            const Node *node = graph_node(graph, v);
            for (int i = 0; i < node->input_count; i++)
                if (storage_root(graph, node->inputs[i]) == assign->inputs[0])
                    return false;
        }
    }
    return true;
}

// The same at the moment the group's kernel runs, which is at its last node:
// no kernel after the assign's group reads p, and none in it but pointwise.
static const char *check_group(const Graph *graph, Value first, Value last)
{
    Value anchor = NO_VALUE, reduce = NO_VALUE;
    const TensorType *space = NULL;
    for (Value v = first; v <= last; v++) {
        const Node *node = graph_node(graph, v);
        LowerClass class = op_info(node->op)->lower;
        if (class == LOWER_MATMUL || class == LOWER_CONV) {
            if (v != first)
                return "the anchor is not first";
            anchor = v;
        } else if (class != LOWER_MAP && class != LOWER_REDUCE) {
            return "an op without a place in groups";
        }
        if (class == LOWER_REDUCE) {
            if (anchor != NO_VALUE)
                return "a reduction in an epilogue";
            const Node *other =
                reduce == NO_VALUE ? node : graph_node(graph, reduce);
            IntList x = other->attrs[AXES_AXES].ints;
            IntList y = node->attrs[AXES_AXES].ints;
            if (x.count != y.count ||
                memcmp(x.at, y.at, sizeof *x.at * (size_t)x.count))
                return "reductions over several axes";
            reduce = v;
        }
        if (anchor != NO_VALUE && node->op == OP_ASSIGN)
            return "an assign in an epilogue";
        const TensorType *runs = class == LOWER_REDUCE
                                     ? graph_type(graph, node->inputs[0])
                                     : &node->type;
        if (!space)
            space = runs;
        if (!type_same_dims(space, runs))
            return "several iteration spaces";
        bool on_anchor = v == anchor || anchor == NO_VALUE;
        for (int i = node->op == OP_ASSIGN; i < node->input_count; i++) {
            Value root = storage_root(graph, node->inputs[i]);
            if (root < first)
                continue;
            on_anchor = true;
            if (root != node->inputs[i])
                return "a view of the group's own value";
            if (op_info(graph_node(graph, root)->op)->lower == LOWER_REDUCE)
                return "a reduction read in its group";
        }
        if (!on_anchor)
            return "an epilogue node that does not read the anchor";
    }
    for (Value a = first; a <= last; a++) {
        if (graph_node(graph, a)->op != OP_ASSIGN)
            continue;
        for (Value v = first; v <= last; v++) {
            const Node *node = graph_node(graph, v);
            LowerClass class = op_info(node->op)->lower;
            for (int i = node->op == OP_ASSIGN; i < node->input_count; i++) {
                Value p = graph_node(graph, a)->inputs[0];
                if (storage_root(graph, node->inputs[i]) == p &&
                    (node->inputs[i] != p || class != LOWER_MAP))
                    return "an assigned param read elsewhere in its group";
            }
        }
    }
    return NULL;
}

static const char *check_groups(const Graph *graph)
{
    int last_group = 0;
    for (Value v = 0; v < graph->nodes.count;) {
        int group = graph_node(graph, v)->group;
        Value end = v + 1;
        if (group) {
            if (group != last_group + 1)
                return "groups are not numbered in order";
            last_group = group;
            while (end < graph->nodes.count &&
                   graph_node(graph, end)->group == group)
                end++;
            if (end == v + 1)
                return "a group of one";
            const char *wrong = check_group(graph, v, end - 1);
            if (wrong)
                return wrong;
        }
        v = end;
    }
    return NULL;
}

TEST(the_pipeline_keeps_the_meaning_and_fuse_its_promises)
{
    int groups = 0, grouped = 0;
    for (uint64_t seed = 0; seed < 3 * SEEDS; seed++) {
        Arena *arena = arena_new();
        static const char *const pipelines[] = {NULL, "fuse", "schedule,fuse"};
        Graph *graph = check_passes(arena, seed, seed % 4 ? DT_F64 : DT_F32,
                                    pipelines[seed % 3]);
        const char *wrong = check_groups(graph);
        if (wrong || !assigns_are_last(graph))
            test_fail(__FILE__, __LINE__, "seed %llu: %s",
                      (unsigned long long)seed,
                      wrong ? wrong : "a param is read after its assign");
        for (Value v = 0; v < graph->nodes.count; v++) {
            int group = graph_node(graph, v)->group;
            grouped += group > 0;
            groups = group > groups ? group : groups;
        }
        arena_free(arena);
    }
    CHECK(grouped > 10 * SEEDS);
    CHECK(groups > 5);
}

TEST(schedule_orders_assigns_last)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        Arena *arena = arena_new();
        Graph *graph = check_passes(arena, seed, DT_F64, "schedule");
        if (!assigns_are_last(graph))
            test_fail(__FILE__, __LINE__,
                      "seed %llu: a param is read after its assign",
                      (unsigned long long)seed);
        arena_free(arena);
    }
}

TEST(the_generator_reaches_every_op)
{
    bool seen[OP_COUNT] = {false};
    Arena *arena = arena_new();
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const Graph *graph =
            generate_graph(arena, seed, seed % 2 ? DT_F64 : DT_F32, NODES);
        for (Value v = 0; v < graph->nodes.count; v++)
            seen[graph_node(graph, v)->op] = true;
    }
    for (int op = 0; op < OP_COUNT; op++)
        if (!seen[op])
            test_fail(__FILE__, __LINE__, "no %s", op_info((Op)op)->text);
    arena_free(arena);
}

TEST(generated_graphs_stay_in_every_domain)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        Arena *arena = arena_new();
        const Graph *graph = generate_graph(arena, seed, DT_F64, NODES);
        const Meaning m = find_meaning(arena, graph, seed);
        for (Value v = 0; v < graph->nodes.count; v++)
            for (int64_t i = 0; i < type_elements(graph_type(graph, v)); i++)
                if (!(fabs(m.results[v][i]) < 1e6)) {
                    test_fail(__FILE__, __LINE__, "seed %llu: %%%d is %g",
                              (unsigned long long)seed, v, m.results[v][i]);
                    break;
                }
        arena_free(arena);
    }
}
