// Expressions: compile-time arithmetic, lists, choices; tensors go on to
// sema_tensor.c.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "frontend/lang/eval.h"
#include "frontend/lang/tensor.h"

// ---- numbers ----------------------------------------------------------------

static Datum fail_overflow(Sema *s, SourcePos pos)
{
    return sema_fail(s, pos, "the result does not fit in 64 bits");
}

static bool power_overflows(int64_t base, int64_t exponent, int64_t *out)
{
    int64_t result = 1;
    for (; exponent > 0; exponent >>= 1) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
            return true;
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base))
            return true;
    }
    *out = result;
    return false;
}

static Datum int_arithmetic(Sema *s, SourcePos pos, Operator op, int64_t a,
                            int64_t b)
{
    int64_t result = 0;
    bool over = false;
    switch (op) {
    case OPERATOR_ADD:
        over = __builtin_add_overflow(a, b, &result);
        break;
    case OPERATOR_SUB:
        over = __builtin_sub_overflow(a, b, &result);
        break;
    case OPERATOR_MUL:
        over = __builtin_mul_overflow(a, b, &result);
        break;
    case OPERATOR_POW:
        over = power_overflows(a, b, &result);
        break;
    default: // // and %
        if (b == 0)
            return sema_fail(s, pos, "division by zero");
        if (a == INT64_MIN && b == -1)
            return fail_overflow(s, pos);
        // Rounded toward minus infinity, as floats are; C rounds to zero.
        result = a / b - (a % b != 0 && (a < 0) != (b < 0));
        if (op == OPERATOR_MOD)
            result = a - result * b;
    }
    return over ? fail_overflow(s, pos) : datum_int(result);
}

// As for whole numbers, // and % round toward minus infinity. What is not
// finite is an error here, where its line is known, and not a loss of NaN.
static Datum float_arithmetic(Sema *s, SourcePos pos, Operator op, double a,
                              double b)
{
    double result = 0;
    if (b == 0 &&
        (op == OPERATOR_DIV || op == OPERATOR_FLOOR_DIV || op == OPERATOR_MOD))
        return sema_fail(s, pos, "division by zero");
    switch (op) {
    case OPERATOR_ADD:
        result = a + b;
        break;
    case OPERATOR_SUB:
        result = a - b;
        break;
    case OPERATOR_MUL:
        result = a * b;
        break;
    case OPERATOR_DIV:
        result = a / b;
        break;
    case OPERATOR_FLOOR_DIV:
        result = floor(a / b);
        break;
    case OPERATOR_MOD:
        result = a - b * floor(a / b);
        break;
    default:
        result = pow(a, b);
    }
    if (!isfinite(result))
        return sema_fail(s, pos, "the result is not a finite number");
    return datum_float(result);
}

// Whole numbers are compared as such: as doubles, 2^53 and 2^53 + 1 would be
// equal. They stay whole but for / and negative powers.
static Datum number_binary(Sema *s, SourcePos pos, Operator op, Datum a,
                           Datum b)
{
    double x = datum_number(a), y = datum_number(b);
    bool whole = a.kind == DATUM_INT && b.kind == DATUM_INT;
    switch (op) {
    case OPERATOR_LT:
        return datum_bool(whole ? a.whole < b.whole : x < y);
    case OPERATOR_LE:
        return datum_bool(whole ? a.whole <= b.whole : x <= y);
    case OPERATOR_GT:
        return datum_bool(whole ? a.whole > b.whole : x > y);
    case OPERATOR_GE:
        return datum_bool(whole ? a.whole >= b.whole : x >= y);
    case OPERATOR_MATMUL:
        return sema_fail(s, pos,
                         "`@` multiplies matrices; for numbers it is "
                         "`*`");
    default:
        break;
    }
    whole = whole && op != OPERATOR_DIV && !(op == OPERATOR_POW && y < 0);
    return whole ? int_arithmetic(s, pos, op, a.whole, b.whole)
                 : float_arithmetic(s, pos, op, x, y);
}

// ---- lists and strings ------------------------------------------------------

static Datum join_lists(Sema *s, SourcePos pos, const DatumList *a,
                        const DatumList *b)
{
    if (a->count + b->count > MAX_LIST)
        return sema_fail(s, pos, "a list of more than %d items", MAX_LIST);
    DatumList *list = ARENA_NEW(s->arena, DatumList);
    list->count = a->count + b->count;
    list->at = ARENA_ARRAY(s->arena, Datum, list->count + 1);
    memcpy(list->at, a->at, sizeof(Datum) * (size_t)a->count);
    memcpy(list->at + a->count, b->at, sizeof(Datum) * (size_t)b->count);
    return (Datum){.kind = DATUM_LIST, .list = list};
}

