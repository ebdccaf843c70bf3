// The elaborator: interprets the tree at compile time; operations on tensors
// add nodes to the graph of the phase being built. Private to frontend/lang.
//
//   sema.c         lang_load, errors, names, frames
//   sema_import.c  reading files and their imports
//   sema_library.c simcc's own models, and who defines a missing name
//   foreign.c      what names of other languages and libraries are here
//   sema_param.c   parameters, their ranges, --set
//   sema_expr.c    expressions, compile-time arithmetic
//   sema_call.c    arguments, defs, special forms
//   sema_tensor.c  operations on tensors, broadcasting
//   sema_stmt.c    statements, weights and states
//   sema_teacher.c a frozen phase as a function
//   sema_average.c a slow copy of the phase's own net
//   sema_value.c   one value of a phase, without training
//   sema_phase.c   phases: options, losses, reports, graphs
//   sema_hidden.c  labels out of training, steps out of evaluation
//   sema_input.c   where a phase's images come from
//   sema_from.c    what a phase takes over from others
//   sema_train.c   gradients and optimizers
//   sema_chunk.c   a step that takes its batch in chunks
//   sema_names.c   names in what no run elaborates
//   sema_unused.c  names that nothing reads
//   sema_show.c    the program with every parameter resolved
#ifndef SIMCC_FRONTEND_LANG_SEMA_H
#define SIMCC_FRONTEND_LANG_SEMA_H

#include "frontend/lang/builtins.h"
#include "frontend/lang/experiment.h"
#include "frontend/lang/map.h"
#include "frontend/lang/value.h"
#include "ir/split.h"

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

typedef struct Module Module;
typedef struct Phase Phase;

typedef struct Function {
    const DefItem *def;
    Module *module;
} Function;

typedef enum ParamState { PARAM_NEW, PARAM_BUSY, PARAM_DONE } ParamState;

typedef struct Param {
    const ParamItem *item;
    Module *module;
    ParamState state;
    Datum value;
    bool from_command_line;
} Param;

// A name at the top of a file: a parameter or a def.
typedef struct Global {
    const char *name;
    SourcePos pos;
    Module *module;
    Param *param; // or
    const Function *function;
    const struct Global *rival; // of the same name, imported just as closely
} Global;

struct Module {
    const Source *source;
    const char *path;
    const Program *program;
    VEC(Module *) imports;
    Map globals;  // its own: name -> Global
    Map visible;  // its own and what it imports, at any distance
    bool is_open; // its imports are being read
};

// A weight, state or slot of the graph being built.
typedef struct Variable {
    const char *name;        // full
    SourcePos pos, call_pos; // its declaration, and the call that ran it
    Value param;
    TensorType type;
    bool is_state, is_frozen;
    bool in_model;                  // else in checkpoints alone
    const struct Variable *follows; // the weight it is the average of, or NULL
    Datum decay;                    // of that average
    Datum current; // what reading it gives: the param, or its update
    bool updated;
} Variable;

typedef struct Binding {
    Datum value;
    SourcePos pos;      // where it was set
    Variable *variable; // it names a weight or state; else NULL
} Binding;

typedef enum FrameKind {
    FRAME_GLOBAL,
    FRAME_FUNCTION,
    FRAME_OPTIMIZER,
    FRAME_PHASE,
    FRAME_TEACHER, // a phase run for its network alone
} FrameKind;

// The names of one running body. Recycled, so that calls cost no memory.
typedef struct Frame {
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
    Variable *weight; // FRAME_OPTIMIZER: which weight it updates
    struct Frame *next_free;
} Frame;

typedef struct Report {
    const char *name;
    SourcePos pos;
    Value value;
} Report;

typedef struct Using {
    const Stmt *stmt;
    const Function *optimizer;
    Datum settings[MAX_FORMALS]; // by formal; ABSENT = its default
    SourcePos setting_pos[MAX_FORMALS];
    const char *resolved; // all settings, for `show`
} Using;

// What moving_average(x, decay) is asked for while x is run.
typedef struct Average {
    SourcePos pos;
    Datum decay; // a number or scalar tensor
} Average;

typedef struct Loss {
    Value value;
    SourcePos pos;
} Loss;

