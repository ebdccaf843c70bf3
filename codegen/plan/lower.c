// Graph -> plan: walks the nodes in order, a rule per lowering class, then has
// memory decided and the plan written down.
#include "codegen/plan/lower.h"

#include "codegen/codegen_impl.h"
#include "ir/base/diag.h"

// ---- a rule for each class, or op of a class --------------------------------

static void lower_folded(Lowering *lower, Value value)
{
    if (lower->needs_buffer[value])
        lower_copy(lower, value);
}

// Leaves: where each begins to be in memory.

static void leaf_PARAM(Lowering *lower, Value value)
{
    (void)lower; // its place was known from the start
    (void)value;
}

static void leaf_INPUT(Lowering *lower, Value value)
{
    int buffer = value_new_buffer(lower, value).index;
    lower->buffers.at[buffer].input = true;
    lower->buffers.at[buffer].pinned = true;
}

static void leaf_CONST(Lowering *lower, Value value)
{
    lower_folded(lower, value);
}

static void leaf_IOTA(Lowering *lower, Value value)
{
    lower_folded(lower, value);
}

typedef void LowerRule(Lowering *lower, Value value);

static LowerRule *const leaf_rules[OP_COUNT] = {
#define PICK_LEAF(id) [OP_##id] = leaf_##id,
#include "ir/ops_of.def"
};

// The runtime's function for a collective, by element type. What each op of
// the class says of itself: its calls, and how many elements (or bytes, of what
// is only moved) it tells them.
typedef enum CollectiveCount {
    COUNT_NOTHING,
    COUNT_INPUT_BYTES,
    COUNT_INPUT,
    COUNT_RESULT
} CollectiveCount;

typedef struct CollectiveRule {
    PlanCall f32, f64;
    bool any_type; // moves bytes: f32 serves every type
    CollectiveCount counts;
} CollectiveRule;

#define COLLECTIVE_RANK                                                        \
    {                                                                          \
        PLAN_CALL_RANK_F32, PLAN_CALL_RANK_F64, false, COUNT_NOTHING           \
    }
#define COLLECTIVE_ALL_SUM                                                     \
    {                                                                          \
        PLAN_CALL_ALL_SUM_F32, PLAN_CALL_ALL_SUM_F64, false, COUNT_INPUT       \
    }
#define COLLECTIVE_ALL_GATHER                                                  \
    {                                                                          \
        PLAN_CALL_ALL_GATHER, PLAN_CALL_ALL_GATHER, true, COUNT_INPUT_BYTES    \
    }
#define COLLECTIVE_REDUCE_SCATTER                                              \
    {                                                                          \
        PLAN_CALL_REDUCE_SCATTER_F32, PLAN_CALL_REDUCE_SCATTER_F64, false,     \
            COUNT_RESULT                                                       \
    }
static const CollectiveRule collective_rules[OP_COUNT] = {
#define PICK_COLLECTIVE(id) [OP_##id] = COLLECTIVE_##id,
#include "ir/ops_of.def"
};

// One task: the processes meet in it.
static void lower_collective(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const CollectiveRule *rule = &collective_rules[node->op];
    if (value_is_folded(lower, value)) {
        if (node->op == OP_RANK)
            lower_folded(lower, value);
        return; // else value_place sees through it
    }
    if (sums_finish(lower, value))
        return;
    DType dtype = node->type.dtype;
    if (!rule->any_type && dtype != DT_F32 && dtype != DT_F64)
        INTERNAL_ERROR("no %s on %s", op_info(node->op)->text,
                       dtype_name(dtype));
    LowerStep step = step_call(dtype == DT_F64 ? rule->f64 : rule->f32, 1,
                               value_label(lower, value));
    if (rule->counts != COUNT_NOTHING) {
        const TensorType *in = graph_type(lower->graph, node->inputs[0]);
        CallBytes bytes = {.count = type_bytes(in)};
        CallElements elements = {
            .count =
                type_elements(rule->counts == COUNT_INPUT ? in : &node->type)};
        if (rule->counts == COUNT_INPUT_BYTES)
            step_call_imms(lower, &step, &bytes, sizeof bytes);
        else
            step_call_imms(lower, &step, &elements, sizeof elements);
        step_arg(lower, &step, value_place(lower, node->inputs[0]), 0, false,
                 false);
    }
    step_arg(lower, &step, value_new_buffer(lower, value), 0, true, false);
    step_push(lower, &step);
}

