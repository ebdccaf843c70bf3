// What a phase becomes for one of several processes: its share of the batch,
// and where it meets the others. What they compute together is held against one
// process by tests/e2e/ranks_test.sh.
#include <stdlib.h>

#include "frontend/lang/experiment.h"
#include "tests/passes.h"
#include "runtime/exec/calls.h"
#include "runtime/exec/ranks.h"
#include "tests/compiled.h"
#include "tests/harness.h"

static Setting settings[] = {{"filters", "8", false},
                             {"image_size", "16", false},
                             {"pretrain.batch", "12", false}};

static const ExperimentPhase *load(Arena *arena, int ranks, int phase)
{
    DiagList diags = diag_list_new(arena);
    LangOptions options = {.dtype = DT_F32,
                           .ranks = ranks,
                           .setting_count = 3,
                           .settings = settings};
    Experiment *e = lang_load(arena, "models/quickstart.net", &options, &diags);
    if (!e) {
        test_fail(__FILE__, __LINE__, "%s", diags.items.at[0].message);
        exit(1);
    }
    return &e->phases.at[phase];
}

static int count(const Graph *graph, Op op)
{
    int found = 0;
    for (Value v = 0; v < graph->nodes.count; v++)
        found += graph_node(graph, v)->op == op;
    return found;
}

static int64_t images_of(const Graph *graph)
{
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op == OP_INPUT &&
            strcmp(node->attrs[INPUT_NAME].text, "images") == 0)
            return node->type.dims[0];
    }
    return 0;
}

// Does the value depend on a sum over ranks?
static bool is_summed(const Graph *graph, Value value)
{
    const Node *node = graph_node(graph, value);
    bool summed = node->op == OP_ALL_SUM;
    for (int i = 0; !summed && i < node->input_count; i++)
        summed = is_summed(graph, node->inputs[i]);
    return summed;
}

TEST(ranks_share_a_batch_in_training_alone)
{
    Arena *arena = arena_new();
    for (int ranks = 1; ranks <= 4; ranks *= 2) {
        const ExperimentPhase *pretrain = load(arena, ranks, 0);
        const ExperimentPhase *finetune = load(arena, ranks, 1);
        CHECK_INT(pretrain->batch, 12);
        CHECK_INT(images_of(pretrain->train), 2 * 12 / ranks);
        CHECK_INT(images_of(finetune->eval), finetune->batch / ranks);
        CHECK_INT(count(finetune->eval, OP_ALL_SUM), 0);
    }
    arena_free(arena);
}

// Also a norm's running statistics, which all ranks keep alike.
TEST(ranks_agree_on_every_param_and_output)
{
    Arena *arena = arena_new();
    const Graph *graph = load(arena, 2, 0)->train;
    int assigned = 0;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op != OP_ASSIGN)
            continue;
        CHECK(is_summed(graph, node->inputs[1]));
        assigned++;
    }
    CHECK(assigned > 30);
    for (int i = 0; i < graph->outputs.count; i++) {
        Value value = graph->outputs.at[i].value;
        bool constant = graph_node(graph, value)->op == OP_CONST;
        CHECK(constant || is_summed(graph, value));
    }
    arena_free(arena);
}

// Calls of one task, whose buffers the plan knows; none where there is one
// process.
TEST(ranks_meet_in_calls_of_one_task)
{
    Arena *arena = arena_new();
    for (int ranks = 1; ranks <= 2; ranks++) {
        Graph *graph = load(arena, ranks, 0)->train;
        CHECK(run_passes(graph, NULL, false) == NULL);
        Compiled compiled = compiled_new(arena, graph, "native");
        int sums = 0, gathers = 0, numbers = 0;
        for (int i = 0; i < compiled.plan.step_count; i++) {
            const PlanStep *step = &compiled.plan.steps[i];
            if (step->symbol >= 0)
                continue;
            sums += step->call == PLAN_CALL_ALL_SUM_F32;
            gathers += step->call == PLAN_CALL_ALL_GATHER;
            numbers += step->call == PLAN_CALL_RANK_F32;
            if (step->call >= (int)PLAN_CALL_ALL_SUM_F32)
                CHECK_INT(step->task_count, 1);
        }
        CHECK_TEXT(plan_check(&compiled.plan).text, "");
        CHECK(ranks == 1 ? sums + gathers + numbers == 0
                         : sums > 30 && gathers >= 2 && numbers >= 1);
        compiled_free(&compiled);
    }
    arena_free(arena);
}

