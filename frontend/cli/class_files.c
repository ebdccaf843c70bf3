// The files of a class report.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cli/class_report.h"
#include "frontend/cli/csv.h"
#include "frontend/cli/pictures.h"
#include "runtime/monitor/plot.h"
#include "runtime/monitor/plot_font.h"

enum {
    SHEET_ROWS = 4,
    SHEET_COLUMNS = 6,
    MATRIX_SIDE = 480,  // pixels, about
    CELL_WITH_LINE = 6, // of so many pixels one is a line
    CAPTIONED = 12,     // so many classes have names on their cells
    LETTERS = 24,       // of a cell's caption, at most
    CELL_SIDE = 96,     // of such a cell, pixels at least
    LINE_POINTS = 41
};

static const char *name_of(const ClassReport *report, int class)
{
    return dataset_class_name(report->job->data, class);
}

// A comma and the number, or nothing behind the comma where there is none.
static void put_number(FileWriter *file, double number)
{
    if (isnan(number))
        csv_text(file, ",");
    else
        csv_number(file, number, 17);
}

// ---- tables -----------------------------------------------------------------

static void put_classes(const ClassReport *report, FileWriter *file)
{
    csv_text(file, "class,images,predicted,right,recall,precision,f1,"
                   "average_precision\n");
    for (int c = 0; c < report->classes; c++) {
        const ClassNumbers *of = &report->numbers[c];
        csv_field(file, name_of(report, c));
        put_number(file, (double)of->images);
        put_number(file, (double)of->predicted);
        put_number(file, (double)of->right);
        put_number(file, of->recall);
        put_number(file, of->precision);
        put_number(file, of->f1);
        put_number(file, of->average_precision);
        csv_text(file, "\n");
    }
}

static void put_confusion(const ClassReport *report, FileWriter *file)
{
    csv_text(file, "true");
    for (int p = 0; p < report->classes; p++) {
        csv_text(file, ",");
        csv_field(file, name_of(report, p));
    }
    for (int c = 0; c < report->classes; c++) {
        csv_text(file, "\n");
        csv_field(file, name_of(report, c));
        for (int p = 0; p < report->classes; p++)
            put_number(file, (double)report->tally
                                 .confusion[(int64_t)c * report->classes + p]);
    }
    csv_text(file, "\n");
}

static void put_calibration(const ClassReport *report, FileWriter *file)
{
    csv_text(file, "above,to,images,confidence,accuracy\n");
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const CalibrationBin *bin = &report->tally.bins[b];
        double images = bin->images ? (double)bin->images : NAN;
        char above[40];
        snprintf(above, sizeof above, "%.6g", (double)b / CALIBRATION_BINS);
        csv_text(file, above);
        csv_number(file, (double)(b + 1) / CALIBRATION_BINS, 6);
        put_number(file, (double)bin->images);
        put_number(file, bin->confidence / images);
        put_number(file, (double)bin->right / images);
        csv_text(file, "\n");
    }
}

static void put_mistakes(const ClassReport *report, FileWriter *file)
{
    csv_text(file, "name,true,predicted,confidence\n");
    for (int64_t i = 0; i < report->mistake_count; i++) {
        const Mistake *mistake = &report->mistakes[i];
        csv_field(file,
                  dataset_sample_name(report->job->data, report->job->tried,
                                      mistake->index));
        csv_text(file, ",");
        if (mistake->truth >= 0)
            csv_field(file, name_of(report, mistake->truth));
        csv_text(file, ",");
        if (mistake->predicted >= 0)
            csv_field(file, name_of(report, mistake->predicted));
        put_number(file, mistake->confidence);
        csv_text(file, "\n");
    }
}

static const char *path_in(const ClassReport *report, const char *folder,
                           const char *name)
{
    return arena_printf(report->job->cli->arena, "%s/%s", folder, name);
}

