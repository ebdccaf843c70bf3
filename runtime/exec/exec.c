#include "runtime/exec/exec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/base/clock.h"
#include "runtime/exec/calls.h"
#include "runtime/exec/ranks.h"
#include "runtime/exec/sums.h"

enum {
    HUGE_PAGE = 2 << 20,
    // Work that is done before other threads have heard of it: a microsecond
    // or two.
    SMALL_FLOPS = 1 << 17,
    SMALL_BYTES = 1 << 15,
};

// A step with everything looked up.
typedef struct BoundStep {
    PlanKernel *run;
    void *const *args;
    const int64_t *imm;
} BoundStep;

// Steps first .. end-1 run task by task in one sweep: one step, or a step with
// those chained to it.
typedef struct Group {
    int first, end;
    int64_t tasks;
    bool alone; // thread 0 does it, while the others go on
    bool meet;  // threads wait for one another before the next group
} Group;

// Zeroed pages.
typedef struct Region {
    unsigned char *base;
    size_t bytes;
    void *mapping; // as mapped; base is aligned inside it
    size_t mapped;
} Region;

struct Executor {
    const Plan *plan;
    Pool *pool;
    Region slab, scratch;
    size_t scratch_stride; // from thread to thread; thread 0's, which is the
                           // last, may be longer
    void **args;           // all steps', in the order of plan->refs
    BoundStep *steps;
    Group *groups;
    int group_count;
    int part_groups[PLAN_PARTS]; // in chunks: the group behind each part's last
    int first, end;              // the groups to run now
    SumsNeed sums;               // open while this lives
    bool timing;
    double *seconds; // per step
    StepSpan *spans; // per thread and step
};

static Status map_region(Region *region, int64_t bytes, const char *what)
{
    size_t align = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : PLAN_ALIGN;
    region->bytes = ((size_t)bytes + align) / align * align; // never 0
    region->mapped = region->bytes + (align > PLAN_ALIGN ? align : 0);
    region->mapping = mmap(NULL, region->mapped, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region->mapping == MAP_FAILED) {
        *region = (Region){0};
        return status_error(STATUS_MEMORY,
                            "no memory for %.1f MiB of %s; a smaller batch "
                            "needs less",
                            (double)bytes / (1 << 20), what);
    }
    size_t offset = (align - (size_t)region->mapping % align) % align;
    region->base = (unsigned char *)region->mapping + offset;
    if (align == HUGE_PAGE)
        madvise(region->base, region->bytes, MADV_HUGEPAGE);
    return status_ok();
}

static void unmap_region(Region *region)
{
    if (region->mapping)
        munmap(region->mapping, region->mapped);
}

static Status bind_args(Executor *executor, Store *store)
{
    const Plan *plan = executor->plan;
    unsigned char **params =
        calloc((size_t)plan->param_count + 1, sizeof *params);
    if (!params)
        return status_error(STATUS_MEMORY, "no memory to bind a plan");
    Status status = status_ok();
    for (int i = 0; i < plan->param_count && status.code == STATUS_OK; i++) {
        const char *name = plan->params[i].tensor.name;
        const StoreTensor *tensor = store_find(store, name);
        if (tensor)
            params[i] = tensor->data;
        else
            status = status_error(STATUS_INTERNAL,
                                  "plan '%s' needs tensor '%s', which the "
                                  "store lacks",
                                  plan->name, name);
    }
    for (int i = 0; i < plan->ref_count && status.code == STATUS_OK; i++) {
        const PlanRef *ref = &plan->refs[i];
        unsigned char *base =
            ref->space == PLAN_SLAB ? executor->slab.base : params[ref->param];
        executor->args[i] = base + ref->offset;
    }
    free(params);
    return status;
}