static Datum join_strings(Sema *s, SourcePos pos, const char *a, const char *b)
{
    if (strlen(a) + strlen(b) > MAX_TEXT)
        return sema_fail(s, pos, "a string of more than %d bytes", MAX_TEXT);
    return datum_string(arena_printf(s->arena, "%s%s", a, b));
}

static Datum fail_operands(Sema *s, const Expr *expr, Datum a, Datum b)
{
    sema_error(s, expr->pos, "`%s` does not take %s and %s",
               operator_text(expr->op),
               datum_describe(s->arena, a, s->build->graph),
               datum_describe(s->arena, b, s->build->graph));
    const Datum values[] = {a, b};
    const Expr *const exprs[] = {expr->left, expr->right};
    site_notes(s, &(Site){s->build, expr->pos, "", 2, values, exprs});
    sema_trace(s);
    return datum_poison();
}

// ---- tensors ----------------------------------------------------------------

// There is no OP_GT or OP_GE: a > b is made b < a by the caller.
static Op tensor_op(Operator op)
{
    switch (op) {
    case OPERATOR_ADD:
        return OP_ADD;
    case OPERATOR_SUB:
        return OP_SUB;
    case OPERATOR_MUL:
        return OP_MUL;
    case OPERATOR_DIV:
        return OP_DIV;
    case OPERATOR_POW:
        return OP_POW;
    case OPERATOR_EQ:
        return OP_EQ;
    case OPERATOR_NE:
        return OP_NE;
    case OPERATOR_LT:
    case OPERATOR_GT:
        return OP_LT;
    case OPERATOR_LE:
    case OPERATOR_GE:
        return OP_LE;
    case OPERATOR_AND:
        return OP_AND;
    case OPERATOR_OR:
        return OP_OR;
    default:
        return OP_NONE;
    }
}

// Floored division and remainder, made of what there is.
static Datum tensor_floor_divide(Sema *s, const Site *site, Operator op,
                                 Datum a, Datum b)
{
    Datum quotient = tensor_binary(s, site, OP_DIV, a, b);
    if (quotient.kind != DATUM_TENSOR)
        return quotient;
    quotient = tensor_unary(s, site, OP_FLOOR, quotient.tensor);
    if (op == OPERATOR_FLOOR_DIV || quotient.kind != DATUM_TENSOR)
        return quotient;
    Datum product = tensor_binary(s, site, OP_MUL, quotient, b);
    if (product.kind != DATUM_TENSOR)
        return product;
    return tensor_binary(s, site, OP_SUB, a, product);
}

static Datum tensor_operator(Sema *s, const Expr *expr, Datum a, Datum b)
{
    const Datum values[] = {a, b};
    const Expr *const exprs[] = {expr->left, expr->right};
    const char *what =
        arena_concat(s->arena, "`", operator_text(expr->op), "`");
    Site site = {s->build, expr->pos, what, 2, values, exprs};
    bool divides = expr->op == OPERATOR_DIV || expr->op == OPERATOR_FLOOR_DIV ||
                   expr->op == OPERATOR_MOD;
    if (divides && datum_is_number(b) && datum_number(b) == 0)
        return sema_fail(s, expr->pos, "division by zero");
    switch (expr->op) {
    case OPERATOR_MATMUL:
        return tensor_matmul(s, &site, a, b);
    case OPERATOR_FLOOR_DIV:
    case OPERATOR_MOD:
        return tensor_floor_divide(s, &site, expr->op, a, b);
    case OPERATOR_GT:
    case OPERATOR_GE: // a > b is b < a
        return tensor_binary(s, &site, tensor_op(expr->op), b, a);
    case OPERATOR_POW: // a square is a product: exact, and cheap to derive
        if (datum_is_number(b) && datum_number(b) == 2)
            return tensor_binary(s, &site, OP_MUL, a, a);
        return tensor_binary(s, &site, OP_POW, a, b);
    default:
        return tensor_binary(s, &site, tensor_op(expr->op), a, b);
    }
}

// ---- operators --------------------------------------------------------------

static bool is_operand(Datum x)
{
    return x.kind == DATUM_TENSOR || datum_is_number(x);
}

