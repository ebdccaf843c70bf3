// simcc augment: a sheet of augmented views, as a phase's net sees them.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/cli.h"
#include "frontend/cli/program.h"
#include "runtime/augment.h"
#include "runtime/data.h"
#include "runtime/philox.h"
#include "runtime/plot.h"

enum { SHEET_IMAGES = 6, SHEET_VIEWS = 8 };

// Reads the program and finds the phase: the one named, else the first.
static int find_phase(Cli *cli, Program **program, int *phase)
{
    LangOptions options = {.ranks = 1,
                           .setting_count = cli->settings.count,
                           .settings = cli->settings.at,
                           .check_only = true};
    DiagList diags = diag_list_new(cli->arena);
    Experiment *experiment =
        lang_load(cli->arena, cli->words[0], &options, &diags);
    diag_print(&diags, stderr, cli->color);
    if (!experiment)
        return STATUS_SOURCE;
    *program = program_from_experiment(experiment, DT_F32, "");
    *phase = 0;
    if (cli->word_count == 1)
        return STATUS_OK;
    for (*phase = 0; *phase < (*program)->phase_count; ++*phase)
        if (strcmp((*program)->phases[*phase].name, cli->words[1]) == 0)
            return STATUS_OK;
    Status status = status_error(STATUS_USAGE, "there is no phase '%s' in %s",
                                 cli->words[1], cli->words[0]);
    return cli_fail(cli, &status);
}

// Float CHW in [0,1] to 8-bit RGB.
static Status to_image(const float *chw, int height, int width, Image *image)
{
    int64_t area = (int64_t)height * width;
    *image = (Image){width, height, malloc((size_t)area * 3)};
    if (!image->pixels)
        return status_error(STATUS_MEMORY, "no memory for a picture");
    for (int64_t i = 0; i < area; i++)
        for (int c = 0; c < 3; c++)
            image->pixels[i * 3 + c] =
                (uint8_t)lrintf(chw[c * area + i] * 255.0f);
    return status_ok();
}

// One row: the image as evaluation would show it, then its views.
static Status draw_row(const ProgramPhase *phase, const Dataset *data,
                       uint64_t seed, int64_t index, float *buffer, Image *row)
{
    int h = phase->image_height, w = phase->image_width;
    AugmentStep whole = {AUGMENT_CENTER_CROP, {w, 1}};
    Image image;
    TRY(dataset_read(data, SPLIT_TRAIN, index, &image));
    for (int view = 0; view < SHEET_VIEWS; view++) {
        // Every view stands for a batch of its own, with its own blur.
        AugmentKey key = {seed,
                          random_name(phase->name),
                          0,
                          (uint64_t)index,
                          (uint64_t)view,
                          (uint64_t)view};
        Status status =
            view == 0 ? augment_image(&whole, 1, &image, &key, h, w, buffer)
                      : augment_image(phase->augment, phase->augment_count,
                                      &image, &key, h, w, buffer);
        if (status.code == STATUS_OK)
            status = to_image(buffer, h, w, &row[view]);
        if (status.code != STATUS_OK) {
            image_free(&image);
            return status;
        }
    }
    image_free(&image);
    return status_ok();
}

static Status draw_sheet(const ProgramPhase *phase, const Dataset *data,
                         uint64_t seed, const char *path)
{
    Image images[SHEET_IMAGES * SHEET_VIEWS] = {{0}};
    const char *captions[SHEET_IMAGES * SHEET_VIEWS] = {"as it is"};
    int64_t count = dataset_count(data, SPLIT_TRAIN);
    int rows = count < SHEET_IMAGES ? (int)count : SHEET_IMAGES;
    size_t size = (size_t)phase->image_height * (size_t)phase->image_width * 3;
    float *buffer = malloc(size * sizeof *buffer);
    Status status = buffer ? status_ok()
                           : status_error(STATUS_MEMORY, "no memory for views");
    RandomStream stream = random_stream(seed, random_name("sheet"), 0, 0, 0);
    for (int r = 0; r < rows && status.code == STATUS_OK; r++)
        status = draw_row(phase, data, seed, random_below(&stream, count),
                          buffer, &images[r * SHEET_VIEWS]);
    if (status.code == STATUS_OK)
        status = plot_sheet(path, images, rows, SHEET_VIEWS, captions);
    for (int i = 0; i < SHEET_IMAGES * SHEET_VIEWS; i++)
        image_free(&images[i]);
    free(buffer);
    return status;
}

int command_augment(Cli *cli)
{
    Program *program = NULL;
    Dataset *data = NULL;
    DataOptions options = {.test_fraction = 0.2};
    int phase;
    int64_t seed;
    CLI_TRY(cli, cli_whole(cli, OPT_seed, 0, 0, INT64_MAX, &seed));
    if (!cli_has(cli, OPT_data) || !cli_has(cli, OPT_output)) {
        Status status = status_error(
            STATUS_USAGE, "augment needs --data DIR and -o FILE.png");
        return cli_fail(cli, &status);
    }
    int code = find_phase(cli, &program, &phase);
    if (code != STATUS_OK)
        return code;
    options.seed = (uint64_t)seed;
    Status status = dataset_open(cli->values[OPT_data], &options, &data);
    if (status.code == STATUS_OK)
        status = draw_sheet(&program->phases[phase], data, (uint64_t)seed,
                            cli->values[OPT_output]);
    if (status.code == STATUS_OK)
        cli_note(cli, "%d views of each image, as phase %s draws them, in %s",
                 SHEET_VIEWS - 1, program->phases[phase].name,
                 cli->values[OPT_output]);
    else
        code = cli_fail(cli, &status);
    dataset_free(data);
    program_free(program);
    return code;
}
