// A lowering, all decided, as the plan that the runtime reads.
#include "codegen/plan/lower.h"

#include <stdlib.h>

#include "codegen/codegen_impl.h"
#include "ir/base/diag.h"
#include "ir/image.h"
#include "ir/random.h"

// What goes from the graph into the plan as it is.
_Static_assert((int)DT_F32 == (int)PLAN_F32 && (int)DT_F64 == (int)PLAN_F64 &&
                   (int)DT_BF16 == (int)PLAN_BF16 &&
                   (int)DT_BOOL == (int)PLAN_BOOL &&
                   (int)DT_COUNT == (int)PLAN_DTYPES,
               "PlanDType is DType");
_Static_assert((int)RANDOM_KEY_ELEMENTS == (int)PLAN_RANDOM_KEY,
               "kernels read the key that the runtime feeds");
_Static_assert((int)MAX_RANK == (int)PLAN_MAX_RANK,
               "a plan's tensors are the graph's");

void *plan_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        arena_out_of_memory(count * size);
    return memory;
}

char *plan_string(const char *text)
{
    char *copy = plan_alloc(strlen(text) + 1, 1);
    return strcpy(copy, text);
}

static PlanTensor plan_tensor(const char *name, const TensorType *type)
{
    PlanTensor tensor = {.name = plan_string(name),
                         .dtype = (int32_t)type->dtype,
                         .rank = type->rank,
                         .bytes = type_bytes(type)};
    for (int d = 0; d < type->rank; d++)
        tensor.dims[d] = type->dims[d];
    return tensor;
}

// Index of a word in a list; the graph's verifier knows the same words.
static int word_index(const char *word, int count, const char *const *words)
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    INTERNAL_ERROR("unknown word \"%s\" on a param", word);
}

static PlanParam plan_param(const Node *node)
{
    bool tiled = node->type.form == FORM_TILED;
    TensorType type = tiled ? weights_plain_type(&node->type) : node->type;
    return (PlanParam){.tensor =
                           plan_tensor(node->attrs[PARAM_NAME].text, &type),
                       .role = word_index(node->attrs[PARAM_ROLE].text,
                                          PLAN_ROLES, plan_role_words),
                       .init = word_index(node->attrs[PARAM_INIT].text,
                                          PLAN_INITS, plan_init_words),
                       .scale = node->attrs[PARAM_SCALE].f,
                       .tile = tiled ? (int32_t)weights_tile(&node->type) : 0};
}

static bool has_param(const Plan *plan, const char *name)
{
    for (int i = 0; i < plan->param_count; i++)
        if (strcmp(plan->params[i].tensor.name, name) == 0)
            return true;
    return false;
}

void codegen_list_params(const Graph *graph, Plan *plan)
{
    size_t count = (size_t)plan->param_count;
    for (Value v = 0; v < graph->nodes.count; v++)
        count += graph_node(graph, v)->op == OP_PARAM;
    PlanParam *params = plan_alloc(count, sizeof *params);
    if (plan->param_count)
        memcpy(params, plan->params,
               (size_t)plan->param_count * sizeof *params);
    free(plan->params);
    plan->params = params;
    int known = plan->param_count;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op == OP_PARAM &&
            !(known && has_param(plan, node->attrs[PARAM_NAME].text)))
            plan->params[plan->param_count++] = plan_param(node);
    }
}

static void write_inputs(const Lowering *lower, Plan *plan)
{
    const Graph *graph = lower->graph;
    for (Value v = 0; v < graph->nodes.count; v++)
        plan->input_count += graph_node(graph, v)->op == OP_INPUT;
    plan->inputs = plan_alloc((size_t)plan->input_count, sizeof(PlanPort));
    int inputs = 0;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op == OP_INPUT)
            plan->inputs[inputs++] = (PlanPort){
                plan_tensor(node->attrs[INPUT_NAME].text, &node->type),
                lower->buffers.at[lower->place[v].index].offset};
    }
}

static void write_outputs(const Lowering *lower, const Place *outputs,
                          Plan *plan)
{
    const Graph *graph = lower->graph;
    plan->output_count = graph->outputs.count;
    plan->outputs = plan_alloc((size_t)plan->output_count, sizeof(PlanPort));
    for (int i = 0; i < graph->outputs.count; i++) {
        const Output *output = &graph->outputs.at[i];
        plan->outputs[i] = (PlanPort){
            plan_tensor(output->name, graph_type(graph, output->value)),
            lower->buffers.at[outputs[i].index].offset};
    }
}

