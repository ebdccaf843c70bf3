// The programs of models/: that each elaborates, and the published numbers that
// its defaults must give: learning rates, steps and sizes.
#include <dirent.h>
#include <stdlib.h>

#include "frontend/lang/experiment.h"
#include "ir/eval.h"
#include "ir/text_form.h"
#include "runtime/data/sampler.h"
#include "tests/harness.h"

// A program of models/ with settings, or the end of the test.
static Experiment *load(Arena *arena, const char *name, int count,
                        Setting *settings)
{
    DiagList diags = diag_list_new(arena);
    LangOptions options = {.dtype = DT_F64,
                           .ranks = 1,
                           .setting_count = count,
                           .settings = settings};
    const char *path = arena_printf(arena, "models/%s.net", name);
    Experiment *e = lang_load(arena, path, &options, &diags);
    if (e)
        return e;
    test_fail(__FILE__, __LINE__, "%s: %s", path, diags.items.at[0].message);
    exit(1);
}

static const ExperimentPhase *phase_of(const Experiment *e, const char *name)
{
    for (int i = 0; i < e->phases.count; i++)
        if (strcmp(e->phases.at[i].name, name) == 0)
            return &e->phases.at[i];
    test_fail(__FILE__, __LINE__, "there is no phase %s", name);
    exit(1);
}

// ---- all of them ------------------------------------------------------------

static void check_program(const char *name, int count, Setting *settings)
{
    Arena *arena = arena_new();
    Experiment *e = load(arena, name, count, settings);
    for (int i = 0; i < e->phases.count; i++) {
        const ExperimentPhase *phase = &e->phases.at[i];
        const Graph *graphs[] = {phase->forward, phase->train, phase->eval};
        for (int k = 0; k < 3; k++) {
            const char *why = graphs[k] ? graph_verify(graphs[k], arena) : NULL;
            if (why)
                test_fail(__FILE__, __LINE__, "%s %s: %s", name, phase->name,
                          why);
        }
    }
    arena_free(arena);
}

// Those of a folder of models/, "" for itself; returns how many.
static int check_folder(const char *below)
{
    char path[64];
    snprintf(path, sizeof path, "models/%s", below);
    DIR *folder = opendir(path);
    int found = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char name[320];
        const char *end = strrchr(entry->d_name, '.');
        if (!end || strcmp(end, ".net") != 0)
            continue;
        snprintf(name, sizeof name, "%s%.*s", below, (int)(end - entry->d_name),
                 entry->d_name);
        check_program(name, 0, NULL);
        found++;
    }
    if (folder)
        closedir(folder);
    return found;
}

TEST(every_model_is_without_mistakes)
{
    CHECK(check_folder("") >= 7);
    CHECK(check_folder("methods/") >= 10);
}

TEST(the_largest_published_net_elaborates)
{
    Setting settings[] = {{"depth", "152", false},
                          {"width", "3", false},
                          {"sk_ratio", "0.0625", false}};
    check_program("simclrv2", 3, settings);
}

TEST(options_of_the_method_elaborate)
{
    Setting settings[] = {{"depth", "18", false},
                          {"image_size", "32", false},
                          {"pretrain.probe", "true", false},
                          {"average", "true", false},
                          {"hidden_norm", "false", false},
                          {"rate_scaling", "linear", false},
                          {"head_layers", "1", false},
                          {"fine_tune_after_block", "2", false},
                          {"frozen_norms", "moving", false},
                          {"train_head", "false", false},
                          {"zero_init_logits", "false", false},
                          {"distill.alpha", "0.5", false},
                          {"distill.tau_squared", "true", false},
                          {"distill.teacher", "self_distill", false},
                          {"linear.from", "finetune_100", false},
                          {"pretrain.memory", "16384", false},
                          {"pretrain.probe_tap", "1", false},
                          {"pretrain.steps", "10", false},
                          {"brightness", "shift", false},
                          {"update", "adam", false},
                          {"momentum", "0.8", false},
                          {"batch_norm_decay", "0.99", false},
                          {"batch_norm_epsilon", "1e-3", false},
                          {"batch_norm_moving", "unbiased", false}};
    check_program("simclrv2", 24, settings);
}