// One graph in the making: a phase's statements run into it. It lies where the
// function that makes the graph has it, and no longer than that runs. All zero,
// it is what is evaluated outside phases: no graph, no scope.
typedef struct Build {
    Phase *phase;
    Graph *graph;
    struct Build *outer; // what was evaluated into before
    bool failed; // an error was met while it was made, told before or not
    int batch;   // images of this graph, on all ranks
    int ranks;   // that share them: 1 but in training
    bool training;
    bool sketched; // forward only: the phase is not one of those wanted
    bool sharing;  // inside shared(...): declared names are reused
    bool frozen;   // inside a teacher
    const Average *average; // inside moving_average(...), else NULL
    const char *scope;      // "layer1.0", "" at the top
    Map variables;          // full name -> Variable
    VEC(Variable *) order;
    Map schedule_inputs; // "step" ... -> Value + 1
    const Stmt *input;   // the input statement, once seen
    Value hidden_labels; // labels that training must not see, or NO_VALUE
    VEC(Loss) losses;
    VEC(Report) reports;
    VEC(const char *) weight_reports; // names that optimizers report
    VEC(Using *) usings;
    VEC(const Stmt *) freezes;
} Build;

typedef struct Option {
    const char *name;
    SourcePos pos;
    Datum value;
    const Expr *expr;
    bool from_command_line;
} Option;

// What the graph of the whole batch says of a step in chunks of it.
typedef struct Chunks {
    const Graph *whole;
    Split split;
    bool *has_gradient; // by place in split.cut: the loss depends on it
} Chunks;

typedef enum PhaseState { PHASE_NEW, PHASE_FAILED, PHASE_DONE } PhaseState;

struct Phase {
    const PhaseItem *item;
    Module *module;
    PhaseState state;
    VEC(Option) options;
    Phase *from, *teacher;
    WordList renamed; // phases of its header that --set replaced
    ExperimentPhase *out;
    Datum input;               // the DATUM_SOURCE of its input
    VEC(Variable *) variables; // of its train graph
    VEC(const char *) usings;  // resolved, for `show`
    Chunks chunks;             // of a step in chunks
};

// Files to import, looked for when they are needed first.
typedef struct Library {
    bool is_sought, is_read;
    const char *folder; // simcc's own `models`, NULL = not found
    Map files;          // name of a def, optimizer or param -> what to import
} Library;

typedef struct Sema {
    Arena *arena;
    DiagList *diags;
    const LangOptions *options;
    Experiment *experiment;
    Module *root;
    VEC(Module *) modules; // imports before importers
    Map modules_by_path;
    Library library;
    Map universe; // built-in name -> Datum
    VEC(Phase *) phases;
    Map phases_by_name;
    Map said;     // positions already complained about
    bool muted;   // the last error was a repetition: its notes are dropped too
    bool stopped; // too large or too deep: unwind without a word
    Frame *frame, *free_frames;
    int call_depth, eval_depth;
    const Expr *for_effect; // the call whose value its statement drops
    int64_t steps;
    Build *build; // what is being evaluated adds its nodes here; never NULL
    // Storage for the nodes of a graph being built; kept for the next.
    Node *nodes;
    int node_capacity;
} Sema;

// ---- sema.c -----------------------------------------------------------------

// Reports an error once per position, with notes on the calls that led here,
// and returns poison.
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

Frame *frame_push(Sema *s, FrameKind kind, const Module *module,
                  const char *what, SourcePos call_pos);
void frame_pop(Sema *s);
Binding *frame_find(const Frame *frame, const char *name);
Binding *frame_bind(Sema *s, Frame *frame, const char *name, Datum value,
                    SourcePos pos);
// A name's value at this point of the program; reports unknown ones.
Datum sema_lookup(Sema *s, const char *name, SourcePos pos);
// Reports a name that is unknown to the frame, its file and the language.
void sema_check_name(Sema *s, const char *name, SourcePos pos);
const Global *sema_global(Sema *s, const Module *module, const char *name,
                          SourcePos pos);

// ---- sema_import.c ----------------------------------------------------------

// Reads a file and all it imports. NULL after an error that makes it useless.
Module *module_load(Sema *s, const char *path, SourcePos import_pos);
// Fills globals and visible of all modules; reports names defined twice.
void modules_link(Sema *s);

// ---- sema_library.c ---------------------------------------------------------

// simcc's own folder of models, with `lib` in it: beside the executable or
// above it. NULL when there is none.
const char *library_folder(Sema *s);
// The path to import for a name, of a file that defines it: "lib/resnet.net".
// In `lib` beside the program, then in simcc's own. NULL = in none.
const char *library_file(Sema *s, const char *name);

// ---- foreign.c --------------------------------------------------------------

