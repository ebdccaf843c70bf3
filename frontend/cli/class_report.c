#include "frontend/cli/class_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/reports.h"

enum {
    MATRIX_CLASSES = 12, // more do not fit a line
    TABLE_CLASSES = 100, // more are for the file
    LISTED_MISTAKES = 5
};

static const int64_t most_kept = (int64_t)1 << 30; // bytes of probabilities

// "test ", as of images; "" where they are all of the data.
static const char *part_of(const Job *job)
{
    return job->whole ? ""
                      : arena_printf(job->cli->arena, "%s ",
                                     data_split_word(job->tried));
}

static const char *name_of(const ClassReport *report, int class)
{
    return dataset_class_name(report->job->data, class);
}

// ---- collecting -------------------------------------------------------------

static Status make_room(ClassReport *report)
{
    size_t room = (size_t)report->room, classes = (size_t)report->classes;
    const Cli *cli = report->job->cli;
    report->tally.classes = report->classes;
    if (!report->several)
        TRY(class_tally_new(report->classes, &report->tally));
    report->numbers = calloc(classes, sizeof *report->numbers);
    report->row = calloc(classes, sizeof *report->row);
    report->truth = calloc(room, sizeof *report->truth);
    report->mistakes = calloc(room, sizeof *report->mistakes);
    if (report->several)
        report->truths = calloc(room, classes);
    if (!report->numbers || !report->row || !report->truth ||
        !report->mistakes || (report->several && !report->truths))
        return status_error(STATUS_MEMORY, "no memory for %lld predictions",
                            (long long)report->room);
    if (report->room <= most_kept / 8 / report->classes)
        report->probabilities =
            malloc(room * classes * sizeof *report->probabilities);
    if (!report->probabilities)
        cli_note(cli,
                 "%lld images by %d classes are too many scores to rank: no "
                 "average precision",
                 (long long)report->room, report->classes);
    return status_ok();
}

Status class_report_begin(const Job *job, const ProgramPhase *phase,
                          ClassReport *report, bool *begun)
{
    const Cli *cli = job->cli;
    const PlanPort *port = plan_scores(&phase->eval);
    *report = (ClassReport){.job = job, .phase = phase};
    *begun = false;
    if (phase->eval.step_count == 0)
        return status_ok(); // evaluate_phase says what is missing
    // An artifact has the scores that it was compiled with.
    const char *found = port ? strchr(port->tensor.name, '.') + 1 : "";
    if (cli_has(cli, OPT_value) && strcmp(found, cli->values[OPT_value]) != 0)
        return status_error(STATUS_USAGE,
                            "phase %s sets no `%s` with a row of scores for "
                            "each image when it is evaluated",
                            phase->name, cli->values[OPT_value]);
    if (!port) {
        cli_note(cli,
                 "phase %s sets no `logits`: nothing is said of each class "
                 "(--value names the scores of the classes)",
                 phase->name);
        return status_ok();
    }
    report->scores = &port->tensor;
    report->classes = dataset_classes(job->data);
    report->several = dataset_several(job->data);
    report->room = dataset_count(job->data, job->tried);
    if (report->classes == 0 || report->room == 0)
        return status_ok(); // said by evaluate_phase, too
    if (report->scores->dims[1] != report->classes) {
        cli_note(cli,
                 "%s has %lld scores for each image, and the data %d classes: "
                 "nothing is said of each class",
                 found, (long long)report->scores->dims[1], report->classes);
        return status_ok();
    }
    *begun = true;
    return make_room(report);
}

void class_report_free(ClassReport *report)
{
    class_tally_free(&report->tally);
    free(report->numbers);
    free(report->row);
    free(report->truth);
    free(report->truths);
    free(report->mistakes);
    free(report->probabilities);
}

// Of which class the image is most wrong, if it is of any.
static void note_mistake(ClassReport *report, int64_t index,
                         const uint8_t *truth)
{
    Mistake worst = {index, -1, -1, 0};
    for (int c = 0; c < report->classes; c++) {
        double p = report->row[c], wrong = truth[c] ? 1 - p : p;
        bool mistaken = (p > 0.5) != (truth[c] != 0);
        if (mistaken && wrong > worst.confidence)
            worst =
                (Mistake){index, truth[c] ? c : -1, truth[c] ? -1 : c, wrong};
    }
    if (worst.confidence > 0)
        report->mistakes[report->mistake_count++] = worst;
}

