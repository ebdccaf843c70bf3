// Steps that take their batch in chunks, against steps that take it whole: the
// same program, compiled both ways, in double precision.
#include <stdlib.h>
#include <unistd.h>

#include "frontend/cli/compiler.h"
#include "tests/passes.h"
#include "runtime/base/philox.h"
#include "runtime/exec/random_key.h"
#include "runtime/exec/store.h"
#include "tests/compiled.h"
#include "tests/harness.h"

enum { BATCH = 8, STEPS = 3, CLASSES = 3 };

// A compiled phase with its weights, and what it was run on.
typedef struct Trained {
    Arena *arena;
    Experiment *experiment;
    Codegen *codegen;
    Program program; // holds the objects alone
    Plan plan;
    CodeImage *code;
    Store store;
    Pool *pool;
    Executor *executor;
    int views, rows, step; // rows: images at a time
    int fed;
    double losses[STEPS];
} Trained;

// ---- one run ----------------------------------------------------------------

static void load(Trained *run, const char *text, const char *chunk)
{
    char path[600], here[400];
    CHECK(getcwd(here, sizeof here) != NULL);
    snprintf(path, sizeof path, "%s/chunks.net", test_folder());
    FILE *file = fopen(path, "w");
    fprintf(file,
            "import \"%s/models/lib/contrastive.net\"\n"
            "import \"%s/models/lib/attention.net\"\n"
            "import \"%s/models/lib/layers.net\"\n"
            "import \"%s/models/lib/heads.net\"\n"
            "import \"%s/models/lib/random.net\"\n"
            "import \"%s/models/lib/optimizers.net\"\n%s",
            here, here, here, here, here, here, text);
    fclose(file);
    Setting setting = {"p.chunk", chunk, false};
    LangOptions options = {
        .dtype = DT_F64, .ranks = 1, .setting_count = 1, .settings = &setting};
    DiagList diags = diag_list_new(run->arena);
    run->experiment = lang_load(run->arena, path, &options, &diags);
    if (run->experiment)
        return;
    diag_print(&diags, stdout, false);
    test_fail(__FILE__, __LINE__, "does not compile");
    exit(1);
}

static void compile(Trained *run)
{
    const ExperimentPhase *phase = &run->experiment->phases.at[0];
    CodegenOptions options = {.cpu = "native", .threads = 1};
    Graph *graphs[PLAN_PARTS];
    run->codegen = codegen_new(&options);
    compiler_train_graphs(phase, graphs);
    for (int i = 0; i < PLAN_PARTS; i++)
        if (graphs[i])
            CHECK(!run_passes(graphs[i], NULL, true));
    compiler_lower_train(run->codegen, phase, &run->plan);
    CHECK(!codegen_verify_plan(&run->plan, run->arena));
    codegen_compile(run->codegen, &run->program.objects,
                    &run->program.object_count);
    run->program.needs = codegen_needs(run->codegen);
    run->program.target = (char *)codegen_target(run->codegen);
    run->views = phase->groups[0].views;
    run->rows = phase->chunk ? phase->chunk : phase->batch;
}

// A pixel or label of the batch depends on its place in the batch alone.
static Status feed(void *context, int pass, int chunk)
{
    Trained *run = context;
    double *images = executor_input(run->executor, "images");
    double *labels = executor_input(run->executor, "labels");
    int64_t size = plan_elements(&plan_input(&run->plan, "images")->tensor) /
                   (run->views * run->rows);
    for (int v = 0; v < run->views; v++)
        for (int r = 0; r < run->rows; r++) {
            int image = chunk * run->rows + r;
            RandomStream stream = random_stream(
                (uint64_t)run->step, (uint64_t)v, (uint64_t)image, 0, 0);
            for (int64_t i = 0; i < size; i++)
                images[(v * run->rows + r) * size + i] =
                    random_uniform(&stream);
            if (labels && pass == 0)
                labels[image] = image % CLASSES;
        }
    double *step = executor_input(run->executor, "step");
    double *key = executor_input(run->executor, "random");
    if (step)
        *step = run->step;
    if (key)
        random_key(3, "p", run->step, (int64_t)chunk * run->rows, key);
    run->fed++;
    return status_ok();
}

