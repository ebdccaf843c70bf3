// The page that simcc report writes, and what its parts share. Elements are all
// closed and attributes quoted, so that the page is XML, too.
#ifndef SIMCC_FRONTEND_CLI_REPORT_H
#define SIMCC_FRONTEND_CLI_REPORT_H

#include "frontend/cli/record.h"
#include "runtime/monitor/series.h"

enum {
    REPORT_RUNS = 8,   // as many colors tell them apart
    REPORT_LINES = 64, // of a plot
};

// What a profile has of a kernel, in the order in which they run.
typedef struct ReportStep {
    const char *operations; // "layer1.0.conv1: conv2d"
    int line;               // of model.net; 0 = none
    double seconds, live;   // live: bytes in use
} ReportStep;

// PHASE/profile.json.
typedef struct ReportProfile {
    double seconds, threads, slab, weights;
    VEC(ReportStep) steps;
} ReportProfile;

typedef struct ReportRun {
    const char *path, *name; // name: told apart from the other runs', short
    Notes about;
    RecordPhases phases;
    SeriesTable series;
    const char *source;       // OUT/model.net
    ReportProfile **profiles; // [phases]; NULL = none
} ReportRun;

typedef struct Report {
    const Cli *cli;
    Arena *arena;
    Text text; // the page
    int run_count;
    ReportRun runs[REPORT_RUNS];
    RecordPhases phases; // of all runs
} Report;

extern const char report_style[], report_script[];

// ---- words (report.c)
// ---------------------------------------------------------

// As text of the page, or in a quoted attribute.
void report_add(Text *text, const char *words);
// A cell of a table; NULL = nothing.
void report_cell(Text *text, const char *words);
// Of so many significant digits; 0 = a whole number.
void report_number_cell(Text *text, double value, int digits);
// A run's name behind a spot of its color.
void report_run_name(Report *report, int run);
// The place of a phase among those of a run; -1 = it is not there.
int report_phase(const ReportRun *run, const char *phase);
// The file NAME of a phase's folder: its path in the arena.
const char *report_file(const Report *report, const ReportRun *run,
                        const char *phase, const char *name);
// In place of what a run directory does not hold: the commands that make it.
// Nothing when there are none.
typedef VEC(const char *) ReportCommands;
void report_missing(Report *report, const ReportCommands *commands);
// "simcc COMMAND RUN/model.net PHASE --data D --out RUN -o RUN/PHASE/FILE":
// what makes a file that is not there. `profile` takes no data and writes to
// standard output.
const char *report_command(const Report *report, const ReportRun *run,
                           const char *command, const char *phase, bool weights,
                           const char *file);

// ---- plots (report_plot.c)
// ----------------------------------------------------

typedef struct ReportLine {
    const char *name, *kind; // kind: "train", "valid", "chance"
    int color, count;
    const double *x, *y;
} ReportLine;

// Lines over common axes. Plots of one group, NULL = none, are hovered over
// together.
void report_plot(Report *report, const char *title, const char *group,
                 const char *unit, int count, const ReportLine *lines);

// ---- sections
// -----------------------------------------------------------------

void report_curves(Report *report);
Status report_pictures(Report *report);
Status report_evaluations(Report *report);
Status report_read_profiles(Report *report);
void report_times(Report *report);
void report_memory(Report *report);
void report_programs(Report *report);

#endif
