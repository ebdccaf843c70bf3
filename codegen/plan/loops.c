// Nodes -> loop kernels: fused elementwise groups, reductions, copies.
#include "codegen/codegen_impl.h"
#include "codegen/plan/lower.h"
#include "ir/base/diag.h"
#include "ir/random.h"

// A loop kernel and its arguments while they are put together. The iteration
// space has the dims of `space`, until loops_finish collapses them.
typedef struct Loops {
    Lowering *lower;
    TensorType space;
    int64_t strides[MAX_RANK]; // row-major over the space
    LoopKernel *kernel;        // in the codegen's arena, which keeps it
    VEC(StepArg) args;
} Loops;

static Loops loops_begin(Lowering *lower, const TensorType *space)
{
    Loops loops = {.lower = lower, .space = *space};
    loops.kernel = ARENA_NEW(lower->codegen->arena, LoopKernel);
    loops.kernel->rank = space->rank;
    memcpy(loops.kernel->dims, space->dims, sizeof loops.kernel->dims);
    strides_row_major(space->rank, space->dims, loops.strides);
    return loops;
}

static bool same_place(Place a, Place b)
{
    return a.kind == b.kind && a.index == b.index && a.offset == b.offset;
}

static int loops_arg(Loops *loops, Place place, int64_t offset, bool write)
{
    for (int i = 0; i < loops->args.count; i++) {
        const StepArg *arg = &loops->args.at[i];
        if (same_place(arg->place, place) && arg->offset == offset &&
            arg->write == write)
            return i;
    }
    StepArg arg = {place, offset, write, true, false};
    vec_push(loops->lower->arena, &loops->args, arg);
    return loops->args.count - 1;
}

// Does an access visit element i of its buffer at point i of the space?
static bool is_pointwise(const Loops *loops, const int64_t *strides)
{
    for (int d = 0; d < loops->space.rank; d++)
        if (loops->space.dims[d] != 1 && strides[d] != loops->strides[d])
            return false;
    return true;
}

static int loops_leaf(Loops *loops, const Access *access)
{
    LoopExpr expr;
    memset(&expr, 0, sizeof expr);
    expr.kind = access->kind;
    expr.dtype = access->dtype;
    expr.value = access->value;
    memcpy(expr.strides, access->strides, sizeof expr.strides);
    if (access->kind == EXPR_RANDOM) {
        random_stream_words(access->random, expr.stream);
        expr.images = random_images(access->random->attrs[RANDOM_IMAGES].ints);
        expr.offset = access->offset;
        expr.arg = loops_arg(loops, access->place, 0, false);
        loops->args.at[expr.arg].pointwise = false;
    } else if (access->kind == EXPR_LOAD) {
        int64_t offset = access->offset * dtype_size(access->dtype);
        expr.arg = loops_arg(loops, access->place, offset, false);
        if (offset != 0 || !is_pointwise(loops, access->strides))
            loops->args.at[expr.arg].pointwise = false;
    }
    return loop_add_expr(loops->lower->codegen->arena, loops->kernel, &expr);
}

// The expression of a value: computed in this kernel, or read.
static int loops_value(Loops *loops, Value value)
{
    int known = loops->lower->expr[value];
    if (known)
        return known - 1;
    Access access = value_access(loops->lower, value);
    return loops_leaf(loops, &access);
}

static int loops_op(Loops *loops, const Node *node)
{
    LoopExpr expr;
    memset(&expr, 0, sizeof expr);
    expr.kind = EXPR_OP;
    expr.dtype = node->type.dtype;
    expr.op = node->op;
    for (int i = 0; i < node->input_count; i++)
        expr.in[i] = loops_value(loops, node->inputs[i]);
    return loop_add_expr(loops->lower->codegen->arena, loops->kernel, &expr);
}

