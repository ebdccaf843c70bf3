// Sums over processes that are made together, each group in one buffer: its
// members' kernels write their own stretches of it, and it is summed in place.
//
// Buckets are of sums that nothing but what ends the step reads: gradients for
// the optimizers, and reports. They are started in the order in which they are
// whole, under what is left of the backward pass, and waited for where the
// first of them is read.
//
// Meetings are of sums that the next kernels wait for, such as a norm's: those
// that are known before any of them is needed, at once.
//
// Each element is the sum of the same numbers in the same order, whatever it
// lies beside: groups change no bit.
#include <stdlib.h>

#include "codegen/codegen_impl.h"
#include "codegen/integers.h"
#include "codegen/plan/lower.h"
#include "ir/base/diag.h"

// On a network of 10 Gbit/s a bucket takes 3 ms, against which the latency of
// its messages is little; a larger one would only wait longer for its last
// gradient, and the last bucket leave more behind the work. The first is
// small, so that sending begins early.
enum { BUCKET_BYTES = 4 << 20, FIRST_BYTES = 1 << 20 };
// A meeting is for what is too small to be worth one of its own.
enum { MEETING_BYTES = 1 << 18 };

// An ALL_SUM over several processes.
typedef struct RankSum {
    Value node, source; // source: what it sums, seen through reshapes
    Value view;         // its input, where that is a view of the source that
                        // nobody else reads
    int ready;          // the time (emit_at) at which that is known; -1: before
                        // the first kernel
    int wanted;         // the time of the first kernel that reads the sum
    int64_t bytes;
    bool behind;   // only the end of the step waits for it
    bool in_place; // nobody else reads the source
} RankSum;

typedef VEC(RankSum) RankSums;

// ---- what is there ----------------------------------------------------------

static bool is_cheap(LowerClass class)
{
    return class == LOWER_VIEW || class == LOWER_INDEX || class == LOWER_MAP ||
           class == LOWER_REDUCE || class == LOWER_LEAF;
}

// Nothing but arithmetic on elements, and assignments, depends on the value.
static bool *find_last(const Lowering *lower)
{
    const Graph *graph = lower->graph;
    bool *last = ARENA_ARRAY(lower->arena, bool, graph->nodes.count + 1);
    for (Value v = 0; v < graph->nodes.count; v++)
        last[v] = true;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        bool cheap = is_cheap(op_info(node->op)->lower);
        for (int i = 0; lower->needed[v] && i < node->input_count; i++)
            if (!cheap || !last[v])
                last[node->inputs[i]] = false;
    }
    return last;
}

// The times of the first kernels that read each value, through views of it.
static int *find_first_reads(const Lowering *lower)
{
    const Graph *graph = lower->graph;
    int *first = ARENA_ARRAY(lower->arena, int, graph->nodes.count + 1);
    for (Value v = 0; v < graph->nodes.count; v++)
        first[v] = graph->nodes.count;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        bool through = value_is_alias(lower, v) ||
                       (value_is_folded(lower, v) && !lower->needs_buffer[v]);
        int at = through ? first[v] : lower->emit_at[v];
        for (int i = 0; lower->needed[v] && i < node->input_count; i++)
            if (at < first[node->inputs[i]])
                first[node->inputs[i]] = at;
    }
    return first;
}

static int *count_readers(const Lowering *lower)
{
    const Graph *graph = lower->graph;
    int *readers = ARENA_ARRAY(lower->arena, int, graph->nodes.count + 1);
    for (Value v = 0; v < graph->nodes.count; v++)
        for (int i = 0;
             lower->needed[v] && i < graph_node(graph, v)->input_count; i++)
            readers[graph_node(graph, v)->inputs[i]]++;
    for (int i = 0; i < graph->outputs.count; i++)
        readers[graph->outputs.at[i].value]++;
    return readers;
}

// Readers see through it to other strides.
static bool is_view(const Lowering *lower, Value value)
{
    Op op = graph_node(lower->graph, value)->op;
    return op_info(op)->lower == LOWER_INDEX && op != OP_RANDOM;
}

// What the sum is of, and whether it may be made where that lies. A turned or
// cut view of a value is copied from there.
static void find_source(const Lowering *lower, const int *readers, RankSum *sum)
{
    Value at = graph_node(lower->graph, sum->node)->inputs[0];
    sum->in_place = readers[at] == 1;
    sum->view = sum->in_place && is_view(lower, at) ? at : NO_VALUE;
    while (value_is_alias(lower, at) ||
           (sum->view != NO_VALUE && is_view(lower, at))) {
        at = graph_node(lower->graph, at)->inputs[0];
        sum->in_place = sum->in_place && readers[at] == 1;
    }
    const Node *node = graph_node(lower->graph, at);
    bool given = node->op == OP_PARAM || node->op == OP_INPUT ||
                 value_is_constant(lower, at);
    sum->source = at;
    sum->ready = given ? -1 : lower->emit_at[at];
    sum->in_place = sum->in_place && !given && sum->view == NO_VALUE;
}

