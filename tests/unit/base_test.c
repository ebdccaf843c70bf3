// Arena, vector, text and diagnostics.
#include "ir/base/diag.h"
#include "ir/base/text.h"
#include "ir/base/vec.h"
#include "tests/harness.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- arena and vector -------------------------------------------------------

TEST(arena_gives_zeroed_aligned_distinct_memory)
{
    Arena *arena = arena_new();
    enum { COUNT = 3000 };
    unsigned char *blocks[COUNT];
    size_t sizes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        // Mostly small, now and then more than a chunk.
        sizes[i] = i % 500 == 499 ? 100000 : (size_t)(i * 7 % 61);
        blocks[i] = arena_alloc(arena, sizes[i]);
        CHECK((uintptr_t)blocks[i] % 16 == 0);
        for (size_t j = 0; j < sizes[i]; j++)
            if (blocks[i][j] != 0)
                test_fail(__FILE__, __LINE__, "byte %zu is not zero", j);
        memset(blocks[i], i & 0xff, sizes[i]);
    }
    for (int i = 0; i < COUNT; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            if (blocks[i][j] != (i & 0xff))
                test_fail(__FILE__, __LINE__, "block %d was overwritten", i);
    CHECK(arena_bytes(arena) >= 600000);
    arena_free(arena);
    arena_free(NULL);
}

TEST(text_of_whole_numbers_is_that_of_printf)
{
    static const int64_t numbers[] = {
        0, 7, -1, 10, -10, 1234567890, -987654321, INT64_MAX, INT64_MIN};
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        Text text = text_new(arena);
        text_add_int(&text, numbers[i]);
        CHECK_TEXT(text_string(&text),
                   arena_printf(arena, "%lld", (long long)numbers[i]));
    }
    arena_free(arena);
}

TEST(arena_copies_strings)
{
    Arena *arena = arena_new();
    CHECK_TEXT(arena_strdup(arena, "abc"), "abc");
    CHECK_TEXT(arena_strndup(arena, "abc", 2), "ab");
    CHECK_TEXT(arena_printf(arena, "%d-%s", 7, "x"), "7-x");
    arena_free(arena);
}

TEST(vectors_grow_and_keep_their_items)
{
    Arena *arena = arena_new();
    VEC(int) numbers = {0};
    for (int i = 0; i < 10000; i++)
        vec_push(arena, &numbers, i * 3);
    CHECK_INT(numbers.count, 10000);
    for (int i = 0; i < numbers.count; i++)
        if (numbers.at[i] != i * 3)
            test_fail(__FILE__, __LINE__, "item %d", i);
    arena_free(arena);
}

// ---- text -------------------------------------------------------------------

static const char *double_text(Arena *arena, double value)
{
    Text text = text_new(arena);
    text_add_double(&text, value);
    return text_string(&text);
}

TEST(doubles_print_shortest_and_read_back)
{
    Arena *arena = arena_new();
    CHECK_TEXT(double_text(arena, 0.1), "0.1");
    CHECK_TEXT(double_text(arena, 100), "100");
    CHECK_TEXT(double_text(arena, -0.0), "-0");
    CHECK_TEXT(double_text(arena, 1e22), "1e+22");
    CHECK_TEXT(double_text(arena, 1.0 / 3), "0.3333333333333333");
    CHECK_TEXT(double_text(arena, INFINITY), "inf");
    CHECK_TEXT(double_text(arena, -INFINITY), "-inf");
    CHECK_TEXT(double_text(arena, NAN), "nan");
    CHECK_TEXT(double_text(arena, 5e-324), "5e-324");
    uint64_t bits = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value) && strtod(double_text(arena, value), NULL) != value)
            test_fail(__FILE__, __LINE__, "%.17g", value);
    }
    arena_free(arena);
}

static const char *json(Arena *arena, const char *piece)
{
    Text text = text_new(arena);
    text_add_json(&text, piece);
    return text_string(&text);
}

TEST(json_strings_escape_what_they_must)
{
    Arena *arena = arena_new();
    CHECK_TEXT(json(arena, "a\"b\\c\n\t\x01"), "\"a\\\"b\\\\c\\n\\t\\u0001\"");
    CHECK_TEXT(json(arena, "\xc3\xa9"), "\"\xc3\xa9\"");
    CHECK_TEXT(json(arena, "x\xff"), "\"x\xef\xbf\xbd\"");
    CHECK_TEXT(json(arena, "\xc3"), "\"\xef\xbf\xbd\"");
    arena_free(arena);
}