// A class has a rule for all of its ops, or asks by op: a row of ops.def whose
// op has none does not compile.
static void lower_node(Lowering *lower, Value value)
{
    const Backend *backend = lower->codegen->backend;
    Op op = graph_node(lower->graph, value)->op;
    switch (op_info(op)->lower) {
    case LOWER_LEAF:
        leaf_rules[op](lower, value);
        break;
    case LOWER_MAP:
    case LOWER_REDUCE:
        if (!value_is_rounded_weights(lower, value))
            lower_loops(lower, 1, &value, 0);
        break;
    case LOWER_INDEX:
        lower_folded(lower, value);
        break;
    case LOWER_VIEW:
        break; // value_place sees through it
    case LOWER_MOVE:
        lower_move(lower, value);
        break;
    case LOWER_MATMUL:
        backend->lower_product(lower, value);
        break;
    case LOWER_ROWS:
        backend->lower_rows(lower, value);
        break;
    case LOWER_CONV:
        backend->lower_conv(lower, value);
        break;
    case LOWER_POOL:
        backend->lower_pool(lower, value);
        break;
    case LOWER_CALL:
        backend->lower_call(lower, value);
        break;
    case LOWER_COLLECTIVE:
        lower_collective(lower, value);
        break;
    }
}

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
    const Backend *backend = lower->codegen->backend;
    bool conv =
        anchor != NO_VALUE &&
        op_info(graph_node(lower->graph, anchor)->op)->lower == LOWER_CONV;
    if (conv && anchor == group->nodes.at[0])
        lower->epilogue = epilogue_of(lower, group);
    if (anchor != NO_VALUE)
        rows = conv ? backend->lower_conv(lower, anchor)
                    : backend->lower_product(lower, anchor);
    LowerEpilogue *epilogue = lower->epilogue;
    lower->epilogue = NULL;
    if (epilogue && epilogue->taken) {
        lower->place[epilogue->result] = lower->place[anchor];
        lower->place[anchor] = (Place){PLACE_NONE, 0, 0};
        return;
    }
    if (rows > 0 && !can_chain(lower, anchor, count, loops))
        rows = 0;
    lower->current = loops[0];
    if (count)
        lower_loops(lower, count, loops, rows);
}

static void lower_nodes(Lowering *lower)
{
    const Graph *graph = lower->graph;
    sums_start(lower, -1);
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        bool leaf = node->op == OP_INPUT; // a port, read or not
        if (!leaf && (!lower->needed[v] || lower->emit_at[v] != v))
            continue;
        lower->current = v;
        if (node->group > 0)
            lower_group(lower, &lower->groups[node->group]);
        else
            lower_node(lower, v);
        if (node->group > 0)
            values_note(lower, lower->groups[node->group].nodes.count,
                        lower->groups[node->group].nodes.at);
        else
            values_note(lower, 1, &v);
        sums_start(lower, v);
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
        bool own = place.kind == PLACE_SLAB &&
                   !lower->buffers.at[place.index].input &&
                   !lower->buffers.at[place.index].shared;
        if (!own)
            place = lower_snapshot(lower, place, graph_type(graph, value),
                                   value_label(lower, value));
        lower->buffers.at[place.index].pinned = true;
        outputs[i] = place;
    }
}

// ---- all of it --------------------------------------------------------------

static Lowering lowering_new(Codegen *codegen, const Graph *graph)
{
    Arena *arena = arena_new();
    int count = graph->nodes.count;
    Lowering lower = {
        .arena = arena, .codegen = codegen, .graph = graph, .wide = NO_VALUE};
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

void lower_graph(Codegen *codegen, const Graph *graph, bool ports_first,
                 Plan *plan)
{
    Lowering lower = lowering_new(codegen, graph);
    lower.ports_first = ports_first;
    Place *outputs = ARENA_ARRAY(lower.arena, Place, graph->outputs.count);
    lower.many_ranks = graph_has_many_ranks(graph);
    uses_find(&lower);
    sums_find(&lower);
    lower_nodes(&lower);
    lower_outputs(&lower, outputs);
    work_count(&lower);
    lower.slab_bytes = memory_plan(&lower);
    loops_settle(&lower);
    write_plan(&lower, outputs, plan);
    const char *problem = codegen_replay_plan(codegen, plan, lower.arena);
    if (problem)
        INTERNAL_ERROR("%s", problem);
    arena_free(lower.arena);
}

void codegen_lower(Codegen *codegen, const Graph *graph, Plan *plan)
{
    lower_graph(codegen, graph, false, plan);
}
