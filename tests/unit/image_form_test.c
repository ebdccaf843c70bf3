// Convolutions and pools of blocked images are those of plain ones: the oracle
// on both, the blocked one between conversions.
#include "ir/build.h"
#include "ir/eval.h"
#include "ir/image.h"
#include "tests/harness.h"

// A small graph whose inputs are bound to numbers of no pattern.
typedef struct Scene {
    Arena *arena;
    Graph *graph;
    int count;
    EvalBinding bindings[8];
} Scene;

static Scene scene_new(void)
{
    Arena *arena = arena_new();
    return (Scene){.arena = arena, .graph = graph_new(arena, "g")};
}

static Value add_input(Scene *scene, int rank, const int64_t *dims)
{
    TensorType type = type_make(DT_F64, rank, dims);
    char *name = arena_printf(scene->arena, "x%d", scene->count);
    Value v = build_input(scene->graph, type, name);
    int64_t elements = type_elements(&type);
    double *data = ARENA_ARRAY(scene->arena, double, elements);
    for (int64_t i = 0; i < elements; i++)
        data[i] = (double)((i * 7919 + 31 * scene->count) % 1009) / 512 - 1;
    scene->bindings[scene->count++] = (EvalBinding){v, data};
    return v;
}

static Value block(Graph *g, Value x, int64_t b)
{
    TensorType t = *graph_type(g, x);
    int64_t split[] = {t.dims[0], t.dims[1] / b, b, t.dims[2], t.dims[3]};
    int64_t perm[] = {0, 1, 3, 4, 2};
    return build_transpose_to(g, build_reshape(g, x, 5, split), perm,
                              FORM_BLOCKED);
}

static Value unblock(Graph *g, Value x)
{
    TensorType t = *graph_type(g, x);
    if (t.form == FORM_PLAIN)
        return x;
    int64_t dims[] = {t.dims[0], image_channels(&t), t.dims[2], t.dims[3]};
    int64_t perm[] = {0, 1, 4, 2, 3};
    return build_reshape(g, build_transpose(g, x, perm), 4, dims);
}

static void check_equal(Scene *scene, Value a, Value b)
{
    const Graph *g = scene->graph;
    CHECK(type_equal(graph_type(g, a), graph_type(g, b)));
    double **results =
        eval_graph(g, scene->arena, scene->count, scene->bindings);
    double largest = 0;
    for (int64_t i = 0; i < type_elements(graph_type(g, a)); i++) {
        CHECK_NEAR(results[b][i], results[a][i], 1e-12);
        largest = fmax(largest, fabs(results[a][i]));
    }
    CHECK(largest > 0.5);
    arena_free(scene->arena);
}

static Attr ints(int count, const int64_t *at)
{
    return (Attr){.ints = {count, at}};
}

static Value add_node(Scene *scene, Op op, int count, const Value *inputs,
                      const Attr *attrs)
{
    Value v = graph_add(scene->graph, op, count, inputs, attrs, NULL);
    if (v == NO_VALUE)
        test_fail(__FILE__, __LINE__, "%s", scene->graph->error);
    return v;
}

// The op on plain images, and on their blocked forms where `is_image`.
static void check_forms(Op op, int count, const int64_t (*dims)[4],
                        const bool *is_image, Attr *attrs, int dims_attr,
                        int64_t b)
{
    Scene scene = scene_new();
    Graph *g = scene.graph;
    Value plain[2], blocked[2];
    for (int i = 0; i < count; i++) {
        plain[i] = add_input(&scene, 4, dims[i]);
        blocked[i] = is_image[i] ? block(g, plain[i], b) : plain[i];
    }
    Value want = add_node(&scene, op, count, plain, attrs);
    int64_t split[5];
    if (dims_attr) {
        const int64_t *x = attrs[dims_attr].ints.at;
        memcpy(split, (int64_t[]){x[0], x[1] / b, x[2], x[3], b}, sizeof split);
        attrs[dims_attr] = ints(5, split);
        attrs[dims_attr + 1].i = FORM_BLOCKED;
    }
    Value got = add_node(&scene, op, count, blocked, attrs);
    check_equal(&scene, want, unblock(g, got));
}

TEST(blocked_convolutions_are_convolutions)
{
    static const int64_t x[4] = {2, 8, 7, 6}, w[4] = {16, 8, 3, 2};
    static const int64_t y[4] = {2, 16, 4, 6};
    static const int64_t stride[2] = {2, 1}, pad[4] = {1, 0, 1, 1};
    for (int64_t b = 2; b <= 8; b *= 2) {
        Attr attrs[MAX_ATTRS] = {ints(2, stride), ints(4, pad)};
        int64_t data[3][2][4];
        const int64_t *order[3][2] = {{x, w}, {w, y}, {x, y}};
        for (int i = 0; i < 6; i++)
            memcpy(data[i / 2][i % 2], order[i / 2][i % 2], sizeof x);
        check_forms(OP_CONV2D, 2, (const int64_t(*)[4])data[0],
                    (bool[]){true, false}, attrs, 0, b);
        attrs[CONV_DIMS] = ints(4, x);
        check_forms(OP_CONV2D_GRAD_X, 2, (const int64_t(*)[4])data[1],
                    (bool[]){false, true}, attrs, CONV_DIMS, b);
        attrs[CONV_DIMS] = ints(4, w);
        attrs[CONV_FORM].i = FORM_PLAIN;
        check_forms(OP_CONV2D_GRAD_W, 2, (const int64_t(*)[4])data[2],
                    (bool[]){true, true}, attrs, 0, b);
    }
}

TEST(blocked_pools_are_pools)
{
    static const int64_t dims[2][4] = {{2, 8, 7, 6}, {2, 8, 4, 6}};
    static const int64_t kernel[2] = {3, 2}, stride[2] = {2, 1};
    static const int64_t pad[4] = {1, 0, 1, 1};
    const bool images[2] = {true, true};
    for (int64_t b = 2; b <= 8; b *= 2) {
        Attr attrs[MAX_ATTRS] = {ints(2, kernel), ints(2, stride), ints(4, pad),
                                 ints(4, dims[0])};
        check_forms(OP_MAX_POOL, 1, dims, images, attrs, 0, b);
        check_forms(OP_MAX_POOL_GRAD, 2, dims, images, attrs, 0, b);
        check_forms(OP_SUM_POOL, 1, dims, images, attrs, 0, b);
        check_forms(OP_SUM_POOL_GRAD, 1, dims + 1, images, attrs, POOL_DIMS, b);
    }
}
