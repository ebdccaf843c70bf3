// What an evaluation says of each class where an image may have several.
#include "frontend/cli/class_report.h"

enum {
    TABLE_CLASSES = 100, // more are for the file
    LISTED_MISTAKES = 5
};

static const char *name_of(const ClassReport *report, int class)
{
    return dataset_class_name(report->job->data, class);
}

static const char *image_of(const ClassReport *report, const Mistake *mistake)
{
    return dataset_sample_name(report->job->data, report->job->tried,
                               mistake->index);
}

static void add_name(Text *text, const char *name)
{
    int letters = 0;
    for (; *name && letters < 200; letters++) {
        int bytes = text_utf8_length(name);
        bool plain = bytes > 1 || (bytes == 1 && (unsigned char)*name >= ' ' &&
                                   *name != 127);
        text_add_n(text, plain ? name : "?", plain ? (size_t)bytes : 1);
        name += bytes ? bytes : 1;
    }
}

// ---- JSON -------------------------------------------------------------------

static void json_member(Text *text, const char *name, double value)
{
    text_addf(text, ",\"%s\":", name);
    job_add_json_number(text, value);
}

void several_report_json(const ClassReport *report, Text *text)
{
    const LabelMetrics *m = &report->label_metrics;
    class_report_json_classes(report, text);
    class_report_json_calibration(report, text);
    json_member(text, "exact_match", m->exact_match);
    json_member(text, "label_accuracy", m->label_accuracy);
    json_member(text, "recall", m->recall);
    json_member(text, "precision", m->precision);
    json_member(text, "f1", m->f1);
    json_member(text, "average_precision", m->average_precision);
    json_member(text, "mean_recall", m->mean_recall);
    json_member(text, "mean_precision", m->mean_precision);
    json_member(text, "mean_f1", m->mean_f1);
    json_member(text, "mean_average_precision", m->mean_average_precision);
    class_report_json_left_out(report, text);
    text_add(text, ",\"mistakes\":[");
    for (int i = 0; i < LISTED_MISTAKES && i < report->mistake_count; i++) {
        const Mistake *mistake = &report->mistakes[i];
        bool missed = mistake->predicted < 0;
        text_add(text, i ? ",{\"image\":" : "{\"image\":");
        text_add_json(text, image_of(report, mistake));
        text_addf(text, ",\"%s\":", missed ? "missed" : "not_there");
        text_add_json(text, name_of(report, missed ? mistake->truth
                                                   : mistake->predicted));
        json_member(text, "confidence", mistake->confidence);
        text_add(text, "}");
    }
    text_add(text, "]");
}

// ---- tables -----------------------------------------------------------------

static void list_mistakes(const ClassReport *report, Text *text)
{
    if (report->mistake_count)
        text_addf(text, "  the most confident mistakes, of %lld images:\n",
                  (long long)report->mistake_count);
    for (int i = 0; i < LISTED_MISTAKES && i < report->mistake_count; i++) {
        const Mistake *mistake = &report->mistakes[i];
        bool missed = mistake->predicted < 0;
        text_addf(text, "    %.4f ", mistake->confidence);
        text_add(text, missed ? "without " : "");
        add_name(text,
                 name_of(report, missed ? mistake->truth : mistake->predicted));
        text_add(text,
                 missed ? ", which is there: " : ", which is not there: ");
        add_name(text, image_of(report, mistake));
        text_add(text, "\n");
    }
}

void several_report_text(const ClassReport *report, Text *text)
{
    const LabelMetrics *m = &report->label_metrics;
    int width = class_report_name_width(report);
    text_addf(text, "  %-*s  images  predicted%10s%10s%10s%10s\n", width,
              "class", "recall", "precision", "F1", "AP");
    for (int c = 0; c < report->classes && c < TABLE_CLASSES; c++) {
        const ClassNumbers *of = &report->numbers[c];
        text_add(text, "  ");
        class_report_add_name(text, name_of(report, c), width);
        text_addf(text, "  %6lld  %9lld", (long long)of->images,
                  (long long)of->predicted);
        class_report_add_numbers(text, of->recall, of->precision, of->f1,
                                 of->average_precision);
        text_add(text, "\n");
    }
    if (report->classes > TABLE_CLASSES)
        text_addf(text, "  and %d more classes: -o FOLDER writes all\n",
                  report->classes - TABLE_CLASSES);
    text_addf(text, "  %-*s  %6s  %9s", width, "mean of classes", "", "");
    class_report_add_numbers(text, m->mean_recall, m->mean_precision,
                             m->mean_f1, m->mean_average_precision);
    text_addf(text, "\n  %-*s  %6s  %9s", width, "all together", "", "");
    class_report_add_numbers(text, m->recall, m->precision, m->f1,
                             m->average_precision);
    text_addf(text,
              "\n  mean average precision (mAP) %.4f; every class right in "
              "%.4f of the images, %.4f of all classes right\n"
              "  calibration error %.4f (ECE, %d equal bins of probability)\n",
              m->mean_average_precision, m->exact_match, m->label_accuracy,
              m->calibration_error, CALIBRATION_BINS);
    list_mistakes(report, text);
}
