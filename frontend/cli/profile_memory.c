// Which of the slab's bytes hold something that is still to be read, step by
// step: the memory of a training step over its time.
#include <stdlib.h>

#include "frontend/cli/profile.h"

// A stretch of the slab with one content.
typedef struct Held {
    int64_t from, end;   // bytes
    int begin, last;     // steps: made in the first, touched in the last
    struct Held *before; // of those whose content is not yet taken over
} Held;

// Does step `s` only write there? What it does in place has an argument for
// each.
static bool is_made(const Plan *plan, int first, int s, int64_t offset)
{
    bool made = false;
    int arguments = 0;
    const PlanStep *step = &plan->steps[s];
    for (int v = first; v < plan->value_count && plan->values[v].step == s; v++)
        made = made || (plan->values[v].at.space == PLAN_SLAB &&
                        plan->values[v].at.offset == offset);
    for (int i = 0; i < step->arg_count; i++) {
        const PlanRef *ref = &plan->refs[step->first_arg + i];
        arguments += ref->space == PLAN_SLAB && ref->offset == offset;
    }
    return made && arguments == 1;
}

static void touch(Held *held, int64_t offset, int s)
{
    for (; held; held = held->before)
        if (held->from <= offset && offset < held->end) {
            held->last = s;
            return;
        }
}

// What lay there before ends; where the step read it, too, it did so in place.
static Held *take_over(Held *held, const Held *by)
{
    Held *kept = NULL;
    while (held) {
        Held *next = held->before;
        if (held->end <= by->from || by->end <= held->from) {
            held->before = kept;
            kept = held;
        } else if (held->last == by->begin) {
            held->last--;
        }
        held = next;
    }
    return kept;
}

void profile_live_bytes(const Plan *plan, Arena *arena, int64_t *live)
{
    int steps = plan->step_count, count = 0, v = 0;
    Held *all =
        ARENA_ARRAY(arena, Held, plan->value_count + plan->input_count + 1);
    Held *held = NULL;
    for (int i = 0; i < plan->input_count; i++) {
        const PlanPort *port = &plan->inputs[i];
        all[count] =
            (Held){port->offset, port->offset + port->tensor.bytes, 0, 0, held};
        held = &all[count++];
    }
    for (int s = 0; s < steps; s++) {
        const PlanStep *step = &plan->steps[s];
        for (int i = 0; i < step->arg_count; i++) {
            const PlanRef *ref = &plan->refs[step->first_arg + i];
            if (ref->space == PLAN_SLAB && !is_made(plan, v, s, ref->offset))
                touch(held, ref->offset, s);
        }
        for (; v < plan->value_count && plan->values[v].step == s; v++) {
            const PlanValue *value = &plan->values[v];
            if (value->at.space != PLAN_SLAB)
                continue;
            int64_t bytes = value->elements * plan_dtype_bytes(value->dtype);
            Held *made = &all[count++];
            *made =
                (Held){value->at.offset, value->at.offset + bytes, s, s, NULL};
            held = take_over(held, made);
            made->before = held;
            held = made;
        }
    }
    for (int i = 0; i < plan->output_count; i++)
        touch(held, plan->outputs[i].offset, steps - 1);
    for (int s = 0; s < steps; s++)
        live[s] = 0;
    for (int i = 0; i < count; i++)
        for (int s = all[i].begin; s <= all[i].last; s++)
            live[s] += all[i].end - all[i].from;
}
