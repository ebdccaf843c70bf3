// simcc embed: a value of each image as rows of a NumPy array.
// simcc predict: the class of each image, as a table; of images that standard
// input names, as they come.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cli/class_report.h"
#include "frontend/cli/csv.h"
#include "frontend/cli/job.h"
#include "frontend/cli/together.h"
#include "runtime/base/file.h"
#include "runtime/base/lines.h"
#include "runtime/data/class_names.h"
#include "runtime/exec/ranks.h"
#include "runtime/files/model.h"
#include "runtime/files/npy.h"
#include "runtime/train/class_metrics.h"
#include "runtime/train/infer.h"

typedef VEC(const char *) Names;

typedef struct ScoredClass {
    double score;
    int class;
} ScoredClass;

typedef struct Table {
    const Job *job;
    const PlanTensor *value;
    int64_t width; // elements of a row
    FileWriter npy, csv;
    bool has_npy, has_csv;
    const char **classes; // names of the columns of a prediction
    double *row;          // [width]
    int top; // write so many classes of each image, the most probable first; 0
             // = all, a column each
    ScoredClass *ranked; // [width]
    int64_t count, unreadable, not_finite;
    int64_t shares;      // rows that are probabilities already
    const Dataset *data; // that the rows are of
    bool several;        // predicts several classes an image
    char mark;           // that parts their names
    Text names;          // of one image
} Table;

// ---- rows -------------------------------------------------------------------

// The row as doubles; NaN for an image that cannot be read.
static void take_row(Table *table, const void *values)
{
    for (int64_t i = 0; i < table->width; i++)
        table->row[i] = !values ? NAN
                        : table->value->dtype == PLAN_F64
                            ? ((const double *)values)[i]
                            : (double)((const float *)values)[i];
    table->count++;
    table->unreadable += !values;
}

static void put_npy_row(Table *table)
{
    for (int64_t i = 0; i < table->width; i++) {
        float single = (float)table->row[i];
        if (table->value->dtype == PLAN_F64)
            file_put(&table->npy, &table->row[i], 8);
        else
            file_put(&table->npy, &single, 4);
    }
}

// The classes that the data says an image has; nothing where it says none.
static void put_truth(Table *table, DataSplit split, int64_t index)
{
    const int32_t *classes;
    int count = dataset_labels(table->data, split, index, &classes);
    Text *text = &table->names;
    text->length = 0;
    text_add(text, "");
    for (int i = 0; i < count; i++)
        text_addf(text, "%.*s%s", i > 0, &table->mark,
                  dataset_class_name(table->data, classes[i]));
    if (count == 0)
        text_addf(text, "%c", table->mark);
    csv_field(&table->csv, text_string(text));
}

// Every image has a row, so that they stay in step with the data set.
static Status embed_row(void *context, DataSplit split, int64_t index,
                        const void *values)
{
    Table *table = context;
    const Dataset *data = table->job->data;
    take_row(table, values);
    put_npy_row(table);
    if (!table->has_csv)
        return status_ok();
    csv_field(&table->csv, dataset_sample_name(data, split, index));
    csv_text(&table->csv, ",");
    put_truth(table, split, index);
    for (int64_t i = 0; i < table->width; i++)
        csv_number(&table->csv, table->row[i],
                   table->value->dtype == PLAN_F64 ? 17 : 9);
    csv_text(&table->csv, "\n");
    return status_ok();
}

// On processes but 0, which writes the files.
static Status ignore_row(void *context, DataSplit split, int64_t index,
                         const void *values)
{
    (void)context, (void)split, (void)index, (void)values;
    return status_ok();
}

static int by_score(const void *a, const void *b)
{
    const ScoredClass *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->class - y->class;
}

// The most probable classes first, of equals the earlier.
static void rank_classes(Table *table)
{
    for (int c = 0; c < table->width; c++)
        table->ranked[c] = (ScoredClass){table->row[c], c};
    qsort(table->ranked, (size_t)table->width, sizeof *table->ranked, by_score);
}

// The class, or those that are more probable than not; a mark alone is none of
// them, as in lists.
static void put_predicted(Table *table, int best)
{
    Text *text = &table->names;
    bool any = false;
    text->length = 0;
    if (!table->several) {
        csv_field(&table->csv, table->classes[best]);
        return;
    }
    for (int64_t c = 0; c < table->width; c++)
        if (table->row[c] > 0.5) {
            text_addf(text, "%.*s%s", any, &table->mark, table->classes[c]);
            any = true;
        }
    if (!any)
        text_addf(text, "%c", table->mark);
    csv_field(&table->csv, text_string(text));
}

