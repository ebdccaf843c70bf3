// The language: what programs mean. What wrong programs get is in
// tests/golden/errors.
#include <stdlib.h>

#include "frontend/lang/experiment.h"
#include "ir/eval.h"
#include "ir/text_form.h"
#include "tests/graphs.h"
#include "tests/harness.h"

static Arena *arena;
static DiagList diags;

static const char *write_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return arena_strdup(arena, path);
}

static Experiment *load_set(const char *text, int count, Setting *settings)
{
    if (!arena)
        arena = arena_new();
    diags = diag_list_new(arena);
    LangOptions options = {.dtype = DT_F64,
                           .ranks = 1,
                           .setting_count = count,
                           .settings = settings,
                           .check_only = true};
    return lang_load(arena, write_file("program.net", text), &options, &diags);
}

// A program without mistakes; ends the test after one.
static Experiment *load(const char *text)
{
    Experiment *experiment = load_set(text, 0, NULL);
    if (!experiment) {
        for (int i = 0; i < diags.items.count; i++)
            test_fail(__FILE__, __LINE__, "line %d: %s",
                      diags.items.at[i].pos.line, diags.items.at[i].message);
        exit(1);
    }
    for (int i = 0; i < experiment->phases.count; i++) {
        const ExperimentPhase *phase = &experiment->phases.at[i];
        const Graph *graphs[] = {phase->forward, phase->train, phase->eval};
        for (int k = 0; k < 3; k++) {
            const char *why = graphs[k] ? graph_verify(graphs[k], arena) : NULL;
            if (why)
                test_fail(__FILE__, __LINE__, "%s: %s", graphs[k]->name, why);
        }
    }
    return experiment;
}

static const char *sgd = "optimizer sgd(w, g, rate = 0.1) {\n"
                         "    state v = 0\n"
                         "    v <- 0.5 * v + g\n"
                         "    w <- w - rate * v\n"
                         "}\n"
                         "param classes = 4\n"
                         "def scale(x) {\n"
                         "    weight w[channels(x)] = 1\n"
                         "    return x * w\n"
                         "}\n";

// A phase around some statements; images are [2,3,4,4].
static Experiment *load_phase(const char *statements)
{
    return load(arena_printf(
        arena ? arena : (arena = arena_new()),
        "%sphase p(batch = 2, steps = 3) {\n"
        "    input images, y = labeled(all), augment [center_crop(4)], "
        "evaluate [center_crop(4)]\n"
        "    minimize mean(scale(images) as first)\n"
        "    using sgd()\n%s\n}\n",
        sgd, statements));
}

// The value of a reported scalar, with leaves bound to 1, 2, 3, ...; params
// to their initial constants.
static double report(const Graph *graph, const char *name)
{
    EvalBinding *bindings = ARENA_ARRAY(arena, EvalBinding, graph->nodes.count);
    int count = 0;
    for (int i = 0; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.at[i];
        if (node->op != OP_PARAM && node->op != OP_INPUT)
            continue;
        int64_t elements = type_elements(&node->type);
        double *data = ARENA_ARRAY(arena, double, elements);
        for (int64_t k = 0; k < elements; k++)
            data[k] = node->op == OP_INPUT ? (double)(k + 1)
                                           : node->attrs[PARAM_SCALE].f;
        bindings[count++] = (EvalBinding){i, data};
    }
    double **results = eval_graph(graph, arena, count, bindings);
    return results[graph_result(graph, name)][0];
}

static void check_report(const char *expression, double want)
{
    const char *text = arena_printf(arena ? arena : (arena = arena_new()),
                                    "    report r = %s\n", expression);
    Experiment *e = load_phase(text);
    double got = report(e->phases.at[0].forward, "r");
    if (fabs(got - want) > 1e-12 * (1 + fabs(want)))
        test_fail(__FILE__, __LINE__, "%s is %.17g, not %.17g", expression, got,
                  want);
}

// ---- syntax -----------------------------------------------------------------

