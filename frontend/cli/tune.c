#include "frontend/cli/tune.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/cache.h"
#include "ir/conv.h"
#include "passes/pass.h"
#include "runtime/base/clock.h"
#include "runtime/base/philox.h"
#include "runtime/exec/exec.h"

// Part of the cache's key: to be raised when ways mean something else.
#define TUNE_VERSION "1"

enum { TURNS = 3, FINAL_ROUNDS = 4, MAX_RUNS = 50 };
// Runs of a turn take about so long.
static const double turn_seconds = 0.004;
// What another way must gain over the rule, beyond the clock's noise.
static const double worth = 0.97;

typedef struct TunedWay {
    const char *text;
    Plan plan;
    double seconds; // least of a run
} TunedWay;

typedef struct TunedConv {
    ConvGeometry conv;
    const char *shape, *key; // of ways; of the cache
    VEC(TunedWay) ways;      // the rule's first
    const char *best;        // NULL until it is known
} TunedConv;

typedef struct Tuning {
    const CodegenOptions *options;
    int threads;
    TuneStats *stats;
    Arena *arena;
    Codegen *codegen;
    VEC(TunedConv) convs;
    Program code; // objects alone
    CodeImage *image;
    Pool *pool;
} Tuning;

// ---- what there is to choose ------------------------------------------------

static bool is_known(const Tuning *tuning, const ConvGeometry *conv)
{
    for (int i = 0; i < tuning->convs.count; i++)
        if (conv_equal(&tuning->convs.at[i].conv, conv))
            return true;
    return false;
}

static const char *read_cache(const Tuning *tuning, const char *key)
{
    unsigned char *bytes;
    int64_t size;
    const char *folder = tuning->options->cache_dir;
    if (!cache_read(folder, key, &bytes, &size))
        return NULL;
    const char *way =
        arena_printf(tuning->arena, "%.*s", (int)size, (const char *)bytes);
    free(bytes);
    return way;
}

static void add_conv(Tuning *tuning, const Graph *graph, Value value)
{
    TunedConv tuned = {.conv = conv_geometry(graph, graph_node(graph, value))};
    if (is_known(tuning, &tuned.conv))
        return;
    const char *ways = codegen_conv_ways(tuning->codegen, graph, value,
                                         tuning->arena, &tuned.shape);
    tuned.key = arena_printf(
        tuning->arena, "tune %s\n%s\nthreads %d\n%s %s", TUNE_VERSION,
        codegen_target(tuning->codegen), tuning->threads,
        plan_sums_word((int32_t)tuning->options->sums), tuned.shape);
    while (*ways) {
        const char *end = strchr(ways, '\n');
        TunedWay way = {.text = arena_printf(tuning->arena, "%.*s",
                                             (int)(end - ways), ways)};
        vec_push(tuning->arena, &tuned.ways, way);
        ways = end + 1;
    }
    tuned.best = tuned.ways.count > 1 ? read_cache(tuning, tuned.key)
                                      : tuned.ways.at[0].text;
    vec_push(tuning->arena, &tuning->convs, tuned);
}

// ---- plans ------------------------------------------------------------------

// "" for a call, which no way makes.
static const char *symbol_of(const Plan *plan, const PlanStep *step)
{
    return step->symbol < 0 ? "" : plan->symbols[step->symbol];
}

// Whether the plans run the same kernels as often.
static bool does_the_same(const Plan *a, const Plan *b)
{
    if (a->step_count != b->step_count)
        return false;
    for (int i = 0; i < a->step_count; i++) {
        const PlanStep *x = &a->steps[i], *y = &b->steps[i];
        if (x->task_count != y->task_count || x->imm_count != y->imm_count ||
            memcmp(a->imms + x->first_imm, b->imms + y->first_imm,
                   (size_t)x->imm_count * sizeof *a->imms) != 0 ||
            strcmp(symbol_of(a, x), symbol_of(b, y)) != 0)
            return false;
    }
    return true;
}

// Drops the last way when it is an earlier one in other words.
static void drop_equal(TunedConv *conv)
{
    TunedWay *last = &conv->ways.at[conv->ways.count - 1];
    for (int i = 0; i < conv->ways.count - 1; i++)
        if (does_the_same(&conv->ways.at[i].plan, &last->plan)) {
            plan_free(&last->plan);
            conv->ways.count--;
            return;
        }
}

static void lower_ways(Tuning *tuning, TunedConv *conv)
{
    int count = conv->ways.count;
    conv->ways.count = 0;
    for (int i = 0; i < count; i++) {
        TunedWay way = conv->ways.at[i];
        Graph *graph = conv_graph(tuning->arena, &conv->conv, "tuned");
        passes_run(graph, &(PassOptions){.names = "schedule,fuse"});
        codegen_set_ways(
            tuning->codegen,
            arena_printf(tuning->arena, "%s: %s\n", conv->shape, way.text));
        codegen_lower(tuning->codegen, graph, &way.plan);
        conv->ways.at[conv->ways.count++] = way;
        drop_equal(conv);
    }
}

static Status compile_ways(Tuning *tuning)
{
    for (int i = 0; i < tuning->convs.count; i++)
        if (!tuning->convs.at[i].best)
            lower_ways(tuning, &tuning->convs.at[i]);
    codegen_compile(tuning->codegen, &tuning->code.objects,
                    &tuning->code.object_count);
    return code_load(&tuning->code, &tuning->image);
}

// ---- measuring --------------------------------------------------------------

static void fill(void *data, int64_t bytes, const char *name)
{
    RandomStream stream = random_stream(0, random_name(name), 0, 0, 0);
    for (int64_t i = 0; data && i < bytes / (int64_t)sizeof(float); i++)
        ((float *)data)[i] = (float)(2 * random_uniform(&stream) - 1);
}

