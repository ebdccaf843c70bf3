// The verifier: each rule broken once, by hand, after the graph was built.
#include "ir/build.h"
#include "ir/text_form.h"
#include "tests/harness.h"

#include <stdlib.h>
#include <time.h>

typedef struct Sample {
    Arena *arena;
    Graph *graph;
    Value w, x, sum, neg, assign;
} Sample;

static Sample sample_new(void)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    TensorType type = type_make(DT_F32, 2, (int64_t[]){2, 3});
    Sample s = {.arena = arena, .graph = g};
    s.w = build_param(g, type, "w", "weight", "normal", 0.1);
    s.x = build_input(g, type, "x");
    s.sum = build_binary(g, OP_ADD, s.w, s.x);
    s.neg = build_unary(g, OP_NEG, s.sum);
    s.assign = build_assign(g, s.w, s.neg);
    graph_add_output(g, "neg", s.neg);
    return s;
}

static void check_verify(Sample *s, const char *want)
{
    const char *got = graph_verify(s->graph, s->arena);
    if (got && want)
        CHECK_TEXT(got, want);
    else
        CHECK(!got && !want);
    arena_free(s->arena);
}

TEST(good_graphs_pass)
{
    Sample s = sample_new();
    check_verify(&s, NULL);
    Arena *arena = arena_new();
    CHECK(graph_verify(graph_new(arena, "empty"), arena) == NULL);
    arena_free(arena);
}

TEST(inputs_stand_above_their_readers)
{
    Sample s = sample_new();
    Value forward[] = {s.neg, s.x};
    graph_node(s.graph, s.sum)->inputs = forward;
    check_verify(&s, "reads what is not above it: %2 = add %3, %1 : f32[2,3]");
    s = sample_new();
    Value itself[] = {s.sum, s.x};
    graph_node(s.graph, s.sum)->inputs = itself;
    check_verify(&s, "reads what is not above it: %2 = add %2, %1 : f32[2,3]");
    s = sample_new();
    Value below[] = {-1, s.x};
    graph_node(s.graph, s.sum)->inputs = below;
    check_verify(&s, "reads what is not above it: %2 = add %-1, %1 : f32[2,3]");
}

TEST(types_are_what_the_rules_say)
{
    Sample s = sample_new();
    graph_node(s.graph, s.neg)->type.dims[0] = 3;
    check_verify(&s, "the type should be f32[2,3]: %3 = neg %2 : f32[3,3]");
    s = sample_new();
    graph_node(s.graph, s.x)->type.dims[1] = 0;
    check_verify(&s,
                 "the type is not sane: %1 = input {name=\"x\"} : f32[2,0]");
    s = sample_new();
    graph_node(s.graph, s.neg)->op = OP_NOT;
    check_verify(&s, "not: needs bool, not f32[2,3]: %3 = not %2 : f32[2,3]");
    s = sample_new();
    graph_node(s.graph, s.neg)->op = OP_NONE;
    check_verify(&s, "%3 has no operation");
    s = sample_new();
    graph_node(s.graph, s.neg)->input_count = 0;
    check_verify(&s, "neg: takes 1 input, not 0: %3 = neg : f32[2,3]");
}

TEST(attributes_are_checked)
{
    Sample s = sample_new();
    graph_node(s.graph, s.w)->attrs[PARAM_ROLE].text = NULL;
    check_verify(&s, "param: role is missing: %0 = param {name=\"w\", "
                     "role=\"\", init=\"normal\", scale=0.1} : f32[2,3]");
    s = sample_new();
    Value sum = build_reduce(s.graph, OP_REDUCE_SUM, s.x, 1, (int64_t[]){0});
    IntList seven = {7, (int64_t[]){0, 1, 2, 3, 4, 5, 6}};
    graph_node(s.graph, sum)->attrs[AXES_AXES].ints = seven;
    const char *error = graph_verify(s.graph, s.arena);
    CHECK(error && strstr(error, "at most 6 are allowed"));
    arena_free(s.arena);
}

TEST(names_are_unique_among_params_and_inputs)
{
    Sample s = sample_new();
    build_input(s.graph, type_scalar(DT_F32), "w");
    check_verify(&s, "the name is taken: %5 = input {name=\"w\"} : f32[]");
}

TEST(params_are_assigned_once)
{
    Sample s = sample_new();
    build_assign(s.graph, s.w, s.sum);
    check_verify(&s, "the param is assigned twice: "
                     "%5 = assign %0, %2 : f32[2,3]");
    s = sample_new();
    Value swapped[] = {s.neg, s.w};
    graph_node(s.graph, s.assign)->inputs = swapped;
    check_verify(&s, "assign: %3 is not a param: "
                     "%4 = assign %3, %0 : f32[2,3]");
}