static Status bind_steps(Executor *executor, const CodeImage *image)
{
    const Plan *plan = executor->plan;
    for (int i = 0; i < plan->step_count; i++) {
        const PlanStep *step = &plan->steps[i];
        BoundStep *bound = &executor->steps[i];
        *bound = (BoundStep){.args = executor->args + step->first_arg,
                             .imm = plan->imms + step->first_imm};
        if (step->symbol < 0) {
            bound->run = call_function((PlanCall)step->call);
            continue;
        }
        bound->run = code_find(image, plan->symbols[step->symbol]);
        if (!bound->run)
            return status_error(STATUS_INTERNAL,
                                "step '%s' of plan '%s' needs kernel '%s', "
                                "which no object defines",
                                step->label, plan->name,
                                plan->symbols[step->symbol]);
    }
    return status_ok();
}

static bool is_small(const Plan *plan, const Group *group)
{
    int64_t flops = 0, bytes = 0;
    for (int i = group->first; i < group->end; i++) {
        flops += plan->steps[i].flops;
        bytes += plan->steps[i].bytes;
    }
    return flops <= SMALL_FLOPS && bytes <= SMALL_BYTES;
}

// What thread 0 does alone, several groups in a row, needs no meeting.
static void make_groups(Executor *executor)
{
    const Plan *plan = executor->plan;
    Group *groups = executor->groups;
    for (int i = 0; i < plan->step_count; i++) {
        const PlanStep *step = &plan->steps[i];
        if (i > 0 && step->flags & PLAN_STEP_CHAINED)
            groups[executor->group_count - 1].end = i + 1;
        else
            groups[executor->group_count++] =
                (Group){.first = i, .end = i + 1, .tasks = step->task_count};
    }
    for (int g = 0; g < executor->group_count; g++) {
        groups[g].alone = groups[g].tasks <= 1 || is_small(plan, &groups[g]);
        if (g > 0)
            groups[g - 1].meet = !groups[g - 1].alone || !groups[g].alone;
    }
    for (int part = 0; part < PLAN_PARTS; part++)
        for (int g = 0; g < executor->group_count; g++)
            if (executor->groups[g].first < plan->chunks.end[part])
                executor->part_groups[part] = g + 1;
}

static Status bind(Executor *executor, const CodeImage *image, Store *store)
{
    const Plan *plan = executor->plan;
    size_t steps = (size_t)plan->step_count + 1;
    executor->args =
        calloc((size_t)plan->ref_count + 1, sizeof *executor->args);
    executor->steps = calloc(steps, sizeof *executor->steps);
    executor->groups = calloc(steps, sizeof *executor->groups);
    executor->seconds = calloc(steps, sizeof *executor->seconds);
    executor->spans = calloc(steps * (size_t)pool_threads(executor->pool),
                             sizeof *executor->spans);
    if (!executor->args || !executor->steps || !executor->groups ||
        !executor->seconds || !executor->spans)
        return status_error(STATUS_MEMORY, "no memory to bind a plan");
    TRY(map_region(&executor->slab, plan->slab_bytes, "activations"));
    // A page between the threads' parts, lest they share a prefetched line.
    executor->scratch_stride =
        ((size_t)plan->scratch_bytes + 8191) / 4096 * 4096;
    int64_t stride = (int64_t)executor->scratch_stride, room;
    TRY(calls_room(plan, ranks_count(), &room, &executor->sums));
    TRY(sums_open(executor->sums));
    TRY(map_region(&executor->scratch,
                   stride * (pool_threads(executor->pool) - 1) +
                       (room > stride ? room : stride),
                   "scratch"));
    TRY(bind_args(executor, store));
    TRY(bind_steps(executor, image));
    make_groups(executor);
    return status_ok();
}

Status executor_new(const Plan *plan, const CodeImage *image, Store *store,
                    Pool *pool, Executor **out)
{
    *out = NULL;
    TRY(plan_check(plan));
    calls_init();
    Executor *executor = calloc(1, sizeof *executor);
    if (!executor)
        return status_error(STATUS_MEMORY, "no memory to bind a plan");
    executor->plan = plan;
    executor->pool = pool;
    Status status = bind(executor, image, store);
    if (status.code == STATUS_OK)
        *out = executor;
    else
        executor_free(executor);
    return status;
}

