#include "runtime/train/reports.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_scores(const PlanPort *port)
{
    static const char prefix[] = "scores.";
    return strncmp(port->tensor.name, prefix, sizeof prefix - 1) == 0;
}

const PlanPort *plan_scores(const Plan *plan)
{
    for (int i = 0; i < plan->output_count; i++)
        if (is_scores(&plan->outputs[i]) && plan->outputs[i].tensor.rank == 2)
            return &plan->outputs[i];
    return NULL;
}

void reports_list(Reports *reports, const Plan *plan)
{
    *reports = (Reports){0};
    for (int others = 0; others < 2; others++)
        for (int i = 0; i < plan->output_count; i++) {
            const PlanPort *port = &plan->outputs[i];
            bool loss = strcmp(port->tensor.name, "loss") == 0;
            if (loss == (others == 1) || is_scores(port) ||
                reports->count == REPORT_MAX)
                continue;
            reports->names[reports->count] = port->tensor.name;
            reports->ports[reports->count++] = port;
        }
}

Status reports_bind(Reports *reports, const Plan *plan, Executor *executor)
{
    int count = 0;
    for (int i = 0; i < plan->output_count; i++)
        count += !is_scores(&plan->outputs[i]);
    if (count > REPORT_MAX)
        return status_error(STATUS_FAILED,
                            "%s reports %d values; %d is the most", plan->name,
                            count, REPORT_MAX);
    reports_list(reports, plan);
    for (int i = 0; i < reports->count; i++)
        reports->data[i] = executor_output(executor, reports->names[i]);
    return status_ok();
}

bool reports_per_example(const Reports *reports, int index, int batch)
{
    const PlanTensor *tensor = &reports->ports[index]->tensor;
    return tensor->rank == 1 && tensor->dims[0] == batch;
}

