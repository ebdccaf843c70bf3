// Graph -> plan: walks the nodes in order, a rule per lowering class, then
// decides memory and writes the plan down.
#include "codegen/lower.h"

#include <stdlib.h>

#include "codegen/codegen_impl.h"
#include "ir/base/diag.h"
#include "ir/image.h"

// ---- buffers and steps ------------------------------------------------------

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
    int64_t bytes = type_bytes(graph_type(lower->graph, value));
    Place place = {PLACE_SLAB, buffer_new(lower, bytes)};
    lower->place[value] = place;
    return place;
}

LowerStep step_call(PlanCall call, int64_t task_count, const char *label)
{
    return (LowerStep){.call = call, .task_count = task_count, .label = label};
}

LowerStep step_kernel(Lowering *lower, Kernel *kernel, const char *label)
{
    kernel_seal(lower->arena, kernel);
    return (LowerStep){.kernel = codegen_intern(lower->codegen, kernel),
                       .task_count = kernel->split.task_count,
                       .label = label};
}

void step_arg(Lowering *lower, LowerStep *step, Place place, int64_t offset,
              bool write, bool pointwise)
{
    INTERNAL_CHECK(place.kind != PLACE_NONE);
    StepArg arg = {place, offset, write, pointwise};
    vec_push(lower->arena, &step->args, arg);
}

void step_imms(Lowering *lower, LowerStep *step, int count,
               const int64_t *values)
{
    for (int i = 0; i < count; i++)
        vec_push(lower->arena, &step->imms, values[i]);
}

void step_push(Lowering *lower, const LowerStep *step)
{
    LowerStep pushed = *step;
    int count = lower->steps.count;
    pushed.time = count;
    pushed.node = lower->current;
    if (step->chained) {
        const LowerStep *before = &lower->steps.at[count - 1];
        INTERNAL_CHECK(before->task_count == step->task_count);
        pushed.time = before->time;
    }
    vec_push(lower->arena, &lower->steps, pushed);
}

const char *value_label(const Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *scope = node->origin.scope;
    const char *text = op_info(node->op)->text;
    return scope && *scope ? arena_printf(lower->arena, "%s: %s", scope, text)
                           : text;
}

// ---- one rule per class -----------------------------------------------------

static void lower_folded(Lowering *lower, Value value)
{
    if (lower->needs_buffer[value])
        lower_copy(lower, value);
}

static void lower_leaf(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    if (node->op == OP_INPUT) {
        int buffer = value_new_buffer(lower, value).index;
        lower->buffers.at[buffer].input = true;
        lower->buffers.at[buffer].pinned = true;
    } else if (node->op != OP_PARAM) {
        lower_folded(lower, value);
    }
}

static void lower_alias(Lowering *lower, Value value)
{
    (void)lower; // value_place sees through it
    (void)value;
}

static void lower_collective(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    if (node->op == OP_RANK)
        lower_folded(lower, value);
    else if (node->attrs[RANKS_RANKS].i != 1)
        INTERNAL_ERROR("%s over %lld ranks", op_info(node->op)->text,
                       (long long)node->attrs[RANKS_RANKS].i);
}

static void lower_loop(Lowering *lower, Value value)
{
    lower_loops(lower, 1, &value, 0);
}

static void lower_product(Lowering *lower, Value value)
{
    lower_matmul(lower, value);
}

static void lower_convolution(Lowering *lower, Value value)
{
    lower_conv(lower, value);
}

typedef void LowerRule(Lowering *lower, Value value);

static LowerRule *const lower_rules[] = {
    [LOWER_LEAF] = lower_leaf,      [LOWER_MAP] = lower_loop,
    [LOWER_INDEX] = lower_folded,   [LOWER_VIEW] = lower_alias,
    [LOWER_MOVE] = lower_move,      [LOWER_REDUCE] = lower_loop,
    [LOWER_MATMUL] = lower_product, [LOWER_CONV] = lower_convolution,
    [LOWER_POOL] = lower_pool,      [LOWER_COLLECTIVE] = lower_collective,
    [LOWER_ROWS] = lower_rows,
};

