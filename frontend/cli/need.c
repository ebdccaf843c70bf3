#include "frontend/cli/need.h"

#include <string.h>

#include "passes/pass.h"
#include "runtime/exec/calls.h"
#include "runtime/exec/ranks.h"

// What is too much to move is refused when the plan is run.
static int64_t plan_need(const Plan *plan, int threads)
{
    int64_t room;
    SumsNeed behind;
    if (calls_room(plan, ranks_count(), &room, &behind).code != STATUS_OK)
        room = behind.room = 0;
    return plan->slab_bytes + plan->scratch_bytes * threads + room +
           behind.room;
}

int64_t plans_need(const Plan *train, const Plan *eval, const Plan *features,
                   int threads, bool validates)
{
    int64_t bytes = 0, step = plan_need(train, threads);
    int64_t evaluation = plan_need(eval, threads);
    for (int i = 0; i < train->param_count; i++)
        bytes += train->params[i].tensor.bytes;
    // Batches in the making (runtime/data/input.c), in floats.
    for (int i = 0; i < MAX_VIEW_GROUPS; i++) {
        const PlanPort *images = plan_input(train, phase_images(i));
        if (images)
            bytes +=
                2 * plan_elements(&images->tensor) * (int64_t)sizeof(float);
    }
    step += plan_need(features, threads);
    if (validates)
        return bytes + step + evaluation;
    return bytes + (step > evaluation ? step : evaluation);
}

// The compiler again, with further settings, for one phase.
static Compiler new_probe(Arena *arena, const Compiler *compiler,
                          const char *const *phase, int count,
                          const Setting *more)
{
    Compiler probe = {.arena = arena,
                      .path = compiler->path,
                      .lang = compiler->lang,
                      .codegen = compiler->codegen,
                      .validates = compiler->validates,
                      .phase_count = 1,
                      .phases = phase};
    int known = compiler->lang.setting_count;
    probe.lang.settings = ARENA_ARRAY(arena, Setting, known + count);
    for (int i = 0; i < known + count; i++)
        probe.lang.settings[i] =
            i < known ? compiler->lang.settings[i] : more[i - known];
    probe.lang.setting_count = known + count;
    return probe;
}

static int64_t lowered_need(const Compiler *probe, const ExperimentPhase *phase)
{
    Graph *graphs[PLAN_PARTS + 2];
    Plan plans[3] = {{0}};
    Codegen *codegen = codegen_new(&probe->codegen);
    PassOptions passes = compiler_pass_options(probe, phase->bf16);
    compiler_train_graphs(phase, graphs);
    graphs[PLAN_PARTS] = phase->eval;
    graphs[PLAN_PARTS + 1] = phase->value;
    for (int g = 0; g < PLAN_PARTS + 2; g++)
        if (graphs[g])
            passes_run(graphs[g], &passes);
    compiler_lower_train(codegen, phase, &plans[0]);
    for (int g = 1; g < 3; g++)
        if (graphs[PLAN_PARTS + g - 1])
            codegen_lower(codegen, graphs[PLAN_PARTS + g - 1], &plans[g]);
    int64_t bytes = plans_need(&plans[0], &plans[1], &plans[2],
                               compiler_threads(probe), probe->validates);
    for (int g = 0; g < 3; g++)
        plan_free(&plans[g]);
    codegen_free(codegen);
    return bytes;
}

int64_t need_with(const Compiler *compiler, const char *phase, int count,
                  const Setting *more)
{
    int64_t bytes = -1;
    Arena *arena = arena_new();
    Compiler probe = new_probe(arena, compiler, &phase, count, more);
    if (compiler_load(&probe))
        for (int i = 0; i < probe.experiment->phases.count; i++)
            if (strcmp(probe.experiment->phases.at[i].name, phase) == 0)
                bytes = lowered_need(&probe, &probe.experiment->phases.at[i]);
    arena_free(arena);
    return bytes;
}
