// Window kernels: one plane (image and block of channels) after the other, one
// window after the other, its taps in row-major order. The channels of a block
// are the lanes of a vector; a plain image has blocks of one.
#include <math.h>

#include "codegen/cpu/emit.h"

typedef struct Pool {
    Emit *e;
    LLVMBuilderRef b;
    const PoolKernel *p;
    int lanes;
    LLVMValueRef x, y, out;   // of the plane; out is one of the other two, or
                              // max_pool_grad's dx
    LLVMValueRef best, place; // allocas: the largest so far, its tap or -1
    DType made;               // of what `out` holds: of bf16 gradients are
                              // added up in scratch, as floats
} Pool;

static LLVMValueRef int64(const Pool *w, int64_t value)
{
    return emit_i64(w->e, value);
}

static LLVMValueRef clamp_low(const Pool *w, LLVMValueRef x)
{
    LLVMValueRef negative = LLVMBuildICmp(w->b, LLVMIntSLT, x, int64(w, 0), "");
    return LLVMBuildSelect(w->b, negative, int64(w, 0), x, "");
}

static LLVMValueRef address(const Pool *w, DType dtype, LLVMValueRef base,
                            LLVMValueRef pixel)
{
    LLVMValueRef index =
        LLVMBuildNSWMul(w->b, pixel, int64(w, w->p->block), "");
    return emit_offset(w->e, dtype, base, index);
}

static LLVMValueRef load_as(const Pool *w, DType dtype, LLVMValueRef base,
                            LLVMValueRef pixel)
{
    LLVMValueRef stored =
        LLVMBuildLoad2(w->b, emit_stored_type(w->e, dtype, w->lanes),
                       address(w, dtype, base, pixel), "");
    LLVMSetAlignment(stored, (unsigned)dtype_size(dtype));
    return emit_from_stored(w->e, dtype, w->lanes, stored);
}

// Of x or y.
static LLVMValueRef load(const Pool *w, LLVMValueRef base, LLVMValueRef pixel)
{
    return load_as(w, w->p->types.out, base, pixel);
}

static void store_as(const Pool *w, DType dtype, LLVMValueRef base,
                     LLVMValueRef pixel, LLVMValueRef value)
{
    LLVMValueRef done =
        LLVMBuildStore(w->b, emit_to_stored(w->e, dtype, w->lanes, value),
                       address(w, dtype, base, pixel));
    LLVMSetAlignment(done, (unsigned)dtype_size(dtype));
}

// To `out`.
static void store(const Pool *w, LLVMValueRef pixel, LLVMValueRef value)
{
    store_as(w, w->made, w->out, pixel, value);
}

static LLVMValueRef number(const Pool *w, double value)
{
    return emit_const(w->e, w->p->types.out, w->lanes, value);
}

// out[index] += value
static void add_to(const Pool *w, LLVMValueRef index, LLVMValueRef value)
{
    LLVMValueRef before = load_as(w, w->made, w->out, index);
    store(w, index, LLVMBuildFAdd(w->b, before, value, ""));
}

// ---- loops ------------------------------------------------------------------

// The part of a window along one axis that lies inside the plane.
typedef struct Taps {
    LLVMValueRef low, high;
} Taps;

static Taps taps(const Pool *w, LLVMValueRef window, int64_t stride,
                 int64_t pad, int64_t kernel, int64_t size)
{
    LLVMValueRef start = LLVMBuildNSWSub(
        w->b, LLVMBuildNSWMul(w->b, window, int64(w, stride), ""),
        int64(w, pad), "");
    LLVMValueRef end = LLVMBuildNSWAdd(w->b, start, int64(w, kernel), "");
    return (Taps){clamp_low(w, start), emit_min_i64(w->e, end, int64(w, size))};
}

typedef void PoolBody(const Pool *w, LLVMValueRef index, LLVMValueRef value);

// body(index in x, value) for each tap of a window.
static void each_tap(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                     LLVMValueRef value, PoolBody *body)
{
    const PoolKernel *p = w->p;
    Taps rows = taps(w, oy, p->sh, p->top, p->kh, p->h);
    Taps columns = taps(w, ox, p->sw, p->left, p->kw, p->w);
    EmitLoop ky = emit_loop_begin(w->e, rows.low, rows.high, 1);
    LLVMValueRef row = LLVMBuildNSWMul(w->b, ky.index, int64(w, p->w), "");
    EmitLoop kx = emit_loop_begin(w->e, columns.low, columns.high, 1);
    body(w, LLVMBuildNSWAdd(w->b, row, kx.index, ""), value);
    emit_loop_end(w->e, &kx);
    emit_loop_end(w->e, &ky);
}

