// One function per elementwise op. A new MAP row in ops.def needs its
// emit_<ID> here, or nothing links.
#include "codegen/cpu/emit.h"
#include "ir/base/diag.h"

typedef LLVMValueRef EmitRule(const Emit *e, const MapOperands *m);

#define RULE(id)                                                               \
    static LLVMValueRef emit_##id(const Emit *e, const MapOperands *m)

static LLVMValueRef number(const Emit *e, const MapOperands *m, double value)
{
    return emit_const(e, m->dtype, m->lanes, value);
}

static LLVMValueRef select_where(const Emit *e, LLVMValueRef condition,
                                 LLVMValueRef yes, LLVMValueRef no)
{
    return LLVMBuildSelect(e->builder, condition, yes, no, "");
}

static LLVMValueRef compare(const Emit *e, LLVMRealPredicate predicate,
                            LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildFCmp(e->builder, predicate, x, y, "");
}

// ---- one input --------------------------------------------------------------

RULE(NEG)
{
    return LLVMBuildFNeg(e->builder, m->in[0], "");
}

RULE(ABS)
{
    LLVMValueRef x = m->in[0];
    return emit_intrinsic(e, "llvm.fabs", 1, &x);
}

RULE(EXP)
{
    if (m->dtype == DT_F64)
        return emit_math_call(e, "exp", m->dtype, m->lanes, 1, m->in);
    return emit_exp_f32(e, m->in[0], m->lanes);
}

RULE(LOG)
{
    if (m->dtype == DT_F64)
        return emit_math_call(e, "log", m->dtype, m->lanes, 1, m->in);
    return emit_log_f32(e, m->in[0], m->lanes);
}

RULE(SQRT)
{
    LLVMValueRef x = m->in[0];
    return emit_intrinsic(e, "llvm.sqrt", 1, &x);
}

RULE(RSQRT)
{
    return LLVMBuildFDiv(e->builder, number(e, m, 1), emit_SQRT(e, m), "");
}

RULE(SIN)
{
    const char *name = m->dtype == DT_F64 ? "sin" : "sinf";
    return emit_math_call(e, name, m->dtype, m->lanes, 1, m->in);
}

RULE(COS)
{
    const char *name = m->dtype == DT_F64 ? "cos" : "cosf";
    return emit_math_call(e, name, m->dtype, m->lanes, 1, m->in);
}

RULE(TANH)
{
    if (m->dtype == DT_F64)
        return emit_math_call(e, "tanh", m->dtype, m->lanes, 1, m->in);
    return emit_tanh_f32(e, m->in[0], m->lanes);
}

RULE(ERF)
{
    if (m->dtype == DT_F64)
        return emit_math_call(e, "erf", m->dtype, m->lanes, 1, m->in);
    return emit_erf_f32(e, m->in[0], m->lanes);
}

// 1 / (1 + e^-x): e^-x may overflow, and 1 / infinity is the right 0.
RULE(SIGMOID)
{
    MapOperands negated = *m;
    negated.in[0] = emit_NEG(e, m);
    LLVMValueRef one = number(e, m, 1);
    LLVMValueRef sum =
        LLVMBuildFAdd(e->builder, one, emit_EXP(e, &negated), "");
    return LLVMBuildFDiv(e->builder, one, sum, "");
}

// NaN stays NaN, so that divergence shows.
RULE(RELU)
{
    LLVMValueRef zero = number(e, m, 0);
    LLVMValueRef off = compare(e, LLVMRealOLE, m->in[0], zero);
    return select_where(e, off, zero, m->in[0]);
}

// By way of integers, for SSE2 has no rounding instruction and LLVM would call
// floor(). From 2^23 (2^52) on, every number is whole.
RULE(FLOOR)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef x = m->in[0];
    bool wide = m->dtype == DT_F64;
    LLVMTypeRef ints = emit_int_type(e, wide ? 64 : 32, m->lanes);
    LLVMValueRef whole = number(e, m, wide ? 0x1p52 : 0x1p23);
    LLVMValueRef small = compare(e, LLVMRealOLT, emit_ABS(e, m), whole);
    LLVMValueRef safe = select_where(e, small, x, number(e, m, 0));
    LLVMValueRef cut = LLVMBuildSIToFP(b, LLVMBuildFPToSI(b, safe, ints, ""),
                                       emit_type(e, m->dtype, m->lanes), "");
    LLVMValueRef lower = LLVMBuildFSub(b, cut, number(e, m, 1), "");
    LLVMValueRef above = compare(e, LLVMRealOGT, cut, x);
    return select_where(e, small, select_where(e, above, lower, cut), x);
}

RULE(SIGN)
{
    LLVMValueRef x = m->in[0], zero = number(e, m, 0);
    LLVMValueRef negative =
        select_where(e, compare(e, LLVMRealOLT, x, zero), number(e, m, -1), x);
    return select_where(e, compare(e, LLVMRealOGT, x, zero), number(e, m, 1),
                        negative);
}

