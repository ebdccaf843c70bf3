// Phases whose graphs nobody asked for, and graphs that may be missing.
#include "frontend/lang/experiment.h"
#include "ir/text_form.h"
#include "tests/harness.h"

static const char *two_phases =
    "optimizer sgd(w, g, rate = 0.1) {\n"
    "    state v = 0\n"
    "    v <- 0.5 * v + g\n"
    "    w <- w - rate * v\n"
    "}\n"
    "param classes = 4\n"
    "def scale(x) {\n"
    "    weight w[channels(x)] = 1\n"
    "    state seen[channels(x)] = 0\n"
    "    seen <- seen + w\n"
    "    return x * w\n"
    "}\n"
    "def net(x) = mean(scale(x) as body, over = \"hw\")\n"
    "phase teach(batch = 4, epochs = 2.5) {\n"
    "    input images, y = labeled(all), augment [center_crop(8)], "
    "evaluate [center_crop(8)]\n"
    "    logits = scale(net(images)) as head\n"
    "    minimize sum(logits, over = \"c\") - y\n"
    "    using sgd()\n"
    "}\n"
    "phase learn(batch = 2, steps = 7) from teach except \"head.*\" with "
    "teacher = teach {\n"
    "    input images, y = unlabeled.views(2), augment [center_crop(8)], "
    "evaluate [center_crop(8)]\n"
    "    wanted = teacher.logits(images)\n"
    "    h = scale(net(images)) as head\n"
    "    minimize mean((wanted - h)^2)\n"
    "    using sgd(rate = 0.2)\n"
    "    report right = mean(h) + mean(y)\n"
    "}\n";

static Arena *arena;

static Experiment *load_set(const char *text, const char *wanted, int count,
                            Setting *settings)
{
    char path[512];
    DiagList diags = diag_list_new(arena);
    LangOptions options = {.dtype = DT_F64,
                           .ranks = 1,
                           .setting_count = count,
                           .settings = settings,
                           .phase_count = wanted != NULL,
                           .phases = &wanted};
    snprintf(path, sizeof path, "%s/two.net", test_folder());
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return lang_load(arena, path, &options, &diags);
}

static Experiment *load(const char *wanted)
{
    return load_set(two_phases, wanted, 0, NULL);
}

static const char *printed(const Graph *graph)
{
    Text text = text_new(arena);
    graph_print(graph, &text);
    return text_string(&text);
}

static bool has_param(const Graph *graph, const char *name)
{
    for (int i = 0; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.at[i];
        if (node->op == OP_PARAM &&
            strcmp(node->attrs[PARAM_NAME].text, name) == 0)
            return true;
    }
    return false;
}

// All that a model holds: weights and states, whose readers are there, too.
static bool has_model_of(const Graph *graph, const Graph *whole)
{
    for (int i = 0; i < whole->nodes.count; i++) {
        const Node *node = &whole->nodes.at[i];
        if (node->op == OP_PARAM &&
            strcmp(node->attrs[PARAM_ROLE].text, "slot") != 0 &&
            !has_param(graph, node->attrs[PARAM_NAME].text))
            return false;
    }
    return true;
}

static void check_phase(const ExperimentPhase *whole,
                        const ExperimentPhase *phase, bool wanted)
{
    CHECK(graph_verify(phase->train, arena) == NULL);
    CHECK(has_model_of(phase->train, whole->train));
    CHECK_INT(phase->groups[0].size, whole->groups[0].size);
    CHECK_INT(phase->classes, whole->classes);
    if (wanted) {
        CHECK_TEXT(printed(phase->train), printed(whole->train));
        CHECK_TEXT(printed(phase->eval), printed(whole->eval));
        CHECK_TEXT(printed(phase->forward), printed(whole->forward));
    } else {
        CHECK(phase->train->nodes.count < whole->train->nodes.count);
        CHECK(!has_param(phase->train, "optimizer.v.body.w"));
        CHECK(phase->forward == NULL);
    }
}

