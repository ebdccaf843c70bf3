// The pictures of a report, and what eval wrote of each phase.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/report.h"
#include "runtime/base/file.h"
#include "runtime/base/json.h"

enum {
    MOST_PICTURE = 4 << 20, // bytes: more would make the page slow
    SHOWN_CLASSES = 40,
    MATRIX_CLASSES = 24, // more are a picture
    SHOWN_BINS = 64
};

// ---- pictures
// -------------------------------------------------------------------

static void add_base64(Text *text, const unsigned char *bytes, int64_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
                                 "stuvwxyz0123456789+/";
    for (int64_t i = 0; i < size; i += 3) {
        int64_t left = size - i;
        unsigned word = (unsigned)bytes[i] << 16 |
                        (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? (unsigned)bytes[i + 2] : 0);
        char four[4] = {digits[word >> 18], digits[word >> 12 & 63],
                        left > 1 ? digits[word >> 6 & 63] : '=',
                        left > 2 ? digits[word & 63] : '='};
        text_add_n(text, four, 4);
    }
}

// A figure of a PNG; *found is false when there is no such file.
static Status add_picture(Report *report, int run, const char *phase,
                          const char *name, const char *title, bool *found)
{
    char *bytes;
    int64_t size;
    Text *text = &report->text;
    const char *path = report_file(report, &report->runs[run], phase, name);
    *found = file_exists(path);
    if (!*found)
        return status_ok();
    TRY(file_read(path, INT64_MAX - 1, &bytes, &size));
    text_add(text, "<figure><figcaption>");
    if (report->run_count > 1) {
        report_run_name(report, run);
        text_add(text, ", ");
    }
    text_add(text, "<b>");
    report_add(text, phase);
    text_add(text, "</b> ");
    report_add(text, title);
    text_add(text, "</figcaption>");
    bool png = size > 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
    if (png && size <= MOST_PICTURE) {
        text_add(text, "<img loading=\"lazy\" alt=\"");
        report_add(text, title);
        text_add(text, "\" src=\"data:image/png;base64,");
        add_base64(text, (const unsigned char *)bytes, size);
        text_add(text, "\"/>");
    } else {
        text_add(text, "<p class=\"dim\">Left out: ");
        report_add(text, path);
        text_add(text,
                 png ? " is too large for a page.</p>" : " is no PNG.</p>");
    }
    text_add(text, "</figure>\n");
    free(bytes);
    return status_ok();
}

// Has the phase features to compare, as pretraining reports them?
static bool has_features(const ReportRun *run, const char *phase)
{
    return series_find(&run->series, phase, "spread", SERIES_TRAIN) != NULL;
}

typedef struct Picture {
    const char *command, *file, *title;
    bool weights; // of a phase with features
} Picture;

static Status add_kind(Report *report, const Picture *picture)
{
    ReportCommands commands = {0};
    Text *text = &report->text;
    size_t before = text->length;
    text_addf(text, "<div class=\"%s\">\n",
              report->run_count > 1 ? "side" : "row");
    size_t empty = text->length;
    for (int p = 0; p < report->phases.count; p++)
        for (int r = 0; r < report->run_count; r++) {
            bool found;
            const ReportRun *run = &report->runs[r];
            const char *phase = report->phases.at[p];
            if (report_phase(run, phase) < 0)
                continue;
            TRY(add_picture(report, r, phase, picture->file, picture->title,
                            &found));
            if (found || (picture->weights && !has_features(run, phase)))
                continue;
            vec_push(report->arena, &commands,
                     report_command(report, run, picture->command, phase,
                                    picture->weights, picture->file));
        }
    if (text->length == empty) {
        text->length = before; // no empty element
        text->at[before] = 0;
    } else {
        text_add(text, "</div>\n");
    }
    report_missing(report, &commands);
    return status_ok();
}

Status report_pictures(Report *report)
{
    static const Picture pictures[] = {
        {"augment", "views.png", "augmented views, as the net sees them",
         false},
        {"neighbours", "neighbours.png",
         "images, each beside those whose features are nearest", true},
        {"map", "map.png", "features on their two principal axes", true}};
    static const char *const heads[] = {"Augmented views", "Nearest neighbours",
                                        "Feature map"};
    text_add(&report->text, "<section id=\"pictures\"><h2>Pictures</h2>\n");
    for (int i = 0; i < 3; i++) {
        text_addf(&report->text, "<h3>%s</h3>\n", heads[i]);
        TRY(add_kind(report, &pictures[i]));
    }
    text_add(&report->text, "</section>\n");
    return status_ok();
}