// Sums over ranks in the supervised baseline's forward pass, but for those of
// the loss and the reports.
static int count_rank_sums(const char *global_bn)
{
    Arena *arena = arena_new();
    DiagList diags = diag_list_new(arena);
    Setting settings[] = {{"depth", "18", false},
                          {"global_bn", global_bn, false}};
    LangOptions options = {
        .dtype = DT_F32, .ranks = 2, .setting_count = 2, .settings = settings};
    Experiment *e = lang_load(arena, "models/simclrv2.net", &options, &diags);
    int count = 0;
    CHECK(e != NULL);
    const Graph *graph = e ? phase_of(e, "supervised")->forward : NULL;
    for (int i = 0; graph && i < graph->nodes.count; i++)
        count += graph->nodes.at[i].op == OP_ALL_SUM;
    count -= graph ? graph->outputs.count : 0;
    arena_free(arena);
    return count;
}

// Two for each of ResNet-18's 21 norms, or none.
TEST(norms_see_all_ranks_or_one)
{
    CHECK_INT(count_rank_sums("true"), 42);
    CHECK_INT(count_rank_sums("false"), 0);
}

// ---- learning rates and steps -----------------------------------------------

typedef struct Row {
    const char *program, *phase;
    int64_t images, steps, warmup;
    double peak, end; // the cosine goes from one to the other
} Row;

enum { IMAGENET = 1281167, ONE_PERCENT = 12811, TEN_PERCENT = 128116 };

static const Row rows[] = {
    {"simclrv2", "pretrain", IMAGENET, 250228, 12511, 6.4, 0},
    {"simclrv2", "finetune", ONE_PERCENT, 751, 0, 0.16, 0},
    {"simclrv2", "finetune_10", TEN_PERCENT, 3754, 0, 0.16, 0},
    {"simclrv2", "finetune_100", IMAGENET, 37535, 0, 0.16, 0},
    {"simclrv2", "linear", IMAGENET, 28151, 0, 1.6, 0},
    {"simclrv2", "self_distill", IMAGENET, 125114, 6255, 6.4, 0},
    {"simclrv2", "distill", IMAGENET, 125114, 6255, 6.4, 0},
    {"simclrv2", "supervised", IMAGENET, 28151, 0, 1.6, 0},
    {"imagenet_100", "pretrain", IMAGENET, 31279, 3127, 4.8, 0},
    {"imagenet_100", "linear", IMAGENET, 28151, 0, 1.6, 0},
    {"imagenet_100", "finetune", ONE_PERCENT, 751, 0, 0.16, 0},
    {"simclrv1", "pretrain", IMAGENET, 31279, 3127, 4.8, 0},
    {"simclrv1", "linear", IMAGENET, 28151, 0, 1.6, 0},
    {"simclrv1", "finetune", ONE_PERCENT, 188, 0, 0.8, 0},
    {"simclrv1", "finetune_10", TEN_PERCENT, 939, 0, 0.8, 0},
    {"cifar10", "pretrain", 50000, 97657, 976, 2.0, 0},
    {"cifar10", "linear", 50000, 9766, 0, 0.2, 0},
    {"cifar10", "supervised", 50000, 39063, 0, 0.05, 0},
    {"cifar10_v1", "pretrain", 50000, 48829, 488, 4.0, 0},
    {"cifar10_v1", "linear", 50000, 1099, 0, 1.6, 0},
    {"methods/simclr", "pretrain", IMAGENET, 31279, 3127, 4.8, 0},
    {"methods/simclr", "linear", IMAGENET, 28151, 0, 1.6, 0},
    {"methods/simclr", "finetune", ONE_PERCENT, 188, 0, 0.8, 0},
    {"methods/supcon", "pretrain", 50000, 48829, 488, 0.5, 0.0005},
    {"methods/supcon", "finetune", 50000, 367, 0, 0.8, 0},
    {"methods/mocov3", "pretrain", IMAGENET, 31279, 3127, 7.2, 0},
    {"methods/mocov3", "linear", IMAGENET, 112603, 0, 0.4, 0},
    {"methods/byol", "pretrain", IMAGENET, 312785, 3127, 3.2, 0},
    {"methods/byol", "linear", IMAGENET, 100092, 0, 0.8, 0},
    {"methods/byol", "finetune", ONE_PERCENT, 376, 0, 0.2, 0},
    {"methods/simsiam", "pretrain", IMAGENET, 250228, 0, 0.1, 0},
    {"methods/simsiam", "linear", IMAGENET, 28151, 0, 0.32, 0},
    {"methods/barlow_twins", "pretrain", IMAGENET, 625570, 6255, 1.6, 0.0016},
    {"methods/barlow_twins", "linear", IMAGENET, 500456, 0, 0.1, 0},
    {"methods/barlow_twins", "finetune", ONE_PERCENT, 1001, 0, 0.002, 0},
    {"methods/vicreg", "pretrain", IMAGENET, 625570, 6255, 1.6, 0.0016},
    {"methods/vicreg", "linear", IMAGENET, 500456, 0, 0.02, 0},
    {"methods/vicreg", "finetune", ONE_PERCENT, 1001, 0, 0.03, 0},
    {"methods/swav", "linear", IMAGENET, 500456, 0, 0.3, 0},
    {"methods/dino", "pretrain", IMAGENET, 250228, 25022, 0.06, 1e-6},
    {"methods/dino", "linear", IMAGENET, 125114, 0, 0.004, 0},
    {"methods/mae", "pretrain", IMAGENET, 250228, 12511, 0.0024, 0},
    {"methods/mae", "linear", IMAGENET, 7038, 781, 6.4, 0},
    {"methods/mae", "finetune", IMAGENET, 125114, 6255, 0.002, 1e-6},
};

