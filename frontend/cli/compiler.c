// The whole compiler: compile_program lists its phases. What stands beside it:
// finished programs from the cache (reuse.c), convolutions by measurement
// (tune.c), parameters fitted to data and weights (compiler_setup.c).
#include "frontend/cli/compiler.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/cli/program.h"
#include "frontend/cli/reuse.h"
#include "ir/text_form.h"
#include "passes/pass.h"
#include "runtime/base/clock.h"

// ---- time -------------------------------------------------------------------

// Adds what passed since *start to the time called `name`, and starts again.
static void add_time(Compiler *compiler, const char *name, double *start)
{
    double now = clock_seconds(), passed = now - *start;
    *start = now;
    for (int i = 0; i < compiler->times.count; i++)
        if (strcmp(compiler->times.at[i].name, name) == 0) {
            compiler->times.at[i].seconds += passed;
            return;
        }
    CompilerTime time = {name, passed};
    vec_push(compiler->arena, &compiler->times, time);
}

typedef struct PassClock {
    Compiler *compiler;
    double start;
} PassClock;

static void time_pass(void *context, const Pass *pass, Graph *graph)
{
    PassClock *clock = context;
    (void)graph;
    add_time(clock->compiler, pass->name, &clock->start);
}

// ---- text -> graphs ---------------------------------------------------------

static Status source_errors(const Compiler *compiler)
{
    int count = compiler->diags.error_count;
    return status_error(STATUS_SOURCE, "%d error%s in %s", count,
                        count == 1 ? "" : "s", compiler->path);
}

static Status dump_ast(Compiler *compiler)
{
    const char *tree =
        lang_dump_ast(compiler->arena, compiler->path, &compiler->diags);
    if (!tree)
        return source_errors(compiler);
    text_add(&compiler->dump, tree);
    return status_ok();
}

bool compiler_load(Compiler *compiler)
{
    double start = clock_seconds();
    compiler->diags = diag_list_new(compiler->arena);
    compiler->lang.phase_count = compiler->phase_count;
    compiler->lang.phases = compiler->phases;
    compiler->experiment = lang_load(compiler->arena, compiler->path,
                                     &compiler->lang, &compiler->diags);
    if (compiler->experiment)
        compiler->experiment->name = compiler_program_name(
            compiler->arena, compiler->path, compiler->experiment->name);
    add_time(compiler, "read and elaborate", &start);
    return compiler->experiment != NULL;
}

static Status load(Compiler *compiler)
{
    if (!compiler->experiment && !compiler_load(compiler))
        return source_errors(compiler);
    return compiler_check_names(compiler);
}

// ---- graph -> graph ---------------------------------------------------------

void compiler_train_graphs(const ExperimentPhase *phase,
                           Graph *graphs[PLAN_PARTS])
{
    graphs[PLAN_EMBED] = phase->embed;
    graphs[PLAN_LOSS] = phase->train;
    graphs[PLAN_BACKWARD] = phase->backward;
    graphs[PLAN_UPDATE] = phase->update;
}

PassOptions compiler_pass_options(const Compiler *compiler, bool bf16)
{
    return (PassOptions){.block = codegen_block(&compiler->codegen),
                         .bf16 = bf16,
                         .products =
                             bf16 ? codegen_bf16_products(&compiler->codegen)
                                  : CONV_BF16_NONE};
}

static Status run_passes(Compiler *compiler, Graph *graph, bool bf16)
{
    PassClock clock = {compiler, clock_seconds()};
    if (compiler->passes && strcmp(compiler->passes, "none") == 0)
        return status_ok();
    PassOptions options = compiler_pass_options(compiler, bf16);
    options.names = compiler->passes;
    options.paranoid = compiler->verify;
    options.observe = time_pass;
    options.context = &clock;
    const char *unknown = passes_run(graph, &options);
    if (!unknown)
        return status_ok();
    int count;
    const Pass *table = pass_table(&count);
    const char **names = ARENA_ARRAY(compiler->arena, const char *, count);
    for (int i = 0; i < count; i++)
        names[i] = table[i].name;
    return status_error(STATUS_USAGE, "there is no pass '%s'; there are: %s",
                        unknown,
                        compiler_list_names(compiler->arena, count, names));
}

// Every graph that is to be compiled, in the order of phases, and whether its
// activations are stored in bf16: to `visit`.
typedef Status VisitGraph(Compiler *compiler, Graph *graph, bool bf16);

static Status each_graph(Compiler *compiler, VisitGraph *visit)
{
    const Experiment *experiment = compiler->experiment;
    bool value_alone = compiler->lang.value_name != NULL;
    for (int i = 0; i < experiment->phases.count; i++) {
        const ExperimentPhase *phase = &experiment->phases.at[i];
        Graph *graphs[PLAN_PARTS + 2];
        compiler_train_graphs(phase, graphs);
        graphs[PLAN_PARTS] = phase->eval;
        graphs[PLAN_PARTS + 1] = phase->value;
        for (int g = 0; g < PLAN_PARTS + 2; g++)
            if (compiler_wants(compiler, phase->name) && graphs[g] &&
                (!value_alone || graphs[g] == phase->value))
                TRY(visit(compiler, graphs[g], phase->bf16));
    }
    return status_ok();
}