typedef struct Trial {
    Store store;
    Executor *executor;
} Trial;

static Status trial_open(Trial *trial, const Tuning *tuning, const Plan *plan)
{
    *trial = (Trial){0};
    TRY(store_add_plan(&trial->store, plan));
    TRY(executor_new(plan, tuning->image, &trial->store, tuning->pool,
                     &trial->executor));
    StoreTensor *weights = store_find(&trial->store, "w");
    if (weights)
        fill(weights->data, weights->param.tensor.bytes, "w");
    for (int i = 0; i < plan->input_count; i++) {
        const PlanTensor *tensor = &plan->inputs[i].tensor;
        fill(executor_input(trial->executor, tensor->name), tensor->bytes,
             tensor->name);
    }
    executor_run(trial->executor); // pages and caches
    return status_ok();
}

static void trial_close(Trial *trial)
{
    executor_free(trial->executor);
    store_free(&trial->store);
}

// The least seconds a run takes, over some turns: other work on the machine
// only adds.
static double least_seconds(Trial *trial, int turns)
{
    double least = 0;
    int runs = 1;
    for (int turn = 0; turn < turns; turn++) {
        double start = clock_seconds();
        for (int i = 0; i < runs; i++)
            executor_run(trial->executor);
        double seconds = (clock_seconds() - start) / runs;
        least = turn == 0 || seconds < least ? seconds : least;
        double wanted = turn_seconds / (least > 1e-9 ? least : 1e-9);
        runs = wanted < 1 ? 1 : wanted > MAX_RUNS ? MAX_RUNS : (int)wanted;
    }
    return least;
}

static Status time_way(const Tuning *tuning, TunedWay *way)
{
    Trial trial;
    Status status = trial_open(&trial, tuning, &way->plan);
    if (status.code == STATUS_OK) {
        double seconds = least_seconds(&trial, TURNS);
        if (way->seconds == 0 || seconds < way->seconds)
            way->seconds = seconds;
    }
    trial_close(&trial);
    return status;
}

// All ways once, then the rule and the best by turns.
static Status measure_conv(const Tuning *tuning, TunedConv *conv)
{
    TunedWay *rule = &conv->ways.at[0], *best = rule;
    for (int i = 0; i < conv->ways.count; i++) {
        TRY(time_way(tuning, &conv->ways.at[i]));
        if (conv->ways.at[i].seconds < best->seconds)
            best = &conv->ways.at[i];
    }
    for (int round = 0; round < FINAL_ROUNDS && best != rule; round++) {
        TRY(time_way(tuning, rule));
        TRY(time_way(tuning, best));
    }
    if (best->seconds > worth * rule->seconds)
        best = rule;
    conv->best = best->text;
    cache_write(tuning->options->cache_dir, conv->key,
                (const unsigned char *)best->text, (int64_t)strlen(best->text));
    return status_ok();
}

static Status measure(Tuning *tuning)
{
    for (int i = 0; i < tuning->convs.count; i++) {
        TunedConv *conv = &tuning->convs.at[i];
        if (conv->best)
            continue;
        tuning->stats->measured++;
        TRY(measure_conv(tuning, conv));
    }
    return status_ok();
}

// ---- all of it --------------------------------------------------------------

static const char *write_ways(Tuning *tuning, Arena *arena)
{
    Text text = text_new(arena);
    for (int i = 0; i < tuning->convs.count; i++) {
        const TunedConv *conv = &tuning->convs.at[i];
        if (conv->best && strcmp(conv->best, "rule") != 0) {
            text_addf(&text, "%s: %s\n", conv->shape, conv->best);
            tuning->stats->changed++;
        }
    }
    tuning->stats->convs += tuning->convs.count;
    return text_string(&text);
}

static void tuning_free(Tuning *tuning)
{
    for (int i = 0; i < tuning->convs.count; i++)
        for (int w = 0; w < tuning->convs.at[i].ways.count; w++)
            plan_free(&tuning->convs.at[i].ways.at[w].plan);
    for (int i = 0; i < tuning->code.object_count; i++) {
        free(tuning->code.objects[i].symbol);
        free(tuning->code.objects[i].bytes);
    }
    free(tuning->code.objects);
    code_free(tuning->image);
    pool_free(tuning->pool);
    codegen_free(tuning->codegen);
    arena_free(tuning->arena);
}

Status tune_convs(const CodegenOptions *options, int threads,
                  const Graph *graph, Arena *arena, const char **ways,
                  TuneStats *stats)
{
    double start = clock_seconds();
    Tuning tuning = {.options = options,
                     .threads = threads,
                     .stats = stats,
                     .arena = arena_new()};
    Status status = status_ok();
    tuning.codegen = codegen_new(options);
    tuning.pool = pool_new(threads);
    if (!tuning.pool)
        status = status_error(STATUS_MEMORY, "cannot start threads");
    for (Value v = 0; v < graph->nodes.count; v++)
        if (conv_is(graph_node(graph, v)))
            add_conv(&tuning, graph, v);
    if (status.code == STATUS_OK)
        status = compile_ways(&tuning);
    if (status.code == STATUS_OK)
        status = measure(&tuning);
    *ways = write_ways(&tuning, arena);
    stats->seconds += clock_seconds() - start;
    tuning_free(&tuning);
    return status;
}

void tune_tell(const TuneStats *stats, const Cli *cli)
{
    if (stats->convs)
        cli_note(cli,
                 "tuned %d convolutions in %.1f s, %d of them measured now: "
                 "%d are computed otherwise than by the rule",
                 stats->convs, stats->seconds, stats->measured, stats->changed);
}