TEST(ranks_of_one_are_the_identity)
{
    const double x[] = {1, -2, 0.5};
    double y[] = {0, 0, 0}, number = 7;
    const int64_t count = 3, bytes = sizeof x;
    double room[3];
    void *args[] = {(void *)(uintptr_t)x, y}, *to[] = {&number};
    CHECK_INT(ranks_count(), 1);
    CHECK_INT(ranks_index(), 0);
    PlanKernel *const calls[] = {call_all_sum_f64, call_reduce_scatter_f64,
                                 call_all_gather};
    for (int i = 0; i < 3; i++) {
        memset(y, 0, sizeof y);
        calls[i](args, i == 2 ? &bytes : &count, 0, room);
        CHECK(memcmp(x, y, sizeof x) == 0);
    }
    call_rank_f64(to, NULL, 0, NULL);
    CHECK(number == 0);
}

// The only step of a plan is a collective of so many elements or bytes.
static Status room_for(PlanCall call, int64_t count, int ranks, int64_t *bytes)
{
    PlanStep step = {.symbol = -1,
                     .call = (int32_t)call,
                     .task_count = 1,
                     .arg_count = call_arg_count(call),
                     .imm_count = call_imm_count(call),
                     .label = "all"};
    Plan plan = {.name = "p.train",
                 .step_count = 1,
                 .steps = &step,
                 .imm_count = 1,
                 .imms = &count};
    SumsNeed behind;
    return calls_room(&plan, ranks, bytes, &behind);
}

// A sum of much is made in shares, of which the largest counts.
TEST(ranks_have_room_for_what_the_others_send)
{
    static const struct {
        PlanCall call;
        int64_t count;
        int ranks;
        int64_t least, most;
    } rows[] = {
        {PLAN_CALL_ALL_SUM_F32, 100, 4, 1600, 1600},
        {PLAN_CALL_ALL_SUM_F64, 512, 3, 12288, 12288},
        {PLAN_CALL_ALL_SUM_F32, 1000003, 4, 4 * 4 * 250001, 4 * 4 * 250001},
        {PLAN_CALL_ALL_SUM_F64, 1000000, 1, 8000000, 8000008},
        {PLAN_CALL_REDUCE_SCATTER_F32, 10, 4, 160, 160},
        {PLAN_CALL_ALL_GATHER, 1 << 20, 4, 0, 0},
        {PLAN_CALL_RANK_F32, 7, 4, 0, 0},
        {PLAN_CALL_CONV_F32, 7, 4, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t bytes = -1;
        Status status =
            room_for(rows[i].call, rows[i].count, rows[i].ranks, &bytes);
        CHECK_TEXT(status.text, "");
        CHECK(bytes >= rows[i].least && bytes <= rows[i].most);
    }
}

TEST(ranks_do_not_move_more_than_mpi_counts)
{
    int64_t bytes, most = RANKS_MOST_BYTES;
    CHECK_INT(room_for(PLAN_CALL_ALL_GATHER, most, 2, &bytes).code, STATUS_OK);
    Status status = room_for(PLAN_CALL_ALL_GATHER, most + 1, 2, &bytes);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, "'all'") && strstr(status.text, "2047 MB"));
    CHECK_INT(room_for(PLAN_CALL_ALL_SUM_F32, most / 4 + 1, 2, &bytes).code,
              STATUS_FAILED);
    CHECK_INT(room_for(PLAN_CALL_ALL_SUM_F32, most / 4 + 1, 1, &bytes).code,
              STATUS_OK);
    CHECK_INT(
        room_for(PLAN_CALL_REDUCE_SCATTER_F64, most / 16 + 1, 2, &bytes).code,
        STATUS_FAILED);
    CHECK_INT(room_for(PLAN_CALL_ALL_SUM_F64, INT64_MAX, 1, &bytes).code,
              STATUS_FAILED);
    CHECK_INT(room_for(PLAN_CALL_ALL_SUM_F64, -1, 1, &bytes).code,
              STATUS_FAILED);
}

// The room is one thread's.
TEST(ranks_refuse_a_meeting_of_several_tasks)
{
    PlanRef to = {PLAN_SLAB, 0, 0};
    PlanStep step = {.symbol = -1,
                     .call = PLAN_CALL_RANK_F32,
                     .task_count = 1,
                     .arg_count = 1,
                     .label = "rank"};
    Plan plan = {.name = "p.train",
                 .step_count = 1,
                 .steps = &step,
                 .ref_count = 1,
                 .refs = &to,
                 .slab_bytes = 64};
    CHECK_TEXT(plan_check(&plan).text, "");
    step.task_count = 2;
    CHECK_INT(plan_check(&plan).code, STATUS_DATA);
}