static Trained *train(const char *text, const char *chunk, int threads)
{
    Trained *run = calloc(1, sizeof *run);
    run->arena = arena_new();
    load(run, text, chunk);
    compile(run);
    must(code_load(&run->program, &run->code));
    must(store_add_plan(&run->store, &run->plan));
    store_initialize(&run->store, 3);
    run->pool = pool_new(threads);
    must(executor_new(&run->plan, run->code, &run->store, run->pool,
                      &run->executor));
    for (run->step = 0; run->step < STEPS; run->step++) {
        must(executor_run_fed(run->executor, feed, run, NULL, NULL));
        const double *loss = executor_output(run->executor, "loss");
        run->losses[run->step] = *loss;
    }
    return run;
}

static void trained_free(Trained *run)
{
    executor_free(run->executor);
    pool_free(run->pool);
    store_free(&run->store);
    code_free(run->code);
    for (int i = 0; i < run->program.object_count; i++) {
        free(run->program.objects[i].symbol);
        free(run->program.objects[i].bytes);
    }
    free(run->program.objects);
    plan_free(&run->plan);
    codegen_free(run->codegen);
    arena_free(run->arena);
    free(run);
}

// ---- comparing --------------------------------------------------------------

static double largest_difference(const StoreTensor *a, const StoreTensor *b)
{
    const double *x = a->data, *y = b->data;
    double most = 0;
    for (int64_t i = 0; i < plan_elements(&a->param.tensor); i++)
        most = fmax(most, fabs(x[i] - y[i]));
    return most;
}

// Every weight, running state and slot of `want` is in `got`, and its sums are
// left at zero.
static void check_same(const Trained *got, const Trained *want,
                       double tolerance)
{
    for (int i = 0; i < want->store.count; i++) {
        const StoreTensor *tensor = &want->store.tensors[i];
        const char *name = tensor->param.tensor.name;
        const StoreTensor *other = store_find(&got->store, name);
        if (!other || largest_difference(tensor, other) > tolerance)
            test_fail(__FILE__, __LINE__, "%s differs by %g", name,
                      other ? largest_difference(tensor, other) : NAN);
    }
    for (int i = 0; i < got->store.count; i++) {
        const StoreTensor *tensor = &got->store.tensors[i];
        const double *numbers = tensor->data;
        int64_t count = plan_elements(&tensor->param.tensor);
        for (int64_t k = 0; tensor->param.role == PLAN_SUM && k < count; k++)
            CHECK(numbers[k] == 0);
    }
    for (int i = 0; i < STEPS; i++)
        CHECK_NEAR(got->losses[i], want->losses[i], tolerance);
}

static void compare(const char *text, const char *chunk, const char *oracle)
{
    Trained *got = train(text, chunk, 1), *want = train(oracle, "none", 1);
    CHECK_INT(got->plan.chunks.count, BATCH / strtol(chunk, NULL, 10));
    CHECK_INT(want->plan.chunks.count, 0);
    CHECK_INT(got->fed,
              STEPS * got->plan.chunks.count * plan_passes(&got->plan));
    check_same(got, want, 1e-12);
    trained_free(got);
    trained_free(want);
}

// ---- programs ---------------------------------------------------------------

// Norms of each image, weights behind a relu, several reports that share z.
static const char plain[] =
    "def norm(x) {\n"
    "    x = x - mean(x, over = \"hw\", keep = true)\n"
    "    return x * rsqrt(mean(x^2, over = \"hw\", keep = true) + 1e-5)\n"
    "}\n"
    "def encoder(images) {\n"
    "    x = relu(norm(conv(images, 4, 3) as conv1))\n"
    "    x = max_pool_same(relu(norm(conv(x, 6, 3) as conv2)), 3, 2)\n"
    "    return mean(x, over = \"hw\")\n"
    "}\n"
    "phase p(batch = 8, steps = 3) {\n"
    "    input images = unlabeled.views(2), augment [random_crop(9)]\n"
    "    h = encoder(images)\n"
    "    z = dense(relu(dense(h, 7, sigma = 0.5) as fc1), 5, sigma = 0.5)"
    " as fc2\n"
    "    minimize nt_xent(z, 0.5)\n"
    "    using lars(rate = 0.5 * (step + 1), weight_decay = 1e-2)"
    " on \"conv*\"\n"
    "    using sgd(rate = 0.3)\n"
    "    report contrastive_accuracy(z), spread(h), effective_rank(h)\n"
    "}\n";

