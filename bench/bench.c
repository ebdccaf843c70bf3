#include "bench/bench.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/philox.h"
#include "runtime/exec/pool.h"

const BenchCase bench_cases[BENCH_CASES] = {
#define CASE(id, ...) {#id, __VA_ARGS__},
#include "bench/cases.def"
#undef CASE
};

const BenchCase *bench_case_by_id(const char *id)
{
    for (int i = 0; i < BENCH_CASES; i++)
        if (strcmp(bench_cases[i].id, id) == 0)
            return &bench_cases[i];
    return NULL;
}

bool bench_wants(const BenchCase *bench, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], bench->id) == 0)
            return true;
    return argc == 1 && bench->peers >= BENCH_QUICK;
}

const char *bench_folder(Arena *arena)
{
    const char *build = getenv("BUILD");
    return arena_printf(arena, "%s/bench", build && *build ? build : "build");
}

void bench_compiler(Compiler *compiler, Arena *arena, const BenchCase *bench,
                    int threads)
{
    enum { SETTINGS = 6 };
    Setting *settings = ARENA_ARRAY(arena, Setting, SETTINGS);
    const char **phases = ARENA_ARRAY(arena, const char *, 1);
    settings[0] =
        (Setting){"depth", arena_printf(arena, "%d", bench->depth), false};
    settings[1] = (Setting){"sk_ratio",
                            arena_printf(arena, "%g", bench->sk_ratio), false};
    settings[2] = (Setting){
        "image_size", arena_printf(arena, "%d", bench->image_size), false};
    settings[3] =
        (Setting){"images", arena_printf(arena, "%d", bench->images), false};
    settings[4] = (Setting){"net", bench->net, false};
    settings[5] = (Setting){"stochastic_depth", "0", false};
    phases[0] = bench->phase;
    const char *target = getenv("BENCH_TARGET");
    *compiler =
        (Compiler){.arena = arena,
                   .path = "bench/nets.net",
                   .lang = {.dtype = DT_F32,
                            .ranks = 1,
                            .setting_count = SETTINGS,
                            .settings = settings},
                   .codegen = {.cpu = target ? target : "native",
                               .cache_dir = arena_printf(arena, "%s/cache",
                                                         bench_folder(arena)),
                               .threads = threads},
                   .phase_count = 1,
                   .phases = phases,
                   .diags = diag_list_new(arena),
                   .dump = text_new(arena)};
}

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

void bench_remove(const char *folder)
{
    enum { OPEN_FOLDERS = 16 };
    nftw(folder, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

int bench_cores(void)
{
    const char *threads = getenv("BENCH_THREADS");
    int wanted = threads ? (int)strtol(threads, NULL, 10) : 0;
    return wanted > 0 ? wanted : pool_cores();
}

static double read_clock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double bench_seconds(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double bench_work_seconds(int threads)
{
    return read_clock(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID
                                   : CLOCK_MONOTONIC);
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int count)
{
    if (count == 0)
        return 0;
    qsort(values, (size_t)count, sizeof *values, compare_numbers);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

void bench_fill(float *data, int64_t count, uint64_t seed)
{
    RandomStream stream = random_stream(seed, 0, 0, 0, 0);
    for (int64_t i = 0; i < count; i++)
        data[i] = (float)(random_u32(&stream) >> 8) * 0x1p-23f - 1;
}

void bench_require(const Status *status)
{
    if (status->code == STATUS_OK)
        return;
    fprintf(stderr, "bench: %s\n", status->text);
    exit(status->code);
}
