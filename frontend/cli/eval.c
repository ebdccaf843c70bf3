// simcc eval: how many of the test images a phase's weights classify right, of
// each class and of all, by its own logits or, with --knn, by its features'
// nearest neighbours.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/class_report.h"
#include "frontend/cli/features.h"
#include "frontend/cli/together.h"
#include "frontend/cli/trained.h"
#include "runtime/base/file.h"
#include "runtime/exec/ranks.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/knn.h"

static Status evaluate(Job *job, const ProgramPhase *phase, ClassReport *report)
{
    char path[RUNDIR_PATH];
    const Cli *cli = job->cli;
    bool begun;
    TrainResult result;
    TRY(job_weights(job, path));
    TRY(class_report_begin(job, phase, report, &begun));
    InferSink sink = class_report_sink(report);
    // A folder that cannot be made is known before minutes of evaluation.
    if (begun && cli_has(cli, OPT_output))
        TRY(file_make_folder(cli->values[OPT_output]));
    TRY(evaluate_phase(job->program, job_phase(job, cli->words[1]), job->data,
                       job->tried, path, &job->options, begun ? &sink : NULL,
                       &result));
    if (result.test_count == 0)
        return status_error(STATUS_DATA, "there was nothing to evaluate");
    result.whole = job->whole;
    if (!begun) {
        job_print_result(job, &result, NULL);
        if (!cli_has(cli, OPT_output))
            return status_ok();
        return status_error(STATUS_FAILED,
                            "nothing is written to %s: there are no scores of "
                            "the data's classes",
                            cli->values[OPT_output]);
    }
    Text json = text_new(cli->arena), text = text_new(cli->arena);
    TRY(class_report_finish(report));
    class_report_json(report, &json);
    class_report_text(report, &text);
    job_print_result(job, &result, text_string(&json));
    if (!cli_has(cli, OPT_json))
        fputs(text_string(&text), stdout);
    fflush(stdout);
    return cli_has(cli, OPT_output) && ranks_index() == 0
               ? class_report_write(report, cli->values[OPT_output],
                                    text_string(&json))
               : status_ok();
}

// "64 training, 16 test and 4 validation images as one set".
static void add_parts(const Dataset *data, Text *text)
{
    int parts = 0, at = 0;
    for (int split = 0; split < SPLIT_COUNT; split++)
        parts += dataset_count(data, (DataSplit)split) > 0;
    for (int split = 0; split < SPLIT_COUNT; split++) {
        int64_t count = dataset_count(data, (DataSplit)split);
        if (!count)
            continue;
        if (at > 0)
            text_add(text, at + 1 < parts ? ", " : " and ");
        at++;
        if (parts == 1)
            text_addf(text, "all %lld", (long long)count);
        else
            text_addf(text, "%lld %s", (long long)count,
                      data_split_word((DataSplit)split));
    }
    text_addf(text, " images%s", parts > 1 ? " as one set" : "");
}

// Copies of training images, and the same ones under other names.
static void warn_copies(const Job *job, unsigned splits)
{
    int noted, found = trained_marked(job, splits, &noted);
    if (found)
        cli_warn(job->cli,
                 arena_printf(job->cli->arena,
                              "the run of these weights trained on images that "
                              "are evaluated: of %d that it noted %d %s among "
                              "them, byte for byte",
                              noted, found, found == 1 ? "is" : "are"));
}

// Says which images are evaluated, where that may not be what is expected; all
// of them are made one part.
static Status choose_images(const Job *job, const ProgramPhase *phase)
{
    const Cli *cli = job->cli;
    uint64_t seed;
    int64_t trained = trained_images(job);
    bool labelled =
        dataset_classes(job->data) > 0 && plan_input(&phase->eval, "labels");
    if (!trained || !job->whole)
        warn_copies(job, job->whole ? ~0u : 1u << job->tried);
    if (!job->whole) {
        if (!trained && job->tried == SPLIT_TEST &&
            dataset_held_out(job->data, &seed) > 0)
            cli_note(cli,
                     "%lld image%s evaluated, those held out: --split "
                     "all takes every one",
                     (long long)dataset_count(job->data, SPLIT_TEST),
                     dataset_count(job->data, SPLIT_TEST) == 1 ? " is"
                                                               : "s are");
        return status_ok();
    }
    Text text = text_new(cli->arena);
    add_parts(job->data, &text);
    TRY(dataset_join_parts(job->data, labelled));
    int64_t left = dataset_count(job->data, SPLIT_TRAIN);
    if (left)
        text_addf(&text, ", without %lld that have no label", (long long)left);
    cli_note(cli, "--split all evaluates %s", text_string(&text));
    if (trained)
        cli_warn(cli, arena_printf(cli->arena,
                                   "the run of these weights had this data: "
                                   "its %lld training images are among those "
                                   "evaluated",
                                   (long long)trained));
    return status_ok();
}

