// simcc bundle: a phase's net as a C library. What the library is made of:
// runtime/bundle.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/bundle_files.h"
#include "frontend/cli/job.h"
#include "frontend/cli/object_file.h"
#include "frontend/cli/trained.h"
#include "runtime/base/checksum.h"
#include "runtime/base/file.h"
#include "runtime/bundle/model.h"
#include "runtime/exec/calls.h"
#include "runtime/exec/tiles.h"
#include "runtime/files/model.h"
#include "runtime/train/infer.h"
#include "runtime/train/weights.h"

enum { MOST_VARIANTS = 16, MOST_INSIDE = 1 << 30 };

// A processor and a batch that the library is made for.
typedef struct Variant {
    const char *target;
    Job job;
    const Plan *plan;
} Variant;

typedef struct Bundle {
    Cli *cli;
    const char *name, *folder;
    int count, min_side;
    Variant variants[MOST_VARIANTS];
    Store store;
    bool in_rows;    // as SimccModel has it
    int64_t *places; // of each param of variant 0, in `weights`
    unsigned char *weights;
    int64_t bytes;
    uint64_t checksum;
    bool beside, blas;
    const char *classes; // a line each; NULL = none
} Bundle;

// ---- the command line -------------------------------------------------------

typedef VEC(const char *) Words;

// The words of a list with commas; `fallback` (may be NULL) when not given.
static Words list_words(const Cli *cli, OptionId id, const char *fallback)
{
    Words words = {0};
    const char *at = cli_has(cli, id) ? cli->values[id] : fallback;
    while (at && *at) {
        int length = (int)strcspn(at, ",");
        vec_push(cli->arena, &words,
                 arena_printf(cli->arena, "%.*s", length, at));
        at += length + (at[length] == ',');
    }
    return words;
}

static Status read_name(Bundle *bundle)
{
    const Cli *cli = bundle->cli;
    bundle->folder = cli->values[OPT_output];
    bundle->name = cli_has(cli, OPT_name) ? cli->values[OPT_name] : "net";
    if (!cli_has(cli, OPT_output))
        return status_error(STATUS_USAGE, "say where to write: -o DIR");
    bool good = isalpha((unsigned char)bundle->name[0]);
    for (const char *c = bundle->name; *c; c++)
        good = good && (isalnum((unsigned char)*c) || *c == '_');
    if (!good || strlen(bundle->name) > 64 ||
        strncmp(bundle->name, "simcc", 5) == 0)
        return status_error(STATUS_USAGE,
                            "--name '%s': a name in C, of up to 64 letters, "
                            "digits and underlines, that does not begin with "
                            "simcc",
                            bundle->name);
    return status_ok();
}

// A folder of other things is none to write main.c and Makefile into; where an
// earlier library lies, its header tells.
static Status check_folder(const Bundle *bundle)
{
    char *there;
    int64_t size;
    size_t line = strcspn(bundle_simcc_h, "\n");
    const char *header =
        arena_printf(bundle->cli->arena, "%s/simcc.h", bundle->folder);
    if (file_read(header, 1 << 20, &there, &size).code == STATUS_OK) {
        bool own = strncmp(there, bundle_simcc_h, line) == 0;
        free(there);
        if (own)
            return status_ok();
    }
    return file_check_empty(bundle->folder,
                            "-o takes a new or an empty folder, or that of an "
                            "earlier library");
}

