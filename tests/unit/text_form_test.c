// The graph as text: round trips, diagnostics, and bytes nobody would write.
#include "ir/build.h"
#include "ir/text_form.h"
#include "tests/harness.h"

#include <stdlib.h>

static GraphList *parse(Arena *arena, const char *text, size_t length,
                        DiagList *diags)
{
    return graph_parse(arena, source_from_text(arena, "g", text, length),
                       diags);
}

static const char *print_all(Arena *arena, const GraphList *list)
{
    Text text = text_new(arena);
    for (int i = 0; i < list->graphs.count; i++)
        graph_print(list->graphs.at[i], &text);
    return text_string(&text);
}

static const char two_graphs[] =
    "graph \"a.train\" {\n"
    "  %0 = input {name=\"caf\xc3\xa9 \\\"\\\\\\u0001\\n\"} : f64[2,2]\n"
    "  %1 = const {value=0.1} : f64[2,2] #7 at \"dir/a.net\":12 in \"l.0\"\n"
    "  %2 = add %0, %1 : f64[2,2] #7\n"
    "  %3 = concat %0, %2, %1 {axis=0} : f64[6,2] in \"l.1\"\n"
    "  output \"x\" = %3\n"
    "}\n"
    "graph \"\" {\n"
    "}\n";

TEST(printed_graphs_read_back_the_same)
{
    Arena *arena = arena_new();
    DiagList diags = diag_list_new(arena);
    GraphList *list = parse(arena, two_graphs, sizeof two_graphs - 1, &diags);
    CHECK(list && list->graphs.count == 2);
    if (!list)
        return;
    CHECK_TEXT(print_all(arena, list), two_graphs);
    const Node *node = graph_node(list->graphs.at[0], 1);
    CHECK_INT(node->group, 7);
    CHECK_INT(node->origin.line, 12);
    CHECK_TEXT(node->origin.file, "dir/a.net");
    CHECK_TEXT(node->origin.scope, "l.0");
    CHECK(graph_node(list->graphs.at[0], 2)->origin.file == NULL);
    CHECK_TEXT(graph_node(list->graphs.at[0], 0)->attrs[INPUT_NAME].text,
               "caf\xc3\xa9 \"\\\x01\n");
    arena_free(arena);
}

TEST(layout_and_comments_are_free)
{
    static const char text[] =
        "// a comment\ngraph\"g\"{%0=const{value=1e0}:f32"
        "[ ]#1at\"f\":3in\"s\"// end\n\toutput\"o\"\r\n"
        "=%0}// last";
    Arena *arena = arena_new();
    DiagList diags = diag_list_new(arena);
    GraphList *list = parse(arena, text, sizeof text - 1, &diags);
    CHECK(list != NULL);
    if (list)
        CHECK_TEXT(print_all(arena, list),
                   "graph \"g\" {\n"
                   "  %0 = const {value=1} : f32[] #1 at \"f\":3 in \"s\"\n"
                   "  output \"o\" = %0\n"
                   "}\n");
    arena_free(arena);
}

TEST(names_that_are_not_utf8_settle_after_one_print)
{
    Arena *arena = arena_new();
    Graph *graph = graph_new(arena, "bad\xff");
    build_input(graph, type_scalar(DT_F32), "\x80x");
    Text once = text_new(arena);
    graph_print(graph, &once);
    DiagList diags = diag_list_new(arena);
    GraphList *list = parse(arena, text_string(&once), once.length, &diags);
    CHECK(list != NULL);
    if (list)
        CHECK_TEXT(print_all(arena, list), text_string(&once));
    arena_free(arena);
}

// ---- diagnostics ------------------------------------------------------------

typedef struct Bad {
    const char *text;
    int line, column;
    const char *message;
} Bad;

