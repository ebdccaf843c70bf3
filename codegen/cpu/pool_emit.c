// Window kernels: one plane (image and block of channels) after the other, one
// window after the other, its taps in row-major order. The channels of a block
// are the lanes of a vector; a plain image has blocks of one.
#include <math.h>

#include "codegen/cpu/emit.h"
#include "codegen/integers.h"

enum { MOST_UNROLLED = 16 }; // taps of a window; more are looped over

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

// A pixel of a plane: `more` behind `at`.
typedef struct Pixel {
    LLVMValueRef at;
    int64_t more;
} Pixel;

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
                            Pixel pixel)
{
    LLVMValueRef index =
        LLVMBuildNSWMul(w->b, pixel.at, int64(w, w->p->block), "");
    LLVMValueRef at = emit_offset(w->e, dtype, base, index);
    return emit_offset(w->e, dtype, at, int64(w, pixel.more * w->p->block));
}

static LLVMValueRef load_as(const Pool *w, DType dtype, LLVMValueRef base,
                            Pixel pixel)
{
    LLVMValueRef stored =
        LLVMBuildLoad2(w->b, emit_stored_type(w->e, dtype, w->lanes),
                       address(w, dtype, base, pixel), "");
    LLVMSetAlignment(stored, (unsigned)dtype_size(dtype));
    return emit_from_stored(w->e, dtype, w->lanes, stored);
}

// Of x or y.
static LLVMValueRef load(const Pool *w, LLVMValueRef base, Pixel pixel)
{
    return load_as(w, w->p->types.out, base, pixel);
}

static void store_as(const Pool *w, DType dtype, LLVMValueRef base, Pixel pixel,
                     LLVMValueRef value)
{
    LLVMValueRef done =
        LLVMBuildStore(w->b, emit_to_stored(w->e, dtype, w->lanes, value),
                       address(w, dtype, base, pixel));
    LLVMSetAlignment(done, (unsigned)dtype_size(dtype));
}

// To `out`.
static void store(const Pool *w, Pixel pixel, LLVMValueRef value)
{
    store_as(w, w->made, w->out, pixel, value);
}

static LLVMValueRef number(const Pool *w, double value)
{
    return emit_const(w->e, w->p->types.out, w->lanes, value);
}

// out[pixel] += value
static void add_to(const Pool *w, Pixel pixel, LLVMValueRef value)
{
    LLVMValueRef before = load_as(w, w->made, w->out, pixel);
    store(w, pixel, LLVMBuildFAdd(w->b, before, value, ""));
}

// ---- loops ------------------------------------------------------------------

// A tap of a window: its pixel of x, and a number that no other has, in every
// lane. Where taps are looped over, the first is not known to be that.
typedef struct Tap {
    Pixel pixel;
    LLVMValueRef number;
    bool first;
} Tap;

typedef void TapBody(const Pool *w, const Tap *tap, LLVMValueRef value);
// The part of a window along one axis that lies inside the plane.
typedef struct Taps {
    LLVMValueRef low, high;
} Taps;

// Where a window begins: below 0 in the padding.
static LLVMValueRef window_start(const Pool *w, LLVMValueRef window,
                                 int64_t stride, int64_t pad)
{
    return LLVMBuildNSWSub(w->b,
                           LLVMBuildNSWMul(w->b, window, int64(w, stride), ""),
                           int64(w, pad), "");
}

static Taps taps(const Pool *w, LLVMValueRef window, int64_t stride,
                 int64_t pad, int64_t kernel, int64_t size)
{
    LLVMValueRef start = window_start(w, window, stride, pad);
    LLVMValueRef end = LLVMBuildNSWAdd(w->b, start, int64(w, kernel), "");
    return (Taps){clamp_low(w, start), emit_min_i64(w->e, end, int64(w, size))};
}

// Those of a window that the padding may cut.
static void each_tap_there(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                           LLVMValueRef value, TapBody *body)
{
    const PoolKernel *p = w->p;
    Taps rows = taps(w, oy, p->sh, p->top, p->kh, p->h);
    Taps columns = taps(w, ox, p->sw, p->left, p->kw, p->w);
    EmitLoop ky = emit_loop_begin(w->e, rows.low, rows.high, 1);
    LLVMValueRef row = LLVMBuildNSWMul(w->b, ky.index, int64(w, p->w), "");
    EmitLoop kx = emit_loop_begin(w->e, columns.low, columns.high, 1);
    LLVMValueRef pixel = LLVMBuildNSWAdd(w->b, row, kx.index, "");
    LLVMValueRef number =
        LLVMBuildTrunc(w->b, pixel, emit_int_type(w->e, 32, 1), "");
    Tap tap = {{pixel, 0}, emit_splat(w->e, number, w->lanes), false};
    body(w, &tap, value);
    emit_loop_end(w->e, &kx);
    emit_loop_end(w->e, &ky);
}