// bf16 is the upper half of a float.
static double element(const void *data, int32_t dtype, int64_t i)
{
    switch (dtype) {
    case PLAN_F64:
        return ((const double *)data)[i];
    case PLAN_BF16: {
        uint32_t bits = (uint32_t)((const uint16_t *)data)[i] << 16;
        float value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    case PLAN_BOOL:
        return ((const unsigned char *)data)[i] != 0;
    default:
        return ((const float *)data)[i];
    }
}

double reports_mean(const Reports *reports, int index, const bool *valid)
{
    const PlanTensor *tensor = &reports->ports[index]->tensor;
    int64_t elements = plan_elements(tensor), counted = 0;
    double sum = 0;
    for (int64_t i = 0; i < elements; i++) {
        if (valid && !valid[i])
            continue;
        sum += element(reports->data[index], tensor->dtype, i);
        counted++;
    }
    return counted ? sum / (double)counted : NAN;
}

// ---- numbers of weights -----------------------------------------------------

// The report a store's tensor is of: the length of its name, 0 = none.
static size_t report_name_length(const char *name, const char **start)
{
    static const char prefix[] = "optimizer.report.";
    size_t skip = sizeof prefix - 1;
    if (strncmp(name, prefix, skip) != 0)
        return 0;
    *start = name + skip;
    return strcspn(*start, ".");
}

static WeightReport *find_report(WeightReports *reports, const char *start,
                                 size_t length)
{
    for (int i = 0; i < reports->count; i++)
        if (strlen(reports->at[i].name) == length &&
            memcmp(reports->at[i].name, start, length) == 0)
            return &reports->at[i];
    WeightReport *report = &reports->at[reports->count];
    if (reports->count == WEIGHT_REPORT_MAX || length >= sizeof report->name)
        return NULL;
    reports->count++;
    memcpy(report->name, start, length);
    return report;
}

Status weight_reports_find(const Store *store, WeightReports *reports)
{
    *reports = (WeightReports){0};
    for (int i = 0; i < store->count; i++) {
        const StoreTensor *tensor = &store->tensors[i];
        const char *start;
        size_t length = report_name_length(tensor->param.tensor.name, &start);
        WeightReport *report =
            length ? find_report(reports, start, length) : NULL;
        if (!report)
            continue;
        const StoreTensor **more =
            realloc(report->tensors,
                    (size_t)(report->count + 1) * sizeof *report->tensors);
        if (!more) {
            weight_reports_free(reports);
            return status_error(STATUS_MEMORY, "no memory for reports");
        }
        report->tensors = more;
        report->tensors[report->count++] = tensor;
    }
    return status_ok();
}

void weight_reports_free(WeightReports *reports)
{
    for (int i = 0; i < reports->count; i++)
        free(reports->at[i].tensors);
    *reports = (WeightReports){0};
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

ReportRange weight_report_range(const WeightReport *report)
{
    size_t count = (size_t)report->count;
    double *values = malloc(count * sizeof *values), square = 0;
    ReportRange range = {NAN, NAN, NAN, NAN};
    for (size_t i = 0; values && i < count; i++) {
        const StoreTensor *tensor = report->tensors[i];
        values[i] = element(tensor->data, tensor->param.tensor.dtype, 0);
        square += values[i] * values[i];
    }
    if (values && isfinite(square)) {
        qsort(values, count, sizeof *values, compare);
        range = (ReportRange){
            values[0], 0.5 * (values[(count - 1) / 2] + values[count / 2]),
            values[count - 1], sqrt(square)};
    }
    free(values);
    return range;
}

// ---- tally ------------------------------------------------------------------

void tally_add(Tally *tally, int64_t step, int64_t total, const double *values)
{
    int64_t share = (total + 19) / 20; // 5%, at least one step
    for (int i = 0; i < tally->count; i++)
        tally->interval[i] += values[i];
    tally->interval_steps++;
    if (step < share) {
        tally->first_sum += values[0];
        tally->first_steps++;
    }
    if (step >= total - share) {
        tally->last_sum += values[0];
        tally->last_steps++;
    }
    if (step % share == 0) {
        tally->recent_sum[1] = tally->recent_sum[0];
        tally->recent_steps[1] = tally->recent_steps[0];
        tally->recent_sum[0] = 0;
        tally->recent_steps[0] = 0;
    }
    tally->recent_sum[0] += values[0];
    tally->recent_steps[0]++;
}

static double mean(double sum, int64_t steps)
{
    return steps ? sum / (double)steps : NAN;
}

double tally_first_loss(const Tally *tally)
{
    return mean(tally->first_sum, tally->first_steps);
}

double tally_last_loss(const Tally *tally, bool ended_early)
{
    return ended_early ? mean(tally->recent_sum[0] + tally->recent_sum[1],
                              tally->recent_steps[0] + tally->recent_steps[1])
                       : mean(tally->last_sum, tally->last_steps);
}

// Hexadecimal floats keep every bit.
bool tally_print(const Tally *tally, char *text, size_t size)
{
    int used = snprintf(
        text, size, "%d %" PRId64 " %" PRId64 " %" PRId64 " %a %a %a",
        tally->count, tally->interval_steps, tally->first_steps,
        tally->last_steps, tally->first_sum, tally->last_sum, tally->seconds);
    for (int i = 0; i < tally->count && used > 0 && (size_t)used < size; i++)
        used += snprintf(text + used, size - (size_t)used, " %a",
                         tally->interval[i]);
    for (int i = 0; i < 2 && used > 0 && (size_t)used < size; i++)
        used += snprintf(text + used, size - (size_t)used, " %" PRId64 " %a",
                         tally->recent_steps[i], tally->recent_sum[i]);
    return used > 0 && (size_t)used < size;
}

bool tally_parse(Tally *tally, const char *text)
{
    int at = 0;
    *tally = (Tally){0};
    if (sscanf(text, "%d %" SCNd64 " %" SCNd64 " %" SCNd64 " %la %la %la%n",
               &tally->count, &tally->interval_steps, &tally->first_steps,
               &tally->last_steps, &tally->first_sum, &tally->last_sum,
               &tally->seconds, &at) != 7 ||
        tally->count < 0 || tally->count > REPORT_MAX)
        return false;
    const char *rest = text + at;
    for (int i = 0; i < tally->count; i++) {
        char *end;
        tally->interval[i] = strtod(rest, &end);
        if (end == rest)
            return false;
        rest = end;
    }
    // Checkpoints of before there were these end here.
    int got = sscanf(rest, "%" SCNd64 " %la %" SCNd64 " %la",
                     &tally->recent_steps[0], &tally->recent_sum[0],
                     &tally->recent_steps[1], &tally->recent_sum[1]);
    return got == 4 || got == EOF;
}