static void loops_store(Loops *loops, StoreKind kind, int expr, DType dtype,
                        Place place, int64_t offset, const int64_t *strides)
{
    LoopStore store = {kind, dtype, expr, 0, {0}, false};
    store.arg = loops_arg(loops, place, offset, true);
    memcpy(store.strides, strides, sizeof store.strides);
    if (kind != STORE_MAP || offset != 0 || !is_pointwise(loops, strides))
        loops->args.at[store.arg].pointwise = false;
    vec_push(loops->lower->codegen->arena, &loops->kernel->stores, store);
}

// ---- finishing --------------------------------------------------------------

// Memory that a kernel reads in two ways cannot be taken over in place.
static void settle_pointwise(Loops *loops)
{
    for (int i = 0; i < loops->args.count; i++)
        for (int j = 0; j < loops->args.count; j++) {
            const StepArg *other = &loops->args.at[j];
            StepArg *arg = &loops->args.at[i];
            if (same_place(arg->place, other->place) && !other->pointwise)
                arg->pointwise = false;
        }
}

static void loops_push(Loops *loops, bool chained, const char *label)
{
    settle_pointwise(loops);
    Kernel *kernel = ARENA_NEW(loops->lower->arena, Kernel);
    *kernel = (Kernel){.arg_count = loops->args.count, .loop = loops->kernel};
    LowerStep step =
        step_kernel(kernel, loops->kernel->split.task_count, label);
    step.chained = chained;
    for (int i = 0; i < loops->args.count; i++) {
        const StepArg *arg = &loops->args.at[i];
        step_arg(loops->lower, &step, arg->place, arg->offset, arg->write,
                 arg->pointwise);
    }
    step_push(loops->lower, &step);
}

// A reduction made in parts, and the kernel that adds them up in order.
typedef struct Parts {
    StoreKind kind;
    DType dtype, out_dtype;
    Place parts, out;
    int64_t out_offset;
} Parts;

static void push_partial(Loops *loops, int64_t part_count, const char *label);

// Many parts of few elements are added in parts in turn.
static void push_combine(Lowering *lower, int count, const Parts *parts,
                         int64_t part_count, int64_t elements,
                         const char *label)
{
    int64_t dims[] = {part_count, elements};
    TensorType space = type_make(DT_F32, 2, dims);
    Loops loops = loops_begin(lower, &space);
    loops.kernel->reduced = 1;
    for (int i = 0; i < count; i++) {
        const Parts *p = &parts[i];
        Access access = {EXPR_LOAD, p->dtype, p->parts, 0, 0, {elements, 1}};
        int64_t strides[MAX_RANK] = {0, 1};
        loops_store(&loops, p->kind, loops_leaf(&loops, &access), p->out_dtype,
                    p->out, p->out_offset, strides);
    }
    loop_collapse(loops.kernel, 0);
    int64_t again = lower->codegen->backend->split_loop(loops.kernel);
    if (again == 1)
        loops_push(&loops, false, label);
    else
        push_partial(&loops, again, label);
}

void lower_sum_parts(Lowering *lower, Place parts, Place out, int64_t count,
                     int64_t elements, DType dtype, const char *label)
{
    Parts one = {STORE_SUM, dtype, dtype, parts, out, 0};
    push_combine(lower, 1, &one, count, elements, label);
}

// Redirects the reductions to buffers of parts, pushes the kernel, combines.
static void push_partial(Loops *loops, int64_t part_count, const char *label)
{
    Lowering *lower = loops->lower;
    LoopKernel *kernel = loops->kernel;
    int64_t elements = kernel->split.partial_stride;
    Parts *parts = ARENA_ARRAY(lower->arena, Parts, kernel->stores.count);
    int count = 0;
    for (int i = 0; i < kernel->stores.count; i++) {
        LoopStore *store = &kernel->stores.at[i];
        if (store->kind == STORE_MAP)
            continue;
        StepArg *arg = &loops->args.at[store->arg];
        DType dtype = store->dtype == DT_BF16 ? DT_F32 : store->dtype;
        int64_t bytes = part_count * elements * dtype_size(dtype);
        Place place = {PLACE_SLAB, buffer_new(lower, bytes)};
        parts[count++] = (Parts){store->kind, dtype,      store->dtype,
                                 place,       arg->place, arg->offset};
        arg->place = place;
        arg->offset = 0;
        store->dtype = dtype;
    }
    loops_push(loops, false, label);
    push_combine(lower, count, parts, part_count, elements, label);
}

