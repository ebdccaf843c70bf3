// The models of models/lib against PyTorch in double precision: the vectors
// beside tests/reference/*.net were written by make_vectors.py there. Each case
// runs twice: through the oracle, and compiled for f64 through every pass. The
// three trainings of the method run in f32, too, against their f64 weights.

#include <stdlib.h>

#include "frontend/lang/experiment.h"
#include "ir/eval.h"
#include "tests/passes.h"
#include "tests/compiled.h"
#include "tests/harness.h"
#include "tests/tiled.h"

enum {
    MAX_CHANGES = 600,
    MAX_OUTPUTS = 200,
    MAX_SETTINGS = 16,
    NAME_SIZE = 80
};

// One line `output STEP NAME VALUE`.
typedef struct ExpectedOutput {
    int step;
    char name[NAME_SIZE];
    double value;
} ExpectedOutput;

// One line `change NAME NORM PRODUCT`: of a tensor's change over all steps.
typedef struct ExpectedChange {
    char name[NAME_SIZE];
    double norm, product;
} ExpectedChange;

// What the vectors are of: the last phase of the .net file beside them, or what
// the lines `program PATH`, `phase NAME` and `set NAME VALUE` say.
typedef struct Vectors {
    int steps, classes, first_label, output_count, change_count, setting_count;
    int statistics; // 1: those of norms begin with numbers of this test's, too
    ExpectedOutput outputs[MAX_OUTPUTS];
    ExpectedChange changes[MAX_CHANGES];
    char program[NAME_SIZE], phase[NAME_SIZE];
    char names[MAX_SETTINGS][NAME_SIZE], values[MAX_SETTINGS][NAME_SIZE];
} Vectors;

static Vectors *read_vectors(const char *path)
{
    Vectors *v = calloc(1, sizeof *v);
    FILE *file = fopen(path, "r");
    if (!file) {
        test_fail(__FILE__, __LINE__, "cannot read %s", path);
        exit(1);
    }
    char line[256];
    while (fgets(line, sizeof line, file)) {
        ExpectedOutput *o = &v->outputs[v->output_count];
        ExpectedChange *c = &v->changes[v->change_count];
        if (v->output_count < MAX_OUTPUTS &&
            sscanf(line, "output %d %79s %lf", &o->step, o->name, &o->value) ==
                3)
            v->output_count++;
        else if (v->change_count < MAX_CHANGES &&
                 sscanf(line, "change %79s %lf %lf", c->name, &c->norm,
                        &c->product) == 3)
            v->change_count++;
        else if (v->setting_count < MAX_SETTINGS &&
                 sscanf(line, "set %79s %79s", v->names[v->setting_count],
                        v->values[v->setting_count]) == 2)
            v->setting_count++;
        else if (sscanf(line, "program %79s", v->program) != 1 &&
                 sscanf(line, "phase %79s", v->phase) != 1 &&
                 sscanf(line, "steps %d", &v->steps) != 1 &&
                 sscanf(line, "statistics %d", &v->statistics) != 1 &&
                 sscanf(line, "first_label %d", &v->first_label) != 1)
            CHECK_INT(sscanf(line, "classes %d", &v->classes), 1);
    }
    fclose(file);
    return v;
}

// A number in [0, 1): splitmix64 of FNV-1a(name) and the index.
static double hashed(const char *name, int64_t index)
{
    uint64_t x = text_hash(TEXT_HASH_SEED, name, strlen(name)) +
                 (uint64_t)(index + 1) * 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    x ^= x >> 31;
    return (double)(x >> 11) * 0x1p-53;
}

static double signed_hash(const char *name, int64_t index)
{
    return 2 * hashed(name, index) - 1;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

// What a copy begins as; every other param itself.
static const Node *original_of(const Graph *graph, const Node *node)
{
    const char *name = node->attrs[PARAM_NAME].text;
    if (strcmp(node->attrs[PARAM_INIT].text, "copy") != 0)
        return node;
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *other = graph_node(graph, i);
        if (other->op == OP_PARAM &&
            strcmp(other->attrs[PARAM_NAME].text, strchr(name, '.') + 1) == 0)
            return other;
    }
    test_fail(__FILE__, __LINE__, "%s is a copy of nothing", name);
    exit(1);
}

// Moving averages and what they remember count, optimizers' slots do not.
static bool is_compared(const Node *node)
{
    return strcmp(node->attrs[PARAM_ROLE].text, "slot") != 0 ||
           strncmp(node->attrs[PARAM_NAME].text, "ema.", 4) == 0;
}

