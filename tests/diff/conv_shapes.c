#include "tests/diff/conv_shapes.h"

#include <stdlib.h>

#include "ir/build.h"
#include "ir/image.h"
#include "runtime/exec/exec.h"
#include "tests/harness.h"

// ---- random shapes ----------------------------------------------------------

// A whole number in [low, high].
int64_t draw(Random *random, int64_t low, int64_t high)
{
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    return low + (int64_t)((random->state >> 33) % (uint64_t)(high - low + 1));
}

static int64_t gap_of(const Shape *s)
{
    return s->gap ? s->gap : 1;
}

static int64_t groups_of(const Shape *s)
{
    return s->groups ? s->groups : 1;
}

void count_windows(Shape *s)
{
    s->oh = shape_windows(s->h, (s->kh - 1) * gap_of(s) + 1, s->sh, s->pad[0],
                          s->pad[2]);
    s->ow = shape_windows(s->w, (s->kw - 1) * gap_of(s) + 1, s->sw, s->pad[1],
                          s->pad[3]);
}

Shape draw_shape(Random *random, int64_t blocks)
{
    Shape s = {.n = draw(random, 1, 3),
               .c = 16 * draw(random, 1, blocks),
               .h = draw(random, 1, 17),
               .w = draw(random, 1, 19),
               .o = 16 * draw(random, 1, blocks),
               .kh = draw(random, 1, 7),
               .kw = draw(random, 1, 7),
               .sh = draw(random, 1, 3),
               .sw = draw(random, 1, 3)};
    int64_t kind = draw(random, 0, 5);
    if (kind < 2)
        s.kh = s.kw = 1; // with strides, or
    if (kind == 0)
        s.sh = s.sw = 1;
    for (int i = 0; i < 4; i++)
        s.pad[i] = draw(random, 0, (i % 2 ? s.kw : s.kh) - 1);
    count_windows(&s);
    return s.oh > 0 && s.ow > 0 ? s : draw_shape(random, blocks);
}

// ---- graphs -----------------------------------------------------------------

// In planes where the channels fill no block.
static TensorType blocked(int64_t n, int64_t c, int64_t h, int64_t w)
{
    int64_t block = c % 16 ? 1 : 16;
    return type_make_form(DT_F32, 5, L(n, c / block, h, w, block),
                          block == 1 ? FORM_PLANES : FORM_BLOCKED);
}

static Value add_node(Graph *g, Op op, int count, const Value *inputs,
                      const Attr *attrs)
{
    Value value = graph_add(g, op, count, inputs, attrs, NULL);
    if (value == NO_VALUE) {
        test_fail(__FILE__, __LINE__, "%s", g->error);
        exit(1);
    }
    Value out = value;
    if (graph_type(g, value)->dtype == DT_BF16)
        out = build_cast(g, value, DT_F32);
    graph_add_output(g, op_info(op)->text, out);
    return value;
}

static TensorType weights_of(const Shape *s)
{
    TensorType type =
        type_make(DT_F32, 4, L(s->o, s->c / groups_of(s), s->kh, s->kw));
    return type.dims[1] % 16 == 0 ? weights_tiled_type(&type, 16) : type;
}

// The group's last node, behind a convolution.
static Value add_epilogue(Graph *g, Value conv)
{
    TensorType type = *graph_type(g, conv);
    int64_t channels[] = {type.dims[1], type.dims[4]};
    const int64_t axes[] = {1, 4};
    Value of[3];
    for (int i = 0; i < 3; i++) {
        Value each = build_param(g, type_make(DT_F32, 2, channels),
                                 arena_printf(g->arena, "channel%d", i),
                                 "weight", "constant", 0);
        of[i] = build_broadcast_to(g, each, &type, axes);
    }
    Value other = build_input(g, type, "other");
    Value half = build_const_like(g, conv, 0.5);
    Value y = build_binary(g, OP_SUB, conv, of[0]);
    y = build_binary(g, OP_MUL, y, of[1]);
    y = build_binary(g, OP_ADD, y, of[2]);
    y = build_binary(g, OP_ADD, y, other);
    Value small = build_binary(g, OP_LT, other, half);
    return build_select(g, small, build_unary(g, OP_SIGMOID, y),
                        build_unary(g, OP_RELU, y));
}

