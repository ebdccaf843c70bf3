// What a program says to a phase, whatever stands around it.
#include "frontend/lang/program_text.h"
#include "runtime/base/checksum.h"
#include "tests/harness.h"

static const char program[] = "# A comment.\n"
                              "import \"lib/a # b.net\"\n"
                              "param width = 4 in 1..=8\n"
                              "def f(x) = x + width\n"
                              "phase p(batch = 4, steps = 2) {\n"
                              "    y = f(images)\n"
                              "}\n"
                              "phase t(batch = 8, steps = 3) from p {\n"
                              "    z = f(f(images))\n"
                              "}\n"
                              "phase s(batch = 2) with teacher = t {\n"
                              "    w = t.z(images)\n"
                              "}\n";

// The program with `to` in the place of `from`.
static const char *with(const char *from, const char *to)
{
    static char text[1024];
    const char *at = strstr(program, from);
    CHECK(at != NULL);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - program), program, to,
             at + strlen(from));
    return text;
}

// Does it say the same to the phase, by its text and by comparison?
static bool alike(const char *other, const char *phase, const char *teacher)
{
    ProgramLine lines[2];
    Arena *arena = arena_new();
    const ProgramText *one = program_text(arena, program, NULL);
    const ProgramText *two = program_text(arena, other, NULL);
    CHECK(one && two);
    bool same = strcmp(program_text_says(one, phase, teacher),
                       program_text_says(two, phase, teacher)) == 0;
    CHECK(same == !program_text_differs(one, two, phase, teacher, lines));
    arena_free(arena);
    return same;
}

static void check_says(const char *source, const char *want)
{
    Arena *arena = arena_new();
    const ProgramText *text = program_text(arena, source, NULL);
    CHECK(text != NULL);
    CHECK_TEXT(program_text_says(text, "p", NULL), want);
    arena_free(arena);
}

TEST(program_text_is_without_comments_and_spaces)
{
    CHECK(alike(program, "p", NULL));
    CHECK(alike(with("# A comment.", "# Another\n# one."), "p", NULL));
    CHECK(alike(with("param width = 4", "param  width=4"), "p", NULL));
    CHECK(alike(with("1..=8", "1 ..=8 # of them"), "p", NULL));
    CHECK(alike(with("x + width", "x +\n    width"), "p", NULL));
    CHECK(!alike(with("width = 4", "width = 5"), "p", NULL));
    CHECK(!alike(with("a # b.net", "a # c.net"), "p", NULL));
    CHECK(!alike(with("a # b.net", "a  # b.net"), "p", NULL));
    CHECK(!alike(with("def f", "def ff"), "p", NULL));
    CHECK(!alike(with("x + width", "x + width + 1"), "p", NULL));
}

TEST(program_text_has_words_and_signs)
{
    check_says("def f(x) = not x # no\n", "def\nf\n(\nx\n)\n=\nnot\nx\n");
    check_says("def f(x) = notx", "def\nf\n(\nx\n)\n=\nnotx\n");
    check_says("param a = \"b # \\\"c\" \n", "param\na\n=\n\"b # \\\"c\"\n");
    check_says("param a = 7%b in 0.5..=1e-4",
               "param\na\n=\n7\n%\nb\nin\n0\n.\n5\n.\n.\n=\n1e\n-\n4\n");
    check_says("def f(x) { x as a{i + 1}.b }\n\n",
               "def\nf\n(\nx\n)\n{\nx\nas\na\n{\ni\n+\n1\n}\n.\nb\n}\n");
    check_says("", "");
}

TEST(program_text_is_of_one_phase)
{
    CHECK(!alike(with("steps = 2", "steps = 9"), "p", NULL));
    CHECK(!alike(with("y = f", "y = 2 * f"), "p", NULL));
    CHECK(alike(with("steps = 3", "steps = 9"), "p", NULL));
    CHECK(alike(with("f(f(images))", "f(images)"), "p", NULL));
    CHECK(!alike(with("from p", "from q"), "t", NULL));
    // A teacher's statements are the student's net, its settings are not.
    CHECK(alike(with("steps = 3", "steps = 9"), "s", "t"));
    CHECK(alike(with("(batch = 8, steps = 3)", ""), "s", "t"));
    CHECK(!alike(with("f(f(images))", "f(images)"), "s", "t"));
    CHECK(alike(with("y = f", "y = 2 * f"), "s", "t"));
    CHECK(!alike(with("teacher = t", "teacher = p"), "s", "t"));
}

TEST(program_text_names_the_first_other_line)
{
    ProgramLine lines[2];
    Arena *arena = arena_new();
    const ProgramText *text = program_text(arena, program, NULL);
    const char *other = with("x + width", "x - width");
    CHECK(program_text_differs(text, program_text(arena, other, NULL), "p",
                               NULL, lines));
    CHECK_INT(lines[0].number, 4);
    CHECK_TEXT(lines[0].text, "def f(x) = x + width");
    CHECK_TEXT(lines[1].text, "def f(x) = x - width");
    CHECK(program_text_differs(
        text, program_text(arena, "# A comment.\n", NULL), "p", NULL, lines));
    CHECK_INT(lines[0].number, 2);
    CHECK_INT(lines[1].number, 2);
    CHECK_TEXT(lines[1].text, "(the end)");
    // Broken off anywhere, it is read as far as that makes a program.
    for (size_t length = 0; length < sizeof program; length++) {
        char part[sizeof program];
        snprintf(part, length + 1, "%s", program);
        const ProgramText *cut = program_text(arena, part, NULL);
        CHECK(cut || !program_text_differs(text, cut, "s", "t", lines));
        if (cut)
            program_text_differs(text, cut, "s", "t", lines);
    }
    arena_free(arena);
}

static uint64_t hash(const ProgramText *text, const char *phase,
                     const char *teacher)
{
    const char *says = program_text_says(text, phase, teacher);
    Checksum sum = checksum_new();
    checksum_add(&sum, says, (int64_t)strlen(says));
    return checksum_value(&sum);
}

// Checkpoints have these numbers.
TEST(program_text_stays_what_it_was)
{
    Arena *arena = arena_new();
    const ProgramText *text = program_text(arena, program, NULL);
    CHECK(hash(text, "p", NULL) == 0x2a66e152fcf6816c);
    CHECK(hash(text, "t", NULL) == 0x1d1e66a2657b64b1);
    CHECK(hash(text, "s", "t") == 0xf69e1f35df4eb019);
    arena_free(arena);
}
