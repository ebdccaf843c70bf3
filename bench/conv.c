// Times every distinct convolution of the cases' training steps, as simcc's
// plan has it, against oneDNN in the same process, taking turns.
//   conv  ->  lines "conv SHAPE DIRECTION THREADS GFLOP SIMCC_MS WEIGHTS_MS
//             DIRECT_MS LAST_MS WINOGRAD_MS DIRECT_MOVE_MS LAST_MOVE_MS
//             WINOGRAD_MOVE_MS DIFFERENCE USES..."
// WEIGHTS_MS is the part of SIMCC_MS that transposes or transforms weights
// before, or adds up their gradients after, the kernel itself. oneDNN's weights
// are packed beforehand; MOVE_MS is what that takes in a training step. Times
// that there are not are 0. USES: a number for each case.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/conv_list.h"
#include "bench/onednn.h"
#include "passes/pass.h"
#include "runtime/exec/exec.h"

enum {
    ROUNDS = 15,
    MAX_RUNS = 20,
    PROFILE_RUNS = 3,
    SETTLE_MICROSECONDS = 1500, // until the other library's threads sleep
};
// Runs of a turn take about so long.
static const double turn_seconds = 0.005;
// A turn begins with runs for so long that do not count: threads that slept
// wake on one core, and it takes the kernel a while to part them.
static const double warm_seconds = 0.008;
// A layout so much slower than the other in the first turn is not raced.
static const double hopeless = 1.3;

// ---- simcc's side -----------------------------------------------------------

typedef struct ConvBench {
    Arena *arena;
    BenchConvList list;
    Plan *plans; // one for each convolution
    Program program;
    CodeImage *image;
} ConvBench;

// BENCH_CONVS: a part of the shapes wanted, as "3x3 512>512"; all when not set.
static bool is_wanted(const ConvBench *bench, const ConvGeometry *conv)
{
    const char *part = getenv("BENCH_CONVS");
    return !part || strstr(conv_shape_text(bench->arena, conv), part);
}

static void compile_wanted(ConvBench *bench)
{
    Compiler compiler;
    bench->list = conv_list(bench->arena);
    bench->plans = ARENA_ARRAY(bench->arena, Plan, bench->list.count);
    bench_compiler(&compiler, bench->arena, &bench_cases[0], 0);
    Codegen *codegen = codegen_new(&compiler.codegen);
    for (int i = 0; i < bench->list.count; i++) {
        if (!is_wanted(bench, &bench->list.at[i].conv))
            continue;
        const char *name = arena_printf(bench->arena, "conv%d", i);
        Graph *graph = conv_graph(bench->arena, &bench->list.at[i].conv, name);
        passes_run(graph, &(PassOptions){.names = "schedule,fuse"});
        codegen_lower(codegen, graph, &bench->plans[i]);
    }
    codegen_compile(codegen, &bench->program.objects,
                    &bench->program.object_count);
    codegen_free(codegen);
    Status status = code_load(&bench->program, &bench->image);
    bench_require(&status);
}

typedef struct SimccConv {
    const Plan *plan;
    Store store;
    Executor *executor;
} SimccConv;

static void open_conv(SimccConv *conv, const ConvBench *bench, int index,
                      Pool *pool)
{
    *conv = (SimccConv){.plan = &bench->plans[index]};
    Status status = store_add_plan(&conv->store, conv->plan);
    bench_require(&status);
    status = executor_new(conv->plan, bench->image, &conv->store, pool,
                          &conv->executor);
    bench_require(&status);
}

static void close_conv(SimccConv *conv)
{
    executor_free(conv->executor);
    store_free(&conv->store);
}

// Fills an input or param that the plan has; NULL for others.
static const float *fill_tensor(SimccConv *conv, const char *name)
{
    StoreTensor *param = store_find(&conv->store, name);
    float *data = param ? param->data : executor_input(conv->executor, name);
    int64_t bytes = param ? param->param.tensor.bytes : 0;
    for (int i = 0; i < conv->plan->input_count; i++)
        if (strcmp(conv->plan->inputs[i].tensor.name, name) == 0)
            bytes = conv->plan->inputs[i].tensor.bytes;
    if (data)
        bench_fill(data, bytes / (int64_t)sizeof(float), (uint64_t)name[0]);
    return data;
}

