// One peer of steps.c: simcc itself. Compiles the training step of a case and
// waits; speaks the protocol of steps.c on standard input and output.
//   step CASE THREADS f32|bf16|one
// `one` takes steps in f32 on one thread, whatever THREADS says.
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/bench.h"
#include "runtime/exec/calls.h"
#include "runtime/exec/exec.h"

typedef struct Step {
    const Plan *plan;
    Pool *pool;
    CodeImage *image;
    Store store;
    Executor *executor;
} Step;

// Images are noise, labels class numbers. The counters stand near the start of
// a long training, so that the rate is not zero.
static void fill_inputs(Step *step)
{
    for (int i = 0; i < step->plan->input_count; i++) {
        const PlanTensor *tensor = &step->plan->inputs[i].tensor;
        float *data = executor_input(step->executor, tensor->name);
        int64_t count = tensor->bytes / plan_dtype_bytes(tensor->dtype);
        bool total = strcmp(tensor->name, "total_steps") == 0;
        if (strcmp(tensor->name, "images") == 0)
            bench_fill(data, count, 1);
        else
            for (int64_t k = 0; k < count; k++)
                data[k] = total ? 1000 : (float)(k % 10);
    }
}

static void open_step(Step *step, const Program *program,
                      const BenchCase *bench, int threads)
{
    for (int i = 0; i < program->phase_count; i++)
        if (strcmp(program->phases[i].name, bench->phase) == 0)
            step->plan = &program->phases[i].train;
    step->pool = pool_new(threads);
    Status status = step->pool ? code_load(program, &step->image)
                               : status_error(STATUS_MEMORY, "no threads");
    bench_require(&status);
    status = store_add_plan(&step->store, step->plan);
    bench_require(&status);
    store_initialize(&step->store, 0);
    status = executor_new(step->plan, step->image, &step->store, step->pool,
                          &step->executor);
    bench_require(&status);
    fill_inputs(step);
}

static Program *compile(Arena *arena, const BenchCase *bench, int threads,
                        bool bf16)
{
    Compiler compiler;
    Program *program = NULL;
    bench_compiler(&compiler, arena, bench, threads);
    if (bf16)
        compiler.lang.precision = "bf16";
    Status status = compiler_run(&compiler, &program);
    diag_print(&compiler.diags, stderr, false);
    bench_require(&status);
    return program;
}

static void serve(Step *step)
{
    char line[32];
    int threads = pool_threads(step->pool);
    puts("ready 0");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        for (long left = strtol(line, NULL, 10); left > 0; left--) {
            double start = bench_work_seconds(threads);
            executor_run(step->executor);
            printf("%.4f ", 1e3 * (bench_work_seconds(threads) - start));
        }
        puts("");
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    calls_restart_for_blas(argv);
    const BenchCase *bench = argc == 4 ? bench_case_by_id(argv[1]) : NULL;
    int threads = argc == 4 ? (int)strtol(argv[2], NULL, 10) : 0;
    if (!bench || threads < 1) {
        fprintf(stderr, "usage: step CASE THREADS f32|bf16|one\n");
        return STATUS_USAGE;
    }
    if (strcmp(argv[3], "one") == 0)
        threads = 1;
    Step step = {0};
    Arena *arena = arena_new();
    Program *program =
        compile(arena, bench, threads, strcmp(argv[3], "bf16") == 0);
    arena_free(arena);
    open_step(&step, program, bench, threads);
    serve(&step);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%ld %lld %.9g\n", usage.ru_maxrss,
           (long long)(executor_bytes(step.executor) >> 10),
           (double)*(const float *)executor_output(step.executor, "loss"));
    executor_free(step.executor);
    store_free(&step.store);
    code_free(step.image);
    pool_free(step.pool);
    program_free(program);
    return 0;
}