TEST(phases_that_are_not_wanted_are_sketched)
{
    static const char *const names[] = {"teach", "learn"};
    arena = arena_new();
    Experiment *all = load(NULL);
    CHECK(all != NULL);
    for (int w = 0; all && w < 2; w++) {
        Experiment *one = load(names[w]);
        CHECK(one != NULL);
        if (!one)
            continue;
        // A run is known by its source, whatever phases it was asked for.
        CHECK_TEXT(one->resolved, all->resolved);
        CHECK_INT(one->phases.count, 2);
        for (int i = 0; i < 2; i++)
            check_phase(&all->phases.at[i], &one->phases.at[i], i == w);
    }
    arena_free(arena);
}

// The program has this error and no other.
static void check_error(const char *text, const LangOptions *options,
                        const char *message)
{
    arena = arena_new();
    char path[512];
    snprintf(path, sizeof path, "%s/wrong.net", test_folder());
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    DiagList diags = diag_list_new(arena);
    CHECK(lang_load(arena, path, options, &diags) == NULL);
    CHECK_INT(diags.error_count, 1);
    CHECK_TEXT(diags.items.at[0].message, message);
    arena_free(arena);
}

// The features of `one` cannot be had for a batch of 3: no mistake of the
// program, and not told. In `two` the same line is one.
TEST(what_was_not_told_of_features_is_told_of_a_phase)
{
    static const char text[] =
        "optimizer sgd(w, g) {\n"
        "    w <- w - 0.1 * g\n"
        "}\n"
        "def even(x) {\n"
        "    assert batch_size(x) % 2 == 0, \"rows come in pairs\"\n"
        "    weight w = 1\n"
        "    return x * w\n"
        "}\n"
        "phase one(batch = 3, steps = 1) {\n"
        "    input images = unlabeled.views(2), augment [center_crop(4)]\n"
        "    h = even(images)\n"
        "    minimize mean(h * h)\n"
        "    using sgd()\n"
        "}\n"
        "phase two(batch = 3, steps = 1) {\n"
        "    input images = unlabeled, augment [center_crop(4)]\n"
        "    h = even(images)\n"
        "    minimize mean(h * h)\n"
        "    using sgd()\n"
        "}\n";
    LangOptions options = {.dtype = DT_F64, .ranks = 1, .features_name = "h"};
    check_error(text, &options, "rows come in pairs");
}

TEST(a_value_of_a_branch_not_taken_is_an_error)
{
    static const char text[] =
        "optimizer sgd(w, g) {\n"
        "    w <- w - 0.1 * g\n"
        "}\n"
        "phase one(batch = 3, steps = 1) {\n"
        "    input images = unlabeled, augment [center_crop(4)]\n"
        "    weight w = 1\n"
        "    if training {\n"
        "        z = images * w\n"
        "    }\n"
        "    minimize mean(images * w)\n"
        "    using sgd()\n"
        "}\n";
    LangOptions options = {
        .dtype = DT_F64, .ranks = 1, .value_phase = "one", .value_name = "z"};
    check_error(text, &options,
                "phase `one` sets no `z` when it is run without training");
}

