// simcc report: run directories as one page to look at.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frontend/cli/report.h"
#include "frontend/lang/map.h"
#include "runtime/base/file.h"

enum { SHOWN_WARNINGS = 20 };

// ---- words
// --------------------------------------------------------------------

void report_add(Text *text, const char *words)
{
    while (*words) {
        int bytes = text_utf8_length(words);
        unsigned char first = (unsigned char)*words;
        const char *entity = *words == '&'   ? "&amp;"
                             : *words == '<' ? "&lt;"
                             : *words == '>' ? "&gt;"
                             : *words == '"' ? "&quot;"
                                             : NULL;
        if (entity)
            text_add(text, entity);
        else if (bytes == 0 ||
                 (first < ' ' && first != '\n' && first != '\t') ||
                 first == 127)
            text_add(text, "\xef\xbf\xbd"); // U+FFFD
        else
            text_add_n(text, words, (size_t)bytes);
        words += bytes ? bytes : 1;
    }
}

void report_cell(Text *text, const char *words)
{
    text_add(text, "<td>");
    report_add(text, words ? words : "");
    text_add(text, "</td>");
}

void report_number_cell(Text *text, double value, int digits)
{
    text_add(text, "<td class=\"n\">");
    if (isfinite(value) && digits)
        text_addf(text, "%.*g", digits, value);
    else if (isfinite(value))
        text_addf(text, "%.0f", value);
    text_add(text, "</td>");
}

void report_run_name(Report *report, int run)
{
    text_addf(&report->text,
              "<span class=\"run\"><span class=\"chip c%d\"></span>", run);
    report_add(&report->text, report->runs[run].name);
    text_add(&report->text, "</span>");
}

int report_phase(const ReportRun *run, const char *phase)
{
    for (int i = 0; i < run->phases.count; i++)
        if (strcmp(run->phases.at[i], phase) == 0)
            return i;
    return -1;
}

const char *report_file(const Report *report, const ReportRun *run,
                        const char *phase, const char *name)
{
    return arena_printf(report->arena, "%s/%s/%s", run->path, phase, name);
}

const char *report_command(const Report *report, const ReportRun *run,
                           const char *command, const char *phase, bool weights,
                           const char *file)
{
    Text line = text_new(report->arena);
    const char *data = notes_get(&run->about, "data");
    bool profile = strcmp(command, "profile") == 0;
    text_addf(&line, "simcc %s ", command);
    cli_add_quoted(&line,
                   arena_printf(report->arena, "%s/model.net", run->path));
    text_addf(&line, " %s ", phase);
    if (!profile) {
        text_add(&line, "--data ");
        cli_add_quoted(&line, data ? data : "DIR");
    }
    if (weights) {
        text_add(&line, " --out ");
        cli_add_quoted(&line, run->path);
    }
    text_add(&line, profile ? "-q --json > " : " -o ");
    cli_add_quoted(&line, report_file(report, run, phase, file));
    return text_string(&line);
}

void report_missing(Report *report, const ReportCommands *commands)
{
    Text *text = &report->text;
    if (!commands->count)
        return;
    text_addf(text,
              "<details%s><summary class=\"dim\">Not in the run director%s: "
              "made by</summary><pre>",
              commands->count < 6 ? " open=\"open\"" : "",
              report->run_count == 1 ? "y" : "ies");
    for (int i = 0; i < commands->count; i++) {
        report_add(text, commands->at[i]);
        text_add(text, "\n");
    }
    text_add(text, "</pre></details>\n");
}

// ---- what there is
// --------------------------------------------------------------

static Status open_run(Report *report, const char *path, ReportRun *run)
{
    char file[RUNDIR_PATH], *source;
    int64_t size;
    run->path = path;
    if (!record_is_run(report->arena, path))
        return status_error(STATUS_USAGE,
                            "%s is no run directory; `simcc runs` lists them",
                            path);
    TRY(rundir_path(path, NULL, "about", file));
    if (file_exists(file))
        TRY(notes_read(file, &run->about));
    TRY(rundir_path(path, NULL, "model.net", file));
    TRY(file_read(file, 64 << 20, &source, &size));
    run->source = arena_strdup(report->arena, source);
    free(source);
    run->phases = record_phases(report->arena, path);
    return series_read(path, &run->series);
}