static Status write_tables(const ClassReport *report, const char *folder)
{
    static const struct {
        const char *name;
        void (*put)(const ClassReport *report, FileWriter *file);
    } tables[] = {{"classes.csv", put_classes},
                  {"confusion.csv", put_confusion},
                  {"calibration.csv", put_calibration},
                  {"mistakes.csv", put_mistakes}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        FileWriter file;
        if (!report->tally.confusion && tables[i].put == put_confusion) {
            unlink(path_in(report, folder, tables[i].name));
            continue; // an earlier evaluation's
        }
        TRY(file_begin(&file, path_in(report, folder, tables[i].name)));
        tables[i].put(report, &file);
        TRY(file_commit(&file));
    }
    return status_ok();
}

// ---- pictures ---------------------------------------------------------------

// The darker, the larger the share of the true class's images: from nearly
// white to a dark blue. The rectangle's last line may be left grey.
static void paint_cell(const ClassReport *report, int c, int p, int left,
                       int top, int width, int height, bool line, Image *image)
{
    int64_t images = report->numbers[c].images;
    int64_t count = report->tally.confusion[(int64_t)c * report->classes + p];
    double share = images ? (double)count / (double)images : 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            bool inside = x < width - line && y < height - line;
            uint8_t *pixel = image->pixels +
                             3 * ((int64_t)(top + y) * image->width + left + x);
            pixel[0] = inside ? (uint8_t)lrint(245 - 235 * share) : 205;
            pixel[1] = inside ? (uint8_t)lrint(245 - 195 * share) : 205;
            pixel[2] = inside ? (uint8_t)lrint(248 - 118 * share) : 205;
        }
}

// Few classes: "true > predicted: images" below each cell.
static Status draw_captioned(const ClassReport *report, const char *path)
{
    Image images[CAPTIONED * CAPTIONED] = {0};
    const char *captions[CAPTIONED * CAPTIONED];
    int classes = report->classes, count = classes * classes;
    size_t letters = CELL_SIDE / FONT_ADVANCE;
    Status status = status_ok();
    for (int i = 0; i < count; i++) {
        captions[i] = arena_printf(report->job->cli->arena, "%s > %s: %lld",
                                   name_of(report, i / classes),
                                   name_of(report, i % classes),
                                   (long long)report->tally.confusion[i]);
        if (strlen(captions[i]) > letters)
            letters = strlen(captions[i]);
    }
    if (letters > LETTERS)
        letters = LETTERS;
    int width = (int)letters * FONT_ADVANCE;
    for (int i = 0; i < count && status.code == STATUS_OK; i++) {
        status = image_new(width, CELL_SIDE, &images[i]);
        if (status.code == STATUS_OK)
            paint_cell(report, i / classes, i % classes, 0, 0, width, CELL_SIDE,
                       false, &images[i]);
    }
    if (status.code == STATUS_OK)
        status = plot_sheet(path, images, classes, classes, captions);
    for (int i = 0; i < count; i++)
        image_free(&images[i]);
    return status;
}

static Status draw_confusion(const ClassReport *report, const char *path)
{
    static const char *const caption[] = {
        "down: true class; across: predicted"};
    Image image;
    int classes = report->classes;
    int cell = classes < MATRIX_SIDE ? MATRIX_SIDE / classes : 1;
    if (!report->tally.confusion) { // several classes an image
        unlink(path);
        return status_ok();
    }
    if (classes <= CAPTIONED)
        return draw_captioned(report, path);
    if ((int64_t)classes * classes > IMAGE_MAX_PIXELS / 4) {
        cli_note(report->job->cli,
                 "%d classes are too many for a picture of their confusions: "
                 "confusion.csv has them",
                 classes);
        unlink(path); // an earlier evaluation's
        return status_ok();
    }
    TRY(image_new(classes * cell, classes * cell, &image));
    for (int c = 0; c < classes; c++)
        for (int p = 0; p < classes; p++)
            paint_cell(report, c, p, p * cell, c * cell, cell, cell,
                       cell >= CELL_WITH_LINE, &image);
    Status status = plot_sheet(path, &image, 1, 1, caption);
    image_free(&image);
    return status;
}

