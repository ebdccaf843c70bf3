// Published and worked-out numbers of the method that programs built from
// models/lib must give: NT-Xent and its metrics, LARS, initializers.
#include <stdlib.h>

#include "frontend/lang/experiment.h"
#include "ir/eval.h"
#include "tests/graphs.h"
#include "tests/harness.h"

// A program of imports and one phase `p`, or the end of the test.
static const ExperimentPhase *load(Arena *arena, const char *text)
{
    const char *path =
        write_program(arena, "contrastive layers optimizers", text);
    DiagList diags = diag_list_new(arena);
    LangOptions options = {.dtype = DT_F64, .ranks = 1};
    Experiment *e = lang_load(arena, path, &options, &diags);
    if (e)
        return &e->phases.at[0];
    diag_print(&diags, stdout, false);
    test_fail(__FILE__, __LINE__, "does not compile");
    exit(1);
}

// Params keep `data` between evaluations; NULL = their initial constants.
typedef struct Param {
    Value value;
    int64_t count;
    double *data;
} Param;
typedef VEC(Param) ParamList;

static ParamList params_of(Arena *arena, const Graph *graph)
{
    ParamList list = {0};
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op != OP_PARAM && node->op != OP_INPUT)
            continue;
        int64_t count = type_elements(&node->type);
        double *data = ARENA_ARRAY(arena, double, count);
        for (int64_t k = 0; k < count && node->op == OP_PARAM; k++)
            data[k] = node->attrs[PARAM_SCALE].f;
        vec_push(arena, &list, ((Param){i, count, data}));
    }
    return list;
}

static double **evaluate(Arena *arena, const Graph *graph,
                         const ParamList *params)
{
    EvalBinding *bindings = ARENA_ARRAY(arena, EvalBinding, params->count + 1);
    for (int i = 0; i < params->count; i++)
        bindings[i] = (EvalBinding){params->at[i].value, params->at[i].data};
    return eval_graph(graph, arena, params->count, bindings);
}

// ---- NT-Xent ----------------------------------------------------------------

// The value that a phase reports as `r`, whatever its images.
static double report(const char *definitions, const char *expression)
{
    Arena *arena = arena_new();
    const ExperimentPhase *phase =
        load(arena, arena_printf(arena,
                                 "%s\nphase p(batch = 1, steps = 1) {\n"
                                 "    input images = unlabeled, augment "
                                 "[center_crop(1)]\n"
                                 "    weight w = 1\n"
                                 "    minimize w * w\n"
                                 "    using lars(rate = 1.0)\n"
                                 "    report r = %s\n}\n",
                                 definitions, expression));
    const Graph *graph = phase->forward;
    ParamList params = params_of(arena, graph);
    double **results = evaluate(arena, graph, &params);
    double got = 0;
    for (int i = 0; i < graph->outputs.count; i++)
        if (strcmp(graph->outputs.at[i].name, "r") == 0)
            got = *results[graph->outputs.at[i].value];
    arena_free(arena);
    return got;
}

// h[i][k] = sin(1 + 0.7 i + 1.3 k), three first views and three second ones.
static const char waves[] = "def h() = sin(1 + 0.7 * iota([6, 4], axis = 0) + "
                            "1.3 * iota([6, 4], axis = 1))";

static void check_wave(const char *function, const char *tau,
                       const char *normalize, double want)
{
    char expression[200];
    snprintf(expression, sizeof expression, "%s(h(), %s%snormalize = %s)",
             function, tau, *tau ? ", " : "", normalize);
    CHECK_NEAR(report(waves, expression), want, 1e-9);
}

TEST(nt_xent_of_waves)
{
    static const struct {
        const char *tau, *normalize;
        double a, b, loss, entropy;
    } rows[] = {
        {"1.0", "true", 2.381762098, 2.378936999, 4.760699098, 1.025815104},
        {"0.5", "true", 3.468124670, 3.462346357, 6.930471027, 0.845052517},
        {"0.1", "true", 14.185372587, 14.162451550, 28.347824137, 0.057790506},
        {"1.0", "false", 3.592059297, 3.580819845, 7.172879142, 0.813154487},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *tau = rows[i].tau, *normalize = rows[i].normalize;
        check_wave("nt_xent", tau, normalize, rows[i].loss);
        check_wave("contrastive_entropy", tau, normalize, rows[i].entropy);
        check_wave("contrastive_accuracy", "", normalize, 1.0 / 3);
        char text[200];
        snprintf(text, sizeof text,
                 "nt_xent(h(), %s, normalize = %s, average = true)", tau,
                 normalize);
        CHECK_NEAR(report(waves, text), (rows[i].a + rows[i].b) / 2, 1e-9);
        snprintf(text, sizeof text,
                 "nt_xent_directions(h(), %s, normalize = %s)[0]", tau,
                 normalize);
        CHECK_NEAR(report(waves, text), rows[i].a, 1e-9);
        snprintf(text, sizeof text,
                 "nt_xent_directions(h(), %s, normalize = %s)[1]", tau,
                 normalize);
        CHECK_NEAR(report(waves, text), rows[i].b, 1e-9);
    }
}

