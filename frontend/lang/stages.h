// What lang_load does with a program, a function a stage. Each is told of all
// that went wrong before by s->diags.
#ifndef SIMCC_FRONTEND_LANG_STAGES_H
#define SIMCC_FRONTEND_LANG_STAGES_H

#include "frontend/lang/sema.h"

// Fills globals and visible of all modules; reports names defined twice.
void modules_link(Sema *s);
// Evaluates all parameters and fills experiment->params.
void params_resolve(Sema *s);
// Makes every phase's graphs and fills experiment->phases.
void phases_elaborate(Sema *s);
// Reports names and arguments that cannot be, in all defs and phases; what the
// elaboration has said is not said again.
void names_check(Sema *s);
// Reports settings that name nothing.
void settings_check(Sema *s);
// Warns of variables, settings and parameters that nothing reads.
void unused_check(Sema *s);
// The text of `simcc show`.
const char *show_program(Sema *s);

#endif
