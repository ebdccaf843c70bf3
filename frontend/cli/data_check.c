// simcc data check: what in a set would spoil training or its numbers.
#include "frontend/cli/job.h"
#include "runtime/data/dataset_check.h"

// Lines of one kind before the rest is only counted.
enum { SHOWN = 40 };

static const char *const kind_names[FINDING_KINDS] = {
    [FINDING_UNREADABLE] = "unreadable",
    [FINDING_TINY] = "tiny",
    [FINDING_GREY] = "grey",
    [FINDING_IDENTICAL] = "identical",
    [FINDING_NEAR] = "near",
    [FINDING_MOVED] = "moved",
};

// ---- for people -------------------------------------------------------------

static const char *pair_note(const Finding *finding)
{
    if (finding->leak && finding->across)
        return "  (training and test, in two classes)";
    return finding->leak     ? "  (training and test)"
           : finding->across ? "  (in two classes)"
                             : "";
}

static void print_finding(const Finding *finding, Arena *arena)
{
    const char *other =
        finding->other ? cli_plain(arena, finding->other) : NULL;
    printf("%-10s  %s", kind_names[finding->kind],
           cli_plain(arena, finding->name));
    switch (finding->kind) {
    case FINDING_UNREADABLE:
        printf(": %s", finding->reason);
        break;
    case FINDING_TINY:
        printf(": %d x %d pixels", finding->width, finding->height);
        break;
    case FINDING_IDENTICAL:
        printf(" = %s%s", other, pair_note(finding));
        break;
    case FINDING_NEAR:
    case FINDING_MOVED:
        printf(" ~ %s%s", other, pair_note(finding));
        break;
    default:
        break;
    }
    putchar('\n');
}

static void print_findings(const DataCheck *check, Arena *arena)
{
    int64_t shown[FINDING_KINDS] = {0};
    for (int64_t i = 0; i < check->count; i++) {
        const Finding *finding = &check->findings[i];
        int64_t all = check->counts[finding->kind];
        int64_t now = ++shown[finding->kind];
        if (now <= SHOWN)
            print_finding(finding, arena);
        else if (now == all)
            printf("%-10s  and %lld more; --json lists them all\n",
                   kind_names[finding->kind], (long long)(all - SHOWN));
    }
}

static void print_balance(const Dataset *data, const DataCheck *check,
                          Arena *arena)
{
    if (dataset_check_unbalanced(check))
        printf(
            "imbalance   %s has %lld training image%s, %s has %lld: accuracy "
            "will speak of the large classes\n",
            cli_plain(arena, dataset_class_name(data, check->largest)),
            (long long)check->largest_count, text_s(check->largest_count),
            cli_plain(arena, dataset_class_name(data, check->smallest)),
            (long long)check->smallest_count);
}

static void print_summary(const DataCheck *check)
{
    printf("%lld image%s:", (long long)check->images, text_s(check->images));
    for (int kind = 0; kind < FINDING_KINDS; kind++)
        printf("%s %lld %s", kind ? "," : "", (long long)check->counts[kind],
               kind_names[kind]);
    printf("; %lld pair%s in two classes or in training and test\n",
           (long long)check->crossing, text_s(check->crossing));
}

// ---- JSON -------------------------------------------------------------------

static void add_finding(Text *text, const Finding *finding)
{
    text_add(text, "{\"name\":");
    text_add_json(text, finding->name);
    if (finding->reason) {
        text_add(text, ",\"reason\":");
        text_add_json(text, finding->reason);
    }
    if (finding->kind == FINDING_TINY)
        text_addf(text, ",\"width\":%d,\"height\":%d", finding->width,
                  finding->height);
    if (finding->other) {
        text_add(text, ",\"other\":");
        text_add_json(text, finding->other);
        text_addf(text, ",\"two_classes\":%s,\"training_and_test\":%s",
                  finding->across ? "true" : "false",
                  finding->leak ? "true" : "false");
    }
    if (finding->kind == FINDING_NEAR)
        text_addf(text, ",\"distance\":%.2f", finding->distance);
    text_add(text, "}");
}

static void add_class(Text *text, const Dataset *data, const char *key,
                      int label, int64_t count)
{
    text_addf(text, ",\"%s\":{\"name\":", key);
    text_add_json(text, dataset_class_name(data, label));
    text_addf(text, ",\"training\":%lld}", (long long)count);
}

static void print_json(const Dataset *data, const DataCheck *check,
                       Arena *arena)
{
    Text text = text_new(arena);
    text_addf(&text, "{\"images\":%lld,\"bad\":%s,\"crossing\":%lld",
              (long long)check->images,
              dataset_check_bad(check) ? "true" : "false",
              (long long)check->crossing);
    for (int kind = 0; kind < FINDING_KINDS; kind++) {
        bool first = true;
        text_addf(&text, ",\"%s\":[", kind_names[kind]);
        for (int64_t i = 0; i < check->count; i++) {
            if ((int)check->findings[i].kind != kind)
                continue;
            text_add(&text, first ? "" : ",");
            add_finding(&text, &check->findings[i]);
            first = false;
        }
        text_add(&text, "]");
    }
    if (check->largest >= 0) {
        add_class(&text, data, "largest", check->largest, check->largest_count);
        add_class(&text, data, "smallest", check->smallest,
                  check->smallest_count);
    }
    text_addf(&text, ",\"unbalanced\":%s}",
              dataset_check_unbalanced(check) ? "true" : "false");
    puts(text_string(&text));
}

// ---- command ----------------------------------------------------------------

// The set is taken as it lies: what a seed would hold out is no part of it.
int command_data_check(Cli *cli)
{
    DataOptions options = {.cache_bytes = -1};
    Dataset *data;
    DataCheck check;
    CLI_TRY(cli, dataset_open(cli->words[0], &options, &data));
    job_tell_notes(cli, cli->words[0], data);
    Status status = dataset_check(data, &check);
    if (status.code != STATUS_OK) {
        dataset_free(data);
        return cli_fail(cli, &status);
    }
    if (cli_has(cli, OPT_json)) {
        print_json(data, &check, cli->arena);
    } else {
        printf("%s\n", dataset_description(data));
        print_findings(&check, cli->arena);
        print_balance(data, &check, cli->arena);
        print_summary(&check);
    }
    int code = dataset_check_bad(&check) ? STATUS_DATA : STATUS_OK;
    dataset_check_free(&check);
    dataset_free(data);
    return code;
}