// Has it a starting value of this test's? A teacher's statistics and weights
// have one role.
static bool is_weight(const Node *node)
{
    const char *role = node->attrs[PARAM_ROLE].text;
    return strcmp(role, "weight") == 0 ||
           (strcmp(role, "frozen") == 0 &&
            !strstr(node->attrs[PARAM_NAME].text, ".running_"));
}

// The weights' starting values; running state and slots start as the program
// says, but for statistics that the vectors have numbers for.
static void fill_param(const Graph *graph, const Node *node, const Vectors *v,
                       double *data)
{
    node = original_of(graph, node);
    const char *name = node->attrs[PARAM_NAME].text;
    int64_t count = type_elements(&node->type);
    int64_t outputs = node->type.form == FORM_TILED
                          ? weights_plain_type(&node->type).dims[0]
                          : node->type.dims[0];
    double amplitude = 0, base = 0;
    if (v->statistics && ends_with(name, ".running_mean")) {
        amplitude = 0.1;
    } else if (v->statistics && ends_with(name, ".running_var")) {
        base = 1;
        amplitude = 0.5;
    } else if (!is_weight(node)) {
        base = node->attrs[PARAM_SCALE].f;
    } else if (ends_with(name, ".bias")) {
        amplitude = 0.1;
    } else if (node->type.rank == 1) {
        base = 1;
        amplitude = 0.2;
    } else {
        amplitude = sqrt(3.0 / ((double)count / (double)outputs));
    }
    for (int64_t i = 0; i < count; i++)
        data[i] = base + amplitude * signed_hash(name, i);
}

static void fill_input(const Node *node, int step, const Vectors *v,
                       double *data)
{
    const char *name = node->attrs[INPUT_NAME].text;
    int64_t count = type_elements(&node->type);
    for (int64_t i = 0; i < count; i++) {
        double u = hashed(name, step * count + i);
        if (strncmp(name, "images", 6) == 0)
            data[i] = (2 * u - 1 + 1) / 2;
        else if (strcmp(name, "labels") == 0)
            data[i] = floor(u * (v->classes - v->first_label)) + v->first_label;
        else if (strcmp(name, "step") == 0)
            data[i] = step;
        else
            data[i] = v->steps;
    }
}

// Relative, against the size of what is compared.
static void check_close(const char *what, const char *name, double got,
                        double want, double scale)
{
    if (!(fabs(got - want) <= 1e-9 * scale + 1e-13))
        test_fail(__FILE__, __LINE__, "%s %s is %.17g, not %.17g", what, name,
                  got, want);
}

static void check_output(const Vectors *v, int step, const char *name,
                         double got)
{
    for (int i = 0; i < v->output_count; i++)
        if (v->outputs[i].step == step &&
            strcmp(v->outputs[i].name, name) == 0) {
            double want = v->outputs[i].value;
            check_close("output", name, got, want, fabs(want) * (step + 1));
            return;
        }
    test_fail(__FILE__, __LINE__, "no vector for output %s", name);
}

static void check_change(const Vectors *v, const char *name,
                         const double *before, const double *after,
                         int64_t count)
{
    char direction[NAME_SIZE + 8];
    snprintf(direction, sizeof direction, "probe.%s", name);
    double square = 0, product = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        double change = after[i] - before[i];
        square += change * change;
        product += change * signed_hash(direction, i);
        size += before[i] * before[i];
    }
    for (int i = 0; i < v->change_count; i++)
        if (strcmp(v->changes[i].name, name) == 0) {
            // A change much smaller than the weight itself has lost digits.
            double scale = v->changes[i].norm * v->steps + 1e-6 * sqrt(size);
            check_close("norm of", name, sqrt(square), v->changes[i].norm,
                        scale);
            check_close("product of", name, product, v->changes[i].product,
                        scale);
            return;
        }
    test_fail(__FILE__, __LINE__, "no vector for %s", name);
}

