// What -o and --trace may not write over: a file that the same command reads,
// one that a run needs to go on, and a picture of the data. All of these are
// somebody's work, and a name given by mistake or by completion would end it.
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "frontend/cli/cli.h"
#include "runtime/base/file.h"
#include "runtime/data/image.h"

static bool is_file(const char *path, struct stat *info)
{
    return stat(path, info) == 0 && S_ISREG(info->st_mode);
}

// As what the command line has it read; NULL = it does not.
static const char *reader_of(const Cli *cli, const char *path)
{
    static const OptionId read[] = {OPT_data, OPT_weights, OPT_init,
                                    OPT_init_map, OPT_labels};
    // fmt is there to write over programs.
    if (strncmp(cli->command->usage, "FILE", 4) == 0 &&
        cli->command->run != command_fmt && cli->word_count &&
        file_is_same(path, cli->words[0]))
        return "the program";
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        if (cli_has(cli, read[i]) && file_is_same(path, cli->values[read[i]]))
            return arena_printf(cli->arena, "what --%s reads",
                                option_table[read[i]].name);
    return NULL;
}

static bool has_file(Arena *arena, const char *folder, const char *name)
{
    struct stat info;
    return is_file(arena_printf(arena, "%s/%s", folder, name), &info);
}

// A run's folder has `about`, that of a phase within it `state`.
static bool is_of_run(Arena *arena, const char *real)
{
    static const char *const of_run[] = {"about", "command", "log",
                                         "metrics.jsonl", "model.net"};
    static const char *const of_phase[] = {"state",
                                           "ways",
                                           "model.net",
                                           "model.safetensors",
                                           "best.safetensors",
                                           "checkpoint*.safetensors"};
    const char *name = strrchr(real, '/') + 1;
    const char *folder = arena_strndup(arena, real, (size_t)(name - real - 1));
    const char *above = arena_printf(arena, "%s/..", folder);
    bool phase =
        has_file(arena, folder, "state") && has_file(arena, above, "about");
    for (size_t i = 0; phase && i < sizeof of_phase / sizeof *of_phase; i++)
        if (fnmatch(of_phase[i], name, 0) == 0)
            return true;
    bool run =
        has_file(arena, folder, "about") && has_file(arena, folder, "command");
    for (size_t i = 0; run && i < sizeof of_run / sizeof *of_run; i++)
        if (strcmp(of_run[i], name) == 0)
            return true;
    return false;
}

// A PNG or JPEG below the folder of the data that simcc has not drawn itself.
static bool is_picture_of_data(const Cli *cli, const char *real)
{
    enum { MOST = 1 << 30 };
    const char *data = cli->values[OPT_data], *dot = strrchr(real, '.');
    char place[PATH_MAX], *bytes = NULL;
    int64_t size = 0;
    if (!data || !realpath(data, place) || !dot ||
        (strcasecmp(dot, ".png") && strcasecmp(dot, ".jpg") &&
         strcasecmp(dot, ".jpeg")))
        return false;
    size_t length = strlen(place);
    if (strncmp(real, place, length) != 0 || real[length] != '/' ||
        file_read(real, MOST, &bytes, &size).code != STATUS_OK)
        return false;
    bool drawn = image_is_drawn((const uint8_t *)bytes, size);
    free(bytes);
    return !drawn;
}

Status cli_check_target(const Cli *cli, const char *path)
{
    char real[PATH_MAX];
    struct stat info;
    if (!is_file(path, &info) || !realpath(path, real))
        return status_ok();
    const char *reader = reader_of(cli, path);
    if (reader)
        return status_error(STATUS_USAGE,
                            "%s is %s, which would be written over: give "
                            "another name",
                            path, reader);
    if (is_of_run(cli->arena, real))
        return status_error(STATUS_USAGE,
                            "%s is a file of a run, which would not be there "
                            "any more: give another name",
                            path);
    if (is_picture_of_data(cli, real))
        return status_error(STATUS_USAGE,
                            "%s is an image of the data, which would be "
                            "written over: give another name",
                            path);
    return status_ok();
}
