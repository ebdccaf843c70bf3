// Checks a plan against what the lowering knew of it: replays the steps and
// keeps, for every byte of the slab, which buffer lies there.
#include "codegen/codegen_impl.h"

// A stretch of the slab that holds one buffer's content.
typedef struct Span {
    int64_t start, end;
    int buffer;
} Span;

typedef struct Replay {
    const Plan *plan;
    const PlanFacts *facts;
    Arena *arena;
    int64_t *base; // of each buffer, -1 = not seen yet
    bool *written;
    VEC(Span) spans; // sorted, disjoint
    const char *problem;
} Replay;

static void fail(Replay *replay, const char *what, int step, int buffer)
{
    if (!replay->problem)
        replay->problem = arena_printf(
            replay->arena, "plan \"%s\": step %d (%s), buffer %d at %lld: %s",
            replay->plan->name, step,
            step >= 0 && step < replay->plan->step_count
                ? replay->plan->steps[step].label
                : "ports",
            buffer, (long long)replay->base[buffer], what);
}

// The first span that ends after `start`.
static int find_span(const Replay *replay, int64_t start)
{
    int low = 0, high = replay->spans.count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (replay->spans.at[middle].end > start)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void insert_span(Replay *replay, int at, Span span)
{
    vec_push(replay->arena, &replay->spans, span);
    Span *spans = replay->spans.at;
    memmove(spans + at + 1, spans + at,
            (size_t)(replay->spans.count - 1 - at) * sizeof *spans);
    spans[at] = span;
}

// The stretch is the buffer's from now on; others lose what they had of it.
static void claim(Replay *replay, int buffer)
{
    int64_t start = replay->base[buffer];
    int64_t end = start + replay->facts->bytes[buffer];
    int at = find_span(replay, start), last = at;
    Span *spans = replay->spans.at;
    while (last < replay->spans.count && spans[last].start < end)
        last++;
    Span left = {0, 0, 0}, right = {0, 0, 0};
    if (last > at) {
        left = spans[at];
        left.end = start;
        right = spans[last - 1];
        right.start = end;
        memmove(spans + at, spans + last,
                (size_t)(replay->spans.count - last) * sizeof *spans);
        replay->spans.count -= last - at;
    }
    if (right.start < right.end)
        insert_span(replay, at, right);
    insert_span(replay, at, (Span){start, end, buffer});
    if (left.start < left.end)
        insert_span(replay, at, left);
}

static bool owns(const Replay *replay, int buffer)
{
    int at = find_span(replay, replay->base[buffer]);
    if (at == replay->spans.count)
        return false;
    const Span *span = &replay->spans.at[at];
    return span->buffer == buffer && span->start <= replay->base[buffer] &&
           span->end >= replay->base[buffer] + replay->facts->bytes[buffer];
}

// The buffer lies where the offset says, as it did the last time.
static void see(Replay *replay, int step, int buffer, int64_t base)
{
    int64_t *known = &replay->base[buffer];
    bool first = *known < 0;
    if (first)
        *known = base;
    if (*known != base)
        fail(replay, "moved", step, buffer);
    if (first &&
        (base < 0 || base % PLAN_ALIGN != 0 ||
         base > replay->plan->slab_bytes - replay->facts->bytes[buffer])) {
        fail(replay, "outside the slab or unaligned", step, buffer);
        *known = 0;
    }
}

static void check_reads(Replay *replay, int s)
{
    const PlanStep *step = &replay->plan->steps[s];
    for (int r = step->first_arg; r < step->first_arg + step->arg_count; r++) {
        const RefFacts *fact = &replay->facts->refs[r];
        if (fact->buffer < 0)
            continue;
        see(replay, s, fact->buffer,
            replay->plan->refs[r].offset - fact->offset);
        if (!fact->write && !replay->written[fact->buffer])
            fail(replay, "read before it is written", s, fact->buffer);
        else if (!fact->write && !owns(replay, fact->buffer))
            fail(replay, "read after others overwrote it", s, fact->buffer);
    }
}

static bool overlaps(const Replay *replay, int a, int b)
{
    return replay->base[a] < replay->base[b] + replay->facts->bytes[b] &&
           replay->base[b] < replay->base[a] + replay->facts->bytes[a];
}

// Whether a write may lie where the steps from `first` on (this one, and those
// it is chained to) read: only in place of this very step's operand, point by
// point; and where they write: only if it is the same buffer, or in place.
static void check_overlap(Replay *replay, int first, int s, int write)
{
    const PlanFacts *facts = replay->facts;
    const RefFacts *out = &facts->refs[write];
    const PlanStep *from = &replay->plan->steps[first];
    const PlanStep *step = &replay->plan->steps[s];
    int own = step->first_arg, end = own + step->arg_count;
    for (int r = from->first_arg; r < end; r++) {
        const RefFacts *in = &facts->refs[r];
        if (r == write || in->buffer < 0 || in->buffer == out->buffer ||
            !overlaps(replay, in->buffer, out->buffer))
            continue;
        bool same = replay->base[in->buffer] == replay->base[out->buffer] &&
                    facts->bytes[in->buffer] == facts->bytes[out->buffer];
        bool in_place =
            r >= own && !in->write && in->pointwise && out->pointwise && same;
        // What the anchor wrote, this step reads point by point (or fails
        // above) and replaces.
        // Nor is it in the way that a task of an earlier step read it, where
        // each task has its own share.
        bool replaced = r < own && (in->write || (in->own && out->own)) &&
                        out->pointwise && same;
        if (!in_place && !replaced)
            fail(replay, "overlaps a buffer in use", s, out->buffer);
    }
}

static void check_writes(Replay *replay, int first, int s)
{
    const PlanStep *step = &replay->plan->steps[s];
    for (int r = step->first_arg; r < step->first_arg + step->arg_count; r++) {
        const RefFacts *fact = &replay->facts->refs[r];
        if (fact->buffer < 0 || !fact->write)
            continue;
        check_overlap(replay, first, s, r);
        if (replay->written[fact->buffer] && !owns(replay, fact->buffer))
            fail(replay, "written after others overwrote it", s, fact->buffer);
    }
    for (int r = step->first_arg; r < step->first_arg + step->arg_count; r++) {
        const RefFacts *fact = &replay->facts->refs[r];
        if (fact->buffer < 0 || !fact->write)
            continue;
        replay->written[fact->buffer] = true;
        claim(replay, fact->buffer);
    }
}

static void check_steps(Replay *replay)
{
    int first = 0;
    for (int s = 0; s < replay->plan->step_count && !replay->problem; s++) {
        if (!(replay->plan->steps[s].flags & PLAN_STEP_CHAINED))
            first = s;
        check_reads(replay, s);
        check_writes(replay, first, s);
    }
}

static const PlanFacts *find_facts(const Codegen *codegen, const Plan *plan)
{
    for (int i = codegen->facts.count - 1; i >= 0; i--)
        if (strcmp(codegen->facts.at[i].name, plan->name) == 0 &&
            codegen->facts.at[i].ref_count == plan->ref_count)
            return &codegen->facts.at[i];
    return NULL;
}

const char *codegen_replay_plan(const Codegen *codegen, const Plan *plan,
                                Arena *arena)
{
    const PlanFacts *facts = find_facts(codegen, plan);
    if (!facts)
        return "not a plan of this compiler";
    Replay replay = {.plan = plan, .facts = facts, .arena = arena};
    replay.base = ARENA_ARRAY(arena, int64_t, facts->buffer_count);
    replay.written = ARENA_ARRAY(arena, bool, facts->buffer_count);
    for (int i = 0; i < facts->buffer_count; i++)
        replay.base[i] = -1;
    for (int i = 0; i < plan->input_count; i++) {
        int buffer = facts->inputs[i];
        see(&replay, -1, buffer, plan->inputs[i].offset);
        replay.written[buffer] = true;
        claim(&replay, buffer);
    }
    check_steps(&replay);
    // Inputs are the runtime's from step to step, outputs after the last.
    for (int i = 0; i < plan->output_count && !replay.problem; i++) {
        see(&replay, plan->step_count, facts->outputs[i],
            plan->outputs[i].offset);
        if (!owns(&replay, facts->outputs[i]))
            fail(&replay, "output lost", plan->step_count, facts->outputs[i]);
    }
    for (int i = 0; i < plan->input_count && !replay.problem; i++)
        if (!owns(&replay, facts->inputs[i]))
            fail(&replay, "input lost", plan->step_count, facts->inputs[i]);
    return replay.problem;
}

// ---- the plan by itself -----------------------------------------------------

static int64_t space_bytes(const Plan *plan, const PlanRef *ref)
{
    if (ref->space == PLAN_SLAB)
        return plan->slab_bytes;
    if (ref->param < 0 || ref->param >= plan->param_count)
        return -1;
    return plan->params[ref->param].tensor.bytes;
}

static bool ports_fit(const Plan *plan, int count, const PlanPort *ports)
{
    for (int i = 0; i < count; i++)
        if (ports[i].offset < 0 || ports[i].offset % PLAN_ALIGN != 0 ||
            ports[i].offset > plan->slab_bytes - ports[i].tensor.bytes)
            return false;
    return true;
}

const char *codegen_verify_plan(const Plan *plan, Arena *arena)
{
    if (!ports_fit(plan, plan->input_count, plan->inputs) ||
        !ports_fit(plan, plan->output_count, plan->outputs))
        return "an input or output lies outside the slab";
    for (int s = 0; s < plan->step_count; s++) {
        const PlanStep *step = &plan->steps[s];
        if (step->flags & PLAN_STEP_CHAINED &&
            (s == 0 || step[-1].task_count != step->task_count))
            return arena_printf(arena, "step %d (%s) is chained to other tasks",
                                s, step->label);
        for (int i = 0; i < step->arg_count; i++) {
            const PlanRef *ref = &plan->refs[step->first_arg + i];
            if (ref->offset < 0 || ref->offset >= space_bytes(plan, ref))
                return arena_printf(arena,
                                    "step %d (%s): argument %d lies outside", s,
                                    step->label, i);
        }
    }
    return NULL;
}
