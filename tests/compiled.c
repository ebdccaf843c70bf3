#include "tests/compiled.h"

#include <stdlib.h>

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

static Compiled compile(Arena *arena, const Graph *graph,
                        const CodegenOptions *options, const char *ways)
{
    Compiled compiled = {.graph = graph, .codegen = codegen_new(options)};
    compiled.program = calloc(1, sizeof *compiled.program);
    codegen_set_ways(compiled.codegen, ways);
    codegen_lower(compiled.codegen, graph, &compiled.plan);
    const char *wrong = codegen_verify_plan(&compiled.plan, arena);
    if (wrong)
        must(status_error(STATUS_FAILED, "%s", wrong));
    codegen_compile(compiled.codegen, &compiled.program->objects,
                    &compiled.program->object_count);
    compiled.program->needs = codegen_needs(compiled.codegen);
    compiled.program->target = strdup(codegen_target(compiled.codegen));
    must(code_load(compiled.program, &compiled.image));
    return compiled;
}

Compiled compiled_new(Arena *arena, const Graph *graph, const char *cpu)
{
    return compiled_by_ways(arena, graph, cpu, NULL);
}

Compiled compiled_by_ways(Arena *arena, const Graph *graph, const char *cpu,
                          const char *ways)
{
    CodegenOptions options = {.cpu = test_cpu(cpu), .threads = 1};
    return compile(arena, graph, &options, ways);
}

Compiled compiled_by_sums(Arena *arena, const Graph *graph, const char *cpu,
                          PlanSums sums)
{
    CodegenOptions options = {.cpu = test_cpu(cpu), .threads = 1, .sums = sums};
    return compile(arena, graph, &options, NULL);
}

Compiled compiled_waiting(Arena *arena, const Graph *graph, const char *cpu)
{
    CodegenOptions options = {
        .cpu = test_cpu(cpu), .threads = 1, .sums_wait = true};
    return compile(arena, graph, &options, NULL);
}

void compiled_free(Compiled *compiled)
{
    code_free(compiled->image);
    program_free(compiled->program);
    plan_free(&compiled->plan);
    codegen_free(compiled->codegen);
}