// ---- groups -----------------------------------------------------------------

static bool is_anchor(const Lowering *lower, Value value)
{
    LowerClass class = op_info(graph_node(lower->graph, value)->op)->lower;
    return class == LOWER_MATMUL || class == LOWER_CONV;
}

// An epilogue runs inside the anchor's tasks only if each of them finishes
// rows of the result that the epilogue's own tasks read. Reductions mix rows,
// and a param assigned here may still be read by the anchor's other tasks.
static bool can_chain(const Lowering *lower, Value anchor, int count,
                      const Value *nodes)
{
    const TensorType *type = graph_type(lower->graph, anchor);
    for (int i = 0; i < count; i++) {
        const Node *node = graph_node(lower->graph, nodes[i]);
        if (op_info(node->op)->lower != LOWER_MAP || node->op == OP_ASSIGN ||
            !type_same_dims(&node->type, type))
            return false;
    }
    return true;
}

static void lower_group(Lowering *lower, const Members *group)
{
    Value anchor = NO_VALUE;
    int count = 0;
    Value *loops = ARENA_ARRAY(lower->arena, Value, group->nodes.count);
    for (int i = 0; i < group->nodes.count; i++) {
        Value value = group->nodes.at[i];
        if (!is_anchor(lower, value))
            loops[count++] = value;
        else if (anchor == NO_VALUE)
            anchor = value;
        else
            INTERNAL_ERROR("group %d has two anchors, %%%d and %%%d",
                           graph_node(lower->graph, value)->group, anchor,
                           value);
    }
    int64_t rows = 0;
    lower->current = anchor;
    if (anchor != NO_VALUE)
        rows =
            op_info(graph_node(lower->graph, anchor)->op)->lower == LOWER_MATMUL
                ? lower_matmul(lower, anchor)
                : lower_conv(lower, anchor);
    if (rows > 0 && !can_chain(lower, anchor, count, loops))
        rows = 0;
    lower->current = loops[0];
    if (count)
        lower_loops(lower, count, loops, rows);
}

static void lower_nodes(Lowering *lower)
{
    const Graph *graph = lower->graph;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        bool leaf = node->op == OP_INPUT; // a port, read or not
        if (!leaf && (!lower->needed[v] || lower->emit_at[v] != v))
            continue;
        lower->current = v;
        if (node->group > 0)
            lower_group(lower, &lower->groups[node->group]);
        else
            lower_rules[op_info(node->op)->lower](lower, v);
        if (node->group > 0)
            values_note(lower, lower->groups[node->group].nodes.count,
                        lower->groups[node->group].nodes.at);
        else
            values_note(lower, 1, &v);
    }
}

// An output keeps its buffer to the end of the step. Params and inputs are
// copied out: their memory belongs to others.
static void lower_outputs(Lowering *lower, Place *outputs)
{
    const Graph *graph = lower->graph;
    for (int i = 0; i < graph->outputs.count; i++) {
        Value value = graph->outputs.at[i].value;
        lower->current = value;
        Place place = value_place(lower, value);
        bool own =
            place.kind == PLACE_SLAB && !lower->buffers.at[place.index].input;
        if (!own)
            place = lower_snapshot(lower, place, graph_type(graph, value),
                                   value_label(lower, value));
        lower->buffers.at[place.index].pinned = true;
        outputs[i] = place;
    }
}

// ---- the finished plan ------------------------------------------------------

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
    int64_t tile = node->attrs[PARAM_TILE].i;
    TensorType type = tile ? weights_plain_type(&node->type) : node->type;
    return (PlanParam){
        .tensor = plan_tensor(node->attrs[PARAM_NAME].text, &type),
        .role = word_index(node->attrs[PARAM_ROLE].text, 4, plan_role_words),
        .init = word_index(node->attrs[PARAM_INIT].text, 5, plan_init_words),
        .scale = node->attrs[PARAM_SCALE].f,
        .tile = (int32_t)tile};
}

