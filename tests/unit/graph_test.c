// Nodes, builders, use counts, compaction, equality.
#include "ir/build.h"
#include "tests/harness.h"

static const int64_t dims23[] = {2, 3};

static TensorType matrix(void)
{
    return type_make(DT_F32, 2, dims23);
}

TEST(types_print_and_compare)
{
    Arena *arena = arena_new();
    TensorType scalar = type_scalar(DT_F64), m = matrix(), n = matrix();
    CHECK_TEXT(type_text(arena, &scalar), "f64[]");
    CHECK_TEXT(type_text(arena, &m), "f32[2,3]");
    CHECK_INT(type_elements(&scalar), 1);
    CHECK_INT(type_elements(&m), 6);
    n.dims[5] = 77; // beyond the rank
    CHECK(type_equal(&m, &n));
    n.dtype = DT_BF16;
    CHECK(!type_equal(&m, &n) && type_same_dims(&m, &n));
    n.dims[1] = 4;
    CHECK(!type_same_dims(&m, &n));
    for (int i = 0; i < DT_COUNT; i++) {
        DType dtype = DT_COUNT;
        CHECK(dtype_by_name(dtype_name((DType)i), &dtype) && (int)dtype == i);
        CHECK(dtype_size((DType)i) > 0);
    }
    DType dtype;
    CHECK(!dtype_by_name("f31", &dtype));
    arena_free(arena);
}

TEST(insane_types_are_found_without_overflow)
{
    static const int64_t huge[] = {(int64_t)1 << 40, (int64_t)1 << 40, 4};
    static const int64_t just[] = {1 << 20, 1 << 20};
    TensorType type = type_make(DT_F32, 3, huge);
    CHECK(!type_is_sane(&type));
    type = type_make(DT_F32, 2, just);
    CHECK(type_is_sane(&type));
    type.dims[1]++;
    CHECK(!type_is_sane(&type));
    type.dims[1] = 0;
    CHECK(!type_is_sane(&type));
    type.dims[1] = INT64_MIN;
    CHECK(!type_is_sane(&type));
    type.rank = MAX_RANK + 1;
    CHECK(!type_is_sane(&type));
}

// What the caller passed may change or die afterwards.
TEST(nodes_own_their_inputs_and_attributes)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    char name[] = "images";
    Value x = build_input(g, matrix(), name);
    name[0] = 'X';
    int64_t dims[] = {3, 2};
    Value y = build_reshape(g, x, 2, dims);
    dims[0] = 99;
    Value pair[] = {y, y};
    Value z = build_concat(g, 2, pair, 0);
    pair[0] = 99;
    CHECK_TEXT(graph_node(g, x)->attrs[INPUT_NAME].text, "images");
    CHECK_INT(graph_node(g, y)->attrs[DIMS_DIMS].ints.at[0], 3);
    CHECK_INT(graph_node(g, z)->inputs[0], y);
    arena_free(arena);
}

TEST(builders_make_the_types_they_should)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    Value w = build_param(g, matrix(), "w", "weight", "normal", 0.1);
    Value x = build_input(g, matrix(), "x");
    Value c = build_const_like(g, x, 2);
    Value s = build_scalar(g, DT_F32, 3);
    Value less = build_binary(g, OP_LT, x, c);
    struct {
        Value value;
        const char *type;
    } made[] = {
        {w, "f32[2,3]"},
        {s, "f32[]"},
        {less, "bool[2,3]"},
        {build_iota(g, matrix(), 1), "f32[2,3]"},
        {build_unary(g, OP_EXP, x), "f32[2,3]"},
        {build_select(g, less, x, c), "f32[2,3]"},
        {build_cast(g, less, DT_F64), "f64[2,3]"},
        {build_fill(g, s, x), "f32[2,3]"},
        {build_broadcast(g, s, 1, (int64_t[]){5}, NULL), "f32[5]"},
        {build_transpose(g, x, (int64_t[]){1, 0}), "f32[3,2]"},
        {build_slice(g, x, (int64_t[]){1, 0}, (int64_t[]){1, 2}), "f32[1,2]"},
        {build_pad(g, x, (int64_t[]){1, 0}, (int64_t[]){0, 4}, 0), "f32[3,7]"},
        {build_concat(g, 2, (Value[]){x, c}, 1), "f32[2,6]"},
        {build_reduce(g, OP_REDUCE_SUM, x, 1, (int64_t[]){0}), "f32[3]"},
        {build_reduce(g, OP_REDUCE_SUM, x, 0, NULL), "f32[2,3]"},
        {build_matmul(g, x, c, true, false), "f32[3,3]"},
        {build_matmul(g, x, c, false, true), "f32[2,2]"},
        {build_assign(g, w, x), "f32[2,3]"},
    };
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        CHECK_TEXT(type_text(arena, graph_type(g, made[i].value)),
                   made[i].type);
    arena_free(arena);
}

TEST(type_errors_leave_the_graph_alone)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    Value x = build_input(g, matrix(), "x");
    Value s = build_scalar(g, DT_F32, 1);
    Value sum = graph_add(g, OP_ADD, 2, (Value[]){x, s}, NULL, NULL);
    CHECK_INT(sum, NO_VALUE);
    CHECK_TEXT(g->error, "add: types differ: f32[2,3] and f32[]");
    CHECK_INT(g->nodes.count, 2);
    CHECK_INT(graph_add(g, OP_ADD, 1, &x, NULL, NULL), NO_VALUE);
    CHECK_TEXT(g->error, "add: takes 2 inputs, not 1");
    CHECK_INT(graph_add(g, OP_ADD, 2, (Value[]){x, 2}, NULL, NULL), NO_VALUE);
    CHECK_TEXT(g->error, "add: input %2 does not exist");
    CHECK(graph_add(g, OP_ADD, 2, (Value[]){x, x}, NULL, NULL) == 2);
    CHECK(g->error == NULL);
    arena_free(arena);
}

