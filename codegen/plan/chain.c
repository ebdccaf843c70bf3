// Loop kernels that run as a chain: what reads the same large values one kernel
// after another, as the statistics of a norm, their use, and the sums of its
// gradient do.
//
// The kernels of a chain are cut along one dim each into the same number of
// tasks, so that task i of every kernel reads of what the chain writes only
// what task i of the others wrote: a block of channels where statistics are
// taken over images, some rows where they are taken of each row. Then the
// executor runs task i of all of them before task i + 1, without a barrier
// between (PLAN_STEP_CHAINED), and what the first has read is still in the
// second-level cache for the last.
//
// How the kernels are cut is a rule of shapes alone.
#include "codegen/integers.h"
#include "codegen/plan/lower.h"

enum {
    // Fewer tasks keep too few cores busy. Half of what kernels elsewhere are
    // cut into: what is won by a second read from the cache is lost by many
    // cores only.
    LEAST_TASKS = 8,
    MOST_TASKS = 64,
    // A task of less is over before a chain pays.
    TASK_ELEMENTS = 8192,
    // Of a task's share elements in a row: vectors, and not the lanes of one.
    LEAST_ROW = 64,
    // Kernels between two that go over the same values: a norm has a handful.
    MOST_BETWEEN = 12,
};

// Of an access whose dim d is cut into chunks: the elements that a task's share
// spans, when the shares of all tasks follow one another in that order, again
// and again; 0 when they do not. Two accesses of equal periods touch the same
// elements in the same tasks.
static int64_t period_of(const LoopKernel *k, const int64_t *strides, int d,
                         int64_t chunk, int64_t tasks)
{
    int64_t period = strides[d] * chunk, within = (chunk - 1) * strides[d];
    if (strides[d] <= 0)
        return 0;
    for (int j = 0; j < k->rank; j++) {
        if (j == d || strides[j] == 0 || k->dims[j] == 1)
            continue;
        if (strides[j] < 0)
            return 0;
        if (strides[j] < period)
            within += (k->dims[j] - 1) * strides[j];
        else if (strides[j] % (period * tasks) != 0)
            return 0;
    }
    return within < period ? period : 0;
}

// The chunk of dim d by which it is cut into so many tasks; 0: it cannot be.
// Where the dim is walked again and again, all chunks are of equal size.
static int64_t chunk_of(const LoopKernel *k, int d, int64_t tasks)
{
    int64_t chunk = ceil_div(k->dims[d], tasks), before = 1;
    for (int j = 0; j < d; j++)
        before *= k->dims[j];
    bool even = k->dims[d] % chunk == 0;
    bool fits = ceil_div(k->dims[d], chunk) == tasks;
    return fits && (even || before == 1) && !loop_is_reduced(k, d) ? chunk : 0;
}

// ---- what a chain touches ---------------------------------------------------

static bool same_memory(const Place *a, const Place *b)
{
    return a->kind == b->kind && a->index == b->index;
}

// Adds an access; false: it does not go with those before it. Where anything is
// written, all accesses have one period, and the same bytes. Sets `shared`
// where the same task touched the same elements before.
static bool add_use(Arena *arena, ChainUses *uses, const ChainUse *use,
                    bool *shared)
{
    for (int i = 0; i < uses->count; i++) {
        ChainUse *known = &uses->at[i];
        if (!same_memory(&known->place, &use->place))
            continue;
        bool same = known->place.offset == use->place.offset &&
                    known->offset == use->offset &&
                    known->bytes == use->bytes && known->period == use->period;
        if ((known->written || use->written) && (!same || !use->period))
            return false;
        if (same) {
            known->written |= use->written;
            *shared |= use->period > 0;
            return true;
        }
    }
    vec_push(arena, uses, *use);
    return true;
}

// All accesses of a kernel that is cut along d.
static bool add_uses(Arena *arena, ChainUses *uses, const LoopKernel *k,
                     const StepArg *args, int d, int64_t chunk, int64_t tasks,
                     bool *shared)
{
    for (int i = 0; i < k->exprs.count; i++) {
        const LoopExpr *expr = &k->exprs.at[i];
        if (expr->kind != EXPR_LOAD && expr->kind != EXPR_RANDOM)
            continue;
        const StepArg *arg = &args[expr->arg];
        ChainUse use = {arg->place, arg->offset, dtype_size(expr->dtype), 0,
                        false};
        if (expr->kind == EXPR_LOAD)
            use.period = period_of(k, expr->strides, d, chunk, tasks);
        if (!add_use(arena, uses, &use, shared))
            return false;
    }
    for (int i = 0; i < k->stores.count; i++) {
        const LoopStore *store = &k->stores.at[i];
        const StepArg *arg = &args[store->arg];
        ChainUse use = {arg->place, arg->offset, dtype_size(store->dtype),
                        period_of(k, store->strides, d, chunk, tasks), true};
        if (!add_use(arena, uses, &use, shared))
            return false;
    }
    return true;
}

