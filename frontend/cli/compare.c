// simcc compare: what differs between two runs, in settings, source, size,
// memory, speed and results.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/record.h"
#include "frontend/lang/experiment.h"
#include "runtime/base/file.h"

enum { SHOWN_LINES = 60, MOST_LINES = 4000 };

typedef VEC(const char *) LineList;

typedef struct Side {
    const char *path;
    Notes about;
    RecordPhases phases;
    LineList source; // of model.net
} Side;

typedef struct Comparison {
    Cli *cli;
    bool json;
    Side a, b;
    Text text;
    int rows;
} Comparison;

// ---- opening ----------------------------------------------------------------

// Of a program, without titles: these tell where files lay, and nothing that it
// says.
static LineList split_lines(Arena *arena, const char *text)
{
    LineList lines = {0};
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (!lang_is_title(text, length))
            vec_push(arena, &lines,
                     arena_printf(arena, "%.*s", (int)length, text));
        text += length + (text[length] == '\n');
    }
    return lines;
}

static Status open_side(const Cli *cli, const char *run, Side *side)
{
    char path[RUNDIR_PATH], *source;
    int64_t size;
    side->path = run;
    if (!record_is_run(cli->arena, run))
        return status_error(STATUS_USAGE,
                            "%s is no run directory; `simcc runs` lists them",
                            run);
    TRY(rundir_path(run, NULL, "about", path));
    if (file_exists(path))
        TRY(notes_read(path, &side->about));
    TRY(rundir_path(run, NULL, "model.net", path));
    TRY(file_read(path, 64 << 20, &source, &size));
    side->source = split_lines(cli->arena, source);
    free(source);
    side->phases = record_phases(cli->arena, run);
    return status_ok();
}

// ---- rows -------------------------------------------------------------------

static void head(Comparison *to, const char *title)
{
    if (!to->json)
        text_addf(&to->text, "%s%s\n", to->text.length ? "\n" : "", title);
}

static void say(Comparison *to, const char *line)
{
    if (!to->json)
        text_addf(&to->text, "  %s\n", line);
}

static void add_json(Text *text, const char *name, const char *value)
{
    text_addf(text, ",\"%s\":", name);
    if (value)
        text_add_json(text, value);
    else
        text_add(text, "null");
}

// NULL = not there. `ratio` of the second to the first, NaN = none.
static void add_row(Comparison *to, const char *part, const char *name,
                    const char *a, const char *b, double ratio)
{
    Text *text = &to->text;
    if (to->json) {
        text_addf(text, "%s\n{\"part\":", to->rows++ ? "," : "");
        text_add_json(text, part);
        add_json(text, "name", name);
        add_json(text, "a", a);
        add_json(text, "b", b);
        text_add(text, "}");
        return;
    }
    to->rows++;
    text_addf(text, "  %-24s %-24s %-24s", name, a ? a : "-", b ? b : "-");
    if (isfinite(ratio))
        text_addf(text, " x%.3g", ratio);
    text_add(text, "\n");
}

// ---- settings ---------------------------------------------------------------

static void compare_settings(Comparison *to)
{
    const Notes *a = &to->a.about, *b = &to->b.about;
    int before = to->rows;
    head(to, "settings");
    for (int i = 0; i < a->count; i++) {
        const char *other = notes_get(b, a->names[i]);
        if (strcmp(a->names[i], "started") != 0 &&
            (!other || strcmp(a->values[i], other) != 0))
            add_row(to, "settings", a->names[i], a->values[i], other, NAN);
    }
    for (int i = 0; i < b->count; i++)
        if (!notes_get(a, b->names[i]))
            add_row(to, "settings", b->names[i], NULL, b->values[i], NAN);
    if (to->rows == before)
        say(to, "the same");
}

// ---- source -----------------------------------------------------------------

// The longest common subsequence of lines from (i, j) on: lengths[i][j].
static int *common_lengths(const LineList *a, const LineList *b, Arena *arena)
{
    int width = b->count + 1;
    int *lengths = ARENA_ARRAY(arena, int, (a->count + 1) * width);
    for (int i = a->count - 1; i >= 0; i--)
        for (int j = b->count - 1; j >= 0; j--) {
            int skip_a = lengths[(i + 1) * width + j];
            int skip_b = lengths[i * width + j + 1];
            lengths[i * width + j] = strcmp(a->at[i], b->at[j]) == 0
                                         ? lengths[(i + 1) * width + j + 1] + 1
                                     : skip_a > skip_b ? skip_a
                                                       : skip_b;
        }
    return lengths;
}

// A line of one side alone.
static void add_line(Comparison *to, bool second, const char *line, int *count)
{
    if (to->json)
        add_row(to, "source", "line", second ? NULL : line,
                second ? line : NULL, NAN);
    else if (*count < SHOWN_LINES)
        text_addf(&to->text, "  %c %s\n", second ? '+' : '-', line);
    ++*count;
}

