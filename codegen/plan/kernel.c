#include "codegen/plan/kernel.h"

#include "codegen/integers.h"
#include "ir/base/diag.h"

void strides_row_major(int rank, const int64_t *dims, int64_t *strides)
{
    int64_t stride = 1;
    for (int d = rank - 1; d >= 0; d--) {
        strides[d] = stride;
        stride *= dims[d];
    }
}

int64_t loop_elements(const LoopKernel *loop)
{
    int64_t count = 1;
    for (int d = 0; d < loop->rank; d++)
        count *= loop->dims[d];
    return count;
}

int64_t loop_kept_elements(const LoopKernel *loop)
{
    int64_t count = 1;
    for (int d = 0; d < loop->rank; d++)
        if (!loop_is_reduced(loop, d))
            count *= loop->dims[d];
    return count;
}

static bool expr_equal(const LoopExpr *a, const LoopExpr *b)
{
    return a->kind == b->kind && a->dtype == b->dtype && a->op == b->op &&
           a->arg == b->arg && memcmp(a->in, b->in, sizeof a->in) == 0 &&
           memcmp(&a->value, &b->value, sizeof a->value) == 0 &&
           a->offset == b->offset &&
           memcmp(a->stream, b->stream, sizeof a->stream) == 0 &&
           memcmp(&a->images, &b->images, sizeof a->images) == 0 &&
           memcmp(a->strides, b->strides, sizeof a->strides) == 0;
}

int loop_add_expr(Arena *arena, LoopKernel *loop, const LoopExpr *expr)
{
    for (int i = 0; i < loop->exprs.count; i++)
        if (expr_equal(&loop->exprs.at[i], expr))
            return i;
    vec_push(arena, &loop->exprs, *expr);
    return loop->exprs.count - 1;
}

// ---- collapsing -------------------------------------------------------------

int64_t *loop_strides(const LoopKernel *loop, int i)
{
    if (i < loop->exprs.count)
        return loop->exprs.at[i].strides;
    return loop->stores.at[i - loop->exprs.count].strides;
}

int loop_access_count(const LoopKernel *loop)
{
    return loop->exprs.count + loop->stores.count;
}

bool loop_is_reduced(const LoopKernel *loop, int dim)
{
    return loop->reduced >> dim & 1;
}

// Dims d and d + 1 are one when a step of d is dims[d + 1] steps of d + 1,
// everywhere.
static bool can_merge(const LoopKernel *loop, int d)
{
    if (loop_is_reduced(loop, d) != loop_is_reduced(loop, d + 1))
        return false;
    for (int i = 0; i < loop_access_count(loop); i++) {
        const int64_t *strides = loop_strides(loop, i);
        if (strides[d] != strides[d + 1] * loop->dims[d + 1])
            return false;
    }
    return true;
}

// Removes dim d from the dims, the strides and the mask.
static void drop_dim(LoopKernel *loop, int d)
{
    for (int i = 0; i < loop_access_count(loop); i++) {
        int64_t *strides = loop_strides(loop, i);
        for (int j = d; j + 1 < loop->rank; j++)
            strides[j] = strides[j + 1];
        strides[loop->rank - 1] = 0;
    }
    for (int j = d; j + 1 < loop->rank; j++)
        loop->dims[j] = loop->dims[j + 1];
    loop->rank--;
    loop->dims[loop->rank] = 0;
    unsigned low = loop->reduced & ((1u << d) - 1);
    loop->reduced = low | (loop->reduced >> (d + 1) << d);
}

void loop_collapse(LoopKernel *loop, int fixed)
{
    for (int d = loop->rank - 1; d >= fixed; d--)
        if (loop->dims[d] == 1)
            drop_dim(loop, d);
    for (int d = loop->rank - 2; d >= fixed; d--)
        if (can_merge(loop, d)) {
            loop->dims[d + 1] *= loop->dims[d];
            drop_dim(loop, d);
        }
}

void loop_split_rows(LoopKernel *loop, int64_t chunk)
{
    int64_t blocks = ceil_div(loop->dims[0], chunk);
    loop->split = (LoopSplit){0, chunk, blocks, blocks, 0, false};
}

