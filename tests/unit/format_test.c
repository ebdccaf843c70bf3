// simcc fmt: nothing but spaces changes, comments stay, and once is enough; on
// a text, and on random programs.
#include "frontend/lang/format.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "frontend/lang/parse.h"
#include "tests/harness.h"

static const char *format(Arena *arena, const char *text)
{
    DiagList diags = diag_list_new(arena);
    Source *source = source_from_text(arena, "test.net", text, strlen(text));
    const char *out = lang_format(arena, source, &diags);
    if (diags.error_count) {
        fprintf(stderr, "%s\n", text);
        diag_print(&diags, stderr, false);
    }
    CHECK(out && diags.error_count == 0);
    return out ? out : "";
}

TEST(format_of_a_text)
{
    Arena *arena = arena_new();
    const char *out =
        format(arena, "\n\n# what it is\nparam  a=1   in 0 .. 9   # short\n"
                      "param bc = 20 in 0..=9   # long\n\n\n\n"
                      "def f( x,y=-1 ){\n"
                      "# inside\nz=g( x [0] ,h = not y )as l{ 1 }.a\n"
                      "  if x- -1>2^y{return [ 1,2 ]}\n  else { z = 5%*x.a }\n"
                      "return if a then\nx else y\n}\n"
                      "phase p( batch=2,\nsteps=1 ) {\n"
                      "minimize f(\nx\n) +\n1\n"
                      "using    sgd( rate=1 )\nreport   a,\n  b\n}\n   \n");
    CHECK_TEXT(out, "# what it is\n"
                    "param a = 1 in 0..9     # short\n"
                    "param bc = 20 in 0..=9  # long\n"
                    "\n"
                    "def f(x, y = -1) {\n"
                    "    # inside\n"
                    "    z = g(x[0], h = not y) as l{ 1 }.a\n"
                    "    if x - -1 > 2^y { return [1, 2] }\n"
                    "    else { z = 5% * x.a }\n"
                    "    return if a then\n"
                    "           x else y\n"
                    "}\n"
                    "phase p(batch = 2,\n"
                    "        steps = 1) {\n"
                    "    minimize f(\n"
                    "        x\n"
                    "    ) +\n"
                    "             1\n"
                    "    using    sgd(rate = 1)\n"
                    "    report   a,\n"
                    "             b\n"
                    "}\n");
    arena_free(arena);
}

// ---- random programs --------------------------------------------------------

typedef struct Maker {
    Text out;
    uint64_t state;
    int brackets; // open ones, in which lines may break
    char last;    // byte of what was put
    bool in_path;
} Maker;

// Of a linear congruential generator (Knuth's MMIX), the high bits.
static int below(Maker *m, int count)
{
    m->state = m->state * 6364136223846793005u + 1442695040888963407u;
    return (int)((m->state >> 33) % (uint64_t)count);
}

static void put_break(Maker *m)
{
    static const char *const breaks[] = {"\n", " \n\n", "  # a \"note\"  \n",
                                         "\n# {a line}\n\t", "\r\n   "};
    text_add(&m->out, breaks[below(m, 5)]);
    m->last = '\n';
}

// A word or sign, behind spaces, or none where it can do without.
static void put(Maker *m, const char *word)
{
    static const char *const spaces[] = {" ", "  ", "\t", "     ", " \t "};
    bool tight = strchr("()[]{},;\n", m->last) || strchr("()[]{},;", *word);
    if (m->brackets && !m->in_path && below(m, 12) == 0)
        put_break(m);
    else if (!tight || below(m, 2))
        text_add(&m->out, spaces[below(m, 5)]);
    text_add(&m->out, word);
    m->last = word[strlen(word) - 1];
    m->brackets += strchr("([", *word) != NULL;
    m->brackets -= strchr(")]", *word) != NULL;
}

static const char *name_of(Maker *m)
{
    static const char *const names[] = {
        "x", "weight", "input", "state_1", "conv2d", "e5", "a_long_name"};
    return names[below(m, 7)];
}

static void put_expr(Maker *m, int depth);

static void put_list(Maker *m, int depth, bool named)
{
    for (int i = below(m, 4); i > 0; i--) {
        if (named && below(m, 2)) {
            put(m, name_of(m));
            put(m, "=");
        }
        put_expr(m, depth);
        if (i > 1 || below(m, 4) == 0)
            put(m, ",");
    }
}

static void put_atom(Maker *m, int depth)
{
    static const char *const atoms[] = {
        "1",    "0.5",  "1e-4", "2.5E+3", "5%", "12.5%", "\"a # {b\\\" c\"",
        "true", "none", "x",    "weight", "e5", "\"\"",  "9223372036854775807"};
    switch (depth > 0 ? below(m, 7) : 0) {
    case 1:
        put(m, "(");
        put_expr(m, depth - 1);
        put(m, ")");
        break;
    case 2:
        put(m, "[");
        put_list(m, depth - 1, false);
        put(m, "]");
        break;
    case 3:
        put(m, name_of(m));
        put(m, "(");
        put_list(m, depth - 1, true);
        put(m, ")");
        break;
    case 4:
        put(m, name_of(m));
        put(m, "[");
        put_expr(m, depth - 1);
        put(m, "]");
        put(m, ".");
        put(m, "last");
        break;
    default:
        put(m, atoms[below(m, 14)]);
    }
}

static void put_path(Maker *m)
{
    static const char *const paths[] = {"conv1", "layer{i + 1}.{ j }", "0.a",
                                        "{name}", "h{f(x, \"}\")}"};
    put(m, "as");
    text_add(&m->out, "  ");
    text_add(&m->out, paths[below(m, 5)]);
    text_add(&m->out, " "); // ends it: a brace would belong to it
    m->last = 'a';
}

