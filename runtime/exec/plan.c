// What must hold for a plan to be executed without looking back: every index
// inside its array, every offset inside its buffer. Plans may come from files.
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/exec/calls.h"
#include "runtime/exec/program.h"
#include "runtime/exec/tiles.h"

static Status bad_plan(const Plan *plan, const char *what, int index)
{
    return status_error(STATUS_DATA, "plan '%s': %s %d is out of range",
                        plan->name, what, index);
}

int plan_dtype_bytes(int dtype)
{
    static const int bytes[] = {
        [PLAN_F32] = 4, [PLAN_F64] = 8, [PLAN_BF16] = 2, [PLAN_BOOL] = 1};
    _Static_assert(sizeof bytes / sizeof *bytes == PLAN_DTYPES, "each type");
    return dtype >= 0 && dtype < PLAN_DTYPES ? bytes[dtype] : 0;
}

static const char *const sums_words[] = {[PLAN_SUMS_FAST] = "fast",
                                         [PLAN_SUMS_STRICT] = "strict",
                                         [PLAN_SUMS_PLAIN] = "plain"};
_Static_assert(sizeof sums_words / sizeof *sums_words == PLAN_SUMS,
               "a word each");

const char *plan_sums_word(int32_t sums)
{
    return sums_words[sums];
}

bool plan_sums_by_word(const char *word, int32_t *sums)
{
    for (int32_t i = PLAN_SUMS_FAST; word && i <= PLAN_SUMS_PLAIN; i++)
        if (strcmp(word, sums_words[i]) == 0) {
            *sums = i;
            return true;
        }
    return false;
}

int64_t plan_elements(const PlanTensor *tensor)
{
    int64_t count = 1;
    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->dims[i];
    return count;
}

void plan_shape_text(int rank, const int64_t *dims, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64,
                                 i ? "," : "", dims[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
}

static bool is_sound_tensor(const PlanTensor *tensor)
{
    int64_t bytes = plan_dtype_bytes(tensor->dtype);
    if (bytes == 0 || tensor->rank < 0 || tensor->rank > PLAN_MAX_RANK)
        return false;
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->dims[i] < 0 ||
            __builtin_mul_overflow(bytes, tensor->dims[i], &bytes))
            return false;
    return tensor->name && bytes == tensor->bytes;
}

static bool is_span(int32_t first, int32_t count, int32_t total)
{
    return first >= 0 && count >= 0 && first <= total && count <= total - first;
}

static Status check_ports(const Plan *plan, const PlanPort *ports, int count,
                          const char *what)
{
    for (int i = 0; i < count; i++)
        if (!is_sound_tensor(&ports[i].tensor) || ports[i].offset < 0 ||
            ports[i].offset > plan->slab_bytes ||
            ports[i].tensor.bytes > plan->slab_bytes - ports[i].offset)
            return bad_plan(plan, what, i);
    return status_ok();
}

static bool is_sound_step(const Plan *plan, int index)
{
    const PlanStep *step = &plan->steps[index];
    if (step->flags & ~PLAN_STEP_CHAINED || step->task_count < 1 ||
        !is_span(step->first_arg, step->arg_count, plan->ref_count) ||
        !is_span(step->first_imm, step->imm_count, plan->imm_count) ||
        !step->label)
        return false;
    if (step->flags & PLAN_STEP_CHAINED &&
        (index == 0 || step[-1].task_count != step->task_count))
        return false;
    if (step->symbol >= 0)
        return step->symbol < plan->symbol_count;
    return step->symbol == -1 && step->call >= 0 &&
           step->call < PLAN_CALL_COUNT &&
           step->arg_count == call_arg_count((PlanCall)step->call) &&
           step->imm_count == call_imm_count((PlanCall)step->call) &&
           (step->task_count == 1 || !call_is_collective((PlanCall)step->call));
}

static bool is_sound_ref(const Plan *plan, const PlanRef *ref)
{
    int64_t bytes = plan->slab_bytes;
    if (ref->space == PLAN_PARAM) {
        if (ref->param < 0 || ref->param >= plan->param_count)
            return false;
        bytes = plan->params[ref->param].tensor.bytes;
    } else if (ref->space != PLAN_SLAB) {
        return false;
    }
    return ref->offset >= 0 && ref->offset <= bytes;
}

static bool is_sound_value(const Plan *plan, int index)
{
    const PlanValue *value = &plan->values[index];
    int64_t bytes = plan_dtype_bytes(value->dtype), room = plan->slab_bytes;
    if (bytes == 0 || !value->label || value->rows < 0 || value->elements < 0 ||
        __builtin_mul_overflow(bytes, value->elements, &bytes) ||
        value->step < 0 || value->step >= plan->step_count ||
        (index > 0 && value->step < value[-1].step) ||
        !is_sound_ref(plan, &value->at))
        return false;
    if (value->at.space == PLAN_PARAM)
        room = plan->params[value->at.param].tensor.bytes;
    return bytes <= room - value->at.offset;
}