static void take_several(ClassReport *report, DataSplit split, int64_t index)
{
    const int32_t *labels;
    int64_t at = report->tally.images;
    uint8_t *truth = report->truths + at * report->classes;
    int count = dataset_labels(report->job->data, split, index, &labels);
    if (!class_sigmoid(report->row, report->classes)) {
        report->not_finite++;
        return;
    }
    for (int i = 0; i < count; i++)
        truth[labels[i]] = 1;
    label_tally_add(&report->tally, report->numbers, truth, report->row);
    if (report->probabilities)
        memcpy(report->probabilities + at * report->classes, report->row,
               (size_t)report->classes * sizeof *report->row);
    note_mistake(report, index, truth);
}

static Status take_row(void *context, DataSplit split, int64_t index,
                       const void *values)
{
    ClassReport *report = context;
    int classes = report->classes;
    int truth = dataset_label(report->job->data, split, index);
    const int32_t *labels;
    if (!values ||
        dataset_labels(report->job->data, split, index, &labels) < 0) {
        report->unreadable += !values;
        report->unlabelled += values != NULL;
        return status_ok();
    }
    for (int c = 0; c < classes; c++)
        report->row[c] = report->scores->dtype == PLAN_F64
                             ? ((const double *)values)[c]
                             : (double)((const float *)values)[c];
    if (report->several) {
        take_several(report, split, index);
        return status_ok();
    }
    report->shares += class_is_softmax(report->row, classes);
    if (class_softmax(report->row, classes) < 0) {
        report->not_finite++;
        return status_ok();
    }
    int64_t at = report->tally.images;
    int predicted = class_tally_add(&report->tally, truth, report->row);
    report->truth[at] = truth;
    if (report->probabilities)
        memcpy(report->probabilities + at * classes, report->row,
               (size_t)classes * sizeof *report->row);
    if (predicted != truth)
        report->mistakes[report->mistake_count++] =
            (Mistake){index, truth, predicted, report->row[predicted]};
    return status_ok();
}

InferSink class_report_sink(ClassReport *report)
{
    return (InferSink){take_row, report};
}

static int by_confidence(const void *a, const void *b)
{
    const Mistake *x = a, *y = b;
    if (x->confidence != y->confidence)
        return x->confidence < y->confidence ? 1 : -1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void tell_left_out(const ClassReport *report, int64_t count,
                          const char *what)
{
    if (count)
        cli_warn(report->job->cli,
                 arena_printf(report->job->cli->arena,
                              "%lld %simage%s %s: left out of the numbers of "
                              "each class",
                              (long long)count, part_of(report->job),
                              text_s(count), what));
}

void class_report_warn_shares(const Cli *cli, const char *name)
{
    cli_warn(cli, arena_printf(
                      cli->arena,
                      "the rows of %s are probabilities already, and went "
                      "through a softmax once more: confidence and "
                      "calibration are not the net's. Give the scores before "
                      "it, by --value NAME or as logits",
                      name));
}

Status class_report_finish(ClassReport *report)
{
    if (report->shares && report->shares == report->tally.images)
        class_report_warn_shares(report->job->cli,
                                 strchr(report->scores->name, '.') + 1);
    tell_left_out(report, report->unreadable, "cannot be read");
    tell_left_out(report, report->unlabelled, "without a class");
    tell_left_out(report, report->not_finite,
                  "with scores that are no numbers");
    qsort(report->mistakes, (size_t)report->mistake_count,
          sizeof *report->mistakes, by_confidence);
    if (report->several) {
        double all;
        TRY(label_numbers(&report->tally, report->truths, report->probabilities,
                          report->numbers, &all));
        label_metrics(&report->tally, report->numbers, all,
                      &report->label_metrics);
        return status_ok();
    }
    class_numbers(&report->tally, report->numbers);
    if (report->probabilities)
        TRY(class_average_precisions(report->truth, report->probabilities,
                                     report->tally.images, report->classes,
                                     report->numbers));
    class_metrics(&report->tally, report->numbers, &report->metrics);
    return status_ok();
}

// ---- JSON -------------------------------------------------------------------

static void json_member(Text *text, const char *name, double value)
{
    text_addf(text, ",\"%s\":", name);
    job_add_json_number(text, value);
}

void class_report_json_classes(const ClassReport *report, Text *text)
{
    text_add(text, "\"classes\":[");
    for (int c = 0; c < report->classes; c++) {
        const ClassNumbers *of = &report->numbers[c];
        text_add(text, c ? ",{\"name\":" : "{\"name\":");
        text_add_json(text, name_of(report, c));
        text_addf(text, ",\"images\":%lld,\"predicted\":%lld,\"right\":%lld",
                  (long long)of->images, (long long)of->predicted,
                  (long long)of->right);
        json_member(text, "recall", of->recall);
        json_member(text, "precision", of->precision);
        json_member(text, "f1", of->f1);
        json_member(text, "average_precision", of->average_precision);
        text_add(text, "}");
    }
    text_add(text, "]");
}

static void json_confusion(const ClassReport *report, Text *text)
{
    text_add(text, ",\"confusion\":[");
    for (int64_t i = 0; i < (int64_t)report->classes * report->classes; i++)
        text_addf(text, "%s%lld",
                  i == 0                     ? "["
                  : i % report->classes == 0 ? "],["
                                             : ",",
                  (long long)report->tally.confusion[i]);
    text_add(text, "]]");
}

void class_report_json_calibration(const ClassReport *report, Text *text)
{
    text_add(text, ",\"calibration\":{\"bins\":[");
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const CalibrationBin *bin = &report->tally.bins[b];
        double images = bin->images ? (double)bin->images : NAN;
        text_addf(text, "%s{\"images\":%lld", b ? "," : "",
                  (long long)bin->images);
        json_member(text, "from", (double)b / CALIBRATION_BINS);
        json_member(text, "to", (double)(b + 1) / CALIBRATION_BINS);
        json_member(text, "confidence", bin->confidence / images);
        json_member(text, "accuracy", (double)bin->right / images);
        text_add(text, "}");
    }
    text_add(text, "]");
    json_member(text, "ece",
                report->several ? report->label_metrics.calibration_error
                                : report->metrics.calibration_error);
    text_add(text, "}");
}