typedef struct Schedule {
    Graph *graph; // of the rate alone
    Value rate;
    double total, epoch_steps;
} Schedule;

// What `learning_rate` of the phase depends on, without the net.
static Schedule schedule_of(Arena *arena, const ExperimentPhase *phase,
                            int64_t images)
{
    Graph *graph = phase->forward;
    Schedule schedule = {.graph = graph, .rate = NO_VALUE};
    bool *keep = ARENA_ARRAY(arena, bool, graph->nodes.count);
    for (int i = 0; i < graph->outputs.count; i++)
        if (strcmp(graph->outputs.at[i].name, "learning_rate") == 0)
            graph->outputs.at[0] = graph->outputs.at[i];
    graph->outputs.count = 1;
    if (strcmp(graph->outputs.at[0].name, "learning_rate") == 0)
        schedule.rate = graph->outputs.at[0].value;
    if (schedule.rate == NO_VALUE) {
        test_fail(__FILE__, __LINE__, "%s reports no rate", phase->name);
        exit(1);
    }
    keep[schedule.rate] = true;
    for (Value i = schedule.rate; i >= 0; i--)
        for (int k = 0; keep[i] && k < graph_node(graph, i)->input_count; k++)
            keep[graph_node(graph, i)->inputs[k]] = true;
    graph_compact(graph, keep, NULL);
    schedule.rate = graph->outputs.at[0].value;
    schedule.total = (double)sampler_total_steps(phase->steps, phase->epochs,
                                                 images, phase->batch);
    schedule.epoch_steps = (double)images / phase->batch;
    return schedule;
}

static double rate_at(const Schedule *schedule, double step)
{
    Arena *arena = arena_new();
    const Graph *graph = schedule->graph;
    EvalBinding bindings[3];
    double numbers[3];
    int count = 0;
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op != OP_INPUT)
            continue;
        const char *name = node->attrs[INPUT_NAME].text;
        numbers[count] = strcmp(name, "step") == 0 ? step
                         : strcmp(name, "total_steps") == 0
                             ? schedule->total
                             : schedule->epoch_steps;
        bindings[count] = (EvalBinding){i, &numbers[count]};
        count++;
    }
    double rate = *eval_graph(graph, arena, count, bindings)[schedule->rate];
    arena_free(arena);
    return rate;
}

