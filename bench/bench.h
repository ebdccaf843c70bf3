// What the measuring programs share: the cases, compilers for them, clocks,
// medians. A bench program sees every folder, as the command line does; nothing
// of the product needs bench/.
#ifndef SIMCC_BENCH_BENCH_H
#define SIMCC_BENCH_BENCH_H

#include <stdint.h>

#include "frontend/cli/compiler.h"

// Whose training steps a case times; BENCH_NAMED is BENCH_QUICK where a command
// line names the case, and nothing elsewhere.
typedef enum BenchPeers {
    BENCH_NONE,
    BENCH_NAMED,
    BENCH_QUICK,
    BENCH_ALL
} BenchPeers;

// A row of cases.def.
typedef struct BenchCase {
    const char *id, *title;
    const char *phase; // of nets.net
    const char *net;   // "resnet", of depth and sk_ratio, or torchvision's name
    int depth;
    double sk_ratio;
    int image_size, images;
    bool convolutions; // are timed one by one
    BenchPeers peers;
} BenchCase;

enum {
#define CASE(id, ...) BENCH_CASE_##id,
#include "bench/cases.def"
#undef CASE
    BENCH_CASES
};
extern const BenchCase bench_cases[BENCH_CASES];
// NULL when there is none.
const BenchCase *bench_case_by_id(const char *id);
// Is the case among the words of a command line? Without words: all that have
// peers without being asked for.
bool bench_wants(const BenchCase *bench, int argc, char **argv);

// A compiler for the case's phase of nets.net, on `threads` threads. Kernels
// are cached in the folder of bench_folder, so that a second run measures at
// once.
void bench_compiler(Compiler *compiler, Arena *arena, const BenchCase *bench,
                    int threads);

// Where results go: $BUILD/bench, or build/bench.
const char *bench_folder(Arena *arena);

// The net whose compiling is timed beside the cases'.
#define BENCH_LARGEST "r152x3sk"

// Removes a folder with all that is in it.
void bench_remove(const char *folder);

// Threads that measurements use: $BENCH_THREADS, or one for each core of this
// process.
int bench_cores(void);

double bench_seconds(void); // on a steady clock
// For work on one thread the processor time of this process, which other work
// on the machine disturbs little; else the steady clock.
double bench_work_seconds(int threads);

// Of the values, which it sorts; 0 of none.
double bench_median(double *values, int count);

// Uniform numbers in [-1, 1), the same in each run.
void bench_fill(float *data, int64_t count, uint64_t seed);

// Ends the program with a message when the status is a failure.
void bench_require(const Status *status);

#endif