static int eval_phase(Job *job)
{
    ClassReport report = {0};
    const ProgramPhase *phase =
        &job->program->phases[job_phase(job, job->cli->words[1])];
    Status status = choose_images(job, phase);
    if (status.code == STATUS_OK)
        status = evaluate(job, phase, &report);
    class_report_free(&report);
    return status.code == STATUS_OK ? STATUS_OK : cli_fail(job->cli, &status);
}

// ---- nearest neighbours -----------------------------------------------------

static Status check_labels(const Job *job)
{
    if (dataset_classes(job->data) == 0)
        return status_error(STATUS_DATA,
                            "neighbours vote with their labels, and the data "
                            "has none: put each class in a folder of its own");
    if (dataset_several(job->data))
        return status_error(STATUS_DATA,
                            "neighbours vote for one class an image, and the "
                            "data's images may have several: eval without "
                            "--knn, of a phase with labels, has mean average "
                            "precision");
    if (dataset_count(job->data, SPLIT_TRAIN) == 0)
        return status_error(STATUS_DATA, "the training images vote, and the "
                                         "data has none");
    if (dataset_count(job->data, job->tried) == 0)
        return status_error(STATUS_DATA, "there are no %s images",
                            data_split_word(job->tried));
    return status_ok();
}

// Hides the labels of training images that --labels does not choose.
static Status hide_labels(const Features *features, int32_t *labels,
                          int64_t bank)
{
    int64_t *chosen, count, at = 0;
    const Job *job = features->job;
    if (!job->options.labels)
        return status_ok();
    TRY(dataset_select_asked(job->data, job->options.labels, job->options.seed,
                             &chosen, &count));
    for (int64_t i = 0; i < bank; i++) {
        while (at < count && chosen[at] < features->indices[i])
            at++;
        if (at == count || chosen[at] != features->indices[i])
            labels[i] = -1;
    }
    free(chosen);
    return status_ok();
}

static Status classify(const Features *features, KnnProblem *problem,
                       int32_t *labels, KnnResult *result)
{
    const Job *job = features->job;
    int64_t bank = 0, voters = 0;
    while (bank < features->count && features->splits[bank] == SPLIT_TRAIN)
        bank++;
    for (int64_t i = 0; i < features->count; i++)
        labels[i] = features_label(features, i);
    TRY(hide_labels(features, labels, bank));
    for (int64_t i = 0; i < bank; i++)
        voters += labels[i] >= 0;
    problem->bank = (KnnRows){features->rows, labels, bank};
    problem->queries = (KnnRows){features->rows + bank * features->width,
                                 labels + bank, features->count - bank};
    problem->width = features->width;
    problem->classes = dataset_classes(job->data);
    problem->k = problem->k < voters ? problem->k : (int)voters;
    Pool *pool = pool_new(job->options.threads);
    if (!pool)
        return status_error(STATUS_MEMORY, "no memory for threads");
    Status status = knn_classify(problem, pool, NULL, result);
    pool_free(pool);
    return status;
}

static void print_knn(const Features *features, const KnnProblem *problem,
                      const KnnResult *result)
{
    const Cli *cli = features->job->cli;
    if (cli_has(cli, OPT_json))
        printf("{\"phase\":\"%s\",\"value\":\"%s\",\"top1\":%.17g,"
               "\"top1_plain\":%.17g,\"neighbours\":%d,\"tau\":%g,"
               "\"test_count\":%lld}\n",
               cli->words[1], features->value->name, result->weighted,
               result->plain, problem->k, problem->tau,
               (long long)result->counted);
    else
        printf("%s: nearest neighbours by %s: top1 %.4f, by a plain vote %.4f  "
               "(%d neighbour%s, tau %g, %lld image%s)\n",
               cli->words[1], features->value->name, result->weighted,
               result->plain, problem->k, text_s(problem->k), problem->tau,
               (long long)result->counted, text_s(result->counted));
}

