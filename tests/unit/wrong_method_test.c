// Wrong settings of the method, each refused with a plain sentence before
// anything is trained.

#include "frontend/lang/experiment.h"
#include "tests/graphs.h"
#include "tests/harness.h"

// What the phases given say when they are elaborated, all lines in one.
static const char *errors_of(Arena *arena, const char *phases)
{
    const char *path = write_program(
        arena, "resnet heads contrastive optimizers",
        arena_printf(arena,
                     "param classes = 5\n"
                     "def net(images) = small_resnet(images, [4])\n%s",
                     phases));
    DiagList diags = diag_list_new(arena);
    LangOptions options = {.dtype = DT_F32, .ranks = 1};
    CHECK(lang_load(arena, path, &options, &diags) == NULL);
    Text said = text_new(arena);
    for (int i = 0; i < diags.items.count; i++)
        text_addf(&said, "%s\n", diags.items.at[i].message);
    return text_string(&said);
}

#define PHASE(head, source, body)                                              \
    "phase " head " {\n"                                                       \
    "    input images" source ", augment [center_crop(8)]\n"                   \
    "    " body "\n"                                                           \
    "    using lars(rate = 1.0)\n}\n"
#define TEACHER                                                                \
    PHASE("finetune(batch = 4, steps = 1)", ", y = labeled(all)",              \
          "logits = classifier(net(images), 7)\n"                              \
          "    minimize cross_entropy(logits, y)")

static const struct {
    const char *phases, *message;
} mistakes[] = {
    {PHASE("a(batch = 4, steps = 1)", " = unlabeled.views(2)",
           "minimize nt_xent(net(images), 0.0)"),
     "the temperature of NT-Xent is more than 0"},
    {PHASE("a(batch = 4, steps = 1)", " = unlabeled.views(2)",
           "minimize nt_xent(net(images), -0.1)"),
     "the temperature of NT-Xent is more than 0"},
    {PHASE("a(batch = 0, steps = 1)", " = unlabeled.views(2)",
           "minimize nt_xent(net(images), 0.1)"),
     "a batch is a whole number from 1 to 16777216"},
    {PHASE("a(batch = 99999999999, steps = 1)", " = unlabeled.views(2)",
           "minimize nt_xent(net(images), 0.1)"),
     "a batch is a whole number from 1 to 16777216"},
    {PHASE("a(batch = 1, steps = 1)", " = unlabeled.views(2)",
           "minimize nt_xent(net(images), 0.1)"),
     "NT-Xent contrasts two views of two or more images"},
    {PHASE("a(batch = 5, steps = 1)", " = unlabeled",
           "minimize nt_xent(net(images), 0.1)"),
     "NT-Xent contrasts two views of two or more images"},
    {PHASE("a(batch = 4, steps = 1)", " = unlabeled",
           "minimize nt_xent(net(images), 0.1)"),
     "z has fewer than two rows an image: input images = unlabeled.views(2)"},
    {PHASE("a(batch = 4, steps = 1)", ", y = labeled(all)",
           "minimize cross_entropy(classifier(net(images), 4), y)"),
     "the labels have more classes than the logits have columns"},
    {PHASE("a(batch = 4, steps = 1)", ", y = partly_labeled(120%)",
           "minimize cross_entropy(classifier(net(images), 5), y)"),
     "partly_labeled(amount): `all`, a share such as 1% or 0.1"},
    {PHASE("a(batch = 4, steps = 1)", ", y = unlabeled",
           "minimize cross_entropy(classifier(net(images), 5), y)"),
     "partly_labeled(amount)"},
    {TEACHER PHASE("a(batch = 4, steps = 1) with teacher = finetune",
                   " = unlabeled",
                   "minimize distillation(teacher.logits(images), "
                   "classifier(net(images), classes))"),
     "the teacher and the student have different numbers of classes"},
    {TEACHER PHASE("a(batch = 4, steps = 1) with teacher = finetune",
                   " = unlabeled",
                   "minimize distillation(teacher.logits(images), "
                   "classifier(net(images), 7), tau = 0)"),
     "tau, the temperature of distillation, is more than 0"},
};

TEST(mistakes_in_the_method_are_refused_before_training)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        Arena *arena = arena_new();
        const char *said = errors_of(arena, mistakes[i].phases);
        if (!strstr(said, mistakes[i].message))
            test_fail(__FILE__, __LINE__, "case %zu does not say: %s\n%s", i,
                      mistakes[i].message, said);
        arena_free(arena);
    }
}
