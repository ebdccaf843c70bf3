// simcc data info, simcc data synth.
#include <stdlib.h>

#include "frontend/cli/compiler.h"
#include "runtime/data/data.h"
#include "runtime/data/synth.h"

// ---- info -------------------------------------------------------------------

// Images of each class in each part, [SPLIT_COUNT][classes].
static int64_t *count_classes(const Dataset *data, Arena *arena)
{
    int classes = dataset_classes(data);
    int64_t *counts =
        ARENA_ARRAY(arena, int64_t, (size_t)SPLIT_COUNT * (size_t)classes + 1);
    for (int split = 0; split < SPLIT_COUNT; split++)
        for (int64_t i = 0; i < dataset_count(data, (DataSplit)split); i++) {
            const int32_t *of;
            int count = dataset_labels(data, (DataSplit)split, i, &of);
            for (int k = 0; k < count; k++)
                counts[split * classes + of[k]]++;
        }
    return counts;
}

static void print_info(const Dataset *data, Arena *arena)
{
    int classes = dataset_classes(data);
    const int64_t *counts = count_classes(data, arena);
    const DataSkip *skips;
    int skipped = dataset_skips(data, &skips);
    bool valid = dataset_count(data, SPLIT_VALID) > 0;
    printf("%s\n", dataset_description(data));
    if (dataset_classes(data))
        printf("\n%10s %10s%s  class\n", "training", "test",
               valid ? " validation" : "");
    for (int i = 0; i < classes; i++) {
        printf("%10lld %10lld", (long long)counts[SPLIT_TRAIN * classes + i],
               (long long)counts[SPLIT_TEST * classes + i]);
        if (valid)
            printf(" %10lld", (long long)counts[SPLIT_VALID * classes + i]);
        printf("  %s\n", cli_plain(arena, dataset_class_name(data, i)));
    }
    char *const *notes;
    int note_count = dataset_notes(data, &notes);
    for (int i = 0; i < note_count; i++)
        printf("%s%s\n", i ? "" : "\n", cli_plain(arena, notes[i]));
    if (skipped)
        printf("\nleft out:\n");
    for (int i = 0; i < skipped; i++)
        printf("  %s: %s\n", cli_plain(arena, skips[i].path), skips[i].reason);
}

static void print_info_json(const Dataset *data, Arena *arena)
{
    Text text = text_new(arena);
    const DataSkip *skips;
    int skipped = dataset_skips(data, &skips);
    text_addf(&text,
              "{\"training\":%lld,\"test\":%lld,\"validation\":%lld,"
              "\"description\":",
              (long long)dataset_count(data, SPLIT_TRAIN),
              (long long)dataset_count(data, SPLIT_TEST),
              (long long)dataset_count(data, SPLIT_VALID));
    text_add_json(&text, dataset_description(data));
    text_add(&text, ",\"classes\":[");
    int classes = dataset_classes(data);
    const int64_t *counts = count_classes(data, arena);
    for (int i = 0; i < classes; i++) {
        text_addf(&text, "%s{\"name\":", i ? "," : "");
        text_add_json(&text, dataset_class_name(data, i));
        text_addf(&text,
                  ",\"training\":%lld,\"test\":%lld,\"validation\":%lld}",
                  (long long)counts[SPLIT_TRAIN * classes + i],
                  (long long)counts[SPLIT_TEST * classes + i],
                  (long long)counts[SPLIT_VALID * classes + i]);
    }
    text_add(&text, "],\"left_out\":[");
    for (int i = 0; i < skipped; i++) {
        text_addf(&text, "%s{\"path\":", i ? "," : "");
        text_add_json(&text, skips[i].path);
        text_add(&text, ",\"reason\":");
        text_add_json(&text, skips[i].reason);
        text_add(&text, "}");
    }
    char *const *notes;
    int note_count = dataset_notes(data, &notes);
    text_add(&text, "],\"notes\":[");
    for (int i = 0; i < note_count; i++) {
        text_add(&text, i ? "," : "");
        text_add_json(&text, notes[i]);
    }
    text_add(&text, "]}");
    puts(text_string(&text));
}

int command_data_info(Cli *cli)
{
    DataOptions options = {.index = compiler_index_folder(cli),
                           .tests_alone = true};
    Dataset *data;
    int64_t seed;
    CLI_TRY(cli, cli_whole(cli, OPT_seed, 0, 0, INT64_MAX, &seed));
    options.test_asked = cli_has(cli, OPT_held_out);
    CLI_TRY(cli, cli_share(cli, OPT_held_out, 0.2, 0, &options.test_fraction));
    CLI_TRY(cli, cli_share(cli, OPT_validate, 0, LEAST_SHARE,
                           &options.valid_fraction));
    options.seed = (uint64_t)seed;
    CLI_TRY(cli, dataset_open(cli->words[0], &options, &data));
    if (cli_has(cli, OPT_json))
        print_info_json(data, cli->arena);
    else
        print_info(data, cli->arena);
    dataset_free(data);
    return STATUS_OK;
}

// ---- synth ------------------------------------------------------------------

int command_data_synth(Cli *cli)
{
    int64_t classes, per_class, size, seed;
    CLI_TRY(cli,
            cli_whole(cli, OPT_classes, 8, 2, SYNTH_MAX_CLASSES, &classes));
    CLI_TRY(cli, cli_whole(cli, OPT_per_class, 250, 1, 99999, &per_class));
    CLI_TRY(cli, cli_whole(cli, OPT_size, 32, 16, 512, &size));
    CLI_TRY(cli, cli_whole(cli, OPT_seed, 0, 0, INT64_MAX, &seed));
    SynthOptions options = {
        .classes = (int)classes,
        .size = (int)size,
        .train = (int)per_class,
        .test = (int)(per_class + 4) / 5,
        .seed = (uint64_t)seed,
    };
    CLI_TRY(cli, synth_write(cli->words[0], &options));
    cli_note(cli,
             "%s: %d classes of %d training and %d test image%s, %dx%d pixels",
             cli->words[0], options.classes, options.train, options.test,
             text_s(options.test), options.size, options.size);
    cli_note(cli, "next: simcc run models/quickstart.net --data %s --out run",
             cli->words[0]);
    return STATUS_OK;
}
