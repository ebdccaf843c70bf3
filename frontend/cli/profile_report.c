#include "frontend/cli/profile.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/exec/calls.h"
#include "runtime/exec/ranks.h"
#include "runtime/exec/sums.h"

enum { SHOWN = 30 };

// Steps of the plan that are listed together: of the same kernel and label, or
// from the same line of the source.
typedef struct ProfileRow {
    const char *name, *kernel; // a line has no kernel
    int count;
    double seconds; // of one step, all of them
    double flops, bytes;
} ProfileRow;

typedef struct ProfileRows {
    const char *key; // in JSON
    int count;
    ProfileRow *at;
    double seconds; // of all
} ProfileRows;

// ---- rows -------------------------------------------------------------------

static const char *kernel_name(const Plan *plan, const PlanStep *step)
{
    return step->symbol >= 0 ? plan->symbols[step->symbol]
                             : call_name((PlanCall)step->call);
}

static const char *line_name(const Profile *profile, const PlanStep *step)
{
    if (!step->file)
        return "made by the compiler";
    return arena_printf(profile->arena, "%s:%d", step->file, step->line);
}

static int compare_rows(const void *a, const void *b)
{
    double x = ((const ProfileRow *)a)->seconds;
    double y = ((const ProfileRow *)b)->seconds;
    return (x < y) - (x > y);
}

static void add_step(const Profile *profile, ProfileRows *rows, int s,
                     const char *name, const char *kernel)
{
    const PlanStep *step = &profile->plan->steps[s];
    int r = 0;
    while (r < rows->count && (strcmp(rows->at[r].name, name) != 0 ||
                               strcmp(rows->at[r].kernel, kernel) != 0))
        r++;
    if (r == rows->count)
        rows->at[rows->count++] = (ProfileRow){.name = name, .kernel = kernel};
    ProfileRow *row = &rows->at[r];
    double seconds = profile->step[s] / profile->rounds;
    row->count++;
    row->seconds += seconds;
    row->flops += (double)step->flops;
    row->bytes += (double)step->bytes;
    rows->seconds += seconds;
}

static ProfileRows collect(const Profile *profile, bool lines)
{
    const Plan *plan = profile->plan;
    ProfileRows rows = {.key = lines ? "lines" : "kernels"};
    rows.at = ARENA_ARRAY(profile->arena, ProfileRow, plan->step_count + 1);
    for (int s = 0; s < plan->step_count; s++) {
        const PlanStep *step = &plan->steps[s];
        if (lines)
            add_step(profile, &rows, s, line_name(profile, step), "");
        else
            add_step(profile, &rows, s, step->label, kernel_name(plan, step));
    }
    qsort(rows.at, (size_t)rows.count, sizeof *rows.at, compare_rows);
    return rows;
}

// What the step really has: weights and optimizer, slab, scratch.
static int64_t memory_used(const Profile *profile)
{
    return store_bytes(&profile->store) + executor_bytes(profile->executor);
}

static bool is_collective(const PlanStep *step)
{
    return step->symbol < 0 && call_is_collective((PlanCall)step->call);
}

// The number of the sum that the step begins behind the work; -1 = none.
static int begun(const Plan *plan, const PlanStep *step)
{
    CallSumStart sum;
    if (step->symbol >= 0 || (step->call != PLAN_CALL_SUM_START_F32 &&
                              step->call != PLAN_CALL_SUM_START_F64))
        return -1;
    memcpy(&sum, plan->imms + step->first_imm, sizeof sum);
    return (int)sum.number;
}

// Seconds of a step that the threads stand in collectives; that the sums behind
// the work of the last step took, and of these a processor.
typedef struct Communication {
    double waited, behind, worked;
} Communication;

static Communication communication(const Profile *profile)
{
    const Plan *plan = profile->plan;
    Communication all = {0};
    for (int s = 0; s < plan->step_count; s++) {
        int number = begun(plan, &plan->steps[s]);
        if (is_collective(&plan->steps[s]))
            all.waited += profile->step[s] / profile->rounds;
        if (number < 0)
            continue;
        all.behind += sums_span(number).seconds;
        all.worked += sums_span(number).worked;
    }
    return all;
}