static const Bad bad_texts[] = {
    {"", 1, 1, "expected 'graph', found the end of the file"},
    {"grph \"g\" {}", 1, 1, "expected 'graph', found 'g'"},
    {"graph g {}", 1, 7, "expected the graph's name, found 'g'"},
    {"graph \"g\" {", 1, 12, "expected '%' or '}', found the end of the file"},
    {"graph \"g\" {}\nx", 2, 1, "expected 'graph', found 'x'"},
    {"graph \"g\" {\n  %1 = rank : f32[]\n}", 2, 3,
     "ids count up: this is %0, not %1"},
    {"graph \"g\" {\n  %0 = rnak : f32[]\n}", 2, 8,
     "no operation is called 'rnak'; did you mean 'rank'?"},
    {"graph \"g\" {\n  %0 = Rank : f32[]\n}", 2, 8,
     "expected the name of an operation, found 'R'"},
    {"graph \"g\" {\n  %0 = neg %0 : f32[]\n}", 2, 12,
     "%0 is not defined above"},
    {"graph \"g\" {\n  %0 = neg %99999999999999999999 : f32[]\n}", 2, 13,
     "the number must be 0 to 2147483647"},
    {"graph \"g\" {\n  %0 = rank : f31[]\n}", 2, 15,
     "'f31' is not f32, f64, bf16 or bool"},
    {"graph \"g\" {\n  %0 = rank : f32[1,2,3,4,5,6,7]\n}", 2, 31,
     "more than 6 numbers"},
    {"graph \"g\" {\n  %0 = rank : f32[1\n}", 3, 1, "expected ']', found '}'"},
    {"graph \"g\" {\n  %0 = const {value=0x10} : f32[]\n}", 2, 21,
     "'0x10' is not a number"},
    {"graph \"g\" {\n  %0 = const {value=1e999} : f32[]\n}", 2, 21,
     "'1e999' is not a number"},
    {"graph \"g\" {\n  %0 = const {valeu=1} : f32[]\n}", 2, 15,
     "expected 'value=', found 'v'"},
    {"graph \"g\" {\n  %0 = const : f32[]\n}", 2, 14,
     "expected '{', found ':'"},
    {"graph \"g\" {\n  %0 = const {value=1, x=2} : f32[]\n}", 2, 22,
     "expected '}', found ','"},
    {"graph \"g\" {\n  %0 = iota {axis=9223372036854775807} : f32[]\n}", 2, 19,
     "the number must be -9223372036854775806 to 9223372036854775806"},
    {"graph \"g\" {\n  %0 = input {name=\"a\n\"} : f32[]\n}", 2, 20,
     "a string must end on its line"},
    {"graph \"g\" {\n  %0 = input {name=\"\\q\"} : f32[]\n}", 2, 22,
     "expected an escape: one of \"\\/bfnrtu, found 'q'"},
    {"graph \"g\" {\n  %0 = input {name=\"\\u0000\"} : f32[]\n}", 2, 20,
     "\\u0000 cannot stand in a string"},
    {"graph \"g\" {\n  %0 = input {name=\"\\ud800x\"} : f32[]\n}", 2, 27,
     "expected the second half of a surrogate pair, found 'x'"},
    {"graph \"g\" {\n  %0 = input {name=\"\xff\"} : f32[]\n}", 2, 21,
     "expected UTF-8, found the byte 0xff"},
    {"graph \"g\" {\n  %0 = rank : f32[2]\n}", 2, 8,
     "rank: the type is a scalar float, not f32[2]"},
    {"graph \"g\" {\n  %0 = rank : f32[]\n  %1 = neg %0 : f64[]\n}", 3, 17,
     "the type is f32[], not f64[]"},
    {"graph \"g\" {\n  %0 = rank : f32[] #0\n}", 2, 22,
     "the number must be 1 to 2147483647"},
    {"graph \"g\" {\n  output \"x\" = %0\n}", 2, 16, "%0 is not defined above"},
    {"graph \"g\" {\n  %0 = input {name=\"a\"} : f32[]\n"
     "  %1 = input {name=\"a\"} : f32[]\n}",
     1, 1, "the name is taken: %1 = input {name=\"a\"} : f32[]"},
};

TEST(diagnostics_say_what_and_where)
{
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof bad_texts / sizeof bad_texts[0]; i++) {
        const Bad *bad = &bad_texts[i];
        DiagList diags = diag_list_new(arena);
        CHECK(!parse(arena, bad->text, strlen(bad->text), &diags));
        CHECK_INT(diags.error_count, 1);
        if (diags.items.count == 0)
            continue;
        CHECK_TEXT(diags.items.at[0].message, bad->message);
        CHECK_INT(diags.items.at[0].pos.line, bad->line);
        CHECK_INT(diags.items.at[0].pos.column, bad->column);
    }
    arena_free(arena);
}

