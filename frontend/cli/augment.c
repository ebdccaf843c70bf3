// simcc augment: a sheet of augmented views, as a phase's net sees them.
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/compiler.h"
#include "frontend/cli/program.h"
#include "runtime/base/philox.h"
#include "runtime/data/augment.h"
#include "runtime/data/input.h"
#include "runtime/monitor/plot.h"

enum { SHEET_IMAGES = 6, SHEET_VIEWS = 8 };

// Reads the program and finds the phase: the one named, else the first. An exit
// code.
static int find_phase(Cli *cli, Program **program, int *phase)
{
    Compiler compiler;
    CLI_TRY(cli, compiler_open(&compiler, cli));
    compiler.lang.check_only = true;
    compiler.phase_count = cli->word_count - 1;
    compiler.phases = cli->words + 1;
    bool loaded = compiler_load(&compiler);
    Status status = loaded ? compiler_check_names(&compiler)
                           : status_error(STATUS_SOURCE, "no program");
    if (status.code != STATUS_OK)
        return compiler_report(&compiler, cli, &status);
    *program = program_from_experiment(compiler.experiment, DT_F32, "");
    *phase = 0;
    while (!compiler_wants(&compiler, (*program)->phases[*phase].name))
        ++*phase;
    return STATUS_OK;
}

// One row: the whole image, then its views, each with a line of what was drawn
// for it.
static Status draw_row(const ProgramPhase *phase, const Dataset *data,
                       uint64_t seed, int64_t index, float *buffer, Image *row)
{
    int h = phase->image_height, w = phase->image_width;
    AugmentStep whole = {AUGMENT_CENTER_CROP, {w, 1}};
    char drawn[AUGMENT_TOLD];
    AugmentScratch scratch = {.told = drawn};
    Image image;
    TRY(dataset_read(data, SPLIT_TRAIN, index, &image));
    Status status = status_ok();
    for (int view = 0; view < SHEET_VIEWS && status.code == STATUS_OK; view++) {
        // Every view stands for a batch of its own, with its own blur.
        AugmentKey key = {seed,
                          random_name(phase->name),
                          0,
                          (uint64_t)index,
                          (uint64_t)view,
                          (uint64_t)view};
        const AugmentStep *steps = view == 0 ? &whole : phase->augment;
        int count = view == 0 ? 1 : phase->augment_count;
        status =
            augment_image(steps, count, &image, &key, &scratch, h, w, buffer);
        if (status.code == STATUS_OK)
            status = plot_image_of_planes(buffer, h, w, &row[view]);
        if (status.code == STATUS_OK && view > 0)
            printf("%s, view %d: %s\n",
                   dataset_sample_name(data, SPLIT_TRAIN, index), view, drawn);
    }
    augment_scratch_free(&scratch);
    image_free(&image);
    return status;
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
    int phase = 0;
    int64_t seed;
    CLI_TRY(cli, cli_whole(cli, OPT_seed, 0, 0, INT64_MAX, &seed));
    if (!cli_has(cli, OPT_data) || !cli_has(cli, OPT_output)) {
        Status status = status_error(
            STATUS_USAGE, "augment needs --data DIR and -o FILE.png");
        return cli_fail(cli, &status);
    }
    cli_check_extension(cli, cli->values[OPT_output], "a PNG", "png");
    int code = find_phase(cli, &program, &phase);
    if (code != STATUS_OK)
        return code;
    options.seed = (uint64_t)seed;
    options.min_side = input_min_side(program);
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