void class_report_json_left_out(const ClassReport *report, Text *text)
{
    text_addf(text,
              ",\"left_out\":{\"unreadable\":%lld,\"unlabelled\":%lld,"
              "\"not_finite\":%lld}",
              (long long)report->unreadable, (long long)report->unlabelled,
              (long long)report->not_finite);
}

void class_report_json(const ClassReport *report, Text *text)
{
    const ClassMetrics *m = &report->metrics;
    if (report->several) {
        several_report_json(report, text);
        return;
    }
    class_report_json_classes(report, text);
    json_confusion(report, text);
    class_report_json_calibration(report, text);
    text_add(text, ",\"accuracy\":{\"interval\":\"Wilson\",\"level\":0.95");
    json_member(text, "top1", m->top1);
    json_member(text, "low", m->low);
    json_member(text, "high", m->high);
    text_add(text, "}");
    json_member(text, "balanced_accuracy", m->balanced_accuracy);
    json_member(text, "mean_precision", m->precision);
    json_member(text, "mean_f1", m->f1);
    json_member(text, "mean_average_precision", m->average_precision);
    class_report_json_left_out(report, text);
    text_add(text, ",\"mistakes\":[");
    for (int i = 0; i < LISTED_MISTAKES && i < report->mistake_count; i++) {
        const Mistake *mistake = &report->mistakes[i];
        text_add(text, i ? ",{\"image\":" : "{\"image\":");
        text_add_json(text,
                      dataset_sample_name(report->job->data, report->job->tried,
                                          mistake->index));
        text_add(text, ",\"true\":");
        text_add_json(text, name_of(report, mistake->truth));
        text_add(text, ",\"predicted\":");
        text_add_json(text, name_of(report, mistake->predicted));
        json_member(text, "confidence", mistake->confidence);
        text_add(text, "}");
    }
    text_add(text, "]");
}

// ---- tables -----------------------------------------------------------------

// A name in a column of `width` characters; what would break a terminal's line
// becomes a question mark, a longer one ends in a point.
void class_report_add_name(Text *text, const char *name, int width)
{
    int used = 0;
    while (*name && used < width) {
        int bytes = text_utf8_length(name);
        bool plain = bytes > 1 || (bytes == 1 && (unsigned char)*name >= ' ' &&
                                   *name != 127);
        if (used == width - 1 && name[bytes ? bytes : 1])
            text_add(text, ".");
        else if (plain)
            text_add_n(text, name, (size_t)bytes);
        else
            text_add(text, "?");
        name += bytes ? bytes : 1;
        used++;
    }
    text_addf(text, "%*s", width - used, "");
}

static int name_length(const char *name)
{
    int length = 0;
    for (; *name; length++) {
        int bytes = text_utf8_length(name);
        name += bytes ? bytes : 1;
    }
    return length;
}

int class_report_name_width(const ClassReport *report)
{
    int width = (int)strlen("mean of classes");
    for (int c = 0; c < report->classes; c++) {
        int length = name_length(name_of(report, c));
        width = length > width ? length : width;
    }
    return width < 32 ? width : 32;
}

