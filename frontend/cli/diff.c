// simcc diff: what differs between two programs, as numbers.
#include <string.h>

#include "frontend/cli/summary.h"

// A line of the comparison: a number or a text of both; NULL = not there.
typedef struct Change {
    const char *what, *part; // "layer1.0", "trainable"
    const char *one, *two;
} Change;

typedef struct Diff {
    Cli *cli;
    Arena *arena;
    Compiler compilers[2];
    const char *phase; // whose changes are listed now; NULL = the program's
    VEC(Change) changes;
    Text json;
    int found;
} Diff;

static void add_change(Diff *diff, const char *what, const char *part,
                       const char *one, const char *two)
{
    Change change = {what, part, one, two};
    if (one != two && !(one && two && strcmp(one, two) == 0))
        vec_push(diff->arena, &diff->changes, change);
}

static void add_numbers(Diff *diff, const char *what, const char *part,
                        int64_t one, int64_t two)
{
    if (one != two)
        add_change(diff, what, part, summary_number(diff->arena, one),
                   summary_number(diff->arena, two));
}

// ---- settings ---------------------------------------------------------------

static const ExperimentParam *find_param(const ExperimentParam *params,
                                         int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(params[i].name, name) == 0)
            return &params[i];
    return NULL;
}

// Of those whose names begin with `prefix`, which is left out.
static void compare_params(Diff *diff, const char *prefix, const char *part,
                           const ExperimentParam *one, int one_count,
                           const ExperimentParam *two, int two_count)
{
    size_t length = strlen(prefix);
    for (int i = 0; i < one_count; i++) {
        const ExperimentParam *other = find_param(two, two_count, one[i].name);
        if (strncmp(one[i].name, prefix, length) == 0)
            add_change(diff, one[i].name + length, part, one[i].value,
                       other ? other->value : NULL);
    }
    for (int i = 0; i < two_count; i++)
        if (strncmp(two[i].name, prefix, length) == 0 &&
            !find_param(one, one_count, two[i].name))
            add_change(diff, two[i].name + length, part, NULL, two[i].value);
}

// ---- nets -------------------------------------------------------------------

static const SummaryRow *find_row(const Summary *summary, const char *scope)
{
    for (int i = 0; i < summary->rows.count; i++)
        if (strcmp(summary->rows.at[i].scope, scope) == 0)
            return &summary->rows.at[i];
    return NULL;
}

static void compare_rows(Diff *diff, const SummaryRow *one,
                         const SummaryRow *two)
{
    static const SummaryRow none;
    const char *name = one ? one->scope : two->scope;
    if (!one || !two)
        add_change(diff, name, "block", one ? "there" : NULL,
                   two ? "there" : NULL);
    else
        add_change(diff, name, "output", one->shape, two->shape);
    one = one ? one : &none;
    two = two ? two : &none;
    add_numbers(diff, name, "trainable", one->trainable, two->trainable);
    if (one->with_state - one->trainable != two->with_state - two->trainable)
        add_numbers(diff, name, "with state", one->with_state, two->with_state);
    add_numbers(diff, name, "mult-adds/image", one->macs, two->macs);
}

static void compare_nets(Diff *diff, const Summary *one, const Summary *two)
{
    for (int i = 0; i < one->rows.count; i++)
        compare_rows(diff, &one->rows.at[i],
                     find_row(two, one->rows.at[i].scope));
    for (int i = 0; i < two->rows.count; i++)
        if (!find_row(one, two->rows.at[i].scope))
            compare_rows(diff, NULL, &two->rows.at[i]);
    SummaryRow a = summary_sum(one, NULL), b = summary_sum(two, NULL);
    a.scope = b.scope = "all";
    compare_rows(diff, &a, &b);
    add_numbers(diff, "loss and reports", "mult-adds/image",
                summary_loose_macs(one), summary_loose_macs(two));
    add_numbers(diff, "memory of a step", "bytes", summary_bytes(one),
                summary_bytes(two));
}

// ---- printing ---------------------------------------------------------------

static void print_json_text(Text *json, const char *text)
{
    if (text)
        text_add_json(json, text);
    else
        text_add(json, "null");
}