static void loops_finish(Loops *loops, int64_t chain_rows, const char *label)
{
    Lowering *lower = loops->lower;
    LoopKernel *kernel = loops->kernel;
    bool joins = chain_rows == 0 && chain_join(lower, kernel, loops->args.at);
    if (joins ||
        (chain_rows == 0 && chain_begin(lower, kernel, loops->args.at))) {
        loops_push(loops, joins, label);
        chain_pushed(lower);
        return;
    }
    loop_collapse(kernel, chain_rows > 0);
    if (chain_rows > 0) {
        loop_split_rows(kernel, chain_rows);
        loops_push(loops, true, label);
        return;
    }
    int64_t parts = lower->codegen->backend->split_loop(kernel);
    if (parts == 1)
        loops_push(loops, false, label);
    else
        push_partial(loops, parts, label);
}

// ---- groups -----------------------------------------------------------------

// How each op of class REDUCE puts elements together.
enum { STORE_OF_REDUCE_SUM = STORE_SUM, STORE_OF_REDUCE_MAX = STORE_MAX };
static const StoreKind store_kinds[OP_COUNT] = {
#define PICK_REDUCE(id) [OP_##id] = (StoreKind)STORE_OF_##id,
#include "ir/ops_of.def"
};

static void add_reduce(Loops *loops, Value value)
{
    const Node *node = graph_node(loops->lower->graph, value);
    unsigned reduced = 0;
    for (int i = 0; i < node->attrs[AXES_AXES].ints.count; i++)
        reduced |= 1u << node->attrs[AXES_AXES].ints.at[i];
    INTERNAL_CHECK(!loops->kernel->reduced ||
                   loops->kernel->reduced == reduced);
    loops->kernel->reduced = reduced;
    int64_t strides[MAX_RANK] = {0}, stride = 1;
    for (int d = loops->space.rank - 1; d >= 0; d--)
        if (!(reduced >> d & 1)) {
            strides[d] = stride;
            stride *= loops->space.dims[d];
        }
    // No axes, nothing to reduce: a copy.
    StoreKind kind = reduced ? store_kinds[node->op] : STORE_MAP;
    int expr = loops_value(loops, node->inputs[0]);
    loops_store(loops, kind, expr, node->type.dtype,
                value_new_buffer(loops->lower, value), 0, strides);
}

static void add_map(Loops *loops, Value value)
{
    Lowering *lower = loops->lower;
    const Node *node = graph_node(lower->graph, value);
    if (node->op == OP_ASSIGN) {
        int expr = loops_value(loops, node->inputs[1]);
        lower->expr[value] = 1 + expr;
        Place param = {PLACE_PARAM, lower->param_index[node->inputs[0]]};
        lower->place[value] = param;
        loops_store(loops, STORE_MAP, expr, node->type.dtype, param, 0,
                    loops->strides);
        return;
    }
    int expr = loops_op(loops, node);
    lower->expr[value] = 1 + expr;
    if (lower->needs_buffer[value])
        loops_store(loops, STORE_MAP, expr, node->type.dtype,
                    value_new_buffer(lower, value), 0, loops->strides);
}

// Every point of the kernel may run before or after any other, so a param it
// assigns must be read at the point of the assignment alone. If it is not, or
// is read later, its old content is copied aside first.
static void keep_old_params(Lowering *lower, const Value *nodes, int count)
{
    for (int i = 0; i < count; i++) {
        const Node *node = graph_node(lower->graph, nodes[i]);
        if (node->op != OP_ASSIGN)
            continue;
        Value param = node->inputs[0];
        bool needed = lower->last_read[param] > lower->emit_at[nodes[i]];
        for (int j = 0; j < count && !needed; j++) {
            const Node *reader = graph_node(lower->graph, nodes[j]);
            for (int k = reader->op == OP_ASSIGN; k < reader->input_count; k++)
                if (reader->inputs[k] != param &&
                    value_is_folded(lower, reader->inputs[k])) {
                    Access a = value_access(lower, reader->inputs[k]);
                    needed |= same_place(a.place, lower->place[param]);
                }
        }
        if (needed && lower->place[param].kind == PLACE_PARAM)
            lower->place[param] =
                lower_snapshot(lower, lower->place[param],
                               &graph_node(lower->graph, param)->type,
                               value_label(lower, nodes[i]));
    }
}

