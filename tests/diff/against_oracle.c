#include "tests/diff/against_oracle.h"

#include "ir/eval.h"
#include "tests/diff/generator.h"
#include "tests/harness.h"
#include "tests/passes.h"

// ---- running ----------------------------------------------------------------

Run run_new(Arena *arena, const Graph *graph, const char *cpu)
{
    Run run = {.arena = arena, .graph = graph};
    run.compiled = compiled_new(arena, graph, cpu);
    return run;
}

void run_free(Run *run)
{
    store_free(&run->store);
    compiled_free(&run->compiled);
}

static void to_memory(const TensorType *type, const double *from, void *to)
{
    for (int64_t i = 0; i < type_elements(type); i++)
        switch (type->dtype) {
        case DT_F32:
            ((float *)to)[i] = (float)from[i];
            break;
        case DT_F64:
            ((double *)to)[i] = from[i];
            break;
        case DT_BF16: {
            float value = (float)from[i]; // exact in the tests' data
            uint32_t bits;
            memcpy(&bits, &value, sizeof bits);
            ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
            break;
        }
        default:
            ((uint8_t *)to)[i] = from[i] != 0;
        }
}

static double from_memory(DType dtype, const void *from, int64_t i)
{
    uint32_t bits;
    float value;
    switch (dtype) {
    case DT_F32:
        return ((const float *)from)[i];
    case DT_F64:
        return ((const double *)from)[i];
    case DT_BF16:
        bits = (uint32_t)((const uint16_t *)from)[i] << 16;
        memcpy(&value, &bits, sizeof value);
        return value;
    default:
        return ((const uint8_t *)from)[i];
    }
}

Executor *run_once(Run *run, Pool *pool, int count, const EvalBinding *bindings)
{
    Executor *executor;
    store_free(&run->store);
    run->store = (Store){0};
    must(store_add_plan(&run->store, &run->compiled.plan));
    must(executor_new(&run->compiled.plan, run->compiled.image, &run->store,
                      pool, &executor));
    for (int i = 0; i < count; i++) {
        const Node *node = graph_node(run->graph, bindings[i].value);
        const char *name = node->attrs[0].text;
        void *to = node->op == OP_INPUT ? executor_input(executor, name)
                                        : store_find(&run->store, name)->data;
        to_memory(&node->type, bindings[i].data, to);
    }
    executor_run(executor);
    return executor;
}

// ---- comparing --------------------------------------------------------------

static double tolerance_of(DType dtype)
{
    return dtype == DT_F64 ? 1e-10 : dtype == DT_BF16 ? 1e-2 : 1e-4;
}

static void compare(const char *what, const char *name, const TensorType *type,
                    const void *got, const double *want, double looser)
{
    double scale = 1e-3, tolerance = tolerance_of(type->dtype) * looser;
    for (int64_t i = 0; i < type_elements(type); i++)
        if (isfinite(want[i]))
            scale = fmax(scale, fabs(want[i]));
    for (int64_t i = 0; i < type_elements(type); i++) {
        double x = from_memory(type->dtype, got, i);
        bool same = x == want[i] || (isnan(x) && isnan(want[i])) ||
                    fabs(x - want[i]) <= tolerance * scale;
        if (!same) {
            test_fail(__FILE__, __LINE__, "%s: %s[%lld] is %.9g, not %.9g",
                      what, name, (long long)i, x, want[i]);
            return;
        }
    }
}

static void compare_all(const char *what, Run *run, Executor *executor,
                        double **want, double looser)
{
    const Graph *graph = run->graph;
    for (int i = 0; i < graph->outputs.count; i++) {
        const Output *output = &graph->outputs.at[i];
        compare(what, output->name, graph_type(graph, output->value),
                executor_output(executor, output->name), want[output->value],
                looser);
    }
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op != OP_ASSIGN)
            continue;
        const char *name = graph_node(graph, node->inputs[0])->attrs[0].text;
        compare(what, name, &node->type, store_find(&run->store, name)->data,
                want[v], looser);
    }
}

static uint64_t result_hash(const Run *run, const Executor *executor)
{
    uint64_t hash = TEXT_HASH_SEED;
    for (int i = 0; i < run->compiled.plan.output_count; i++) {
        const PlanTensor *tensor = &run->compiled.plan.outputs[i].tensor;
        hash = text_hash(hash, executor_output(executor, tensor->name),
                         (size_t)tensor->bytes);
    }
    for (int i = 0; i < run->store.count; i++)
        hash = text_hash(hash, run->store.tensors[i].data,
                         (size_t)run->store.tensors[i].param.tensor.bytes);
    return hash;
}

void check_graph_seed(const char *what, Arena *arena, const Graph *graph,
                      uint64_t seed, const char *cpu)
{
    check_graph_loosely(what, arena, graph, seed, cpu, 1);
}

void check_graph_loosely(const char *what, Arena *arena, const Graph *graph,
                         uint64_t seed, const char *cpu, double looser)
{
    int count;
    EvalBinding *bindings = generate_bindings(graph, arena, seed, &count);
    double **want = eval_graph(graph, arena, count, bindings);
    Run run = run_new(arena, graph, cpu);
    uint64_t hashes[2];
    for (int threads = 1; threads <= 2; threads++) {
        Pool *pool = pool_new(threads);
        Executor *executor = run_once(&run, pool, count, bindings);
        if (threads == 1)
            compare_all(what, &run, executor, want, looser);
        hashes[threads - 1] = result_hash(&run, executor);
        executor_free(executor);
        pool_free(pool);
    }
    if (hashes[0] != hashes[1])
        test_fail(__FILE__, __LINE__, "%s: two threads give other bits", what);
    run_free(&run);
}

void check_graph(const char *what, Graph *graph)
{
    check_graph_seed(what, graph->arena, graph, 1, "native");
    run_passes(graph, NULL, false);
    check_graph_seed(arena_printf(graph->arena, "%s, passes", what),
                     graph->arena, graph, 1, "native");
    arena_free(graph->arena);
}
