// simcc runs: lists run directories and what became of their phases.
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend/cli/record.h"
#include "runtime/base/file.h"

enum { DEEPEST = 4 };

// ---- finding runs -----------------------------------------------------------

typedef VEC(const char *) PathList;

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// A run directory holds no others.
static void find_runs(Arena *arena, const char *path, int depth,
                      PathList *found)
{
    if (record_is_run(arena, path)) {
        vec_push(arena, found, path);
        return;
    }
    DIR *folder = depth < DEEPEST ? opendir(path) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        struct stat about;
        const char *inner = arena_printf(arena, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && lstat(inner, &about) == 0 &&
            S_ISDIR(about.st_mode))
            find_runs(arena, inner, depth + 1, found);
    }
    if (folder)
        closedir(folder);
}

// ---- runs -------------------------------------------------------------------

static void add_json_text(Text *text, const char *name, const char *value)
{
    text_addf(text, ",\"%s\":", name);
    if (value)
        text_add_json(text, value);
    else
        text_add(text, "null");
}

static void add_json_number(Text *text, const char *name, double value)
{
    text_addf(text, ",\"%s\":", name);
    if (isfinite(value))
        text_add_double(text, value);
    else
        text_add(text, "null");
}

static void add_json_row(Text *text, const char *run, const char *phase,
                         const Notes *state)
{
    double value = NAN;
    const char *name = record_best_number(state, &value);
    text_addf(text, "%s\n{\"run\":", text->length > 1 ? "," : "");
    text_add_json(text, run);
    add_json_text(text, "phase", phase);
    add_json_text(text, "state", notes_get(state, "state"));
    add_json_number(text, "step", notes_number(state, "step"));
    add_json_number(text, "total_steps", notes_number(state, "total_steps"));
    add_json_number(text, "loss", notes_number(state, "loss"));
    add_json_text(text, "measure", name);
    add_json_number(text, "accuracy", value);
    add_json_number(text, "seconds", notes_number(state, "seconds"));
    text_add(text, "}");
}

static void add_row(Text *text, const char *run, const char *phase,
                    const Notes *state)
{
    double value, seconds = notes_number(state, "seconds");
    const char *name = record_best_number(state, &value);
    const char *what = notes_get(state, "state");
    char steps[48], accuracy[48] = "-", time[32] = "-";
    snprintf(steps, sizeof steps, "%.0f/%.0f", notes_number(state, "step"),
             notes_number(state, "total_steps"));
    if (name)
        snprintf(accuracy, sizeof accuracy, "%.1f%% %s", 100 * value, name);
    if (isfinite(seconds))
        snprintf(time, sizeof time, "%.0fs", seconds);
    text_addf(text, "%-28s %-12s %-11s %13s  %-28s %8s\n", run, phase,
              what ? what : "?", steps, accuracy, time);
}

static Status list_run(Arena *arena, const char *run, bool json, Text *text)
{
    RecordPhases phases = record_phases(arena, run);
    for (int i = 0; i < phases.count; i++) {
        Notes state;
        TRY(record_state(run, phases.at[i], &state));
        (json ? add_json_row : add_row)(text, run, phases.at[i], &state);
        notes_free(&state);
    }
    return status_ok();
}

int command_runs(Cli *cli)
{
    bool json = cli_has(cli, OPT_json);
    const char *folder = cli->word_count ? cli->words[0] : ".";
    PathList runs = {0};
    Text text = text_new(cli->arena);
    if (!file_exists(folder)) {
        Status status =
            status_error(STATUS_USAGE, "there is no folder %s", folder);
        return cli_fail(cli, &status);
    }
    find_runs(cli->arena, folder, 0, &runs);
    if (runs.count > 1)
        qsort(runs.at, (size_t)runs.count, sizeof *runs.at, compare_paths);
    if (!runs.count && !json)
        cli_note(cli, "no run directories in %s", folder);
    if (json)
        text_add(&text, "[");
    else if (runs.count)
        text_addf(&text, "%-28s %-12s %-11s %13s  %-28s %8s\n", "run", "phase",
                  "state", "steps", "accuracy", "time");
    for (int i = 0; i < runs.count; i++)
        CLI_TRY(cli, list_run(cli->arena, runs.at[i], json, &text));
    if (json)
        text_add(&text, "]\n");
    fputs(text_string(&text), stdout);
    return STATUS_OK;
}
