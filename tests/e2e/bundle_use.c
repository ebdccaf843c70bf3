// Uses a library of `simcc bundle` in every way that it is made for:
//
//     bundle_use WHAT TARGET BATCH THREADS PICTURE...
//
// WHAT is rows: the outputs for all pictures, as floats on standard output;
// else a test that says what is wrong and ends with 1. Linked with --wrap, so
// that memory taken after the beginning is counted.
#include <fenv.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

// ---- memory -----------------------------------------------------------------

static _Atomic long allocations;

#define WRAP(name, parameters, ...)                                            \
    void *__real_##name parameters;                                            \
    void *__wrap_##name parameters;                                            \
    void *__wrap_##name parameters                                             \
    {                                                                          \
        allocations++;                                                         \
        return __real_##name(__VA_ARGS__);                                     \
    }
WRAP(malloc, (size_t size), size)
WRAP(calloc, (size_t count, size_t size), count, size)
WRAP(realloc, (void *at, size_t size), at, size)
WRAP(aligned_alloc, (size_t align, size_t size), align, size)
WRAP(mmap, (void *at, size_t size, int a, int b, int c, long d), at, size, a, b,
     c, d)

// ---- use --------------------------------------------------------------------

typedef struct Use {
    SimccOptions options;
    int count;
    char **paths;
    SimccPicture *pictures;
    float *rows; // [count, width]
    int width;
} Use;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static SimccNet *begin(const SimccOptions *options)
{
    SimccNet *net;
    char error[SIMCC_ERROR];
    if (simcc_init(&net_model, options, &net, error) != SIMCC_OK)
        fail(error);
    return net;
}

// Rows of all pictures, a batch at a time.
static void fill(SimccNet *net, const Use *use, float *rows)
{
    char error[SIMCC_ERROR];
    int batch = simcc_batch(net), width = simcc_width(net);
    for (int first = 0; first < use->count; first += batch) {
        int rest = use->count - first < batch ? use->count - first : batch;
        for (int i = 0; i < rest; i++)
            if (simcc_put(net, i, &use->pictures[first + i], error) != SIMCC_OK)
                fail(error);
        simcc_run(net);
        for (int i = 0; i < rest; i++)
            memcpy(rows + (size_t)(first + i) * (size_t)width,
                   simcc_output(net, i), (size_t)width * sizeof *rows);
    }
}

static size_t row_bytes(const Use *use)
{
    return (size_t)use->count * (size_t)use->width * sizeof *use->rows;
}

static float *again(SimccNet *net, const Use *use)
{
    float *rows = malloc(row_bytes(use));
    fill(net, use, rows);
    return rows;
}

static void expect_same(const Use *use, const float *rows, const char *what)
{
    if (memcmp(rows, use->rows, row_bytes(use)) != 0)
        fail(what);
}

// ---- tests ------------------------------------------------------------------

static void test_repeated(Use *use)
{
    SimccNet *net = begin(&use->options);
    float *rows = malloc(row_bytes(use));
    long before = allocations;
    for (int i = 0; i < 20; i++) {
        fill(net, use, rows);
        expect_same(use, rows, "a later run differs");
    }
    if (allocations != before)
        fail("memory is taken after simcc_init");
    free(rows);
    simcc_free(net);
}

// Pixels anywhere, and the caller's floating point state as it was.
static void test_unaligned(Use *use)
{
    SimccNet *net = begin(&use->options);
    SimccPicture *kept = use->pictures;
    use->pictures = malloc((size_t)use->count * sizeof *kept);
    for (int i = 0; i < use->count; i++) {
        size_t size = 3 * (size_t)kept[i].width * (size_t)kept[i].height;
        unsigned char *moved = malloc(size + 7);
        memcpy(moved + 7 - i % 7, kept[i].pixels, size);
        use->pictures[i] = kept[i];
        use->pictures[i].pixels = moved + 7 - i % 7;
    }
    fesetround(FE_UPWARD);
    fesetround(FE_TONEAREST);
    volatile float tiny = 1e-38f;
    fill(net, use, use->rows);
    if (tiny / 16 == 0)
        fail("denormals are zero in the caller's thread afterwards");
    float *rows = again(net, use);
    expect_same(use, rows, "unaligned pixels differ");
    use->pictures = kept;
    fill(net, use, rows);
    expect_same(use, rows, "aligned pixels differ from unaligned ones");
    simcc_free(net);
}

static void *one_of_many(void *argument)
{
    const Use *use = argument;
    SimccNet *net = begin(&use->options);
    for (int i = 0; i < 10; i++) {
        float *rows = again(net, use);
        expect_same(use, rows, "instances disturb one another");
        free(rows);
    }
    simcc_free(net);
    return NULL;
}