Graph *epilogue_graph(Arena *arena, const Shape *s)
{
    Graph *g = graph_new(arena, "epilogue");
    Value x = build_input(g, blocked(s->n, s->c, s->h, s->w), "x");
    Value w = build_param(g, weights_of(s), "w", "weight", "constant", 0);
    Attr attrs[MAX_ATTRS] = {
        [CONV_STRIDE].ints = {2, L(s->sh, s->sw)},
        [CONV_PAD].ints = {4, s->pad},
        [CONV_DILATION].ints = {gap_of(s) > 1 ? 2 : 0, L(gap_of(s), gap_of(s))},
        [CONV_GROUPS].i = groups_of(s) > 1 ? groups_of(s) : 0,
        [CONV_BLOCK].i = s->c % 16 ? 16 : 0};
    Value conv = graph_add(g, OP_CONV2D, 2, (Value[]){x, w}, attrs, NULL);
    if (conv == NO_VALUE) {
        test_fail(__FILE__, __LINE__, "%s", g->error);
        exit(1);
    }
    Value last = add_epilogue(g, conv);
    graph_add_output(g, "out", last);
    for (Value v = conv; v <= last; v++) {
        LowerClass class = op_info(graph_node(g, v)->op)->lower;
        if (v == conv || class == LOWER_MAP)
            graph_node(g, v)->group = 1;
    }
    return g;
}

// A convolution and its gradients as outputs, without that of planes.
Graph *directions_graph(Arena *arena, const Shape *s)
{
    Graph *g = graph_new(arena, "conv");
    int64_t groups = groups_of(s), gap = gap_of(s);
    TensorType wt = weights_of(s);
    Value x = build_input(g, blocked(s->n, s->c, s->h, s->w), "x");
    Value w = build_param(g, wt, "w", "weight", "constant", 0);
    Value dy = build_input(g, blocked(s->n, s->o, s->oh, s->ow), "dy");
    Attr attrs[MAX_ATTRS] = {
        [CONV_STRIDE].ints = {2, L(s->sh, s->sw)},
        [CONV_PAD].ints = {4, s->pad},
        [CONV_DILATION].ints = {gap > 1 ? 2 : 0, L(gap, gap)},
        [CONV_GROUPS].i = groups > 1 ? groups : 0,
        [CONV_BLOCK].i = s->c % 16 ? 16 : 0};
    add_node(g, OP_CONV2D, 2, (Value[]){x, w}, attrs);
    attrs[CONV_DIMS].ints = (IntList){5, L(s->n, s->c / 16, s->h, s->w, 16)};
    attrs[CONV_FORM].i = FORM_BLOCKED;
    if (s->c % 16 == 0)
        add_node(g, OP_CONV2D_GRAD_X, 2, (Value[]){w, dy}, attrs);
    attrs[CONV_DIMS].ints = (IntList){wt.rank, wt.dims};
    attrs[CONV_FORM].i = wt.form;
    add_node(g, OP_CONV2D_GRAD_W, 2, (Value[]){x, dy}, attrs);
    return g;
}

// All four pools as outputs, of images of that type.
static Graph *pools_of(Arena *arena, const Shape *s, DType dtype)
{
    Graph *g = graph_new(arena, "pool");
    Value x = build_input(g, blocked(s->n, s->c, s->h, s->w), "x");
    Value dy = build_input(g, blocked(s->n, s->c, s->oh, s->ow), "dy");
    if (dtype != DT_F32) {
        x = build_cast(g, x, dtype);
        dy = build_cast(g, dy, dtype);
        // Leaves numbers in the scratch memory that the others begin with.
        const Attr all[MAX_ATTRS] = {
            [POOL_KERNEL].ints = {2, L(1, 1)},
            [POOL_STRIDE].ints = {2, L(1, 1)},
            [POOL_PAD].ints = {4, L(0, 0, 0, 0)},
            [POOL_DIMS].ints = {5, L(s->n, s->c / 16, s->h, s->w, 16)},
            [POOL_FORM].i = FORM_BLOCKED};
        Value filled = graph_add(g, OP_SUM_POOL_GRAD, 1, &x, all, NULL);
        graph_add_output(g, "filled", build_cast(g, filled, DT_F32));
    }
    Attr attrs[MAX_ATTRS] = {
        [POOL_KERNEL].ints = {2, L(s->kh, s->kw)},
        [POOL_STRIDE].ints = {2, L(s->sh, s->sw)},
        [POOL_PAD].ints = {4, s->pad},
        [POOL_DIMS].ints = {5, L(s->n, s->c / 16, s->h, s->w, 16)},
        [POOL_FORM].i = FORM_BLOCKED};
    add_node(g, OP_MAX_POOL, 1, &x, attrs);
    add_node(g, OP_MAX_POOL_GRAD, 2, (Value[]){x, dy}, attrs);
    add_node(g, OP_SUM_POOL, 1, &x, attrs);
    add_node(g, OP_SUM_POOL_GRAD, 1, &dy, attrs);
    return g;
}

