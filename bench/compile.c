// Times `simcc compile` of the cases' training steps, and of the largest net of
// the paper: each a process of its own, once on an empty cache (cold), in a
// folder that is new, then with other learning rates, so that only the kernels
// are known (changed), and then the first once more (warm).
//   compile [CASE...]  ->  lines "compile CASE RSS_KB COLD_MS CHANGED_MS
//                WARM_MS COLD_CPU_MS CHANGED_CPU_MS WARM_CPU_MS"
// with the largest peak memory and processor times of all threads. Of several
// runs, other than cold ones, the median counts.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "runtime/base/file.h"

enum { RUNS = 5, MAX_WORDS = 20 };

typedef struct Times {
    double ms, cpu_ms;
    double rss; // KB
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
                   (double)usage.ru_maxrss};
}

static int word_count(const char *const *words)
{
    int count = 0;
    while (words[count])
        count++;
    return count;
}

// The median of several runs; `last`, a word that ends with a number, is given
// a further digit for each, or is NULL.
static Times run_often(Arena *arena, const char **words, const char **last)
{
    double ms[RUNS], cpu[RUNS];
    Times most = {0};
    for (int i = 0; i < RUNS; i++) {
        if (last)
            *last = arena_printf(arena, "%s%d", *last, i + 1);
        Times once = run(words);
        ms[i] = once.ms;
        cpu[i] = once.cpu_ms;
        most.rss = once.rss > most.rss ? once.rss : most.rss;
    }
    return (Times){bench_median(ms, RUNS), bench_median(cpu, RUNS), most.rss};
}

// A new folder for each case. None is removed before all cases are timed: a
// file system that has hundreds of files to forget slows what comes next.
static const char *caches_folder(Arena *arena)
{
    return arena_printf(arena, "%s/cache/compile", bench_folder(arena));
}

static const char *new_cache(Arena *arena, const char *id)
{
    const char *caches = caches_folder(arena);
    Status status = file_make_folder(caches);
    bench_require(&status);
    char *cache = arena_printf(arena, "%s/%s-XXXXXX", caches, id);
    if (!mkdtemp(cache)) {
        fprintf(stderr, "bench: cannot make a folder in %s\n", caches);
        exit(1);
    }
    return cache;
}

// `words` end with a setting of the learning rate.
static void time_case(Arena *arena, const char *id, const char **words)
{
    const char **last = &words[word_count(words) - 1], *own = *last;
    setenv("XDG_CACHE_HOME", new_cache(arena, id), 1);
    Times cold = run(words);
    Times changed = run_often(arena, words, last);
    *last = own;
    Times warm = run_often(arena, words, NULL);
    double rss = fmax(cold.rss, fmax(changed.rss, warm.rss));
    printf("compile\t%s\t%.0f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\n", id, rss,
           cold.ms, changed.ms, warm.ms, cold.cpu_ms, changed.cpu_ms,
           warm.cpu_ms);
    fflush(stdout);
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

static void time_bench_case(Arena *arena, const BenchCase *bench)
{
    const char **words = command(arena, "bench/nets.net", bench->phase);
    int count = word_count(words);
    words[count++] = arena_printf(arena, "net=%s", bench->net);
    words[count++] = "stochastic_depth=0";
    words[count++] = arena_printf(arena, "depth=%d", bench->depth);
    words[count++] = arena_printf(arena, "sk_ratio=%g", bench->sk_ratio);
    words[count++] = arena_printf(arena, "image_size=%d", bench->image_size);
    words[count++] = arena_printf(arena, "images=%d", bench->images);
    words[count++] = arena_printf(arena, "%s.rate=0.1", bench->phase);
    time_case(arena, bench->id, words);
}

static void time_largest(Arena *arena)
{
    const char **words = command(arena, "models/simclrv2.net", "pretrain");
    int count = word_count(words);
    words[count++] = "depth=152";
    words[count++] = "width=3";
    words[count++] = "sk_ratio=0.0625";
    words[count++] = "pretrain.rate=0.1";
    time_case(arena, BENCH_LARGEST, words);
}

int main(int argc, char **argv)
{
    Arena *arena = arena_new();
    fprintf(stderr, "bench: compiling\n");
    if (argc == 1)
        time_largest(arena);
    for (int i = 0; i < BENCH_CASES; i++)
        if (bench_wants(&bench_cases[i], argc, argv))
            time_bench_case(arena, &bench_cases[i]);
    bench_remove(caches_folder(arena)); // with what an interrupted one left
    arena_free(arena);
    return 0;
}