// Every tensor of the graph by value id; params keep their content between
// steps.
static void run_oracle(Arena *arena, const Graph *graph, const Vectors *v)
{
    int count = graph->nodes.count, bound = 0;
    EvalBinding *bindings = ARENA_ARRAY(arena, EvalBinding, count);
    double **before = ARENA_ARRAY(arena, double *, count);
    double **now = ARENA_ARRAY(arena, double *, count);
    for (Value i = 0; i < count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op != OP_PARAM && node->op != OP_INPUT)
            continue;
        int64_t n = type_elements(&node->type);
        now[i] = ARENA_ARRAY(arena, double, n);
        before[i] = ARENA_ARRAY(arena, double, n);
        if (node->op == OP_PARAM)
            fill_param(graph, node, v, now[i]);
        memcpy(before[i], now[i], (size_t)n * sizeof(double));
        bindings[bound++] = (EvalBinding){i, now[i]};
    }
    for (int step = 0; step < v->steps; step++) {
        Arena *scratch = arena_new();
        for (Value i = 0; i < count; i++)
            if (graph_node(graph, i)->op == OP_INPUT)
                fill_input(graph_node(graph, i), step, v, now[i]);
        double **results = eval_graph(graph, scratch, bound, bindings);
        for (int i = 0; i < graph->outputs.count; i++)
            check_output(v, step, graph->outputs.at[i].name,
                         *results[graph->outputs.at[i].value]);
        for (Value i = 0; i < count; i++) {
            const Node *node = graph_node(graph, i);
            if (node->op == OP_ASSIGN)
                memcpy(now[node->inputs[0]], results[i],
                       (size_t)type_elements(&node->type) * sizeof(double));
        }
        arena_free(scratch);
    }
    for (Value i = 0; i < count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op == OP_PARAM && is_compared(node))
            check_change(v, node->attrs[PARAM_NAME].text, before[i], now[i],
                         type_elements(&node->type));
    }
}

// ---- compiled ---------------------------------------------------------------

// A tensor after the last step.
typedef struct Trained {
    const char *name;
    const TensorType *type; // in the graph after all passes
    int64_t count;
    double *before, *data; // in row-major order
} Trained;
typedef VEC(Trained) TrainedList;

// `data` as the executor has it.
static void put_numbers(void *to, DType dtype, const double *data,
                        int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (dtype == DT_F64)
            ((double *)to)[i] = data[i];
        else
            ((float *)to)[i] = (float)data[i];
}

static void get_numbers(double *to, DType dtype, const void *data,
                        int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = dtype == DT_F64 ? ((const double *)data)[i]
                                : (double)((const float *)data)[i];
}

static void feed(Arena *arena, const Graph *graph, Executor *executor, int step,
                 const Vectors *v)
{
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op != OP_INPUT)
            continue;
        int64_t count = type_elements(&node->type);
        double *data = ARENA_ARRAY(arena, double, count);
        fill_input(node, step, v, data);
        put_numbers(executor_input(executor, node->attrs[INPUT_NAME].text),
                    node->type.dtype, data, count);
    }
}

// All steps; the outputs of f64 are held against the vectors. Those of the last
// step go to `last`, where it is not NULL.
static void run_steps(Arena *arena, const Graph *graph, const Plan *plan,
                      Executor *executor, const Vectors *v, double *last)
{
    for (int step = 0; step < v->steps; step++) {
        feed(arena, graph, executor, step, v);
        executor_run(executor);
        for (int i = 0; i < plan->output_count; i++) {
            const PlanTensor *output = &plan->outputs[i].tensor;
            const void *value = executor_output(executor, output->name);
            if (output->dtype == PLAN_F64)
                check_output(v, step, output->name, *(const double *)value);
            if (last)
                get_numbers(&last[i],
                            output->dtype == PLAN_F64 ? DT_F64 : DT_F32, value,
                            1);
        }
    }
}

// Fills the store, and lists the tensors whose training matters.
static TrainedList fill_store(Arena *arena, const Graph *graph,
                              const Vectors *v, Store *store)
{
    TrainedList list = {0};
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op != OP_PARAM)
            continue;
        Trained one = {.name = node->attrs[PARAM_NAME].text,
                       .type = &node->type,
                       .count = type_elements(&node->type)};
        one.before = ARENA_ARRAY(arena, double, one.count);
        one.data = ARENA_ARRAY(arena, double, one.count);
        fill_param(graph, node, v, one.before);
        memcpy(one.data, one.before, (size_t)one.count * sizeof *one.data);
        tiled_move(arena, &node->type, one.data, true);
        put_numbers(store_find(store, one.name)->data, node->type.dtype,
                    one.data, one.count);
        if (is_compared(node))
            vec_push(arena, &list, one);
    }
    return list;
}

