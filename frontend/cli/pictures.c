// simcc neighbours: images beside those whose features are nearest.
// simcc map: the features of all images as points in a plane.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/features.h"
#include "frontend/cli/pictures.h"
#include "runtime/data/augment.h"
#include "runtime/monitor/plot.h"
#include "runtime/train/pca.h"

enum {
    MOST_IMAGES = 20000,
    QUERIES = 8,
    NEIGHBOURS = 8,
    COLUMNS = 1 + NEIGHBOURS
};

// ---- neighbours -------------------------------------------------------------

static double cosine(const Features *features, int64_t a, int64_t b)
{
    const float *x = features->rows + a * features->width;
    const float *y = features->rows + b * features->width;
    double product = 0, xx = 0, yy = 0;
    for (int64_t c = 0; c < features->width; c++) {
        product += (double)x[c] * y[c];
        xx += (double)x[c] * x[c];
        yy += (double)y[c] * y[c];
    }
    return product / sqrt(fmax(xx * yy, 1e-300));
}

// The nearest other rows, nearest first; of equals the earlier.
static int find_nearest(const Features *features, int64_t query,
                        int64_t nearest[NEIGHBOURS])
{
    double near[NEIGHBOURS];
    int found = 0;
    for (int64_t row = 0; row < features->count; row++) {
        double by = row == query ? -2 : cosine(features, query, row);
        int at = found;
        while (at > 0 && near[at - 1] < by)
            at--;
        if (at == NEIGHBOURS || row == query)
            continue;
        found += found < NEIGHBOURS;
        for (int i = found - 1; i > at; i--) {
            near[i] = near[i - 1];
            nearest[i] = nearest[i - 1];
        }
        near[at] = by;
        nearest[at] = row;
    }
    return found;
}

Status picture_square(const Dataset *data, DataSplit split, int64_t index,
                      int side, float *buffer, Image *picture)
{
    Image image;
    AugmentStep whole = {AUGMENT_CENTER_CROP, {side, 1}};
    AugmentKey key = {0};
    TRY(dataset_read(data, split, index, &image));
    AugmentScratch scratch = {0};
    Status status = image_to_picture(&image);
    if (status.code == STATUS_OK)
        status = augment_image(&whole, 1, &image, &key, &scratch, side, side,
                               buffer);
    augment_scratch_free(&scratch);
    image_free(&image);
    TRY(status);
    return plot_image_of_planes(buffer, 3, side, side, picture);
}

static Status draw_image(const Features *features, int64_t row, int side,
                         float *buffer, Image *picture)
{
    return picture_square(features->job->data, features->splits[row],
                          features->indices[row], side, buffer, picture);
}

typedef struct Sheet {
    int rows, side;
    float *buffer; // [3, side, side]
    Image images[QUERIES * COLUMNS];
    const char *captions[QUERIES * COLUMNS];
    int shown, alike; // neighbours with labels; those of the query's class
} Sheet;

static Status fill_row(const Features *features, Sheet *sheet, int64_t query)
{
    int64_t nearest[NEIGHBOURS];
    Arena *arena = features->job->cli->arena;
    const Dataset *data = features->job->data;
    int first = sheet->rows++ * COLUMNS,
        label = features_label(features, query);
    int count = find_nearest(features, query, nearest);
    TRY(draw_image(features, query, sheet->side, sheet->buffer,
                   &sheet->images[first]));
    sheet->captions[first] = arena_printf(
        arena, "= %s", label < 0 ? "query" : dataset_class_name(data, label));
    printf("%s:", features_name(features, query));
    for (int i = 0; i < count; i++) {
        int other = features_label(features, nearest[i]);
        TRY(draw_image(features, nearest[i], sheet->side, sheet->buffer,
                       &sheet->images[first + 1 + i]));
        if (other >= 0)
            sheet->captions[first + 1 + i] = dataset_class_name(data, other);
        sheet->shown += label >= 0 && other >= 0;
        sheet->alike += label >= 0 && other == label;
        printf(" %s", features_name(features, nearest[i]));
    }
    printf("\n");
    return status_ok();
}

