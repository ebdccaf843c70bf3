// What profile --json wrote of each phase: time by layer, memory over the step,
// and the program with the time of each line.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/report.h"
#include "runtime/base/file.h"
#include "runtime/base/json.h"

enum { SHOWN_LAYERS = 20 };

static const char profile_name[] = "profile.json";

// ---- reading
// --------------------------------------------------------------------

// "run/model.net:36" is line 36. Lines of other files are not shown beside it.
static int line_of(const char *place)
{
    const char *colon = strrchr(place, ':');
    static const char file[] = "model.net";
    size_t length = sizeof file - 1;
    if (!colon || colon - place < (ptrdiff_t)length ||
        strncmp(colon - length, file, length) != 0)
        return 0;
    return (int)strtol(colon + 1, NULL, 10);
}

static void read_step(Report *report, JsonReader *json, ReportProfile *profile)
{
    ReportStep step = {.operations = ""};
    json_enter(json, '{');
    for (bool first = true; json_next(json, '}', &first);) {
        char *key = json_key(json);
        bool words =
            key && (strcmp(key, "operations") == 0 || strcmp(key, "line") == 0);
        char *text = words ? json_string(json) : NULL;
        if (text && strcmp(key, "line") == 0)
            step.line = line_of(text);
        else if (text)
            step.operations = arena_strdup(report->arena, text);
        else if (key && strcmp(key, "seconds") == 0)
            json_number(json, &step.seconds);
        else if (key && strcmp(key, "live") == 0)
            json_number(json, &step.live);
        else if (!words)
            json_skip(json);
        free(text);
        free(key);
    }
    vec_push(report->arena, &profile->steps, step);
}

static Status read_profile(Report *report, const char *path,
                           ReportProfile *profile)
{
    char *bytes;
    int64_t size;
    TRY(file_read(path, 1 << 30, &bytes, &size));
    JsonReader json = json_reader(bytes, (size_t)size);
    json_enter(&json, '{');
    for (bool first = true; json_next(&json, '}', &first);) {
        char *key = json_key(&json);
        double *number = !key                          ? NULL
                         : strcmp(key, "seconds") == 0 ? &profile->seconds
                         : strcmp(key, "threads") == 0 ? &profile->threads
                         : strcmp(key, "slab") == 0    ? &profile->slab
                         : strcmp(key, "weights") == 0 ? &profile->weights
                                                       : NULL;
        if (number) {
            json_number(&json, number);
        } else if (key && strcmp(key, "steps") == 0) {
            json_enter(&json, '[');
            for (bool one = true; json_next(&json, ']', &one);)
                read_step(report, &json, profile);
        } else {
            json_skip(&json);
        }
        free(key);
    }
    json_finish(&json);
    free(bytes);
    if (!json.error && profile->steps.count)
        return status_ok();
    return status_error(STATUS_FAILED,
                        "%s: byte %zu: %s; `simcc profile --json` writes it "
                        "anew",
                        path, json.position,
                        json.error ? json.error : "no steps in it");
}

Status report_read_profiles(Report *report)
{
    for (int r = 0; r < report->run_count; r++) {
        ReportRun *run = &report->runs[r];
        run->profiles =
            ARENA_ARRAY(report->arena, ReportProfile *, run->phases.count + 1);
        for (int p = 0; p < run->phases.count; p++) {
            const char *path =
                report_file(report, run, run->phases.at[p], profile_name);
            run->profiles[p] = NULL;
            if (!file_exists(path))
                continue;
            run->profiles[p] = ARENA_NEW(report->arena, ReportProfile);
            TRY(read_profile(report, path, run->profiles[p]));
        }
    }
    return status_ok();
}

// NULL when there is none.
static const ReportProfile *profile_of(const ReportRun *run, const char *phase)
{
    int place = report_phase(run, phase);
    return place < 0 ? NULL : run->profiles[place];
}

// ---- time by layer
// --------------------------------------------------------------

typedef struct Layer {
    const char *name;
    double seconds[REPORT_RUNS];
    double most;
} Layer;

typedef VEC(Layer) Layers;

// "layer1.0.conv1" of "layer1.0.conv1: conv2d"; what no layer did is the
// phase's own.
static const char *layer_of(const Report *report, const char *operations)
{
    const char *colon = strstr(operations, ": ");
    return colon ? arena_printf(report->arena, "%.*s",
                                (int)(colon - operations), operations)
                 : "loss and others";
}