// What to write in place of a name of another language or library; NULL =
// nothing known.
const char *foreign_name(const char *name);
// The one of these arguments or settings that goes by another name elsewhere.
const char *foreign_argument(const char *name, int count,
                             const char *const *names);

// ---- sema_param.c -----------------------------------------------------------

Datum param_value(Sema *s, Param *param);
// Evaluates all parameters and fills experiment->params.
void params_resolve(Sema *s);
// The last --set of `name` (of `phase.name` when phase is not NULL), or NULL.
Setting *setting_find(Sema *s, const char *phase, const char *name);
// What a setting says, as a value like `like`; poison after a diagnostic.
Datum setting_value(Sema *s, const Setting *setting, Datum like,
                    const Module *module);
// Reports settings that name nothing.
void settings_check(Sema *s);

// ---- sema_expr.c ------------------------------------------------------------

Datum eval_expr(Sema *s, const Expr *expr);
Datum eval_member(Sema *s, const Expr *expr);
Datum eval_in_scope(Sema *s, const Expr *expr, const char *scope);
// The compile-time truth of a condition; false in *ok after a diagnostic.
bool eval_condition(Sema *s, const Expr *expr, bool *ok);

// ---- sema_call.c ------------------------------------------------------------

// `scope`: what the names of weights made by the callee begin with; NULL = as
// those made here.
Datum eval_call(Sema *s, const Expr *expr, const char *scope);
// shared(...) and its like: no functions, so no values either.
bool is_special_form(const Sema *s, const Expr *callee);
// Maps arguments to formals: slots[i] is argument i's formal, or -1 after a
// diagnostic. `first` formals are not for the caller to give.
bool match_args(Sema *s, const char *callee, SourcePos pos, int first,
                int count, const char *const *names, const ArgList *args,
                int *slots);
// Names of a def's formals, MAX_FORMALS at most. Returns how many.
int formal_names(const DefItem *def, const char **names);
// Binds the formals `given` or their defaults in the current frame. False
// after a diagnostic.
bool bind_formals(Sema *s, const Function *function, SourcePos pos,
                  const Datum *given, const SourcePos *given_pos);

// ---- builtins_number.c
// -------------------------------------------------------

// An elementwise operation applied to a compile-time number.
Datum number_operation(Sema *s, const Call *call, Op op);

// ---- sema_tensor.c ----------------------------------------------------------

enum { MAX_SITE = 8 }; // operands worth a note each

// Where an operation is added, and what it is applied to, for its diagnostics.
typedef struct Site {
    const Build *build;
    SourcePos pos;
    const char *what; // "`+`", "`conv2d`"
    int count;
    const Datum *values;
    const Expr *const *exprs; // may hold NULLs
} Site;

// graph_add with limits, origin and diagnostics.
Datum tensor_add(Sema *s, const Site *site, Op op, int count,
                 const Value *inputs, const Attr *attrs,
                 const TensorType *type);
Datum tensor_unary(Sema *s, const Site *site, Op op, Value x);
// Elementwise with broadcasting; operands are tensors or numbers, at least
// one a tensor.
Datum tensor_binary(Sema *s, const Site *site, Op op, Datum a, Datum b);
Datum tensor_select(Sema *s, const Site *site, Datum condition, Datum yes,
                    Datum no);
// x over axes (count 0 = all of them).
Datum tensor_reduce(Sema *s, const Site *site, Op op, Value x, int count,
                    const int64_t *axes, bool keep);
Datum tensor_mean(Sema *s, const Site *site, Value x, int count,
                  const int64_t *axes, bool keep);
// Of what each rank has in the place of x; on one rank, x itself.
Datum tensor_rank_mean(Sema *s, const Site *site, Value x);
Datum tensor_matmul(Sema *s, const Site *site, Datum a, Datum b);
Datum tensor_constant(Sema *s, const Site *site, int rank, const int64_t *dims,
                      double number);
// A bool tensor as numbers; others as they are.
Datum tensor_as_numbers(Sema *s, const Site *site, Value x);
// A number or tensor stretched to exactly these dims, or poison.
Datum tensor_fit(Sema *s, const Site *site, Datum x, int rank,
                 const int64_t *dims);
// Notes that say where each operand of a site came from.
void site_notes(Sema *s, const Site *site);

// ---- sema_stmt.c ------------------------------------------------------------

