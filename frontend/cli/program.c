#include "frontend/cli/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/lang/program_text.h"
#include "ir/base/diag.h"
#include "runtime/base/checksum.h"
#include "runtime/data/augment.h"

static void *new_zeroed(size_t count, size_t size)
{
    void *memory = calloc(count + !count, size);
    if (!memory)
        arena_out_of_memory(count * size);
    return memory;
}

static char *new_text(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    return memcpy(new_zeroed(size, 1), text, size);
}

static int augment_by_name(const char *wanted)
{
    for (int i = 0; i < AUGMENT_COUNT; i++)
        if (strcmp(augment_name(i), wanted) == 0)
            return i;
    INTERNAL_ERROR("augmentation '%s' is not in augment.def", wanted);
}

static AugmentStep *augment_steps(const ExperimentAugment *from, int count)
{
    AugmentStep *steps = new_zeroed((size_t)count, sizeof *steps);
    for (int i = 0; i < count; i++) {
        INTERNAL_CHECK(from[i].arg_count <= AUGMENT_MAX_ARGS);
        steps[i].op = augment_by_name(from[i].name);
        for (int a = 0; a < from[i].arg_count; a++)
            steps[i].args[a] = from[i].args[a];
    }
    return steps;
}

static LabelRule label_rule(LabelAmount amount)
{
    switch (amount) {
    case AMOUNT_FRACTION:
        return LABELS_FRACTION;
    case AMOUNT_PER_CLASS:
        return LABELS_PER_CLASS;
    default:
        return LABELS_ALL;
    }
}

static PhaseSource image_source(ImageSource images)
{
    switch (images) {
    case IMAGES_LABELED:
        return SOURCE_LABELED;
    case IMAGES_PARTLY_LABELED:
        return SOURCE_PARTLY_LABELED;
    case IMAGES_MULTI_LABELED:
        return SOURCE_MULTI_LABELED;
    default:
        return SOURCE_UNLABELED;
    }
}

_Static_assert((int)VIEW_GROUPS == (int)MAX_VIEW_GROUPS,
               "front end and runtime have as many groups of views");

// Checkpoints have it, so it stays what it is.
static uint64_t says_hash(const char *says)
{
    Checksum sum = checksum_new();
    if (!says)
        return 0;
    checksum_add(&sum, says, (int64_t)strlen(says));
    return checksum_value(&sum);
}

static void fill_phase(ProgramPhase *to, const ExperimentPhase *from)
{
    to->name = new_text(from->name);
    to->from = new_text(from->from);
    to->from_only = new_text(from->from_only);
    to->from_except = new_text(from->from_except);
    to->teacher = new_text(from->teacher);
    to->says = says_hash(from->says);
    to->batch = from->batch;
    to->ranks = from->ranks;
    to->chunk = from->chunk;
    to->epochs = from->epochs;
    to->steps = from->steps;
    to->source = image_source(from->source);
    to->label_rule = label_rule(from->amount_rule);
    to->label_amount = from->amount;
    to->balanced = from->balanced;
    to->channels = from->channels;
    to->precision = from->bf16 ? PLAN_BF16 : PLAN_F32;
    to->group_count = from->group_count;
    for (int i = 0; i < from->group_count; i++) {
        const ExperimentViews *views = &from->groups[i];
        to->groups[i] = (ViewGroup){
            .views = views->views,
            .height = views->size,
            .width = views->size,
            .augment_count = views->augment.count,
            .evaluate_count = views->evaluate.count,
            .augment = augment_steps(views->augment.at, views->augment.count),
            .evaluate =
                augment_steps(views->evaluate.at, views->evaluate.count)};
    }
    to->classes = from->classes;
}

// "depth = 18", and of phases "finetune.head_tap = 1": what `eval` and others
// have to set again to have the same net.
static char *parameter_lines(const Experiment *experiment)
{
    int params = experiment->params.count;
    int count = params + experiment->settings.count;
    size_t size = 1, used = 0;
    char *text = NULL;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < count; i++) {
            const ExperimentParam *param =
                i < params ? &experiment->params.at[i]
                           : &experiment->settings.at[i - params];
            if (text)
                used += (size_t)snprintf(text + used, size - used, "%s = %s\n",
                                         param->name, param->value);
            else
                size += strlen(param->name) + strlen(param->value) + 4;
        }
        if (!text)
            text = new_zeroed(size, 1);
    }
    return text;
}

Program *program_from_experiment(const Experiment *experiment, DType dtype,
                                 const char *target)
{
    Program *program = new_zeroed(1, sizeof *program);
    program->name = new_text(experiment->name);
    program->source = new_text(experiment->resolved);
    program->parameters = parameter_lines(experiment);
    program->target = new_text(target);
    program->dtype = dtype == DT_F64 ? PLAN_F64 : PLAN_F32;
    program->phase_count = experiment->phases.count;
    program->phases =
        new_zeroed((size_t)program->phase_count, sizeof *program->phases);
    for (int i = 0; i < program->phase_count; i++)
        fill_phase(&program->phases[i], &experiment->phases.at[i]);
    return program;
}

bool program_change(void *context, const char *path, const Program *program,
                    const ProgramPhase *phase, char *text, size_t size)
{
    (void)context;
    const char *error;
    ProgramLine lines[2];
    Arena *arena = arena_new();
    DiagList diags = diag_list_new(arena);
    const Source *source = source_read(arena, path, &error);
    const ProgramText *then =
        source ? program_text(arena, source->text, &diags) : NULL;
    bool known = true;
    if (!source)
        snprintf(text, size, "%.400s", error);
    else if (!then)
        snprintf(text, size,
                 "line %d of %.200s, its copy as it was, cannot be read: %s",
                 diags.items.at[0].pos.line, path, diags.items.at[0].message);
    else if ((known = program_text_differs(
                  then, program_text(arena, program->source, NULL), phase->name,
                  phase->teacher, lines)))
        snprintf(text, size, "line %d of %.200s is `%s`, and here it is `%s`",
                 lines[0].number, path, lines[0].text, lines[1].text);
    arena_free(arena);
    return known;
}

bool program_is_artifact(const char *path)
{
    char start[8] = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    size_t got = fread(start, 1, sizeof start, file);
    fclose(file);
    return got == sizeof start && memcmp(start, "SIMCCART", 8) == 0;
}