// ---- canonical text ---------------------------------------------------------

// A million pieces for a large net: what printf makes of a number takes too
// long here.

// A size or a stride; "#2" is the step's third integer.
static void text_size(Text *text, int64_t size)
{
    if (loop_is_imm(size))
        text_add(text, "#");
    text_add_int(text, loop_is_imm(size) ? loop_imm_index(size) : size);
}

static void text_ints(Text *text, int count, const int64_t *values)
{
    text_add(text, "[");
    for (int i = 0; i < count; i++) {
        if (i)
            text_add(text, ",");
        text_size(text, values[i]);
    }
    text_add(text, "]");
}

// " e3" and the like.
static void text_number(Text *text, const char *before, int number)
{
    text_add(text, before);
    text_add_int(text, number);
}

static void text_expr(Text *text, const LoopKernel *loop, int i)
{
    const LoopExpr *e = &loop->exprs.at[i];
    text_number(text, "  e", i);
    text_add(text, ": ");
    text_add(text, dtype_name(e->dtype));
    text_add(text, " = ");
    switch (e->kind) {
    case EXPR_LOAD:
        text_number(text, "load a", e->arg);
        text_add(text, " ");
        text_ints(text, loop->rank, e->strides);
        break;
    case EXPR_CONST:
        text_addf(text, "const %a", e->value);
        break;
    case EXPR_IOTA:
        text_addf(text, "iota %a ", e->value);
        text_ints(text, loop->rank, e->strides);
        break;
    case EXPR_RANDOM:
        text_number(text, "random a", e->arg);
        text_addf(text, " stream %08x%08x from %lld ", e->stream[1],
                  e->stream[0], (long long)e->offset);
        if (e->images.here)
            text_addf(text, "images %lld of %lld ", (long long)e->images.here,
                      (long long)e->images.batch);
        if (e->images.run < e->images.here)
            text_addf(text, "in runs of %lld, one every %lld ",
                      (long long)e->images.run, (long long)e->images.stride);
        text_ints(text, loop->rank, e->strides);
        break;
    case EXPR_OP:
        text_add(text, op_info(e->op)->text);
        for (int j = 0; j < op_info(e->op)->input_count; j++)
            text_number(text, " e", e->in[j]);
        break;
    }
    text_add(text, "\n");
}

static void text_store(Text *text, const LoopKernel *loop, const LoopStore *s)
{
    static const char *const names[] = {"store", "sum", "max"};
    text_number(text, "  a", s->arg);
    text_add(text, ": ");
    text_add(text, dtype_name(s->dtype));
    text_add(text, " = ");
    text_add(text, names[s->kind]);
    text_number(text, " e", s->expr);
    text_add(text, " ");
    text_ints(text, loop->rank, s->strides);
    text_add(text, s->streams ? " past the caches\n" : "\n");
}

const char *loop_text(Arena *arena, const LoopKernel *loop)
{
    Text whole = text_new(arena), *text = &whole;
    const LoopSplit *split = &loop->split;
    text_add(text, "loop ");
    text_ints(text, loop->rank, loop->dims);
    if (loop->unit)
        text_number(text, " in units of ", (int)loop->unit);
    if (loop->reduced) {
        text_add(text, " reduce");
        for (int d = 0; d < loop->rank; d++)
            if (loop_is_reduced(loop, d))
                text_addf(text, " %d", d);
    }
    if (split->dim >= 0) {
        text_number(text, " split ", split->dim);
        text_add(text, " by ");
        text_size(text, split->chunk);
    }
    if (split->all_before)
        text_add(text, ", all before");
    if (split->partial_stride) {
        text_add(text, " partial ");
        text_size(text, split->partial_stride);
        text_add(text, split->by_rows ? " by rows" : "");
    }
    text_add(text, "\n");
    for (int i = 0; i < loop->exprs.count; i++)
        text_expr(text, loop, i);
    for (int i = 0; i < loop->stores.count; i++)
        text_store(text, loop, &loop->stores.at[i]);
    return text_string(text);
}