// The last product or window of the graph.
static Value last_heavy(const Lowering *lower)
{
    Value v = lower->graph->nodes.count - 1;
    while (v >= 0 &&
           (!lower->needed[v] ||
            is_cheap(op_info(graph_node(lower->graph, v)->op)->lower) ||
            op_is_collective(graph_node(lower->graph, v)->op)))
        v--;
    return v;
}

static RankSums find_sums(const Lowering *lower)
{
    RankSums sums = {0};
    const Graph *graph = lower->graph;
    const bool *last = find_last(lower);
    Value heavy = last_heavy(lower);
    const int *first = find_first_reads(lower), *readers = count_readers(lower);
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op != OP_ALL_SUM || node->attrs[RANKS_RANKS].i == 1 ||
            !lower->needed[v])
            continue;
        RankSum sum = {.node = v,
                       .wanted = first[v],
                       .bytes = align_up(type_bytes(&node->type), PLAN_ALIGN),
                       .behind = last[v] && v > heavy};
        find_source(lower, readers, &sum);
        vec_push(lower->arena, &sums, sum);
    }
    return sums;
}

// ---- groups -----------------------------------------------------------------

static DType dtype_of(const Lowering *lower, const RankSum *sum)
{
    return graph_type(lower->graph, sum->node)->dtype;
}

static SumGroup *new_group(Lowering *lower, bool behind, DType dtype)
{
    SumGroup group = {.behind = behind,
                      .dtype = dtype,
                      .buffer = -1,
                      .number = -1,
                      .ready = -1,
                      .due = lower->graph->nodes.count};
    vec_push(lower->arena, &lower->sums, group);
    return &lower->sums.at[lower->sums.count - 1];
}

static void join(Lowering *lower, SumGroup *group, const RankSum *sum)
{
    SumMember member = {sum->node, sum->source, sum->view, group->bytes,
                        sum->in_place};
    vec_push(lower->arena, &group->members, member);
    group->bytes += sum->bytes;
    if (sum->ready > group->ready)
        group->ready = sum->ready;
    if (sum->node < group->due)
        group->due = sum->node;
}

static int by_ready(const void *a, const void *b)
{
    const RankSum *x = a, *y = b;
    if (x->ready != y->ready)
        return x->ready < y->ready ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}

static void make_buckets(Lowering *lower, const RankSums *sums)
{
    int number = 0;
    SumGroup *group = NULL;
    for (int i = 0; i < sums->count; i++) {
        const RankSum *sum = &sums->at[i];
        int64_t most = number <= 1 ? FIRST_BYTES : BUCKET_BYTES;
        if (!sum->behind)
            continue;
        // It is waited for where the first of it stands in the graph.
        if (!group || sum->ready >= group->due ||
            group->bytes + sum->bytes > most ||
            group->dtype != dtype_of(lower, sum)) {
            group = new_group(lower, true, dtype_of(lower, sum));
            group->number = number++;
        }
        join(lower, group, sum);
    }
}

// A sum joins the one before where it is known before that is wanted.
static void make_meetings(Lowering *lower, const RankSums *sums)
{
    int group = -1, wanted = 0;
    for (int i = 0; i < sums->count; i++) {
        const RankSum *sum = &sums->at[i];
        if (sum->behind)
            continue;
        SumGroup *open = group < 0 ? NULL : &lower->sums.at[group];
        if (!open || sum->ready >= wanted ||
            open->dtype != dtype_of(lower, sum) ||
            open->bytes + sum->bytes > MEETING_BYTES) {
            open = new_group(lower, false, dtype_of(lower, sum));
            group = lower->sums.count - 1;
            wanted = sum->wanted;
        }
        join(lower, open, sum);
        if (sum->wanted < wanted)
            wanted = sum->wanted;
    }
}

// Where the members will lie. A meeting of one is a call like any other.
static void place_members(Lowering *lower)
{
    for (int g = 0; g < lower->sums.count; g++) {
        SumGroup *group = &lower->sums.at[g];
        if (!group->behind && group->members.count == 1)
            continue;
        group->buffer = buffer_new(lower, group->bytes);
        lower->buffers.at[group->buffer].shared = true;
        for (int i = 0; i < group->members.count; i++) {
            const SumMember *member = &group->members.at[i];
            Place place = {PLACE_SLAB, group->buffer, member->offset};
            lower->sum_of[member->node] = g + 1;
            if (member->in_place)
                lower->stretch[member->source] = place;
            if (member->view != NO_VALUE)
                lower->needs_buffer[member->view] = false;
        }
    }
}