// The part of each path that the paths do not have in common.
static void name_runs(Report *report)
{
    size_t common = 0;
    const char *first = report->runs[0].path;
    for (size_t i = 0; report->run_count > 1 && first[i]; i++) {
        bool same = true;
        for (int r = 1; r < report->run_count; r++)
            same = same && strncmp(report->runs[r].path, first, i + 1) == 0;
        if (same && first[i] == '/')
            common = i + 1;
    }
    for (int r = 0; r < report->run_count; r++) {
        const char *name = report->runs[r].path + common;
        const char *slash = strrchr(name, '/');
        report->runs[r].name = report->run_count == 1 && slash && slash[1]
                                   ? slash + 1
                               : *name ? name
                                       : report->runs[r].path;
    }
}

static void list_phases(Report *report)
{
    for (int r = 0; r < report->run_count; r++)
        for (int i = 0; i < report->runs[r].phases.count; i++) {
            const char *phase = report->runs[r].phases.at[i];
            bool known = false;
            for (int k = 0; k < report->phases.count; k++)
                known = known || strcmp(report->phases.at[k], phase) == 0;
            if (!known)
                vec_push(report->arena, &report->phases, phase);
        }
}

// ---- summary
// --------------------------------------------------------------------

static Status add_summary(Report *report)
{
    Text *text = &report->text;
    text_add(text, "<section id=\"summary\"><h2>Phases</h2><div class=\"wide\">"
                   "<table><tr><th>run</th><th>phase</th><th>state</th>"
                   "<th class=\"n\">steps</th><th class=\"n\">batch</th>"
                   "<th class=\"n\">images</th><th class=\"n\">weights</th>"
                   "<th class=\"n\">loss, first</th><th class=\"n\">last</th>"
                   "<th class=\"n\">measured</th><th class=\"n\">images/s</th>"
                   "<th class=\"n\">seconds</th></tr>\n");
    for (int p = 0; p < report->phases.count; p++)
        for (int r = 0; r < report->run_count; r++) {
            Notes state;
            double value;
            if (report_phase(&report->runs[r], report->phases.at[p]) < 0)
                continue;
            TRY(record_state(report->runs[r].path, report->phases.at[p],
                             &state));
            text_add(text, "<tr><td>");
            report_run_name(report, r);
            text_add(text, "</td>");
            report_cell(text, report->phases.at[p]);
            report_cell(text, notes_get(&state, "state"));
            text_addf(text, "<td class=\"n\">%.0f of %.0f</td>",
                      notes_number(&state, "step"),
                      notes_number(&state, "total_steps"));
            report_number_cell(text, notes_number(&state, "batch"), 0);
            report_number_cell(text, notes_number(&state, "images"), 0);
            report_number_cell(text, notes_number(&state, "weights"), 0);
            report_number_cell(text, notes_number(&state, "first_loss"), 4);
            report_number_cell(text, notes_number(&state, "last_loss"), 4);
            const char *name = record_best_number(&state, &value);
            text_add(text, "<td class=\"n\">");
            if (name) {
                text_addf(text, "%.1f%% ", 100 * value);
                report_add(text, name);
            }
            text_add(text, "</td>");
            report_number_cell(text, notes_number(&state, "images_per_second"),
                               0);
            report_number_cell(text, notes_number(&state, "seconds"), 0);
            text_add(text, "</tr>\n");
            notes_free(&state);
        }
    text_add(text, "</table></div></section>\n");
    return status_ok();
}

// ---- settings, data, versions
// ---------------------------------------------------

static bool is_parameter(const char *name)
{
    return strncmp(name, "param.", 6) == 0;
}