static void add_share(Text *text, double value)
{
    if (isnan(value))
        text_addf(text, "%10s", "-");
    else
        text_addf(text, "%10.4f", value);
}

void class_report_add_numbers(Text *text, double recall, double precision,
                              double f1, double average_precision)
{
    add_share(text, recall);
    add_share(text, precision);
    add_share(text, f1);
    add_share(text, average_precision);
}

// The class that the class's images are most often taken for; -1 = none.
static int taken_for(const ClassReport *report, int class)
{
    int most = -1;
    const int64_t *row =
        report->tally.confusion + (int64_t) class * report->classes;
    for (int c = 0; c < report->classes; c++)
        if (c != class && row[c] > (most < 0 ? 0 : row[most]))
            most = c;
    return most;
}

static void table_of_classes(const ClassReport *report, int width, Text *text)
{
    const ClassMetrics *m = &report->metrics;
    text_addf(text, "  %-*s  images%10s%10s%10s%10s  taken for\n", width,
              "class", "recall", "precision", "F1", "AP");
    for (int c = 0; c < report->classes && c < TABLE_CLASSES; c++) {
        const ClassNumbers *of = &report->numbers[c];
        int other = taken_for(report, c);
        text_add(text, "  ");
        class_report_add_name(text, name_of(report, c), width);
        text_addf(text, "  %6lld", (long long)of->images);
        class_report_add_numbers(text, of->recall, of->precision, of->f1,
                                 of->average_precision);
        if (other >= 0) {
            text_addf(text, "  %lld x ",
                      (long long)report->tally
                          .confusion[(int64_t)c * report->classes + other]);
            class_report_add_name(text, name_of(report, other),
                                  name_length(name_of(report, other)));
        }
        text_add(text, "\n");
    }
    if (report->classes > TABLE_CLASSES)
        text_addf(text, "  and %d more classes: -o FOLDER writes all\n",
                  report->classes - TABLE_CLASSES);
    text_addf(text, "  %-*s  %6lld", width, "mean of classes",
              (long long)report->tally.images);
    class_report_add_numbers(text, m->balanced_accuracy, m->precision, m->f1,
                             m->average_precision);
    text_add(text, "\n");
}

static void table_of_confusions(const ClassReport *report, int width,
                                Text *text)
{
    if (report->classes > MATRIX_CLASSES)
        return;
    text_addf(text, "  %-*s", width, "true \\ predicted");
    for (int p = 0; p < report->classes; p++) {
        text_add(text, " ");
        class_report_add_name(text, name_of(report, p), 8);
    }
    for (int c = 0; c < report->classes; c++) {
        text_add(text, "\n  ");
        class_report_add_name(text, name_of(report, c), width);
        for (int p = 0; p < report->classes; p++)
            text_addf(text, " %-8lld",
                      (long long)report->tally
                          .confusion[(int64_t)c * report->classes + p]);
    }
    text_add(text, "\n");
}

void class_report_text(const ClassReport *report, Text *text)
{
    int width = class_report_name_width(report);
    const ClassMetrics *m = &report->metrics;
    if (report->tally.images == 0) {
        text_addf(text, "  no %simage is left to count\n",
                  part_of(report->job));
        return;
    }
    if (report->several) {
        several_report_text(report, text);
        return;
    }
    table_of_classes(report, width, text);
    table_of_confusions(report, width, text);
    text_addf(text,
              "  top1 %.4f, 95%% interval %.4f to %.4f (Wilson); balanced "
              "accuracy %.4f\n"
              "  calibration error %.4f (ECE, %d equal bins of confidence)\n",
              m->top1, m->low, m->high, m->balanced_accuracy,
              m->calibration_error, CALIBRATION_BINS);
    if (report->mistake_count)
        text_addf(text, "  the most confident of %lld mistakes, taken for:\n",
                  (long long)report->mistake_count);
    for (int i = 0; i < LISTED_MISTAKES && i < report->mistake_count; i++) {
        const Mistake *mistake = &report->mistakes[i];
        text_addf(text, "    %.4f ", mistake->confidence);
        class_report_add_name(text, name_of(report, mistake->predicted), width);
        text_add(text, " but is ");
        class_report_add_name(text, name_of(report, mistake->truth), width);
        const char *image = dataset_sample_name(
            report->job->data, report->job->tried, mistake->index);
        text_add(text, " ");
        class_report_add_name(text, image, name_length(image));
        text_add(text, "\n");
    }
}