void sums_find(Lowering *lower)
{
    int count = lower->graph->nodes.count;
    lower->sum_of = ARENA_ARRAY(lower->arena, int, count + 1);
    lower->stretch = ARENA_ARRAY(lower->arena, Place, count + 1);
    if (!lower->many_ranks || lower->codegen->options.sums_wait)
        return;
    RankSums sums = find_sums(lower);
    if (sums.count)
        qsort(sums.at, (size_t)sums.count, sizeof *sums.at, by_ready);
    make_buckets(lower, &sums);
    make_meetings(lower, &sums);
    place_members(lower);
}

// ---- steps ------------------------------------------------------------------

static const char *source_label(const Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    return node->op == OP_PARAM ? node->attrs[PARAM_NAME].text
                                : value_label(lower, value);
}

// "bucket of 20, 24.90 MB: layer3.1.conv2: conv2d_grad_w to layer2.0.bn1: mul"
static const char *group_label(const Lowering *lower, const SumGroup *group)
{
    int count = group->members.count;
    return arena_printf(
        lower->arena, "%s of %d, %.2f MB: %s to %s",
        group->behind ? "bucket" : "meeting", count,
        1e-6 * (double)group->bytes,
        source_label(lower, group->members.at[0].source),
        source_label(lower, group->members.at[count - 1].source));
}

static int64_t group_elements(const SumGroup *group)
{
    return group->bytes / dtype_size(group->dtype);
}

// Members that lie elsewhere, too, are copied here.
static void copy_members(Lowering *lower, const SumGroup *group)
{
    for (int i = 0; i < group->members.count; i++) {
        const SumMember *member = &group->members.at[i];
        Value from = graph_node(lower->graph, member->node)->inputs[0];
        const TensorType *type = graph_type(lower->graph, from);
        int64_t strides[MAX_RANK] = {0};
        if (member->in_place)
            continue;
        Access access = value_access(lower, from);
        Place to = {PLACE_SLAB, group->buffer, member->offset};
        strides_row_major(type->rank, type->dims, strides);
        lower->current = member->node;
        lower_copy_access(lower, type, &access, to, 0, strides,
                          value_label(lower, member->node));
    }
}

static void start_group(Lowering *lower, const SumGroup *group)
{
    bool wide = group->dtype == DT_F64;
    Place place = {PLACE_SLAB, group->buffer, 0};
    LowerStep step;
    copy_members(lower, group);
    lower->current = group->members.at[0].node;
    if (group->behind) {
        CallSumStart start = {group_elements(group), group->number};
        step =
            step_call(wide ? PLAN_CALL_SUM_START_F64 : PLAN_CALL_SUM_START_F32,
                      1, group_label(lower, group));
        step_call_imms(lower, &step, &start, sizeof start);
        step_arg(lower, &step, place, 0, false, true);
    } else {
        CallElements elements = {group_elements(group)};
        step = step_call(wide ? PLAN_CALL_ALL_SUM_F64 : PLAN_CALL_ALL_SUM_F32,
                         1, group_label(lower, group));
        step_call_imms(lower, &step, &elements, sizeof elements);
        step_arg(lower, &step, place, 0, false, true);
        step_arg(lower, &step, place, 0, true, true);
    }
    step_push(lower, &step);
}

void sums_start(Lowering *lower, int time)
{
    Value current = lower->current;
    for (int g = 0; g < lower->sums.count; g++) {
        SumGroup *group = &lower->sums.at[g];
        if (group->ready == time && group->buffer >= 0 &&
            lower->sum_of[group->members.at[0].node])
            start_group(lower, group);
    }
    lower->current = current;
}

bool sums_finish(Lowering *lower, Value value)
{
    if (!lower->sum_of[value])
        return false;
    SumGroup *group = &lower->sums.at[lower->sum_of[value] - 1];
    for (int i = 0; i < group->members.count; i++)
        if (group->members.at[i].node == value)
            lower->place[value] =
                (Place){PLACE_SLAB, group->buffer, group->members.at[i].offset};
    if (!group->behind || group->finished)
        return true;
    CallSumFinish finish = {group->number};
    LowerStep step =
        step_call(PLAN_CALL_SUM_FINISH, 1, group_label(lower, group));
    step_call_imms(lower, &step, &finish, sizeof finish);
    step_arg(lower, &step, (Place){PLACE_SLAB, group->buffer, 0}, 0, true,
             true);
    step_push(lower, &step);
    group->finished = true;
    return true;
}