// A point for each bin with images, beside the line of those whose confidence
// is their accuracy.
static Status draw_calibration(const ClassReport *report, const char *path)
{
    double confidence[CALIBRATION_BINS], accuracy[CALIBRATION_BINS];
    double line[LINE_POINTS];
    int count = 0;
    for (int i = 0; i < LINE_POINTS; i++)
        line[i] = (double)i / (LINE_POINTS - 1);
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const CalibrationBin *bin = &report->tally.bins[b];
        if (bin->images == 0)
            continue;
        confidence[count] = bin->confidence / (double)bin->images;
        accuracy[count++] = (double)bin->right / (double)bin->images;
    }
    PlotSeries series[] = {{"deserved", LINE_POINTS, line, line},
                           {"measured", count, confidence, accuracy}};
    const char *title =
        arena_printf(report->job->cli->arena, "calibration error %.4f",
                     report->several ? report->label_metrics.calibration_error
                                     : report->metrics.calibration_error);
    return plot_points(path, title, series, 2,
                       report->several ? "probability" : "confidence",
                       report->several ? "share that is there" : "accuracy");
}

// Without mistakes there is no sheet, and none of an earlier evaluation stays.
static Status draw_mistakes(const ClassReport *report, const char *path)
{
    Arena *arena = report->job->cli->arena;
    Image images[SHEET_ROWS * SHEET_COLUMNS] = {0};
    const char *captions[SHEET_ROWS * SHEET_COLUMNS] = {0};
    int side = report->phase->groups[0].width < PICTURE_SIDE
                   ? report->phase->groups[0].width
                   : PICTURE_SIDE;
    float *buffer = ARENA_ARRAY(arena, float, 3 * side * side);
    int shown = SHEET_ROWS * SHEET_COLUMNS;
    Status status = status_ok();
    if (report->mistake_count < shown)
        shown = (int)report->mistake_count;
    if (shown == 0) {
        unlink(path);
        return status;
    }
    for (int i = 0; i < shown && status.code == STATUS_OK; i++) {
        const Mistake *mistake = &report->mistakes[i];
        captions[i] = mistake->predicted < 0
                          ? arena_printf(arena, "misses %s",
                                         name_of(report, mistake->truth))
                      : mistake->truth < 0
                          ? arena_printf(arena, "no %s",
                                         name_of(report, mistake->predicted))
                          : arena_printf(arena, "%s, is %s",
                                         name_of(report, mistake->predicted),
                                         name_of(report, mistake->truth));
        status = picture_square(report->job->data, report->job->tried,
                                mistake->index, side, buffer, &images[i]);
    }
    int columns = shown < SHEET_COLUMNS ? shown : SHEET_COLUMNS;
    if (status.code == STATUS_OK)
        status = plot_sheet(path, images, (shown + columns - 1) / columns,
                            columns, captions);
    for (int i = 0; i < shown; i++)
        image_free(&images[i]);
    return status;
}

// ---- all --------------------------------------------------------------------

Status class_report_write(const ClassReport *report, const char *folder,
                          const char *json)
{
    const Cli *cli = report->job->cli;
    const char *object = arena_printf(cli->arena, "{%s}\n", json);
    TRY(write_tables(report, folder));
    TRY(file_write(path_in(report, folder, "metrics.json"), object,
                   (int64_t)strlen(object)));
    TRY(draw_confusion(report, path_in(report, folder, "confusion.png")));
    TRY(draw_calibration(report, path_in(report, folder, "calibration.png")));
    TRY(draw_mistakes(report, path_in(report, folder, "mistakes.png")));
    cli_note(cli,
             "%s: classes, %scalibration and mistakes as .csv and .png, "
             "metrics.json",
             folder, report->several ? "" : "confusion, ");
    return status_ok();
}