static Status draw_neighbours(const Features *features)
{
    const Cli *cli = features->job->cli;
    const ProgramPhase *phase =
        &features->job->program
             ->phases[job_phase(features->job, cli->words[1])];
    Sheet *sheet = ARENA_NEW(cli->arena, Sheet);
    int64_t queries = features->count < QUERIES ? features->count : QUERIES;
    sheet->side = phase->groups[0].width < PICTURE_SIDE ? phase->groups[0].width
                                                        : PICTURE_SIDE;
    sheet->buffer =
        ARENA_ARRAY(cli->arena, float, 3 * sheet->side * sheet->side);
    Status status = status_ok();
    for (int64_t i = 0; i < queries && status.code == STATUS_OK; i++)
        status = fill_row(features, sheet,
                          (2 * i + 1) * features->count / (2 * queries));
    if (status.code == STATUS_OK)
        status = plot_sheet(cli->values[OPT_output], sheet->images, sheet->rows,
                            COLUMNS, sheet->captions);
    for (int i = 0; i < QUERIES * COLUMNS; i++)
        image_free(&sheet->images[i]);
    TRY(status);
    cli_note(cli, "%s: %d image%s, each with its %d nearest of %lld",
             cli->values[OPT_output], sheet->rows, text_s(sheet->rows),
             NEIGHBOURS, (long long)features->count);
    if (sheet->shown)
        cli_note(cli, "%d of %d neighbours are of the same class", sheet->alike,
                 sheet->shown);
    return status_ok();
}

// ---- map --------------------------------------------------------------------

// The points of each class as a series of their own; those without a class
// last.
static Status plot_classes(const Features *features, const double *points)
{
    const Cli *cli = features->job->cli;
    const Dataset *data = features->job->data;
    int classes = dataset_classes(data), used = 0;
    PlotSeries *series = ARENA_ARRAY(cli->arena, PlotSeries, classes + 1);
    for (int label = 0; label <= classes; label++) {
        int wanted = label < classes ? label : -1, count = 0;
        double *x = ARENA_ARRAY(cli->arena, double, features->count);
        double *y = ARENA_ARRAY(cli->arena, double, features->count);
        for (int64_t i = 0; i < features->count; i++)
            if (features_label(features, i) == wanted) {
                x[count] = points[PCA_AXES * i];
                y[count++] = points[PCA_AXES * i + 1];
            }
        if (count)
            series[used++] = (PlotSeries){
                wanted < 0 ? "no class" : dataset_class_name(data, label),
                count, x, y};
    }
    return plot_points(cli->values[OPT_output], features->value->name, series,
                       used, "first principal axis", "second");
}

static Status draw_map(const Features *features)
{
    double shares[PCA_AXES];
    const Cli *cli = features->job->cli;
    double *points =
        ARENA_ARRAY(cli->arena, double, PCA_AXES * features->count + 1);
    TRY(pca_project(features->rows, features->count, features->width, points,
                    shares));
    TRY(plot_classes(features, points));
    printf("%lld image%s; %.1f%% and %.1f%% of the variance\n",
           (long long)features->count, text_s(features->count), 100 * shares[0],
           100 * shares[1]);
    cli_note(cli, "%s: %s of %lld image%s on their two principal axes",
             cli->values[OPT_output], features->value->name,
             (long long)features->count, text_s(features->count));
    return status_ok();
}

// ---- both -------------------------------------------------------------------

static int draw(Cli *cli, Status (*picture)(const Features *features))
{
    Job job;
    Features features = {0};
    if (!cli_has(cli, OPT_output)) {
        Status status =
            status_error(STATUS_USAGE, "say where to draw: -o FILE.png");
        return cli_fail(cli, &status);
    }
    const char *value = cli_has(cli, OPT_value) ? cli->values[OPT_value] : "h";
    cli_check_extension(cli, cli->values[OPT_output], "a PNG", "png");
    int code = job_open_value(&job, cli, value);
    if (code == STATUS_OK) {
        unsigned splits = 0;
        Status status = job_splits(cli, &splits);
        if (status.code == STATUS_OK)
            status = features_collect(&job, splits, MOST_IMAGES, &features);
        if (status.code == STATUS_OK)
            status = picture(&features);
        code = status.code == STATUS_OK ? STATUS_OK : cli_fail(cli, &status);
    }
    features_free(&features);
    job_close(&job);
    return code;
}

int command_neighbours(Cli *cli)
{
    return draw(cli, draw_neighbours);
}

int command_map(Cli *cli)
{
    return draw(cli, draw_map);
}
