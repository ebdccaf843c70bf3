// simcc summary: what a phase's net is made of, from its graphs.
#include <string.h>

#include "codegen/codegen.h"
#include "frontend/cli/summary.h"
#include "ir/attention.h"
#include "ir/conv.h"
#include "ir/matmul.h"
#include "passes/pass.h"
#include "runtime/exec/calls.h"
#include "runtime/files/model.h"

// ---- scopes -----------------------------------------------------------------

// The block a name belongs to: its first part, with the second when that is a
// number ("layer1.0.conv1" -> "layer1.0"), as long as something follows.
static const char *block_of(Arena *arena, const char *scope)
{
    size_t first = strcspn(scope, ".");
    if (!scope[first])
        return arena_strdup(arena, scope);
    const char *rest = scope + first + 1;
    size_t digits = strspn(rest, "0123456789");
    if (digits && (rest[digits] == '.' || !rest[digits]))
        first += 1 + digits;
    return arena_strndup(arena, scope, first);
}

static SummaryRow *row_of(Summary *summary, const char *scope)
{
    const char *block = block_of(summary->arena, scope);
    for (int i = 0; i < summary->rows.count; i++)
        if (strcmp(summary->rows.at[i].scope, block) == 0)
            return &summary->rows.at[i];
    SummaryRow row = {.scope = block};
    vec_push(summary->arena, &summary->rows, row);
    return &summary->rows.at[summary->rows.count - 1];
}

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_average(const char *scope)
{
    return strcmp(scope, "ema") == 0 || begins(scope, "ema.");
}

// ---- counting ---------------------------------------------------------------

// Multiply-adds of a product: one per element of the output and element summed
// over.
static int64_t node_macs(const Graph *graph, const Node *node)
{
    if (node->op == OP_CONV2D) {
        ConvGeometry conv = conv_geometry(graph, node);
        return conv_macs(&conv);
    }
    if (node->op == OP_ATTENTION)
        return attention_macs(graph, node);
    if (node->op == OP_MATMUL) {
        MatmulGeometry product = matmul_geometry(graph, node);
        return matmul_macs(&product);
    }
    return 0;
}

static const char *param_name(const Node *node)
{
    return node->attrs[PARAM_NAME].text;
}

// Is the param written by the phase's step?
static bool is_trained(const ExperimentPhase *phase, const char *name)
{
    const Graph *last = phase->update ? phase->update : phase->train;
    for (int i = 0; i < last->nodes.count; i++) {
        const Node *node = &last->nodes.at[i];
        if (node->op == OP_ASSIGN &&
            strcmp(param_name(graph_node(last, node->inputs[0])), name) == 0)
            return true;
    }
    return false;
}

// The scope of a param is its name without the last part.
static void count_param(Summary *summary, const Node *node)
{
    const char *name = param_name(node), *dot = strrchr(name, '.');
    const char *role = node->attrs[PARAM_ROLE].text;
    int64_t numbers = type_elements(&node->type);
    SummaryRow *row = row_of(
        summary,
        dot ? arena_strndup(summary->arena, name, (size_t)(dot - name)) : name);
    if (strcmp(role, "slot") == 0 || strcmp(role, "sum") == 0)
        return;
    row->with_state += numbers;
    if (strcmp(role, "weight") == 0 && is_trained(summary->phase, name))
        row->trainable += numbers;
}

// Rows of images: a process's share of a batch of views.
static int64_t image_rows(const ExperimentPhase *phase)
{
    return (int64_t)phase->batch / phase->ranks * experiment_views(phase);
}

static void count_nodes(Summary *summary)
{
    const Graph *graph = summary->phase->forward;
    int64_t rows = image_rows(summary->phase);
    for (int i = 0; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.at[i];
        const char *scope = node->origin.scope;
        if (node->op == OP_PARAM)
            count_param(summary, node);
        else if (scope && *scope && op_info(node->op)->lower != LOWER_LEAF) {
            SummaryRow *row = row_of(summary, scope);
            row->macs += node_macs(graph, node) / rows;
            if (!is_average(row->scope)) // a net of many shapes
                row->shape = type_text(summary->arena, &node->type);
        }
    }
}

// What is made outside any scope: the losses' products.
int64_t summary_loose_macs(const Summary *summary)
{
    const Graph *graph = summary->phase->forward;
    int64_t macs = 0;
    for (int i = 0; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.at[i];
        if (!node->origin.scope || !*node->origin.scope)
            macs += node_macs(graph, node) / image_rows(summary->phase);
    }
    return macs;
}