static void check_tree(const char *expression, const char *want)
{
    arena = arena ? arena : arena_new();
    diags = diag_list_new(arena);
    const char *path = write_file(
        "tree.net", arena_printf(arena, "def f() = %s\n", expression));
    const char *got = lang_dump_ast(arena, path, &diags);
    want = arena_printf(arena, "def f() = %s\n", want);
    const char *start = got ? strstr(got, "def") : NULL;
    CHECK_TEXT(start ? start : "a syntax error", want);
}

TEST(operators_bind_as_documented)
{
    check_tree("a + b * c ^ d ^ e", "(a + (b * (c ^ (d ^ e))))");
    check_tree("-a ^ 2", "(- (a ^ 2))");
    check_tree("2 ^ -a", "(2 ^ (- a))");
    check_tree("not a == b and c or d", "(((not (a == b)) and c) or d)");
    check_tree("a - b - c", "((a - b) - c)");
    check_tree("0..n + 1", "(0 .. (n + 1))");
    check_tree("a @ f(x) as p", "(a @ (f(x) as p))");
    check_tree("if a then b else c as q", "(if a then b else (c as q))");
    check_tree("x.last[0](1, k = 2)", "x.last[0](1, k = 2)");
    check_tree("f(x) as layer{g + 1}.{i}", "(f(x) as layer{(g + 1)}.{i})");
    check_tree("a as downsample.0.for", "(a as downsample.0.for)");
}

TEST(numbers_and_percentages)
{
    check_tree("5%", "0.05");
    check_tree("7%n", "(7 % n)");
    check_tree("7 % n", "(7 % n)");
    check_tree("7.5%(2)", "(7.5 % 2)");
    check_tree("1e-4", "0.0001");
    check_tree("0..4", "(0 .. 4)");
    check_tree("1..=4", "(1 ..= 4)");
    check_tree("\"a\\\"b\\n\"", "\"a\\\"b\\n\"");
}

TEST(newlines_end_statements_or_do_not)
{
    check_tree("f(1,\n   2\n)", "f(1, 2)");
    check_tree("a +\n  b", "(a + b)");
    check_tree("f(x)\n    as p", "(f(x) as p)");
    check_tree("\n  if a\n  then b\n  else c", "(if a then b else c)");
}

// ---- compile-time values ----------------------------------------------------

TEST(arithmetic_of_numbers)
{
    check_report("7 // 2", 3);
    check_report("-7 // 2", -4);
    check_report("-7 % 3", 2);
    check_report("7 / 2", 3.5);
    check_report("2^10", 1024);
    check_report("2^-1", 0.5);
    check_report("max(3, 4.5) + min(1, 2)", 5.5);
    check_report("floor(2.7) // 2", 1);
    check_report("int(3.9) + len([1, 2, 3])", 6);
    check_report("sqrt(16) + abs(-2)", 6);
    check_report("[3, 4, 6].last + [3, 4][0] + [1, 2][-1]", 11);
    check_report("if \"a\" == \"a\" and not false then 1 else 2", 1);
    check_report("if matches(\"bn1.bias\", [\"fc*\", \"*.bias\"]) then 1 "
                 "else 2",
                 1);
}

TEST(shapes_are_known_at_compile_time)
{
    check_report("numel(images)", 96);
    check_report("shape(images)[1]", 3);
    check_report("batch_size(images) * 100 + channels(images) * 10 + "
                 "height(images)",
                 234);
    check_report("ndim(mean(images, over = \"hw\"))", 2);
    check_report("ndim(mean(images, over = \"hw\", keep = true))", 4);
    check_report("len(split(images, 4, axis = \"h\"))", 4);
}

// ---- tensors ----------------------------------------------------------------