// One variant for each target and batch, in the order of the command line.
static Status list_variants(Bundle *bundle, int rows[MOST_VARIANTS])
{
    const Cli *cli = bundle->cli;
    Words targets = list_words(cli, OPT_target, "native");
    Words batches = list_words(cli, OPT_batch, "0");
    if (targets.count < 1 || batches.count < 1 ||
        targets.count * batches.count > MOST_VARIANTS)
        return status_error(STATUS_USAGE,
                            "--target and --batch: 1 to %d pairs of them",
                            MOST_VARIANTS);
    for (int b = 0; b < batches.count; b++) {
        char *end;
        long number = strtol(batches.at[b], &end, 10);
        if (*end || number < 0 || number > 4096 ||
            (number == 0 && cli_has(cli, OPT_batch)))
            return status_error(STATUS_USAGE,
                                "--batch takes numbers from 1 to 4096, parted "
                                "by commas, and got '%s'",
                                cli->values[OPT_batch]);
        for (int t = 0; t < targets.count; t++) {
            if (strlen(targets.at[t]) >= MODEL_TARGET)
                return status_error(STATUS_USAGE,
                                    "--target: there is no processor '%s'",
                                    targets.at[t]);
            for (int i = 0; i < bundle->count; i++)
                if (rows[i] == number &&
                    strcmp(bundle->variants[i].target, targets.at[t]) == 0)
                    return status_error(STATUS_USAGE,
                                        "--target or --batch has a value "
                                        "twice");
            rows[bundle->count] = (int)number;
            bundle->variants[bundle->count++].target = targets.at[t];
        }
    }
    return status_ok();
}

// ---- plans ------------------------------------------------------------------

static Status check_value(const ProgramPhase *phase)
{
    const PlanTensor *value = infer_value(phase);
    if (!plan_input(&phase->eval, "images"))
        return status_error(STATUS_USAGE,
                            "%s does not depend on the images: nothing is to "
                            "be put into a library",
                            value->name);
    return status_ok();
}

// Which of the calls need BLAS, by their labels.
static void note_blas(Bundle *bundle, const Plan *plan)
{
    for (int i = 0; i < plan->step_count && !bundle->blas; i++) {
        const PlanStep *step = &plan->steps[i];
        if (step->symbol >= 0 || !call_uses_blas((PlanCall)step->call))
            continue;
        bundle->blas = true;
        cli_note(bundle->cli,
                 "%s is computed by OpenBLAS: programs link with -lopenblas, "
                 "and it allocates memory of its own",
                 step->label);
    }
}

static int compile_variants(Bundle *bundle, const int *rows)
{
    Cli *cli = bundle->cli;
    const char *value =
        cli_has(cli, OPT_value) ? cli->values[OPT_value] : "logits";
    for (int i = 0; i < bundle->count; i++) {
        Variant *variant = &bundle->variants[i];
        int code = job_open_code(&variant->job, cli, value, variant->target,
                                 rows[i], &bundle->min_side);
        if (code != STATUS_OK)
            return code;
        int index = job_phase(&variant->job, cli->words[1]);
        const ProgramPhase *phase = &variant->job.program->phases[index];
        CLI_TRY(cli, check_value(phase));
        variant->plan = &phase->eval;
        note_blas(bundle, variant->plan);
    }
    return STATUS_OK;
}

static const ProgramPhase *phase_of(const Bundle *bundle, int variant)
{
    const Job *job = &bundle->variants[variant].job;
    return &job->program->phases[job_phase(job, bundle->cli->words[1])];
}

// ---- weights ----------------------------------------------------------------

static int find_param(const Plan *plan, const char *name)
{
    for (int i = 0; i < plan->param_count; i++)
        if (strcmp(plan->params[i].tensor.name, name) == 0)
            return i;
    INTERNAL_ERROR("the plans of one net differ: %s", name);
}

static Status load_weights(Bundle *bundle)
{
    char path[RUNDIR_PATH], *lines;
    const Variant *first = &bundle->variants[0];
    const ProgramPhase *phase = phase_of(bundle, 0);
    const TrainOptions *options = &first->job.options;
    TRY(job_weights(&first->job, path));
    TRY(trained_phase(&first->job));
    TRY(store_add_plan(&bundle->store, first->plan));
    TRY(weights_load_all(first->job.program, phase, path, options,
                         &bundle->store));
    TRY(weights_load_teacher(first->job.program, phase, options,
                             &bundle->store));
    TRY(model_classes(path, &lines));
    if (lines)
        bundle->classes = arena_strdup(bundle->cli->arena, lines);
    else if (!cli_has(bundle->cli, OPT_value))
        cli_note(bundle->cli, "%s does not name its classes: they are numbered",
                 path);
    free(lines);
    return status_ok();
}