RULE(NOT)
{
    (void)m->lanes;
    return LLVMBuildNot(e->builder, m->in[0], "");
}

RULE(STOP_GRADIENT)
{
    (void)e;
    return m->in[0];
}

RULE(CAST)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef x = m->in[0];
    LLVMTypeRef type = emit_type(e, m->dtype, m->lanes);
    if (m->dtype == m->in_dtype)
        return x;
    if (m->dtype == DT_BOOL)
        return compare(e, LLVMRealUNE, x,
                       emit_const(e, m->in_dtype, m->lanes, 0));
    if (m->in_dtype == DT_BOOL)
        return select_where(e, x, number(e, m, 1), number(e, m, 0));
    if (m->dtype == DT_F64)
        return LLVMBuildFPExt(b, x, type, "");
    if (m->in_dtype == DT_F64)
        x = LLVMBuildFPTrunc(b, x, type, "");
    if (m->dtype == DT_BF16) // the rounding is the point of the cast
        x = emit_from_stored(e, DT_BF16, m->lanes,
                             emit_to_stored(e, DT_BF16, m->lanes, x));
    return x;
}

// ---- two and three inputs ---------------------------------------------------

RULE(ADD)
{
    return LLVMBuildFAdd(e->builder, m->in[0], m->in[1], "");
}

RULE(SUB)
{
    return LLVMBuildFSub(e->builder, m->in[0], m->in[1], "");
}

RULE(MUL)
{
    return LLVMBuildFMul(e->builder, m->in[0], m->in[1], "");
}

RULE(DIV)
{
    return LLVMBuildFDiv(e->builder, m->in[0], m->in[1], "");
}

LLVMValueRef emit_maximum(const Emit *e, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef larger = select_where(e, compare(e, LLVMRealOGT, x, y), x, y);
    return select_where(e, compare(e, LLVMRealUNO, x, x), x, larger);
}

RULE(MAX)
{
    return emit_maximum(e, m->in[0], m->in[1]);
}

RULE(MIN)
{
    LLVMValueRef x = m->in[0], y = m->in[1];
    LLVMValueRef smaller = select_where(e, compare(e, LLVMRealOLT, x, y), x, y);
    return select_where(e, compare(e, LLVMRealUNO, x, x), x, smaller);
}

// Small whole powers by multiplication; x^0 is 1 even for NaN, as in C.
RULE(POW)
{
    LLVMValueRef x = m->in[0];
    const double *power = m->constant[1];
    if (power && *power == 0)
        return number(e, m, 1);
    if (power && *power == 1)
        return x;
    if (power && *power == -1)
        return LLVMBuildFDiv(e->builder, number(e, m, 1), x, "");
    if (power && (*power == 2 || *power == 3)) {
        LLVMValueRef square = LLVMBuildFMul(e->builder, x, x, "");
        return *power == 2 ? square : LLVMBuildFMul(e->builder, square, x, "");
    }
    const char *name = m->dtype == DT_F64 ? "pow" : "powf";
    return emit_math_call(e, name, m->dtype, m->lanes, 2, m->in);
}

static LLVMValueRef emit_compare(const Emit *e, const MapOperands *m,
                                 LLVMRealPredicate real,
                                 LLVMIntPredicate integer)
{
    if (m->in_dtype == DT_BOOL)
        return LLVMBuildICmp(e->builder, integer, m->in[0], m->in[1], "");
    return compare(e, real, m->in[0], m->in[1]);
}

RULE(EQ)
{
    return emit_compare(e, m, LLVMRealOEQ, LLVMIntEQ);
}

RULE(NE)
{
    return emit_compare(e, m, LLVMRealUNE, LLVMIntNE);
}

RULE(LT)
{
    return emit_compare(e, m, LLVMRealOLT, LLVMIntULT);
}

RULE(LE)
{
    return emit_compare(e, m, LLVMRealOLE, LLVMIntULE);
}

RULE(AND)
{
    return LLVMBuildAnd(e->builder, m->in[0], m->in[1], "");
}

RULE(OR)
{
    return LLVMBuildOr(e->builder, m->in[0], m->in[1], "");
}

RULE(SELECT)
{
    return select_where(e, m->in[0], m->in[1], m->in[2]);
}

// Assignments are stores; see loops.c.
RULE(ASSIGN)
{
    (void)e;
    return m->in[1];
}

// ---- the table --------------------------------------------------------------

static EmitRule *const rules[OP_COUNT] = {
#define PICK_MAP(id) [OP_##id] = emit_##id,
#include "ir/ops_of.def"
};

LLVMValueRef emit_map(const Emit *emit, Op op, const MapOperands *operands)
{
    INTERNAL_CHECK(rules[op] != NULL);
    return rules[op](emit, operands);
}