typedef void WindowBody(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                        LLVMValueRef index);

// body(row, column, index in y) for each window of the plane.
static void each_window(const Pool *w, WindowBody *body)
{
    const PoolKernel *p = w->p;
    EmitLoop oy = emit_loop_begin(w->e, int64(w, 0), int64(w, p->oh), 1);
    LLVMValueRef row = LLVMBuildNSWMul(w->b, oy.index, int64(w, p->ow), "");
    EmitLoop ox = emit_loop_begin(w->e, int64(w, 0), int64(w, p->ow), 1);
    body(w, oy.index, ox.index, LLVMBuildNSWAdd(w->b, row, ox.index, ""));
    emit_loop_end(w->e, &ox);
    emit_loop_end(w->e, &oy);
}

static void clear_plane(const Pool *w)
{
    const PoolKernel *p = w->p;
    EmitLoop i = emit_loop_begin(w->e, int64(w, 0), int64(w, p->h * p->w), 1);
    store(w, i.index, number(w, 0));
    emit_loop_end(w->e, &i);
}

// ---- what is done with a tap, and with a window -----------------------------

static LLVMValueRef load_best(const Pool *w)
{
    return LLVMBuildLoad2(w->b, emit_type(w->e, w->p->types.out, w->lanes),
                          w->best, "");
}

static LLVMValueRef load_place(const Pool *w)
{
    return LLVMBuildLoad2(w->b, emit_int_type(w->e, 32, w->lanes), w->place,
                          "");
}

// The tap's index in every lane.
static LLVMValueRef tap_number(const Pool *w, LLVMValueRef index)
{
    LLVMValueRef number =
        LLVMBuildTrunc(w->b, index, emit_int_type(w->e, 32, 1), "");
    return emit_splat(w->e, number, w->lanes);
}

static LLVMValueRef no_tap(const Pool *w)
{
    return emit_int(w->e, 32, w->lanes, -1);
}

// Takes x[index] if it is the first tap, is larger than the best, or is NaN
// (which then stays: nothing is larger than NaN).
static void take_larger(const Pool *w, LLVMValueRef index, LLVMValueRef unused)
{
    (void)unused;
    LLVMValueRef x = load(w, w->x, index), best = load_best(w);
    LLVMValueRef place = load_place(w), tap = tap_number(w, index);
    LLVMValueRef larger = LLVMBuildFCmp(w->b, LLVMRealOGT, x, best, "");
    LLVMValueRef nan = LLVMBuildFCmp(w->b, LLVMRealUNO, x, x, "");
    LLVMValueRef first = LLVMBuildICmp(w->b, LLVMIntEQ, place, no_tap(w), "");
    LLVMValueRef take =
        LLVMBuildOr(w->b, first, LLVMBuildOr(w->b, larger, nan, ""), "");
    LLVMBuildStore(w->b, LLVMBuildSelect(w->b, take, x, best, ""), w->best);
    LLVMBuildStore(w->b, LLVMBuildSelect(w->b, take, tap, place, ""), w->place);
}

static void find_largest(const Pool *w, LLVMValueRef oy, LLVMValueRef ox)
{
    LLVMBuildStore(w->b, number(w, -INFINITY), w->best);
    LLVMBuildStore(w->b, no_tap(w), w->place);
    each_tap(w, oy, ox, NULL, take_larger);
}

static void max_window(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                       LLVMValueRef index)
{
    find_largest(w, oy, ox);
    store(w, index, load_best(w));
}

static void add_to_largest(const Pool *w, LLVMValueRef index, LLVMValueRef dy)
{
    LLVMValueRef largest =
        LLVMBuildICmp(w->b, LLVMIntEQ, load_place(w), tap_number(w, index), "");
    add_to(w, index, LLVMBuildSelect(w->b, largest, dy, number(w, 0), ""));
}

// A window wholly in the padding has no largest element: its dy is lost.
static void max_grad_window(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                            LLVMValueRef index)
{
    find_largest(w, oy, ox);
    each_tap(w, oy, ox, load(w, w->y, index), add_to_largest);
}