// All params one behind the other, as all plans store them or else row by row.
static Status gather_weights(Bundle *bundle)
{
    const Plan *first = bundle->variants[0].plan;
    Checksum sum = checksum_new();
    for (int v = 1; v < bundle->count; v++)
        for (int i = 0; i < first->param_count; i++) {
            const Plan *plan = bundle->variants[v].plan;
            int at = find_param(plan, first->params[i].tensor.name);
            bundle->in_rows |= plan->params[at].tile != first->params[i].tile;
        }
    bundle->places =
        ARENA_ARRAY(bundle->cli->arena, int64_t, first->param_count + 1);
    for (int i = 0; i < first->param_count; i++) {
        bundle->places[i] = bundle->bytes;
        bundle->bytes += (first->params[i].tensor.bytes + MODEL_ALIGN - 1) /
                         MODEL_ALIGN * MODEL_ALIGN;
    }
    bundle->weights = calloc(1, (size_t)bundle->bytes + 1);
    if (!bundle->weights)
        return status_error(STATUS_MEMORY, "no memory for the weights");
    for (int i = 0; i < first->param_count; i++) {
        const PlanParam *param = &first->params[i];
        const void *data = store_find(&bundle->store, param->tensor.name)->data;
        unsigned char *to = bundle->weights + bundle->places[i];
        if (bundle->in_rows)
            tiles_load(param, data, to);
        else
            memcpy(to, data, (size_t)param->tensor.bytes);
    }
    checksum_add(&sum, bundle->weights, bundle->bytes);
    bundle->checksum = checksum_value(&sum);
    bundle->beside =
        cli_has(bundle->cli, OPT_beside) || bundle->bytes > MOST_INSIDE;
    if (bundle->beside && !cli_has(bundle->cli, OPT_beside))
        cli_note(bundle->cli, "weights of more than 1 GB go into a file beside "
                              "the library");
    return status_ok();
}

// ---- the object -------------------------------------------------------------

// What the library's runtime needs of the program: its one phase's plan for the
// value and how pictures are shown to it, without places in sources.
static Status encode_program(Bundle *bundle, int index, unsigned char **bytes,
                             int64_t *size)
{
    const Program *from = bundle->variants[index].job.program;
    ProgramPhase phase = *phase_of(bundle, index);
    Program program = *from;
    InferViews views;
    infer_views(&phase, &views);
    Plan *plan = &phase.eval;
    PlanStep *steps =
        ARENA_ARRAY(bundle->cli->arena, PlanStep, plan->step_count + 1);
    for (int i = 0; i < plan->step_count; i++) {
        steps[i] = plan->steps[i];
        steps[i].file = NULL;
    }
    plan->steps = steps;
    plan->value_count = 0;
    phase.groups[0] = *views.group;
    phase.groups[0].augment_count = 0;
    phase.groups[0].evaluate = (AugmentStep *)views.steps;
    phase.groups[0].evaluate_count = views.count;
    phase.group_count = 1;
    phase.train = (Plan){.name = (char *)""};
    phase.features = (Plan){.name = NULL};
    phase.from = phase.from_only = phase.from_except = phase.ways =
        phase.teacher = NULL;
    phase.chunk = phase.ranks = 0;
    program.source = (char *)"";
    program.phases = &phase;
    program.phase_count = 1;
    program.object_count = 0;
    return program_encode(&program, "the library", bytes, size);
}