// A row for each note of that kind that a run has, in order.
static void add_notes(Report *report, bool parameters)
{
    Text *text = &report->text;
    Map seen = map_new(report->arena);
    text_add(text, "<div class=\"wide\"><table><tr><th></th>");
    for (int r = 0; r < report->run_count; r++) {
        text_add(text, "<th>");
        report_run_name(report, r);
        text_add(text, "</th>");
    }
    text_add(text, "</tr>\n");
    for (int r = 0; r < report->run_count; r++)
        for (int i = 0; i < report->runs[r].about.count; i++) {
            const char *name = report->runs[r].about.names[i];
            bool differs = false;
            if (is_parameter(name) != parameters || map_get(&seen, name))
                continue;
            map_set(&seen, name, report);
            for (int k = 0; k < report->run_count; k++) {
                const char *value = notes_get(&report->runs[k].about, name);
                differs = differs || !value ||
                          strcmp(value, report->runs[r].about.values[i]) != 0;
            }
            text_addf(text, "<tr%s>", differs ? " class=\"differs\"" : "");
            report_cell(text, name + (parameters ? 6 : 0));
            for (int k = 0; k < report->run_count; k++) {
                const char *value = notes_get(&report->runs[k].about, name);
                text_add(text, "<td class=\"w\">");
                report_add(text, value ? value : "-");
                text_add(text, "</td>");
            }
            text_add(text, "</tr>\n");
        }
    text_add(text, "</table></div>\n");
}

// The contents of a file below the run directory, or nothing.
static void add_file(Report *report, const ReportRun *run, const char *name)
{
    char path[RUNDIR_PATH], *bytes;
    int64_t size;
    if (rundir_path(run->path, NULL, name, path).code != STATUS_OK ||
        !file_exists(path) ||
        file_read(path, 1 << 20, &bytes, &size).code != STATUS_OK)
        return;
    text_add(&report->text, "<pre>");
    report_add(&report->text, bytes);
    text_add(&report->text, "</pre>\n");
    free(bytes);
}

static void add_warnings(Report *report, int run)
{
    char path[RUNDIR_PATH], *bytes;
    int64_t size;
    int shown = 0;
    Text *text = &report->text;
    if (rundir_path(report->runs[run].path, NULL, "log", path).code !=
            STATUS_OK ||
        !file_exists(path) ||
        file_read(path, 64 << 20, &bytes, &size).code != STATUS_OK)
        return;
    for (char *line = bytes; *line && shown < SHOWN_WARNINGS;) {
        size_t length = strcspn(line, "\n");
        bool last = !line[length];
        line[length] = 0;
        const char *warning = strstr(line, " warning: ");
        if (warning) {
            text_add(text, shown++ ? "<li>" : "<ul><li>");
            report_add(text, warning + 10);
            text_add(text, "</li>\n");
        }
        line += length + !last;
    }
    text_add(text, shown ? "</ul>\n" : "<p class=\"dim\">No warning.</p>\n");
    free(bytes);
}

static void add_ends(Report *report)
{
    Text *text = &report->text;
    text_add(text, "<section id=\"settings\"><h2>Settings</h2>\n");
    if (report->run_count > 1)
        text_add(text, "<p class=\"dim\">Marked: what differs.</p>\n");
    add_notes(report, true);
    text_add(text, "</section><section id=\"data\"><h2>Data and versions</h2>");
    add_notes(report, false);
    text_add(text, "</section><section id=\"log\"><h2>Commands and warnings"
                   "</h2>\n");
    for (int r = 0; r < report->run_count; r++) {
        text_add(text, "<h3>");
        report_run_name(report, r);
        text_add(text, "</h3>\n");
        add_file(report, &report->runs[r], "command");
        add_warnings(report, r);
    }
    text_add(text, "</section>\n");
}

// ---- the page
// -------------------------------------------------------------------