// `and` and `or`: a truth value known at compile time decides or drops out.
static Datum eval_logic(Sema *s, const Expr *expr)
{
    bool is_and = expr->op == OPERATOR_AND;
    Datum a = eval_expr(s, expr->left);
    if (a.kind == DATUM_POISON)
        return a;
    if (a.kind == DATUM_BOOL && a.truth != is_and)
        return a;
    Datum b = eval_expr(s, expr->right);
    if (b.kind == DATUM_POISON)
        return b;
    bool a_fits = a.kind == DATUM_BOOL || a.kind == DATUM_TENSOR;
    bool b_fits = b.kind == DATUM_BOOL || b.kind == DATUM_TENSOR;
    if (!a_fits || !b_fits)
        return fail_operands(s, expr, a, b);
    if (a.kind == DATUM_BOOL)
        return b;
    if (b.kind == DATUM_BOOL)
        return b.truth == is_and ? a : b;
    return tensor_operator(s, expr, a, b);
}

static Datum eval_binary(Sema *s, const Expr *expr)
{
    Operator op = expr->op;
    if (op == OPERATOR_AND || op == OPERATOR_OR)
        return eval_logic(s, expr);
    Datum a = eval_expr(s, expr->left);
    Datum b = eval_expr(s, expr->right);
    if (a.kind == DATUM_POISON || b.kind == DATUM_POISON)
        return datum_poison();
    // `none` is compared, never reckoned with: most likely a forgotten return.
    const Expr *none = a.kind == DATUM_NONE   ? expr->left
                       : b.kind == DATUM_NONE ? expr->right
                                              : NULL;
    if (none && none->kind == EXPR_CALL && op >= OPERATOR_ADD &&
        op <= OPERATOR_POW)
        return sema_fail(s, none->pos, "this call returns nothing");
    if (datum_is_number(a) && datum_is_number(b) && op != OPERATOR_EQ &&
        op != OPERATOR_NE)
        return number_binary(s, expr->pos, op, a, b);
    if (op == OPERATOR_ADD && a.kind == DATUM_LIST && b.kind == DATUM_LIST)
        return join_lists(s, expr->pos, a.list, b.list);
    if (op == OPERATOR_ADD && a.kind == DATUM_STRING && b.kind == DATUM_STRING)
        return join_strings(s, expr->pos, a.text, b.text);
    bool tensor = a.kind == DATUM_TENSOR || b.kind == DATUM_TENSOR;
    if (tensor && is_operand(a) && is_operand(b))
        return tensor_operator(s, expr, a, b);
    // A tensor is never `none`, whatever its numbers.
    bool known = !tensor || a.kind == DATUM_NONE || b.kind == DATUM_NONE;
    if (known && op == OPERATOR_EQ)
        return datum_bool(datum_equal(a, b));
    if (known && op == OPERATOR_NE)
        return datum_bool(!datum_equal(a, b));
    return fail_operands(s, expr, a, b);
}

static Datum eval_unary(Sema *s, const Expr *expr)
{
    Datum x = eval_expr(s, expr->left);
    if (x.kind == DATUM_POISON)
        return x;
    bool negate = expr->op == OPERATOR_NEG;
    if (x.kind == DATUM_TENSOR) {
        const Expr *const exprs[] = {expr->left};
        Site site = {s->build, expr->pos, negate ? "`-`" : "`not`",
                     1,        &x,        exprs};
        if (!negate)
            return tensor_unary(s, &site, OP_NOT, x.tensor);
        Datum number = tensor_as_numbers(s, &site, x.tensor);
        return number.kind == DATUM_TENSOR
                   ? tensor_unary(s, &site, OP_NEG, number.tensor)
                   : number;
    }
    if (negate && x.kind == DATUM_INT)
        return int_arithmetic(s, expr->pos, OPERATOR_SUB, 0, x.whole);
    if (negate && x.kind == DATUM_FLOAT)
        return datum_float(-x.number);
    if (!negate && x.kind == DATUM_BOOL)
        return datum_bool(!x.truth);
    return sema_fail(s, expr->pos, "`%s` does not take %s",
                     operator_text(expr->op),
                     datum_describe(s->arena, x, s->build->graph));
}

// ---- the rest ---------------------------------------------------------------

static Datum eval_list(Sema *s, const Expr *expr)
{
    DatumList *list = ARENA_NEW(s->arena, DatumList);
    list->count = expr->items->count;
    list->at = ARENA_ARRAY(s->arena, Datum, list->count + 1);
    bool bad = false;
    for (int i = 0; i < list->count; i++) {
        list->at[i] = eval_expr(s, expr->items->at[i]);
        bad = bad || list->at[i].kind == DATUM_POISON;
    }
    return bad ? datum_poison() : (Datum){.kind = DATUM_LIST, .list = list};
}

