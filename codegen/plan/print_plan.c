// --emit=plan: what will be executed, and where everything lies.
#include "codegen/codegen_impl.h"

// Rows of abi.def by name.
static const char *const call_names[] = {
#define CALL(id, function, imms, args, doc) #function,
#include "runtime/exec/abi.def"
};

const char *const plan_role_words[] = {
    [PLAN_WEIGHT] = "weight", [PLAN_STATE] = "state", [PLAN_SLOT] = "slot",
    [PLAN_FROZEN] = "frozen", [PLAN_SUM] = "sum",
};

const char *const plan_init_words[] = {
    [PLAN_INIT_CONSTANT] = "constant",
    [PLAN_INIT_NORMAL] = "normal",
    [PLAN_INIT_TRUNCATED_NORMAL] = "truncated_normal",
    [PLAN_INIT_UNIFORM] = "uniform",
    [PLAN_INIT_COPY] = "copy",
};

static void print_tensor(const PlanTensor *tensor, Text *out)
{
    text_addf(out, "\"%s\" : %s[", tensor->name,
              dtype_name((DType)tensor->dtype));
    for (int d = 0; d < tensor->rank; d++)
        text_addf(out, d ? ",%lld" : "%lld", (long long)tensor->dims[d]);
    text_add(out, "]");
}

static void print_params(const Plan *plan, Text *out)
{
    for (int i = 0; i < plan->param_count; i++) {
        const PlanParam *param = &plan->params[i];
        text_addf(out, "  param %d ", i);
        print_tensor(&param->tensor, out);
        text_addf(out, " %s %s ", plan_role_words[param->role],
                  plan_init_words[param->init]);
        text_add_double(out, param->scale);
        if (param->tile)
            text_addf(out, " in tiles of %d", (int)param->tile);
        text_add(out, "\n");
    }
}

static void print_ports(const char *what, int count, const PlanPort *ports,
                        Text *out)
{
    for (int i = 0; i < count; i++) {
        text_addf(out, "  %s ", what);
        print_tensor(&ports[i].tensor, out);
        text_addf(out, " at slab:%lld\n", (long long)ports[i].offset);
    }
}

static void print_ref(const PlanRef *ref, Text *out)
{
    if (ref->space == PLAN_SLAB)
        text_addf(out, " slab:%lld", (long long)ref->offset);
    else if (ref->offset)
        text_addf(out, " param:%d:%lld", ref->param, (long long)ref->offset);
    else
        text_addf(out, " param:%d", ref->param);
}

static void print_step(const Plan *plan, int index, Text *out)
{
    const PlanStep *step = &plan->steps[index];
    text_addf(out, "  %d %s%s", index,
              step->flags & PLAN_STEP_CHAINED ? "+ " : "",
              step->symbol >= 0 ? plan->symbols[step->symbol]
                                : call_names[step->call]);
    for (int i = 0; i < step->arg_count; i++)
        print_ref(&plan->refs[step->first_arg + i], out);
    for (int i = 0; i < step->imm_count; i++)
        text_addf(out, i ? ",%lld" : " (%lld",
                  (long long)plan->imms[step->first_imm + i]);
    text_addf(out, "%s x%d \"%s\"\n", step->imm_count ? ")" : "",
              step->task_count, step->label);
}

// What a thread of its own makes of several processes, beside those that a step
// is run on.
static void print_sums(const Plan *plan, Text *out)
{
    int count = 0;
    double bytes = 0;
    for (int i = 0; i < plan->step_count; i++) {
        const PlanStep *step = &plan->steps[i];
        bool single = step->call == PLAN_CALL_SUM_START_F32;
        if (step->symbol >= 0 ||
            (!single && step->call != PLAN_CALL_SUM_START_F64))
            continue;
        count++;
        bytes += (single ? 4.0 : 8.0) * (double)plan->imms[step->first_imm];
    }
    if (count)
        text_addf(out,
                  "  a thread beside these for %d sums behind the work, of "
                  "%.2f MB\n",
                  count, 1e-6 * bytes);
}

void codegen_print_plan(const Plan *plan, Text *out)
{
    text_addf(out, "plan \"%s\" {\n", plan->name);
    text_addf(out, "  slab %lld bytes, scratch %lld bytes a thread\n",
              (long long)plan->slab_bytes, (long long)plan->scratch_bytes);
    print_sums(plan, out);
    print_params(plan, out);
    print_ports("input", plan->input_count, plan->inputs, out);
    print_ports("output", plan->output_count, plan->outputs, out);
    for (int i = 0; i < plan->step_count; i++)
        print_step(plan, i, out);
    text_add(out, "}\n");
}