void executor_free(Executor *executor)
{
    if (!executor)
        return;
    if (executor->sums.count)
        sums_close();
    unmap_region(&executor->slab);
    unmap_region(&executor->scratch);
    free(executor->args);
    free(executor->steps);
    free(executor->groups);
    free(executor->seconds);
    free(executor->spans);
    free(executor);
}

static unsigned char *find_port(const Executor *executor, const PlanPort *ports,
                                int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(ports[i].tensor.name, name) == 0)
            return executor->slab.base + ports[i].offset;
    return NULL;
}

void *executor_input(Executor *executor, const char *name)
{
    return find_port(executor, executor->plan->inputs,
                     executor->plan->input_count, name);
}

const void *executor_output(const Executor *executor, const char *name)
{
    return find_port(executor, executor->plan->outputs,
                     executor->plan->output_count, name);
}

// The first of a thread's tasks; those of the next thread begin where its own
// end.
static int64_t first_task(const Executor *executor, const Group *group,
                          int thread)
{
    if (group->alone)
        return thread == 0 ? 0 : group->tasks;
    return pool_split(group->tasks, pool_threads(executor->pool), thread);
}

static void *thread_scratch(const Executor *executor, int thread)
{
    int behind = pool_threads(executor->pool) - 1 - thread;
    return executor->scratch.base + (size_t)behind * executor->scratch_stride;
}

static void run_group(const Executor *executor, const Group *group, int thread)
{
    int64_t end = first_task(executor, group, thread + 1);
    void *scratch = thread_scratch(executor, thread);
    for (int64_t task = first_task(executor, group, thread); task < end; task++)
        for (int i = group->first; i < group->end; i++) {
            const BoundStep *step = &executor->steps[i];
            step->run(step->args, step->imm, task, scratch);
        }
}

static void run_groups(void *context, int thread)
{
    const Executor *executor = context;
    for (int g = executor->first; g < executor->end; g++) {
        run_group(executor, &executor->groups[g], thread);
        if (executor->groups[g].meet)
            pool_barrier(executor->pool);
    }
}

// As run_group, with a look at the clock after every kernel. The steps of a
// chain take turns, task by task; their spans stand one after another.
static double time_group(Executor *executor, const Group *group, int thread,
                         double start)
{
    int64_t end = first_task(executor, group, thread + 1);
    StepSpan *spans =
        executor->spans + (size_t)thread * (size_t)executor->plan->step_count;
    void *scratch = thread_scratch(executor, thread);
    double at = start;
    for (int i = group->first; i < group->end; i++)
        spans[i].seconds = 0;
    for (int64_t task = first_task(executor, group, thread); task < end; task++)
        for (int i = group->first; i < group->end; i++) {
            const BoundStep *step = &executor->steps[i];
            step->run(step->args, step->imm, task, scratch);
            double stop = clock_seconds();
            spans[i].seconds += stop - start;
            start = stop;
        }
    for (int i = group->first; i < group->end; i++) {
        spans[i].start = at;
        at += spans[i].seconds;
        if (thread == 0)
            executor->seconds[i] += spans[i].seconds;
    }
    return start;
}

// Thread 0 keeps the time; its waits count for the group's first step.
static void run_groups_timed(void *context, int thread)
{
    Executor *executor = context;
    double start = clock_seconds();
    for (int g = executor->first; g < executor->end; g++) {
        const Group *group = &executor->groups[g];
        start = time_group(executor, group, thread, start);
        if (!group->meet)
            continue;
        pool_barrier(executor->pool);
        double stop = clock_seconds();
        if (thread == 0)
            executor->seconds[group->first] += stop - start;
        start = stop;
    }
}

// What one run of a plan is given.
typedef struct Fed {
    Executor *executor;
    ExecutorFeed *feed;
    void *feed_context;
    ExecutorAfter *after;
    void *after_context;
    int chunk;
} Fed;