static Datum eval_range(Sema *s, const Expr *expr)
{
    Datum first = eval_expr(s, expr->left), last = eval_expr(s, expr->right);
    if (first.kind == DATUM_POISON || last.kind == DATUM_POISON)
        return datum_poison();
    if (first.kind != DATUM_INT || last.kind != DATUM_INT) {
        bool left = first.kind != DATUM_INT;
        return sema_fail(
            s, (left ? expr->left : expr->right)->pos,
            "the ends of a range are whole numbers, not %s",
            datum_describe(s->arena, left ? first : last, s->build->graph));
    }
    // Before the list is made: 0..10^12 is an error and not all memory.
    int64_t count;
    if (__builtin_sub_overflow(last.whole, first.whole, &count) ||
        count >= MAX_LIST)
        return sema_fail(s, expr->pos, "a range of more than %d numbers",
                         MAX_LIST);
    count += expr->truth;
    if (count < 0)
        count = 0;
    DatumList *list = ARENA_NEW(s->arena, DatumList);
    list->count = (int)count;
    list->at = ARENA_ARRAY(s->arena, Datum, list->count + 1);
    for (int i = 0; i < list->count; i++)
        list->at[i] = datum_int(first.whole + i);
    return (Datum){.kind = DATUM_LIST, .list = list};
}

// -1 is the last item, as in Python.
static Datum eval_index(Sema *s, const Expr *expr)
{
    Datum x = eval_expr(s, expr->left), index = eval_expr(s, expr->right);
    if (x.kind == DATUM_POISON || index.kind == DATUM_POISON)
        return datum_poison();
    if (x.kind == DATUM_TENSOR)
        return sema_fail(s, expr->pos,
                         "a tensor is not indexed; use slice(x, start = [..], "
                         "size = [..])");
    if (x.kind != DATUM_LIST)
        return sema_fail(s, expr->pos, "only lists are indexed; this is %s",
                         datum_describe(s->arena, x, s->build->graph));
    if (index.kind != DATUM_INT)
        return sema_fail(s, expr->right->pos,
                         "an index is a whole number, not %s",
                         datum_describe(s->arena, index, s->build->graph));
    int64_t at = index.whole;
    if (at < 0)
        at += x.list->count;
    if (at < 0 || at >= x.list->count)
        return sema_fail(s, expr->right->pos,
                         "index %" PRId64 " is outside a list of %d item%s",
                         index.whole, x.list->count,
                         x.list->count == 1 ? "" : "s");
    return x.list->at[at];
}

Datum eval_member(Sema *s, const Expr *expr)
{
    Datum x = eval_expr(s, expr->left);
    if (x.kind == DATUM_POISON)
        return x;
    bool last = strcmp(expr->text, "last") == 0;
    bool first = strcmp(expr->text, "first") == 0;
    if (x.kind == DATUM_LIST && (last || first)) {
        if (x.list->count == 0)
            return sema_fail(s, expr->pos, "the list is empty");
        return x.list->at[last ? x.list->count - 1 : 0];
    }
    if (x.kind == DATUM_TEACHER || x.kind == DATUM_SOURCE)
        return sema_fail(s, expr->pos, "`%.40s` is called: .%.40s(...)",
                         expr->text, expr->text);
    if (map_get(&s->universe, expr->text))
        return sema_fail(s, expr->pos, "`%s` is a function: write %s(x)",
                         expr->text, expr->text);
    return sema_fail(s, expr->pos, "%s has no `.%.40s`%s",
                     datum_describe(s->arena, x, s->build->graph), expr->text,
                     x.kind == DATUM_LIST ? "; lists have `.first` and `.last`"
                                          : "");
}

bool eval_condition(Sema *s, const Expr *expr, bool *ok)
{
    Datum x = eval_expr(s, expr);
    *ok = x.kind == DATUM_BOOL;
    if (*ok)
        return x.truth;
    if (x.kind == DATUM_TENSOR)
        sema_fail(s, expr->pos,
                  "a condition is known at compile time, this is a tensor; "
                  "use where(condition, yes, no)");
    else if (x.kind != DATUM_POISON)
        sema_fail(s, expr->pos, "a condition is true or false, not %s",
                  datum_describe(s->arena, x, s->build->graph));
    return false;
}