// Scores that are no numbers leave the class and the probabilities empty, and
// so does, in a stream, an image that cannot be read.
static Status predict_row(void *context, DataSplit split, int64_t index,
                          const void *values)
{
    Table *table = context;
    const Dataset *data = table->data;
    take_row(table, values);
    // Who waits for the answer to a name gets one.
    if (!values && !table->job->streams)
        return status_ok();
    table->shares += values && !table->several &&
                     class_is_softmax(table->row, (int)table->width);
    int best = !values ? -1
               : table->several
                   ? class_sigmoid(table->row, (int)table->width) - 1
                   : class_softmax(table->row, (int)table->width);
    table->not_finite += values && best < 0;
    csv_field(&table->csv, dataset_sample_name(data, split, index));
    csv_text(&table->csv, ",");
    if (best >= 0)
        put_predicted(table, best);
    if (dataset_classes(data)) {
        csv_text(&table->csv, ",");
        put_truth(table, split, index);
    }
    if (best >= 0 && table->top)
        rank_classes(table);
    int64_t columns = table->top ? table->top : table->width;
    for (int64_t i = 0; i < columns; i++) {
        if (table->top && i) {
            csv_text(&table->csv, ",");
            csv_field(&table->csv,
                      best < 0 ? "" : table->classes[table->ranked[i].class]);
        }
        if (best < 0)
            csv_text(&table->csv, ",");
        else
            csv_number(&table->csv,
                       table->top ? table->ranked[i].score : table->row[i], 6);
    }
    csv_text(&table->csv, "\n");
    return status_ok();
}

// ---- heads of the tables ----------------------------------------------------

// features.npy has features.csv beside it.
static const char *table_beside(const Cli *cli)
{
    const char *path = cli->values[OPT_output];
    size_t length = strlen(path);
    bool named = length > 4 && strcmp(path + length - 4, ".npy") == 0;
    return arena_printf(cli->arena, "%.*s.csv",
                        (int)(named ? length - 4 : length), path);
}

static Status begin_embed(Table *table, int64_t images)
{
    const Cli *cli = table->job->cli;
    const PlanTensor *value = table->value;
    const char *path = cli->values[OPT_output];
    int64_t dims[PLAN_MAX_RANK] = {images};
    memcpy(dims + 1, value->dims + 1, sizeof *dims * (size_t)(value->rank - 1));
    if (cli_has(cli, OPT_csv) && file_is_special(path))
        return status_error(STATUS_USAGE,
                            "--csv writes a second file beside %s, which is "
                            "no file: give -o a name",
                            path);
    if (cli_has(cli, OPT_csv))
        TRY(cli_check_target(cli, table_beside(cli)));
    TRY(npy_begin(&table->npy, path, value->dtype, value->rank, dims));
    table->has_npy = true;
    if (!cli_has(cli, OPT_csv))
        return status_ok();
    TRY(file_begin(&table->csv, table_beside(cli)));
    table->has_csv = true;
    csv_text(&table->csv, "name,class");
    for (int64_t i = 0; i < table->width; i++)
        csv_text(&table->csv, arena_printf(cli->arena, ",%s%lld", value->name,
                                           (long long)i));
    csv_text(&table->csv, "\n");
    return status_ok();
}

// Names from the weights, else from the data, else numbers. Scores behind those
// of the classes that the weights name have no name, whatever the data has; and
// where there are fewer scores than classes, none is known to be of a class.
static Status name_classes(Table *table)
{
    char path[RUNDIR_PATH], *lines;
    const Job *job = table->job;
    Arena *arena = job->cli->arena;
    bool of_data = dataset_classes(job->data) == table->width;
    TRY(job_weights(job, path));
    TRY(model_classes(path, &lines));
    if (!lines)
        cli_note(job->cli, "%s does not name its classes: %s", path,
                 of_data ? "they are taken to be the data's, in this order"
                         : "they are numbered");
    ClassNames names = {0};
    Status status = lines ? class_names_read(lines, &names) : status_ok();
    free(lines);
    TRY(status);
    int known = names.count <= table->width ? names.count : 0;
    if (names.count && known != table->width)
        cli_warn(job->cli,
                 arena_printf(arena,
                              "%s names %d class%s, and %s has %lld scores for "
                              "each image: %s are numbered",
                              path, names.count, names.count == 1 ? "" : "es",
                              table->value->name, (long long)table->width,
                              known ? "the others" : "these"));
    table->classes = ARENA_ARRAY(arena, const char *, table->width);
    for (int i = 0; i < table->width; i++)
        table->classes[i] =
            i < known ? arena_strdup(arena, names.at[i])
            : !names.count && of_data
                ? arena_strdup(arena, dataset_class_name(job->data, i))
                : arena_printf(arena, "%d", i);
    class_names_free(&names);
    return status_ok();
}

