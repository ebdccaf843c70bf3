// What the handlers of builtins.def share. Private to frontend/lang.
#ifndef SIMCC_FRONTEND_LANG_BUILTINS_TENSOR_H
#define SIMCC_FRONTEND_LANG_BUILTINS_TENSOR_H

#include "frontend/lang/sema.h"

#define BUILTIN(name, params, doc)                                             \
    Datum builtin_##name(Sema *s, const Call *call);
#include "frontend/lang/builtins.def"
#undef BUILTIN

// The call as something to complain about.
Site call_site(Sema *s, const Call *call);

#endif