void codegen_list_params(const Graph *graph, Plan *plan)
{
    int params = 0;
    for (Value v = 0; v < graph->nodes.count; v++)
        plan->param_count += graph_node(graph, v)->op == OP_PARAM;
    plan->params = plan_alloc((size_t)plan->param_count, sizeof(PlanParam));
    for (Value v = 0; v < graph->nodes.count; v++)
        if (graph_node(graph, v)->op == OP_PARAM)
            plan->params[params++] = plan_param(graph_node(graph, v));
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

// The plan's kernels, each once, sorted by name.
static void write_symbols(const Lowering *lower, Plan *plan)
{
    int count = 0;
    plan->symbols =
        plan_alloc((size_t)lower->steps.count, sizeof *plan->symbols);
    const char **all =
        ARENA_ARRAY(lower->arena, const char *, lower->steps.count);
    for (int s = 0; s < lower->steps.count; s++)
        if (lower->steps.at[s].kernel)
            all[count++] = lower->steps.at[s].kernel->symbol;
    if (count)
        qsort(all, (size_t)count, sizeof *all, compare_symbols);
    for (int i = 0; i < count; i++)
        if (i == 0 || strcmp(all[i], all[i - 1]) != 0)
            plan->symbols[plan->symbol_count++] = plan_string(all[i]);
}

static int32_t find_symbol(const Plan *plan, const char *symbol)
{
    char **found = bsearch(&symbol, plan->symbols, (size_t)plan->symbol_count,
                           sizeof *plan->symbols, compare_symbols);
    return (int32_t)(found - plan->symbols);
}

static PlanRef plan_ref(const Lowering *lower, const StepArg *arg)
{
    if (arg->place.kind == PLACE_PARAM)
        return (PlanRef){PLAN_PARAM, arg->place.index, arg->offset};
    return (PlanRef){PLAN_SLAB, 0,
                     lower->buffers.at[arg->place.index].offset + arg->offset};
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
            .symbol =
                step->kernel ? find_symbol(plan, step->kernel->symbol) : -1,
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
            facts.refs[ref++] =
                (RefFacts){slab ? arg->place.index : -1, arg->offset,
                           arg->write, arg->pointwise};
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

static Lowering lowering_new(Codegen *codegen, const Graph *graph)
{
    Arena *arena = arena_new();
    int count = graph->nodes.count;
    Lowering lower = {.arena = arena, .codegen = codegen, .graph = graph};
    lower.group_count = 1;
    lower.place = ARENA_ARRAY(arena, Place, count);
    lower.param_index = ARENA_ARRAY(arena, int, count);
    lower.expr = ARENA_ARRAY(arena, int, count);
    int params = 0;
    for (Value v = 0; v < count; v++)
        if (graph_node(graph, v)->op == OP_PARAM) {
            lower.param_index[v] = params;
            lower.place[v] = (Place){PLACE_PARAM, params++};
        }
    return lower;
}

void codegen_lower(Codegen *codegen, const Graph *graph, Plan *plan)
{
    Lowering lower = lowering_new(codegen, graph);
    Place *outputs = ARENA_ARRAY(lower.arena, Place, graph->outputs.count);
    uses_find(&lower);
    lower_nodes(&lower);
    lower_outputs(&lower, outputs);
    work_count(&lower);
    *plan = (Plan){.name = plan_string(graph->name),
                   .slab_bytes = memory_plan(&lower),
                   .scratch_bytes = lower.scratch_bytes};
    codegen_list_params(graph, plan);
    write_inputs(&lower, plan);
    write_outputs(&lower, outputs, plan);
    write_symbols(&lower, plan);
    write_steps(&lower, plan);
    values_write(&lower, plan);
    keep_facts(&lower, outputs, plan);
    const char *problem = codegen_replay_plan(codegen, plan, lower.arena);
    if (problem)
        INTERNAL_ERROR("%s", problem);
    arena_free(lower.arena);
}
