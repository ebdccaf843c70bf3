// The compiler's state between plans: every distinct kernel, and what is known
// of each plan beyond the plan itself.
#ifndef SIMCC_CODEGEN_CODEGEN_IMPL_H
#define SIMCC_CODEGEN_CODEGEN_IMPL_H

#include <pthread.h>

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

enum { MAX_COMPILE_THREADS = 64 };

// What the threads that compile share: they take one kernel after the other, as
// lowering adds them. All of it, and the list of kernels, is under the lock.
typedef struct CompileQueue {
    pthread_mutex_t lock;
    pthread_cond_t changed; // a kernel more, or none will come
    int next;               // the first kernel that no thread has taken
    bool complete;          // none will come
    int cache_hits, compiled;
    pthread_t threads[MAX_COMPILE_THREADS];
    int thread_count;
} CompileQueue;

struct Codegen {
    Arena *arena;
    CodegenOptions options;
    const Backend *backend;
    Target target;
    const char *ways;          // of convolutions; NULL: by the rule
    VEC(KernelSlot *) kernels; // each stays where it is
    CompileQueue queue;
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