const char *plan_copied(const PlanParam *param)
{
    const char *dot = strchr(param->tensor.name, '.');
    return dot ? dot + 1 : "";
}

bool plan_params_alike(const PlanParam *one, const PlanParam *other)
{
    const PlanTensor *a = &one->tensor, *b = &other->tensor;
    if (one->tile != other->tile || a->dtype != b->dtype ||
        a->rank != b->rank || a->bytes != b->bytes)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

// A copy's original is there, and no copy itself.
static bool is_sound_init(const Plan *plan, const PlanParam *param)
{
    if (param->init != PLAN_INIT_COPY)
        return param->init >= 0 && param->init < PLAN_INIT_COPY;
    for (int i = 0; i < plan->param_count; i++) {
        const PlanParam *other = &plan->params[i];
        if (strcmp(other->tensor.name, plan_copied(param)) == 0)
            return other->init != PLAN_INIT_COPY &&
                   plan_params_alike(param, other);
    }
    return false;
}

static bool is_sound_copy(const Plan *plan, const PlanCopy *copy)
{
    int64_t part, whole;
    return (copy->part == PLAN_EMBED || copy->part == PLAN_BACKWARD) &&
           copy->blocks > 0 && copy->bytes >= 0 && copy->chunk >= 0 &&
           copy->whole >= 0 &&
           !__builtin_mul_overflow(copy->bytes, copy->blocks, &part) &&
           !__builtin_mul_overflow(part, plan->chunks.count, &whole) &&
           part <= plan->slab_bytes && copy->chunk <= plan->slab_bytes - part &&
           whole <= plan->slab_bytes && copy->whole <= plan->slab_bytes - whole;
}

// A part is its own: none of its steps is chained to one of another.
// Sums behind the work are numbered as they begin, and waited for after that.
static Status check_sums(const Plan *plan)
{
    int64_t begun = 0, waited = 0;
    for (int i = 0; i < plan->step_count; i++) {
        const PlanStep *step = &plan->steps[i];
        const int64_t *imm = plan->imms + step->first_imm;
        CallSumStart start;
        CallSumFinish finish;
        if (step->symbol >= 0)
            continue;
        if (step->call == PLAN_CALL_SUM_START_F32 ||
            step->call == PLAN_CALL_SUM_START_F64) {
            memcpy(&start, imm, sizeof start);
            if (start.number != begun++)
                return bad_plan(plan, "step", i);
        } else if (step->call == PLAN_CALL_SUM_FINISH) {
            memcpy(&finish, imm, sizeof finish);
            if (finish.number < 0 || finish.number >= begun)
                return bad_plan(plan, "step", i);
            waited++;
        }
    }
    return begun == waited ? status_ok() : bad_plan(plan, "step", 0);
}

static Status check_chunks(const Plan *plan)
{
    const PlanChunks *chunks = &plan->chunks;
    int32_t end = 0;
    if (chunks->count < 0)
        return bad_plan(plan, "chunk", 0);
    for (int i = 0; chunks->count && i < PLAN_PARTS; i++) {
        if (chunks->end[i] < end || chunks->end[i] > plan->step_count ||
            (chunks->end[i] < plan->step_count &&
             plan->steps[chunks->end[i]].flags & PLAN_STEP_CHAINED))
            return bad_plan(plan, "part", i);
        end = chunks->end[i];
    }
    if (chunks->count && end != plan->step_count)
        return bad_plan(plan, "part", PLAN_PARTS - 1);
    for (int i = 0; i < chunks->copy_count; i++)
        if (!is_sound_copy(plan, &chunks->copies[i]))
            return bad_plan(plan, "copy", i);
    return status_ok();
}

Status plan_check(const Plan *plan)
{
    const int64_t limit = (int64_t)1 << 46; // more than an address space holds
    if (plan->slab_bytes < 0 || plan->slab_bytes > limit ||
        plan->scratch_bytes < 0 || plan->scratch_bytes > limit / 1024)
        return bad_plan(plan, "buffer size", 0);
    for (int i = 0; i < plan->param_count; i++) {
        const PlanParam *param = &plan->params[i];
        if (!is_sound_tensor(&param->tensor) || param->tensor.bytes > limit ||
            param->role < 0 || param->role > PLAN_SUM ||
            !is_sound_init(plan, param) ||
            !tiles_fit(&param->tensor, param->tile))
            return bad_plan(plan, "param", i);
    }
    TRY(check_ports(plan, plan->inputs, plan->input_count, "input"));
    TRY(check_ports(plan, plan->outputs, plan->output_count, "output"));
    for (int i = 0; i < plan->ref_count; i++)
        if (!is_sound_ref(plan, &plan->refs[i]))
            return bad_plan(plan, "reference", i);
    for (int i = 0; i < plan->step_count; i++)
        if (!is_sound_step(plan, i))
            return bad_plan(plan, "step", i);
    for (int i = 0; i < plan->value_count; i++)
        if (!is_sound_value(plan, i))
            return bad_plan(plan, "value", i);
    TRY(check_sums(plan));
    return check_chunks(plan);
}
