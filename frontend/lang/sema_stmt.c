// Statements: control flow, and which file runs which.
#include <string.h>

#include "frontend/lang/eval.h"
#include "frontend/lang/reads.h"

// ---- control flow -----------------------------------------------------------

// Of a block that cannot be judged: what it sets is not known after it.
static void poison_block(Sema *s, const StmtList *body)
{
    for (int i = 0; body && i < body->count; i++) {
        const Stmt *stmt = body->at[i];
        if (stmt->kind == STMT_ASSIGN)
            frame_bind(s, s->frame, stmt->name.text, datum_poison(),
                       stmt->value->pos);
        poison_block(s, stmt->body);
        poison_block(s, stmt->other);
    }
    s->frame->damaged = true;
}

static void exec_if(Sema *s, const Stmt *stmt)
{
    bool ok;
    bool yes = eval_condition(s, stmt->value, &ok);
    if (ok && yes)
        exec_block(s, stmt->body);
    else if (ok && stmt->other)
        exec_block(s, stmt->other);
    if (!ok) {
        poison_block(s, stmt->body);
        poison_block(s, stmt->other);
    }
}

static void exec_for(Sema *s, const Stmt *stmt)
{
    Datum list = eval_expr(s, stmt->value);
    if (list.kind != DATUM_LIST)
        poison_block(s, stmt->body);
    if (list.kind == DATUM_POISON)
        return;
    if (list.kind != DATUM_LIST) {
        sema_fail(s, stmt->value->pos,
                  "`for` goes over a list or a range such as 0..n, not %s",
                  datum_describe(s->arena, list, s->build->graph));
        return;
    }
    for (int i = 0; i < list.list->count; i++) {
        // Counted also where the body is empty.
        if (s->frame->returned || !sema_step(s, stmt->pos))
            return;
        frame_bind(s, s->frame, stmt->name.text, list.list->at[i],
                   stmt->name.pos);
        exec_block(s, stmt->body);
    }
}

static void exec_return(Sema *s, const Stmt *stmt)
{
    if (s->frame->kind == FRAME_PHASE || s->frame->kind == FRAME_OPTIMIZER) {
        sema_fail(s, stmt->pos, "`return` belongs in a def");
        return;
    }
    s->frame->result = eval_expr(s, stmt->value);
    s->frame->returned = true;
}

// What the names in a condition that failed stand for.
static void note_names(Sema *s, const Expr *condition)
{
    Map names = map_new(s->arena);
    Text text = text_new(s->arena);
    read_names(condition, &names);
    for (int i = 0; i < names.entries.count; i++) {
        const char *name = names.entries.at[i].key;
        const Binding *binding = frame_find(s->frame, name);
        if (!binding || binding->value.kind == DATUM_POISON)
            continue;
        text_addf(&text, "%s`%s` is ", text.length ? ", " : "", name);
        if (binding->value.kind == DATUM_TENSOR ||
            datum_is_number(binding->value))
            datum_print(binding->value, s->build->graph, &text);
        else
            text_add(&text,
                     datum_describe(s->arena, binding->value, s->build->graph));
    }
    if (text.length)
        sema_note(s, condition->pos, "here %s", text_string(&text));
}

// Of a comparison that failed, what its sides are.
static void note_sides(Sema *s, const Expr *condition)
{
    if (condition->kind != EXPR_BINARY || condition->op < OPERATOR_EQ ||
        condition->op > OPERATOR_GE)
        return;
    const Expr *sides[] = {condition->left, condition->right};
    for (int i = 0; i < 2; i++) {
        Datum side = eval_expr(s, sides[i]);
        // A local name is noted with the others, by note_names.
        bool local =
            sides[i]->kind == EXPR_NAME && frame_find(s->frame, sides[i]->text);
        if (datum_is_number(side) && sides[i]->kind != EXPR_INT &&
            sides[i]->kind != EXPR_FLOAT && !local)
            sema_note(s, sides[i]->pos, "this is %s",
                      datum_describe(s->arena, side, s->build->graph));
    }
}