// The changes of the program, or of one phase, and forgets them.
static void print_changes(Diff *diff)
{
    bool json = cli_has(diff->cli, OPT_json);
    if (diff->changes.count && !json)
        printf("%s%s%s\n", diff->found ? "\n" : "",
               diff->phase ? "phase " : "program",
               diff->phase ? diff->phase : "");
    for (int i = 0; i < diff->changes.count; i++) {
        const Change *c = &diff->changes.at[i];
        diff->found++;
        if (!json) {
            printf("  %-24s %-16s %s -> %s\n", c->what, c->part,
                   c->one ? c->one : "none", c->two ? c->two : "none");
            continue;
        }
        text_add(&diff->json,
                 diff->found > 1 ? ",\n {\"phase\":" : "\n {\"phase\":");
        print_json_text(&diff->json, diff->phase);
        text_add(&diff->json, ",\"name\":");
        text_add_json(&diff->json, c->what);
        text_add(&diff->json, ",\"what\":");
        text_add_json(&diff->json, c->part);
        text_add(&diff->json, ",\"old\":");
        print_json_text(&diff->json, c->one);
        text_add(&diff->json, ",\"new\":");
        print_json_text(&diff->json, c->two);
        text_add(&diff->json, "}");
    }
    diff->changes.count = 0;
}

// ---- phases -----------------------------------------------------------------

static const ExperimentPhase *find_phase(const Experiment *experiment,
                                         const char *name)
{
    for (int i = 0; i < experiment->phases.count; i++)
        if (strcmp(experiment->phases.at[i].name, name) == 0)
            return &experiment->phases.at[i];
    return NULL;
}

static Status compare_phase(Diff *diff, const ExperimentPhase *one,
                            const ExperimentPhase *two)
{
    const Experiment *a = diff->compilers[0].experiment,
                     *b = diff->compilers[1].experiment;
    diff->phase = one ? one->name : two->name;
    if (!compiler_wants(&diff->compilers[0], diff->phase))
        return status_ok();
    if (!one || !two) {
        add_change(diff, diff->phase, "phase", one ? "there" : NULL,
                   two ? "there" : NULL);
    } else {
        Summary of_one, of_two;
        TRY(summary_of(&diff->compilers[0], one, &of_one));
        TRY(summary_of(&diff->compilers[1], two, &of_two));
        add_change(diff, "from", "start", one->from, two->from);
        add_change(diff, "teacher", "phase", one->teacher, two->teacher);
        compare_params(diff, arena_printf(diff->arena, "%s.", diff->phase),
                       "setting", a->settings.at, a->settings.count,
                       b->settings.at, b->settings.count);
        compare_nets(diff, &of_one, &of_two);
    }
    print_changes(diff);
    return status_ok();
}

static Status compare_programs(Diff *diff)
{
    const Experiment *a = diff->compilers[0].experiment,
                     *b = diff->compilers[1].experiment;
    compare_params(diff, "", "parameter", a->params.at, a->params.count,
                   b->params.at, b->params.count);
    print_changes(diff);
    for (int i = 0; i < a->phases.count; i++)
        TRY(compare_phase(diff, &a->phases.at[i],
                          find_phase(b, a->phases.at[i].name)));
    for (int i = 0; i < b->phases.count; i++)
        if (!find_phase(a, b->phases.at[i].name))
            TRY(compare_phase(diff, NULL, &b->phases.at[i]));
    return status_ok();
}

// A phase that neither program has is a mistake; one of them may lack it.
static Status check_phase(const Diff *diff)
{
    Status one = compiler_check_names(&diff->compilers[0]);
    Status two = compiler_check_names(&diff->compilers[1]);
    return two.code == STATUS_OK ? two : one;
}

int command_diff(Cli *cli)
{
    Diff diff = {.cli = cli, .arena = cli->arena};
    diff.json = text_new(cli->arena);
    for (int i = 0; i < 2; i++) {
        CLI_TRY(cli, compiler_open(&diff.compilers[i], cli));
        diff.compilers[i].path = cli->words[i];
        bool good = compiler_load(&diff.compilers[i]);
        diag_print(&diff.compilers[i].diags, stderr, cli->color);
        if (!good)
            return STATUS_SOURCE;
    }
    CLI_TRY(cli, check_phase(&diff));
    CLI_TRY(cli, compare_programs(&diff));
    if (cli_has(cli, OPT_json))
        printf("[%s\n]\n", text_string(&diff.json));
    else if (diff.found == 0)
        printf("no differences\n");
    return STATUS_OK;
}