static Status eval_neighbours(Job *job, Features *features)
{
    int64_t neighbours;
    KnnResult result;
    KnnProblem problem = {0};
    const Cli *cli = job->cli;
    TRY(cli_whole(cli, OPT_neighbours, KNN_K, 1, 1000000, &neighbours));
    TRY(cli_number(cli, OPT_tau, KNN_TAU, 1e-4, 1e4, &problem.tau));
    TRY(check_labels(job));
    problem.k = (int)neighbours;
    TRY(features_collect(job, 1u << SPLIT_TRAIN | 1u << job->tried, 0,
                         features));
    int32_t *labels = calloc((size_t)features->count, sizeof *labels);
    if (!labels)
        return status_error(STATUS_MEMORY, "no memory for labels");
    Status status = classify(features, &problem, labels, &result);
    free(labels);
    TRY(status);
    if (features->unreadable)
        cli_warn(cli, arena_printf(cli->arena,
                                   "%lld image%s cannot be read: left out",
                                   (long long)features->unreadable,
                                   text_s(features->unreadable)));
    job_clear_line(job);
    print_knn(features, &problem, &result);
    return status_ok();
}

static DataSplit tried_part(const Cli *cli)
{
    const char *name = cli->values[OPT_split];
    return name && strcmp(name, "valid") == 0 ? SPLIT_VALID : SPLIT_TEST;
}

static int eval_knn(Job *job, Cli *cli)
{
    Features features = {0};
    Status status = eval_neighbours(job, &features);
    features_free(&features);
    return status.code == STATUS_OK ? STATUS_OK : cli_fail(cli, &status);
}

// ---- both -------------------------------------------------------------------

// What says nothing without --knn.
static Status check_options(const Cli *cli)
{
    static const OptionId of_knn[] = {OPT_labels, OPT_neighbours, OPT_tau};
    for (int i = 0; i < 3 && !cli_has(cli, OPT_knn); i++)
        if (cli_has(cli, of_knn[i]))
            return status_error(STATUS_USAGE, "--%s goes with --knn",
                                option_table[of_knn[i]].name);
    if (cli_has(cli, OPT_output) && cli_has(cli, OPT_knn))
        return status_error(STATUS_USAGE,
                            "-o writes numbers of each class, which --knn has "
                            "not: leave one of them out");
    const char *split = cli_has(cli, OPT_split) ? cli->values[OPT_split] : "";
    bool all = strcmp(split, "all") == 0;
    if (*split && tried_part(cli) == SPLIT_TEST && !all &&
        strcmp(split, "test") != 0)
        return status_error(STATUS_USAGE,
                            "eval's --split is test, valid or all, and not "
                            "'%s'",
                            split);
    if (all && cli_has(cli, OPT_knn))
        return status_error(STATUS_USAGE,
                            "with --knn the training images vote for the "
                            "others: --split all leaves no others");
    if (all && (cli_has(cli, OPT_held_out) || cli_has(cli, OPT_validate)))
        return status_error(STATUS_USAGE,
                            "--split all evaluates every image: --held-out and "
                            "--validate say nothing of it");
    if (!cli_has(cli, OPT_weights) && !cli_has(cli, OPT_out))
        return status_error(STATUS_USAGE,
                            "say which weights: --weights FILE, or the run "
                            "directory: --out DIR");
    return status_ok();
}

int command_eval(Cli *cli)
{
    Job job = {0};
    bool knn = cli_has(cli, OPT_knn);
    const char *value = cli_has(cli, OPT_value) ? cli->values[OPT_value] : "h";
    CLI_TRY(cli, check_options(cli));
    CLI_TRY(cli, together_begin(cli));
    int code = knn ? job_open_value(&job, cli, value) : job_open(&job, cli);
    job.tried = tried_part(cli);
    code = together_agree(cli, code);
    if (code == STATUS_OK)
        code = together_end(knn ? eval_knn(&job, cli) : eval_phase(&job));
    else
        ranks_close();
    job_close(&job);
    return code;
}