// ---- memory -----------------------------------------------------------------

// Lowers the training step as `compile` would: what it needs is known exactly.
static Status plan_memory(Summary *summary, const Compiler *compiler)
{
    int64_t room;
    SumsNeed behind;
    Codegen *codegen = codegen_new(&compiler->codegen);
    PassOptions passes = compiler_pass_options(compiler, summary->phase->bf16);
    Plan plan = {0};
    Graph *graphs[PLAN_PARTS];
    compiler_train_graphs(summary->phase, graphs);
    for (int g = 0; g < PLAN_PARTS; g++)
        if (graphs[g])
            passes_run(graphs[g], &passes);
    compiler_lower_train(codegen, summary->phase, &plan);
    for (int i = 0; i < plan.param_count; i++)
        summary->param_bytes += plan.params[i].tensor.bytes;
    summary->slab_bytes = plan.slab_bytes;
    summary->scratch_bytes = plan.scratch_bytes;
    Status status = calls_room(&plan, summary->phase->ranks, &room, &behind);
    summary->shared_bytes = behind.room;
    summary->sums = behind.count;
    if (room > plan.scratch_bytes) // it lies in thread 0's
        summary->shared_bytes += room - plan.scratch_bytes;
    plan_free(&plan);
    codegen_free(codegen);
    return status;
}

int64_t summary_bytes(const Summary *summary)
{
    return summary->param_bytes + summary->slab_bytes +
           summary->scratch_bytes * summary->threads + summary->shared_bytes;
}

// ---- printing ---------------------------------------------------------------

SummaryRow summary_sum(const Summary *summary,
                       bool (*wanted)(const char *scope))
{
    SummaryRow sum = {0};
    for (int i = 0; i < summary->rows.count; i++) {
        const SummaryRow *row = &summary->rows.at[i];
        if (wanted && !wanted(row->scope))
            continue;
        sum.trainable += row->trainable;
        sum.with_state += row->with_state;
        sum.macs += row->macs;
    }
    return sum;
}

static bool is_head(const char *scope)
{
    return strcmp(scope, "head") == 0 || begins(scope, "head.");
}

static bool is_classifier(const char *scope)
{
    char name[256];
    snprintf(name, sizeof name, "%s.", scope); // of which a tensor's begins
    return model_is_classifier(name);
}

static bool is_teacher(const char *scope)
{
    return strcmp(scope, "teacher") == 0 || begins(scope, "teacher.");
}

static bool is_backbone(const char *scope)
{
    return !is_head(scope) && !is_classifier(scope) && !is_teacher(scope) &&
           !is_average(scope);
}

// "1,234,567"
const char *summary_number(Arena *arena, int64_t number)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)number);
    Text text = text_new(arena);
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            text_add(&text, ",");
        text_add_n(&text, &digits[i], 1);
    }
    return text_string(&text);
}

static void print_row(const Summary *summary, const SummaryRow *row)
{
    printf("%-20s %-22s %14s %14s %16s\n", row->scope,
           row->shape ? row->shape : "",
           summary_number(summary->arena, row->trainable),
           summary_number(summary->arena, row->with_state),
           summary_number(summary->arena, row->macs));
}

static void print_part(const Summary *summary, const char *name,
                       bool (*wanted)(const char *scope))
{
    SummaryRow sum = summary_sum(summary, wanted);
    sum.scope = name;
    if (sum.with_state || sum.macs)
        print_row(summary, &sum);
}

static void print_table(const Summary *summary)
{
    const ExperimentPhase *phase = summary->phase;
    printf("phase %s: batch %d", phase->name, phase->batch);
    if (phase->chunk)
        printf(" in %d chunks of %d", phase->batch / phase->chunk,
               phase->chunk);
    if (phase->ranks > 1)
        printf(" on %d processes", phase->ranks);
    for (int i = 0; i < phase->group_count; i++) {
        const ExperimentViews *views = &phase->groups[i];
        if (experiment_views(phase) > 1)
            printf(" %s %d view%s", i ? "+" : "x", views->views,
                   views->views == 1 ? "" : "s");
        printf(" of %dx%d pixels", views->size, views->size);
    }
    puts("\n");
    printf("%-20s %-22s %14s %14s %16s\n", "block", "output", "trainable",
           "with state", "mult-adds/image");
    for (int i = 0; i < summary->rows.count; i++)
        print_row(summary, &summary->rows.at[i]);
    puts("");
    print_part(summary, "backbone", is_backbone);
    print_part(summary, "head", is_head);
    print_part(summary, "classifier", is_classifier);
    print_part(summary, "teacher", is_teacher);
    print_part(summary, "moving average", is_average);
    print_part(summary, "all", NULL);
    printf("\nloss and reports: %s multiply-adds per image\n",
           summary_number(summary->arena, summary_loose_macs(summary)));
    printf("memory of a step%s: %.1f MB = %.1f parameters and optimizer + %.1f "
           "activations + %.1f scratch of %d thread%s",
           phase->ranks > 1 ? ", in each process" : "",
           1e-6 * (double)summary_bytes(summary),
           1e-6 * (double)summary->param_bytes,
           1e-6 * (double)summary->slab_bytes,
           1e-6 * (double)(summary->scratch_bytes * summary->threads),
           summary->threads, text_s(summary->threads));
    if (phase->ranks > 1)
        printf(" + %.1f from the others%s",
               1e-6 * (double)summary->shared_bytes,
               summary->sums ? " for a thread of sums" : "");
    puts("\n");
}