// A row of numbers for each image is scores; a number for each, pairs of views
// and what depends on the step are not.
TEST(evaluations_put_out_scores_where_there_are_any)
{
    static const char text[] =
        "optimizer sgd(w, g) {\n"
        "    w <- w - 0.1 * g\n"
        "}\n"
        "def rows(x) {\n"
        "    weight w = 1\n"
        "    return sum(x * w, over = \"hw\")\n"
        "}\n"
        "phase rows_of(batch = 4, steps = 1) {\n"
        "    input images = unlabeled, augment [center_crop(4)], "
        "evaluate [center_crop(4)]\n"
        "    logits = rows(images)\n"
        "    minimize mean(logits * logits)\n"
        "    using sgd()\n"
        "}\n"
        "phase numbers(batch = 4, steps = 1) {\n"
        "    input images = unlabeled, augment [center_crop(4)], "
        "evaluate [center_crop(4)]\n"
        "    logits = sum(rows(images), over = \"c\")\n"
        "    minimize mean(logits * logits)\n"
        "    using sgd()\n"
        "}\n"
        "phase pairs(batch = 4, steps = 1) {\n"
        "    input images = unlabeled.views(2), augment [center_crop(4)], "
        "evaluate [center_crop(4)]\n"
        "    logits = rows(images)\n"
        "    minimize mean(logits * logits)\n"
        "    using sgd()\n"
        "}\n"
        "phase stepwise(batch = 4, steps = 1) {\n"
        "    input images = unlabeled, augment [center_crop(4)], "
        "evaluate [center_crop(4)]\n"
        "    plain = rows(images)\n"
        "    logits = plain * step\n"
        "    minimize mean(plain * plain)\n"
        "    using sgd()\n"
        "}\n";
    LangOptions options = {
        .dtype = DT_F64, .ranks = 1, .scores_name = "logits"};
    arena = arena_new();
    char path[512];
    snprintf(path, sizeof path, "%s/scores.net", test_folder());
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    DiagList diags = diag_list_new(arena);
    Experiment *experiment = lang_load(arena, path, &options, &diags);
    CHECK(experiment != NULL);
    for (int i = 0; experiment && i < experiment->phases.count; i++) {
        const Graph *eval = experiment->phases.at[i].eval;
        CHECK_INT(eval->outputs.count, i == 0 ? 2 : 1);
        CHECK_TEXT(eval->outputs.at[eval->outputs.count - 1].name,
                   i == 0 ? SCORES_PREFIX "logits" : "loss");
    }
    arena_free(arena);
}

// ---- settings that a phase reads --------------------------------------------

static const char *three_phases =
    "param low = 1\n"
    "param high = low + 1\n"
    "param batch_size = 4\n"
    "param rate = 0.1\n"
    "param factor = 2\n"
    "def scaled(x, by = high) {\n"
    "    weight w[channels(x)] = 1\n"
    "    return by * x * w\n"
    "}\n"
    "optimizer sgd(w, g, rate = rate) {\n"
    "    w <- w - rate * g\n"
    "}\n"
    "phase first(batch = 4, steps = 2, gain = 1) {\n"
    "    input images = unlabeled, augment [center_crop(8)]\n"
    "    minimize gain * factor * mean(scaled(images, by = 1) as s)\n"
    "    using sgd(rate = 0.1)\n"
    "}\n"
    "phase alone(batch = batch_size, steps = 2, gain = 1) {\n"
    "    input images = unlabeled, augment [center_crop(8)]\n"
    "    minimize gain * mean(scaled(images) as s)\n"
    "    using sgd()\n"
    "}\n"
    "phase second(batch = 4, steps = 2) from first {\n"
    "    input images = unlabeled, augment [center_crop(8)]\n"
    "    minimize mean(scaled(images, by = 1) as s)\n"
    "    using sgd(rate = 0.1)\n"
    "}\n";

// '1' for each setting that is read, in the order of the array, else '0'.
static const char *read_by(const char *wanted)
{
    enum { COUNT = 6 };
    static const char *const names[COUNT] = {
        "low", "batch_size", "rate", "alone.gain", "factor", "first.gain"};
    Setting settings[COUNT];
    char marks[COUNT + 1] = "";
    for (int i = 0; i < COUNT; i++)
        settings[i] = (Setting){.name = names[i], .value = "2"};
    settings[2].value = "0.2";
    if (!load_set(three_phases, wanted, COUNT, settings))
        return "errors";
    for (int i = 0; i < COUNT; i++)
        marks[i] = settings[i].read ? '1' : '0';
    return arena_strdup(arena, marks);
}

TEST(settings_are_read_by_phases_that_are_wanted)
{
    arena = arena_new();
    CHECK_TEXT(read_by("alone"), "111100");
    CHECK_TEXT(read_by("first"), "000011");
    // What `first` left is of settings that are not known here.
    CHECK_TEXT(read_by("second"), "111111");
    CHECK_TEXT(read_by(NULL), "111111");
    arena_free(arena);
}