static const CodeObject *find_object(const Program *program, const char *symbol)
{
    for (int i = 0; i < program->object_count; i++)
        if (strcmp(program->objects[i].symbol, symbol) == 0)
            return &program->objects[i];
    INTERNAL_ERROR("kernel %s was not compiled", symbol);
}

// The kernels of a plan and the table of them; returns the table's place.
static Status add_kernels(const Bundle *bundle, ObjectFile *object, int index,
                          int64_t *table)
{
    const Plan *plan = bundle->variants[index].plan;
    const char *prefix =
        arena_printf(bundle->cli->arena, "%s.%s.%lld", bundle->name,
                     bundle->variants[index].target,
                     (long long)plan->outputs[0].tensor.dims[0]);
    *table = object_add(object, OBJECT_TABLES, NULL,
                        8 * (int64_t)plan->symbol_count + 8, 8);
    for (int i = 0; i < plan->symbol_count; i++) {
        int64_t at;
        TRY(object_add_kernel(
            object,
            find_object(bundle->variants[index].job.program, plan->symbols[i]),
            prefix, &at));
        object_point(object, *table + 8 * i, OBJECT_CODE, at);
    }
    return status_ok();
}

// Where each of the variant's own params lies.
static int64_t add_places(const Bundle *bundle, ObjectFile *object, int index)
{
    const Plan *first = bundle->variants[0].plan;
    const Plan *plan = bundle->variants[index].plan;
    int64_t *places =
        ARENA_ARRAY(bundle->cli->arena, int64_t, plan->param_count + 1);
    for (int i = 0; i < plan->param_count; i++)
        places[i] =
            bundle->places[find_param(first, plan->params[i].tensor.name)];
    return object_add(object, OBJECT_CONSTANTS, places,
                      8 * (int64_t)plan->param_count, 8);
}

static Status add_variant(Bundle *bundle, ObjectFile *object, int index,
                          int64_t at)
{
    const Variant *from = &bundle->variants[index];
    ModelVariant variant = {.needs = from->job.program->needs,
                            .batch = from->plan->outputs[0].tensor.dims[0]};
    unsigned char *bytes;
    int64_t table;
    snprintf(variant.target, sizeof variant.target, "%s", from->target);
    TRY(add_kernels(bundle, object, index, &table));
    TRY(encode_program(bundle, index, &bytes, &variant.program_bytes));
    int64_t program = object_add(object, OBJECT_CONSTANTS, bytes,
                                 variant.program_bytes, MODEL_ALIGN);
    free(bytes);
    memcpy(object->bytes[OBJECT_TABLES].at + at, &variant, sizeof variant);
    object_point(object, at + (int64_t)offsetof(ModelVariant, program),
                 OBJECT_CONSTANTS, program);
    object_point(object, at + (int64_t)offsetof(ModelVariant, kernels),
                 OBJECT_TABLES, table);
    object_point(object, at + (int64_t)offsetof(ModelVariant, places),
                 OBJECT_CONSTANTS, add_places(bundle, object, index));
    return status_ok();
}

