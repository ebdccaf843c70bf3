// What the handlers of builtins.def share. Private to frontend/lang.
#ifndef SIMCC_FRONTEND_LANG_BUILTINS_TENSOR_H
#define SIMCC_FRONTEND_LANG_BUILTINS_TENSOR_H

#include "frontend/lang/builtins.h"
#include "frontend/lang/tensor.h"

#define BUILTIN(name, params, doc)                                             \
    Datum builtin_##name(Sema *s, const Call *call);
#include "frontend/lang/builtins.def"
#undef BUILTIN

// The call as something to complain about.
Site call_site(Sema *s, const Call *call);
// "`x` of f is a tensor, not ..."; returns false.
bool call_fail(Sema *s, const Call *call, int i, const char *wanted);
// Was argument i given?
bool call_has(const Call *call, int i);

// The rest return false after a diagnostic.

// A tensor of numbers and its type.
bool call_tensor(Sema *s, const Call *call, int i, Value *x, TensorType *type);
// False when not given.
bool call_bool(Sema *s, const Call *call, int i, bool *truth);
// Left as it is when not given.
bool call_number(Sema *s, const Call *call, int i, double *number);
// A list of at most MAX_RANK whole numbers of at least `least`.
bool call_sizes(Sema *s, const Call *call, int i, int64_t least, int *count,
                int64_t *out);
// One such number for each axis of a tensor.
bool call_sizes_of(Sema *s, const Call *call, int i, int64_t least,
                   const TensorType *type, int64_t *out);
// Letters, a number, or a list of numbers, ascending. Not given: no axes.
bool call_axes(Sema *s, const Call *call, int i, const TensorType *type,
               int *count, int64_t *axes);
// One axis, axis 0 when not given.
bool call_axis(Sema *s, const Call *call, int i, const TensorType *type,
               int64_t *axis);
// The axis that a letter of "nchw" means, or -1.
int type_axis(const TensorType *type, char letter);

#endif