static Datum eval_choice(Sema *s, const Expr *expr)
{
    bool ok;
    bool yes = eval_condition(s, expr->condition, &ok);
    if (!ok)
        return datum_poison();
    return eval_expr(s, yes ? expr->left : expr->right);
}

// The scope `outer.path`, or NULL after a diagnostic.
static const char *eval_path(Sema *s, const Expr *expr, const char *outer)
{
    Text text = text_new(s->arena);
    text_add(&text, outer);
    text_add(&text, *outer ? "." : "");
    size_t start = text.length;
    for (int i = 0; i < expr->path->count; i++) {
        const PathPiece *piece = &expr->path->at[i];
        if (piece->text) {
            text_add(&text, piece->text);
            continue;
        }
        Datum x = eval_expr(s, piece->expr);
        if (x.kind == DATUM_POISON)
            return NULL;
        if (x.kind != DATUM_INT && x.kind != DATUM_STRING) {
            sema_fail(s, piece->expr->pos,
                      "a piece of a path is a whole number or a string, not "
                      "%s",
                      datum_describe(s->arena, x, s->build->graph));
            return NULL;
        }
        if (x.kind == DATUM_INT)
            text_addf(&text, "%" PRId64, x.whole);
        else
            text_add(&text, x.text);
    }
    const char *path = text_string(&text), *own = path + start;
    size_t length = strlen(own);
    if (length == 0 || own[0] == '.' || own[length - 1] == '.' ||
        strstr(own, "..") || length > 1000) {
        sema_fail(s, expr->pos,
                  "`%.60s` is no path: segments between dots are not empty",
                  own);
        return NULL;
    }
    return path;
}

// Evaluates a call so that its body runs in `scope`; its arguments belong to
// the scope outside: norm(conv(x) as conv1) as bn1.
Datum eval_in_scope(Sema *s, const Expr *expr, const char *scope)
{
    bool ok, yes;
    switch (expr->kind) {
    case EXPR_CALL:
        return eval_call(s, expr, scope);
    case EXPR_AS:
        scope = eval_path(s, expr, scope);
        return scope ? eval_in_scope(s, expr->left, scope) : datum_poison();
    case EXPR_CHOICE:
        yes = eval_condition(s, expr->condition, &ok);
        return ok ? eval_in_scope(s, yes ? expr->left : expr->right, scope)
                  : datum_poison();
    case EXPR_POISON:
        return datum_poison();
    default:
        return sema_fail(s, expr->pos,
                         "`as` names the weights that a call makes; this is "
                         "no call");
    }
}

static Datum eval_as(Sema *s, const Expr *expr)
{
    if (!s->build->scope)
        return sema_fail(s, expr->pos, "there are no weights to name here");
    return eval_in_scope(s, expr, s->build->scope);
}

static Datum eval_kind(Sema *s, const Expr *expr)
{
    switch (expr->kind) {
    case EXPR_POISON:
        return datum_poison();
    case EXPR_INT:
        return datum_int(expr->whole);
    case EXPR_FLOAT:
        return datum_float(expr->number);
    case EXPR_BOOL:
        return datum_bool(expr->truth);
    case EXPR_STRING:
        return datum_string(expr->text);
    case EXPR_NONE:
        return datum_none();
    case EXPR_NAME:
        return sema_lookup(s, expr->text, expr->pos);
    case EXPR_LIST:
        return eval_list(s, expr);
    case EXPR_UNARY:
        return eval_unary(s, expr);
    case EXPR_BINARY:
        return eval_binary(s, expr);
    case EXPR_RANGE:
        return eval_range(s, expr);
    case EXPR_CALL:
        return eval_call(s, expr, NULL);
    case EXPR_INDEX:
        return eval_index(s, expr);
    case EXPR_MEMBER:
        return eval_member(s, expr);
    case EXPR_CHOICE:
        return eval_choice(s, expr);
    case EXPR_AS:
        return eval_as(s, expr);
    }
    INTERNAL_ERROR("expression of kind %d", expr->kind);
}

Datum eval_expr(Sema *s, const Expr *expr)
{
    if (!sema_step(s, expr->pos))
        return datum_poison();
    if (s->eval_depth >= MAX_EVAL_DEPTH) {
        sema_fail(s, expr->pos, "expressions nested too deeply over all calls");
        s->stopped = true;
        return datum_poison();
    }
    s->eval_depth++;
    Datum value = eval_kind(s, expr);
    s->eval_depth--;
    return value;
}