static void check_row(const Row *row)
{
    Arena *arena = arena_new();
    Experiment *e = load(arena, row->program, 0, NULL);
    Schedule s = schedule_of(arena, phase_of(e, row->phase), row->images);
    double warmup = (double)row->warmup;
    CHECK_INT((int64_t)s.total, row->steps);
    CHECK_NEAR(rate_at(&s, warmup), row->peak, 1e-12 * row->peak);
    CHECK_NEAR(rate_at(&s, s.total), row->end, 1e-12);
    if (row->warmup) {
        CHECK(rate_at(&s, 0) == 0);
        CHECK_NEAR(rate_at(&s, 1), row->peak / warmup, 1e-12);
        CHECK(rate_at(&s, warmup - 1) < row->peak);
    }
    CHECK(rate_at(&s, warmup + 1) < row->peak);
    // Halfway in the middle of the cosine.
    double middle = (warmup + s.total) / 2;
    CHECK_NEAR(rate_at(&s, middle), (row->peak + row->end) / 2,
               1e-9 * row->peak);
    arena_free(arena);
}

TEST(schedules_of_the_models_are_the_published_ones)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i]);
}

TEST(single_rates_are_the_published_ones)
{
    Arena *arena = arena_new();
    Experiment *e = load(arena, "simclrv2", 0, NULL);
    Schedule s = schedule_of(arena, phase_of(e, "pretrain"), IMAGENET);
    CHECK_NEAR(rate_at(&s, 1), 0.00051155, 5e-9);
    CHECK_NEAR(rate_at(&s, 131369), 3.200021145, 5e-10);
    s = schedule_of(arena, phase_of(e, "finetune"), ONE_PERCENT);
    CHECK_NEAR(rate_at(&s, 375), 0.080167328, 5e-10);
    // SwAV's warm-up begins above 0; steps take the place of some cosines.
    e = load(arena, "methods/swav", 0, NULL);
    s = schedule_of(arena, phase_of(e, "pretrain"), IMAGENET);
    CHECK_INT((int64_t)s.total, 250228);
    CHECK_NEAR(rate_at(&s, 0), 0.3, 1e-12);
    CHECK_NEAR(rate_at(&s, 3127), 4.8, 1e-12);
    CHECK_NEAR(rate_at(&s, s.total), 0.0048, 1e-12);
    s = schedule_of(arena, phase_of(e, "finetune"), ONE_PERCENT);
    CHECK_NEAR(rate_at(&s, 600), 0.02, 1e-12);
    CHECK_NEAR(rate_at(&s, 601), 0.004, 1e-12);
    CHECK_NEAR(rate_at(&s, 801), 0.0008, 1e-12);
    e = load(arena, "methods/supcon", 0, NULL);
    s = schedule_of(arena, phase_of(e, "linear"), 50000);
    CHECK_NEAR(rate_at(&s, 5859), 5, 1e-12);
    CHECK_NEAR(rate_at(&s, 5860), 1, 1e-12);
    CHECK_NEAR(rate_at(&s, 8790), 0.04, 1e-12);
    arena_free(arena);
}

// ---- sizes ------------------------------------------------------------------

typedef struct Size {
    const char *depth, *image_size, *width, *sk_ratio;
    int64_t trainable, head; // 0 = held elsewhere
    int convolutions, norms; // of the backbone
    int64_t middle[4];       // of selective kernels, by group
    double gmacs;            // of the backbone's convolutions an image; or 0
} Size;