static TrainedList run_compiled(Arena *arena, Graph *graph, DType dtype,
                                const Vectors *v, double *last)
{
    CHECK(run_passes(graph, NULL, false) == NULL);
    Compiled compiled = compiled_new(arena, graph, "native");
    Executor *executor = NULL;
    Store store = {0};
    Pool *pool = pool_new(2);
    must(store_add_plan(&store, &compiled.plan));
    TrainedList list = fill_store(arena, graph, v, &store);
    must(executor_new(&compiled.plan, compiled.image, &store, pool, &executor));
    run_steps(arena, graph, &compiled.plan, executor, v, last);
    for (int i = 0; i < list.count; i++) {
        Trained *one = &list.at[i];
        get_numbers(one->data, dtype, store_find(&store, one->name)->data,
                    one->count);
        tiled_move(arena, one->type, one->data, false);
    }
    executor_free(executor);
    store_free(&store);
    pool_free(pool);
    compiled_free(&compiled);
    return list;
}

// ---- cases ------------------------------------------------------------------

// The training step of the case's phase, with a setting beside the vectors' or
// NULL. v is NULL where there are none.
static Graph *load_case(Arena *arena, const char *name, DType dtype,
                        const Vectors *v, const Setting *more)
{
    DiagList diags = diag_list_new(arena);
    Setting settings[MAX_SETTINGS + 1];
    int count = v ? v->setting_count : 0;
    for (int i = 0; i < count; i++)
        settings[i] = (Setting){v->names[i], v->values[i], false};
    if (more)
        settings[count++] = *more;
    LangOptions options = {.dtype = dtype,
                           .ranks = 1,
                           .setting_count = count,
                           .settings = settings};
    const char *path =
        v && *v->program ? v->program
                         : arena_printf(arena, "tests/reference/%s.net", name);
    Experiment *experiment = lang_load(arena, path, &options, &diags);
    if (!experiment) {
        diag_print(&diags, stdout, false);
        test_fail(__FILE__, __LINE__, "%s does not compile", path);
        exit(1);
    }
    for (int i = 0; v && i < experiment->phases.count; i++)
        if (strcmp(experiment->phases.at[i].name, v->phase) == 0)
            return experiment->phases.at[i].train;
    CHECK(!v || !*v->phase);
    return experiment->phases.at[experiment->phases.count - 1].train;
}

static TrainedList run_case(Arena *arena, const char *name, bool oracle,
                            Setting *setting)
{
    Vectors *v =
        read_vectors(arena_printf(arena, "tests/reference/%s.txt", name));
    Graph *graph = load_case(arena, name, DT_F64, v, setting);
    if (oracle)
        run_oracle(arena, graph, v);
    TrainedList list = run_compiled(arena, graph, DT_F64, v, NULL);
    for (int i = 0; i < list.count; i++)
        check_change(v, list.at[i].name, list.at[i].before, list.at[i].data,
                     list.at[i].count);
    free(v);
    return list;
}

// No number of a tensor is further off than 1e-4 of the tensor's largest.
static void check_single(const Trained *got, const Trained *want)
{
    double largest = 0, error = 0;
    CHECK(strcmp(got->name, want->name) == 0);
    for (int64_t i = 0; i < want->count; i++) {
        largest = fmax(largest, fabs(want->data[i]));
        error = fmax(error, fabs(got->data[i] - want->data[i]));
    }
    if (!(error <= 1e-4 * largest))
        test_fail(__FILE__, __LINE__, "%s is off by %g of %g in f32",
                  want->name, error, largest);
}

static void run_single(const char *name)
{
    Arena *arena = arena_new();
    TrainedList want = run_case(arena, name, false, NULL);
    Vectors *v =
        read_vectors(arena_printf(arena, "tests/reference/%s.txt", name));
    TrainedList got = run_compiled(
        arena, load_case(arena, name, DT_F32, v, NULL), DT_F32, v, NULL);
    CHECK_INT(got.count, want.count);
    for (int i = 0; i < got.count; i++)
        check_single(&got.at[i], &want.at[i]);
    free(v);
    arena_free(arena);
}

