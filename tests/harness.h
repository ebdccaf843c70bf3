// The tests' harness: TEST(name) { CHECK(...); } registers itself. Each test
// runs in a process of its own, so a crash is one failed test.
#ifndef SIMCC_TESTS_HARNESS_H
#define SIMCC_TESTS_HARNESS_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef void TestFunction(void);
void test_register(const char *file, const char *name, TestFunction *run);
// Counts a failure and prints it; the test goes on.
void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Ends the test as skipped.
_Noreturn void test_skip(const char *reason);
// A fresh folder for this test, removed afterwards.
const char *test_folder(void);

#define TEST(name)                                                             \
    static void test_##name(void);                                             \
    __attribute__((constructor)) static void register_##name(void)             \
    {                                                                          \
        test_register(__FILE__, #name, test_##name);                           \
    }                                                                          \
    static void test_##name(void)

#define CHECK(condition)                                                       \
    ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #condition))
#define CHECK_INT(got, want)                                                   \
    do {                                                                       \
        long long got_ = (got), want_ = (want);                                \
        if (got_ != want_)                                                     \
            test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, got_,  \
                      want_);                                                  \
    } while (0)
#define CHECK_NEAR(got, want, tolerance)                                       \
    do {                                                                       \
        double got_ = (got), want_ = (want);                                   \
        if (!(fabs(got_ - want_) <= (tolerance)))                              \
            test_fail(__FILE__, __LINE__, "%s is %.17g, not %.17g", #got,      \
                      got_, want_);                                            \
    } while (0)
#define CHECK_TEXT(got, want)                                                  \
    do {                                                                       \
        const char *got_ = (got), *want_ = (want);                             \
        if (strcmp(got_, want_) != 0)                                          \
            test_fail(__FILE__, __LINE__, "%s is:\n%s\nnot:\n%s", #got, got_,  \
                      want_);                                                  \
    } while (0)

#endif