// All similarities equal: nothing learned.
TEST(nt_xent_of_a_collapse)
{
    static const struct {
        int pairs;
        double loss;
    } rows[] = {
        {256, 12.4727}, {512, 13.8610}, {1024, 15.2483}, {4096, 18.0216}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char expression[100];
        snprintf(expression, sizeof expression, "nt_xent(ones([%d, 2]), 0.1)",
                 2 * rows[i].pairs);
        double got = report("", expression);
        CHECK_NEAR(got, 2 * log(2 * rows[i].pairs - 1), 1e-9);
        CHECK_NEAR(got, rows[i].loss, 5e-5);
    }
}

// ---- LARS -------------------------------------------------------------------

// A step of the phase's optimizer: every assignment takes its value.
static void take_step(Arena *arena, const Graph *graph, ParamList *params)
{
    double **results = evaluate(arena, graph, params);
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        for (int k = 0; node->op == OP_ASSIGN && k < params->count; k++)
            if (params->at[k].value == node->inputs[0])
                memcpy(params->at[k].data, results[i],
                       sizeof(double) * (size_t)params->at[k].count);
    }
}

static double *param_data(const Graph *graph, const ParamList *params,
                          const char *name)
{
    for (int i = 0; i < params->count; i++) {
        const Node *node = graph_node(graph, params->at[i].value);
        if (node->op == OP_PARAM &&
            strcmp(node->attrs[PARAM_NAME].text, name) == 0)
            return params->at[i].data;
    }
    test_fail(__FILE__, __LINE__, "there is no %s", name);
    exit(1);
}

TEST(lars_takes_the_worked_out_steps)
{
    Arena *arena = arena_new();
    const ExperimentPhase *phase = load(
        arena, "phase p(batch = 1, steps = 2) {\n"
               "    input images = unlabeled, augment [center_crop(1)]\n"
               "    weight w[2] = 0\n"
               "    minimize sum(w * (0.01 + 0.01 * iota([2], axis = 0)))\n"
               "    using lars(rate = 1.0, weight_decay = 1e-4)\n}\n");
    const Graph *graph = phase->train;
    ParamList params = params_of(arena, graph);
    double *w = param_data(graph, &params, "w");
    double *v = param_data(graph, &params, "optimizer.v.w");
    w[0] = 0.3;
    w[1] = -0.4;
    take_step(arena, graph, &params);
    CHECK_NEAR(v[0], 0.000224501670, 5e-13);
    CHECK_NEAR(v[1], 0.000446765039, 5e-13);
    CHECK_NEAR(w[0], 0.299775498330, 5e-13);
    CHECK_NEAR(w[1], -0.400446765039, 5e-13);
    // The first velocity is the trust ratio times the decayed gradient.
    CHECK_NEAR(v[0] / (0.01 + 1e-4 * 0.3), 0.02238301798217816, 1e-15);
    double first = v[0], before = w[0];
    take_step(arena, graph, &params);
    CHECK_NEAR(v[0], 0.000426653262, 5e-13);
    CHECK_NEAR(v[1], 0.000849052752, 5e-13);
    CHECK_NEAR(w[0], 0.299348845068, 5e-13);
    CHECK_NEAR(w[1], -0.401295817791, 5e-13);
    CHECK_NEAR((v[0] - 0.9 * first) / (0.01 + 1e-4 * before),
               0.022393046961614458, 1e-15);
    arena_free(arena);
}

// ---- initializers -----------------------------------------------------------

static double sigma_of(const char *layer, const char *name)
{
    Arena *arena = arena_new();
    const ExperimentPhase *phase =
        load(arena, arena_printf(arena,
                                 "phase p(batch = 1, steps = 1) {\n"
                                 "    input images = unlabeled, augment "
                                 "[center_crop(8)]\n"
                                 "    minimize mean(%s as layer)\n"
                                 "    using lars(rate = 1.0)\n}\n",
                                 layer));
    double sigma = -1;
    for (Value i = 0; i < phase->forward->nodes.count; i++) {
        const Node *node = graph_node(phase->forward, i);
        if (node->op == OP_PARAM &&
            strcmp(node->attrs[PARAM_NAME].text, "layer.weight") == 0) {
            CHECK_TEXT(node->attrs[PARAM_INIT].text, name);
            sigma = node->attrs[PARAM_SCALE].f;
        }
    }
    arena_free(arena);
    return sigma;
}

// Truncated normals of variance 1 / fan-in, by kernel * kernel * channels.
TEST(initial_deviations_are_the_published_ones)
{
    static const char truncated[] = "truncated_normal";
    CHECK_NEAR(sigma_of("conv(images, 4, 3)", truncated), 0.2187863523, 5e-11);
    CHECK_NEAR(sigma_of("conv(images, 4, 7)", truncated), 0.0937655795, 5e-11);
    CHECK_NEAR(sigma_of("conv(ones([1, 64, 8, 8]), 4, 3)", truncated),
               0.0473686348, 5e-11);
    CHECK_NEAR(sigma_of("conv(ones([1, 64, 8, 8]), 4, 1)", truncated),
               0.1421059043, 5e-11);
    CHECK_NEAR(sigma_of("dense(ones([1, 64]), 4)", "normal"), 0.01, 0);
}