TEST(outputs_exist)
{
    Sample s = sample_new();
    s.graph->outputs.at[0].value = 5;
    check_verify(&s, "output \"neg\" is %5, which does not exist");
}

// ---- groups -----------------------------------------------------------------

// Gives the nodes from %2 on the groups listed.
static void set_groups(Graph *graph, const int *groups)
{
    for (Value v = 2; v < graph->nodes.count; v++)
        graph_node(graph, v)->group = groups[v - 2];
}

TEST(groups_may_be_convex)
{
    static const int cases[][3] = {{1, 1, 0}, {1, 1, 1}, {0, 9, 9},
                                   {1, 2, 0}, {2, 1, 3}, {5, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Sample s = sample_new();
        set_groups(s.graph, cases[i]);
        check_verify(&s, NULL);
    }
}

TEST(groups_are_not_left_and_entered_again)
{
    Sample s = sample_new();
    set_groups(s.graph, (int[]){1, 0, 1});
    check_verify(&s, "a path leaves the group and comes back: "
                     "%4 = assign %0, %3 : f32[2,3] #1");
    s = sample_new();
    set_groups(s.graph, (int[]){2147483647, 3, 2147483647});
    const char *error = graph_verify(s.graph, s.arena);
    CHECK(error && strstr(error, "comes back") != NULL);
    arena_free(s.arena);
    s = sample_new();
    set_groups(s.graph, (int[]){-1, 0, 0});
    check_verify(&s, "the group is negative: %2 = add %0, %1 : f32[2,3] #-1");
}

// Neither group has a path out and back of its own, but each waits for the
// other: no order of kernels would do.
TEST(groups_do_not_wait_for_each_other)
{
    Sample s = sample_new();
    Graph *g = s.graph;
    Value a1 = build_unary(g, OP_EXP, s.x), b1 = build_unary(g, OP_ABS, s.x);
    Value b2 = build_unary(g, OP_NEG, a1), a2 = build_unary(g, OP_NEG, b1);
    graph_node(g, a1)->group = graph_node(g, a2)->group = 1;
    graph_node(g, b1)->group = graph_node(g, b2)->group = 2;
    const char *error = graph_verify(g, s.arena);
    CHECK(error && strstr(error, "a path leaves the group and comes back"));
    graph_node(g, b2)->group = 0;
    CHECK(graph_verify(g, s.arena) == NULL);
    arena_free(s.arena);
}

// Against the definition: a group is convex when none of its members reaches
// another through a node outside; on random graphs with one group.
TEST(random_groups_agree_with_the_definition)
{
    enum { NODES = 12 };
    unsigned state = 7;
    int bad = 0;
    for (int round = 0; round < 3000; round++) {
        Arena *arena = arena_new();
        Graph *g = graph_new(arena, "g");
        build_scalar(g, DT_F32, 1);
        bool tainted[NODES] = {false}, reenters = false;
        bool after[NODES] = {false}; // a member, or reached from one
        for (int v = 1; v < NODES; v++) {
            Value inputs[2];
            for (int i = 0; i < 2; i++) {
                state = state * 1664525u + 1013904223u;
                inputs[i] = (Value)((state >> 8) % (unsigned)v);
            }
            build_binary(g, OP_ADD, inputs[0], inputs[1]);
            bool member = state >> 30 == 0;
            graph_node(g, v)->group = member ? 4 : 0;
            for (int i = 0; i < 2; i++) {
                after[v] |= after[inputs[i]];
                tainted[v] |= tainted[inputs[i]];
            }
            reenters |= member && tainted[v];
            // Tainted: reached from a member through a node outside.
            tainted[v] |= !member && after[v];
            after[v] |= member;
        }
        const char *error = graph_verify(g, arena);
        CHECK((error != NULL) == reenters);
        if (error) { // names a member by which a path comes back
            int named = atoi(strchr(error, '%') + 1);
            CHECK(graph_node(g, named)->group == 4 && tainted[named]);
        }
        bad += reenters;
        arena_free(arena);
    }
    CHECK(bad > 300 && bad < 2700); // both answers were put to the test
}

TEST(large_graphs_verify_quickly)
{
    enum { NODES = 60000, GROUPS = 10000 };
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    TensorType type = type_make(DT_F32, 2, (int64_t[]){2, 3});
    Value x = build_input(g, type, "x");
    for (int i = 0; i < NODES; i++) {
        x = build_binary(g, OP_ADD, x, i > 100 ? x - 97 : x);
        graph_node(g, x)->group = 1 + i / (NODES / GROUPS);
    }
    clock_t start = clock();
    CHECK(graph_verify(g, arena) == NULL);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    CHECK(seconds < 2); // with room for sanitizers and a busy machine
    arena_free(arena);
}