static void add_tap(const Pool *w, LLVMValueRef index, LLVMValueRef unused)
{
    (void)unused;
    LLVMValueRef sum =
        LLVMBuildFAdd(w->b, load_best(w), load(w, w->x, index), "");
    LLVMBuildStore(w->b, sum, w->best);
}

static void sum_window(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                       LLVMValueRef index)
{
    LLVMBuildStore(w->b, number(w, 0), w->best);
    each_tap(w, oy, ox, NULL, add_tap);
    store(w, index, load_best(w));
}

static void sum_grad_window(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                            LLVMValueRef index)
{
    each_tap(w, oy, ox, load(w, w->y, index), add_to);
}

// ---- the kernel -------------------------------------------------------------

// Elements of a plane of the two sides.
static int64_t larger(const PoolKernel *p)
{
    return p->h * p->w * p->block;
}

static int64_t smaller(const PoolKernel *p)
{
    return p->oh * p->ow * p->block;
}

static LLVMValueRef plane_of(const Pool *w, int arg, LLVMValueRef plane,
                             int64_t size)
{
    LLVMValueRef skip = LLVMBuildNSWMul(w->b, plane, int64(w, size), "");
    return emit_offset(w->e, w->p->types.out, w->e->args[arg], skip);
}

static void plane_MAX_POOL(Pool *w, LLVMValueRef plane)
{
    w->x = plane_of(w, 0, plane, larger(w->p));
    w->out = plane_of(w, 1, plane, smaller(w->p));
    each_window(w, max_window);
}

static void plane_SUM_POOL(Pool *w, LLVMValueRef plane)
{
    w->x = plane_of(w, 0, plane, larger(w->p));
    w->out = plane_of(w, 1, plane, smaller(w->p));
    each_window(w, sum_window);
}

// A gradient is added up where it is to lie, or first in scratch.
static void make_gradient(Pool *w, LLVMValueRef to, WindowBody *body)
{
    DType dtype = w->p->types.out;
    bool apart = pool_sums_apart(w->p);
    w->out = apart ? LLVMGetParam(w->e->function, 3) : to;
    w->made = apart ? DT_F32 : dtype;
    clear_plane(w);
    each_window(w, body);
    if (!apart)
        return;
    EmitLoop i =
        emit_loop_begin(w->e, int64(w, 0), int64(w, w->p->h * w->p->w), 1);
    store_as(w, dtype, to, i.index, load_as(w, DT_F32, w->out, i.index));
    emit_loop_end(w->e, &i);
}

static void plane_MAX_POOL_GRAD(Pool *w, LLVMValueRef plane)
{
    w->x = plane_of(w, 0, plane, larger(w->p));
    w->y = plane_of(w, 1, plane, smaller(w->p));
    make_gradient(w, plane_of(w, 2, plane, larger(w->p)), max_grad_window);
}

static void plane_SUM_POOL_GRAD(Pool *w, LLVMValueRef plane)
{
    w->y = plane_of(w, 0, plane, smaller(w->p));
    make_gradient(w, plane_of(w, 1, plane, larger(w->p)), sum_grad_window);
}

// What each op of the class does with a plane.
static void (*const planes_of[OP_COUNT])(Pool *w, LLVMValueRef plane) = {
#define PICK_POOL(id) [OP_##id] = plane_##id,
#include "ir/ops_of.def"
};

void emit_pool(Emit *emit)
{
    const PoolKernel *p = &cpu_kernel(emit)->pool;
    DType dtype = p->types.out;
    Pool w = {.e = emit,
              .b = emit->builder,
              .p = p,
              .lanes = (int)p->block,
              .made = dtype};
    w.best = LLVMBuildAlloca(w.b, emit_type(emit, dtype, w.lanes), "");
    w.place = LLVMBuildAlloca(w.b, emit_int_type(emit, 32, w.lanes), "");
    LLVMValueRef chunk = int64(&w, p->chunk);
    LLVMValueRef low = LLVMBuildNSWMul(w.b, emit->task, chunk, "");
    LLVMValueRef high = emit_min_i64(emit, LLVMBuildNSWAdd(w.b, low, chunk, ""),
                                     int64(&w, p->planes));
    EmitLoop plane = emit_loop_begin(emit, low, high, 1);
    planes_of[p->op](&w, plane.index);
    emit_loop_end(emit, &plane);
}