// Those of a whole window, one after the other.
static void each_tap_unrolled(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                              LLVMValueRef value, TapBody *body)
{
    const PoolKernel *p = w->p;
    LLVMValueRef row = LLVMBuildNSWMul(w->b, window_start(w, oy, p->sh, p->top),
                                       int64(w, p->w), "");
    LLVMValueRef start =
        LLVMBuildNSWAdd(w->b, row, window_start(w, ox, p->sw, p->left), "");
    for (int64_t i = 0; i < p->kh * p->kw; i++) {
        Tap tap = {{start, i / p->kw * p->w + i % p->kw},
                   emit_int(w->e, 32, w->lanes, i),
                   i == 0};
        body(w, &tap, value);
    }
}

static bool is_unrolled(const PoolKernel *p)
{
    return p->kh * p->kw <= MOST_UNROLLED;
}

// The windows along one axis that lie wholly inside the plane, [low, high).
static void whole_windows(int64_t count, int64_t stride, int64_t pad,
                          int64_t kernel, int64_t size, int64_t *low,
                          int64_t *high)
{
    *low = min_i64(count, ceil_div(pad, stride));
    *high = *low;
    while (*high < count && *high * stride - pad + kernel <= size)
        ++*high;
}

static LLVMValueRef is_between(const Pool *w, LLVMValueRef x, int64_t low,
                               int64_t high)
{
    LLVMValueRef from = LLVMBuildSub(w->b, x, int64(w, low), "");
    return LLVMBuildICmp(w->b, LLVMIntULT, from, int64(w, high - low), "");
}

// How a window's taps are walked: bodies of a window end in one of the two.
typedef void EachTap(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                     LLVMValueRef value, TapBody *body);

typedef void WindowBody(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                        Pixel out, EachTap *each_tap);

// A window: unrolled where it is whole.
static void window(const Pool *w, LLVMValueRef oy, LLVMValueRef ox, Pixel out,
                   WindowBody *body)
{
    const PoolKernel *p = w->p;
    int64_t top, bottom, left, right;
    whole_windows(p->oh, p->sh, p->top, p->kh, p->h, &top, &bottom);
    whole_windows(p->ow, p->sw, p->left, p->kw, p->w, &left, &right);
    int64_t whole = (bottom - top) * (right - left);
    if (!is_unrolled(p) || whole == 0) {
        body(w, oy, ox, out, each_tap_there);
        return;
    }
    if (whole == p->oh * p->ow) {
        body(w, oy, ox, out, each_tap_unrolled);
        return;
    }
    LLVMBasicBlockRef inside = emit_block(w->e), cut = emit_block(w->e);
    LLVMBasicBlockRef after = emit_block(w->e);
    LLVMValueRef is_whole = LLVMBuildAnd(w->b, is_between(w, oy, top, bottom),
                                         is_between(w, ox, left, right), "");
    LLVMBuildCondBr(w->b, is_whole, inside, cut);
    LLVMPositionBuilderAtEnd(w->b, inside);
    body(w, oy, ox, out, each_tap_unrolled);
    LLVMBuildBr(w->b, after);
    LLVMPositionBuilderAtEnd(w->b, cut);
    body(w, oy, ox, out, each_tap_there);
    LLVMBuildBr(w->b, after);
    LLVMPositionBuilderAtEnd(w->b, after);
}

// A row of windows.
static void each_column(const Pool *w, LLVMValueRef oy, WindowBody *body)
{
    const PoolKernel *p = w->p;
    LLVMValueRef row = LLVMBuildNSWMul(w->b, oy, int64(w, p->ow), "");
    EmitLoop ox = emit_loop_begin(w->e, int64(w, 0), int64(w, p->ow), 1);
    Pixel out = {LLVMBuildNSWAdd(w->b, row, ox.index, ""), 0};
    window(w, oy, ox.index, out, body);
    emit_loop_end(w->e, &ox);
}