static void add_head(Report *report)
{
    static const char *const sections[][2] = {
        {"summary", "phases"},    {"curves", "curves"},
        {"pictures", "pictures"}, {"evaluation", "evaluation"},
        {"time", "time"},         {"memory", "memory"},
        {"program", "program"},   {"settings", "settings"},
        {"data", "data"},         {"log", "commands and warnings"}};
    Text *text = &report->text;
    char now[32];
    time_t seconds = time(NULL);
    struct tm parts;
    strftime(now, sizeof now, "%Y-%m-%d %H:%M", gmtime_r(&seconds, &parts));
    text_add(text, "<!DOCTYPE html>\n<html lang=\"en\"><head>"
                   "<meta charset=\"utf-8\"/>"
                   "<meta name=\"viewport\" "
                   "content=\"width=device-width,initial-scale=1\"/>"
                   "<title>");
    for (int r = 0; r < report->run_count; r++) {
        text_add(text, r ? ", " : "simcc: ");
        report_add(text, report->runs[r].name);
    }
    text_addf(text, "</title>\n<style>\n%s</style></head>\n<body><header><h1>",
              report_style);
    for (int r = 0; r < report->run_count; r++) {
        text_add(text, r ? " \xc2\xa0 " : "");
        report_run_name(report, r);
    }
    text_add(text, "</h1><p class=\"dim\">");
    for (int r = 0; r < report->run_count; r++) {
        const char *program = notes_get(&report->runs[r].about, "program");
        const char *found = notes_get(&report->runs[r].about, "data_found");
        if (report->run_count > 1) {
            text_add(text, r ? "<br/>" : "");
            report_add(text, report->runs[r].name);
            text_add(text, ": ");
        }
        report_add(text, program ? program : "a program");
        text_add(text, " on ");
        report_add(text, found ? found : "unknown data");
        text_add(text, ". ");
    }
    text_addf(text, "</p><p class=\"dim\">simcc %s, %s UTC</p><nav>",
              SIMCC_VERSION, now);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        text_addf(text, "<a href=\"#%s\">%s</a> ", sections[i][0],
                  sections[i][1]);
    text_add(text, "</nav></header>\n<main>\n");
}

static Status write_page(Report *report)
{
    Text *text = &report->text;
    TRY(report_read_profiles(report));
    add_head(report);
    TRY(add_summary(report));
    report_curves(report);
    TRY(report_pictures(report));
    TRY(report_evaluations(report));
    report_times(report);
    report_memory(report);
    report_programs(report);
    add_ends(report);
    // The marks of CDATA are for readers of XML.
    text_addf(text,
              "</main><footer>Made by simcc report: one file that needs no "
              "other.</footer>\n<script>/*<![CDATA[*/\n%s/*]]>*/</script>"
              "</body></html>\n",
              report_script);
    return file_write(report->cli->values[OPT_output], text_string(text),
                      (int64_t)text->length);
}

int command_report(Cli *cli)
{
    Report *report = ARENA_NEW(cli->arena, Report);
    *report =
        (Report){.cli = cli, .arena = cli->arena, .text = text_new(cli->arena)};
    Status status = status_ok();
    if (!cli_has(cli, OPT_output))
        status =
            status_error(STATUS_USAGE, "say where to write: -o report.html");
    else
        cli_check_extension(cli, cli->values[OPT_output], "HTML", "html");
    for (int r = 0; r < cli->word_count && status.code == STATUS_OK; r++)
        status =
            open_run(report, cli->words[r], &report->runs[report->run_count++]);
    if (status.code == STATUS_OK) {
        name_runs(report);
        list_phases(report);
        status = write_page(report);
    }
    for (int r = 0; r < report->run_count; r++) {
        notes_free(&report->runs[r].about);
        series_free(&report->runs[r].series);
    }
    CLI_TRY(cli, status);
    cli_note(cli, "%s: %d run%s, %.1f MB; open it in a browser",
             cli->values[OPT_output], report->run_count,
             report->run_count == 1 ? "" : "s",
             1e-6 * (double)report->text.length);
    return STATUS_OK;
}