TEST(broadcasting)
{
    check_report("sum(images)", 96 * 97 / 2);
    check_report("sum(images * 0 + 1)", 96);
    check_report("sum(images * 0 + iota([3], axis = 0))", 2 * 16 * 3);
    check_report("sum(iota([2, 1], axis = 0) + zeros([2, 5]))", 5);
    check_report("sum(iota([2, 1], axis = 0) + iota([1, 3], axis = 1))", 9);
    check_report("sum(zeros([2, 3]) + mean(ones([4])))", 6);
    check_report("sum(2 - ones([3]))", 3);
    check_report("sum(ones([3]) / 2)", 1.5);
    check_report("sum((iota([3], axis = 0) - 1)^2)", 2);
    check_report("sum(iota([5], axis = 0) // 2)", 0 + 0 + 1 + 1 + 2);
    check_report("sum(iota([5], axis = 0) % 2)", 2);
}

TEST(comparisons_and_choices)
{
    check_report("sum(where(images > 95, 1, 0))", 1);
    check_report("sum(where(images >= 95, 1, 0))", 2);
    check_report("sum(images == 3)", 1);
    check_report("sum(where(not (images < 3 or images > 5), images, 0))", 12);
    check_report("sum(max(iota([4], axis = 0), 2))", 2 + 2 + 2 + 3);
    check_report("where(true, 1, 2)", 1);
    check_report("if images == none then 1 else 2", 2);
    check_report("if none != images then 1 else 2", 1);
}

TEST(reductions_and_moves)
{
    check_report("sum(mean(images, over = \"nhw\"))", 32.5 + 48.5 + 64.5);
    check_report("max_over(images)", 96);
    check_report("sum(mean(images, over = [0, 2, 3]))", 145.5);
    check_report("sum(slice(images, start = [0, 0, 0, 0], size = [1, 1, 1, "
                 "3]))",
                 6);
    check_report("sum(pad(ones([2]), low = [1], high = [2], value = 5))", 17);
    check_report("sum(concat([ones([2, 2]), zeros([2, 3])], axis = \"c\"))", 4);
    check_report("sum(split(iota([4], axis = 0), 2)[1])", 5);
    check_report("sum(ones([2, 3]) @ ones([3, 4]))", 24);
    check_report("sum(exp(matmul_lse(zeros([2, 3]), ones([4, 3]))))", 8);
    check_report("sum(exp(matmul_lse(zeros([2, 3]), ones([4, 3]), "
                 "skip = iota([2], axis = 0))))",
                 6);
    check_report("sum(matmul_max(ones([2, 3]), ones([4, 3])))", 6);
    check_report("sum(exp(matmul_entropy(zeros([2, 3]), ones([4, 3]))))", 8);
    check_report("sum(transpose(iota([2, 3], axis = 1)) @ ones([2, 1]))", 6);
    check_report("sum(sum_pool(ones([1, 1, 4, 4]), kernel = 2, stride = 2))",
                 16);
    check_report("sum(conv2d(ones([1, 1, 4, 4]), ones([1, 1, 3, 3]), pad = "
                 "[1, 1, 0, 0]))",
                 4 + 4 * 6 + 4 * 9);
}

TEST(products_of_any_rank_rows_and_sizes)
{
    check_report("sum(ones([5, 2, 3]) @ ones([3, 4]))", 120);
    check_report("sum(ones([5, 1, 2, 3]) @ ones([7, 3, 4]))", 840);
    check_report("sum(attend(ones([2, 3, 4]), ones([2, 5, 4]), iota([2, 5, 6], "
                 "axis = 1)))",
                 2 * 2 * 3 * 6);
    check_report("sum(attend(ones([3, 4]), ones([2, 4]), ones([2, 1]), 9))", 3);
    check_report("sum(take(iota([4, 2], axis = 0), iota([6], axis = 0)))", 12);
    check_report("sum(resize(ones([1, 2, 3, 4]), [5, 6]))", 60);
    check_report("sum(resize(ones([1, 2, 3, 4]), 5, \"nearest\"))", 50);
    check_report("sum(mean(images, over = [0, -1, -2]))", 145.5);
    check_report("sum(iota([2, 3], axis = -1))", 6);
}

// ---- functions --------------------------------------------------------------