static void fill_tensors(SimccConv *conv, const float *data[2])
{
    static const char *const names[] = {"x", "w", "dy"};
    int count = 0;
    for (int i = 0; i < 3; i++) {
        const float *tensor = fill_tensor(conv, names[i]);
        if (tensor && count < 2)
            data[count++] = tensor;
    }
}

// Least seconds of a run that go to weights before or after the kernel, by the
// labels that lowering gives those steps.
static double weights_seconds(SimccConv *conv)
{
    static const char ending[] = ": weights";
    double least = 0, before = 0;
    executor_set_timing(conv->executor, true);
    for (int i = 0; i < PROFILE_RUNS; i++) {
        double seconds = 0;
        executor_run(conv->executor);
        const double *steps = executor_step_seconds(conv->executor);
        for (int s = 0; s < conv->plan->step_count; s++) {
            const char *label = conv->plan->steps[s].label;
            size_t length = strlen(label), size = sizeof ending - 1;
            if (length >= size && strcmp(label + length - size, ending) == 0)
                seconds += steps[s];
        }
        if (i == 0 || seconds - before < least)
            least = seconds - before;
        before = seconds;
    }
    return least;
}

// ---- turns ------------------------------------------------------------------

enum { SIMCC = ONEDNN_KINDS, SIDES };

typedef struct Race {
    SimccConv simcc;
    OneDnnConv *peers[ONEDNN_KINDS];
    int threads, runs[SIDES];
    double seconds[SIDES][ROUNDS];
} Race;

static void run_side(Race *race, int side)
{
    if (side == SIMCC)
        executor_run(race->simcc.executor);
    else
        onednn_run(race->peers[side]);
}

// Seconds of a run.
static double take_turn(Race *race, int side, int runs)
{
    usleep(SETTLE_MICROSECONDS);
    double warm = bench_seconds() + warm_seconds;
    do
        run_side(race, side);
    while (bench_seconds() < warm);
    double start = bench_work_seconds(race->threads);
    for (int i = 0; i < runs; i++)
        run_side(race, side);
    return (bench_work_seconds(race->threads) - start) / runs;
}

static bool races(const Race *race, int side)
{
    return side == SIMCC || race->peers[side];
}

static void drop_peer(Race *race, int kind)
{
    onednn_free(race->peers[kind]);
    race->peers[kind] = NULL;
}

// The first turn: how many runs a turn has, and who stays in the race.
static void start_race(Race *race)
{
    double once[SIDES] = {0};
    for (int side = 0; side < SIDES; side++) {
        if (!races(race, side))
            continue;
        once[side] = take_turn(race, side, 1);
        double runs = turn_seconds / once[side];
        race->runs[side] =
            runs < 1 ? 1 : (runs > MAX_RUNS ? MAX_RUNS : (int)runs);
    }
    if (!race->peers[ONEDNN_BLOCKED] || !race->peers[ONEDNN_CHANNELS_LAST])
        return;
    double blocked = once[ONEDNN_BLOCKED], last = once[ONEDNN_CHANNELS_LAST];
    if (last > hopeless * blocked)
        drop_peer(race, ONEDNN_CHANNELS_LAST);
    else if (blocked > hopeless * last)
        drop_peer(race, ONEDNN_BLOCKED);
}

static void run_race(Race *race)
{
    start_race(race);
    for (int round = 0; round < ROUNDS; round++)
        for (int side = 0; side < SIDES; side++)
            if (races(race, side))
                race->seconds[side][round] =
                    take_turn(race, side, race->runs[side]);
}

static double median_ms(Race *race, int side)
{
    return races(race, side) ? 1e3 * bench_median(race->seconds[side], ROUNDS)
                             : 0;
}