static void add_layers(const Report *report, int run,
                       const ReportProfile *profile, Layers *layers)
{
    for (int s = 0; s < profile->steps.count; s++) {
        const ReportStep *step = &profile->steps.at[s];
        const char *name = layer_of(report, step->operations);
        int at = 0;
        while (at < layers->count && strcmp(layers->at[at].name, name) != 0)
            at++;
        if (at == layers->count)
            vec_push(report->arena, layers, (Layer){.name = name});
        Layer *layer = &layers->at[at];
        layer->seconds[run] += step->seconds;
        layer->most = fmax(layer->most, layer->seconds[run]);
    }
}

static int compare_layers(const void *a, const void *b)
{
    double x = ((const Layer *)a)->most, y = ((const Layer *)b)->most;
    return (x < y) - (x > y);
}

static void add_layer_table(Report *report, const char *phase,
                            const Layers *layers)
{
    Text *text = &report->text;
    double most = layers->count ? layers->at[0].most : 1;
    text_add(text, "<div class=\"wide\"><table><tr><th>layer</th>");
    for (int r = 0; r < report->run_count; r++)
        if (profile_of(&report->runs[r], phase)) {
            text_add(text, "<th class=\"n\">");
            report_run_name(report, r);
            text_add(text, ", ms</th><th></th>");
        }
    text_add(text, "</tr>\n");
    for (int i = 0; i < layers->count && i < SHOWN_LAYERS; i++) {
        text_add(text, "<tr>");
        report_cell(text, layers->at[i].name);
        for (int r = 0; r < report->run_count; r++) {
            if (!profile_of(&report->runs[r], phase))
                continue;
            double seconds = layers->at[i].seconds[r];
            text_addf(text,
                      "<td class=\"n\">%.2f</td><td class=\"c%d\"><span "
                      "class=\"bar\" style=\"width:%.0fpx\"></span></td>",
                      1e3 * seconds, r, 90 * seconds / most);
        }
        text_add(text, "</tr>\n");
    }
    text_add(text, "</table></div>\n");
    if (layers->count > SHOWN_LAYERS)
        text_addf(text, "<p class=\"dim\">And %d more that take less.</p>\n",
                  layers->count - SHOWN_LAYERS);
}

static void list_unprofiled(const Report *report, ReportCommands *commands)
{
    for (int p = 0; p < report->phases.count; p++)
        for (int r = 0; r < report->run_count; r++) {
            const ReportRun *run = &report->runs[r];
            const char *phase = report->phases.at[p];
            if (report_phase(run, phase) < 0 || profile_of(run, phase))
                continue;
            vec_push(report->arena, commands,
                     report_command(report, run, "profile", phase, false,
                                    profile_name));
        }
}

// The same commands make what is missing below.
static void point_to_commands(Report *report)
{
    ReportCommands commands = {0};
    list_unprofiled(report, &commands);
    if (commands.count)
        text_add(
            &report->text,
            "<p class=\"dim\">What is missing here is made by the commands "
            "under <a href=\"#time\">time</a>.</p>\n");
}

void report_times(Report *report)
{
    ReportCommands commands = {0};
    Text *text = &report->text;
    text_add(text, "<section id=\"time\"><h2>Time by layer</h2>"
                   "<div class=\"row\">\n");
    for (int p = 0; p < report->phases.count; p++) {
        Layers layers = {0};
        const char *phase = report->phases.at[p];
        for (int r = 0; r < report->run_count; r++) {
            const ReportProfile *profile = profile_of(&report->runs[r], phase);
            if (!profile)
                continue;
            if (!layers.count) {
                text_add(text, "<div><h3>");
                report_add(text, phase);
                text_add(text, "</h3>\n");
            }
            text_add(text, "<p class=\"dim\">");
            report_add(text, report->runs[r].name);
            text_addf(text,
                      ": %.2f ms a step on %.0f thread%s, %d kernel%s</p>\n",
                      1e3 * profile->seconds, profile->threads,
                      text_s((int64_t)profile->threads), profile->steps.count,
                      text_s(profile->steps.count));
            add_layers(report, r, profile, &layers);
        }
        if (!layers.count)
            continue;
        qsort(layers.at, (size_t)layers.count, sizeof *layers.at,
              compare_layers);
        add_layer_table(report, phase, &layers);
        text_add(text, "</div>\n");
    }
    text_add(text, "</div>\n");
    list_unprofiled(report, &commands);
    report_missing(report, &commands);
    text_add(text, "</section>\n");
}

// ---- memory over the step
// -------------------------------------------------------