// The body ends with an assertion that fails: what follows relies on it.
static void exec_assert(Sema *s, const Stmt *stmt)
{
    bool ok;
    bool holds = eval_condition(s, stmt->value, &ok);
    if (ok && holds)
        return;
    if (ok) {
        sema_error(s, stmt->pos, "%s",
                   stmt->text ? stmt->text : "this assertion does not hold");
        note_sides(s, stmt->value);
        note_names(s, stmt->value);
        sema_trace(s);
    }
    s->frame->result = datum_poison();
    s->frame->returned = true;
}

// A value that nobody reads is a forgotten `return` or a forgotten name.
static void exec_expr(Sema *s, const Stmt *stmt)
{
    const Expr *call = stmt->value, *inner;
    while (call->kind == EXPR_AS)
        call = call->left;
    // The def that shared(...) and its like hand the call on to.
    for (inner = call; inner->kind == EXPR_AS ||
                       (inner->kind == EXPR_CALL && inner->args->count > 0 &&
                        is_special_form(s, inner->left));)
        inner = inner->kind == EXPR_AS ? inner->left : inner->args->at[0].value;
    s->for_effect = inner;
    Datum x = eval_expr(s, stmt->value);
    // Of a teacher it was said where the phase itself was elaborated.
    bool effect = s->frame->kind == FRAME_TEACHER || x.kind == DATUM_NONE;
    if (x.kind == DATUM_POISON || (effect && call->kind == EXPR_CALL))
        return;
    s->frame->damaged = true; // what the body returns is not known
    sema_fail(s, stmt->pos,
              s->frame->kind == FRAME_PHASE
                  ? "this value is not used; a name in front of it is missing"
                  : "this value is not used; a `return` or a name in front of "
                    "it is missing");
}

static bool needs_phase(Sema *s, const Stmt *stmt, const char *word)
{
    if (s->frame->kind == FRAME_PHASE)
        return true;
    if (s->frame->kind != FRAME_TEACHER)
        sema_fail(s, stmt->pos, "`%s` belongs in a phase", word);
    return false;
}

void exec_stmt(Sema *s, const Stmt *stmt)
{
    switch (stmt->kind) {
    case STMT_ASSIGN:
        frame_bind(s, s->frame, stmt->name.text, eval_expr(s, stmt->value),
                   stmt->value->pos);
        break;
    case STMT_WEIGHT:
    case STMT_STATE:
        exec_declaration(s, stmt);
        break;
    case STMT_UPDATE:
        exec_update(s, stmt);
        break;
    case STMT_RETURN:
        exec_return(s, stmt);
        break;
    case STMT_IF:
        exec_if(s, stmt);
        break;
    case STMT_FOR:
        exec_for(s, stmt);
        break;
    case STMT_ASSERT:
        exec_assert(s, stmt);
        break;
    case STMT_EXPR:
        exec_expr(s, stmt);
        break;
    case STMT_INPUT:
        if (needs_phase(s, stmt, "input"))
            exec_input(s, stmt);
        break;
    case STMT_MINIMIZE:
        if (needs_phase(s, stmt, "minimize"))
            exec_minimize(s, stmt);
        break;
    case STMT_USING:
        if (needs_phase(s, stmt, "using"))
            exec_using(s, stmt);
        break;
    case STMT_REPORT:
        if (s->frame->kind == FRAME_OPTIMIZER)
            exec_weight_report(s, stmt);
        else if (needs_phase(s, stmt, "report"))
            exec_report(s, stmt);
        break;
    case STMT_FREEZE:
        if (needs_phase(s, stmt, "freeze"))
            vec_push(s->arena, &s->build->freezes, stmt);
        break;
    }
}

void exec_block(Sema *s, const StmtList *body)
{
    for (int i = 0; i < body->count && !s->frame->returned && !s->stopped; i++)
        exec_stmt(s, body->at[i]);
}
