// Programs that are not compiled again: when, and when they are.
#include <stdlib.h>
#include <unistd.h>

#include "codegen/cache.h"
#include "frontend/cli/compiler.h"
#include "runtime/exec/program.h"
#include "tests/harness.h"

static Arena *arena;

static const char *path_of(const char *name)
{
    return arena_printf(arena, "%s/%s", test_folder(), name);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    fputs(text, file);
    fclose(file);
}

static const char *library = "optimizer sgd(w, g, rate = 0.1) {\n"
                             "    w <- w - rate * g\n"
                             "}\n"
                             "def scale(x) {\n"
                             "    weight w[channels(x)] = 1\n"
                             "    return x * w\n"
                             "}\n";

static const char *program = "import \"library.net\"\n"
                             "param rate = 0.1 in 0.0..=1.0\n"
                             "phase p(batch = 2, steps = 3) {\n"
                             "    input images = unlabeled, augment "
                             "[center_crop(4)]\n"
                             "    minimize mean(scale(images))\n"
                             "    using sgd(rate)\n"
                             "}\n";

typedef struct Result {
    bool reused;
    int warnings;
    unsigned char *bytes; // of the artifact
    int64_t size;
} Result;

static Result compile(const char *rate, bool verify)
{
    Setting setting = {"rate", rate, false};
    Compiler compiler = {
        .arena = arena,
        .path = path_of("program.net"),
        .lang = {.dtype = DT_F32,
                 .ranks = 1,
                 .setting_count = rate != NULL,
                 .settings = &setting},
        .codegen = {.cpu = "native", .cache_dir = path_of("cache")},
        .verify = verify,
        .diags = diag_list_new(arena),
        .dump = text_new(arena)};
    Program *made;
    Result result = {0};
    Status status = compiler_run(&compiler, &made);
    CHECK_INT(status.code, STATUS_OK);
    if (!made)
        exit(1);
    result.reused = compiler.experiment == NULL;
    result.warnings = compiler.diags.items.count;
    unsigned char *bytes;
    CHECK(program_encode(made, "test", &bytes, &result.size).code == STATUS_OK);
    result.bytes = arena_alloc(arena, (size_t)result.size);
    memcpy(result.bytes, bytes, (size_t)result.size);
    free(bytes);
    program_free(made);
    return result;
}

static bool same(Result a, Result b)
{
    return a.size == b.size && memcmp(a.bytes, b.bytes, (size_t)a.size) == 0;
}

static void start(void)
{
    arena = arena_new();
    write_file("library.net", library);
    write_file("program.net", program);
}

TEST(unchanged_programs_are_not_compiled_again)
{
    start();
    Result first = compile(NULL, false), again = compile(NULL, false);
    CHECK(!first.reused && again.reused);
    CHECK(same(first, again));
    // Other settings, and back.
    Result other = compile("0.5", false);
    CHECK(!other.reused && !same(first, other));
    CHECK(compile("0.5", false).reused);
    CHECK(compile(NULL, false).reused);
    // To be verified means to be compiled.
    CHECK(!compile(NULL, true).reused);
}

TEST(changed_imports_are_compiled_again)
{
    start();
    Result first = compile(NULL, false);
    write_file("library.net", arena_printf(arena, "%s# more\n", library));
    Result changed = compile(NULL, false);
    CHECK(!changed.reused && !same(first, changed));
    write_file("library.net", library);
    Result back = compile(NULL, false);
    CHECK(back.reused && same(first, back));
}

TEST(warnings_are_seen_each_time)
{
    start();
    write_file("program.net",
               arena_printf(arena, "%sparam idle = 3\n", program));
    for (int i = 0; i < 2; i++) {
        Result result = compile(NULL, false);
        CHECK(!result.reused);
        CHECK_INT(result.warnings, 1);
    }
}

// ---- pruning ----------------------------------------------------------------

static bool is_cached(const char *folder, const char *key)
{
    unsigned char *bytes;
    int64_t size;
    bool hit = cache_read(folder, key, &bytes, &size);
    if (hit)
        free(bytes);
    return hit;
}

TEST(the_oldest_of_a_cache_go_first)
{
    arena = arena_new();
    const char *folder = path_of("pruned");
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    cache_prune(folder, 2); // there is none yet
    for (int i = 0; i < 5; i++) {
        cache_write(folder, keys[i], (const unsigned char *)"x", 1);
        usleep(20000); // times of files are as coarse as the clock's ticks
    }
    cache_prune(folder, 2);
    for (int i = 0; i < 5; i++)
        CHECK(is_cached(folder, keys[i]) == (i >= 3));
    cache_prune(folder, 2);
    CHECK(is_cached(folder, "d") && is_cached(folder, "e"));
}