// Two points for each kernel: when it begins and when it ends.
static ReportLine memory_line(const Report *report, int run,
                              const ReportProfile *profile)
{
    int count = profile->steps.count;
    double *x = ARENA_ARRAY(report->arena, double, 2 * count);
    double *y = ARENA_ARRAY(report->arena, double, 2 * count);
    double now = 0;
    for (int s = 0; s < count; s++) {
        x[2 * s] = 1e3 * now;
        now += profile->steps.at[s].seconds;
        x[2 * s + 1] = 1e3 * now;
        y[2 * s] = y[2 * s + 1] = 1e-6 * profile->steps.at[s].live;
    }
    return (ReportLine){report->runs[run].name, "train", run, 2 * count, x, y};
}

static void add_peak(Report *report, int run, const ReportProfile *profile)
{
    const ReportStep *peak = &profile->steps.at[0];
    Text *text = &report->text;
    for (int s = 0; s < profile->steps.count; s++)
        if (profile->steps.at[s].live > peak->live)
            peak = &profile->steps.at[s];
    text_add(text, "<p class=\"dim\">");
    report_add(text, report->runs[run].name);
    text_addf(text, ": %.1f MB at most, in ", 1e-6 * peak->live);
    report_add(text, peak->operations);
    text_addf(text,
              "; %.1f MB are set aside for it, and weights and optimizer take "
              "%.1f MB</p>\n",
              1e-6 * profile->slab, 1e-6 * profile->weights);
}

void report_memory(Report *report)
{
    Text *text = &report->text;
    text_add(text, "<section id=\"memory\"><h2>Memory over the step</h2>\n"
                   "<p class=\"dim\">What holds numbers that are still to be "
                   "read, in MB, over the milliseconds of a step.</p>"
                   "<div class=\"row\">\n");
    for (int p = 0; p < report->phases.count; p++) {
        ReportLine lines[REPORT_RUNS];
        int count = 0;
        const char *phase = report->phases.at[p];
        for (int r = 0; r < report->run_count; r++) {
            const ReportProfile *profile = profile_of(&report->runs[r], phase);
            if (profile)
                lines[count++] = memory_line(report, r, profile);
        }
        if (!count)
            continue;
        text_add(text, "<div class=\"plotted\">");
        report_plot(report, phase, NULL, "ms", count, lines);
        for (int i = 0; i < count; i++)
            add_peak(report, lines[i].color,
                     profile_of(&report->runs[lines[i].color], phase));
        text_add(text, "</div>\n");
    }
    text_add(text, "</div>\n");
    point_to_commands(report);
    text_add(text, "</section>\n");
}

// ---- the program with its numbers
// -----------------------------------------------

// Milliseconds of each line, [phases][lines + 1]; NULL where there is no
// profile.
static double **line_times(const Report *report, const ReportRun *run,
                           int lines)
{
    double **times =
        ARENA_ARRAY(report->arena, double *, run->phases.count + 1);
    for (int p = 0; p < run->phases.count; p++) {
        const ReportProfile *profile = run->profiles[p];
        times[p] =
            profile ? ARENA_ARRAY(report->arena, double, lines + 1) : NULL;
        for (int s = 0; profile && s < profile->steps.count; s++) {
            int line = profile->steps.at[s].line;
            if (line > 0 && line <= lines)
                times[p][line] += 1e3 * profile->steps.at[s].seconds;
        }
    }
    return times;
}

// Tenths of a percent of a step are as much as is worth reading.
static bool is_shown(const ReportRun *run, double **times, int phase, int line)
{
    return times[phase] &&
           times[phase][line] > run->profiles[phase]->seconds; // in ms
}

// The phases that spend time in lines [from, to).
static void find_columns(const ReportRun *run, double **times, int from, int to,
                         bool *columns)
{
    for (int p = 0; p < run->phases.count; p++) {
        columns[p] = false;
        for (int line = from; line < to; line++)
            columns[p] = columns[p] || is_shown(run, times, p, line);
    }
}

static void add_source_line(Report *report, const ReportRun *run,
                            double **times, const bool *columns, int number,
                            const char *line, size_t length)
{
    Text *text = &report->text;
    text_add(text, "<tr>");
    for (int p = 0; p < run->phases.count; p++) {
        if (columns[p] && is_shown(run, times, p, number)) {
            double ms = times[p][number];
            double share = 1e-3 * ms / run->profiles[p]->seconds;
            text_addf(text, "<td class=\"n heat\" style=\"--h:%.2f\">%.2f</td>",
                      fmin(0.1 + share, 0.5), ms);
        } else if (columns[p]) {
            text_add(text, "<td></td>");
        }
    }
    text_addf(text, "<td class=\"n\">%d</td><td>", number);
    report_add(text, arena_printf(report->arena, "%.*s", (int)length, line));
    text_add(text, "</td></tr>\n");
}