static void add_json_numbers(Text *text, const SummaryRow *row)
{
    text_addf(text, "\"trainable\":%lld,\"with_state\":%lld,\"macs\":%lld}",
              (long long)row->trainable, (long long)row->with_state,
              (long long)row->macs);
}

static void add_json_part(const Summary *summary, Text *text, const char *name,
                          bool (*wanted)(const char *scope))
{
    SummaryRow sum = summary_sum(summary, wanted);
    text_addf(text, ",\"%s\":{", name);
    add_json_numbers(text, &sum);
}

static void print_json(const Summary *summary)
{
    const ExperimentPhase *phase = summary->phase;
    Text text = text_new(summary->arena);
    text_add(&text, "{\"phase\":");
    text_add_json(&text, phase->name);
    text_addf(&text,
              ",\"batch\":%d,\"chunk\":%d,\"ranks\":%d,\"views\":%d,"
              "\"layers\":[",
              phase->batch, phase->chunk ? phase->chunk : phase->batch,
              phase->ranks, experiment_views(phase));
    for (int i = 0; i < summary->rows.count; i++) {
        const SummaryRow *row = &summary->rows.at[i];
        text_addf(&text, "%s{\"name\":", i ? "," : "");
        text_add_json(&text, row->scope);
        text_add(&text, ",\"output\":");
        text_add_json(&text, row->shape ? row->shape : "");
        text_add(&text, ",");
        add_json_numbers(&text, row);
    }
    text_add(&text, "]");
    add_json_part(summary, &text, "backbone", is_backbone);
    add_json_part(summary, &text, "head", is_head);
    add_json_part(summary, &text, "fc", is_classifier);
    add_json_part(summary, &text, "teacher", is_teacher);
    add_json_part(summary, &text, "moving_average", is_average);
    add_json_part(summary, &text, "total", NULL);
    text_addf(&text,
              ",\"loss_macs\":%lld,\"memory\":{\"parameters\":%lld,"
              "\"activations\":%lld,\"scratch\":%lld,\"threads\":%d,"
              "\"sums_behind\":%d,\"from_others\":%lld,\"total\":%lld}}",
              (long long)summary_loose_macs(summary),
              (long long)summary->param_bytes, (long long)summary->slab_bytes,
              (long long)summary->scratch_bytes, summary->threads,
              summary->sums, (long long)summary->shared_bytes,
              (long long)summary_bytes(summary));
    puts(text_string(&text));
}

// ---- command ----------------------------------------------------------------

Status summary_of(const Compiler *compiler, const ExperimentPhase *phase,
                  Summary *summary)
{
    *summary = (Summary){.arena = compiler->arena,
                         .phase = phase,
                         .threads = compiler_threads(compiler)};
    count_nodes(summary);
    return plan_memory(summary, compiler);
}

int command_summary(Cli *cli)
{
    Compiler compiler;
    CLI_TRY(cli, compiler_open(&compiler, cli));
    bool good = compiler_load(&compiler);
    diag_print(&compiler.diags, stderr, cli->color);
    if (!good)
        return STATUS_SOURCE;
    CLI_TRY(cli, compiler_check_names(&compiler));
    const Experiment *experiment = compiler.experiment;
    for (int i = 0; i < experiment->phases.count; i++) {
        if (!compiler_wants(&compiler, experiment->phases.at[i].name))
            continue;
        Summary summary;
        CLI_TRY(cli,
                summary_of(&compiler, &experiment->phases.at[i], &summary));
        if (cli_has(cli, OPT_json))
            print_json(&summary);
        else
            print_table(&summary);
    }
    return STATUS_OK;
}
