#include "runtime/base/json.h"

#include <stdlib.h>

#include "tests/harness.h"

static void check_string(const char *text, const char *want)
{
    JsonReader json = json_reader(text, strlen(text));
    char *got = json_string(&json);
    if (!want)
        CHECK(got == NULL && json.error != NULL);
    else if (!got || !json_finish(&json))
        test_fail(__FILE__, __LINE__, "%s: %s", text, json.error);
    else
        CHECK_TEXT(got, want);
    free(got);
}

TEST(json_strings)
{
    check_string("\"\"", "");
    check_string(" \"a b\" ", "a b");
    check_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
    check_string("\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac");
    check_string("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80");
    check_string("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
                 "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(json_malformed_strings)
{
    static const char *const malformed[] = {"",
                                            "a",
                                            "\"",
                                            "\"a",
                                            "\"\\",
                                            "\"\\\"",
                                            "\"\\x\"",
                                            "\"\\u12\"",
                                            "\"\\u12g4\"",
                                            "\"\\u0000\"",
                                            "\"\\ud800\"",
                                            "\"\\udc00\"",
                                            "\"\\ud800\\u0041\"",
                                            "\"\n\"",
                                            "\"\xff\"",
                                            "\"\xc3\"",
                                            "\"\xc0\x80\"",
                                            "\"\xe0\x80\x80\"",
                                            "\"\xed\xa0\x80\"",
                                            "\"\xf5\x80\x80\x80\"",
                                            "\"\xf0\x80\x80\x80\""};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        check_string(malformed[i], NULL);
}

static void check_whole(const char *text, bool good, int64_t want)
{
    JsonReader json = json_reader(text, strlen(text));
    int64_t got = -1;
    CHECK_INT(json_whole(&json, &got) && json_finish(&json), good);
    if (good)
        CHECK_INT(got, want);
}

TEST(json_whole_numbers)
{
    check_whole("0", true, 0);
    check_whole(" 42 ", true, 42);
    check_whole("9223372036854775807", true, INT64_MAX);
    check_whole("9223372036854775808", false, 0);
    check_whole("99999999999999999999999", false, 0);
    check_whole("-1", false, 0);
    check_whole("01", false, 0);
    check_whole("1.0", false, 0);
    check_whole("1e3", false, 0);
    check_whole("", false, 0);
    check_whole("1 2", false, 0);
}

// The sum of {"key": number, ...}; -1 on failure.
static int64_t sum_members(const char *text)
{
    JsonReader json = json_reader(text, strlen(text));
    int64_t sum = 0, number = 0;
    json_enter(&json, '{');
    for (bool first = true; json_next(&json, '}', &first);) {
        free(json_key(&json));
        json_whole(&json, &number);
        sum += number;
    }
    return json_finish(&json) ? sum : -1;
}

TEST(json_objects)
{
    CHECK_INT(sum_members("{}"), 0);
    CHECK_INT(sum_members(" { \"a\" : 1 , \"b\":2}\n"), 3);
    CHECK_INT(sum_members("{\"a\":1,}"), -1);
    CHECK_INT(sum_members("{,}"), -1);
    CHECK_INT(sum_members("{\"a\":1 \"b\":2}"), -1);
    CHECK_INT(sum_members("{\"a\" 1}"), -1);
    CHECK_INT(sum_members("{\"a\":1"), -1);
    CHECK_INT(sum_members("{\"a\":1}}"), -1);
    CHECK_INT(sum_members("["), -1);
}

TEST(json_errors_have_a_position)
{
    const char *text = "{\"a\":x}";
    JsonReader json = json_reader(text, strlen(text));
    int64_t number;
    bool first = true;
    json_enter(&json, '{');
    CHECK(json_next(&json, '}', &first));
    free(json_key(&json));
    CHECK(!json_whole(&json, &number));
    CHECK_INT(json.position, 5);
    CHECK_TEXT(json.error, "expected a whole number");
}

static void check_number(const char *text, bool good, double want)
{
    double got;
    JsonReader json = json_reader(text, strlen(text));
    CHECK_INT(json_number(&json, &got) && json_finish(&json), good);
    if (good)
        CHECK(got == want || (isnan(got) && isnan(want)));
}

TEST(json_numbers)
{
    check_number("0", true, 0);
    check_number("-0.5e-3", true, -0.5e-3);
    check_number(" 12345678901234567890", true, 12345678901234567890.0);
    check_number("1E+2", true, 100);
    check_number("null", true, NAN);
    check_number("01", false, 0);
    check_number(".5", false, 0);
    check_number("1.", false, 0);
    check_number("1e", false, 0);
    check_number("-", false, 0);
    check_number("nan", false, 0);
    check_number("1 2", false, 0);
    check_number("", false, 0);
    check_number("1000000000000000000000000000000000000000000000000000000000000"
                 "0000",
                 false, 0);
}

static void check_skip(const char *text, bool good)
{
    JsonReader json = json_reader(text, strlen(text));
    CHECK_INT(json_skip(&json) && json_finish(&json), good);
}

TEST(json_values_are_passed_over)
{
    char deep[200];
    check_skip("{\"a\":[1,\"x\",{\"b\":null}],\"c\":true,\"d\":false}", true);
    check_skip("[]", true);
    check_skip("[1,]", false);
    check_skip("{\"a\"}", false);
    check_skip("[\"x]", false);
    check_skip("troe", false);
    for (int depth = 64; depth <= 65; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        deep[2 * depth] = 0;
        check_skip(deep, depth == 64);
    }
}