// Does an imported file begin with this line, "# ---- NAME.net ----", or what
// is said of all phases behind them?
static bool begins_file(const char *line)
{
    static const char mark[] = "# ---- ";
    if (strncmp(line, mark, sizeof mark - 1) != 0)
        return false;
    const char *name = line + sizeof mark - 1;
    size_t length = strcspn(name, " \n");
    return (length > 4 && strncmp(name + length - 4, ".net", 4) == 0) ||
           strncmp(name, "resolved ", 9) == 0;
}

// How much of each phase's step is spent in lines [from, to).
static void add_shares(Report *report, const ReportRun *run, double **times,
                       int from, int to, bool *most)
{
    for (int p = 0; p < run->phases.count; p++) {
        double ms = 0;
        for (int line = from; times[p] && line < to; line++)
            ms += times[p][line];
        double share = times[p] ? 1e-3 * ms / run->profiles[p]->seconds : 0;
        if (share < 0.005)
            continue;
        *most = *most || share > 0.3;
        text_add(&report->text, " <span class=\"dim\">");
        report_add(&report->text, run->phases.at[p]);
        text_addf(&report->text, " %.0f%%</span>", 100 * share);
    }
}

// Of a file the source from `at` on, which is line `number`, up to the next
// file. Returns where that begins.
static const char *add_file(Report *report, const ReportRun *run,
                            double **times, const char *name, const char *at,
                            int *number, bool open)
{
    Text *text = &report->text;
    int end = *number;
    bool *columns = ARENA_ARRAY(report->arena, bool, run->phases.count + 1);
    for (const char *line = at; *line; end++) {
        if (line != at && begins_file(line))
            break;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    find_columns(run, times, *number, end, columns);
    // The files where the time goes are open, too.
    size_t begin = text->length;
    add_shares(report, run, times, *number, end, &open);
    const char *shares =
        arena_strdup(report->arena, text->length ? text->at + begin : "");
    text->length = begin;
    text_addf(text, "<details%s><summary>", open ? " open=\"open\"" : "");
    report_add(text, name);
    text_addf(text,
              "%s</summary><div class=\"wide\"><table class=\"source\"><tr>",
              shares);
    for (int p = 0; p < run->phases.count; p++)
        if (columns[p]) {
            text_add(text, "<th class=\"n\">");
            report_add(text, run->phases.at[p]);
            text_add(text, ", ms</th>");
        }
    text_add(text, "<th></th><th></th></tr>\n");
    for (; *number < end; ++*number) {
        size_t length = strcspn(at, "\n");
        add_source_line(report, run, times, columns, *number, at, length);
        at += length + (at[length] == '\n');
    }
    text_add(text, "</table></div></details>\n");
    return at;
}

// Imported files stand behind the first.
static void add_program(Report *report, const ReportRun *run, bool open)
{
    const char *at = run->source;
    int lines = 1, number = 1;
    for (const char *c = at; *c; c++)
        lines += *c == '\n';
    double **times = line_times(report, run, lines);
    at = add_file(report, run, times, "the program, every parameter resolved",
                  at, &number, open);
    while (*at) {
        const char *name = at + strlen("# ---- ");
        at = add_file(report, run, times,
                      arena_printf(report->arena, "%.*s",
                                   (int)strcspn(name, " \n"), name),
                      at, &number, false);
    }
}

// A profile of the program's own file has other lines.
static void tell_other_lines(Report *report, const ReportRun *run)
{
    Text *text = &report->text;
    for (int p = 0; p < run->phases.count; p++) {
        const ReportProfile *profile = run->profiles[p];
        bool any = !profile;
        for (int s = 0; profile && s < profile->steps.count; s++)
            any = any || profile->steps.at[s].line > 0;
        if (any)
            continue;
        text_add(text, "<p class=\"dim\">");
        report_add(text,
                   report_file(report, run, run->phases.at[p], profile_name));
        text_add(text, " is of another file than model.net: its lines are not "
                       "shown. Of that one: <code>");
        report_add(text,
                   report_command(report, run, "profile", run->phases.at[p],
                                  false, profile_name));
        text_add(text, "</code></p>\n");
    }
}

void report_programs(Report *report)
{
    Text *text = &report->text;
    text_add(text, "<section id=\"program\"><h2>Program</h2>\n"
                   "<p class=\"dim\">Beside each line the milliseconds of a "
                   "step that it takes, forward and backward.</p>\n");
    for (int r = 0; r < report->run_count; r++) {
        if (report->run_count > 1) {
            text_add(text, "<h3>");
            report_run_name(report, r);
            text_add(text, "</h3>\n");
        }
        tell_other_lines(report, &report->runs[r]);
        add_program(report, &report->runs[r], report->run_count == 1);
    }
    point_to_commands(report);
    text_add(text, "</section>\n");
}