static const Size sizes[] = {
    {"18", "64", "1", "0.0", 11180736, 592000, 21, 21, {0}},
    {"18", "32", "1", "0.0", 11173056, 592000, 21, 21, {0}, 0.560},
    {"34", "64", "1", "0.0", 21288896, 592000, 37, 37, {0}},
    {"34", "32", "1", "0.0", 21281216, 592000, 37, 37, {0}, 1.164},
    {"50", "32", "1", "0.0", 23500352, 8659072, 53, 53, {0}, 1.298},
    {"101", "32", "1", "0.0", 42492480, 8659072, 104, 104, {0}},
    {"152", "32", "1", "0.0", 58136128, 8659072, 155, 155, {0}},
    {"200", "64", "1", "0.0", 62624832, 8659072, 203, 203, {0}},
    {"200", "32", "1", "0.0", 62617152, 8659072, 203, 203, {0}},
    {"50", "64", "1", "0.0625", 35215584, 8659072, 87, 71, {32, 32, 32, 32}},
    {"101", "64", "2", "0.0625", 257132224, 0, 172, 139, {32, 32, 32, 64}},
    {"152", "64", "3", "0.0625", 794704160, 0, 257, 207, {32, 32, 48, 96}},
};

// Multiply-adds of all convolutions for one view.
static double convolution_macs(const Graph *graph)
{
    double macs = 0;
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op != OP_CONV2D)
            continue;
        const int64_t *filter = graph_type(graph, node->inputs[1])->dims;
        double outputs =
            (double)type_elements(&node->type) / (double)node->type.dims[0];
        macs += outputs * (double)(filter[1] * filter[2] * filter[3]);
    }
    return macs;
}

static void check_middles(Arena *arena, const Graph *graph, const Size *size)
{
    for (int group = 0; group < 4 && size->middle[0]; group++) {
        const char *name =
            arena_printf(arena, "layer%d.0.sk.mix.0.weight", group + 1);
        int64_t got = 0;
        for (Value i = 0; i < graph->nodes.count; i++) {
            const Node *node = graph_node(graph, i);
            if (node->op == OP_PARAM &&
                strcmp(node->attrs[PARAM_NAME].text, name) == 0)
                got = node->type.dims[0];
        }
        CHECK_INT(got, size->middle[group]);
    }
}

static void check_size(const Size *size)
{
    Arena *arena = arena_new();
    Setting settings[] = {{"depth", size->depth, false},
                          {"image_size", size->image_size, false},
                          {"width", size->width, false},
                          {"sk_ratio", size->sk_ratio, false},
                          {"pretrain.batch", "2", false}};
    Experiment *e = load(arena, "simclrv2", 5, settings);
    const Graph *graph = phase_of(e, "pretrain")->forward;
    int64_t backbone = 0, head = 0;
    int convolutions = 0, norms = 0;
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        convolutions += node->op == OP_CONV2D;
        if (node->op != OP_PARAM)
            continue;
        const char *name = node->attrs[PARAM_NAME].text;
        bool in_head = strncmp(name, "head.", 5) == 0;
        if (strcmp(node->attrs[PARAM_ROLE].text, "weight") == 0)
            *(in_head ? &head : &backbone) += type_elements(&node->type);
        norms += !in_head && strstr(name, "running_mean") != NULL;
    }
    CHECK_INT(backbone, size->trainable);
    CHECK_INT(convolutions, size->convolutions);
    CHECK_INT(norms, size->norms);
    if (size->head)
        CHECK_INT(head, size->head);
    if (size->gmacs > 0)
        CHECK_NEAR(convolution_macs(graph) * 1e-9, size->gmacs, 5e-4);
    check_middles(arena, graph, size);
    arena_free(arena);
}

TEST(nets_have_the_published_sizes)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_size(&sizes[i]);
}

