#include "tests/compiled.h"

#include <stdlib.h>

#include "tests/emulate_bf16.h"
#include "tests/harness.h"

void must(Status status)
{
    if (status.code != STATUS_OK) {
        test_fail(__FILE__, __LINE__, "%s", status.text);
        exit(1);
    }
}

// What "native" means to the tests: the suite also runs with the code of older
// processors.
static const char *test_cpu(const char *cpu)
{
    const char *other = getenv("SIMCC_TEST_TARGET");
    return other && strcmp(cpu, "native") == 0 ? other : cpu;
}

static Compiled compile(Arena *arena, const Graph *graph, const char *cpu,
                        CodegenOptions options, const char *ways)
{
    options.cpu = test_cpu(cpu);
    options.threads = 1;
    Compiled compiled = {.graph = graph, .codegen = codegen_new(&options)};
    compiled.program = calloc(1, sizeof *compiled.program);
    codegen_set_ways(compiled.codegen, ways);
    codegen_lower(compiled.codegen, graph, &compiled.plan);
    const char *wrong = codegen_verify_plan(&compiled.plan, arena);
    if (wrong)
        must(status_error(STATUS_FAILED, "%s", wrong));
    codegen_compile(compiled.codegen, &compiled.program->objects,
                    &compiled.program->object_count);
    for (int i = 0; emulate_marks() && i < compiled.program->object_count; i++)
        emulate_mark(compiled.program->objects[i].bytes,
                     (size_t)compiled.program->objects[i].size);
    compiled.program->needs = codegen_needs(compiled.codegen);
    compiled.program->target = strdup(codegen_target(compiled.codegen));
    must(code_load(compiled.program, &compiled.image));
    return compiled;
}

Compiled compiled_new(Arena *arena, const Graph *graph, const char *cpu)
{
    return compile(arena, graph, cpu, (CodegenOptions){0}, NULL);
}

Compiled compiled_by_ways(Arena *arena, const Graph *graph, const char *cpu,
                          const char *ways)
{
    return compile(arena, graph, cpu, (CodegenOptions){0}, ways);
}

Compiled compiled_by_sums(Arena *arena, const Graph *graph, const char *cpu,
                          PlanSums sums)
{
    return compile(arena, graph, cpu, (CodegenOptions){.sums = sums}, NULL);
}

Compiled compiled_in_bf16(Arena *arena, const Graph *graph, const char *cpu,
                          ConvBf16 products, const char *ways)
{
    return compile(
        arena, graph, cpu,
        (CodegenOptions){.sums = PLAN_SUMS_PLAIN, .bf16_products = products},
        ways);
}

Compiled compiled_for_inference(Arena *arena, const Graph *graph,
                                const char *cpu)
{
    return compile(arena, graph, cpu, (CodegenOptions){.inference = true},
                   NULL);
}

Compiled compiled_waiting(Arena *arena, const Graph *graph, const char *cpu)
{
    return compile(arena, graph, cpu, (CodegenOptions){.sums_wait = true},
                   NULL);
}

void compiled_free(Compiled *compiled)
{
    code_free(compiled->image);
    program_free(compiled->program);
    plan_free(&compiled->plan);
    codegen_free(compiled->codegen);
}
