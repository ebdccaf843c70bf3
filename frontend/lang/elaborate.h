// The graphs of phases.
#ifndef SIMCC_FRONTEND_LANG_ELABORATE_H
#define SIMCC_FRONTEND_LANG_ELABORATE_H

#include "frontend/lang/phase.h"

// ---- sema_build.c -----------------------------------------------------------

// Starts a graph of the phase for a batch of so many images, `what` after its
// name, in a frame of its own with options and teacher bound. Until build_leave
// it is what is evaluated into.
void build_begin(Sema *s, Build *build, Phase *phase, int batch, bool training,
                 const char *what);
// Runs the phase's statements into it; false after diagnostics.
bool build_forward(Sema *s, const Build *build);
// The sum of all losses, the graph's first output; then the reports but those
// left out (NULL = none).
Value build_outputs(Sema *s, const Build *build, const bool *left_out);
// A copy that shares only what never changes.
Graph *build_copy(Sema *s, const Graph *graph, const char *name);
// The graph that was built, in storage of its size.
Graph *build_finish(Sema *s, const Build *build);
// Ends what build_begin began.
void build_leave(Sema *s);

// ---- sema_average.c ---------------------------------------------------------

// Moves all averages on, after the optimizers.
void averages_update(Sema *s, Build *build);

// ---- sema_hidden.c ----------------------------------------------------------

// Which values depend on labels that training must not see; NULL when there
// are no such labels.
bool *hidden_find(Sema *s, const Build *build);
// Reports losses and states that do; false after a diagnostic.
bool hidden_check(Sema *s, const Build *build, const bool *hidden);
// Takes what does out of a graph that reads none of it; values from `count` on
// stay.
void hidden_drop(Sema *s, Graph *graph, const bool *hidden, int count);
// Which values depend on the step: of those there is none in an evaluation.
bool *stepwise_find(Sema *s, const Build *build);

// ---- sema_train.c -----------------------------------------------------------

// Appends gradients of `loss`, the optimizers' updates and all assignments; to
// a sketch the assignments of states alone. False after a diagnostic.
bool train_finish(Sema *s, Build *build, Value loss);

// The parts of that, for a step that is more than one graph.
typedef VEC(Variable *) VariableList;
VariableList train_weights(Sema *s, const Build *build);
// Appends gradients of `loss` by the values to a graph, or gives NULL after a
// diagnostic.
Value *train_gradients(Sema *s, Graph *graph, Value loss, int count,
                       const Value *wrt);
// A gradient that is zero whatever happens: the loss does not depend on it.
bool train_is_zero(const Graph *graph, Value gradient);
// What the optimizers of these weights are given; false after a diagnostic.
bool train_settings(Sema *s, Build *build, const VariableList *trained);
// Runs the optimizers into the build's graph, and moves averages on; their
// states join its variables.
void train_update(Sema *s, Build *build, const VariableList *trained,
                  const Value *grads);
// The first `using` whose patterns match the weight's name, or that has none;
// NULL = none.
Using *train_using(const Build *build, const char *name);
// The variable gets its new value in this graph, if there is one.
void train_assign(Graph *graph, const Variable *variable);

// ---- sema_still.c -----------------------------------------------------------

// Warns of weights and states that no step changes. The optimizers have run.
void still_warn(Sema *s, const Build *build);

// ---- sema_chunk.c -----------------------------------------------------------

// Finds out whether the phase's batch is taken in chunks; the settings are
// known.
void chunk_check(Sema *s, Phase *phase);
// Makes, of the graph of the whole batch, the parts of a step in chunks that
// have to do with all its images. False after a diagnostic.
bool chunk_whole(Sema *s, Build *build, Value loss);
// Builds the phase for a chunk of its batch and makes the other parts.
bool chunk_parts(Sema *s, Phase *phase);

// ---- sema_value.c -----------------------------------------------------------

// Makes the graph of the value that the options ask for. False after a
// diagnostic.
bool value_build(Sema *s, Phase *phase);

// ---- sema_from.c ------------------------------------------------------------

// Finds the phases that `from` and `with` name.
void from_resolve(Sema *s, Phase *phase);
// What is taken over from another phase must fit, and there must be some.
void from_check(Sema *s, const Phase *phase);

#endif
