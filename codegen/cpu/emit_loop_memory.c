// Loads and stores of loop nests: whole vectors, vectors whose lanes lie apart,
// and the lanes of one that is not full.
#include "codegen/cpu/emit_loop.h"

#include <string.h>

int64_t nest_stride(const Nest *n, const int64_t *strides)
{
    return n->vector < 0 ? 0 : strides[n->order[n->vector]];
}

static LLVMValueRef call_masked(const Nest *n, const char *name,
                                LLVMTypeRef type, LLVMTypeRef pointers,
                                int count, LLVMValueRef *args)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMTypeRef types[] = {type, pointers};
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(n->e->module, id, types, 2);
    return LLVMBuildCall2(n->b, LLVMGlobalGetValueType(f), f, args,
                          (unsigned)count, "");
}

static LLVMValueRef all_lanes(const Nest *n)
{
    return n->mask ? n->mask : emit_const(n->e, DT_BOOL, n->lanes, 1);
}

LLVMValueRef nest_address(const Nest *n, DType dtype, LLVMValueRef at,
                          int64_t stride, int round)
{
    LLVMValueRef skip = emit_i64(n->e, round * n->lanes * stride);
    return round ? emit_offset(n->e, dtype, at, skip) : at;
}

// The addresses of its lanes, `stride` elements apart.
static LLVMValueRef lane_addresses(const Nest *n, DType dtype, LLVMValueRef at,
                                   int64_t stride)
{
    LLVMValueRef lanes = LLVMBuildZExt(n->b, emit_lane_numbers(n->e, n->lanes),
                                       emit_int_type(n->e, 64, n->lanes), "");
    LLVMValueRef skips =
        LLVMBuildMul(n->b, lanes, emit_int(n->e, 64, n->lanes, stride), "");
    return emit_offset(n->e, dtype, at, skips);
}

LLVMValueRef nest_load_scalar(const Nest *n, DType dtype, LLVMValueRef at)
{
    LLVMValueRef load =
        LLVMBuildLoad2(n->b, emit_stored_type(n->e, dtype, 1), at, "");
    return emit_from_stored(n->e, dtype, 1, load);
}

LLVMValueRef nest_load(const Nest *n, DType dtype, LLVMValueRef at,
                       int64_t stride, int round)
{
    at = nest_address(n, dtype, at, stride, round);
    if (n->lanes == 1)
        return nest_load_scalar(n, dtype, at);
    LLVMTypeRef type = emit_stored_type(n->e, dtype, n->lanes);
    LLVMValueRef value;
    unsigned align = (unsigned)dtype_size(dtype);
    if (stride == 1 && !n->mask) {
        value = LLVMBuildLoad2(n->b, type, at, "");
        LLVMSetAlignment(value, align);
    } else {
        if (stride != 1)
            at = lane_addresses(n, dtype, at, stride);
        LLVMValueRef args[] = {at, emit_int(n->e, 32, 1, align), all_lanes(n),
                               LLVMConstNull(type)};
        value = call_masked(
            n, stride == 1 ? "llvm.masked.load" : "llvm.masked.gather", type,
            LLVMTypeOf(at), 4, args);
    }
    return emit_from_stored(n->e, dtype, n->lanes, value);
}

void nest_store(const Nest *n, DType dtype, int lanes, LLVMValueRef value,
                LLVMValueRef at, int64_t stride, int round)
{
    at = nest_address(n, dtype, at, stride, round);
    value = emit_to_stored(n->e, dtype, lanes, value);
    unsigned align = (unsigned)dtype_size(dtype);
    if (n->lanes == 1 || (stride == 1 && !n->mask)) {
        LLVMSetAlignment(LLVMBuildStore(n->b, value, at), align);
        return;
    }
    if (stride != 1)
        at = lane_addresses(n, dtype, at, stride);
    LLVMValueRef args[] = {value, at, emit_int(n->e, 32, 1, align),
                           all_lanes(n)};
    call_masked(n, stride == 1 ? "llvm.masked.store" : "llvm.masked.scatter",
                LLVMTypeOf(value), LLVMTypeOf(at), 4, args);
}