// ---- evaluations
// ------------------------------------------------------------------

typedef struct EvalClass {
    const char *name;
    double images, recall, precision, f1, average_precision;
} EvalClass;

// eval/metrics.json.
typedef struct Evaluation {
    VEC(EvalClass) classes;
    VEC(double) confusion; // [classes, classes] or empty
    int bins;
    double confidence[SHOWN_BINS], accuracy[SHOWN_BINS];
    Notes numbers; // name and number of the rest
} Evaluation;

static void read_class(Report *report, JsonReader *json, Evaluation *to)
{
    EvalClass class = {.name = ""};
    json_enter(json, '{');
    for (bool first = true; json_next(json, '}', &first);) {
        char *key = json_key(json);
        double *number = !key                            ? NULL
                         : strcmp(key, "images") == 0    ? &class.images
                         : strcmp(key, "recall") == 0    ? &class.recall
                         : strcmp(key, "precision") == 0 ? &class.precision
                         : strcmp(key, "f1") == 0        ? &class.f1
                         : strcmp(key, "average_precision") == 0
                             ? &class.average_precision
                             : NULL;
        if (key && strcmp(key, "name") == 0) {
            char *name = json_string(json);
            class.name = arena_strdup(report->arena, name ? name : "");
            free(name);
        } else if (number) {
            json_number(json, number);
        } else {
            json_skip(json);
        }
        free(key);
    }
    vec_push(report->arena, &to->classes, class);
}

static void read_confusion(Report *report, JsonReader *json, Evaluation *to)
{
    json_enter(json, '[');
    for (bool row = true; json_next(json, ']', &row);) {
        json_enter(json, '[');
        for (bool first = true; json_next(json, ']', &first);) {
            double count = 0;
            json_number(json, &count);
            vec_push(report->arena, &to->confusion, count);
        }
    }
}

// Of an object: its numbers, under a word before their names.
static void read_numbers(JsonReader *json, const char *before, Evaluation *to);

static void read_bins(JsonReader *json, Evaluation *to)
{
    json_enter(json, '[');
    for (bool row = true; json_next(json, ']', &row);) {
        double confidence = NAN, accuracy = NAN;
        json_enter(json, '{');
        for (bool first = true; json_next(json, '}', &first);) {
            char *key = json_key(json);
            if (key && strcmp(key, "confidence") == 0)
                json_number(json, &confidence);
            else if (key && strcmp(key, "accuracy") == 0)
                json_number(json, &accuracy);
            else
                json_skip(json);
            free(key);
        }
        if (!isfinite(confidence) || to->bins == SHOWN_BINS)
            continue;
        to->confidence[to->bins] = confidence;
        to->accuracy[to->bins++] = accuracy;
    }
}

static bool is_number_next(const JsonReader *json)
{
    return !json->error && json->at < json->end && *json->at &&
           strchr("-0123456789n", *json->at);
}

static void read_numbers(JsonReader *json, const char *before, Evaluation *to)
{
    char name[128];
    json_enter(json, '{');
    for (bool first = true; json_next(json, '}', &first);) {
        char *key = json_key(json);
        double number = NAN;
        snprintf(name, sizeof name, "%s%s", before, key ? key : "");
        if (key && strcmp(key, "bins") == 0)
            read_bins(json, to);
        else if (is_number_next(json) && json_number(json, &number))
            notes_set_number(&to->numbers, name, number);
        else
            json_skip(json);
        free(key);
    }
}

static Status read_evaluation(Report *report, const char *path, Evaluation *to)
{
    char *bytes;
    int64_t size;
    TRY(file_read(path, 1 << 30, &bytes, &size));
    JsonReader json = json_reader(bytes, (size_t)size);
    json_enter(&json, '{');
    for (bool first = true; json_next(&json, '}', &first);) {
        char *key = json_key(&json);
        double number;
        if (!key)
            break;
        if (strcmp(key, "classes") == 0) {
            json_enter(&json, '[');
            for (bool one = true; json_next(&json, ']', &one);)
                read_class(report, &json, to);
        } else if (strcmp(key, "confusion") == 0) {
            read_confusion(report, &json, to);
        } else if (strcmp(key, "calibration") == 0 ||
                   strcmp(key, "accuracy") == 0) {
            read_numbers(&json, "", to);
        } else if (is_number_next(&json) && json_number(&json, &number)) {
            notes_set_number(&to->numbers, key, number);
        } else {
            json_skip(&json);
        }
        free(key);
    }
    json_finish(&json);
    free(bytes);
    if (!json.error)
        return status_ok();
    return status_error(STATUS_FAILED, "%s: byte %zu: %s; eval writes it anew",
                        path, json.position, json.error);
}

