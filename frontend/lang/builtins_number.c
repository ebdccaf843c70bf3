// Built-in functions on numbers, lists and text, and the table that makes all
// of them known by name.
#include <math.h>
#include <string.h>

#include "frontend/lang/builtins_tensor.h"

static Datum fail_kind(Sema *s, const Call *call, int i, const char *wanted)
{
    return sema_fail(s, call->exprs[i]->pos, "`%s` of %s is %s, not %s",
                     call->names[i], call->name, wanted,
                     datum_describe(s->arena, call->args[i], s->build->graph));
}

// Numbers past 2^53 are whole already, and may not fit.
static Datum whole_or_float(double x)
{
    return fabs(x) < 9e15 ? datum_int((int64_t)x) : datum_float(x);
}

Datum builtin_len(Sema *s, const Call *call)
{
    if (call->args[0].kind == DATUM_TENSOR)
        return sema_fail(s, call->exprs[0]->pos,
                         "`len` counts the items of a list; the sizes of a "
                         "tensor are shape(x), batch_size(x) and the like");
    if (call->args[0].kind != DATUM_LIST)
        return fail_kind(s, call, 0, "a list");
    return datum_int(call->args[0].list->count);
}

Datum builtin_is_tensor(Sema *s, const Call *call)
{
    (void)s;
    return datum_bool(call->args[0].kind == DATUM_TENSOR);
}

Datum builtin_int(Sema *s, const Call *call)
{
    Datum x = call->args[0];
    if (!datum_is_number(x))
        return fail_kind(s, call, 0, "a number");
    return x.kind == DATUM_INT ? x : whole_or_float(trunc(x.number));
}

Datum builtin_float(Sema *s, const Call *call)
{
    Datum x = call->args[0];
    if (x.kind == DATUM_TENSOR) {
        Site site = call_site(s, call);
        return tensor_as_numbers(s, &site, x.tensor);
    }
    if (x.kind == DATUM_BOOL)
        return datum_float(x.truth);
    if (!datum_is_number(x))
        return fail_kind(s, call, 0, "a number");
    return datum_float(datum_number(x));
}

static Datum round_with(Sema *s, const Call *call, double (*round_to)(double))
{
    if (!datum_is_number(call->args[0]))
        return fail_kind(s, call, 0, "a number known at compile time");
    if (call->args[0].kind == DATUM_INT)
        return call->args[0];
    return whole_or_float(round_to(call->args[0].number));
}

Datum builtin_ceil(Sema *s, const Call *call)
{
    return round_with(s, call, ceil);
}

Datum builtin_round(Sema *s, const Call *call)
{
    return round_with(s, call, round);
}

// Two whole numbers give a whole one.
static Datum choose(Sema *s, const Call *call, Op op)
{
    Datum a = call->args[0], b = call->args[1];
    for (int i = 0; i < 2; i++)
        if (!datum_is_number(call->args[i]) &&
            call->args[i].kind != DATUM_TENSOR)
            return fail_kind(s, call, i, "a number or a tensor");
    if (a.kind == DATUM_TENSOR || b.kind == DATUM_TENSOR) {
        Site site = call_site(s, call);
        return tensor_binary(s, &site, op, a, b);
    }
    if (a.kind == DATUM_INT && b.kind == DATUM_INT)
        return (op == OP_MAX) == (a.whole > b.whole) ? a : b;
    double x = datum_number(a), y = datum_number(b);
    return datum_float(op == OP_MAX ? fmax(x, y) : fmin(x, y));
}

Datum builtin_max(Sema *s, const Call *call)
{
    return choose(s, call, OP_MAX);
}

Datum builtin_min(Sema *s, const Call *call)
{
    return choose(s, call, OP_MIN);
}

Datum builtin_matches(Sema *s, const Call *call)
{
    Datum lists[2];
    for (int i = 0; i < 2; i++) { // one string is a list of one
        Datum x = lists[i] = call->args[i];
        if (x.kind == DATUM_STRING)
            lists[i] = datum_list(s->arena, 1, &x);
        bool strings = lists[i].kind == DATUM_LIST;
        for (int k = 0; strings && k < lists[i].list->count; k++)
            strings = lists[i].list->at[k].kind == DATUM_STRING;
        if (!strings)
            return fail_kind(s, call, i, "a string or a list of strings");
    }
    for (int i = 0; i < lists[0].list->count; i++)
        for (int k = 0; k < lists[1].list->count; k++)
            if (text_glob(lists[1].list->at[k].text, lists[0].list->at[i].text))
                return datum_bool(true);
    return datum_bool(false);
}