static void put_expr(Maker *m, int depth)
{
    // Comparisons and ranges do not chain; the rest may.
    static const char *const signs[] = {"+", "-", "*", "/",  "//",
                                        "%", "@", "^", "or", "and"};
    if (depth > 0 && below(m, 10) == 0) {
        put(m, "if");
        put_expr(m, depth - 1);
        put(m, "then");
        put_expr(m, depth - 1);
        put(m, "else");
        put_expr(m, depth - 1);
        return;
    }
    for (int i = below(m, 6); i > 4; i--)
        put(m, "-");
    put_atom(m, depth);
    if (below(m, 8) == 0)
        put_path(m);
    for (int i = depth > 0 ? below(m, 3) : 0; i > 0; i--) {
        put(m, signs[below(m, 10)]);
        if (below(m, 5) == 0)
            put_break(m); // behind a sign a statement goes on
        if (below(m, 6) == 0)
            put(m, "-");
        put_atom(m, depth - 1);
    }
}

static void put_end(Maker *m)
{
    if (below(m, 6) == 0)
        put(m, ";");
    else
        put_break(m);
}

static void put_block(Maker *m, int depth);

static void put_words(Maker *m, int count, ...)
{
    va_list words;
    va_start(words, count);
    for (int i = 0; i < count; i++)
        put(m, va_arg(words, const char *));
    va_end(words);
}

static void put_stmt(Maker *m, int depth)
{
    switch (below(m, depth > 0 ? 12 : 10)) {
    case 0:
        put_words(m, 5, "weight", "w", "[", "3", "]");
        put(m, "=");
        break;
    case 1:
        put_words(m, 2, name_of(m), "<-");
        break;
    case 2:
        put(m, "return");
        break;
    case 3:
        put(m, "assert");
        put_expr(m, 2);
        put_words(m, 2, ",", "\"why\"");
        return;
    case 4:
        put_words(m, 5, "input", "images", ",", "y", "=");
        put_expr(m, 1);
        put_words(m, 2, ",", "augment");
        break;
    case 5:
        put(m, "minimize");
        break;
    case 6:
        put_words(m, 3, "using", "sgd", "(");
        put_list(m, 2, true);
        put_words(m, 4, ")", "on", "\"*\",", "\"fc.*\"");
        return;
    case 7:
        put_words(m, 3, "report", "a", "=");
        break;
    case 10:
        put(m, "if");
        put_expr(m, 1);
        put_block(m, depth - 1);
        if (below(m, 2)) {
            put(m, "else");
            put_block(m, depth - 1);
        }
        return;
    case 11:
        put_words(m, 6, "for", "i", "in", "0", "..", "3");
        put_block(m, depth - 1);
        return;
    default:
        put_words(m, 2, name_of(m), "=");
    }
    put_expr(m, 3);
}

static void put_block(Maker *m, int depth)
{
    put(m, "{");
    if (below(m, 3))
        put_break(m);
    for (int i = below(m, 4); i > 0; i--) {
        put_stmt(m, depth);
        if (i > 1 || below(m, 3))
            put_end(m);
    }
    put(m, "}");
}

static void put_item(Maker *m)
{
    switch (below(m, 5)) {
    case 0:
        put_words(m, 3, "param", name_of(m), "=");
        put_expr(m, 2);
        put_words(m, 4, "in", "0", "..=", "9");
        break;
    case 1:
        put_words(m, 8, "def", name_of(m), "(", "a", ",", "b", "=", "1");
        put_words(m, 2, ")", "=");
        put_expr(m, 4);
        break;
    case 2:
        put_words(m, 3, "import", "\"lib/x.net\"", "");
        break;
    case 3:
        put_words(m, 7, "phase", "p", "(", "batch", "=", "4", ")");
        put_words(m, 4, "with", "teacher", "=", "q");
        put_block(m, 2);
        break;
    default:
        put_words(m, 4, below(m, 2) ? "def" : "optimizer", "f", "(", ")");
        put_block(m, 3);
    }
    put_break(m);
}

// ---- what must hold ---------------------------------------------------------

static const char *tree(Arena *arena, const char *text)
{
    DiagList diags = diag_list_new(arena);
    Text out = text_new(arena);
    ast_print(parse_program(arena,
                            source_from_text(arena, "a", text, strlen(text)),
                            &diags),
              &out);
    CHECK_INT(diags.error_count, 0);
    return text_string(&out);
}

// Everything but spaces, comments and what stands in their lines included.
static const char *marks(Arena *arena, const char *text)
{
    Text out = text_new(arena);
    for (; *text; text++)
        if (!isspace((unsigned char)*text))
            text_add_n(&out, text, 1);
    return text_string(&out);
}

TEST(format_of_random_programs)
{
    for (uint64_t seed = 0; seed < 10000; seed++) {
        Arena *arena = arena_new();
        Maker m = {.out = text_new(arena), .state = seed, .last = '\n'};
        for (int i = 1 + below(&m, 4); i > 0; i--)
            put_item(&m);
        const char *text = text_string(&m.out), *once = format(arena, text);
        bool good = strcmp(tree(arena, once), tree(arena, text)) == 0 &&
                    strcmp(marks(arena, once), marks(arena, text)) == 0 &&
                    strcmp(format(arena, once), once) == 0;
        if (!good)
            test_fail(__FILE__, __LINE__, "seed %d:\n%s\n--- becomes\n%s",
                      (int)seed, text, once);
        arena_free(arena);
        if (!good)
            break;
    }
}