TEST(utf8_lengths_follow_the_standard)
{
    CHECK_INT(text_utf8_length("a"), 1);
    CHECK_INT(text_utf8_length("\xc3\xa9"), 2);
    CHECK_INT(text_utf8_length("\xe2\x82\xac"), 3);
    CHECK_INT(text_utf8_length("\xf0\x9f\x98\x80"), 4);
    static const char *const bad[] = {
        "\x80",             // a continuation alone
        "\xc0\xaf",         // overlong
        "\xe0\x80\xaf",     // overlong
        "\xed\xa0\x80",     // a surrogate
        "\xf4\x90\x80\x80", // beyond U+10FFFF
        "\xf8\x88\x80\x80", // five bytes
        "\xe2\x82",         // cut short
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_INT(text_utf8_length(bad[i]), 0);
}

TEST(globs_match_whole_names)
{
    CHECK(text_glob("*", ""));
    CHECK(text_glob("*.bn*.gamma", "layer1.0.bn2.gamma"));
    CHECK(text_glob("conv?.weight", "conv1.weight"));
    CHECK(text_glob("a*b*c", "a__b_b__c"));
    CHECK(text_glob("*a", "aaaa"));
    CHECK(!text_glob("conv?", "conv"));
    CHECK(!text_glob("conv", "conv1"));
    CHECK(!text_glob("*.bias", "layer.weight"));
    CHECK(!text_glob("", "x"));
    // A pattern that would take forever by plain recursion.
    char name[201];
    memset(name, 'a', 200);
    name[200] = '\0';
    CHECK(!text_glob("*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}

TEST(closest_names_are_close)
{
    static const char *const names[] = {"relu", "sigmoid", "conv2d", "pool"};
    const char *closest = text_closest("rleu", names, 4);
    CHECK(closest && strcmp(closest, "relu") == 0);
    closest = text_closest("sigmiod", names, 4);
    CHECK(closest && strcmp(closest, "sigmoid") == 0);
    CHECK(text_closest("transpose", names, 4) == NULL);
    CHECK(text_closest("", names, 4) == NULL);
    CHECK(text_closest("relu", names, 0) == NULL);
}

TEST(hashes_chain)
{
    uint64_t whole = text_hash(TEXT_HASH_SEED, "foobar", 6);
    CHECK(whole == 0x85944171f73967e8u); // FNV's own test vector
    uint64_t first = text_hash(TEXT_HASH_SEED, "foo", 3);
    CHECK(text_hash(first, "bar", 3) == whole);
}

// ---- diagnostics ------------------------------------------------------------

static const char *printed(Arena *arena, const DiagList *list, bool as_json)
{
    char *bytes = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&bytes, &length);
    if (as_json)
        diag_print_json(list, file);
    else
        diag_print(list, file, false);
    fclose(file);
    char *copy = arena_strndup(arena, bytes, length);
    free(bytes);
    return copy;
}

static Source *source_of(Arena *arena, const char *text)
{
    return source_from_text(arena, "a.net", text, strlen(text));
}

TEST(a_diagnostic_shows_line_and_caret)
{
    Arena *arena = arena_new();
    DiagList list = diag_list_new(arena);
    Source *source = source_of(arena, "let x = 1;\nlet y = foo(x);\n");
    diag_error(&list, (SourcePos){source, 2, 9, 12}, "no '%s'", "foo");
    diag_note(&list, (SourcePos){source, 1, 5, 0}, "x is here");
    diag_warning(&list, (SourcePos){0}, "nowhere");
    diag_error(&list, (SourcePos){source, 0, 0, 0}, "the whole file");
    CHECK_TEXT(printed(arena, &list, false), "a.net:2:9: error: no 'foo'\n"
                                             "  let y = foo(x);\n"
                                             "          ^~~\n"
                                             "a.net:1:5: note: x is here\n"
                                             "  let x = 1;\n"
                                             "      ^\n"
                                             "warning: nowhere\n"
                                             "a.net: error: the whole file\n");
    CHECK_INT(list.error_count, 2);
    arena_free(arena);
}

TEST(diagnostics_print_as_json)
{
    Arena *arena = arena_new();
    DiagList list = diag_list_new(arena);
    CHECK_TEXT(printed(arena, &list, true), "[]\n");
    Source *source = source_of(arena, "x\n");
    diag_error(&list, (SourcePos){source, 1, 1, 2}, "say \"x\"");
    diag_note(&list, (SourcePos){0}, "so");
    CHECK_TEXT(printed(arena, &list, true),
               "[\n {\"severity\": \"error\", \"file\": \"a.net\", \"line\": 1,"
               " \"column\": 1, \"end_column\": 2, \"message\":"
               " \"say \\\"x\\\"\", \"notes\": [\n"
               "  {\"severity\": \"note\", \"file\": null, \"line\": 0,"
               " \"column\": 0, \"end_column\": 0, \"message\": \"so\"}]}\n"
               "]\n");
    arena_free(arena);
}

TEST(unsafe_bytes_are_not_printed)
{
    Arena *arena = arena_new();
    DiagList list = diag_list_new(arena);
    // Tab, escape, a stray byte, a mark that reorders text, a good letter.
    Source *source =
        source_of(arena, "a\tb\x1b[31m\xff\xe2\x80\xae\xc3\xa9!\r\n");
    diag_error(&list, (SourcePos){source, 1, 15, 0}, "got '\x1b'");
    CHECK_TEXT(printed(arena, &list, false), "a.net:1:15: error: got '?'\n"
                                             "  a b?[31m\?\?\xc3\xa9!\n"
                                             "             ^\n");
    arena_free(arena);
}

TEST(long_lines_are_cut_around_the_caret)
{
    Arena *arena = arena_new();
    char text[5001];
    for (int i = 0; i < 5000; i++)
        text[i] = (char)('a' + i % 26);
    text[5000] = '\0';
    for (int column = 1; column <= 5001; column += 100) {
        DiagList list = diag_list_new(arena);
        diag_error(&list, (SourcePos){source_of(arena, text), 1, column, 0},
                   "here");
        const char *got = printed(arena, &list, false);
        const char *line = strchr(got, '\n') + 1;
        const char *marks = strchr(line, '\n') + 1;
        CHECK(marks - line <= 110);
        long caret = strchr(marks, '^') - marks;
        if (column <= 5000)
            CHECK_INT(line[caret], text[column - 1]);
    }
    arena_free(arena);
}

TEST(positions_outside_the_source_are_harmless)
{
    Arena *arena = arena_new();
    DiagList list = diag_list_new(arena);
    Source *source = source_of(arena, "one\ntwo");
    static const int places[][3] = {{9, 1, 0},     {2, 400, 900}, {1, 0, 0},
                                    {1, -5, -7},   {-1, 1, 0},    {2, 4, 5},
                                    {1, 2, 100000}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        diag_error(
            &list,
            (SourcePos){source, places[i][0], places[i][1], places[i][2]},
            "place %zu", i);
    const char *got = printed(arena, &list, false);
    CHECK(strstr(got, "place 6") != NULL);
    DiagList empty = diag_list_new(arena);
    diag_error(&empty, (SourcePos){source_of(arena, ""), 1, 1, 0}, "empty");
    CHECK_TEXT(printed(arena, &empty, false),
               "a.net:1:1: error: empty\n  \n  ^\n");
    arena_free(arena);
}

TEST(errors_past_the_limit_are_counted_only)
{
    Arena *arena = arena_new();
    DiagList list = diag_list_new(arena);
    list.error_limit = 3;
    for (int i = 0; i < 10; i++) {
        diag_error(&list, (SourcePos){0}, "error %d", i);
        diag_note(&list, (SourcePos){0}, "note %d", i);
    }
    CHECK_INT(list.error_count, 10);
    CHECK_INT(list.items.count, 6);
    arena_free(arena);
}

TEST(internal_errors_exit_70)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        INTERNAL_CHECK(1 + 1 == 3);
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 70);
}

// ---- sources ----------------------------------------------------------------

TEST(sources_are_read_whole)
{
    Arena *arena = arena_new();
    const char *error;
    char path[128];
    snprintf(path, sizeof path, "%s/source", test_folder());
    FILE *file = fopen(path, "wb");
    for (int i = 0; i < 50000; i++)
        fputc(i % 251, file);
    fclose(file);
    Source *source = source_read(arena, path, &error);
    CHECK(source && !error && source->length == 50000);
    for (size_t i = 0; source && i < source->length; i++)
        if ((unsigned char)source->text[i] != i % 251)
            test_fail(__FILE__, __LINE__, "byte %zu", i);
    CHECK(source && !source->text[50000] && !source->text[50001]);

    CHECK(source_read(arena, "/no/such/file", &error) == NULL);
    CHECK_TEXT(error, "cannot read '/no/such/file': No such file or directory");
    CHECK(source_read(arena, test_folder(), &error) == NULL);
    CHECK(error && strstr(error, "directory") != NULL);
    arena_free(arena);
}
