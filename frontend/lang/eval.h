// The interpreter: expressions, calls and statements, evaluated into s->build
// in s->frame.
#ifndef SIMCC_FRONTEND_LANG_EVAL_H
#define SIMCC_FRONTEND_LANG_EVAL_H

#include "frontend/lang/frame.h"
#include "frontend/lang/module.h"
#include "frontend/lang/phase.h"

// ---- names and parameters: sema_lookup.c, sema_param.c ----------------------

// A name's value at this point of the program; reports unknown ones.
Datum sema_lookup(Sema *s, const char *name, SourcePos pos);
// Reports a name that is unknown to the frame, its file and the language.
void sema_check_name(Sema *s, const char *name, SourcePos pos);
const Global *sema_global(Sema *s, const Module *module, const char *name,
                          SourcePos pos);
Datum param_value(Sema *s, Param *param);

// ---- expressions: sema_expr.c -----------------------------------------------

Datum eval_expr(Sema *s, const Expr *expr);
Datum eval_member(Sema *s, const Expr *expr);
// A call whose body makes its weights in `scope`.
Datum eval_in_scope(Sema *s, const Expr *expr, const char *scope);
// The compile-time truth of a condition; false in *ok after a diagnostic.
bool eval_condition(Sema *s, const Expr *expr, bool *ok);

// ---- calls: sema_call.c, sema_teacher.c, sema_average.c ---------------------

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
// Poison for a call that has failed before its arguments were evaluated: what
// is wrong in these is said, too.
Datum fail_call(Sema *s, const ArgList *args);
// Names of a def's formals, MAX_FORMALS at most. Returns how many.
int formal_names(const DefItem *def, const char **names);
// Binds the formals `given` or their defaults in the current frame. False
// after a diagnostic.
bool bind_formals(Sema *s, const Function *function, SourcePos pos,
                  const Datum *given, const SourcePos *given_pos);

Datum teacher_call(Sema *s, const Expr *expr, Phase *teacher, const char *name);
Datum average_call(Sema *s, const Expr *expr, const char *scope);
// Inside moving_average: what a declaration begins as a copy of, a weight also
// follows. NULL in *followed for states of its own, and outside. False after a
// diagnostic.
bool average_follow(Sema *s, const Stmt *stmt, const char *name,
                    const TensorType *type, const Variable **followed);
// Whether a second call averages as the first did; false after a diagnostic.
bool average_same(Sema *s, const Stmt *stmt, const Variable *known);

// ---- statements: sema_stmt.c, sema_variable.c, sema_input.c, ----------------
// ---- sema_phase_stmt.c ------------------------------------------------------

void exec_block(Sema *s, const StmtList *body);
void exec_stmt(Sema *s, const Stmt *stmt);
// weight and state, and a state's new value.
void exec_declaration(Sema *s, const Stmt *stmt);
void exec_update(Sema *s, const Stmt *stmt);
void exec_input(Sema *s, const Stmt *stmt);
void exec_minimize(Sema *s, const Stmt *stmt);
void exec_report(Sema *s, const Stmt *stmt);
void exec_using(Sema *s, const Stmt *stmt);
// A report in an optimizer: one number of the weight it is updating, kept as
// the state "optimizer.report.NAME.WEIGHT".
void exec_weight_report(Sema *s, const Stmt *stmt);
// A new state or weight, as the statement declares it here, or one that is
// shared; NULL after a diagnostic.
Variable *make_variable(Sema *s, const Stmt *stmt, const char *name,
                        const TensorType *type, const Init *init);

#endif