// Named by its first operation and its last, but for the casts around them by
// which bf16 is read and stored.
const char *value_group_label(const Lowering *lower, int count,
                              const Value *nodes)
{
    while (count > 1 && value_is_stored_form(lower, nodes[count - 1]))
        count--;
    while (count > 1 && value_is_stored_form(lower, nodes[0]))
        nodes++, count--;
    const char *first = value_label(lower, nodes[0]);
    if (count == 1)
        return first;
    const Node *last = graph_node(lower->graph, nodes[count - 1]);
    return arena_printf(lower->arena, count == 2 ? "%s, %s" : "%s .. %s", first,
                        op_info(last->op)->text);
}

void lower_loops(Lowering *lower, int count, const Value *nodes,
                 int64_t chain_rows)
{
    keep_old_params(lower, nodes, count);
    const Node *first = graph_node(lower->graph, nodes[0]);
    bool reduces = op_info(first->op)->lower == LOWER_REDUCE;
    Loops loops =
        loops_begin(lower, reduces ? graph_type(lower->graph, first->inputs[0])
                                   : &first->type);
    for (int i = 0; i < count; i++) {
        LowerClass class =
            op_info(graph_node(lower->graph, nodes[i])->op)->lower;
        if (class == LOWER_REDUCE)
            add_reduce(&loops, nodes[i]);
        else if (class == LOWER_MAP)
            add_map(&loops, nodes[i]);
        else
            INTERNAL_ERROR(
                "%%%d (%s) cannot be part of a loop kernel", nodes[i],
                op_info(graph_node(lower->graph, nodes[i])->op)->text);
    }
    for (int i = 0; i < count; i++)
        lower->expr[nodes[i]] = 0;
    if (loops.kernel->stores.count)
        loops_finish(&loops, chain_rows,
                     value_group_label(lower, count, nodes));
}

// ---- copies -----------------------------------------------------------------

void lower_copy_access(Lowering *lower, const TensorType *space,
                       const Access *access, Place out, int64_t out_offset,
                       const int64_t *out_strides, const char *label)
{
    Loops loops = loops_begin(lower, space);
    int expr = loops_leaf(&loops, access);
    loops_store(&loops, STORE_MAP, expr, space->dtype, out, out_offset,
                out_strides);
    loops_finish(&loops, 0, label);
}

void lower_copy(Lowering *lower, Value value)
{
    const TensorType *type = graph_type(lower->graph, value);
    Access access = value_access(lower, value);
    int64_t strides[MAX_RANK] = {0};
    strides_row_major(type->rank, type->dims, strides);
    lower_copy_access(lower, type, &access, value_new_buffer(lower, value), 0,
                      strides, value_label(lower, value));
}

Place lower_snapshot(Lowering *lower, Place place, const TensorType *type,
                     const char *label)
{
    Access access = {EXPR_LOAD, type->dtype, place, 0, 0, {0}};
    strides_row_major(type->rank, type->dims, access.strides);
    Place copy = {PLACE_SLAB, buffer_new(lower, type_bytes(type))};
    lower_copy_access(lower, type, &access, copy, 0, access.strides, label);
    return copy;
}