// Nets beside ResNet: with a classifier of 1000 classes the parameters that
// torchvision 0.29 gives for its own ("num_params" of its weights' meta data),
// and the multiply-adds of an image of 224 pixels in billions, as it rounds
// them
// ("_ops").
static const struct {
    const char *name;
    int64_t trainable;
    double gmacs; // 0 = not counted here
} nets[] = {
    {"resnext50_32x4d", 25028904, 4.23},
    {"resnext101_32x8d", 88791336, 16.414},
    {"wide_resnet50_2", 68883240, 11.398},
    {"regnet_y_400mf", 4344144, 0.402},
    {"regnet_y_800mf", 6432512, 0.834},
    {"regnet_y_1_6gf", 11202430, 1.612},
    {"regnet_y_3_2gf", 19436338, 3.176},
    {"regnet_y_8gf", 39381472, 8.473},
    {"regnet_y_16gf", 83590140, 15.912},
    {"regnet_y_32gf", 145046770, 32.28},
    {"regnet_x_400mf", 5495976, 0.414},
    {"regnet_x_800mf", 7259656, 0.8},
    {"regnet_x_1_6gf", 9190136, 1.603},
    {"regnet_x_3_2gf", 15296552, 3.177},
    {"regnet_x_8gf", 39572648, 7.995},
    {"regnet_x_16gf", 54278536, 15.941},
    {"regnet_x_32gf", 107811560, 31.736},
    {"mobilenet_v2", 3504872, 0.301},
    {"mobilenet_v3_large", 5483032, 0.217},
    {"mobilenet_v3_small", 2542856, 0.057},
    {"efficientnet_b0", 5288548, 0.386},
    {"convnext_tiny", 28589128, 4.456},
    // The first of torchvision, the others its VisionTransformer of these
    // sizes; summary counts attention's products, which are no convolution.
    {"vit_b_16", 86567656, 0},
    {"vit_ti_16", 5717416, 0},
    {"vit_s_16", 22050664, 0},
};

// Of matrix products for one image.
static double product_macs(const Graph *graph)
{
    double macs = 0;
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op == OP_MATMUL)
            macs += (double)node->type.dims[1] *
                    (double)graph_type(graph, node->inputs[0])->dims[1];
    }
    return macs;
}

TEST(nets_have_torchvisions_sizes)
{
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        Arena *arena = arena_new();
        Setting settings[] = {{"encoder", nets[i].name, false},
                              {"supervised.batch", "2", false}};
        Experiment *e = load(arena, "simclrv2", 2, settings);
        const Graph *graph = phase_of(e, "supervised")->forward;
        int64_t trainable = 0;
        for (Value k = 0; k < graph->nodes.count; k++) {
            const Node *node = graph_node(graph, k);
            if (node->op == OP_PARAM &&
                strcmp(node->attrs[PARAM_ROLE].text, "weight") == 0)
                trainable += type_elements(&node->type);
        }
        CHECK_INT(trainable, nets[i].trainable);
        if (nets[i].gmacs > 0)
            CHECK_NEAR((convolution_macs(graph) + product_macs(graph)) * 1e-9,
                       nets[i].gmacs, 1e-3);
        arena_free(arena);
    }
}

// Draws of a net's step: stochastic depth at all of its shortcuts but the first
// block's, whose probability is 0, and dropout before the last layer.
static int count_draws(const char *encoder, int count, Setting *more)
{
    Arena *arena = arena_new();
    Setting settings[4] = {{"encoder", encoder, false},
                           {"supervised.batch", "2", false}};
    for (int i = 0; i < count; i++)
        settings[2 + i] = more[i];
    const Experiment *e = load(arena, "simclrv2", 2 + count, settings);
    const ExperimentPhase *phase = phase_of(e, "supervised");
    int draws = 0;
    for (Value i = 0; i < phase->forward->nodes.count; i++)
        draws += graph_node(phase->forward, i)->op == OP_RANDOM;
    for (Value i = 0; i < phase->eval->nodes.count; i++)
        CHECK(graph_node(phase->eval, i)->op != OP_RANDOM);
    arena_free(arena);
    return draws;
}

TEST(nets_drop_in_training_what_torchvisions_do)
{
    Setting none[] = {{"stochastic_depth", "0", false},
                      {"classifier_dropout", "0", false}};
    Setting some[] = {{"stochastic_depth", "0.1", false}};
    CHECK_INT(count_draws("resnet", 0, NULL), 0);
    CHECK_INT(count_draws("regnet_y_400mf", 0, NULL), 0);
    CHECK_INT(count_draws("mobilenet_v2", 0, NULL), 1);
    CHECK_INT(count_draws("efficientnet_b0", 0, NULL), 9 + 1);
    CHECK_INT(count_draws("convnext_tiny", 0, NULL), 17);
    CHECK_INT(count_draws("efficientnet_b0", 2, none), 0);
    CHECK_INT(count_draws("convnext_tiny", 2, none), 0);
    CHECK_INT(count_draws("regnet_y_400mf", 1, some), 15);
    CHECK_INT(count_draws("vit_ti_16", 1, some), 2 * 11);
}