static void each_window(const Pool *w, WindowBody *body)
{
    EmitLoop oy = emit_loop_begin(w->e, int64(w, 0), int64(w, w->p->oh), 1);
    each_column(w, oy.index, body);
    emit_loop_end(w->e, &oy);
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

static LLVMValueRef no_tap(const Pool *w)
{
    return emit_int(w->e, 32, w->lanes, -1);
}

// Takes x of the tap if it is the first, is larger than the best, or is NaN
// (which then stays: nothing is larger than NaN).
static void take_larger(const Pool *w, const Tap *tap, LLVMValueRef unused)
{
    (void)unused;
    LLVMValueRef x = load(w, w->x, tap->pixel);
    if (tap->first) {
        LLVMBuildStore(w->b, x, w->best);
        LLVMBuildStore(w->b, tap->number, w->place);
        return;
    }
    LLVMValueRef best = load_best(w), place = load_place(w);
    LLVMValueRef larger = LLVMBuildFCmp(w->b, LLVMRealOGT, x, best, "");
    LLVMValueRef nan = LLVMBuildFCmp(w->b, LLVMRealUNO, x, x, "");
    LLVMValueRef first = LLVMBuildICmp(w->b, LLVMIntEQ, place, no_tap(w), "");
    LLVMValueRef take =
        LLVMBuildOr(w->b, first, LLVMBuildOr(w->b, larger, nan, ""), "");
    LLVMBuildStore(w->b, LLVMBuildSelect(w->b, take, x, best, ""), w->best);
    LLVMBuildStore(w->b, LLVMBuildSelect(w->b, take, tap->number, place, ""),
                   w->place);
}

static void find_largest(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                         EachTap *each_tap)
{
    LLVMBuildStore(w->b, number(w, -INFINITY), w->best);
    LLVMBuildStore(w->b, no_tap(w), w->place);
    each_tap(w, oy, ox, NULL, take_larger);
}

static void max_window(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                       Pixel out, EachTap *each_tap)
{
    find_largest(w, oy, ox, each_tap);
    store(w, out, load_best(w));
}

static void add_to_largest(const Pool *w, const Tap *tap, LLVMValueRef dy)
{
    LLVMValueRef largest =
        LLVMBuildICmp(w->b, LLVMIntEQ, load_place(w), tap->number, "");
    add_to(w, tap->pixel, LLVMBuildSelect(w->b, largest, dy, number(w, 0), ""));
}

// A window wholly in the padding has no largest element: its dy is lost.
static void max_grad_window(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                            Pixel out, EachTap *each_tap)
{
    find_largest(w, oy, ox, each_tap);
    each_tap(w, oy, ox, load(w, w->y, out), add_to_largest);
}

static void add_tap(const Pool *w, const Tap *tap, LLVMValueRef unused)
{
    (void)unused;
    LLVMValueRef sum =
        LLVMBuildFAdd(w->b, load_best(w), load(w, w->x, tap->pixel), "");
    LLVMBuildStore(w->b, sum, w->best);
}

static void sum_window(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                       Pixel out, EachTap *each_tap)
{
    LLVMBuildStore(w->b, number(w, 0), w->best);
    each_tap(w, oy, ox, NULL, add_tap);
    store(w, out, load_best(w));
}

static void add_dy(const Pool *w, const Tap *tap, LLVMValueRef dy)
{
    add_to(w, tap->pixel, dy);
}

static void sum_grad_window(const Pool *w, LLVMValueRef oy, LLVMValueRef ox,
                            Pixel out, EachTap *each_tap)
{
    each_tap(w, oy, ox, load(w, w->y, out), add_dy);
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

// The row of x at which the row of windows `oy` begins, and `more` behind it: 0
// of the first one, and past the last one (oy = oh) all rows. So the rows from
// that of oy to that of oy + 1 are each in one such range.
static LLVMValueRef rows_before(const Pool *w, LLVMValueRef oy, int64_t more)
{
    LLVMValueRef row = LLVMBuildNSWAdd(
        w->b, window_start(w, oy, w->p->sh, w->p->top), int64(w, more), "");
    row = emit_min_i64(w->e, clamp_low(w, row), int64(w, w->p->h));
    LLVMValueRef none = LLVMBuildICmp(w->b, LLVMIntEQ, oy, int64(w, 0), "");
    LLVMValueRef all =
        LLVMBuildICmp(w->b, LLVMIntEQ, oy, int64(w, w->p->oh), "");
    row = LLVMBuildSelect(w->b, none, int64(w, 0), row, "");
    return LLVMBuildSelect(w->b, all, int64(w, w->p->h), row, "");
}

// The pixels of rows [low, high).
static EmitLoop begin_rows(const Pool *w, LLVMValueRef low, LLVMValueRef high)
{
    LLVMValueRef width = int64(w, w->p->w);
    return emit_loop_begin(w->e, LLVMBuildNSWMul(w->b, low, width, ""),
                           LLVMBuildNSWMul(w->b, high, width, ""), 1);
}

// A gradient is added up where it is to lie, or first in scratch. Its rows are
// cleared before the first window that reaches them, and rounded behind the
// last, while they are in the first-level cache.
static void make_gradient(Pool *w, LLVMValueRef to, WindowBody *body)
{
    const PoolKernel *p = w->p;
    DType dtype = p->types.out;
    bool apart = pool_sums_apart(p);
    w->out = apart ? LLVMGetParam(w->e->function, 3) : to;
    w->made = apart ? DT_F32 : dtype;
    EmitLoop oy = emit_loop_begin(w->e, int64(w, 0), int64(w, p->oh), 1);
    // A row of windows reaches to the next one's first row at least.
    int64_t reach = max_i64(p->kh, p->sh) - p->sh;
    EmitLoop clear = begin_rows(w, rows_before(w, oy.index, reach),
                                rows_before(w, oy.next, reach));
    store(w, (Pixel){clear.index, 0}, number(w, 0));
    emit_loop_end(w->e, &clear);
    each_column(w, oy.index, body);
    if (apart) {
        EmitLoop done = begin_rows(w, rows_before(w, oy.index, 0),
                                   rows_before(w, oy.next, 0));
        Pixel pixel = {done.index, 0};
        store_as(w, dtype, to, pixel, load_as(w, DT_F32, w->out, pixel));
        emit_loop_end(w->e, &done);
    }
    emit_loop_end(w->e, &oy);
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
