// Warnings about what a program sets and never reads: variables of defs and
// optimizers, weights, states and settings of phases, parameters. What a phase
// sets by `=` is there for others to ask for: teacher.logits, embed --value h.
#include <string.h>

#include "frontend/lang/module.h"
#include "frontend/lang/reads.h"
#include "frontend/lang/stages.h"

// Whatever a body reads, branches not taken included.
static void read_block(Sema *s, const StmtList *body, Map *names)
{
    for (int i = 0; body && i < body->count; i++) {
        const Stmt *stmt = body->at[i];
        read_names(stmt->value, names);
        if (stmt->kind == STMT_USING) // maybe a parameter that names it
            map_set(names, stmt->name.text, s);
        for (int k = 0; stmt->dims && k < stmt->dims->count; k++)
            read_names(stmt->dims->at[k], names);
        if (stmt->args)
            read_args(stmt->args, names);
        if (stmt->clauses)
            read_args(stmt->clauses, names);
        read_block(s, stmt->body, names);
        read_block(s, stmt->other, names);
    }
}

// `values`: what is set by `=`, too.
static void warn_variables(Sema *s, const StmtList *body, bool values,
                           const Map *read, Map *warned)
{
    for (int i = 0; body && i < body->count; i++) {
        const Stmt *stmt = body->at[i];
        bool sets = (values && stmt->kind == STMT_ASSIGN) ||
                    stmt->kind == STMT_WEIGHT || stmt->kind == STMT_STATE;
        if (sets && !map_get(read, stmt->name.text) &&
            !map_get(warned, stmt->name.text)) {
            diag_warning(s->diags, stmt->name.pos, "`%s` is set and never used",
                         stmt->name.text);
            map_set(warned, stmt->name.text, s);
        }
        warn_variables(s, stmt->body, values, read, warned);
        warn_variables(s, stmt->other, values, read, warned);
    }
}

// What the runtime reads of a phase's settings and of the parameters.
static const char *const runtime_names[] = {"batch", "chunk",   "epochs",
                                            "steps", "classes", "balanced"};
enum { RUNTIME_NAMES = sizeof runtime_names / sizeof *runtime_names };

static bool is_for_runtime(const char *name)
{
    for (int i = 0; i < RUNTIME_NAMES; i++)
        if (strcmp(name, runtime_names[i]) == 0)
            return true;
    return false;
}

// What is read of the parameters alone: of a phase it would have no effect.
static bool is_read_param(const char *name)
{
    return is_for_runtime(name) || strcmp(name, "precision") == 0;
}

static void check_phase(Sema *s, const PhaseItem *item, Map *anywhere)
{
    Map read = map_new(s->arena), warned = map_new(s->arena);
    read_block(s, item->body, &read);
    warn_variables(s, item->body, false, &read, &warned);
    read_args(item->options, &read);
    for (int i = 0; i < item->options->count; i++) {
        Word name = item->options->at[i].name;
        if (!map_get(&read, name.text) && !is_for_runtime(name.text))
            diag_warning(
                s->diags, name.pos, "phase `%s` never uses its setting `%s`%s",
                item->name.text, name.text,
                sema_suggest(s, name.text, runtime_names, RUNTIME_NAMES));
    }
    Word teacher = item->teacher_name;
    if (item->teacher.text && !map_get(&read, teacher.text))
        diag_warning(s->diags, teacher.pos,
                     "phase `%s` never asks its teacher: %s.logits(images)",
                     item->name.text, teacher.text);
    for (int i = 0; i < read.entries.count; i++)
        map_set(anywhere, read.entries.at[i].key, s);
}

static void read_module(Sema *s, const Program *program, Map *anywhere)
{
    for (int i = 0; i < program->params.count; i++) {
        read_names(program->params.at[i]->value, anywhere);
        read_names(program->params.at[i]->range, anywhere);
    }
    for (int i = 0; i < program->defs.count; i++) {
        const DefItem *def = program->defs.at[i];
        read_args(def->formals, anywhere);
        read_names(def->value, anywhere);
        read_block(s, def->body, anywhere);
        Map read = map_new(s->arena), warned = map_new(s->arena);
        read_block(s, def->body, &read);
        warn_variables(s, def->body, true, &read, &warned);
    }
    for (int i = 0; i < program->phases.count; i++)
        check_phase(s, program->phases.at[i], anywhere);
}

void unused_check(Sema *s)
{
    Map anywhere = map_new(s->arena);
    for (int i = 0; i < s->modules.count; i++)
        read_module(s, s->modules.at[i]->program, &anywhere);
    // Without a phase, what would read them is still to be written.
    for (int i = 0; i < s->modules.count && s->phases.count; i++) {
        const Program *program = s->modules.at[i]->program;
        for (int k = 0; k < program->params.count; k++) {
            Word name = program->params.at[k]->name;
            if (!map_get(&anywhere, name.text) && !is_read_param(name.text))
                diag_warning(s->diags, name.pos,
                             "nothing uses the parameter `%s`", name.text);
        }
    }
}