// Batch norms: in chunks, and the same written out for two chunks of four.
#define NORMED                                                                 \
    "def encoder(images) {\n"                                                  \
    "    x = relu(batch_norm(conv(images, 4, 3) as conv1) as bn1)\n"           \
    "    x = relu(batch_norm(conv(x, 6, 3, stride = 2) as conv2) as bn2)\n"    \
    "    x = dense(mean(x, over = \"hw\"), 5, sigma = 0.5) as fc\n"            \
    "    return batch_norm(x, center = false) as bn3\n"                        \
    "}\n"                                                                      \
    "phase p(batch = 8, steps = 3) {\n"                                        \
    "    input images = unlabeled.views(2), augment [random_crop(9)]\n"
static const char normed[] = NORMED "    z = encoder(images)\n"
                                    "    minimize nt_xent(z, 0.5)\n"
                                    "    using sgd(rate = 0.3)\n"
                                    "}\n";
static const char normed_oracle[] =
    "def part(x, first) = concat([slice(x, start = [first, 0, 0, 0],"
    " size = [4, 3, 9, 9]), slice(x, start = [8 + first, 0, 0, 0],"
    " size = [4, 3, 9, 9])])\n" NORMED
    "    a = shared(encoder(part(images, 0)))\n"
    "    b = shared(encoder(part(images, 4)))\n"
    "    z = concat([first_views(a), first_views(b), second_views(a),"
    " second_views(b)])\n"
    "    minimize nt_xent(z, 0.5)\n"
    "    using sgd(rate = 0.3)\n"
    "}\n";

// Labels, a loss behind stopped gradients, a state of the whole batch.
static const char probed[] =
    "param classes = 3\n"
    "phase p(batch = 8, steps = 3) {\n"
    "    input images, y = partly_labeled(all).views(2),"
    " augment [random_crop(9)]\n"
    "    state center[4] = 0\n"
    "    h = mean(relu(conv(images, 4, 3) as conv1), over = \"hw\")\n"
    "    logits = dense(stop_gradient(h), 3) as probe\n"
    "    minimize nt_xent(h, 0.5)\n"
    "    minimize cross_entropy(logits - mean(stop_gradient(h) @"
    " reshape(center, [4, 1])), concat([y, y]))\n"
    "    center <- 0.5 * center + 0.5 * mean(stop_gradient(h), over = \"n\")\n"
    "    using sgd(rate = 0.3)\n"
    "}\n";

// Nothing before the embeddings is trained: one pass is enough.
static const char linear[] =
    "param classes = 3\n"
    "phase p(batch = 8, steps = 3) {\n"
    "    input images, y = labeled(all), augment [random_crop(9)]\n"
    "    logits = dense(mean(images, over = \"hw\"), 7) as fc\n"
    "    minimize cross_entropy(logits, y)\n"
    "    using sgd(rate = 0.3)\n"
    "}\n";

// A slow copy of the net and what it made of past batches.
static const char remembered[] =
    "def net(images) = dense(mean(relu(conv(images, 4, 3) as conv1),"
    " over = \"hw\"), 5, sigma = 0.5) as fc\n"
    "phase p(batch = 8, steps = 3) {\n"
    "    input images = unlabeled.views(2), augment [random_crop(9)]\n"
    "    z    = net(images)\n"
    "    past = moving_average(remember(net(first_images(images)), 16), 0.75)\n"
    "    minimize nt_xent(z, 0.5, memory = past)\n"
    "    using sgd(rate = 0.3)\n"
    "}\n";

// Products of each image's matrices are rows as any others.
static const char attending[] =
    "phase p(batch = 8, steps = 3) {\n"
    "    input images = unlabeled.views(2), augment [random_crop(9)]\n"
    "    z = vit(images, patch = 3, width = 6, depth = 2, heads = 2, mlp = 9)\n"
    "    minimize nt_xent(z, 0.5)\n"
    "    using sgd(rate = 0.3)\n"
    "}\n";

