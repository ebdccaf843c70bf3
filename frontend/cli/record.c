#include "frontend/cli/record.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/exec/calls.h"

// ---- about ------------------------------------------------------------------

static void note_processor(Notes *about)
{
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strstr(line, ": ");
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        line[strcspn(line, "\n")] = '\0';
        notes_set(about, "processor", colon + 2);
        break;
    }
    if (file)
        fclose(file);
    notes_setf(about, "cores", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
}

static void note_data(const Job *job, Notes *about)
{
    const Dataset *data = job->data;
    char marks[DATA_MARKS_TEXT];
    dataset_marks(data, marks);
    notes_set(about, "data", job->cli->values[OPT_data]);
    notes_set(about, "data_found", dataset_description(data));
    notes_setf(about, "training_images", "%" PRId64,
               dataset_count(data, SPLIT_TRAIN));
    notes_set(about, "training_marks", marks);
    notes_setf(about, "test_images", "%" PRId64,
               dataset_count(data, SPLIT_TEST));
    notes_setf(about, "validation_images", "%" PRId64,
               dataset_count(data, SPLIT_VALID));
    notes_setf(about, "classes", "%d", dataset_classes(data));
    if (job->options.labels)
        notes_set(about, "labels", job->options.labels);
}

// "param.depth = 18" for each parameter of the program.
static void note_parameters(const Job *job, Notes *about)
{
    Arena *arena = job->cli->arena;
    const char *line = job->program->parameters;
    while (line && *line) {
        size_t length = strcspn(line, "\n");
        const char *text = arena_printf(arena, "%.*s", (int)length, line);
        const char *gap = strstr(text, " = ");
        // Those of phases are in the command.
        if (gap && !memchr(text, '.', (size_t)(gap - text)))
            notes_set(
                about,
                arena_printf(arena, "param.%.*s", (int)(gap - text), text),
                gap + 3);
        line += length + (line[length] == '\n');
    }
}

static void note_time(Notes *about)
{
    char text[32];
    time_t now = time(NULL);
    struct tm parts;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    notes_set(about, "started", text);
}

static Status write_about(const Job *job, int count, const int *phases)
{
    char path[RUNDIR_PATH];
    const Cli *cli = job->cli;
    Notes about = {0};
    Text text = text_new(cli->arena);
    notes_set(&about, "simcc", SIMCC_VERSION);
    notes_set(&about, "compiled_for", job->program->target);
    notes_set(&about, "blas", calls_blas());
    note_processor(&about);
    note_time(&about);
    notes_set(&about, "program", cli->words[0]);
    notes_set(&about, "name", job->program->name);
    for (int i = 0; i < count; i++)
        text_addf(&text, "%s%s", i ? " " : "",
                  job->program->phases[phases[i]].name);
    notes_set(&about, "phases", text_string(&text));
    notes_setf(&about, "seed", "%" PRIu64, job->options.seed);
    notes_setf(&about, "threads", "%d", job->options.threads);
    notes_set(&about, "dtype", job->program->dtype == PLAN_F64 ? "f64" : "f32");
    notes_set(&about, "held_out",
              cli_has(cli, OPT_held_out) ? cli->values[OPT_held_out] : "0.2");
    note_data(job, &about);
    note_parameters(job, &about);
    Status status = rundir_path(job->options.out, NULL, "about", path);
    if (status.code == STATUS_OK)
        status = notes_write(path, &about);
    notes_free(&about);
    return status;
}

Status record_begin(const Job *job, int count, const int *phases)
{
    char path[RUNDIR_PATH];
    TRY(write_about(job, count, phases));
    TRY(rundir_path(job->options.out, NULL, "log", path));
    return cli_open_log(job->cli, path);
}

// ---- phases in a run directory ----------------------------------------------

bool record_is_run(Arena *arena, const char *path)
{
    return file_exists(arena_printf(arena, "%s/model.net", path)) &&
           file_exists(arena_printf(arena, "%s/command", path));
}

bool record_is_about(const char *path)
{
    Notes about;
    if (notes_read(path, &about).code != STATUS_OK)
        return false;
    bool own = notes_get(&about, "simcc") && notes_get(&about, "compiled_for");
    notes_free(&about);
    return own;
}