// ---- tables -----------------------------------------------------------------

static void print_row(const Profile *profile, const ProfileRow *row,
                      double total)
{
    double rate = row->seconds > 0 ? row->flops / row->seconds : 0;
    double moved = row->seconds > 0 ? row->bytes / row->seconds : 0;
    printf("%9.3f %5.1f%% %5d %8.1f ", 1e3 * row->seconds,
           100 * row->seconds / total, row->count, 1e-9 * rate);
    if (profile->peak > 0)
        printf("%4.0f%%", 100 * rate / profile->peak);
    else
        printf("%5s", "-");
    printf(" %7.1f %6.1f  ", 1e-6 * row->bytes, 1e-9 * moved);
    if (*row->kernel)
        printf("%-18s  ", row->kernel);
    printf("%s\n", row->name);
}

static void print_rows(const Profile *profile, const ProfileRows *rows)
{
    bool kernels = rows->count && *rows->at[0].kernel;
    printf("%9s %6s %5s %8s %5s %7s %6s  ", "ms", "share", "times", "GFLOP/s",
           "peak", "MB", "GB/s");
    printf(kernels ? "%-18s  operations\n" : "%s\n",
           kernels ? "kernel" : "line");
    for (int i = 0; i < rows->count && i < SHOWN; i++)
        print_row(profile, &rows->at[i], rows->seconds);
    if (rows->count > SHOWN)
        printf("and %d more: --json lists all\n", rows->count - SHOWN);
}

void profile_print_table(const Profile *profile)
{
    ProfileRows kernels = collect(profile, false);
    ProfileRows lines = collect(profile, true);
    double flops = 0;
    for (int i = 0; i < kernels.count; i++)
        flops += kernels.at[i].flops;
    printf("%.3f ms a step on %d thread%s, %d kernel%s, %.1f MB\n",
           1e3 * profile->seconds, pool_threads(profile->pool),
           text_s(pool_threads(profile->pool)), profile->plan->step_count,
           text_s(profile->plan->step_count),
           1e-6 * (double)memory_used(profile));
    printf("%.2f GFLOP a step, %.1f GFLOP/s", 1e-9 * flops,
           1e-9 * flops / profile->seconds);
    if (profile->peak > 0)
        printf("; multiply-adds alone reach %.1f GFLOP/s here (the peak)",
               1e-9 * profile->peak);
    if (ranks_count() > 1) {
        Communication all = communication(profile);
        printf(
            "\n%d processes: %.3f ms a step stand in communication (%.1f%%); "
            "sums behind the work take their thread %.3f ms, %.3f of a "
            "processor",
            ranks_count(), 1e3 * all.waited, 100 * all.waited / kernels.seconds,
            1e3 * all.behind, 1e3 * all.worked);
    }
    printf("\nwith the clock read at every kernel:\n");
    print_rows(profile, &kernels);
    printf("\nby the line of the source that wanted it:\n");
    print_rows(profile, &lines);
    profile_print_threads(profile);
}

// ---- JSON -------------------------------------------------------------------

static void add_json_rows(Text *text, const ProfileRows *rows)
{
    text_addf(text, ",\"%s\":[", rows->key);
    for (int i = 0; i < rows->count; i++) {
        const ProfileRow *row = &rows->at[i];
        text_addf(text,
                  "%s{\"seconds\":%.9f,\"count\":%d,\"flops\":%.0f,"
                  "\"bytes\":%.0f",
                  i ? "," : "", row->seconds, row->count, row->flops,
                  row->bytes);
        if (*row->kernel) {
            text_add(text, ",\"kernel\":");
            text_add_json(text, row->kernel);
        }
        text_add(text, *row->kernel ? ",\"operations\":" : ",\"line\":");
        text_add_json(text, row->name);
        text_add(text, "}");
    }
    text_add(text, "]");
}