TEST(functions_take_defaults_names_and_recursion)
{
    Experiment *e = load(arena_printf(
        arena = arena_new(),
        "%sdef power(x, n = 2, plus = n) = x^n + plus\n"
        "def factorial(n) = if n <= 1 then 1 else n * factorial(n - 1)\n"
        "def twice(f, x) = f(f(x))\n"
        "def first_above(list, limit) {\n"
        "    for x in list {\n"
        "        if x > limit { return x }\n"
        "    }\n"
        "}\n"
        "phase p(batch = 2, steps = 3, scale_by = 2 * batch) {\n"
        "    input images = unlabeled, augment [center_crop(4)]\n"
        "    minimize mean(scale(images))\n"
        "    using sgd()\n"
        "    report a = power(3), b = power(3, plus = 1), c = power(n = 3, x "
        "= 2)\n"
        "    report d = factorial(10), e = twice(power, 1)\n"
        "    report f = first_above([1, 5, 9], 4), g = scale_by\n"
        "}\n",
        sgd));
    const Graph *graph = e->phases.at[0].forward;
    CHECK_NEAR(report(graph, "a"), 11, 0);
    CHECK_NEAR(report(graph, "b"), 10, 0);
    CHECK_NEAR(report(graph, "c"), 11, 0);
    CHECK_NEAR(report(graph, "d"), 3628800, 0);
    CHECK_NEAR(report(graph, "e"), 11, 0);
    CHECK_NEAR(report(graph, "f"), 5, 0);
    CHECK_NEAR(report(graph, "g"), 4, 0);
}

TEST(imports_are_read_once_and_seen_through)
{
    arena = arena_new();
    write_file("base.net", "param base = 7\ndef seven() = base\n");
    write_file("left.net", "import \"base.net\"\ndef l() = seven()\n");
    write_file("right.net", "import \"base.net\"\ndef r() = seven() + base\n");
    Experiment *e = load(
        arena_printf(arena,
                     "import \"left.net\"\nimport \"right.net\"\n%s"
                     "phase p(batch = 2, steps = 1) {\n"
                     "    input images = unlabeled, augment [center_crop(4)]\n"
                     "    minimize mean(scale(images))\n"
                     "    using sgd()\n"
                     "    report total = l() + r()\n"
                     "}\n",
                     sgd));
    CHECK_NEAR(report(e->phases.at[0].forward, "total"), 21, 0);
    CHECK_INT(e->params.count, 2);
    CHECK_TEXT(e->params.at[0].name, "classes");
}

// ---- weights and states -----------------------------------------------------

TEST(weights_are_named_by_the_calls_that_made_them)
{
    Experiment *e =
        load_phase("    a = scale(scale(images) as inner) as outer.{1 + 1}\n"
                   "    b = shared(scale(a) as first)\n"
                   "    weight plain = normal(0.5)\n"
                   "    minimize mean(a) + mean(b) + plain\n");
    const Graph *train = e->phases.at[0].train;
    CHECK_TEXT(graph_role(train, "first.w"), "weight");
    CHECK_TEXT(graph_role(train, "inner.w"), "weight");
    CHECK_TEXT(graph_role(train, "outer.2.w"), "weight");
    CHECK_TEXT(graph_role(train, "optimizer.v.outer.2.w"), "slot");
    const Node *plain = graph_param(train, "plain");
    CHECK(plain && plain->type.rank == 0);
    CHECK(plain && strcmp(plain->attrs[PARAM_INIT].text, "normal") == 0);
    CHECK_NEAR(plain ? plain->attrs[PARAM_SCALE].f : 0, 0.5, 0);
    // Four weights, each with its slot.
    CHECK_INT(graph_count(train, OP_PARAM), 8);
    CHECK_INT(graph_count(train, OP_ASSIGN), 8);
}

static const char *running = "def running(x) {\n"
                             "    state seen = 3\n"
                             "    if training { seen <- seen + mean(x) }\n"
                             "    return x * seen\n"
                             "}\n";

