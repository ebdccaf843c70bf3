// What a program says to a phase, whatever stands around it.
#include "runtime/train/program_text.h"
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

// Does it say the same to the phase, by its hash and by comparison?
static bool alike(const char *other, const char *phase, const char *teacher)
{
    ProgramLine lines[2];
    bool same = program_text_hash(program, phase, teacher) ==
                program_text_hash(other, phase, teacher);
    CHECK(same == !program_text_differs(program, other, phase, teacher, lines));
    return same;
}

TEST(program_text_is_without_comments_and_spaces)
{
    CHECK(alike(program, "p", NULL));
    CHECK(alike(with("# A comment.", "# Another\n# one."), "p", NULL));
    CHECK(alike(with("param width = 4", "param  width=4 # four\n"), "p", NULL));
    CHECK(!alike(with("width = 4", "width = 5"), "p", NULL));
    CHECK(!alike(with("a # b.net", "a # c.net"), "p", NULL));
    CHECK(!alike(with("def f", "deff"), "p", NULL));
    CHECK(!alike(with("x + width", "x + width + 1"), "p", NULL));
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
    CHECK(!alike(with("f(f(images))", "f(images)"), "s", "t"));
    CHECK(alike(with("y = f", "y = 2 * f"), "s", "t"));
    CHECK(!alike(with("teacher = t", "teacher = p"), "s", "t"));
}

TEST(program_text_names_the_first_other_line)
{
    ProgramLine lines[2];
    const char *other = with("x + width", "x - width");
    CHECK(program_text_differs(program, other, "p", NULL, lines));
    CHECK_INT(lines[0].number, 4);
    CHECK_TEXT(lines[0].text, "def f(x) = x + width");
    CHECK_TEXT(lines[1].text, "def f(x) = x - width");
    CHECK(program_text_differs(program, "# A comment.\n", "p", NULL, lines));
    CHECK_INT(lines[0].number, 2);
    CHECK_TEXT(lines[1].text, "(the end)");
    // Broken off anywhere, it is read to its end.
    for (size_t length = 0; length < sizeof program; length++) {
        char part[sizeof program];
        snprintf(part, length + 1, "%s", program);
        program_text_differs(program, part, "s", "t", lines);
    }
}