static Status read_top(Table *table)
{
    int64_t top;
    const Cli *cli = table->job->cli;
    TRY(cli_whole(cli, OPT_top, 0, 1, 1000000, &top));
    if (top > table->width)
        return status_error(STATUS_USAGE, "--top %lld: there are %lld classes",
                            (long long)top, (long long)table->width);
    table->top = (int)top;
    table->ranked = ARENA_ARRAY(cli->arena, ScoredClass, table->width);
    return status_ok();
}

static Status begin_predict(Table *table)
{
    if (table->value->rank != 2)
        return status_error(STATUS_USAGE,
                            "%s is not a row of logits for each image",
                            table->value->name);
    TRY(read_top(table));
    TRY(name_classes(table));
    for (int64_t c = 0; c < table->width; c++)
        if (strchr(table->classes[c], '|'))
            table->mark = ';';
    TRY(file_begin(&table->csv, table->job->cli->values[OPT_output]));
    table->has_csv = true;
    csv_text(&table->csv, "name,predicted");
    if (dataset_classes(table->job->data))
        csv_text(&table->csv, ",true");
    for (int64_t i = 0; i < table->width && !table->top; i++) {
        csv_text(&table->csv, ",");
        csv_field(&table->csv, table->classes[i]);
    }
    for (int i = 0; i < table->top; i++)
        csv_text(&table->csv, i == 0 ? ",probability"
                                     : arena_printf(table->job->cli->arena,
                                                    ",class %d,probability %d",
                                                    i + 1, i + 1));
    csv_text(&table->csv, "\n");
    return status_ok();
}

// ---- both -------------------------------------------------------------------

static Status fill_table(Table *table, int phase, bool predict)
{
    char weights[RUNDIR_PATH];
    unsigned splits = 0;
    const Job *job = table->job;
    InferSink sink = {predict ? predict_row : embed_row, table};
    TRY(job_splits(job->cli, &splits));
    TRY(job_weights(job, weights));
    int64_t images = job_count_images(job, splits);
    if (!images)
        return status_error(STATUS_DATA, "there are no such images");
    if (ranks_index() > 0)
        sink.row = ignore_row;
    else
        TRY(predict ? begin_predict(table) : begin_embed(table, images));
    return infer_phase(job->program, phase, job->data, weights, splits,
                       &job->options, &sink);
}

// ---- names on standard input ------------------------------------------------

// The rows of these names, which are then forgotten.
static Status predict_names(Table *table, Inference *inference, Names *names)
{
    Dataset *data;
    DataOptions options = {.min_side = table->job->min_side,
                           .channels = table->job->channels,
                           .cache_bytes = -1};
    InferSink sink = {predict_row, table};
    TRY(dataset_open_files(names->count, names->at, &options, &data));
    table->data = data;
    Status status = infer_images(inference, data, SPLIT_TRAIN, &sink);
    dataset_free(data);
    names->count = 0;
    file_flush(&table->csv);
    TRY(status);
    return table->csv.failure;
}

// As many names as a batch has, or fewer where no more of them are there yet.
static Status predict_stream(Table *table, int phase)
{
    char weights[RUNDIR_PATH];
    const Job *job = table->job;
    Inference *inference;
    LineReader reader = {.descriptor = STDIN_FILENO};
    Arena *arena = arena_new();
    Names names = {0};
    int64_t most = table->value->dims[0];
    Status status = job_weights(job, weights);
    if (status.code == STATUS_OK)
        status = begin_predict(table);
    if (status.code == STATUS_OK)
        file_flush(&table->csv);
    if (status.code == STATUS_OK)
        status =
            infer_open(job->program, phase, weights, &job->options, &inference);
    else
        inference = NULL;
    while (status.code == STATUS_OK) {
        char *line;
        bool waits = names.count == 0;
        status = line_read(&reader, waits, &line);
        if (status.code == STATUS_OK && line && *line)
            vec_push(arena, &names, arena_strdup(arena, line));
        if (status.code == STATUS_OK && names.count &&
            (!line || names.count == most)) {
            status = predict_names(table, inference, &names);
            arena_free(arena);
            arena = arena_new();
            names = (Names){0};
        } else if (!line && waits) {
            break;
        }
    }
    infer_close(inference);
    arena_free(arena);
    line_close(&reader);
    return status;
}