TEST(states_change_in_training_only)
{
    Experiment *e = load(arena_printf(
        arena = arena_new(),
        "%s%sphase p(batch = 2, steps = 3) {\n"
        "    input images = unlabeled, augment [center_crop(4)], evaluate "
        "[center_crop(4)]\n"
        "    minimize mean(scale(images))\n"
        "    using sgd()\n"
        "    report r = mean(running(images) as a) / mean(images)\n"
        "    report q = mean(inference(running(images) as b)) / "
        "mean(images)\n"
        "}\n",
        sgd, running));
    const ExperimentPhase *phase = &e->phases.at[0];
    CHECK_TEXT(graph_role(phase->train, "a.seen"), "state");
    CHECK_NEAR(report(phase->train, "r"), 3 + 48.5, 1e-9);
    CHECK_NEAR(report(phase->train, "q"), 3, 1e-9);
    CHECK_NEAR(report(phase->eval, "r"), 3, 1e-9);
    CHECK_INT(graph_count(phase->eval, OP_ASSIGN), 0);
    // first.w, its slot, a.seen; b.seen stands still.
    CHECK_INT(graph_count(phase->train, OP_ASSIGN), 3);
    CHECK_INT(graph_count(phase->forward, OP_ASSIGN), 0);
}

// w = 1, g = d mean(images * w) = mean over n, h, w of images / 3.
TEST(optimizers_update_every_trained_weight)
{
    Experiment *e = load_phase("    report r = step / total_steps\n");
    const Graph *train = e->phases.at[0].train;
    int assigned = 0;
    for (int i = 0; i < train->nodes.count; i++)
        assigned += train->nodes.at[i].op == OP_ASSIGN;
    CHECK_INT(assigned, 2);
    CHECK_INT(graph_count(train, OP_INPUT), 4);
    CHECK_INT(graph_count(e->phases.at[0].forward, OP_INPUT), 4);
    CHECK_NEAR(report(train, "loss"), 48.5, 1e-9);
}

TEST(frozen_and_unreached_weights_are_left_alone)
{
    Experiment *e =
        load_phase("    kept = scale(images) as kept\n"
                   "    cut = stop_gradient(scale(images) as cut)\n"
                   "    tuned = scale(images) as tuned\n"
                   "    using sgd(rate = 1.0) on \"never\", \"tuned.*\"\n"
                   "    weight never = 0\n"
                   "    minimize mean(kept) + mean(cut) + mean(tuned)\n"
                   "    freeze \"kept.*\"\n");
    const Graph *train = e->phases.at[0].train;
    CHECK_TEXT(graph_role(train, "kept.w"), "weight");
    CHECK_TEXT(graph_role(train, "optimizer.v.kept.w"), "absent");
    CHECK_TEXT(graph_role(train, "optimizer.v.cut.w"), "absent");
    CHECK_TEXT(graph_role(train, "optimizer.v.never"), "absent");
    CHECK_TEXT(graph_role(train, "optimizer.v.tuned.w"), "slot");
    CHECK_TEXT(graph_role(train, "optimizer.v.first.w"), "slot");
}

// ---- phases -----------------------------------------------------------------

static const char *two_phases =
    "param size = 8 in 4..=16 # pixels\n"
    "def net(x) = mean(scale(x) as body, over = \"hw\")\n"
    "def head(h) = scale(h) as head\n"
    "phase teach(batch = 4, epochs = 2.5, labels = 10) {\n"
    "    input images, y = labeled(labels), augment [random_crop(size, "
    "area_max = 0.5), flip()], evaluate [center_crop(size)]\n"
    "    h = net(images)\n"
    "    logits = head(h)\n"
    "    minimize sum(logits, over = \"c\") - y\n"
    "    using sgd()\n"
    "    report top = sum(logits, over = \"c\")\n"
    "}\n"
    "phase learn(batch = 2, steps = 7) from teach except \"head.*\" with "
    "teacher = teach {\n"
    "    input images, y = unlabeled.views(2), augment [center_crop(size)], "
    "evaluate [center_crop(size)]\n"
    "    wanted = teacher.logits(images)\n"
    "    again = teacher.h(images)\n"
    "    h = head(net(images))\n"
    "    minimize mean((wanted - h)^2)\n"
    "    using sgd()\n"
    "    report right = mean(h) + mean(y), size = mean(again)\n"
    "}\n";