static bool is_worked_in(const char *out)
{
    char path[RUNDIR_PATH];
    if (rundir_path(out, NULL, "command", path).code != STATUS_OK)
        return false;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool taken = flock(file, LOCK_SH | LOCK_NB) != 0;
    close(file);
    return taken;
}

Status record_state(const char *out, const char *phase, Notes *state)
{
    char path[RUNDIR_PATH];
    TRY(rundir_path(out, phase, "state", path));
    TRY(notes_read(path, state));
    const char *what = notes_get(state, "state");
    if (what && strcmp(what, "running") == 0 && !is_worked_in(out))
        notes_set(state, "state", "interrupted");
    return status_ok();
}

// Those of OUT/model.net's phases whose state is there.
RecordPhases record_phases(Arena *arena, const char *out)
{
    char path[RUNDIR_PATH];
    RecordPhases found = {0};
    char *source;
    int64_t size;
    if (rundir_path(out, NULL, "model.net", path).code != STATUS_OK ||
        file_read(path, 64 << 20, &source, &size).code != STATUS_OK)
        return found;
    for (char *line = source; *line;) {
        char name[64];
        if (sscanf(line, "phase %63[A-Za-z0-9_]", name) == 1 &&
            rundir_path(out, name, "state", path).code == STATUS_OK &&
            file_exists(path))
            vec_push(arena, &found, arena_strdup(arena, name));
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    free(source);
    return found;
}

const char *record_best_number(const Notes *state, double *value)
{
    static const char *const wanted[] = {"test.top1", "valid.knn", "knn",
                                         "contrastive_accuracy"};
    for (int i = 0; i < 4; i++) {
        *value = notes_number(state, wanted[i]);
        if (!isnan(*value))
            return wanted[i];
    }
    return NULL;
}

// ---- the card ---------------------------------------------------------------

static const char *text_of(const Notes *notes, const char *name)
{
    const char *text = notes_get(notes, name);
    return text ? text : "unknown";
}

static void add_data(Text *card, const Notes *about)
{
    text_addf(card,
              "## Data\n\n`%s`: %s.\n\n%s training images, %s kept for "
              "testing, %s classes.\n",
              text_of(about, "data"), text_of(about, "data_found"),
              text_of(about, "training_images"), text_of(about, "test_images"),
              text_of(about, "classes"));
    if (notes_number(about, "validation_images") > 0)
        text_addf(card,
                  "%s more images are for validation: no phase trained on "
                  "them.\n",
                  text_of(about, "validation_images"));
    if (notes_number(about, "test_images") > 0)
        text_add(card, "Training evaluated the test images once a phase, when "
                       "it had ended, with the weights of its last step: they "
                       "chose nothing.\n");
    if (notes_get(about, "labels"))
        text_addf(card, "Labels were seen of the images that `%s` lists.\n",
                  notes_get(about, "labels"));
}

// "54.2% ± 2.5" with the standard error of counting.
static void add_accuracy(Text *card, const Notes *state)
{
    double value, images = notes_number(state, "test_images");
    const char *name = record_best_number(state, &value);
    if (!name)
        text_add(card, "-");
    else if (strncmp(name, "test.", 5) == 0)
        text_addf(card, "%.1f%% ± %.1f of %.0f test images", 100 * value,
                  100 * sqrt(value * (1 - value) / images), images);
    else
        text_addf(card, "%s %.1f%%", name, 100 * value);
}

// "4.2 to 0.31"
static void add_losses(Text *card, const Notes *state)
{
    double first = notes_number(state, "first_loss");
    double last = notes_number(state, "last_loss");
    text_addf(card, isnan(first) ? "-" : "%.4g", first);
    if (!isnan(last))
        text_addf(card, " to %.4g", last);
}

static Status add_phases(Text *card, const char *out,
                         const RecordPhases *phases)
{
    text_add(card, "\n## Phases\n\n| phase | state | steps | batch | images | "
                   "weights | loss | accuracy |\n|---|---|---|---|---|---|---|"
                   "---|\n");
    for (int i = 0; i < phases->count; i++) {
        Notes state;
        TRY(record_state(out, phases->at[i], &state));
        text_addf(card, "| %s | %s | %s of %s | %s | %s | %s | ", phases->at[i],
                  text_of(&state, "state"), text_of(&state, "step"),
                  text_of(&state, "total_steps"), text_of(&state, "batch"),
                  text_of(&state, "images"), text_of(&state, "weights"));
        add_losses(card, &state);
        text_add(card, " | ");
        add_accuracy(card, &state);
        text_add(card, " |\n");
        notes_free(&state);
    }
    text_add(
        card,
        "\n± is the standard error of counting so many images; another "
        "seed may differ by more. `knn` is the online probe: training "
        "images by the labels of their nearest others; `valid.knn`: images "
        "for validation by the labels of the nearest training images.\n");
    return status_ok();
}

// What the validations of each phase chose.
static Status add_validation(Text *card, const char *out,
                             const RecordPhases *phases)
{
    bool any = false;
    for (int i = 0; i < phases->count; i++) {
        Notes state;
        TRY(record_state(out, phases->at[i], &state));
        if (notes_get(&state, "valid.best_step")) {
            if (!any)
                text_add(card, "\n## Validation\n\n| phase | how | best | at "
                               "step | last step |\n|---|---|---|---|---|\n");
            any = true;
            text_addf(
                card, "| %s | %s | %.4g | %s | %s%s |\n", phases->at[i],
                text_of(&state, "validation"),
                notes_number(&state, "valid.best"),
                text_of(&state, "valid.best_step"), text_of(&state, "step"),
                notes_get(&state, "valid.ended_early") ? ", ended early" : "");
        }
        notes_free(&state);
    }
    if (any)
        text_add(card, "\n`PHASE/best.safetensors` is the checkpoint of the "
                       "best validation, `PHASE/model.safetensors` that of the "
                       "last step.\n");
    return status_ok();
}

static void add_settings(Text *card, const Notes *about)
{
    text_addf(card,
              "\n## Settings\n\nProgram `%s`, seed %s, type %s; simcc %s for "
              "%s; %s. The whole program is in `model.net`, each phase's in "
              "`PHASE/model.net`, the command in "
              "`command`.\n\n",
              text_of(about, "program"), text_of(about, "seed"),
              text_of(about, "dtype"), text_of(about, "simcc"),
              text_of(about, "compiled_for"), text_of(about, "blas"));
    for (int i = 0; i < about->count; i++)
        if (strncmp(about->names[i], "param.", 6) == 0)
            text_addf(card, "    %s = %s\n", about->names[i] + 6,
                      about->values[i]);
}

static void add_limits(Text *card)
{
    text_add(
        card,
        "\n## Limits of use\n\n"
        "- It knows images like those it was trained on; what it says of "
        "others is a guess.\n"
        "- Accuracy was measured on images of the same set. Where images of "
        "one scene or person lie in both parts, it is too high: `simcc data "
        "check` finds copies.\n"
        "- Contrastive pretraining teaches a net to ignore what its "
        "augmentation changes: place and size in the picture and, with colour "
        "jitter, colour. Tasks that depend on these suffer.\n"
        "- A faulty or one-sided set gives a faulty net. Before it decides "
        "anything about people, test it on them, group by group.\n"
        "- The licence of weights follows the licence of the images; this file "
        "does not know it.\n");
}

Status record_card(const char *out)
{
    char path[RUNDIR_PATH];
    Notes about;
    TRY(rundir_path(out, NULL, "about", path));
    TRY(notes_read(path, &about));
    Arena *arena = arena_new();
    Text card = text_new(arena);
    RecordPhases phases = record_phases(arena, out);
    text_addf(&card, "# %s\n\nTrained by simcc, beginning %s.\n\n",
              text_of(&about, "name"), text_of(&about, "started"));
    add_data(&card, &about);
    Status status = add_phases(&card, out, &phases);
    if (status.code == STATUS_OK)
        status = add_validation(&card, out, &phases);
    add_settings(&card, &about);
    add_limits(&card);
    if (status.code == STATUS_OK)
        status = rundir_path(out, NULL, "card.md", path);
    if (status.code == STATUS_OK)
        status = file_write(path, text_string(&card), (int64_t)card.length);
    notes_free(&about);
    arena_free(arena);
    return status;
}
