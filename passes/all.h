// Every pass's function, from the table.
#ifndef SIMCC_PASSES_ALL_H
#define SIMCC_PASSES_ALL_H

#include "passes/pass.h"

#define PASS(name, function, doc) PassFunction function;
#include "passes/passes.def"
#undef PASS

#endif