static Status make_object(Bundle *bundle, ObjectFile *object)
{
    struct SimccModel model = {.version = MODEL_VERSION,
                               .variant_count = bundle->count,
                               .weights_bytes = bundle->bytes,
                               .in_rows = bundle->in_rows,
                               .weights_checksum = bundle->checksum,
                               .min_side = bundle->min_side,
                               .channels = phase_of(bundle, 0)->channels};
    int64_t at = object_add(object, OBJECT_TABLES, &model, sizeof model, 8);
    int64_t variants =
        object_add(object, OBJECT_TABLES, NULL,
                   bundle->count * (int64_t)sizeof(ModelVariant), 8);
    for (int i = 0; i < bundle->count; i++)
        TRY(add_variant(bundle, object, i,
                        variants + i * (int64_t)sizeof(ModelVariant)));
    object_point(object, at + (int64_t)offsetof(struct SimccModel, variants),
                 OBJECT_TABLES, variants);
    if (!bundle->beside) {
        object->weights = bundle->weights;
        object->weight_bytes = bundle->bytes;
        object_point(object, at + (int64_t)offsetof(struct SimccModel, weights),
                     OBJECT_WEIGHTS, 0);
    }
    if (bundle->classes)
        object_point(object, at + (int64_t)offsetof(struct SimccModel, classes),
                     OBJECT_CONSTANTS,
                     object_add(object, OBJECT_CONSTANTS, bundle->classes,
                                (int64_t)strlen(bundle->classes) + 1, 1));
    if (bundle->blas) {
        object_point_to(object,
                        at + (int64_t)offsetof(struct SimccModel, sgemm),
                        "cblas_sgemm");
        object_point_to(object,
                        at + (int64_t)offsetof(struct SimccModel, dgemm),
                        "cblas_dgemm");
        object_point_to(object,
                        at + (int64_t)offsetof(struct SimccModel, blas_threads),
                        "openblas_set_num_threads");
    }
    object_define(object,
                  arena_printf(bundle->cli->arena, "%s_model", bundle->name),
                  OBJECT_TABLES, at, sizeof model);
    return status_ok();
}

// ---- the folder -------------------------------------------------------------

static Status write_file(const Bundle *bundle, const char *name,
                         const char *text)
{
    return file_write(
        arena_printf(bundle->cli->arena, "%s/%s", bundle->folder, name), text,
        (int64_t)strlen(text));
}

// The text with every `from` replaced.
static const char *replace(Arena *arena, const char *text, const char *from,
                           const char *to)
{
    Text out = text_new(arena);
    const char *found;
    for (; (found = strstr(text, from)); text = found + strlen(from)) {
        text_add_n(&out, text, (size_t)(found - text));
        text_add(&out, to);
    }
    text_add(&out, text);
    return text_string(&out);
}

static Status write_header(const Bundle *bundle)
{
    const Plan *plan = bundle->variants[0].plan;
    const Cli *cli = bundle->cli;
    const int64_t *in = plan_input(plan, "images")->tensor.dims;
    Text text = text_new(cli->arena);
    text_addf(&text,
              "// %s of phase %s of %s, by simcc %s: images of %lld channels, "
              "%lld x %lld,\n// made for",
              plan->outputs[0].tensor.name, cli->words[1],
              bundle->variants[0].job.program->name, SIMCC_VERSION,
              (long long)in[1], (long long)in[2], (long long)in[3]);
    for (int i = 0; i < bundle->count; i++)
        text_addf(
            &text, "%s %s with a batch of %lld", i ? "," : "",
            bundle->variants[i].target,
            (long long)bundle->variants[i].plan->outputs[0].tensor.dims[0]);
    text_addf(&text,
              ".\n#include \"simcc.h\"\n\n#if SIMCC_API != %d\n"
              "#error \"simcc.h is of another version than the library\"\n"
              "#endif\n\n",
              SIMCC_API);
    text_addf(&text,
              "#ifdef __cplusplus\nextern \"C\"\n#endif\n"
              "extern const SimccModel %s_model;\n\n",
              bundle->name);
    text_addf(&text, "// For SimccOptions.weights: %s\n#define %s_WEIGHTS %s\n",
              bundle->beside ? "where programs find the file when they run"
                             : "they are in the library",
              bundle->name,
              bundle->beside
                  ? arena_printf(cli->arena, "\"%s.weights\"", bundle->name)
                  : "((const char *)0)");
    return write_file(bundle, arena_printf(cli->arena, "%s.h", bundle->name),
                      text_string(&text));
}

static Status write_weights(const Bundle *bundle)
{
    FileWriter file;
    ModelFile head = {.checksum = bundle->checksum, .bytes = bundle->bytes};
    memcpy(head.magic, MODEL_MAGIC, sizeof head.magic);
    TRY(file_begin(&file, arena_printf(bundle->cli->arena, "%s/%s.weights",
                                       bundle->folder, bundle->name)));
    file_put(&file, &head, sizeof head);
    file_put(&file, bundle->weights, bundle->bytes);
    return file_commit(&file);
}

