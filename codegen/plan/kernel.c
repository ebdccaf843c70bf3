#include "codegen/plan/kernel.h"

#include "codegen/integers.h"
#include "ir/base/diag.h"

enum {
    // A task should take tens of microseconds: long against a barrier, short
    // against the imbalance of unequal cores.
    ELEMENTS_PER_TASK = 16384,
    MAX_TASKS = 64,
    // Blocks of the innermost dim start on cache lines of bytes, too.
    CHUNK_ALIGN = 64,
    // Fewer outputs than this keep too few cores busy: sum in parts.
    ENOUGH_OUTPUTS = 16,
};

void strides_row_major(int rank, const int64_t *dims, int64_t *strides)
{
    int64_t stride = 1;
    for (int d = rank - 1; d >= 0; d--) {
        strides[d] = stride;
        stride *= dims[d];
    }
}

int64_t kernel_elements(const Kernel *kernel)
{
    int64_t count = 1;
    for (int d = 0; d < kernel->rank; d++)
        count *= kernel->dims[d];
    return count;
}

static bool expr_equal(const KernelExpr *a, const KernelExpr *b)
{
    return a->kind == b->kind && a->dtype == b->dtype && a->op == b->op &&
           a->arg == b->arg && memcmp(a->in, b->in, sizeof a->in) == 0 &&
           memcmp(&a->value, &b->value, sizeof a->value) == 0 &&
           memcmp(a->strides, b->strides, sizeof a->strides) == 0;
}

int kernel_add_expr(Arena *arena, Kernel *kernel, const KernelExpr *expr)
{
    for (int i = 0; i < kernel->exprs.count; i++)
        if (expr_equal(&kernel->exprs.at[i], expr))
            return i;
    vec_push(arena, &kernel->exprs, *expr);
    return kernel->exprs.count - 1;
}

// ---- collapsing -------------------------------------------------------------

// Every strides array of the kernel, one after the other.
static int64_t *access_strides(const Kernel *kernel, int i)
{
    if (i < kernel->exprs.count)
        return kernel->exprs.at[i].strides;
    return kernel->stores.at[i - kernel->exprs.count].strides;
}

static int access_count(const Kernel *kernel)
{
    return kernel->exprs.count + kernel->stores.count;
}

static bool is_reduced(const Kernel *kernel, int d)
{
    return kernel->reduced >> d & 1;
}

// Dims d and d + 1 are one when a step of d is dims[d + 1] steps of d + 1,
// everywhere.
static bool can_merge(const Kernel *kernel, int d)
{
    if (is_reduced(kernel, d) != is_reduced(kernel, d + 1))
        return false;
    for (int i = 0; i < access_count(kernel); i++) {
        const int64_t *strides = access_strides(kernel, i);
        if (strides[d] != strides[d + 1] * kernel->dims[d + 1])
            return false;
    }
    return true;
}

// Removes dim d from the dims, the strides and the mask.
static void drop_dim(Kernel *kernel, int d)
{
    for (int i = 0; i < access_count(kernel); i++) {
        int64_t *strides = access_strides(kernel, i);
        for (int j = d; j + 1 < kernel->rank; j++)
            strides[j] = strides[j + 1];
        strides[kernel->rank - 1] = 0;
    }
    for (int j = d; j + 1 < kernel->rank; j++)
        kernel->dims[j] = kernel->dims[j + 1];
    kernel->rank--;
    kernel->dims[kernel->rank] = 0;
    unsigned low = kernel->reduced & ((1u << d) - 1);
    kernel->reduced = low | (kernel->reduced >> (d + 1) << d);
}

void kernel_collapse(Kernel *kernel, int fixed)
{
    for (int d = kernel->rank - 1; d >= fixed; d--)
        if (kernel->dims[d] == 1)
            drop_dim(kernel, d);
    for (int d = kernel->rank - 2; d >= fixed; d--)
        if (can_merge(kernel, d)) {
            kernel->dims[d + 1] *= kernel->dims[d];
            drop_dim(kernel, d);
        }
}

// ---- splitting --------------------------------------------------------------

static int64_t wanted_tasks(const Kernel *kernel)
{
    int64_t tasks = kernel_elements(kernel) / ELEMENTS_PER_TASK;
    return tasks < 1 ? 1 : min_i64(tasks, MAX_TASKS);
}

static void set_split(Kernel *kernel, int dim, int64_t before, int64_t blocks)
{
    KernelSplit *split = &kernel->split;
    int64_t size = kernel->dims[dim];
    int64_t chunk = ceil_div(size, min_i64(blocks, size));
    if (dim == kernel->rank - 1)
        chunk = ceil_div(chunk, CHUNK_ALIGN) * CHUNK_ALIGN;
    split->dim = dim;
    split->chunk = chunk;
    split->blocks = ceil_div(size, chunk);
    split->task_count = before * split->blocks;
}

// The first kept dim at which the tasks are many enough.
static void split_kept(Kernel *kernel, int64_t wanted)
{
    int64_t before = 1;
    int last = -1;
    int64_t before_last = 1;
    for (int d = 0; d < kernel->rank; d++) {
        if (is_reduced(kernel, d))
            continue;
        last = d;
        before_last = before;
        before *= kernel->dims[d];
        if (before >= wanted)
            break;
    }
    if (last >= 0)
        set_split(kernel, last, before_last, ceil_div(wanted, before_last));
}