Graph *pool_graph(Arena *arena, const Shape *s)
{
    return pools_of(arena, s, DT_F32);
}

Graph *bf16_pool_graph(Arena *arena, const Shape *s)
{
    return pools_of(arena, s, DT_BF16);
}

// Numbers in (-1, 1) that floats hold exactly.
EvalBinding *bind_random(const Graph *g, Arena *arena, Random *random,
                         int *count)
{
    EvalBinding *bindings = ARENA_ARRAY(arena, EvalBinding, g->nodes.count);
    *count = 0;
    for (Value v = 0; v < g->nodes.count; v++) {
        Op op = graph_node(g, v)->op;
        if (op != OP_INPUT && op != OP_PARAM)
            continue;
        int64_t elements = type_elements(graph_type(g, v));
        double *data = ARENA_ARRAY(arena, double, elements);
        for (int64_t i = 0; i < elements; i++)
            data[i] = (double)draw(random, -65535, 65535) / 65536;
        bindings[(*count)++] = (EvalBinding){v, data};
    }
    return bindings;
}

// ---- running ----------------------------------------------------------------

void fill_floats(const TensorType *type, const double *from, float *to)
{
    for (int64_t i = 0; i < type_elements(type); i++)
        to[i] = (float)from[i];
}

// The outputs, one after the other, of one step on so many threads.
float *run_convs(const Compiled *build, Arena *arena, int threads, int count,
                 const EvalBinding *bindings, int64_t *total)
{
    Pool *pool = pool_new(threads);
    Store store = {0};
    Executor *executor;
    must(store_add_plan(&store, &build->plan));
    must(executor_new(&build->plan, build->image, &store, pool, &executor));
    for (int i = 0; i < count; i++) {
        const Node *node = graph_node(build->graph, bindings[i].value);
        const char *name = node->attrs[0].text;
        fill_floats(&node->type, bindings[i].data,
                    node->op == OP_INPUT ? executor_input(executor, name)
                                         : store_find(&store, name)->data);
    }
    // Twice: what a step leaves in its memory must not matter.
    executor_run(executor);
    executor_run(executor);
    *total = 0;
    for (int i = 0; i < build->graph->outputs.count; i++)
        *total += type_elements(
            graph_type(build->graph, build->graph->outputs.at[i].value));
    float *all = ARENA_ARRAY(arena, float, *total), *at = all;
    for (int i = 0; i < build->graph->outputs.count; i++) {
        const Output *output = &build->graph->outputs.at[i];
        int64_t elements =
            type_elements(graph_type(build->graph, output->value));
        memcpy(at, executor_output(executor, output->name),
               (size_t)elements * sizeof *at);
        at += elements;
    }
    executor_free(executor);
    store_free(&store);
    pool_free(pool);
    return all;
}

// Relative root mean square error of each output.
static void compare(const Compiled *build, const char *what, const float *got,
                    double **want, double tolerance)
{
    for (int i = 0; i < build->graph->outputs.count; i++) {
        const Output *output = &build->graph->outputs.at[i];
        int64_t count = type_elements(graph_type(build->graph, output->value));
        double error = 0, size = 0;
        for (int64_t j = 0; j < count; j++) {
            double exact = want[output->value][j], x = got[j];
            if (isinf(exact) && x == exact)
                continue;
            error += (x - exact) * (x - exact);
            size += exact * exact;
        }
        if (!(sqrt(error) <= tolerance * sqrt(size)))
            test_fail(__FILE__, __LINE__, "%s, %s: relative error %g", what,
                      output->name, sqrt(error / size));
        got += count;
    }
}

const char *shape_string(Arena *arena, const Shape *s, const char *cpu)
{
    return arena_printf(
        arena,
        "%s: x[%d,%d,%d,%d] -> %d, kernel %dx%d, stride %dx%d, "
        "pad %d,%d,%d,%d, dilation %d, groups %d",
        cpu, (int)s->n, (int)s->c, (int)s->h, (int)s->w, (int)s->o, (int)s->kh,
        (int)s->kw, (int)s->sh, (int)s->sw, (int)s->pad[0], (int)s->pad[1],
        (int)s->pad[2], (int)s->pad[3], (int)gap_of(s), (int)groups_of(s));
}

