// The compiler's state between plans: every distinct kernel, and what is known
// of each plan beyond the plan itself.
#ifndef SIMCC_CODEGEN_CODEGEN_IMPL_H
#define SIMCC_CODEGEN_CODEGEN_IMPL_H

#include "codegen/backend.h"

// Who reads and writes what, for the verifier: one row per plan ref.
typedef struct RefFacts {
    int buffer;     // -1: a param
    int64_t offset; // into the buffer
    bool write, pointwise, own;
} RefFacts;

typedef struct PlanFacts {
    const char *name;
    int ref_count, buffer_count;
    RefFacts *refs;
    int64_t *bytes; // by buffer
    int *inputs;    // buffers of the input ports
    int *outputs;
} PlanFacts;

typedef struct KernelSlot {
    const Kernel *kernel;
    CodeObject object; // bytes NULL until compiled
} KernelSlot;

struct Codegen {
    Arena *arena;
    CodegenOptions options;
    const Backend *backend;
    Target target;
    const char *ways; // of convolutions; NULL: by the rule
    VEC(KernelSlot) kernels;
    VEC(PlanFacts) facts;
    int *table; // open addressing over kernels, by text; -1 = free
    int table_size;
    CodegenStats stats;
};

// What PARAM nodes and printed plans call roles and initializers: by PlanRole
// and PlanInit.
extern const char *const plan_role_words[PLAN_ROLES];
extern const char *const plan_init_words[PLAN_INITS];

// The kernel with this text: a copy of `kernel` if it is new, whose symbol is
// set here. What it points to but the text must live in codegen->arena.
const Kernel *codegen_intern(Codegen *codegen, Kernel kernel);

#endif
