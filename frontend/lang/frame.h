// The names of running bodies.
#ifndef SIMCC_FRONTEND_LANG_FRAME_H
#define SIMCC_FRONTEND_LANG_FRAME_H

#include "frontend/lang/sema.h"

struct Variable;

typedef struct Binding {
    Datum value;
    SourcePos pos;             // where it was set
    struct Variable *variable; // it names a weight or state; else NULL
} Binding;

typedef enum FrameKind {
    FRAME_GLOBAL,
    FRAME_FUNCTION,
    FRAME_OPTIMIZER,
    FRAME_PHASE,
    FRAME_TEACHER, // a phase run for its network alone
} FrameKind;

// The names of one running body. Recycled, so that calls cost no memory.
struct Frame {
    FrameKind kind;
    struct Frame *caller;
    const Module *module;
    const char *what; // the function's name, for traces
    SourcePos call_pos;
    Map names; // -> Binding
    VEC(Binding *) pool;
    int used; // of the pool
    bool returned;
    bool damaged; // part of the body was skipped: names may be missing
    Datum result;
    struct Variable *weight; // FRAME_OPTIMIZER: which weight it updates
    struct Frame *next_free;
};

Frame *frame_push(Sema *s, FrameKind kind, const Module *module,
                  const char *what, SourcePos call_pos);
void frame_pop(Sema *s);
Binding *frame_find(const Frame *frame, const char *name);
Binding *frame_bind(Sema *s, Frame *frame, const char *name, Datum value,
                    SourcePos pos);
// Evaluates into another build from here on; returns the one so far, which is
// to be entered again.
Build *build_enter(Sema *s, Build *build);

#endif