TEST(chunks_of_a_transformer)
{
    compare(attending, "2", attending);
    Trained *whole = train(attending, "none", 1);
    Trained *part = train(attending, "2", 1);
    CHECK(part->plan.slab_bytes < whole->plan.slab_bytes / 2);
    trained_free(whole);
    trained_free(part);
}

// Of each image before the cut and behind it, of a step, and of a weight whose
// first axis is as long as the batch.
static const char drawing[] =
    "optimizer noisy(w, g, rate) {\n"
    "    w <- w - rate * (g + 0.1 * random_normal(shape(w)))\n"
    "}\n"
    "phase p(batch = 8, steps = 3) {\n"
    "    input images = unlabeled.views(2), augment [random_crop(9)]\n"
    "    x = relu(conv(images + 0.1 * random_normal(shape(images)), 8, 3)"
    " as conv1)\n"
    "    x = drop_path(dropout(x, 0.3), 0.25)\n"
    "    h = mean(x, over = \"hw\") * (1 + random_uniform([]))\n"
    "    z = dense(h, 5, sigma = 0.5) as fc\n"
    "    minimize nt_xent(1 + dropout(z * (0.5 + random_uniform([5])),"
    " 0.25), 0.5)\n"
    "    using noisy(rate = 0.3)\n"
    "}\n";

// The norm over the gradients of all weights, before the cut and behind it.
static const char clipped[] =
    "phase p(batch = 8, steps = 3) {\n"
    "    input images = unlabeled.views(2), augment [random_crop(9)]\n"
    "    h = mean(relu(conv(images, 4, 3) as conv1), over = \"hw\")\n"
    "    z = dense(h, 5, sigma = 0.5) as fc\n"
    "    minimize nt_xent(1 + z, 0.5)\n"
    "    using sgd(rate = 0.3, clip = 0.01) on \"fc.*\"\n"
    "    using adamw(rate = 0.01, clip = 0.02)\n"
    "}\n";

TEST(chunks_clip_by_the_norm_of_all_gradients)
{
    compare(clipped, "2", clipped);
}

TEST(chunks_draw_what_the_whole_batch_draws)
{
    static const char *const chunks[] = {"2", "4"};
    for (int i = 0; i < 2; i++)
        compare(drawing, chunks[i], drawing);
}

TEST(chunks_are_the_plain_step_with_a_memory)
{
    compare(remembered, "4", remembered);
}

TEST(chunks_are_the_plain_step_without_statistics)
{
    static const char *const chunks[] = {"2", "4"};
    for (int i = 0; i < 2; i++)
        compare(plain, chunks[i], plain);
}

TEST(chunks_take_their_own_statistics)
{
    compare(normed, "4", normed_oracle);
    Trained *part = train(normed, "4", 1), *whole = train(normed, "none", 1);
    CHECK(fabs(part->losses[0] - whole->losses[0]) > 1e-6);
    trained_free(part);
    trained_free(whole);
}

TEST(chunks_with_labels_and_weights_behind_the_embeddings)
{
    compare(probed, "2", probed);
}

TEST(chunks_of_one_image_before_any_weight)
{
    compare(linear, "1", linear);
    Trained *run = train(linear, "1", 1);
    CHECK_INT(plan_passes(&run->plan), 1);
    trained_free(run);
}

TEST(chunks_give_the_same_bits_on_any_number_of_threads)
{
    Trained *one = train(normed, "2", 1), *three = train(normed, "2", 3);
    check_same(three, one, 0);
    trained_free(one);
    trained_free(three);
}

// What is promised is what is taken, and less than for the whole batch.
TEST(chunks_need_less_memory)
{
    Trained *whole = train(plain, "none", 1), *part = train(plain, "2", 1);
    CHECK(part->plan.slab_bytes < whole->plan.slab_bytes / 2);
    int64_t promised = part->plan.slab_bytes + part->plan.scratch_bytes;
    CHECK(executor_bytes(part->executor) >= promised);
    CHECK(executor_bytes(part->executor) <= promised + (4 << 20));
    trained_free(whole);
    trained_free(part);
}