TEST(phases_carry_their_settings)
{
    Experiment *e =
        load(arena_printf(arena = arena_new(), "%s%s", sgd, two_phases));
    CHECK_TEXT(e->name, "program");
    CHECK_INT(e->phases.count, 2);
    const ExperimentPhase *teach = &e->phases.at[0], *learn = &e->phases.at[1];
    CHECK_INT(teach->batch, 4);
    CHECK_NEAR(teach->epochs, 2.5, 0);
    CHECK_INT(teach->steps, 0);
    CHECK_INT(teach->source, IMAGES_LABELED);
    CHECK_INT(teach->amount_rule, AMOUNT_PER_CLASS);
    CHECK_NEAR(teach->amount, 10, 0);
    CHECK_INT(teach->classes, 4);
    CHECK_INT(teach->groups[0].size, 8);
    CHECK_INT(teach->groups[0].augment.count, 2);
    CHECK_TEXT(teach->groups[0].augment.at[0].name, "random_crop");
    CHECK(strstr(teach->groups[0].augment.at[0].printed, "area_max = 0.5,"));
    CHECK_NEAR(teach->groups[0].augment.at[0].args[2], 0.5, 0);
    CHECK_NEAR(teach->groups[0].augment.at[0].args[1], 0.08, 0);
    CHECK_INT(teach->groups[0].evaluate.count, 1);
    CHECK_INT(learn->steps, 7);
    CHECK_INT(learn->groups[0].views, 2);
    CHECK_INT(learn->source, IMAGES_UNLABELED);
    CHECK_TEXT(learn->from, "teach");
    CHECK(!learn->from_only);
    CHECK_TEXT(learn->from_except, "head.*");
    CHECK_TEXT(learn->teacher, "teach");
    CHECK_TEXT(e->params.at[1].doc, "pixels");
    CHECK_TEXT(e->params.at[1].range, "in 4..=16");
    CHECK_TEXT(e->params.at[1].value, "8");
}

TEST(a_teacher_is_frozen_and_shared_by_its_calls)
{
    Experiment *e =
        load(arena_printf(arena = arena_new(), "%s%s", sgd, two_phases));
    const ExperimentPhase *learn = &e->phases.at[1];
    CHECK_TEXT(graph_role(learn->train, "teacher.body.w"), "frozen");
    CHECK_TEXT(graph_role(learn->train, "teacher.head.w"), "frozen");
    CHECK_TEXT(graph_role(learn->train, "body.w"), "weight");
    CHECK_TEXT(graph_role(learn->train, "optimizer.v.teacher.body.w"),
               "absent");
    CHECK_INT(graph_count(learn->train, OP_STOP_GRADIENT), 2);
}

// Labels of unlabelled images are for evaluation: training must not see them.
TEST(hidden_labels_stay_out_of_training)
{
    Experiment *e =
        load(arena_printf(arena = arena_new(), "%s%s", sgd, two_phases));
    const ExperimentPhase *learn = &e->phases.at[1];
    CHECK_INT(graph_count(learn->train, OP_INPUT), 1);
    CHECK_INT(learn->train->outputs.count, 2);
    CHECK_INT(learn->forward->outputs.count, 2);
    CHECK_INT(graph_count(learn->eval, OP_INPUT), 2);
    CHECK_INT(learn->eval->outputs.count, 3);
}

// An evaluation has no step: a rate is reported by training alone.
TEST(steps_stay_out_of_evaluation)
{
    Experiment *e = load_phase("    report rate = step / total_steps, "
                               "top = mean(images, over = \"chw\")\n");
    const ExperimentPhase *phase = &e->phases.at[0];
    CHECK_INT(phase->train->outputs.count, 3);
    CHECK_INT(phase->eval->outputs.count, 2);
    CHECK(graph_result(phase->train, "rate") != NO_VALUE);
    CHECK(graph_result(phase->eval, "top") != NO_VALUE);
}

