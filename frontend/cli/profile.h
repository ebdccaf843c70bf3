// What simcc profile measured, and the forms it is shown in.
#ifndef SIMCC_FRONTEND_CLI_PROFILE_H
#define SIMCC_FRONTEND_CLI_PROFILE_H

#include "frontend/cli/cli.h"
#include "runtime/exec/exec.h"

typedef struct Profile {
    Arena *arena;
    const Plan *plan;
    Pool *pool;
    CodeImage *image;
    Store store;
    Executor *executor;
    int rounds;         // that step times are the sums of
    double seconds;     // of one step as a whole, the clock unread
    double peak;        // multiplications and additions a second; 0 = unknown
    const double *step; // seconds of each step of the plan, all rounds
} Profile;

// A phase of the program on random input, ready to run; profile_close in any
// case. Runs its step some times and fills what is measured.
Status profile_open(Profile *profile, const Program *program, int phase,
                    int threads);
void profile_run(Profile *profile);
void profile_close(Profile *profile);

// Of each step, [step_count]: bytes of the slab whose content it makes, or that
// it or a later one reads.
void profile_live_bytes(const Plan *plan, Arena *arena, int64_t *live);

// A step of the plan on so many threads, foreseen: every task takes as long as
// the last round's did on average, and barriers and the memory that all share
// cost nothing more.
typedef struct ProfileThreads {
    int threads;
    double seconds; // of one step
    double idle;    // share of all threads' time in which they have no task
} ProfileThreads;

// Foreseen for these; 0 ends the list.
static const int profile_thread_counts[] = {8, 16, 64, 0};
ProfileThreads profile_threads(const Profile *profile, int threads);
void profile_print_threads(const Profile *profile);
void profile_json_threads(const Profile *profile, Text *text);

// A table of kernels and one of lines of the source, most time first.
void profile_print_table(const Profile *profile);
// The same with every row as one line of JSON.
void profile_print_json(const Profile *profile);
// The last step as Chrome's trace events: a row per thread, an event per
// kernel.
Status profile_write_trace(const Profile *profile, const char *path);

#endif
