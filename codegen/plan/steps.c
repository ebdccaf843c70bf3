// Buffers and steps of a plan in the making.
#include "codegen/plan/lower.h"

#include "codegen/codegen_impl.h"
#include "ir/base/diag.h"

int64_t type_bytes(const TensorType *type)
{
    return type_elements(type) * dtype_size(type->dtype);
}

int buffer_new(Lowering *lower, int64_t bytes)
{
    SlabBuffer buffer = {.bytes = bytes, .host = -1};
    vec_push(lower->arena, &lower->buffers, buffer);
    return lower->buffers.count - 1;
}

Place value_new_buffer(Lowering *lower, Value value)
{
    TensorType type = *graph_type(lower->graph, value);
    if (value == lower->wide)
        type.dtype = DT_F32;
    int64_t bytes = type_bytes(&type);
    Place place = lower->stretch[value];
    if (place.kind == PLACE_NONE)
        place = (Place){PLACE_SLAB, buffer_new(lower, bytes), 0};
    lower->place[value] = place;
    return place;
}

LowerStep step_call(PlanCall call, int64_t task_count, const char *label)
{
    return (LowerStep){
        .call = call, .task_count = task_count, .label = label, .share = 1};
}

LowerStep step_kernel(const Kernel *kernel, int64_t task_count,
                      const char *label)
{
    return (LowerStep){
        .kernel = kernel, .task_count = task_count, .label = label, .share = 1};
}

void step_arg(Lowering *lower, LowerStep *step, Place place, int64_t offset,
              bool write, bool pointwise)
{
    INTERNAL_CHECK(place.kind != PLACE_NONE);
    StepArg arg = {place, offset, write, pointwise, false};
    vec_push(lower->arena, &step->args, arg);
}

void step_imms(Lowering *lower, LowerStep *step, int count,
               const int64_t *values)
{
    for (int i = 0; i < count; i++)
        vec_push(lower->arena, &step->imms, values[i]);
}

void step_call_imms(Lowering *lower, LowerStep *step, const void *imms,
                    size_t bytes)
{
    for (size_t at = 0; at < bytes; at += sizeof(int64_t)) {
        int64_t value;
        memcpy(&value, (const char *)imms + at, sizeof value);
        vec_push(lower->arena, &step->imms, value);
    }
}

// What abi.def says of a runtime function.
static bool fits_call(const LowerStep *step)
{
    static const struct {
        size_t bytes;
        int args;
    } calls[] = {
#define CALL(id, function, imms, args, doc) {imms, args},
#include "runtime/exec/abi.def"
    };
    return step->args.count == calls[step->call].args &&
           (size_t)step->imms.count * sizeof(int64_t) ==
               calls[step->call].bytes;
}

void step_push(Lowering *lower, const LowerStep *step)
{
    LowerStep pushed = *step;
    int count = lower->steps.count;
    INTERNAL_CHECK(step->kernel || fits_call(step));
    pushed.time = count;
    pushed.node = lower->current;
    if (step->chained) {
        const LowerStep *before = &lower->steps.at[count - 1];
        INTERNAL_CHECK(before->task_count == step->task_count);
        pushed.time = before->time;
    }
    vec_push(lower->arena, &lower->steps, pushed);
}

bool value_is_stored_form(const Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    return node->op == OP_CAST &&
           (node->type.dtype == DT_BF16 ||
            graph_type(lower->graph, node->inputs[0])->dtype == DT_BF16);
}

const char *value_label(const Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *scope = node->origin.scope;
    const char *text = op_info(node->op)->text;
    return scope && *scope ? arena_concat(lower->arena, scope, ": ", text)
                           : text;
}