static void cut(LoopKernel *k, int d, int64_t chunk, int64_t tasks)
{
    loop_collapse(k, d + 1);
    k->split = (LoopSplit){.dim = d,
                           .chunk = chunk,
                           .blocks = tasks,
                           .task_count = tasks,
                           .all_before = true};
}

// ---- joining and beginning --------------------------------------------------

bool chain_join(Lowering *lower, LoopKernel *k, const StepArg *args)
{
    Chain *chain = &lower->chain;
    if (!chain->tasks || chain->end != lower->steps.count)
        return false;
    for (int d = 0; d < k->rank; d++) {
        int64_t chunk = chunk_of(k, d, chain->tasks);
        if (!chunk)
            continue;
        ChainUses uses = {0};
        bool shared = false;
        for (int i = 0; i < chain->uses.count; i++)
            vec_push(lower->arena, &uses, chain->uses.at[i]);
        if (!add_uses(lower->arena, &uses, k, args, d, chunk, chain->tasks,
                      &shared) ||
            !shared)
            continue;
        chain->uses = uses;
        cut(k, d, chunk, chain->tasks);
        return true;
    }
    return false;
}

// Whether a kernel soon after node v goes over a value of these dims as well,
// with only small kernels between. What would be in the way of a chain
// otherwise is seen when they are made.
static bool is_followed(const Lowering *lower, const LoopKernel *k)
{
    const Graph *graph = lower->graph;
    int64_t elements = loop_elements(k);
    int between = 0, group = graph_node(graph, lower->current)->group;
    for (Value v = lower->current + 1; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (!lower->needed[v] || lower->emit_at[v] != v ||
            value_is_folded(lower, v) || (group && node->group == group))
            continue;
        group = node->group;
        LowerClass class = op_info(node->op)->lower;
        if (class == LOWER_LEAF || class == LOWER_VIEW)
            continue;
        if (class != LOWER_MAP && class != LOWER_REDUCE)
            return false;
        const TensorType *space = class == LOWER_REDUCE
                                      ? graph_type(graph, node->inputs[0])
                                      : &node->type;
        if (type_elements(space) == elements)
            return true;
        if (type_elements(space) > TASK_ELEMENTS || ++between > MOST_BETWEEN)
            return false;
    }
    return false;
}

bool chain_begin(Lowering *lower, LoopKernel *k, const StepArg *args)
{
    lower->chain.tasks = 0;
    int64_t wanted =
        min_i64(loop_elements(k) / TASK_ELEMENTS, (int64_t)MOST_TASKS);
    if (!k->reduced || wanted < LEAST_TASKS || !is_followed(lower, k))
        return false;
    int64_t row = loop_elements(k); // elements behind one index of d
    for (int d = 0; d < k->rank; d++) {
        row /= k->dims[d];
        if (loop_is_reduced(k, d) || k->dims[d] < LEAST_TASKS)
            continue;
        int64_t chunk = ceil_div(k->dims[d], wanted);
        while (d > 0 && k->dims[d] % chunk != 0)
            chunk++;
        int64_t tasks = ceil_div(k->dims[d], chunk);
        ChainUses uses = {0};
        bool shared = false;
        if (tasks < LEAST_TASKS || chunk * row < LEAST_ROW ||
            !add_uses(lower->arena, &uses, k, args, d, chunk, tasks, &shared))
            continue;
        lower->chain =
            (Chain){.tasks = tasks, .first = lower->steps.count, .uses = uses};
        cut(k, d, chunk, tasks);
        return true;
    }
    return false;
}

static bool owns(const Chain *chain, const StepArg *arg)
{
    int64_t period = 0;
    for (int i = 0; i < chain->uses.count; i++) {
        const ChainUse *use = &chain->uses.at[i];
        if (!same_memory(&use->place, &arg->place))
            continue;
        if (!use->period || (period && period != use->period))
            return false;
        period = use->period;
    }
    return period > 0;
}

void chain_pushed(Lowering *lower)
{
    Chain *chain = &lower->chain;
    chain->end = lower->steps.count;
    for (int s = chain->first; s < chain->end; s++) {
        LowerStep *step = &lower->steps.at[s];
        for (int i = 0; i < step->args.count; i++)
            step->args.at[i].own = owns(chain, &step->args.at[i]);
    }
}