static void walk(Comparison *to, const int *lengths, int *count)
{
    const LineList *a = &to->a.source, *b = &to->b.source;
    int i = 0, j = 0, width = b->count + 1;
    while (i < a->count || j < b->count) {
        bool both = i < a->count && j < b->count;
        if (both && strcmp(a->at[i], b->at[j]) == 0) {
            i++;
            j++;
        } else if (j == b->count || (both && lengths[(i + 1) * width + j] >=
                                                 lengths[i * width + j + 1])) {
            add_line(to, false, a->at[i++], count);
        } else {
            add_line(to, true, b->at[j++], count);
        }
    }
}

static void compare_source(Comparison *to)
{
    int count = 0;
    head(to, "source (every parameter resolved)");
    if (to->a.source.count > MOST_LINES || to->b.source.count > MOST_LINES) {
        say(to, "not compared: one has more than 4000 lines");
        return;
    }
    Arena *arena = arena_new();
    walk(to, common_lengths(&to->a.source, &to->b.source, arena), &count);
    arena_free(arena);
    if (count == 0)
        say(to, "the same");
    else if (count > SHOWN_LINES && !to->json)
        text_addf(&to->text, "  and %d lines more\n", count - SHOWN_LINES);
}

// ---- results ----------------------------------------------------------------

static const char *print_number(Arena *arena, double value)
{
    if (isnan(value))
        return NULL;
    return value == floor(value) && fabs(value) < 1e15
               ? arena_printf(arena, "%.0f", value)
               : arena_printf(arena, "%.5g", value);
}

static void compare_number(Comparison *to, const char *phase, const char *name,
                           const Notes *a, const Notes *b)
{
    Arena *arena = to->cli->arena;
    double x = notes_number(a, name), y = notes_number(b, name);
    if (!isnan(x) || !isnan(y))
        add_row(to, phase, name, print_number(arena, x), print_number(arena, y),
                x > 0 && y > 0 ? y / x : NAN);
}

static void compare_states(Comparison *to, const char *phase, const Notes *a,
                           const Notes *b)
{
    static const char *const names[] = {"weights",     "weight_bytes",
                                        "step_bytes",  "step_kernels",
                                        "batch",       "images",
                                        "total_steps", "step",
                                        "seconds",     "images_per_second",
                                        "first_loss",  "last_loss",
                                        "knn",         "contrastive_accuracy",
                                        "spread",      "effective_rank"};
    head(to, phase);
    add_row(to, phase, "state", notes_get(a, "state"), notes_get(b, "state"),
            NAN);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        compare_number(to, phase, names[i], a, b);
    for (int i = 0; i < a->count; i++)
        if (strncmp(a->names[i], "test", 4) == 0 ||
            strncmp(a->names[i], "valid", 5) == 0)
            compare_number(to, phase, a->names[i], a, b);
}

static bool has_phase(const RecordPhases *phases, const char *name)
{
    for (int i = 0; i < phases->count; i++)
        if (strcmp(phases->at[i], name) == 0)
            return true;
    return false;
}

static Status compare_phases(Comparison *to)
{
    for (int i = 0; i < to->a.phases.count; i++) {
        const char *phase = to->a.phases.at[i];
        Notes a, b;
        if (!has_phase(&to->b.phases, phase)) {
            add_row(to, phase, phase, "there", NULL, NAN);
            continue;
        }
        TRY(record_state(to->a.path, phase, &a));
        Status status = record_state(to->b.path, phase, &b);
        if (status.code == STATUS_OK) {
            compare_states(to, phase, &a, &b);
            notes_free(&b);
        }
        notes_free(&a);
        TRY(status);
    }
    for (int i = 0; i < to->b.phases.count; i++)
        if (!has_phase(&to->a.phases, to->b.phases.at[i]))
            add_row(to, to->b.phases.at[i], to->b.phases.at[i], NULL, "there",
                    NAN);
    return status_ok();
}

static Status compare_runs(Comparison *to)
{
    TRY(open_side(to->cli, to->cli->words[0], &to->a));
    TRY(open_side(to->cli, to->cli->words[1], &to->b));
    if (!to->json)
        text_addf(&to->text, "  %-24s %-24s %s\n", "", to->a.path, to->b.path);
    compare_settings(to);
    compare_source(to);
    return compare_phases(to);
}

int command_compare(Cli *cli)
{
    Comparison to = {.cli = cli,
                     .json = cli_has(cli, OPT_json),
                     .text = text_new(cli->arena)};
    Status status = compare_runs(&to);
    notes_free(&to.a.about);
    notes_free(&to.b.about);
    CLI_TRY(cli, status);
    if (to.json)
        printf("[%s]\n", text_string(&to.text));
    else
        fputs(text_string(&to.text), stdout);
    return STATUS_OK;
}
