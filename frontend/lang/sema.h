// What every part of the elaborator is given. It interprets the tree at compile
// time; operations on tensors add nodes to the graph being built. Its files,
// each of which calls those above it (the interpreter's also one another):
//
//   sema_error.c      mistakes, and elaborations that cost too much
//   sema_frame.c      names of running bodies                      frame.h
//   sema_import.c     reading files and their imports              module.h
//   sema_library.c    simcc's own models, and who defines a name
//   foreign.c         what other languages and libraries call things
//   sema_tensor.c     operations on tensors, broadcasting          tensor.h
//   builtins_*.c      functions that no .net file defines          builtins.h
//   reads.c           which names a piece of the tree reads        reads.h
//   the interpreter:                                               eval.h
//     sema_lookup.c     names
//     sema_param.c      parameters, their ranges, --set            setting.h
//     sema_expr.c       expressions, compile-time arithmetic
//     sema_call.c       arguments, defs, special forms
//     sema_stmt.c       statements
//     sema_variable.c   weights and states
//     sema_average.c    a slow copy of the phase's own net
//     sema_teacher.c    another phase's net, frozen
//     sema_input.c      where a phase's images come from
//     sema_phase_stmt.c minimize, report, using
//   graphs of phases:                                              elaborate.h
//     sema_build.c      one graph from begin to end
//     sema_hidden.c     labels out of training, steps out of evaluation
//     sema_train.c      gradients and optimizers
//     sema_chunk.c      a step that takes its batch in chunks
//     sema_value.c      one value of a phase, without training
//     sema_from.c       what a phase takes over from others
//   sema_phase.c      options of phases, and all their graphs      stages.h
//   sema_names.c      names in what no run elaborates
//   sema_unused.c     names that nothing reads
//   sema_show.c       the program with every parameter resolved
//   program_text.c    what that says to one phase
//   sema.c            lang_load: the stages, in order
#ifndef SIMCC_FRONTEND_LANG_SEMA_H
#define SIMCC_FRONTEND_LANG_SEMA_H

#include "frontend/lang/map.h"
#include "frontend/lang/value.h"

// What a program may cost before it is refused. A ResNet-200 with gradients
// and LARS has under 100,000 operations.
enum {
    MAX_CALL_DEPTH = 200,
    MAX_EVAL_DEPTH = 3000,    // nested expressions over all calls
    MAX_STEPS = 10 * 1000000, // expressions evaluated
    MAX_NODES = 500 * 1000,
    MAX_LIST = 1000 * 1000,
    MAX_TEXT = 1000 * 1000,
    MAX_FORMALS = 40,
    MAX_OPTIONS = 64,
    MAX_REPORTS = 16, // what the runtime keeps
    MAX_WEIGHT_REPORTS = 8,
};

typedef struct Module Module; // module.h
typedef struct Library Library;
typedef struct Phase Phase; // phase.h
typedef struct Build Build;
typedef struct Frame Frame; // frame.h

typedef struct Sema {
    Arena *arena;
    DiagList *diags;
    const LangOptions *options;
    Experiment *experiment;
    Module *root;
    VEC(Module *) modules; // imports before importers
    Map modules_by_path;
    Library *library; // NULL until it is asked
    Map universe;     // built-in name -> Datum
    VEC(Phase *) phases;
    Map phases_by_name;
    Map said;     // positions already complained about
    bool muted;   // the last error was a repetition: its notes are dropped too
    bool stopped; // too large or too deep: unwind without a word
    const Phase *phase;  // which is elaborated; NULL = none
    struct Param *param; // which is evaluated; NULL = none
    Frame *frame, *free_frames;
    int call_depth, eval_depth;
    const Expr *for_effect; // the call whose value its statement drops
    int64_t steps;
    Build *build; // what is being evaluated adds its nodes here; never NULL
    // Storage for the nodes of a graph being built; kept for the next.
    Node *nodes;
    int node_capacity;
} Sema;

// Reports an error once per position, with notes on the calls that led here,
// and returns poison. The build has failed, also where nothing is said again.
Datum sema_fail(Sema *s, SourcePos pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The same without the trace, for errors with notes of their own, which
// then call sema_trace.
void sema_error(Sema *s, SourcePos pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sema_note(Sema *s, SourcePos pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sema_trace(Sema *s);
// The line of source that a node was made for.
SourcePos sema_origin(Sema *s, NodeOrigin origin);
// "; did you mean `x`?" or "".
const char *sema_suggest(Sema *s, const char *word,
                         const char *const *candidates, int count);
// Counts work; false (and stopped) when it is too much.
bool sema_step(Sema *s, SourcePos pos);

#endif