TEST(evaluation_keeps_one_number_an_image)
{
    Experiment *e =
        load(arena_printf(arena = arena_new(), "%s%s", sgd, two_phases));
    const ExperimentPhase *teach = &e->phases.at[0];
    CHECK_INT(graph_type(teach->eval, graph_result(teach->eval, "loss"))->rank,
              1);
    CHECK_INT(
        graph_type(teach->eval, graph_result(teach->eval, "top"))->dims[0], 4);
    CHECK_INT(
        graph_type(teach->train, graph_result(teach->train, "loss"))->rank, 0);
    CHECK_INT(graph_type(teach->train, graph_result(teach->train, "top"))->rank,
              0);
}

TEST(settings_reach_params_and_phases)
{
    Setting settings[] = {{"size", "16", false},
                          {"teach.labels", "5%", false},
                          {"teach.batch", "2 * 3", false},
                          {"learn.steps", "9", false}};
    Experiment *e =
        load_set(arena_printf(arena = arena_new(), "%s%s", sgd, two_phases), 4,
                 settings);
    CHECK(e != NULL);
    if (!e)
        return;
    CHECK_INT(e->phases.at[0].groups[0].size, 16);
    CHECK_INT(e->phases.at[0].batch, 6);
    CHECK_INT(e->phases.at[0].amount_rule, AMOUNT_FRACTION);
    CHECK_NEAR(e->phases.at[0].amount, 0.05, 1e-15);
    CHECK_INT(e->phases.at[1].steps, 9);
    CHECK(e->params.at[1].from_command_line);
    for (int i = 0; i < 4; i++)
        CHECK(settings[i].used);
    CHECK(strstr(e->resolved, "param size = 16 in 4..=16 # pixels"));
    CHECK(strstr(e->resolved,
                 "phase teach(batch = 6, epochs = 2.5, labels = 0.05) {"));
    CHECK(strstr(e->resolved, "flip(p = 0.5)"));
    CHECK(strstr(e->resolved, "using sgd(rate = 0.1)"));
}

TEST(steps_may_take_the_place_of_epochs)
{
    Setting settings[] = {{"teach.steps", "11", false},
                          {"learn.epochs", "0.5", false}};
    Experiment *e =
        load_set(arena_printf(arena = arena_new(), "%s%s", sgd, two_phases), 2,
                 settings);
    CHECK(e != NULL);
    if (!e)
        return;
    CHECK_INT(e->phases.at[0].steps, 11);
    CHECK_NEAR(e->phases.at[0].epochs, 0, 0);
    CHECK_INT(e->phases.at[1].steps, 0);
    CHECK_NEAR(e->phases.at[1].epochs, 0.5, 0);
    CHECK(strstr(e->resolved, "phase teach(batch = 4, steps = 11, "));
    CHECK(strstr(e->resolved, "phase learn(batch = 2, epochs = 0.5)"));
}

TEST(a_parameter_may_name_the_optimizer)
{
    static const char *text =
        "optimizer slow(w, g, rate) { w <- w - rate * g }\n"
        "param update = \"sgd\" in [\"sgd\", \"slow\"]\n"
        "phase p(batch = 2, steps = 1) {\n"
        "    input images = unlabeled, augment [center_crop(4)]\n"
        "    minimize mean(scale(images))\n"
        "    using update(rate = 0.5)\n"
        "}\n";
    Setting setting = {"update", "slow", false};
    const char *whole = arena_printf(arena = arena_new(), "%s%s", sgd, text);
    CHECK(strstr(load(whole)->resolved, "using sgd(rate = 0.5)"));
    CHECK_INT(diags.items.count, 0);
    Experiment *e = load_set(whole, 1, &setting);
    CHECK(e && strstr(e->resolved, "using slow(rate = 0.5)"));
    setting = (Setting){"update", "none", false};
    CHECK(load_set(whole, 1, &setting) == NULL);
    CHECK_INT(diags.error_count, 1);
}