Datum builtin_name(Sema *s, const Call *call)
{
    Datum x = call->args[0];
    if (x.kind == DATUM_TENSOR) {
        const Node *node = graph_node(s->build->graph, x.tensor);
        if (node->op == OP_PARAM)
            return datum_string(node->attrs[PARAM_NAME].text);
    }
    return fail_kind(s, call, 0, "a weight or state");
}

// ---- elementwise operations on numbers --------------------------------------

static double rsqrt(double x)
{
    return 1 / sqrt(x);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double sign(double x)
{
    return (x > 0) - (x < 0);
}

static double identity(double x)
{
    return x;
}

static double relu(double x)
{
    return x > 0 ? x : 0;
}

static double negate(double x)
{
    return -x;
}

// By the text of the operation's row. Whole results stay whole numbers.
static const struct {
    const char *name;
    double (*run)(double);
    bool keeps_whole, makes_whole;
} number_functions[] = {
    {"neg", negate, true, false}, {"abs", fabs, true, false},
    {"exp", exp, false, false},   {"log", log, false, false},
    {"sqrt", sqrt, false, false}, {"rsqrt", rsqrt, false, false},
    {"sin", sin, false, false},   {"cos", cos, false, false},
    {"tanh", tanh, false, false}, {"sigmoid", sigmoid, false, false},
    {"relu", relu, true, false},  {"floor", floor, true, true},
    {"sign", sign, true, true},   {"stop_gradient", identity, true, false},
};

// A row that the table above lacks is for tensors alone.
Datum number_operation(Sema *s, const Call *call, Op op)
{
    Datum x = call->args[0];
    if (!datum_is_number(x))
        return fail_kind(s, call, 0, "a tensor or a number");
    for (size_t i = 0; i < sizeof number_functions / sizeof *number_functions;
         i++) {
        if (strcmp(number_functions[i].name, op_info(op)->text) != 0)
            continue;
        double result = number_functions[i].run(datum_number(x));
        if (!isfinite(result))
            return sema_fail(s, call->pos,
                             "%s of %.17g is not a finite "
                             "number",
                             call->name, datum_number(x));
        bool whole = number_functions[i].makes_whole ||
                     (x.kind == DATUM_INT && number_functions[i].keeps_whole);
        return whole ? whole_or_float(result) : datum_float(result);
    }
    return fail_kind(s, call, 0, "a tensor");
}

// ---- initializers and sources -----------------------------------------------

static Datum make_init(Sema *s, const Call *call)
{
    if (!datum_is_number(call->args[0]))
        return fail_kind(s, call, 0, "a number");
    double scale = datum_number(call->args[0]);
    if (!(scale >= 0))
        return sema_fail(s, call->exprs[0]->pos, "`%s` of %s is not negative",
                         call->names[0], call->name);
    Init *init = ARENA_NEW(s->arena, Init);
    *init = (Init){call->name, scale};
    return (Datum){.kind = DATUM_INIT, .init = init};
}

Datum builtin_normal(Sema *s, const Call *call)
{
    return make_init(s, call);
}

Datum builtin_truncated_normal(Sema *s, const Call *call)
{
    return make_init(s, call);
}

Datum builtin_uniform(Sema *s, const Call *call)
{
    return make_init(s, call);
}

// The kind of the number decides: labeled(1.0) is every label, labeled(1) one
// of each class.
static Datum make_source(Sema *s, const Call *call, ImageSource images)
{
    Datum amount = call->args[0];
    if (amount.kind == DATUM_ABSENT)
        amount.kind = DATUM_ALL;
    // 1 for a parameter that is a share: every label, or one of each class?
    if (amount.kind == DATUM_FLOAT && amount.was_whole)
        return sema_fail(s, call->exprs[0]->pos,
                         "%s(amount): --set gave the whole number %.15g, and "
                         "the parameter is a share: 100%% or `all` is every "
                         "label; a number of images a class wants a setting of "
                         "the phase, or a parameter that is a whole number",
                         call->name, amount.number);
    bool share =
        amount.kind == DATUM_FLOAT && amount.number > 0 && amount.number <= 1;
    bool number = amount.kind == DATUM_INT && amount.whole > 0;
    if (!share && !number && amount.kind != DATUM_ALL)
        return sema_fail(s, call->exprs[0]->pos,
                         "%s(amount): `all`, a share such as 1%% or 0.1, "
                         "or a number of images a class, not %s",
                         call->name,
                         datum_describe(s->arena, amount, s->build->graph));
    if (images == IMAGES_MULTI_LABELED && number)
        return sema_fail(
            s, call->exprs[0]->pos,
            "%s(amount): `all`, or a share such as 1%% or 0.1, not "
            "%s: an image may count for several classes",
            call->name, datum_describe(s->arena, amount, s->build->graph));
    DataSource *source = ARENA_NEW(s->arena, DataSource);
    source->images = images;
    source->group_count = source->views[0] = 1;
    source->amount = ARENA_NEW(s->arena, Datum);
    *source->amount = amount;
    return (Datum){.kind = DATUM_SOURCE, .source = source};
}

Datum builtin_labeled(Sema *s, const Call *call)
{
    return make_source(s, call, IMAGES_LABELED);
}

Datum builtin_multi_labeled(Sema *s, const Call *call)
{
    return make_source(s, call, IMAGES_MULTI_LABELED);
}

Datum builtin_partly_labeled(Sema *s, const Call *call)
{
    return make_source(s, call, IMAGES_PARTLY_LABELED);
}

// ---- tables -----------------------------------------------------------------

static const BuiltinRow builtin_rows[] = {
#define BUILTIN(name, params, doc) {#name, params, doc, builtin_##name},
#include "frontend/lang/builtins.def"
#undef BUILTIN
};

static const struct {
    const char *name, *doc;
    AugmentParam params[MAX_AUGMENT_ARGS];
} augment_rows[] = {
#define PARAM(name, value, low, high)                                          \
    {AUGMENT_NUMBER, #name, value, low, high, NULL},
#define WHOLE(name, value, low, high)                                          \
    {AUGMENT_WHOLE, #name, value, low, high, NULL},
#define CHOICE(name, words)            {AUGMENT_WORD, #name, 0, 0, 0, words},
#define STEPS(name)                    {AUGMENT_STEPS, #name, NAN, 0, 0, NULL},
#define AUGMENT(id, name, doc, params) {#name, doc, {params}},
#include "runtime/data/augment.def"
#undef AUGMENT
#undef STEPS
#undef CHOICE
#undef WHOLE
#undef PARAM
};

static void add_datum(Arena *arena, Map *universe, const char *name,
                      Datum value)
{
    Datum *kept = ARENA_NEW(arena, Datum);
    *kept = value;
    map_set(universe, name, kept);
}

// "x over? keep?" -> names and which may be left out.
static BuiltinRow *parse_params(Arena *arena, const BuiltinRow *row)
{
    BuiltinRow *parsed = ARENA_NEW(arena, BuiltinRow);
    *parsed = *row;
    for (const char *at = row->params; *at;) {
        size_t length = strcspn(at, " ?");
        INTERNAL_CHECK(parsed->count < MAX_BUILTIN_ARGS);
        parsed->names[parsed->count] = arena_strndup(arena, at, length);
        parsed->optional[parsed->count++] = at[length] == '?';
        at += length;
        at += strspn(at, " ?");
    }
    return parsed;
}

void builtins_add(Arena *arena, Map *universe)
{
    // relu and its like: elementwise rows of one input and no attributes.
    for (Op op = 0; op < OP_COUNT; op++) {
        const OpInfo *info = op_info(op);
        if (op_has(op, TRAIT_ELEMENTWISE) && info->input_count == 1 &&
            op_attr_count(op) == 0 && op != OP_NOT)
            add_datum(arena, universe, info->text,
                      (Datum){.kind = DATUM_OPERATION, .operation = op});
    }
    for (size_t i = 0; i < sizeof augment_rows / sizeof *augment_rows; i++) {
        AugmentRow *row = ARENA_NEW(arena, AugmentRow);
        row->name = augment_rows[i].name;
        row->doc = augment_rows[i].doc;
        while (row->count < MAX_AUGMENT_ARGS &&
               augment_rows[i].params[row->count].name) {
            row->params[row->count] = augment_rows[i].params[row->count];
            row->count++;
        }
        add_datum(arena, universe, row->name,
                  (Datum){.kind = DATUM_AUGMENT_ROW, .augment_row = row});
    }
    for (size_t i = 0; i < sizeof builtin_rows / sizeof *builtin_rows; i++)
        add_datum(arena, universe, builtin_rows[i].name,
                  (Datum){.kind = DATUM_BUILTIN,
                          .builtin = parse_params(arena, &builtin_rows[i])});
    DataSource *unlabeled = ARENA_NEW(arena, DataSource);
    unlabeled->group_count = unlabeled->views[0] = 1;
    add_datum(arena, universe, "unlabeled",
              (Datum){.kind = DATUM_SOURCE, .source = unlabeled});
    add_datum(arena, universe, "all", (Datum){.kind = DATUM_ALL});
    add_datum(arena, universe, "pi", datum_float(3.14159265358979323846));
}
