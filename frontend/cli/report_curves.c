// The curves of a report: for each phase a plot of each number, with all runs.
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/report.h"

typedef VEC(const char *) Names;

// Of a validation's numbers some tell of it, not of the net.
static bool is_drawn(const Series *series)
{
    static const char *const about[] = {"epoch",      "valid_images",
                                        "best",       "best_step",
                                        "since_best", "ended_early"};
    for (size_t i = 0; i < sizeof about / sizeof *about; i++)
        if (strcmp(series->name, about[i]) == 0)
            return false;
    return series->part != SERIES_TEST &&
           strcmp(series->name, "loss_at_chance") != 0;
}

// The numbers of a phase, the loss first, in the order of the runs.
static Names list_names(const Report *report, const char *phase)
{
    Names names = {0};
    for (int r = 0; r < report->run_count; r++)
        for (int i = 0; i < report->runs[r].series.count; i++) {
            const Series *series = &report->runs[r].series.at[i];
            bool known = strcmp(series->phase, phase) != 0 || !is_drawn(series);
            for (int k = 0; k < names.count && !known; k++)
                known = strcmp(names.at[k], series->name) == 0;
            if (!known)
                vec_push(report->arena, &names, series->name);
        }
    return names;
}

static void add_line(const Report *report, int run, const char *phase,
                     const char *name, SeriesPart part, const char *kind,
                     const char *what, int *count, ReportLine *lines)
{
    const Series *series =
        series_find(&report->runs[run].series, phase, name, part);
    if (!series || *count == REPORT_LINES)
        return;
    const char *word = report->run_count == 1 ? what
                       : !*what               ? report->runs[run].name
                                : arena_printf(report->arena, "%s %s",
                                               report->runs[run].name, what);
    lines[(*count)++] = (ReportLine){
        word, kind, run, series->count, series->steps, series->values};
}

static void add_plot(Report *report, const char *phase, const char *name)
{
    ReportLine lines[REPORT_LINES];
    int count = 0;
    for (int r = 0; r < report->run_count; r++) {
        const char *one = report->run_count == 1 ? "training" : "";
        add_line(report, r, phase, name, SERIES_TRAIN, "train", one, &count,
                 lines);
        add_line(report, r, phase, name, SERIES_VALID, "valid", "validation",
                 &count, lines);
        if (strcmp(name, "loss") == 0)
            add_line(report, r, phase, "loss_at_chance", SERIES_TRAIN, "chance",
                     "guessing", &count, lines);
    }
    report_plot(report, name, phase, "step", count, lines);
}

// What tells how a run goes, not what it learns.
static bool is_technical(const char *name)
{
    static const char *const begins[] = {"gradient_norm", "trust_ratio",
                                         "weight_norm",   "images_per_second",
                                         "input_wait",    "learning_rate"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

static void add_phase(Report *report, const char *phase)
{
    Text *text = &report->text;
    Names names = list_names(report, phase);
    int technical = 0;
    if (!names.count)
        return;
    text_add(text, "<h3>");
    report_add(text, phase);
    text_add(text, "</h3><div class=\"panels\">\n");
    for (int i = 0; i < names.count; i++) {
        technical += is_technical(names.at[i]);
        if (!is_technical(names.at[i]))
            add_plot(report, phase, names.at[i]);
    }
    text_add(text, "</div>\n");
    if (!technical)
        return;
    text_addf(text,
              "<details><summary>%d more: norms, rates, speed</summary>"
              "<div class=\"panels\">\n",
              technical);
    for (int i = 0; i < names.count; i++)
        if (is_technical(names.at[i]))
            add_plot(report, phase, names.at[i]);
    text_add(text, "</div></details>\n");
}

void report_curves(Report *report)
{
    Text *text = &report->text;
    bool any = false;
    text_add(text, "<section id=\"curves\"><h2>Curves</h2>\n"
                   "<p class=\"dim\">Over steps; behind each name its last "
                   "number. Validation is dashed, blind guessing dotted.</p>");
    for (int r = 0; r < report->run_count; r++)
        any = any || report->runs[r].series.count > 0;
    for (int p = 0; p < report->phases.count; p++)
        add_phase(report, report->phases.at[p]);
    if (!any)
        text_add(text, "<p class=\"dim\">No step has been measured yet.</p>");
    text_add(text, "</section>\n");
}