// fc: features * classes + classes.
TEST(classifiers_have_the_published_sizes)
{
    static const struct {
        const char *depth, *classes;
        int64_t elements;
    } fcs[] = {
        {"18", "10", 5130}, {"50", "10", 20490}, {"50", "1000", 2049000}};
    for (size_t i = 0; i < sizeof fcs / sizeof *fcs; i++) {
        Arena *arena = arena_new();
        Setting settings[] = {{"depth", fcs[i].depth, false},
                              {"classes", fcs[i].classes, false},
                              {"image_size", "32", false}};
        Experiment *e = load(arena, "simclrv2", 3, settings);
        const Graph *graph = phase_of(e, "linear")->forward;
        int64_t fc = 0;
        for (Value k = 0; k < graph->nodes.count; k++) {
            const Node *node = graph_node(graph, k);
            if (node->op == OP_PARAM &&
                strncmp(node->attrs[PARAM_NAME].text, "fc.", 3) == 0)
                fc += type_elements(&node->type);
        }
        CHECK_INT(fc, fcs[i].elements);
        arena_free(arena);
    }
}

// ---- what fine-tuning leaves alone ------------------------------------------

typedef struct Trains {
    const char *after, *norms, *head; // settings
    // Does training change the weights, and the statistics, of: the stem, the
    // four groups, the head's first layer, the classifier?
    const char *weights, *statistics;
} Trains;

static const Trains trains[] = {
    {"-1", "batch", "true", "sabcdhf", "sabcdh"},
    {"0", "batch", "true", "abcdhf", "sabcdh"},
    {"0", "moving", "true", "abcdhf", "abcdh"},
    {"1", "batch", "true", "bcdhf", "sabcdh"},
    {"2", "moving", "true", "cdhf", "cdh"},
    {"3", "moving", "false", "df", "dh"},
    {"4", "batch", "true", "f", "h"},
    {"-1", "batch", "false", "sabcdf", "sabcdh"},
};

// Which part of the net a tensor belongs to.
static char part_of(const char *name)
{
    static const char *const begins[] = {"conv1.",  "bn1.",    "layer1.",
                                         "layer2.", "layer3.", "layer4.",
                                         "head.0.", "fc."};
    for (int i = 0; i < 8; i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0)
            return "ssabcdhf"[i];
    return 0;
}

// The parts with an assigned tensor of that role, each once, in order.
static void changed_parts(const Graph *graph, const char *role, char *parts)
{
    static const char all[] = "sabcdhf";
    bool changed[128] = {false};
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op != OP_ASSIGN)
            continue;
        const Node *param = graph_node(graph, node->inputs[0]);
        if (strcmp(param->attrs[PARAM_ROLE].text, role) == 0)
            changed[(int)part_of(param->attrs[PARAM_NAME].text)] = true;
    }
    for (int i = 0; all[i]; i++)
        if (changed[(int)all[i]])
            *parts++ = all[i];
    *parts = 0;
}

TEST(fine_tuning_leaves_alone_what_it_is_told_to)
{
    for (size_t i = 0; i < sizeof trains / sizeof *trains; i++) {
        Arena *arena = arena_new();
        Setting settings[] = {{"depth", "18", false},
                              {"image_size", "32", false},
                              {"fine_tune_after_block", trains[i].after, false},
                              {"frozen_norms", trains[i].norms, false},
                              {"train_head", trains[i].head, false}};
        char weights[16], statistics[16];
        Experiment *e = load(arena, "simclrv2", 5, settings);
        const Graph *graph = phase_of(e, "finetune")->train;
        changed_parts(graph, "weight", weights);
        changed_parts(graph, "state", statistics);
        CHECK_TEXT(weights, trains[i].weights);
        CHECK_TEXT(statistics, trains[i].statistics);
        arena_free(arena);
    }
}
