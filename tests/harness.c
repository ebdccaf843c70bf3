#include "tests/harness.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
// LLVM is not built with the sanitizer, which so misses its locks.
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libLLVM";
}
#endif

enum { EXIT_SKIPPED = 77, MAX_TESTS = 2000 };

typedef struct TestEntry {
    const char *file, *name;
    TestFunction *run;
} TestEntry;

static TestEntry tests[MAX_TESTS];
static int test_count;
static int failures;
static char folder[64];

void test_register(const char *file, const char *name, TestFunction *run)
{
    if (test_count == MAX_TESTS) { // none is left out in silence
        fprintf(stderr, "more than %d tests: raise MAX_TESTS\n", MAX_TESTS);
        exit(1);
    }
    tests[test_count++] = (TestEntry){file, name, run};
}

void test_fail(const char *file, int line, const char *format, ...)
{
    failures++;
    if (failures > 20)
        return;
    va_list args;
    va_start(args, format);
    printf("  %s:%d: ", file, line);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

void test_skip(const char *reason)
{
    printf("  %s\n", reason);
    fflush(stdout);
    _exit(EXIT_SKIPPED);
}

const char *test_folder(void)
{
    if (!folder[0]) {
        strcpy(folder, "/tmp/simcc-test-XXXXXX");
        if (!mkdtemp(folder))
            abort();
    }
    return folder;
}

static void remove_folder(void)
{
    if (folder[0]) {
        char command[128];
        snprintf(command, sizeof command, "rm -rf %s", folder);
        if (system(command) != 0)
            printf("  could not remove %s\n", folder);
    }
}

static int run_in_child(const TestEntry *test)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        test->run();
        remove_folder();
        fflush(stdout);
        exit(failures ? 1 : 0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return 1;
    if (WIFSIGNALED(status))
        printf("  ended by signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

// Usage: run [WORD]: only tests whose file or name contains WORD.
int main(int argc, char **argv)
{
    int passed = 0, failed = 0, skipped = 0;
    for (int i = 0; i < test_count; i++) {
        if (argc > 1 && !strstr(tests[i].name, argv[1]) &&
            !strstr(tests[i].file, argv[1]))
            continue;
        int code = run_in_child(&tests[i]);
        const char *word = code == 0              ? "ok"
                           : code == EXIT_SKIPPED ? "skip"
                                                  : "not ok";
        *(code == 0 ? &passed : code == EXIT_SKIPPED ? &skipped : &failed) += 1;
        printf("%s %s %s\n", word, tests[i].file, tests[i].name);
    }
    printf("# %d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed ? 1 : 0;
}