// Wilson's, of top1.
static void add_intervals(Report *report, int count,
                          const Evaluation *evaluations)
{
    Text *text = &report->text;
    text_add(text, "<tr><td>95% interval</td>");
    for (int i = 0; i < count; i++) {
        double low = notes_number(&evaluations[i].numbers, "low");
        double high = notes_number(&evaluations[i].numbers, "high");
        text_add(text, "<td class=\"n\">");
        if (isfinite(low) && isfinite(high))
            text_addf(text, "%.3f to %.3f", low, high);
        text_add(text, "</td>");
    }
    text_add(text, "</tr>\n");
}

static void add_numbers(Report *report, int count, const int *runs,
                        const Evaluation *evaluations)
{
    static const char *const names[][2] = {
        {"top1", "top1"},
        {"balanced_accuracy", "balanced accuracy"},
        {"exact_match", "every class right"},
        {"label_accuracy", "classes right"},
        {"mean_precision", "mean precision"},
        {"mean_recall", "mean recall"},
        {"mean_f1", "mean F1"},
        {"mean_average_precision", "mean average precision"},
        {"ece", "calibration error"}};
    Text *text = &report->text;
    text_add(text, "<div class=\"wide\"><table><tr><th></th>");
    for (int i = 0; i < count; i++) {
        text_add(text, "<th class=\"n\">");
        report_run_name(report, runs[i]);
        text_add(text, "</th>");
    }
    text_add(text, "</tr>\n");
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        bool any = false;
        for (int i = 0; i < count; i++)
            any = any ||
                  isfinite(notes_number(&evaluations[i].numbers, names[n][0]));
        if (!any)
            continue;
        text_add(text, "<tr>");
        report_cell(text, names[n][1]);
        for (int i = 0; i < count; i++)
            report_number_cell(
                text, notes_number(&evaluations[i].numbers, names[n][0]), 4);
        text_add(text, "</tr>\n");
        if (n == 0)
            add_intervals(report, count, evaluations);
    }
    text_add(text, "</table></div>\n");
}

static void add_classes(Report *report, const Evaluation *evaluation)
{
    Text *text = &report->text;
    int count = evaluation->classes.count;
    text_addf(text,
              "<details%s><summary>%d classes</summary><div class=\"wide\">"
              "<table><tr><th>class</th><th class=\"n\">images</th>"
              "<th class=\"n\">recall</th><th class=\"n\">precision</th>"
              "<th class=\"n\">F1</th><th class=\"n\">AP</th></tr>\n",
              count <= 12 ? " open=\"open\"" : "", count);
    for (int c = 0; c < count && c < SHOWN_CLASSES; c++) {
        const EvalClass *class = &evaluation->classes.at[c];
        text_add(text, "<tr>");
        report_cell(text, class->name);
        report_number_cell(text, class->images, 0);
        report_number_cell(text, class->recall, 3);
        report_number_cell(text, class->precision, 3);
        report_number_cell(text, class->f1, 3);
        report_number_cell(text, class->average_precision, 3);
        text_add(text, "</tr>\n");
    }
    text_add(text, "</table></div>");
    if (count > SHOWN_CLASSES)
        text_addf(text, "<p class=\"dim\">And %d more in classes.csv.</p>",
                  count - SHOWN_CLASSES);
    text_add(text, "</details>\n");
}

static void add_confusion(Report *report, const Evaluation *evaluation)
{
    Text *text = &report->text;
    int count = evaluation->classes.count;
    text_add(text, "<figure><figcaption><b>confusion</b> true classes down, "
                   "predicted ones across</figcaption><div class=\"wide\">"
                   "<table><tr><th></th>");
    for (int p = 0; p < count; p++) {
        text_add(text, "<th class=\"n\">");
        report_add(text, evaluation->classes.at[p].name);
        text_add(text, "</th>");
    }
    text_add(text, "</tr>\n");
    for (int c = 0; c < count; c++) {
        double images = 0;
        for (int p = 0; p < count; p++)
            images += evaluation->confusion.at[c * count + p];
        text_add(text, "<tr><th>");
        report_add(text, evaluation->classes.at[c].name);
        text_add(text, "</th>");
        for (int p = 0; p < count; p++) {
            double here = evaluation->confusion.at[c * count + p];
            text_addf(text, "<td class=\"n heat\" style=\"--h:%.2f\">%.0f</td>",
                      images > 0 ? 0.75 * here / images : 0.0, here);
        }
        text_add(text, "</tr>\n");
    }
    text_add(text, "</table></div></figure>\n");
}

