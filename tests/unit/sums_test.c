// Sums over processes that are made together: where a plan begins them and
// waits for them, and that none of it is seen in what is computed. On one
// process each is its own sum, made by the thread that makes them elsewhere.
#include <stdlib.h>

#include "frontend/lang/experiment.h"
#include "runtime/base/philox.h"
#include "runtime/exec/calls.h"
#include "runtime/exec/store.h"
#include "tests/compiled.h"
#include "tests/harness.h"
#include "tests/passes.h"

// The training step of one of two processes, after all passes.
static Graph *load(Arena *arena, int phase, const char *filters)
{
    Setting settings[] = {{"filters", filters, false},
                          {"image_size", "16", false},
                          {"pretrain.batch", "8", false},
                          {"finetune.batch", "8", false}};
    DiagList diags = diag_list_new(arena);
    LangOptions options = {
        .dtype = DT_F32, .ranks = 2, .setting_count = 4, .settings = settings};
    Experiment *e = lang_load(arena, "models/quickstart.net", &options, &diags);
    if (!e) {
        test_fail(__FILE__, __LINE__, "%s", diags.items.at[0].message);
        exit(1);
    }
    Graph *graph = e->phases.at[phase].train;
    CHECK(run_passes(graph, NULL, false) == NULL);
    return graph;
}

static bool starts(const PlanStep *step)
{
    return step->symbol < 0 && step->call == PLAN_CALL_SUM_START_F32;
}

static bool finishes(const PlanStep *step)
{
    return step->symbol < 0 && step->call == PLAN_CALL_SUM_FINISH;
}

// The step that waits for the sum; 0 = none.
static int end_of(const Plan *plan, int64_t number)
{
    for (int i = 0; i < plan->step_count; i++)
        if (finishes(&plan->steps[i]) &&
            plan->imms[plan->steps[i].first_imm] == number)
            return i;
    return 0;
}

// Of no more bytes than a bucket has, unless it is one gradient; in order; and
// convolutions of the backward pass behind the first.
TEST(sums_begin_under_the_backward_pass)
{
    Arena *arena = arena_new();
    CodegenOptions options = {.cpu = "native", .threads = 1};
    Codegen *codegen = codegen_new(&options);
    Plan plan;
    codegen_lower(codegen, load(arena, 0, "192"), &plan);
    CHECK_TEXT(plan_check(&plan).text, "");
    int64_t begun = 0, elements = 0;
    int first = 0, behind = 0;
    for (int i = 0; i < plan.step_count; i++) {
        const PlanStep *step = &plan.steps[i];
        CallSumStart in;
        if (!starts(step))
            continue;
        memcpy(&in, plan.imms + step->first_imm, sizeof in);
        CHECK_INT(in.number, begun++);
        CHECK(end_of(&plan, in.number) > i);
        CHECK(in.count * 4 <= 25 << 20 || strstr(step->label, "bucket of 1,"));
        elements += in.count;
        first = first ? first : i;
    }
    for (int i = first; i < end_of(&plan, 0); i++)
        behind += strstr(plan.steps[i].label, "conv2d_grad_x") != NULL;
    CHECK(begun >= 3);
    CHECK(behind >= 5);
    // They have the gradients of all weights but those, of a norm, that its own
    // backward pass sums.
    int64_t weights = 0;
    for (int i = 0; i < plan.param_count; i++)
        if (plan.params[i].role == PLAN_WEIGHT)
            weights += plan_elements(&plan.params[i].tensor);
    CHECK(elements > weights / 100 * 99 && elements < weights / 100 * 101);
    plan_free(&plan);
    codegen_free(codegen);
    arena_free(arena);
}

TEST(sums_that_plans_may_not_have)
{
    Arena *arena = arena_new();
    CodegenOptions options = {.cpu = "native", .threads = 1};
    Codegen *codegen = codegen_new(&options);
    Plan plan;
    codegen_lower(codegen, load(arena, 0, "8"), &plan);
    CHECK_TEXT(plan_check(&plan).text, "");
    for (int i = 0; i < plan.step_count; i++) {
        PlanStep *step = &plan.steps[i];
        int64_t *number = plan.imms + step->first_imm + starts(step);
        if (!starts(step) && !finishes(step))
            continue;
        *number += 1000;
        CHECK_INT(plan_check(&plan).code, STATUS_DATA);
        *number = -1;
        CHECK_INT(plan_check(&plan).code, STATUS_DATA);
        *number = 0;
        break;
    }
    // One that nothing waits for.
    PlanStep *last = &plan.steps[end_of(&plan, 0)], kept = *last;
    last->call = PLAN_CALL_RANK_F32;
    last->imm_count = 0;
    CHECK_INT(plan_check(&plan).code, STATUS_DATA);
    *last = kept;
    CHECK_TEXT(plan_check(&plan).text, "");
    plan_free(&plan);
    codegen_free(codegen);
    arena_free(arena);
}

// ---- what is computed -------------------------------------------------------

// Three steps on drawn images, of a phase that gathers nothing of the process
// that is not there: the weights and whatever else is kept.
static Store train(Arena *arena, bool waits, int threads)
{
    Store store = {0};
    Executor *executor;
    Graph *graph = load(arena, 1, "16");
    Compiled compiled = waits ? compiled_waiting(arena, graph, "native")
                              : compiled_new(arena, graph, "native");
    Pool *pool = pool_new(threads);
    must(store_add_plan(&store, &compiled.plan));
    store_initialize(&store, 1);
    must(executor_new(&compiled.plan, compiled.image, &store, pool, &executor));
    const PlanPort *port = plan_input(&compiled.plan, "images");
    float *images = executor_input(executor, "images");
    float *labels = executor_input(executor, "labels");
    *(float *)executor_input(executor, "total_steps") = 10;
    for (int step = 0; step < 3; step++) {
        RandomStream stream = random_stream(1, 2, 3, (uint64_t)step, 0);
        *(float *)executor_input(executor, "step") = (float)step + 1;
        for (int64_t i = 0; i < plan_elements(&port->tensor); i++)
            images[i] = (float)random_uniform(&stream);
        for (int i = 0; i < 4; i++)
            labels[i] = (float)i;
        executor_run(executor);
    }
    executor_free(executor);
    pool_free(pool);
    // Names and numbers stay when the plan goes.
    compiled_free(&compiled);
    return store;
}

TEST(sums_behind_the_work_change_no_bit)
{
    Arena *arena = arena_new();
    Store want = train(arena, true, 1);
    for (int threads = 1; threads <= 2; threads++) {
        Store got = train(arena, false, threads);
        CHECK_INT(got.count, want.count);
        for (int i = 0; i < want.count; i++) {
            const StoreTensor *a = &want.tensors[i], *b = &got.tensors[i];
            CHECK(memcmp(a->data, b->data, (size_t)a->param.tensor.bytes) == 0);
        }
        store_free(&got);
    }
    store_free(&want);
    arena_free(arena);
}
