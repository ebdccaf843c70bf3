// simcc data split: lists of the images whose labels a run may see.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cli/job.h"
#include "runtime/base/file.h"
#include "runtime/data/data.h"

static Status list_names(const Dataset *data, const int64_t *indices,
                         int64_t count, Text *text)
{
    for (int64_t i = 0; i < count; i++) {
        const char *name = dataset_sample_name(data, SPLIT_TRAIN, indices[i]);
        if (strpbrk(name, "\r\n"))
            return status_error(STATUS_DATA,
                                "a list has one name a line, and the name of "
                                "image %lld, %s, has more",
                                (long long)indices[i], name);
        text_add(text, name);
        text_add(text, "\n");
    }
    return status_ok();
}

static const char *split_path(const Cli *cli, int64_t seed)
{
    return arena_printf(cli->arena, "%s/split-%lld.txt",
                        cli->values[OPT_output], (long long)seed);
}

// The same images that `labels = amount` means under this seed.
static Status write_split(Cli *cli, const Dataset *data, int64_t amount,
                          int64_t seed)
{
    int64_t *indices, count;
    Text text = text_new(cli->arena);
    const char *path = split_path(cli, seed);
    TRY(dataset_select(data, SOURCE_LABELED, LABELS_PER_CLASS, (double)amount,
                       (uint64_t)seed, &indices, &count));
    Status status = list_names(data, indices, count, &text);
    free(indices);
    if (status.code == STATUS_OK)
        status = file_write(path, text_string(&text), (int64_t)text.length);
    if (status.code == STATUS_OK)
        cli_note(cli, "%s: %lld image%s", path, (long long)count,
                 text_s(count));
    return status;
}

static Status write_splits(Cli *cli, const Dataset *data, int64_t amount,
                           int64_t seeds)
{
    TRY(file_make_folder(cli->values[OPT_output]));
    for (int64_t seed = 0; seed < seeds; seed++)
        TRY(write_split(cli, data, amount, seed));
    if (access(split_path(cli, seeds), F_OK) == 0)
        cli_warn(cli, arena_printf(cli->arena,
                                   "%s is there from an earlier call, of as "
                                   "many labels as that one chose",
                                   split_path(cli, seeds)));
    return status_ok();
}

int command_data_split(Cli *cli)
{
    DataOptions options = {.cache_bytes = -1};
    Dataset *data;
    int64_t amount, seeds, seed;
    CLI_TRY(cli, cli_whole(cli, OPT_per_class, 10, 1, 1000000000, &amount));
    CLI_TRY(cli, cli_whole(cli, OPT_seeds, 5, 1, 10000, &seeds));
    CLI_TRY(cli, cli_whole(cli, OPT_seed, 0, 0, INT64_MAX, &seed));
    options.test_asked = cli_has(cli, OPT_held_out);
    CLI_TRY(cli, cli_share(cli, OPT_held_out, 0.2, 0, &options.test_fraction));
    CLI_TRY(cli, cli_share(cli, OPT_validate, 0, LEAST_SHARE,
                           &options.valid_fraction));
    if (!cli_has(cli, OPT_output)) {
        Status status = status_error(
            STATUS_USAGE, "say which folder the lists go to: -o FOLDER");
        return cli_fail(cli, &status);
    }
    options.seed = (uint64_t)seed;
    CLI_TRY(cli, dataset_open(cli->words[0], &options, &data));
    Status status = write_splits(cli, data, amount, seeds);
    if (status.code != STATUS_OK) {
        dataset_free(data);
        return cli_fail(cli, &status);
    }
    if (cli_has(cli, OPT_seed))
        cli_note(cli,
                 "--seed %lld draws what is held out where the data has no "
                 "part for it; the lists are of seeds 0 to %lld, as --seeds "
                 "says",
                 (long long)seed, (long long)(seeds - 1));
    cli_note(cli, "%s", dataset_description(data));
    job_tell_notes(cli, cli->words[0], data);
    // The lists are of the training images of this seed and these parts.
    static const OptionId kept[] = {OPT_seed, OPT_held_out, OPT_validate};
    Text given = text_new(cli->arena);
    cli_add_given(cli, kept, sizeof kept / sizeof *kept, &given);
    cli_note(cli,
             "next: simcc run FILE PHASE --data %s --labels "
             "%s/split-0.txt --out run%s",
             cli->words[0], cli->values[OPT_output], text_string(&given));
    dataset_free(data);
    return STATUS_OK;
}