static Status dump_graph(Compiler *compiler, Graph *graph, bool bf16)
{
    (void)bf16;
    if (compiler->emit == EMIT_DOT)
        graph_print_dot(graph, &compiler->dump);
    else
        graph_print(graph, &compiler->dump);
    return status_ok();
}

// ---- graph -> plan ----------------------------------------------------------

void compiler_lower_train(Codegen *codegen, const ExperimentPhase *phase,
                          Plan *plan)
{
    Graph *graphs[PLAN_PARTS];
    compiler_train_graphs(phase, graphs);
    if (phase->chunk)
        codegen_lower_parts(codegen, (const Graph *const *)graphs,
                            phase->batch / phase->chunk,
                            phase->chunk / phase->ranks, plan);
    else
        codegen_lower(codegen, phase->train, plan);
}

static Status check_plan(const Compiler *compiler, const Plan *plan)
{
    const char *wrong =
        compiler->verify ? codegen_verify_plan(plan, compiler->arena) : NULL;
    if (!wrong)
        return status_ok();
    return status_error(STATUS_INTERNAL, "plan of %s: %s", plan->name, wrong);
}

void compiler_list_params(const Compiler *compiler, Program *program)
{
    const Experiment *experiment = compiler->experiment;
    for (int i = 0; i < experiment->phases.count; i++) {
        Plan *plan = &program->phases[i].train;
        Graph *graphs[PLAN_PARTS];
        if (plan->params)
            continue;
        compiler_train_graphs(&experiment->phases.at[i], graphs);
        for (int g = 0; g < PLAN_PARTS; g++)
            if (graphs[g]) {
                passes_run(graphs[g], &(PassOptions){.names = "dce"});
                codegen_list_params(graphs[g], plan);
            }
    }
}

// How the phase's convolutions are computed.
static Status choose_ways(Compiler *compiler, Codegen *codegen, int index,
                          ProgramPhase *to)
{
    const char *ways = compiler->ways ? compiler->ways[index] : NULL;
    const Graph *graph = compiler->experiment->phases.at[index].train;
    if (!ways && compiler->tune && !compiler->lang.value_name)
        TRY(tune_convs(&compiler->codegen, compiler_threads(compiler), graph,
                       compiler->arena, &ways, &compiler->tuned));
    codegen_set_ways(codegen, ways);
    if (ways && *ways && !(to->ways = strdup(ways)))
        arena_out_of_memory(strlen(ways));
    return status_ok();
}

// Passes and lowering of one graph; NULL: nothing.
static Status make_plan(Compiler *compiler, Codegen *codegen, Graph *graph,
                        bool bf16, Plan *plan)
{
    if (!graph)
        return status_ok();
    TRY(run_passes(compiler, graph, bf16));
    double start = clock_seconds();
    codegen_lower(codegen, graph, plan);
    add_time(compiler, "lower", &start);
    return check_plan(compiler, plan);
}

// The step comes first: it has most of the kernels, which other threads compile
// while the rest goes through passes.
static Status lower_phase(Compiler *compiler, Codegen *codegen, int index,
                          ProgramPhase *to)
{
    const ExperimentPhase *phase = &compiler->experiment->phases.at[index];
    Graph *step[PLAN_PARTS];
    if (compiler->lang.value_name) {
        TRY(choose_ways(compiler, codegen, index, to));
        return make_plan(compiler, codegen, phase->value, phase->bf16,
                         &to->eval);
    }
    compiler_train_graphs(phase, step);
    for (int g = 0; g < PLAN_PARTS; g++)
        if (step[g])
            TRY(run_passes(compiler, step[g], phase->bf16));
    TRY(choose_ways(compiler, codegen, index, to));
    double start = clock_seconds();
    compiler_lower_train(codegen, phase, &to->train);
    add_time(compiler, "lower", &start);
    TRY(check_plan(compiler, &to->train));
    TRY(make_plan(compiler, codegen, phase->eval, phase->bf16, &to->eval));
    return make_plan(compiler, codegen, phase->value, phase->bf16,
                     &to->features);
}

// Plans that are not made still get a name and params: weights are compared
// with them.
static Status lower(Compiler *compiler, Codegen *codegen, Program *program)
{
    const Experiment *experiment = compiler->experiment;
    for (int i = 0; i < experiment->phases.count; i++) {
        const ExperimentPhase *phase = &experiment->phases.at[i];
        ProgramPhase *to = &program->phases[i];
        if (compiler_wants(compiler, phase->name))
            TRY(lower_phase(compiler, codegen, i, to));
        Plan *plans[] = {&to->train, &to->eval, &to->features};
        for (int p = 0; p < 3; p++)
            if (!plans[p]->name && !(plans[p]->name = strdup("")))
                arena_out_of_memory(1);
    }
    double start = clock_seconds();
    compiler_list_params(compiler, program);
    add_time(compiler, "lower", &start);
    return status_ok();
}