// Least milliseconds for what oneDNN's kernel needs of weights, or makes.
static double move_ms(const Race *race, OneDnnKind kind)
{
    double least = 0;
    for (int i = 0; race->peers[kind] && i < PROFILE_RUNS; i++) {
        double start = bench_work_seconds(race->threads);
        if (!onednn_move_weights(race->peers[kind]))
            return 0;
        double seconds = bench_work_seconds(race->threads) - start;
        if (i == 0 || seconds < least)
            least = seconds;
    }
    return 1e3 * least;
}

// ---- all of it --------------------------------------------------------------

static double largest_difference(Race *race)
{
    const float *result = executor_output(race->simcc.executor, "out");
    double largest = 0;
    for (int kind = 0; kind < ONEDNN_KINDS; kind++) {
        double difference = race->peers[kind]
                                ? onednn_difference(race->peers[kind], result)
                                : 0;
        if (!(difference <= largest)) // NaN stays
            largest = difference;
    }
    return largest;
}

static void time_conv(ConvBench *bench, int index, Pool *pool)
{
    const ConvGeometry *conv = &bench->list.at[index].conv;
    int threads = pool_threads(pool);
    const float *data[2] = {NULL, NULL};
    Race race = {.threads = threads};
    open_conv(&race.simcc, bench, index, pool);
    fill_tensors(&race.simcc, data);
    for (int kind = 0; kind < ONEDNN_KINDS; kind++)
        race.peers[kind] = onednn_new(conv, kind, threads, data);
    run_race(&race);
    double difference = largest_difference(&race);
    printf("conv\t%s\t%s\t%d\t%.5f\t%.5f\t%.5f\t%.5f\t%.5f\t%.5f",
           conv_shape_text(bench->arena, conv), conv_direction(conv), threads,
           conv_gflop(conv), median_ms(&race, SIMCC),
           1e3 * weights_seconds(&race.simcc), median_ms(&race, ONEDNN_BLOCKED),
           median_ms(&race, ONEDNN_CHANNELS_LAST),
           median_ms(&race, ONEDNN_WINOGRAD));
    for (int kind = 0; kind < ONEDNN_KINDS; kind++)
        printf("\t%.5f", move_ms(&race, (OneDnnKind)kind));
    printf("\t%.2e", difference);
    for (int i = 0; i < BENCH_CASES; i++)
        printf("\t%d", bench->list.at[index].uses[i]);
    puts("");
    for (int kind = 0; kind < ONEDNN_KINDS; kind++)
        onednn_free(race.peers[kind]);
    close_conv(&race.simcc);
}

static void time_all(ConvBench *bench, int threads)
{
    Pool *pool = pool_new(threads);
    if (!pool)
        exit(STATUS_MEMORY);
    for (int i = 0; i < bench->list.count; i++)
        if (is_wanted(bench, &bench->list.at[i].conv))
            time_conv(bench, i, pool);
    fflush(stdout);
    pool_free(pool);
}

// oneDNN's threads, asleep between runs: by default they spin for a while after
// each, on the cores that simcc's want. The library reads this when it is
// loaded, so the program begins again.
static void let_threads_sleep(char **argv)
{
    if (getenv("OMP_WAIT_POLICY"))
        return;
    setenv("OMP_WAIT_POLICY", "passive", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    (void)argc;
    let_threads_sleep(argv);
    ConvBench bench = {.arena = arena_new()};
    fprintf(stderr, "bench: compiling single convolutions\n");
    compile_wanted(&bench);
    int cores = bench_cores();
    fprintf(stderr, "bench: %d convolutions against oneDNN %s\n",
            bench.list.count, onednn_version() ? onednn_version() : "(none)");
    printf("onednn\t%s\n", onednn_version() ? onednn_version() : "-");
    if (cores == 1 || !getenv("BENCH_THREADS"))
        time_all(&bench, 1);
    if (cores > 1)
        time_all(&bench, cores);
    for (int i = 0; i < bench.list.count; i++)
        if (is_wanted(&bench, &bench.list.at[i].conv))
            plan_free(&bench.plans[i]);
    for (int i = 0; i < bench.program.object_count; i++) {
        free(bench.program.objects[i].symbol);
        free(bench.program.objects[i].bytes);
    }
    free(bench.program.objects);
    code_free(bench.image);
    arena_free(bench.arena);
    return 0;
}