TEST(diagnostics_underline_the_place)
{
    static const char text[] = "graph \"g\" {\n  %0 = rank : f32[]\n"
                               "  %1 = neg %0 : f64[] #3 in \"s\"\n}";
    Arena *arena = arena_new();
    DiagList diags = diag_list_new(arena);
    CHECK(!parse(arena, text, sizeof text - 1, &diags));
    char *bytes = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&bytes, &length);
    diag_print(&diags, file, false);
    fclose(file);
    CHECK_TEXT(bytes, "g:3:17: error: the type is f32[], not f64[]\n"
                      "    %1 = neg %0 : f64[] #3 in \"s\"\n"
                      "                  ^~~~~\n");
    free(bytes);
    arena_free(arena);
}

// ---- any bytes at all -------------------------------------------------------

// A diagnostic and no graphs, or graphs that print, parse and print the same.
static void check_bytes(const char *text, size_t length)
{
    Arena *arena = arena_new();
    DiagList diags = diag_list_new(arena);
    GraphList *list = parse(arena, text, length, &diags);
    CHECK((list == NULL) == (diags.error_count > 0));
    if (list) {
        const char *once = print_all(arena, list);
        GraphList *again = parse(arena, once, strlen(once), &diags);
        CHECK(again != NULL);
        if (again)
            CHECK_TEXT(print_all(arena, again), once);
    }
    CHECK(arena_bytes(arena) < 1000000);
    arena_free(arena);
}

static const char rich[] =
    "graph \"g\" {\n"
    "  %0 = param {name=\"w\", role=\"slot\", init=\"uniform\", scale=1e-3}"
    " : f32[4,3,3,3]\n"
    "  %1 = input {name=\"\\u00e9\\ud83d\\ude00\"} : f32[2,3,8,8]\n"
    "  %2 = conv2d %1, %0 {stride=[2,2], pad=[1,1,1,1]} : f32[2,4,4,4] #3 at "
    "\"a\":12 in \"b\"\n"
    "  %3 = broadcast %2 {dims=[2,4,4,4,9], axes=[0,1,2,3]} : "
    "f32[2,4,4,4,9]\n"
    "  %4 = reduce_sum %3 {axes=[0,4]} : f32[4,4,4]\n"
    "  %5 = concat %4, %4 {axis=0} : f32[8,4,4]\n"
    "  %6 = assign %0, %0 : f32[4,3,3,3]\n"
    "  output \"loss\" = %5\n"
    "}\n";

TEST(every_cut_of_a_text_is_safe)
{
    for (size_t length = 0; length <= sizeof rich - 1; length++)
        check_bytes(rich, length);
}

TEST(random_changes_to_a_text_are_safe)
{
    static const char pieces[] = "0123456789-+.e%#{}[]=,:\"\\/ \n\tufnagx\x80";
    unsigned state = 12345;
    for (int round = 0; round < 4000; round++) {
        char text[sizeof rich + 8];
        size_t length = sizeof rich - 1;
        memcpy(text, rich, length);
        for (int change = 0; change < 1 + round % 4; change++) {
            state = state * 1664525u + 1013904223u;
            size_t at = (state >> 8) % length;
            char piece = pieces[(state >> 3) % (sizeof pieces - 1)];
            unsigned kind = (state >> 28) % 4;
            if (kind == 0) {
                text[at] = (char)(state >> 16);
            } else if (kind == 1) {
                text[at] = piece;
            } else if (kind == 2) {
                memmove(text + at, text + at + 1, --length - at);
            } else {
                memmove(text + at + 1, text + at, length++ - at);
                text[at] = piece;
            }
        }
        check_bytes(text, length);
    }
}

TEST(a_large_graph_reads_back)
{
    Arena *arena = arena_new();
    Graph *graph = graph_new(arena, "large");
    Value x = build_input(graph, type_scalar(DT_F32), "x");
    for (int i = 0; i < 60000; i++)
        x = build_binary(graph, OP_ADD, x, i % 2 ? 0 : x);
    Text text = text_new(arena);
    graph_print(graph, &text);
    DiagList diags = diag_list_new(arena);
    GraphList *list = parse(arena, text_string(&text), text.length, &diags);
    CHECK(list != NULL);
    if (list)
        CHECK(strcmp(print_all(arena, list), text_string(&text)) == 0);
    arena_free(arena);
}