// Returns the bytes of scratch memory per thread.
int64_t check_sums(const Shape *s, GraphOf *graph_of, const char *cpu,
                   PlanSums sums, Random *random)
{
    Arena *arena = arena_new();
    Graph *graph = graph_of(arena, s);
    int count;
    int64_t total;
    EvalBinding *bindings = bind_random(graph, arena, random, &count);
    double **want = eval_graph(graph, arena, count, bindings);
    Compiled build = compiled_by_sums(arena, graph, cpu, sums);
    const char *what = shape_string(arena, s, cpu);
    float *one = run_convs(&build, arena, 1, count, bindings, &total);
    float *two = run_convs(&build, arena, 2, count, bindings, &total);
    compare(&build, what, one, want, 2e-6);
    if (memcmp(one, two, (size_t)total * sizeof *one) != 0)
        test_fail(__FILE__, __LINE__, "%s: two threads give other bits", what);
    int64_t scratch = build.plan.scratch_bytes;
    compiled_free(&build);
    arena_free(arena);
    return scratch;
}

int64_t check_shape(const Shape *s, GraphOf *graph_of, const char *cpu,
                    Random *random)
{
    return check_sums(s, graph_of, cpu, PLAN_SUMS_FAST, random);
}

// Channels in groups of whole blocks, gaps between taps, or both; backwards the
// kernels have no gaps together with strides, and the layout pass makes none.
Shape draw_grouped_shape(Random *random)
{
    Shape s = draw_shape(random, 2);
    s.groups = draw(random, 1, 3);
    s.gap = draw(random, 1, 3);
    s.c *= s.groups;
    s.o *= s.groups;
    if (s.gap > 1)
        s.sh = s.sw = 1;
    for (int i = 0; i < 4; i++)
        s.pad[i] *= s.gap;
    count_windows(&s);
    return s.oh > 0 && s.ow > 0 ? s : draw_grouped_shape(random);
}

Shape draw_depthwise_shape(Random *random)
{
    Shape s = draw_grouped_shape(random);
    s.groups = s.o = s.c = 16 * draw(random, 1, 4);
    if (draw(random, 0, 3) == 0)
        s.n = draw(random, 14, 20); // a task makes whole images
    s.w = draw(random, s.w, 40);
    if (s.gap == 1 && draw(random, 0, 5) == 0)
        s.sh = s.sw = 5; // more phases than a kernel makes
    count_windows(&s);
    return s.oh > 0 && s.ow > 0 ? s : draw_depthwise_shape(random);
}

// 3x3 windows at stride 1 on maps of many tiles: Winograd's algorithm, which
// has scratch memory.
Shape draw_winograd_shape(Random *random, int64_t least_blocks)
{
    Shape s = {.n = draw(random, 2, 3),
               .c = 16 * draw(random, least_blocks, 5),
               .h = draw(random, 21, 33),
               .w = draw(random, 21, 33),
               .o = 16 * draw(random, least_blocks, 5),
               .kh = 3,
               .kw = 3,
               .sh = 1,
               .sw = 1};
    for (int i = 0; i < 4; i++)
        s.pad[i] = draw(random, 0, 2);
    count_windows(&s);
    return s;
}

Shape draw_strided_winograd_shape(Random *random)
{
    Shape s = draw_winograd_shape(random, 1);
    s.c = 16 * draw(random, 7, 9); // fewer do not pay on every map
    s.o = 16 * draw(random, 7, 9);
    s.h = draw(random, 45, 47); // 23 or 24 results along a side
    s.w = draw(random, 45, 47);
    s.sh = s.sw = 2;
    s.pad[1] = s.pad[0] % 2 ? 1 : 2 * draw(random, 0, 1);
    s.pad[2] = 2 - s.pad[0];
    s.pad[3] = 2 - s.pad[1];
    count_windows(&s);
    return s;
}

Shape draw_small_shape(Random *random)
{
    Shape s = draw_shape(random, 3);
    s.n = draw(random, 4, 24);
    s.h = draw(random, 1, 5);
    s.w = draw(random, 1, 5);
    count_windows(&s);
    return s.oh > 0 && s.ow > 0 ? s : draw_small_shape(random);
}

Shape draw_skipping_shape(Random *random)
{
    Shape s = {.n = draw(random, 2, 24),
               .c = 16 * draw(random, 1, 5),
               .h = draw(random, 4, 12),
               .w = draw(random, 4, 12),
               .o = 16 * draw(random, 1, 9),
               .kh = 1,
               .kw = 1,
               .sh = draw(random, 1, 3),
               .sw = 2};
    count_windows(&s);
    return s;
}