TEST(origins_go_to_new_nodes)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    g->origin = (NodeOrigin){"a.net", 7, "layer1"};
    Value x = build_input(g, matrix(), "x");
    CHECK_INT(graph_node(g, x)->origin.line, 7);
    CHECK_TEXT(graph_node(g, x)->origin.scope, "layer1");
    arena_free(arena);
}

TEST(use_counts_include_outputs_and_repeats)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    Value x = build_input(g, matrix(), "x");
    Value y = build_binary(g, OP_MUL, x, x);
    Value z = build_unary(g, OP_NEG, y);
    graph_add_output(g, "y", y);
    int *uses = graph_use_counts(g, arena);
    CHECK_INT(uses[x], 2);
    CHECK_INT(uses[y], 2);
    CHECK_INT(uses[z], 0);
    arena_free(arena);
}

TEST(compaction_drops_and_renames)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    Value x = build_input(g, matrix(), "x");
    Value dead = build_unary(g, OP_EXP, x);
    Value y = build_unary(g, OP_NEG, x);
    Value z = build_binary(g, OP_ADD, y, x);
    graph_add_output(g, "z", z);
    bool keep[] = {true, false, true, true};
    CHECK_INT(dead, 1);
    graph_compact(g, keep, NULL);
    CHECK_INT(g->nodes.count, 3);
    CHECK_INT(graph_node(g, 1)->op, OP_NEG);
    CHECK_INT(graph_node(g, 2)->inputs[0], 1);
    CHECK_INT(graph_node(g, 2)->inputs[1], 0);
    CHECK_INT(g->outputs.at[0].value, 2);
    arena_free(arena);
}

TEST(compaction_follows_chains_of_replacements)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    Value x = build_input(g, matrix(), "x");
    enum { LONG = 50000 };
    for (int i = 0; i < LONG; i++)
        build_unary(g, OP_STOP_GRADIENT, i);
    Value last = build_unary(g, OP_NEG, LONG);
    graph_add_output(g, "copy", LONG);
    graph_add_output(g, "neg", last);
    bool *keep = ARENA_ARRAY(arena, bool, LONG + 2);
    Value *replace = ARENA_ARRAY(arena, Value, LONG + 2);
    keep[x] = keep[last] = true;
    replace[last] = last;
    for (Value v = 1; v <= LONG; v++)
        replace[v] = v - 1;
    graph_compact(g, keep, replace);
    CHECK_INT(g->nodes.count, 2);
    CHECK_INT(graph_node(g, 1)->inputs[0], 0);
    CHECK_INT(g->outputs.at[0].value, 0);
    CHECK_INT(g->outputs.at[1].value, 1);
    arena_free(arena);
}

// A pass may let two nodes share an input array; each is renamed once.
TEST(compaction_copes_with_shared_inputs)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    build_input(g, matrix(), "unused");
    build_input(g, matrix(), "unused too");
    Value x = build_input(g, matrix(), "x");
    Value y = build_unary(g, OP_NEG, x);
    Value z = build_unary(g, OP_EXP, x);
    graph_node(g, z)->inputs = graph_node(g, y)->inputs;
    bool keep[] = {false, false, true, true, true};
    graph_compact(g, keep, NULL);
    CHECK_INT(graph_node(g, 1)->inputs[0], 0);
    CHECK_INT(graph_node(g, 2)->inputs[0], 0);
    arena_free(arena);
}

TEST(equal_nodes_have_equal_hashes)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "g");
    Value x = build_input(g, matrix(), "x");
    struct {
        Value a, b;
        bool equal;
    } pairs[] = {
        {build_unary(g, OP_EXP, x), build_unary(g, OP_EXP, x), true},
        {build_unary(g, OP_EXP, x), build_unary(g, OP_LOG, x), false},
        {build_const_like(g, x, 0.0), build_const_like(g, x, -0.0), false},
        {build_const_like(g, x, NAN), build_const_like(g, x, NAN), true},
        {build_scalar(g, DT_F32, 1), build_scalar(g, DT_F64, 1), false},
        {build_cast(g, x, DT_F64), build_cast(g, x, DT_F64), true},
        {build_reduce(g, OP_REDUCE_SUM, x, 1, (int64_t[]){0}),
         build_reduce(g, OP_REDUCE_SUM, x, 1, (int64_t[]){0}), true},
        {build_reduce(g, OP_REDUCE_SUM, x, 1, (int64_t[]){0}),
         build_reduce(g, OP_REDUCE_SUM, x, 1, (int64_t[]){1}), false},
        {build_matmul(g, x, x, false, true), build_matmul(g, x, x, true, false),
         false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const Node *a = graph_node(g, pairs[i].a);
        const Node *b = graph_node(g, pairs[i].b);
        if (node_equal(a, b) != pairs[i].equal)
            test_fail(__FILE__, __LINE__, "pair %zu", i);
        CHECK((node_hash(a) == node_hash(b)) == pairs[i].equal);
    }
    arena_free(arena);
}