static int64_t kept_elements(const Kernel *kernel)
{
    int64_t count = 1;
    for (int d = 0; d < kernel->rank; d++)
        if (!is_reduced(kernel, d))
            count *= kernel->dims[d];
    return count;
}

static int largest_reduced_dim(const Kernel *kernel)
{
    int largest = -1;
    for (int d = 0; d < kernel->rank; d++)
        if (is_reduced(kernel, d) &&
            (largest < 0 || kernel->dims[d] > kernel->dims[largest]))
            largest = d;
    return largest;
}

int64_t kernel_split(Kernel *kernel)
{
    kernel->split = (KernelSplit){-1, 0, 1, 1, 0};
    int64_t wanted = wanted_tasks(kernel);
    if (wanted == 1)
        return 1;
    int64_t kept = kept_elements(kernel);
    int dim = largest_reduced_dim(kernel);
    if (dim < 0 || kept >= min_i64(wanted, ENOUGH_OUTPUTS)) {
        split_kept(kernel, wanted);
        return 1;
    }
    set_split(kernel, dim, 1, wanted);
    kernel->split.partial_stride = kept;
    return kernel->split.blocks;
}

void kernel_split_rows(Kernel *kernel, int64_t chunk)
{
    int64_t blocks = ceil_div(kernel->dims[0], chunk);
    kernel->split = (KernelSplit){0, chunk, blocks, blocks, 0};
}

// ---- canonical text ---------------------------------------------------------

static void text_ints(Text *text, int count, const int64_t *values)
{
    text_add(text, "[");
    for (int i = 0; i < count; i++)
        text_addf(text, i ? ",%lld" : "%lld", (long long)values[i]);
    text_add(text, "]");
}

static void text_expr(Text *text, const Kernel *kernel, int i)
{
    const KernelExpr *e = &kernel->exprs.at[i];
    text_addf(text, "  e%d: %s = ", i, dtype_name(e->dtype));
    switch (e->kind) {
    case EXPR_LOAD:
        text_addf(text, "load a%d ", e->arg);
        text_ints(text, kernel->rank, e->strides);
        break;
    case EXPR_CONST:
        text_addf(text, "const %a", e->value);
        break;
    case EXPR_IOTA:
        text_addf(text, "iota %a ", e->value);
        text_ints(text, kernel->rank, e->strides);
        break;
    case EXPR_OP:
        text_add(text, op_info(e->op)->text);
        for (int j = 0; j < op_info(e->op)->input_count; j++)
            text_addf(text, " e%d", e->in[j]);
        break;
    }
    text_add(text, "\n");
}

static void text_store(Text *text, const Kernel *kernel, const KernelStore *s)
{
    static const char *const names[] = {"store", "sum", "max"};
    text_addf(text, "  a%d: %s = %s e%d ", s->arg, dtype_name(s->dtype),
              names[s->kind], s->expr);
    text_ints(text, kernel->rank, s->strides);
    text_add(text, "\n");
}

static void text_loop(Text *text, const Kernel *kernel, const char *name)
{
    const KernelSplit *split = &kernel->split;
    text_addf(text, "%s ", name);
    text_ints(text, kernel->rank, kernel->dims);
    if (kernel->reduced) {
        text_add(text, " reduce");
        for (int d = 0; d < kernel->rank; d++)
            if (is_reduced(kernel, d))
                text_addf(text, " %d", d);
    }
    if (split->dim >= 0)
        text_addf(text, " split %d by %lld", split->dim,
                  (long long)split->chunk);
    if (split->partial_stride)
        text_addf(text, " partial %lld", (long long)split->partial_stride);
    text_add(text, "\n");
    for (int i = 0; i < kernel->exprs.count; i++)
        text_expr(text, kernel, i);
    for (int i = 0; i < kernel->stores.count; i++)
        text_store(text, kernel, &kernel->stores.at[i]);
}

// Named by its operation.
static void text_pool(Text *text, const Kernel *kernel, const char *name)
{
    const KernelPool *p = &kernel->pool;
    (void)name;
    int64_t sizes[] = {p->planes, p->block, p->h,  p->w,  p->oh,  p->ow,
                       p->kh,     p->kw,    p->sh, p->sw, p->top, p->left};
    text_addf(text, "%s %s planes,block,h,w,oh,ow,kh,kw,sh,sw,top,left = ",
              op_info(p->op)->text, dtype_name(p->dtype));
    text_ints(text, sizeof sizes / sizeof *sizes, sizes);
    text_addf(text, " split by %lld\n", (long long)kernel->split.chunk);
}

static void text_taps(Text *text, const Kernel *kernel, const char *name)
{
    taps_text(text, name, &kernel->taps);
}

static void text_winograd(Text *text, const Kernel *kernel, const char *name)
{
    winograd_text(text, name, &kernel->winograd);
}

void kernel_seal(Arena *arena, Kernel *kernel)
{
    static const struct {
        const char *name;
        void (*print)(Text *text, const Kernel *kernel, const char *name);
    } kinds[KERNEL_KINDS] = {
#define KIND(id, emit, part, name) {name, text_##part},
#include "codegen/cpu/kinds.def"
#undef KIND
    };
    Text text = text_new(arena);
    kinds[kernel->kind].print(&text, kernel, kinds[kernel->kind].name);
    kernel->text = text_string(&text);
    uint64_t hash = text_hash(TEXT_HASH_SEED, kernel->text, text.length);
    kernel->symbol = arena_printf(arena, "k_%016llx", (unsigned long long)hash);
}