// A def is called by a name that holds its name; a builtin comes before it.
TEST(a_name_may_hold_the_def_to_call)
{
    static const char *text =
        "param net = \"scale\"\n"
        "param relu = \"scale\"\n"
        "def twice(x) = scale(scale(x) as one) as two\n"
        "def through(f, x) = f(x) as by_formal\n"
        "phase p(batch = 2, steps = 1) {\n"
        "    input images = unlabeled, augment [center_crop(4)]\n"
        "    minimize mean(through(net, relu(net(images) as by_param)))\n"
        "    using sgd(rate = 0.5)\n"
        "}\n";
    Setting setting = {"net", "twice", false};
    const char *whole = arena_printf(arena = arena_new(), "%s%s", sgd, text);
    const Graph *train = load(whole)->phases.at[0].train;
    CHECK(graph_param(train, "by_param.w") &&
          graph_param(train, "by_formal.w"));
    CHECK_INT(graph_count(train, OP_RELU), 1);
    train = load_set(whole, 1, &setting)->phases.at[0].train;
    CHECK(graph_param(train, "by_param.two.w") != NULL);
    CHECK(graph_param(train, "by_formal.one.w") != NULL);
}

// What a slow copy declares begins as a copy, follows the weights, and learns
// nothing by itself.
TEST(moving_averages_follow_the_weights)
{
    static const char *text =
        "def net(x) {\n"
        "    state count[] = 3\n"
        "    count <- count + 1\n"
        "    return mean(scale(x)) * count\n"
        "}\n"
        "phase p(batch = 2, steps = 1) {\n"
        "    input images = unlabeled, augment [center_crop(4)]\n"
        "    minimize net(images) + moving_average(net(images), 0.75)\n"
        "    using sgd()\n"
        "}\n";
    const Graph *graph =
        load(arena_printf(arena = arena_new(), "%s%s", sgd, text))
            ->phases.at[0]
            .train;
    const char *names[] = {"ema.w", "ema.count"};
    for (int i = 0; i < 2; i++) {
        const Node *param = graph_param(graph, names[i]);
        CHECK_TEXT(param->attrs[PARAM_ROLE].text, "slot");
        CHECK_TEXT(param->attrs[PARAM_INIT].text, "copy");
    }
    CHECK_TEXT(graph_role(graph, "w"), "weight");
    CHECK(graph_param(graph, "optimizer.v.ema.w") == NULL);
    CHECK_INT(graph_count(graph, OP_ASSIGN), 5); // w, v, ema.w and both counts
}

TEST(shown_programs_mean_the_same)
{
    Setting settings[] = {{"size", "12", false}, {"teach.epochs", "9", false}};
    Experiment *first =
        load_set(arena_printf(arena = arena_new(), "%s%s", sgd, two_phases), 2,
                 settings);
    CHECK(first != NULL);
    if (!first)
        return;
    Experiment *second = load(first->resolved);
    Text a = text_new(arena), b = text_new(arena);
    graph_print(first->phases.at[1].train, &a);
    graph_print(second->phases.at[1].train, &b);
    CHECK_TEXT(text_string(&a), text_string(&b));
}

TEST(reshaped_weights_of_another_phase_are_an_error)
{
    const char *text =
        arena_printf(arena = arena_new(),
                     "%sphase a(batch = 2, steps = 1) {\n"
                     "    input images = unlabeled, augment [center_crop(4)]\n"
                     "    minimize mean(scale(images))\n"
                     "    using sgd()\n"
                     "}\n"
                     "phase b(batch = 2, steps = 1) from a {\n"
                     "    input images = unlabeled, augment [center_crop(4)]\n"
                     "    minimize mean(scale(mean(images, over = \"c\")))\n"
                     "    using sgd()\n"
                     "}\n",
                     sgd);
    CHECK(load_set(text, 0, NULL) == NULL);
    CHECK_INT(diags.error_count, 1);
    CHECK(strstr(diags.items.at[0].message, "`w` is f64[4] in `b` but f64[3] "
                                            "in `a`"));
}