// In the order in which they run.
static void add_json_steps(Text *text, const Profile *profile)
{
    const Plan *plan = profile->plan;
    int64_t *live = ARENA_ARRAY(profile->arena, int64_t, plan->step_count + 1);
    profile_live_bytes(plan, profile->arena, live);
    text_add(text, ",\"steps\":[");
    for (int s = 0; s < plan->step_count; s++) {
        text_addf(text, "%s{\"seconds\":%.9f,\"live\":%lld,\"operations\":",
                  s ? "," : "", profile->step[s] / profile->rounds,
                  (long long)live[s]);
        text_add_json(text, plan->steps[s].label);
        text_add(text, ",\"line\":");
        text_add_json(text, line_name(profile, &plan->steps[s]));
        text_add(text, "}");
    }
    text_add(text, "]");
}

void profile_print_json(const Profile *profile)
{
    Text text = text_new(profile->arena);
    ProfileRows kernels = collect(profile, false);
    ProfileRows lines = collect(profile, true);
    text_addf(&text,
              "{\"seconds\":%.9f,\"threads\":%d,\"memory\":%lld,"
              "\"peak_flops\":%.0f",
              profile->seconds, pool_threads(profile->pool),
              (long long)memory_used(profile), profile->peak);
    if (ranks_count() > 1) {
        Communication all = communication(profile);
        text_addf(&text,
                  ",\"processes\":%d,\"communication\":%.9f,"
                  "\"communication_behind\":%.9f,"
                  "\"communication_worked\":%.9f",
                  ranks_count(), all.waited, all.behind, all.worked);
    }
    add_json_rows(&text, &kernels);
    add_json_rows(&text, &lines);
    add_json_steps(&text, profile);
    profile_json_threads(profile, &text);
    text_addf(&text, ",\"weights\":%lld,\"slab\":%lld}",
              (long long)store_bytes(&profile->store),
              (long long)profile->plan->slab_bytes);
    puts(text_string(&text));
}

// ---- trace ------------------------------------------------------------------

static void add_event(Text *text, const Profile *profile, int s, int thread,
                      double origin)
{
    const PlanStep *step = &profile->plan->steps[s];
    const StepSpan *span = &executor_spans(profile->executor, thread)[s];
    text_add(text, ",\n{\"ph\":\"X\",\"pid\":1,\"cat\":\"kernel\",\"name\":");
    text_add_json(text, step->label);
    text_addf(text, ",\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"args\":{", thread,
              1e6 * (span->start - origin), 1e6 * span->seconds);
    text_add(text, "\"kernel\":");
    text_add_json(text, kernel_name(profile->plan, step));
    text_add(text, ",\"line\":");
    text_add_json(text, line_name(profile, step));
    text_addf(text, ",\"flops\":%lld,\"bytes\":%lld}}", (long long)step->flops,
              (long long)step->bytes);
}

Status profile_write_trace(const Profile *profile, const char *path)
{
    Text text = text_new(profile->arena);
    const Plan *plan = profile->plan;
    double origin =
        plan->step_count ? executor_spans(profile->executor, 0)[0].start : 0;
    text_add(&text, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
                    "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\","
                    "\"args\":{\"name\":");
    text_add_json(&text, plan->name);
    text_add(&text, "}}");
    for (int t = 0; t < pool_threads(profile->pool); t++) {
        text_addf(&text,
                  ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%d,"
                  "\"name\":\"thread_name\",\"args\":{\"name\":\"thread %d\"}}",
                  t, t);
        // A step of fewer tasks than threads leaves some without work.
        for (int s = 0; s < plan->step_count; s++)
            if (executor_spans(profile->executor, t)[s].seconds > 0)
                add_event(&text, profile, s, t, origin);
    }
    for (int s = 0; s < plan->step_count; s++) {
        int number = begun(plan, &plan->steps[s]);
        if (number < 0)
            continue;
        text_add(&text, ",\n{\"ph\":\"X\",\"pid\":1,\"cat\":\"sum\",\"name\":");
        text_add_json(&text, plan->steps[s].label);
        text_addf(&text, ",\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f}",
                  pool_threads(profile->pool),
                  1e6 * (sums_span(number).start - origin),
                  1e6 * sums_span(number).seconds);
    }
    text_add(&text, "\n]}\n");
    return file_write(path, text_string(&text), (int64_t)text.length);
}