// Options that name or choose images have nothing to choose from.
static Status check_stream(const Cli *cli)
{
    static const OptionId of_data[] = {OPT_split, OPT_cache, OPT_held_out,
                                       OPT_validate, OPT_seed};
    for (size_t i = 0; i < sizeof of_data / sizeof *of_data; i++)
        if (cli_has(cli, of_data[i]))
            return status_error(STATUS_USAGE,
                                "--%s says nothing of images that standard "
                                "input names: leave it out",
                                option_table[of_data[i]].name);
    return status_ok();
}

static Status end_table(Table *table, Status status)
{
    FileWriter *files[] = {&table->npy, &table->csv};
    bool begun[] = {table->has_npy, table->has_csv};
    for (int i = 0; i < 2; i++) {
        if (begun[i] && status.code != STATUS_OK)
            file_abandon(files[i]);
        else if (begun[i])
            status = file_commit(files[i]);
    }
    return status;
}

static int infer(Job *job, bool predict)
{
    const Cli *cli = job->cli;
    int phase = job_phase(job, cli->words[1]);
    Table table = {.job = job,
                   .data = job->data,
                   .mark = '|',
                   .names = text_new(cli->arena),
                   .several = job->program->phases[phase].source ==
                              SOURCE_MULTI_LABELED};
    table.value = infer_value(&job->program->phases[phase]);
    table.width = 1;
    for (int i = 1; i < table.value->rank; i++)
        table.width *= table.value->dims[i];
    table.row = ARENA_ARRAY(cli->arena, double, table.width + 1);
    CLI_TRY(cli, end_table(&table, job->streams
                                       ? predict_stream(&table, phase)
                                       : fill_table(&table, phase, predict)));
    if (table.unreadable)
        cli_warn(cli,
                 arena_printf(cli->arena, "%lld image%s cannot be read: %s",
                              (long long)table.unreadable,
                              table.unreadable == 1 ? "" : "s",
                              job->streams ? "rows with a name alone"
                              : predict    ? "no rows"
                                           : "rows of NaN"));
    if (table.not_finite)
        cli_warn(cli, arena_printf(cli->arena,
                                   "%lld image%s scores that are no numbers: "
                                   "no class is predicted",
                                   (long long)table.not_finite,
                                   table.not_finite == 1 ? " has" : "s have"));
    if (table.shares && table.shares == table.count - table.unreadable)
        class_report_warn_shares(cli, table.value->name);
    int64_t images =
        predict && !job->streams ? table.count - table.unreadable : table.count;
    int64_t numbers = table.top ? table.top : table.width;
    cli_note(cli, "%s of %lld image%s, %lld number%s each, in %s",
             predict ? "probabilities" : table.value->name, (long long)images,
             text_s(images), (long long)numbers, text_s(numbers),
             cli->values[OPT_output]);
    return STATUS_OK;
}

static int run_command(Cli *cli, const char *value, bool predict)
{
    Job job;
    const char *data = cli->values[OPT_data];
    if (predict && data && strcmp(data, "-") == 0) {
        CLI_TRY(cli, check_stream(cli));
        if (!cli_has(cli, OPT_output))
            cli->values[OPT_output] = "/dev/stdout";
    }
    if (!cli_has(cli, OPT_output)) {
        Status status =
            status_error(STATUS_USAGE, "say where to write: -o FILE");
        return cli_fail(cli, &status);
    }
    if (cli_has(cli, OPT_value))
        value = cli->values[OPT_value];
    cli_check_extension(cli, cli->values[OPT_output],
                        predict ? "a table of commas" : "a NumPy array",
                        predict ? "csv" : "npy");
    CLI_TRY(cli, together_begin(cli));
    int code = together_agree(cli, job_open_value(&job, cli, value));
    if (code == STATUS_OK)
        code = together_end(infer(&job, predict));
    else
        ranks_close();
    job_close(&job);
    return code;
}

int command_embed(Cli *cli)
{
    return run_command(cli, "h", false);
}

int command_predict(Cli *cli)
{
    return run_command(cli, "logits", true);
}
