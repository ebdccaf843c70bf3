// Runtime functions of abi.def, one task each:
//
// SUM_START   args x: begins to make x the sum of all ranks' x
// SUM_FINISH  args x: waits until that is done
#include "runtime/exec/sums.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/exec/ranks.h"

typedef struct Begun {
    void *data;
    int64_t elements;
    bool single;
    int64_t place; // in the order of all since sums_open, from 1
} Begun;

static struct {
    SumsNeed need;
    void *rows;         // what comes from others
    Begun *begun;       // by number in the plan
    SumSpan *spans;     // likewise
    int *numbers;       // of those begun and not made: a ring
    int64_t last, made; // places of the last that was begun, and made
    bool threaded, stop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
} sums = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

static double worked(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// In pieces.
static void make_sum(const Begun *begun, int number)
{
    double start = clock_seconds(), before = worked();
    int64_t width = begun->single ? 4 : 8, most = SUM_PIECE / width;
    for (int64_t done = 0; done < begun->elements; done += most) {
        int64_t left = begun->elements - done;
        char *piece = (char *)begun->data + done * width;
        call_sum(begun->single, piece, piece, left < most ? left : most,
                 sums.rows);
    }
    sums.spans[number] =
        (SumSpan){start, clock_seconds() - start, worked() - before};
}

static void *make_sums(void *unused)
{
    (void)unused;
    ranks_work_behind();
    pthread_mutex_lock(&sums.lock);
    for (;;) {
        while (!sums.stop && sums.made == sums.last)
            pthread_cond_wait(&sums.work, &sums.lock);
        if (sums.made == sums.last)
            break;
        int number = sums.numbers[sums.made % sums.need.count];
        Begun next = sums.begun[number];
        pthread_mutex_unlock(&sums.lock);
        make_sum(&next, number);
        pthread_mutex_lock(&sums.lock);
        sums.made++;
        pthread_cond_broadcast(&sums.done);
    }
    pthread_mutex_unlock(&sums.lock);
    return NULL;
}

Status sums_open(SumsNeed need)
{
    if (!need.count)
        return status_ok();
    sums.need = need;
    sums.last = sums.made = 0;
    sums.stop = false;
    sums.rows = malloc((size_t)need.room + 1);
    sums.begun = calloc((size_t)need.count, sizeof *sums.begun);
    sums.numbers = calloc((size_t)need.count, sizeof *sums.numbers);
    sums.spans = calloc((size_t)need.count, sizeof *sums.spans);
    if (!sums.rows || !sums.begun || !sums.numbers || !sums.spans)
        return status_error(STATUS_MEMORY,
                            "no memory for %.1f MiB of other processes' "
                            "gradients",
                            (double)need.room / (1 << 20));
    if (!ranks_can_work_behind())
        return status_ok();
    if (pthread_create(&sums.thread, NULL, make_sums, NULL) != 0)
        return status_error(STATUS_FAILED,
                            "cannot start a thread for sums of gradients");
    sums.threaded = true;
    return status_ok();
}

void sums_close(void)
{
    if (!sums.need.count)
        return;
    pthread_mutex_lock(&sums.lock);
    sums.stop = true;
    pthread_cond_signal(&sums.work);
    pthread_mutex_unlock(&sums.lock);
    if (sums.threaded)
        pthread_join(sums.thread, NULL);
    free(sums.rows);
    free(sums.begun);
    free(sums.numbers);
    free(sums.spans);
    sums.rows = NULL;
    sums.spans = NULL;
    sums.begun = NULL;
    sums.numbers = NULL;
    sums.need = (SumsNeed){0};
    sums.threaded = false;
}

SumSpan sums_span(int number)
{
    return sums.spans[number];
}

static void start(bool single, void *data, const int64_t *imm)
{
    CallSumStart in;
    memcpy(&in, imm, sizeof in);
    if (!sums.threaded) {
        make_sum(&(Begun){data, in.count, single, 0}, (int)in.number);
        return;
    }
    pthread_mutex_lock(&sums.lock);
    sums.numbers[sums.last % sums.need.count] = (int)in.number;
    sums.begun[in.number] = (Begun){data, in.count, single, ++sums.last};
    pthread_cond_signal(&sums.work);
    pthread_mutex_unlock(&sums.lock);
}

void call_sum_start_f32(void *const *args, const int64_t *imm, int64_t task,
                        void *scratch)
{
    (void)task, (void)scratch;
    start(true, args[0], imm);
}

void call_sum_start_f64(void *const *args, const int64_t *imm, int64_t task,
                        void *scratch)
{
    (void)task, (void)scratch;
    start(false, args[0], imm);
}

void call_sum_finish(void *const *args, const int64_t *imm, int64_t task,
                     void *scratch)
{
    (void)args, (void)task, (void)scratch;
    CallSumFinish in;
    memcpy(&in, imm, sizeof in);
    if (!sums.threaded)
        return;
    pthread_mutex_lock(&sums.lock);
    while (sums.made < sums.begun[in.number].place)
        pthread_cond_wait(&sums.done, &sums.lock);
    pthread_mutex_unlock(&sums.lock);
}