static void move_PAD(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const TensorType *in = graph_type(lower->graph, node->inputs[0]);
    const char *label = value_label(lower, value);
    int64_t strides[MAX_RANK] = {0}, offset = 0;
    strides_row_major(node->type.rank, node->type.dims, strides);
    Access input = value_access(lower, node->inputs[0]);
    Place out = value_new_buffer(lower, value);
    Access fill = {EXPR_CONST, node->type.dtype,         {0},
                   0,          node->attrs[PAD_VALUE].f, {0}};
    lower_copy_access(lower, &node->type, &fill, out, 0, strides, label);
    for (int d = 0; d < in->rank; d++)
        offset += node->attrs[PAD_LOW].ints.at[d] * strides[d];
    lower_copy_access(lower, in, &input, out, offset * dtype_size(in->dtype),
                      strides, label);
}

static void move_CONCAT(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    int64_t axis = node->attrs[AXIS_AXIS].i;
    int64_t strides[MAX_RANK] = {0}, offset = 0;
    strides_row_major(node->type.rank, node->type.dims, strides);
    Place out = value_new_buffer(lower, value);
    for (int i = 0; i < node->input_count; i++) {
        const TensorType *in = graph_type(lower->graph, node->inputs[i]);
        Access input = value_access(lower, node->inputs[i]);
        lower_copy_access(lower, in, &input, out,
                          offset * dtype_size(in->dtype), strides,
                          value_label(lower, value));
        offset += in->dims[axis] * strides[axis];
    }
}

void lower_move(Lowering *lower, Value value)
{
    static void (*const rules[OP_COUNT])(Lowering * lower, Value value) = {
#define PICK_MOVE(id) [OP_##id] = move_##id,
#include "ir/ops_of.def"
    };
    rules[graph_node(lower->graph, value)->op](lower, value);
}

// ---- how results are stored -------------------------------------------------

// Whether vectors of the store begin at multiples of their size on any target,
// of which no vector is longer than a line; so do the tasks' shares.
static bool has_whole_vectors(const LoopKernel *loop, const LoopStore *store)
{
    for (int d = 0; d < loop->rank; d++) {
        int64_t stride = store->strides[d];
        int64_t count = stride == 1 ? loop->dims[d] : stride;
        int64_t share = d == loop->split.dim ? loop->split.chunk * stride : 0;
        if (count * dtype_size(store->dtype) % PLAN_ALIGN != 0 ||
            share * dtype_size(store->dtype) % PLAN_ALIGN != 0)
            return false;
    }
    return true;
}

// In place of what the step reads a result is in the cache already, and what
// only the same chain of steps reads stays there.
static bool should_stream(const Lowering *lower, const LowerStep *step,
                          const LoopStore *store)
{
    const StepArg *out = &step->args.at[store->arg];
    if (store->kind != STORE_MAP || out->place.kind != PLACE_SLAB ||
        out->offset % PLAN_ALIGN != 0)
        return false;
    const SlabBuffer *into = &lower->buffers.at[out->place.index];
    if (into->bytes < STREAM_BYTES || into->last == step->time)
        return false;
    for (int i = 0; i < step->args.count; i++) {
        const StepArg *arg = &step->args.at[i];
        if (!arg->write && arg->place.kind == PLACE_SLAB &&
            lower->buffers.at[arg->place.index].offset == into->offset)
            return false;
    }
    return has_whole_vectors(step->kernel->loop, store);
}

void loops_settle(Lowering *lower)
{
    Codegen *codegen = lower->codegen;
    for (int s = 0; s < lower->steps.count; s++) {
        LowerStep *step = &lower->steps.at[s];
        if (!step->kernel || !step->kernel->loop)
            continue;
        LoopKernel *loop = ARENA_NEW(codegen->arena, LoopKernel);
        *loop = *step->kernel->loop; // which no other step has
        for (int i = 0; i < loop->stores.count; i++)
            loop->stores.at[i].streams =
                should_stream(lower, step, &loop->stores.at[i]);
        IntList imms = codegen->backend->share_loop(lower->arena, loop);
        step_imms(lower, step, imms.count, imms.at);
        step->kernel = codegen_intern(
            codegen, (Kernel){loop_text(lower->arena, loop), NULL,
                              step->kernel->arg_count, loop, NULL});
    }
}
