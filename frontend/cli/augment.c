// simcc augment: a sheet of augmented views, as a phase's net sees them.
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/compiler.h"
#include "frontend/cli/program.h"
#include "runtime/base/philox.h"
#include "runtime/data/augment.h"
#include "runtime/data/input.h"
#include "runtime/monitor/plot.h"

enum { SHEET_IMAGES = 6, SHEET_VIEWS = 7 };

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

// What a row of the sheet shows behind the whole image: of a phase with one
// tensor of views so many; else all views of each, in their order.
static int sheet_views(const ProgramPhase *phase)
{
    return phase->group_count == 1 ? SHEET_VIEWS : phase_views(phase);
}

static Status draw_view(const AugmentStep *steps, int count, const Image *image,
                        const AugmentKey *key, AugmentScratch *scratch,
                        const ViewGroup *group, Image *view)
{
    size_t floats =
        (size_t)image->channels * (size_t)group->height * (size_t)group->width;
    float *planes = malloc(floats * sizeof *planes);
    Status status = planes ? status_ok()
                           : status_error(STATUS_MEMORY, "no memory for views");
    if (status.code == STATUS_OK)
        status = augment_image(steps, count, image, key, scratch, group->height,
                               group->width, planes);
    if (status.code == STATUS_OK)
        status = plot_image_of_planes(planes, image->channels, group->height,
                                      group->width, view);
    free(planes);
    return status;
}

// One row: the whole image, then its views, each with a line of what was drawn
// for it.
static Status draw_row(const ProgramPhase *phase, const Dataset *data,
                       uint64_t seed, int64_t index, Image *row)
{
    const ViewGroup *first = &phase->groups[0];
    const AugmentStep whole = {AUGMENT_CENTER_CROP, {first->width, 1}};
    char drawn[AUGMENT_TOLD];
    AugmentScratch scratch = {.told = drawn};
    AugmentKey key = {.seed = seed,
                      .phase = random_name(phase->name),
                      .sample = (uint64_t)index};
    Image image;
    int in_group = 0, at = 0;
    TRY(dataset_read(data, SPLIT_TRAIN, index, &image));
    Status status =
        draw_view(&whole, 1, &image, &key, &scratch, first, &row[0]);
    for (int view = 0; view < sheet_views(phase) && status.code == STATUS_OK;
         view++, in_group++) {
        if (at + 1 < phase->group_count && in_group == phase->groups[at].views)
            in_group = 0, at++;
        const ViewGroup *group = &phase->groups[at];
        // Where there is one tensor of views, every view stands for a batch of
        // its own, with its own blur.
        key.view = (uint64_t)view + (phase->group_count == 1);
        key.step = phase->group_count == 1 ? key.view : 0;
        status = draw_view(group->augment, group->augment_count, &image, &key,
                           &scratch, group, &row[view + 1]);
        if (status.code == STATUS_OK)
            printf("%s, view %d: %s\n",
                   dataset_sample_name(data, SPLIT_TRAIN, index), view + 1,
                   drawn);
    }
    augment_scratch_free(&scratch);
    image_free(&image);
    return status;
}

static Status draw_sheet(const ProgramPhase *phase, const Dataset *data,
                         uint64_t seed, const char *path)
{
    enum { MOST = SHEET_IMAGES * (1 + 64) }; // an image has at most 64 views
    static Image images[MOST];
    static const char *captions[MOST] = {"as it is"};
    int columns = 1 + sheet_views(phase);
    int64_t count = dataset_count(data, SPLIT_TRAIN);
    int rows = count < SHEET_IMAGES ? (int)count : SHEET_IMAGES;
    Status status = status_ok();
    RandomStream stream = random_stream(seed, random_name("sheet"), 0, 0, 0);
    for (int r = 0; r < rows && status.code == STATUS_OK; r++)
        status = draw_row(phase, data, seed, random_below(&stream, count),
                          &images[r * columns]);
    if (status.code == STATUS_OK)
        status = plot_sheet(path, images, rows, columns, captions);
    for (int i = 0; i < rows * columns; i++)
        image_free(&images[i]);
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
    options.channels = program->phases[phase].channels;
    Status status = dataset_open(cli->values[OPT_data], &options, &data);
    if (status.code == STATUS_OK)
        status = draw_sheet(&program->phases[phase], data, (uint64_t)seed,
                            cli->values[OPT_output]);
    if (status.code == STATUS_OK)
        cli_note(cli, "%d view%s of each image, as phase %s draws them, in %s",
                 sheet_views(&program->phases[phase]),
                 text_s(sheet_views(&program->phases[phase])),
                 program->phases[phase].name, cli->values[OPT_output]);
    else
        code = cli_fail(cli, &status);
    dataset_free(data);
    program_free(program);
    return code;
}
