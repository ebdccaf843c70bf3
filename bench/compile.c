// Times `simcc compile` of the cases' training steps, and of the largest net of
// the paper: each a process of its own, once on an empty cache (cold) and then
// again on the one it left (warm).
//   compile  ->  lines "compile CASE COLD_MS WARM_MS COLD_CPU_MS WARM_CPU_MS
//                RSS_KB"
// with processor times of all threads and the larger peak memory. Several warm
// runs; their median counts.
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

enum { WARM_RUNS = 5, MAX_WORDS = 16 };

typedef struct Times {
    double ms, cpu_ms;
    long rss;
} Times;

static double milliseconds(struct timeval time)
{
    return 1e3 * (double)time.tv_sec + 1e-3 * (double)time.tv_usec;
}

static Times run(const char *const *words)
{
    struct rusage usage;
    int status = 0;
    double start = bench_seconds();
    pid_t child = fork();
    if (child == 0) {
        execv(words[0], (char *const *)words);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child ||
        !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench: %s %s fails\n", words[0], words[1]);
        exit(1);
    }
    return (Times){1e3 * (bench_seconds() - start),
                   milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime),
                   usage.ru_maxrss};
}

static void time_case(Arena *arena, const char *id, const char *const *words)
{
    double ms[WARM_RUNS], cpu[WARM_RUNS];
    const char *cache =
        arena_printf(arena, "%s/cache/compile-%s", bench_folder(arena), id);
    bench_remove(cache);
    setenv("XDG_CACHE_HOME", cache, 1);
    Times cold = run(words);
    long rss = cold.rss;
    for (int i = 0; i < WARM_RUNS; i++) {
        Times warm = run(words);
        ms[i] = warm.ms;
        cpu[i] = warm.cpu_ms;
        rss = warm.rss > rss ? warm.rss : rss;
    }
    printf("compile\t%s\t%.1f\t%.1f\t%.1f\t%.1f\t%ld\n", id, cold.ms,
           bench_median(ms, WARM_RUNS), cold.cpu_ms,
           bench_median(cpu, WARM_RUNS), rss);
    fflush(stdout);
    bench_remove(cache);
}

// simcc compile FILE --phase PHASE -o ... -q --set SETTING...
static const char **command(Arena *arena, const char *file, const char *phase)
{
    const char *build = getenv("BUILD");
    const char *simcc =
        arena_printf(arena, "%s/simcc", build && *build ? build : "build");
    const char *out = arena_printf(arena, "%s/compiled", bench_folder(arena));
    const char *first[] = {simcc, "compile", file, "--phase", phase,
                           "-o",  out,       "-q", "--set"};
    const char **words = ARENA_ARRAY(arena, const char *, MAX_WORDS);
    memcpy(words, first, sizeof first);
    return words;
}

static int word_count(const char *const *words)
{
    int count = 0;
    while (words[count])
        count++;
    return count;
}

static void time_bench_case(Arena *arena, const BenchCase *bench)
{
    const char **words = command(arena, "bench/nets.net", bench->phase);
    int count = word_count(words);
    words[count++] = arena_printf(arena, "depth=%d", bench->depth);
    words[count++] = arena_printf(arena, "sk_ratio=%g", bench->sk_ratio);
    words[count++] = arena_printf(arena, "image_size=%d", bench->image_size);
    words[count++] = arena_printf(arena, "images=%d", bench->images);
    time_case(arena, bench->id, words);
}

static void time_largest(Arena *arena)
{
    const char **words = command(arena, "models/simclrv2.net", "pretrain");
    int count = word_count(words);
    words[count++] = "depth=152";
    words[count++] = "width=3";
    words[count++] = "sk_ratio=0.0625";
    time_case(arena, BENCH_LARGEST, words);
}

int main(void)
{
    Arena *arena = arena_new();
    fprintf(stderr, "bench: compiling\n");
    time_largest(arena);
    for (int i = 0; i < BENCH_CASES; i++)
        if (bench_cases[i].peers != BENCH_NONE)
            time_bench_case(arena, &bench_cases[i]);
    arena_free(arena);
    return 0;
}
