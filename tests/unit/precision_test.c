// Where the precision pass puts its casts, on a small net in text form.
#include "ir/text_form.h"
#include "passes/pass.h"
#include "tests/harness.h"
#include "tests/unit/pass_text.h"

static const char *narrowed(Arena *arena, const char *body)
{
    Graph *graph = pass_text_graph(arena, body);
    if (!graph)
        return "does not parse";
    passes_run(graph, &(PassOptions){.names = "fuse,precision",
                                     .paranoid = true,
                                     .bf16 = true});
    Text text = text_new(arena);
    graph_print(graph, &text);
    const char *start = strchr(text_string(&text), '\n') + 1;
    return arena_strndup(arena, start, strlen(start) - strlen("}\n"));
}

#define IMAGE  "[2,2,5,5,16] blocked"
#define TILES  "[2,2,1,1,16,16] tiled"
#define WINDOW "stride=[1,1], pad=[0,0,0,0]"
#define WEIGHT "role=\"weight\", init=\"constant\", scale=0"
#define LEAVES                                                                 \
    "  %0 = input {name=\"images\"} : f32" IMAGE "\n"                          \
    "  %1 = param {name=\"w\", " WEIGHT "} : f32" TILES "\n"                   \
    "  %2 = param {name=\"v\", " WEIGHT "} : f32" TILES "\n"

// Two convolutions with a norm and a residual add between and a pool behind:
// what one kernel leaves for another is rounded, what it keeps is not (%9, %10
// of the result); sums, a weight's gradient and what is made of sums stay f32.
static const char net[] = LEAVES
    "  %3 = conv2d %0, %1 {" WINDOW "} : f32" IMAGE "\n"
    "  %4 = reduce_sum %3 {axes=[0,2,3]} : f32[2,16]\n"
    "  %5 = broadcast %4 {dims=[2,2,5,5,16], axes=[1,4], form=blocked} : "
    "f32" IMAGE "\n"
    "  %6 = sub %3, %5 : f32" IMAGE "\n"
    "  %7 = relu %6 : f32" IMAGE "\n"
    "  %8 = conv2d %7, %2 {" WINDOW "} : f32" IMAGE "\n"
    "  %9 = add %8, %7 : f32" IMAGE "\n"
    "  %10 = max_pool %9 {kernel=[2,2], " WINDOW "} : f32[2,2,4,4,16] blocked\n"
    "  %11 = reduce_sum %10 {axes=[2,3]} : f32[2,2,16]\n"
    "  %12 = exp %11 : f32[2,2,16]\n"
    "  %13 = conv2d_grad_w %7, %9 {" WINDOW
    ", dims=[2,2,1,1,16,16], form=tiled} : f32" TILES "\n"
    "  %14 = sub %2, %13 : f32" TILES "\n"
    "  %15 = assign %2, %14 : f32" TILES "\n"
    "  output \"o\" = %12\n";

static const char want[] =
    LEAVES "  %3 = cast %0 {dtype=\"bf16\"} : bf16" IMAGE "\n"
           "  %4 = conv2d %3, %1 {" WINDOW "} : bf16" IMAGE "\n"
           "  %5 = cast %4 {dtype=\"f32\"} : f32" IMAGE " #4\n"
           "  %6 = reduce_sum %5 {axes=[0,2,3]} : f32[2,16] #4\n"
           "  %7 = broadcast %6 {dims=[2,2,5,5,16], axes=[1,4], form=blocked} "
           ": f32" IMAGE "\n"
           "  %8 = cast %4 {dtype=\"f32\"} : f32" IMAGE " #1\n"
           "  %9 = sub %8, %7 : f32" IMAGE " #1\n"
           "  %10 = relu %9 : f32" IMAGE " #1\n"
           "  %11 = cast %10 {dtype=\"bf16\"} : bf16" IMAGE " #1\n"
           "  %12 = conv2d %11, %2 {" WINDOW "} : bf16" IMAGE " #2\n"
           "  %13 = cast %12 {dtype=\"f32\"} : f32" IMAGE " #2\n"
           "  %14 = cast %11 {dtype=\"f32\"} : f32" IMAGE " #2\n"
           "  %15 = add %13, %14 : f32" IMAGE " #2\n"
           "  %16 = cast %15 {dtype=\"bf16\"} : bf16" IMAGE " #2\n"
           "  %17 = max_pool %16 {kernel=[2,2], " WINDOW
           "} : bf16[2,2,4,4,16] blocked\n"
           "  %18 = cast %17 {dtype=\"f32\"} : f32[2,2,4,4,16] blocked #5\n"
           "  %19 = reduce_sum %18 {axes=[2,3]} : f32[2,2,16] #5\n"
           "  %20 = exp %19 : f32[2,2,16]\n"
           "  %21 = conv2d_grad_w %11, %16 {" WINDOW
           ", dims=[2,2,1,1,16,16], form=tiled} : f32" TILES " #3\n"
           "  %22 = sub %2, %21 : f32" TILES " #3\n"
           "  %23 = assign %2, %22 : f32" TILES "\n"
           "  output \"o\" = %20\n";

TEST(precision_rounds_what_is_stored)
{
    Arena *arena = arena_new();
    CHECK_TEXT(narrowed(arena, net), want);
    arena_free(arena);
}

// What profile says of a line of the source must not depend on the precision:
// rounding is the line's whose value it is, widening the line's that reads it.
TEST(precision_casts_have_the_line_that_wants_them)
{
    Arena *arena = arena_new();
    Graph *graph = pass_text_graph(arena, net);
    for (Value v = 0; v < graph->nodes.count; v++)
        graph_node(graph, v)->origin = (NodeOrigin){"net", v, ""};
    passes_run(graph, &(PassOptions){.names = "precision", .bf16 = true});
    int rounded = 0, widened = 0;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        for (int i = 0; i < node->input_count; i++) {
            const Node *from = graph_node(graph, node->inputs[i]);
            bool rounds = node->op == OP_CAST && node->type.dtype == DT_BF16;
            bool wide = from->op == OP_CAST && from->type.dtype == DT_F32;
            if (rounds || wide)
                CHECK_INT(node->origin.line, from->origin.line);
            rounded += rounds;
            widened += wide;
        }
    }
    CHECK(rounded > 2 && widened > 2);
    arena_free(arena);
}

// Without activations there is nothing to do: products of matrices stay f32.
TEST(precision_leaves_products_alone)
{
    static const char product[] =
        "  %0 = input {name=\"x\"} : f32[4,4]\n"
        "  %1 = matmul %0, %0 {trans_a=0, trans_b=0} : f32[4,4] #1\n"
        "  %2 = relu %1 : f32[4,4] #1\n"
        "  %3 = matmul %2, %2 {trans_a=0, trans_b=0} : f32[4,4]\n" OUT("%3");
    Arena *arena = arena_new();
    CHECK_TEXT(narrowed(arena, product), product);
    arena_free(arena);
}
