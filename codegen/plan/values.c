// Which values lie whole in memory after which step: for finding where in a
// step, and in the source, a number without bounds came from.
#include "codegen/plan/lower.h"

// Views, constants and inputs compute nothing.
static bool computes(Op op)
{
    LowerClass class = op_info(op)->lower;
    return class == LOWER_MAP || class == LOWER_REDUCE ||
           class == LOWER_MATMUL || class == LOWER_CONV ||
           class == LOWER_POOL || class == LOWER_CALL;
}

void values_note(Lowering *lower, int count, const Value *values)
{
    for (int i = 0; i < count; i++) {
        const Node *node = graph_node(lower->graph, values[i]);
        Made made = {values[i], lower->steps.count - 1};
        if (made.step >= 0 && computes(node->op) &&
            lower->place[values[i]].kind != PLACE_NONE &&
            node->type.dtype != DT_BOOL)
            vec_push(lower->arena, &lower->made, made);
    }
}

// The lines of all operations of the value's kernel up to it.
static void write_lines(const Lowering *lower, Value value, PlanValue *to)
{
    const Node *node = graph_node(lower->graph, value);
    const char *file = node->origin.file, *label = value_label(lower, value);
    to->line = to->last_line = file ? node->origin.line : 0;
    if (node->group > 0) {
        const Members *members = &lower->groups[node->group];
        Value first = members->nodes.at[0];
        for (int i = 0; i < members->nodes.count; i++) {
            const NodeOrigin *origin =
                &graph_node(lower->graph, members->nodes.at[i])->origin;
            if (members->nodes.at[i] > value || !file || !origin->file ||
                strcmp(origin->file, file) != 0)
                continue;
            to->line = origin->line < to->line ? origin->line : to->line;
            to->last_line =
                origin->line > to->last_line ? origin->line : to->last_line;
        }
        for (int i = 1; first < value && value_is_stored_form(lower, first);
             i++)
            first = members->nodes.at[i];
        // What a cast stores is the operation's before it.
        if (value_is_stored_form(lower, value)) {
            value = node->inputs[0];
            node = graph_node(lower->graph, value);
            label = value_label(lower, value);
        }
        if (first < value)
            label = arena_printf(lower->arena, "%s .. %s",
                                 value_label(lower, first),
                                 op_info(node->op)->text);
    }
    to->label = plan_string(label);
    to->file = file ? plan_string(file) : NULL;
}

static PlanRef place_ref(const Lowering *lower, Place place)
{
    if (place.kind == PLACE_PARAM)
        return (PlanRef){PLAN_PARAM, place.index, 0};
    return (PlanRef){PLAN_SLAB, 0,
                     lower->buffers.at[place.index].offset + place.offset};
}

// Is the memory, after the same step, that of a value made later?
static bool is_taken_over(const Lowering *lower, int at, const PlanRef *ref)
{
    for (int i = at + 1; i < lower->made.count; i++) {
        const Made *made = &lower->made.at[i];
        PlanRef other = place_ref(lower, lower->place[made->value]);
        if (made->step != lower->made.at[at].step)
            return false;
        if (other.space == ref->space && other.param == ref->param &&
            other.offset == ref->offset)
            return true;
    }
    return false;
}

void values_write(const Lowering *lower, Plan *plan)
{
    plan->values = plan_alloc((size_t)lower->made.count, sizeof *plan->values);
    for (int i = 0; i < lower->made.count; i++) {
        const Made *made = &lower->made.at[i];
        const TensorType *type = graph_type(lower->graph, made->value);
        PlanRef ref = place_ref(lower, lower->place[made->value]);
        if (is_taken_over(lower, i, &ref))
            continue;
        PlanValue *to = &plan->values[plan->value_count++];
        *to = (PlanValue){.step = made->step,
                          .dtype = (int32_t)type->dtype,
                          .at = ref,
                          .elements = type_elements(type)};
        to->rows = type->rank > 0 ? type->dims[0] : 1;
        write_lines(lower, made->value, to);
    }
}