static void test_concurrent(Use *use)
{
    enum { INSTANCES = 3 };
    pthread_t threads[INSTANCES];
    for (int i = 0; i < INSTANCES; i++)
        if (pthread_create(&threads[i], NULL, one_of_many, use) != 0)
            fail("no thread");
    for (int i = 0; i < INSTANCES; i++)
        pthread_join(threads[i], NULL);
}

typedef struct Started {
    pthread_t id;
    void (*body)(void *argument);
    void *argument;
} Started;

static void *run_started(void *argument)
{
    Started *started = argument;
    started->body(started->argument);
    return NULL;
}

static void *start_thread(void *context, void (*body)(void *), void *argument)
{
    Started *started = malloc(sizeof *started);
    *started = (Started){.body = body, .argument = argument};
    ++*(int *)context;
    return pthread_create(&started->id, NULL, run_started, started) == 0
               ? started
               : NULL;
}

static void join_thread(void *context, void *thread)
{
    Started *started = thread;
    pthread_join(started->id, NULL);
    free(started);
    --*(int *)context;
}

static void test_own_threads(Use *use)
{
    int running = 0;
    SimccThreads own = {&running, start_thread, join_thread};
    SimccOptions options = use->options;
    options.start = &own;
    options.threads = 3;
    SimccNet *net = begin(&options);
    if (running != 2)
        fail("3 threads are the caller's and two more");
    float *rows = again(net, use);
    expect_same(use, rows, "the caller's threads differ");
    free(rows);
    simcc_free(net);
    if (running != 0)
        fail("not all threads are joined");
}

static void refuse(const SimccOptions *options, int code, const char *what)
{
    SimccNet *net = (SimccNet *)what;
    char error[SIMCC_ERROR] = "";
    if (simcc_init(&net_model, options, &net, error) != code || net ||
        !strstr(error, what)) {
        fprintf(stderr, "instead of '%s': %s\n", what, error);
        exit(1);
    }
}

static void test_errors(Use *use)
{
    SimccOptions options = {.batch = 77};
    refuse(&options, SIMCC_USAGE, "not made for this target or batch");
    options = (SimccOptions){.target = "pentium"};
    refuse(&options, SIMCC_USAGE, "not made for this target or batch");
    options = (SimccOptions){.threads = -1};
    refuse(&options, SIMCC_USAGE, "out of range");
    char error[SIMCC_ERROR];
    options = use->options;
    options.side = 8;
    SimccNet *net = begin(&options);
    if (simcc_put(net, 0, &use->pictures[0], error) != SIMCC_DATA ||
        !strstr(error, "1 to 8 a side"))
        fail("a picture that is too large is taken");
    SimccPicture grey = {.width = 4, .height = 4, .channels = 1};
    if (simcc_put(net, 0, &grey, error) != SIMCC_DATA)
        fail("one channel is taken for three");
    if (simcc_put(net, simcc_batch(net), &use->pictures[0], NULL) !=
        SIMCC_USAGE)
        fail("a row behind the batch is taken");
    simcc_free(net);
    simcc_free(NULL);
    SimccPicture none;
    if (simcc_read(&net_model, "/nowhere.png", &none, error) == SIMCC_OK ||
        none.pixels)
        fail("a missing file is read");
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    Use use = {.count = argc - 5, .paths = argv + 5};
    char error[SIMCC_ERROR];
    const char *what = argv[1];
    use.options = (SimccOptions){.target = *argv[2] ? argv[2] : NULL,
                                 .batch = atoi(argv[3]),
                                 .threads = atoi(argv[4]),
                                 .weights = net_WEIGHTS};
    use.pictures = calloc((size_t)use.count, sizeof *use.pictures);
    for (int i = 0; i < use.count; i++)
        if (simcc_read(&net_model, use.paths[i], &use.pictures[i], error) !=
            SIMCC_OK)
            fail(error);
    SimccNet *net = begin(&use.options);
    use.width = simcc_width(net);
    use.rows = again(net, &use);
    if (strcmp(what, "target") == 0)
        printf("%s\n", simcc_target(net));
    if (simcc_bytes(net) <= 0 || !simcc_input(net))
        fail("no memory");
    simcc_free(net);
    if (strcmp(what, "rows") == 0)
        fwrite(use.rows, 1, row_bytes(&use), stdout);
    else if (strcmp(what, "repeated") == 0)
        test_repeated(&use);
    else if (strcmp(what, "unaligned") == 0)
        test_unaligned(&use);
    else if (strcmp(what, "concurrent") == 0)
        test_concurrent(&use);
    else if (strcmp(what, "threads") == 0)
        test_own_threads(&use);
    else if (strcmp(what, "errors") == 0)
        test_errors(&use);
    for (int i = 0; i < use.count; i++)
        simcc_drop(&use.pictures[i]);
    free(use.pictures);
    free(use.rows);
    return 0;
}