static int compare_symbols(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void plan_write_symbols(Plan *plan, int count, const char **all)
{
    if (count)
        qsort(all, (size_t)count, sizeof *all, compare_symbols);
    plan->symbols = plan_alloc((size_t)count, sizeof *plan->symbols);
    for (int i = 0; i < count; i++)
        if (i == 0 || strcmp(all[i], all[i - 1]) != 0)
            plan->symbols[plan->symbol_count++] = plan_string(all[i]);
}

int32_t plan_find_symbol(const Plan *plan, const char *symbol)
{
    char **found = bsearch(&symbol, plan->symbols, (size_t)plan->symbol_count,
                           sizeof *plan->symbols, compare_symbols);
    return (int32_t)(found - plan->symbols);
}

static void write_symbols(const Lowering *lower, Plan *plan)
{
    int count = 0;
    const char **all =
        ARENA_ARRAY(lower->arena, const char *, lower->steps.count);
    for (int s = 0; s < lower->steps.count; s++)
        if (lower->steps.at[s].kernel)
            all[count++] = lower->steps.at[s].kernel->symbol;
    plan_write_symbols(plan, count, all);
}

static PlanRef plan_ref(const Lowering *lower, const StepArg *arg)
{
    if (arg->place.kind == PLACE_PARAM)
        return (PlanRef){PLAN_PARAM, arg->place.index, arg->offset};
    return (PlanRef){PLAN_SLAB, 0,
                     lower->buffers.at[arg->place.index].offset +
                         arg->place.offset + arg->offset};
}

// Where in the source a step comes from.
static void write_origin(const Lowering *lower, const LowerStep *step,
                         PlanStep *to)
{
    const NodeOrigin *origin = &graph_node(lower->graph, step->node)->origin;
    to->file = origin->file ? plan_string(origin->file) : NULL;
    to->line = origin->file ? origin->line : 0;
}

static void write_steps(const Lowering *lower, Plan *plan)
{
    int refs = 0, imms = 0;
    for (int s = 0; s < lower->steps.count; s++) {
        refs += lower->steps.at[s].args.count;
        imms += lower->steps.at[s].imms.count;
    }
    plan->step_count = lower->steps.count;
    plan->steps = plan_alloc((size_t)plan->step_count, sizeof *plan->steps);
    plan->refs = plan_alloc((size_t)refs, sizeof *plan->refs);
    plan->imms = plan_alloc((size_t)imms, sizeof *plan->imms);
    for (int s = 0; s < plan->step_count; s++) {
        const LowerStep *step = &lower->steps.at[s];
        plan->steps[s] = (PlanStep){
            .symbol = step->kernel
                          ? plan_find_symbol(plan, step->kernel->symbol)
                          : -1,
            .call = step->kernel ? 0 : (int32_t)step->call,
            .flags = step->chained ? PLAN_STEP_CHAINED : 0,
            .task_count = (int32_t)step->task_count,
            .first_arg = plan->ref_count,
            .arg_count = step->args.count,
            .first_imm = plan->imm_count,
            .imm_count = step->imms.count,
            .flops = step->flops,
            .bytes = step->bytes,
            .label = plan_string(step->label)};
        write_origin(lower, step, &plan->steps[s]);
        for (int i = 0; i < step->args.count; i++)
            plan->refs[plan->ref_count++] = plan_ref(lower, &step->args.at[i]);
        for (int i = 0; i < step->imms.count; i++)
            plan->imms[plan->imm_count++] = step->imms.at[i];
    }
}

// What codegen_verify_plan will hold the plan against.
static void keep_facts(const Lowering *lower, const Place *outputs,
                       const Plan *plan)
{
    Codegen *codegen = lower->codegen;
    const Graph *graph = lower->graph;
    Arena *arena = codegen->arena;
    PlanFacts facts = {.name = arena_strdup(arena, plan->name),
                       .ref_count = plan->ref_count,
                       .buffer_count = lower->buffers.count};
    facts.refs = ARENA_ARRAY(arena, RefFacts, facts.ref_count);
    facts.bytes = ARENA_ARRAY(arena, int64_t, facts.buffer_count);
    facts.inputs = ARENA_ARRAY(arena, int, plan->input_count);
    facts.outputs = ARENA_ARRAY(arena, int, plan->output_count);
    int ref = 0, input = 0;
    for (int s = 0; s < lower->steps.count; s++)
        for (int i = 0; i < lower->steps.at[s].args.count; i++) {
            const StepArg *arg = &lower->steps.at[s].args.at[i];
            bool slab = arg->place.kind == PLACE_SLAB;
            facts.refs[ref++] = (RefFacts){
                slab ? arg->place.index : -1, arg->place.offset + arg->offset,
                arg->write, arg->pointwise, arg->own};
        }
    for (int i = 0; i < facts.buffer_count; i++)
        facts.bytes[i] = lower->buffers.at[i].bytes;
    for (Value v = 0; v < graph->nodes.count; v++)
        if (graph_node(graph, v)->op == OP_INPUT)
            facts.inputs[input++] = lower->place[v].index;
    for (int i = 0; i < plan->output_count; i++)
        facts.outputs[i] = outputs[i].index;
    vec_push(arena, &codegen->facts, facts);
}

void write_plan(const Lowering *lower, const Place *outputs, Plan *plan)
{
    *plan = (Plan){.name = plan_string(lower->graph->name),
                   .slab_bytes = lower->slab_bytes,
                   .scratch_bytes = lower->scratch_bytes};
    codegen_list_params(lower->graph, plan);
    write_inputs(lower, plan);
    write_outputs(lower, outputs, plan);
    write_symbols(lower, plan);
    write_steps(lower, plan);
    values_write(lower, plan);
    keep_facts(lower, outputs, plan);
}