void exec_block(Sema *s, const StmtList *body);
void exec_stmt(Sema *s, const Stmt *stmt);
// Whole numbers of at least `least`, as dims or the like; false after a
// diagnostic.
bool eval_sizes(Sema *s, const ExprList *exprs, int64_t least, int *count,
                int64_t *out);
// A new state or weight, as the statement declares it here, or one that is
// shared; NULL after a diagnostic.
Variable *make_variable(Sema *s, const Stmt *stmt, const char *name,
                        const TensorType *type, const Init *init);
// The state or weight gets a new value.
void variable_update(Sema *s, Binding *binding, Datum value, const Stmt *stmt);

// ---- sema_teacher.c ---------------------------------------------------------

Datum teacher_call(Sema *s, const Expr *expr, Phase *teacher, const char *name);
// keep[i]: statement i matters to `name`. False when nothing sets it.
bool find_needed(Sema *s, const StmtList *body, const char *name, bool *keep);
// Adds the names that an expression, or arguments, read.
void read_names(Sema *s, const Expr *expr, Map *names);
void read_args(Sema *s, const ArgList *args, Map *names);
// The phase's input statement; NULL when it has none.
const Stmt *input_of(const Phase *phase);
// A tensor, or all in a list, without gradients.
Datum stop_gradients(Sema *s, const Site *site, Datum x);

// ---- sema_average.c ---------------------------------------------------------

Datum average_call(Sema *s, const Expr *expr, const char *scope);
// Inside moving_average: what a declaration begins as a copy of, a weight also
// follows. NULL in *followed for states of its own, and outside. False after a
// diagnostic.
bool average_follow(Sema *s, const Stmt *stmt, const char *name,
                    const TensorType *type, const Variable **followed);
// Whether a second call averages as the first did; false after a diagnostic.
bool average_same(Sema *s, const Stmt *stmt, const Variable *known);
// Moves all averages on, after the optimizers.
void averages_update(Sema *s, Build *build);

// ---- sema_value.c -----------------------------------------------------------

// Makes the graph of the value that the options ask for. False after a
// diagnostic.
bool value_build(Sema *s, Phase *phase);

// ---- sema_phase.c -----------------------------------------------------------

void phases_elaborate(Sema *s);
// The setting of that name, or NULL.
const Option *phase_option(const Phase *phase, const char *name);
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
// Evaluates into another build from here on; returns the one so far, which is
// to be entered again.
Build *build_enter(Sema *s, Build *build);
void exec_minimize(Sema *s, const Stmt *stmt);
void exec_report(Sema *s, const Stmt *stmt);
// The name a report goes by: its own, its function's, or its variable's; no
// text after a diagnostic.
Word report_name(Sema *s, const Arg *arg);
void exec_using(Sema *s, const Stmt *stmt);
// batch, classes, step, ...: names that exist while a phase is built. False
// when `name` is none of them.
bool phase_name(Sema *s, const char *name, Datum *out);

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

// ---- sema_input.c -----------------------------------------------------------

void exec_input(Sema *s, const Stmt *stmt);

// ---- sema_from.c ------------------------------------------------------------

// Finds the phases that `from` and `with` name.
void from_resolve(Sema *s, Phase *phase);
// What is taken over from another phase must fit, and there must be some.
void from_check(Sema *s, const Phase *phase);

// ---- sema_train.c -----------------------------------------------------------

// A report in an optimizer: one number of the weight it is updating, kept as
// the state "optimizer.report.NAME.WEIGHT".
void exec_weight_report(Sema *s, const Stmt *stmt);
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
// The variable gets its new value in this graph, if there is one.
void train_assign(Graph *graph, const Variable *variable);

// ---- sema_chunk.c -----------------------------------------------------------

// Finds out whether the phase's batch is taken in chunks; the settings are
// known.
void chunk_check(Sema *s, Phase *phase);
// Makes, of the graph of the whole batch, the parts of a step in chunks that
// have to do with all its images. False after a diagnostic.
bool chunk_whole(Sema *s, Build *build, Value loss);
// Builds the phase for a chunk of its batch and makes the other parts.
bool chunk_parts(Sema *s, Phase *phase);

// ---- sema_names.c -----------------------------------------------------------

// Reports names and arguments that cannot be, in all defs and phases; what the
// elaboration has said is not said again.
void names_check(Sema *s);

// ---- sema_unused.c ----------------------------------------------------------

// Warns of variables, settings and parameters that nothing reads.
void unused_check(Sema *s);

// ---- sema_show.c ------------------------------------------------------------

const char *show_program(Sema *s);

#endif