static void run_groups_watched(void *context, int thread)
{
    const Fed *fed = context;
    const Executor *executor = fed->executor;
    for (int g = executor->first; g < executor->end; g++) {
        const Group *group = &executor->groups[g];
        run_group(executor, group, thread);
        pool_barrier(executor->pool);
        if (thread == 0)
            fed->after(fed->after_context, group->first, group->end,
                       fed->chunk);
        pool_barrier(executor->pool);
    }
}

static void run_between(Fed *fed, int first, int end)
{
    Executor *executor = fed->executor;
    executor->first = first;
    executor->end = end;
    if (first == end)
        return;
    if (fed->after)
        pool_each(executor->pool, run_groups_watched, fed);
    else
        pool_each(executor->pool,
                  executor->timing ? run_groups_timed : run_groups, executor);
}

// Between a chunk's rows and their places among all.
static void copy_rows(const Executor *executor, int part, int chunk)
{
    const PlanChunks *chunks = &executor->plan->chunks;
    unsigned char *slab = executor->slab.base;
    for (int i = 0; i < chunks->copy_count; i++) {
        const PlanCopy *copy = &chunks->copies[i];
        for (int b = 0; copy->part == part && b < copy->blocks; b++) {
            int64_t at = (int64_t)b * chunks->count + chunk;
            unsigned char *rows = slab + copy->chunk + b * copy->bytes;
            unsigned char *whole = slab + copy->whole + at * copy->bytes;
            if (part == PLAN_EMBED)
                memcpy(whole, rows, (size_t)copy->bytes);
            else
                memcpy(rows, whole, (size_t)copy->bytes);
        }
    }
}

static Status run_part(Fed *fed, int part)
{
    const Executor *executor = fed->executor;
    int count = executor->plan->chunks.count;
    int first = part ? executor->part_groups[part - 1] : 0;
    int end = executor->part_groups[part];
    bool repeated = part == PLAN_EMBED || part == PLAN_BACKWARD;
    for (fed->chunk = 0; first < end && fed->chunk < (repeated ? count : 1);
         fed->chunk++) {
        if (repeated && fed->feed)
            TRY(fed->feed(fed->feed_context, part == PLAN_BACKWARD,
                          fed->chunk));
        if (part == PLAN_BACKWARD)
            copy_rows(executor, part, fed->chunk);
        run_between(fed, first, end);
        if (part == PLAN_EMBED)
            copy_rows(executor, part, fed->chunk);
    }
    return status_ok();
}

static Status run_fed(Fed *fed)
{
    const Executor *executor = fed->executor;
    if (executor->plan->chunks.count == 0) {
        if (fed->feed)
            TRY(fed->feed(fed->feed_context, 0, 0));
        run_between(fed, 0, executor->group_count);
        return status_ok();
    }
    for (int part = 0; part < PLAN_PARTS; part++)
        TRY(run_part(fed, part));
    return status_ok();
}

void executor_run(Executor *executor)
{
    Fed fed = {.executor = executor};
    run_fed(&fed);
}

Status executor_run_fed(Executor *executor, ExecutorFeed *feed,
                        void *feed_context, ExecutorAfter *after,
                        void *after_context)
{
    Fed fed = {executor, feed, feed_context, after, after_context, 0};
    return run_fed(&fed);
}

const void *executor_value(const Executor *executor, const PlanValue *value)
{
    return value->at.space == PLAN_SLAB ? executor->slab.base + value->at.offset
                                        : NULL;
}

void executor_set_timing(Executor *executor, bool on)
{
    executor->timing = on;
}

const double *executor_step_seconds(const Executor *executor)
{
    return executor->seconds;
}

const StepSpan *executor_spans(const Executor *executor, int thread)
{
    return executor->spans +
           (size_t)thread * (size_t)executor->plan->step_count;
}

int64_t executor_bytes(const Executor *executor)
{
    return (int64_t)(executor->slab.bytes + executor->scratch.bytes) +
           executor->sums.room;
}