// The example is there to be changed, and what was made of it stays.
static Status write_example(const Bundle *bundle, const char *name,
                            const char *text)
{
    char *there;
    int64_t size;
    const char *path =
        arena_printf(bundle->cli->arena, "%s/%s", bundle->folder, name);
    if (file_exists(path)) {
        TRY(file_read(path, 1 << 30, &there, &size));
        bool same = strcmp(there, text) == 0;
        free(there);
        if (!same)
            cli_note(bundle->cli,
                     "%s is left as it is, for it is not the example; remove "
                     "it for that",
                     path);
        return status_ok();
    }
    return write_file(bundle, name, text);
}

static Status write_folder(const Bundle *bundle, const ObjectFile *object)
{
    Arena *arena = bundle->cli->arena;
    const char *name = bundle->name;
    Text own = object_encode(object);
    ArchiveMember members[] = {
        {"net.o", own.at, (int64_t)own.length},
        {"simcc_runtime.o", bundle_runtime_o,
         bundle_runtime_o_end - bundle_runtime_o},
        {"simcc_picture.o", bundle_picture_o,
         bundle_picture_o_end - bundle_picture_o},
    };
    const char *example = bundle_example_c;
    example = replace(arena, example, "<net.h>",
                      arena_printf(arena, "\"%s.h\"", name));
    example = replace(arena, example, "net_model",
                      arena_printf(arena, "%s_model", name));
    example = replace(arena, example, "NET_WEIGHTS",
                      arena_printf(arena, "%s_WEIGHTS", name));
    example =
        replace(arena, example, "./net", arena_printf(arena, "./%s", name));
    const char *makefile = replace(arena, bundle_example_mk, "@NAME@", name);
    makefile =
        replace(arena, makefile, "@LIBS@", bundle->blas ? "-lopenblas " : "");
    TRY(file_make_folder(bundle->folder));
    // The first: what check_folder knows the folder by.
    TRY(write_file(bundle, "simcc.h", bundle_simcc_h));
    TRY(object_write_archive(
        arena, arena_printf(arena, "%s/lib%s.a", bundle->folder, name), 3,
        members));
    TRY(write_header(bundle));
    TRY(write_example(bundle, "main.c", example));
    TRY(write_example(bundle, "Makefile", makefile));
    return bundle->beside ? write_weights(bundle) : status_ok();
}

static Status make_library(Bundle *bundle)
{
    ObjectFile object = object_new(bundle->cli->arena);
    TRY(load_weights(bundle));
    TRY(gather_weights(bundle));
    TRY(make_object(bundle, &object));
    TRY(write_folder(bundle, &object));
    cli_note(bundle->cli,
             "%s: lib%s.a, %.1f MB of weights %s; `make -C %s` builds an "
             "example",
             bundle->folder, bundle->name, 1e-6 * (double)bundle->bytes,
             bundle->beside ? "beside it" : "in it", bundle->folder);
    return status_ok();
}

int command_bundle(Cli *cli)
{
    Bundle bundle = {.cli = cli};
    int rows[MOST_VARIANTS];
    CLI_TRY(cli, read_name(&bundle));
    CLI_TRY(cli, list_variants(&bundle, rows));
    CLI_TRY(cli, check_folder(&bundle));
    int code = compile_variants(&bundle, rows);
    if (code == STATUS_OK) {
        Status status = make_library(&bundle);
        if (status.code != STATUS_OK)
            code = cli_fail(cli, &status);
    }
    free(bundle.weights);
    store_free(&bundle.store);
    for (int i = 0; i < bundle.count; i++)
        job_close(&bundle.variants[i].job);
    return code;
}