static void add_calibration(Report *report, int count, const int *runs,
                            const Evaluation *evaluations)
{
    static const double ends[] = {0, 1};
    ReportLine lines[REPORT_RUNS + 1];
    for (int i = 0; i < count; i++)
        lines[i] = (ReportLine){
            report->run_count == 1 ? "measured" : report->runs[runs[i]].name,
            "train",
            runs[i],
            evaluations[i].bins,
            evaluations[i].confidence,
            evaluations[i].accuracy};
    lines[count] = (ReportLine){"deserved", "chance", runs[0], 2, ends, ends};
    report_plot(report, "calibration", NULL, "confidence", count + 1, lines);
}

// The classes, confusions and mistakes of one run; of several in a column.
static Status add_run(Report *report, int run, const char *phase,
                      const Evaluation *evaluation)
{
    Text *text = &report->text;
    bool found, several = report->run_count > 1;
    int classes = evaluation->classes.count;
    if (several) {
        text_add(text, "<div><p>");
        report_run_name(report, run);
        text_add(text, "</p>\n");
    }
    add_classes(report, evaluation);
    if (classes <= MATRIX_CLASSES && classes > 0 &&
        evaluation->confusion.count == classes * classes)
        add_confusion(report, evaluation);
    else
        TRY(add_picture(report, run, phase, "eval/confusion.png",
                        "confusion: true classes down, predicted across",
                        &found));
    TRY(add_picture(report, run, phase, "eval/mistakes.png",
                    "the most confident mistakes", &found));
    if (several)
        text_add(text, "</div>\n");
    return status_ok();
}

static Status add_phase(Report *report, const char *phase, int count,
                        const int *runs, Evaluation *evaluations)
{
    Text *text = &report->text;
    for (int i = 0; i < count; i++)
        TRY(read_evaluation(report,
                            report_file(report, &report->runs[runs[i]], phase,
                                        "eval/metrics.json"),
                            &evaluations[i]));
    text_add(text, "<h3>");
    report_add(text, phase);
    text_add(text, "</h3>\n");
    text_add(text, "<div class=\"row\">\n");
    add_numbers(report, count, runs, evaluations);
    text_add(text, "<div class=\"plotted\">");
    add_calibration(report, count, runs, evaluations);
    text_addf(text, "</div>%s",
              report->run_count > 1 ? "</div><div class=\"side\">\n" : "");
    for (int i = 0; i < count; i++)
        TRY(add_run(report, runs[i], phase, &evaluations[i]));
    text_add(text, "</div>\n");
    return status_ok();
}

// Was the phase evaluated when it ended?
static bool is_evaluated(const ReportRun *run, const char *phase)
{
    for (int i = 0; i < run->series.count; i++)
        if (run->series.at[i].part == SERIES_TEST &&
            strcmp(run->series.at[i].phase, phase) == 0)
            return true;
    return false;
}

Status report_evaluations(Report *report)
{
    ReportCommands commands = {0};
    Evaluation *evaluations =
        ARENA_ARRAY(report->arena, Evaluation, REPORT_RUNS);
    Status status = status_ok();
    text_add(&report->text, "<section id=\"evaluation\"><h2>Evaluation</h2>\n");
    for (int p = 0; p < report->phases.count && status.code == STATUS_OK; p++) {
        int runs[REPORT_RUNS], count = 0;
        const char *phase = report->phases.at[p];
        for (int r = 0; r < report->run_count; r++) {
            const ReportRun *run = &report->runs[r];
            if (file_exists(
                    report_file(report, run, phase, "eval/metrics.json"))) {
                runs[count++] = r;
            } else if (is_evaluated(run, phase)) {
                vec_push(
                    report->arena, &commands,
                    report_command(report, run, "eval", phase, true, "eval"));
            }
        }
        memset(evaluations, 0, sizeof *evaluations * REPORT_RUNS);
        if (count)
            status = add_phase(report, phase, count, runs, evaluations);
        for (int i = 0; i < count; i++)
            notes_free(&evaluations[i].numbers);
    }
    report_missing(report, &commands);
    text_add(&report->text, "</section>\n");
    return status;
}