static void dump_plans(Compiler *compiler, const Program *program)
{
    for (int i = 0; i < program->phase_count; i++) {
        const ProgramPhase *phase = &program->phases[i];
        const Plan *plans[] = {&phase->train, &phase->eval, &phase->features};
        for (int p = 0; p < 3; p++)
            if (*plans[p]->name)
                codegen_print_plan(plans[p], &compiler->dump);
    }
}

// ---- kernels -> machine code ------------------------------------------------

static void make_code(Compiler *compiler, Codegen *codegen, Program *program)
{
    double start = clock_seconds();
    codegen_compile(codegen, &program->objects, &program->object_count);
    add_time(compiler, "machine code", &start);
    compiler->stats = codegen_stats(codegen);
}

static void dump_code(Compiler *compiler, Codegen *codegen)
{
    if (compiler->emit == EMIT_LLVM)
        codegen_print_llvm(codegen, &compiler->dump);
    else if (compiler->emit == EMIT_ASM)
        codegen_print_asm(codegen, &compiler->dump);
}

// ---- the whole compiler -----------------------------------------------------

// A program from its source, a phase of the compiler a line; or, as `emit`
// says, what one of them made as text. *program is an empty program that is
// filled, NULL until the source is known. Writing it to a file is the command's
// (program_write).
static Status compile_program(Compiler *compiler, Codegen *codegen,
                              Program **program)
{
    EmitKind emit = compiler->emit;
    if (emit == EMIT_AST)
        return dump_ast(compiler); // parse: lexer.l, grammar.y
    TRY(load(compiler));           // parse, elaborate, differentiate: sema.c
    if (emit == EMIT_GRAPH || emit == EMIT_DOT) {
        TRY(each_graph(compiler, run_passes));
        return each_graph(compiler, dump_graph);
    }
    *program = program_from_experiment(
        compiler->experiment, compiler->lang.dtype, codegen_target(codegen));
    (*program)->needs = codegen_needs(codegen);
    (*program)->sums = compiler->codegen.sums;
    // What is measured for --tune is measured alone.
    if (emit == EMIT_NOTHING && !compiler->codeless && !compiler->tune)
        codegen_compile_ahead(codegen);
    // Passes (passes.def); kernels, order, memory: plan/.
    TRY(lower(compiler, codegen, *program));
    if (emit == EMIT_PLAN)
        dump_plans(compiler, *program);
    else if (emit != EMIT_NOTHING)
        dump_code(compiler, codegen);
    else if (!compiler->codeless)
        make_code(compiler, codegen, *program); // emit: cpu/
    return status_ok();
}

static void count_reused(Compiler *compiler, const Program *program,
                         double *start)
{
    add_time(compiler, "the whole, from the cache", start);
    compiler->stats.kernels = program->object_count;
    compiler->stats.cache_hits = program->object_count;
}

Status compiler_run(Compiler *compiler, Program **result)
{
    double start = clock_seconds();
    const char *key = NULL;
    *result = NULL;
    Codegen *codegen = codegen_new(&compiler->codegen);
    // What was loaded may be older than the sources are.
    if (!compiler->experiment)
        key = reuse_key(compiler, codegen);
    Status status = status_ok();
    *result = reuse_find(compiler, key);
    if (*result) {
        count_reused(compiler, *result, &start);
    } else {
        status = compile_program(compiler, codegen, result);
        if (status.code != STATUS_OK || compiler->emit != EMIT_NOTHING) {
            program_free(*result);
            *result = NULL;
        }
    }
    if (*result && compiler->experiment)
        reuse_keep(compiler, codegen, key, *result);
    codegen_free(codegen);
    return status;
}

// ---- graphs from a file -----------------------------------------------------

Status compiler_run_graphs(Compiler *compiler)
{
    const char *error;
    Source *source = source_read(compiler->arena, compiler->path, &error);
    if (!source)
        return status_error(STATUS_FAILED, "%s", error);
    GraphList *list = graph_parse(compiler->arena, source, &compiler->diags);
    if (!list)
        return source_errors(compiler);
    Codegen *codegen = codegen_new(&compiler->codegen);
    Status status = status_ok();
    const char *precision = compiler->lang.precision;
    bool bf16 = precision && strcmp(precision, "bf16") == 0;
    for (int i = 0; i < list->graphs.count && status.code == STATUS_OK; i++) {
        Graph *graph = list->graphs.at[i];
        Plan plan = {0};
        status = run_passes(compiler, graph, bf16);
        if (status.code != STATUS_OK)
            break;
        if (compiler->emit == EMIT_GRAPH || compiler->emit == EMIT_DOT) {
            dump_graph(compiler, graph, bf16);
            continue;
        }
        codegen_lower(codegen, graph, &plan);
        status = check_plan(compiler, &plan);
        if (compiler->emit == EMIT_PLAN)
            codegen_print_plan(&plan, &compiler->dump);
        plan_free(&plan);
    }
    dump_code(compiler, codegen);
    codegen_free(codegen);
    return status;
}