// Whole ResNets are left to the compiled code: the oracle takes minutes.
#define CASE(name, oracle)                                                     \
    TEST(reference_##name)                                                     \
    {                                                                          \
        Arena *arena = arena_new();                                            \
        run_case(arena, #name, oracle, NULL);                                  \
        arena_free(arena);                                                     \
    }

CASE(basic_project, true)
CASE(basic_identity, true)
CASE(bottleneck, true)
CASE(bottleneck_same, true)
CASE(sk_stride2, true)
CASE(sk_odd, true)
CASE(sk_stride1, true)
CASE(sk_same, true)
CASE(se_bottleneck, true)
CASE(se_basic, true)
CASE(stem_cifar, true)
CASE(stem_imagenet, true)
CASE(stem_deep, true)
CASE(resnet18, false)
CASE(resnet50, false)
CASE(resnet50_sk, false)
CASE(groups, true)
CASE(transposed, true)
CASE(activations, true)
CASE(products, true)
CASE(attention, true)
CASE(vit, true)
CASE(index, true)
CASE(norm_torch, true)
CASE(head, true)
CASE(distillation, true)
CASE(optimizer_lars, true)
CASE(optimizer_lars_nesterov, true)
CASE(optimizer_lars_velocity, true)
CASE(optimizer_lars_velocity_nesterov, true)
CASE(optimizer_sgd, true)
CASE(optimizer_adam, true)
CASE(optimizer_adamw, true)
CASE(optimizer_lamb, true)
CASE(optimizer_clip, true)
CASE(optimizer_layers, true)
CASE(schedule_steps, true)
CASE(schedule_milestones, true)
CASE(schedule_restarts, true)
CASE(schedule_growing, true)
CASE(loss_smoothing, true)
CASE(loss_weights, true)
CASE(loss_weights_unlabelled, true)
CASE(loss_binary, true)
CASE(loss_binary_weights, true)
CASE(pretrain20, true)
CASE(memory, true)
CASE(memory_plain, true)
CASE(probe, true)
CASE(finetune20, true)
CASE(distill20, true)
CASE(supcon, true)
CASE(moco, true)
CASE(byol, true)
CASE(simsiam, true)
CASE(barlow_twins, true)
CASE(vicreg, true)
CASE(swav, true)
CASE(mae, true)
CASE(model_simclr, true)
CASE(model_supcon, true)
CASE(model_mocov3, true)
CASE(model_byol, true)
CASE(model_simsiam, true)
CASE(model_barlow_twins, true)
CASE(model_vicreg, true)
CASE(model_swav, true)
CASE(model_dino, true)
CASE(model_dino_norms, true)

TEST(reference_trainings_in_single_precision)
{
    run_single("pretrain20");
    run_single("finetune20");
    run_single("distill20");
    run_single("memory");
}

// ---- nets beside ResNet, against torchvision's ------------------------------

// Ten steps of a small net of the family. PyTorch's moving variances are
// unbiased.
static void train_net(const char *name)
{
    Setting unbiased = {"batch_norm_moving", "unbiased", false};
    Arena *arena = arena_new();
    run_case(arena, arena_printf(arena, "nets/%s", name), true, &unbiased);
    arena_free(arena);
}

// The logits of a whole net: in double precision as the vectors are, in single
// within 1e-4.
static void check_logits(const char *net)
{
    Arena *arena = arena_new();
    Setting setting = {"net", net, false};
    Vectors *v = read_vectors(
        arena_printf(arena, "tests/reference/nets/logits_%s.txt", net));
    double got[MAX_OUTPUTS] = {0};
    Graph *graph = load_case(arena, "nets/logits", DT_F64, NULL, &setting);
    run_compiled(arena, graph, DT_F64, v, NULL);
    arena_free(arena);
    arena = arena_new();
    graph = load_case(arena, "nets/logits", DT_F32, NULL, &setting);
    run_compiled(arena, graph, DT_F32, v, got);
    CHECK_INT(graph->outputs.count, v->output_count);
    for (int i = 0; i < v->output_count; i++)
        for (int k = 0; k < graph->outputs.count; k++)
            if (strcmp(graph->outputs.at[k].name, v->outputs[i].name) == 0 &&
                !(fabs(got[k] - v->outputs[i].value) <= 1e-4))
                test_fail(__FILE__, __LINE__, "%s of %s is %g, not %g",
                          v->outputs[i].name, net, got[k], v->outputs[i].value);
    free(v);
    arena_free(arena);
}

#define NET(name)                                                              \
    TEST(reference_net_##name)                                                 \
    {                                                                          \
        train_net(#name);                                                      \
    }
#define LOGITS(name)                                                           \
    TEST(reference_logits_##name)                                              \
    {                                                                          \
        check_logits(#name);                                                   \
    }

NET(resnext)
NET(wide_resnet)
NET(regnet_y)
NET(regnet_x)
NET(mobilenet_v2)
NET(mobilenet_v3)
NET(efficientnet)
NET(convnext)
NET(vit)
LOGITS(resnext50_32x4d)
LOGITS(regnet_y_800mf)
LOGITS(regnet_x_800mf)
LOGITS(mobilenet_v2)
LOGITS(mobilenet_v3_large)
LOGITS(mobilenet_v3_small)
LOGITS(efficientnet_b0)
LOGITS(convnext_tiny)
LOGITS(vit_ti_16)
