// Checking the arguments of built-in functions.
#include <inttypes.h>
#include <string.h>

#include "frontend/lang/builtins_tensor.h"

Site call_site(Sema *s, const Call *call)
{
    return (Site){
        s->build,    call->pos,  arena_concat(s->arena, "`", call->name, "`"),
        call->count, call->args, call->exprs};
}

bool call_fail(Sema *s, const Call *call, int i, const char *wanted)
{
    sema_fail(s, call->exprs[i]->pos, "`%s` of %s is %s, not %s",
              call->names[i], call->name, wanted,
              datum_describe(s->arena, call->args[i], s->build->graph));
    return false;
}

bool call_has(const Call *call, int i)
{
    return call->args[i].kind != DATUM_ABSENT;
}

// A tensor of numbers; *type is its type.
bool call_tensor(Sema *s, const Call *call, int i, Value *x, TensorType *type)
{
    if (call->args[i].kind != DATUM_TENSOR)
        return call_fail(s, call, i, "a tensor");
    Site site = call_site(s, call);
    Datum number = tensor_as_numbers(s, &site, call->args[i].tensor);
    if (number.kind != DATUM_TENSOR)
        return false;
    *x = number.tensor;
    *type = *graph_type(s->build->graph, *x);
    return true;
}

bool call_bool(Sema *s, const Call *call, int i, bool *truth)
{
    *truth = false;
    if (!call_has(call, i))
        return true;
    if (call->args[i].kind != DATUM_BOOL)
        return call_fail(s, call, i, "true or false");
    *truth = call->args[i].truth;
    return true;
}

bool call_number(Sema *s, const Call *call, int i, double *number)
{
    if (!call_has(call, i))
        return true;
    if (!datum_is_number(call->args[i]))
        return call_fail(s, call, i, "a number");
    *number = datum_number(call->args[i]);
    return true;
}

// A list of at most MAX_RANK whole numbers of at least `least`.
bool call_sizes(Sema *s, const Call *call, int i, int64_t least, int *count,
                int64_t *out)
{
    Datum x = call->args[i];
    if (x.kind != DATUM_LIST || x.list->count > MAX_RANK)
        return call_fail(s, call, i, "a list of at most 6 whole numbers");
    for (int k = 0; k < x.list->count; k++) {
        Datum item = x.list->at[k];
        if (item.kind != DATUM_INT || item.whole < least) {
            sema_fail(s, call->exprs[i]->pos,
                      "`%s` of %s holds whole numbers of at least %" PRId64
                      ", not %s",
                      call->names[i], call->name, least,
                      datum_describe(s->arena, item, s->build->graph));
            return false;
        }
        out[k] = item.whole;
    }
    *count = x.list->count;
    return true;
}

// One size an axis of a tensor.
bool call_sizes_of(Sema *s, const Call *call, int i, int64_t least,
                   const TensorType *type, int64_t *out)
{
    int count;
    if (!call_sizes(s, call, i, least, &count, out))
        return false;
    if (count == type->rank)
        return true;
    sema_fail(s, call->exprs[i]->pos,
              "`%s` of %s has %d item%s for the %d axes of %s", call->names[i],
              call->name, count, count == 1 ? "" : "s", type->rank,
              type_text(s->arena, type));
    return false;
}

// "n" -> 0 and so on: letters of NCHW. -1 when the type has no such axis.
int type_axis(const TensorType *type, char letter)
{
    if (type->rank == 1)
        return letter == 'n' || letter == 'c' ? 0 : -1;
    const char *letters = "nchw";
    const char *at = strchr(letters, letter);
    int axis = at ? (int)(at - letters) : -1;
    bool spatial = axis >= 2;
    return axis < type->rank && !(spatial && type->rank != 4) ? axis : -1;
}

// Counted from 0, or back from the last, -1.
static bool add_axis(Sema *s, const Call *call, int i, const TensorType *type,
                     int64_t given, int *count, int64_t *axes)
{
    int64_t axis = given < 0 ? given + type->rank : given;
    if (axis < 0 || axis >= type->rank) {
        sema_fail(s, call->exprs[i]->pos,
                  "axis %" PRId64 " is outside the %d axes of %s", given,
                  type->rank, type_text(s->arena, type));
        return false;
    }
    for (int k = 0; k < *count; k++)
        if (axes[k] == axis) {
            sema_fail(s, call->exprs[i]->pos,
                      "`%s` names axis %" PRId64 " twice", call->names[i],
                      axis);
            return false;
        }
    // Ascending, as the operations keep them.
    int at = (*count)++;
    for (; at > 0 && axes[at - 1] > axis; at--)
        axes[at] = axes[at - 1];
    axes[at] = axis;
    return true;
}

static bool add_letters(Sema *s, const Call *call, int i,
                        const TensorType *type, int *count, int64_t *axes)
{
    for (const char *c = call->args[i].text; *c; c++) {
        int axis = type_axis(type, *c);
        if (axis < 0) {
            sema_fail(s, call->exprs[i]->pos,
                      "%s has no axis `%c`; axes are letters of \"nchw\" or "
                      "numbers",
                      type_text(s->arena, type), *c);
            return false;
        }
        if (!add_axis(s, call, i, type, axis, count, axes))
            return false;
    }
    return true;
}

// Letters, a number, or a list of numbers. Not call_has: no axes.
bool call_axes(Sema *s, const Call *call, int i, const TensorType *type,
               int *count, int64_t *axes)
{
    *count = 0;
    Datum x = call->args[i];
    switch (x.kind) {
    case DATUM_ABSENT:
    case DATUM_NONE:
        return true;
    case DATUM_STRING:
        return add_letters(s, call, i, type, count, axes);
    case DATUM_INT:
        return add_axis(s, call, i, type, x.whole, count, axes);
    case DATUM_LIST:
        for (int k = 0; k < x.list->count; k++) {
            Datum item = x.list->at[k];
            if (item.kind != DATUM_INT)
                return call_fail(s, call, i, "a list of axis numbers");
            if (!add_axis(s, call, i, type, item.whole, count, axes))
                return false;
        }
        return true;
    default:
        return call_fail(s, call, i, "letters of \"nchw\" or axis numbers");
    }
}

// One axis, axis 0 when not call_has.
bool call_axis(Sema *s, const Call *call, int i, const TensorType *type,
               int64_t *axis)
{
    int count;
    int64_t axes[MAX_RANK];
    if (!call_axes(s, call, i, type, &count, axes))
        return false;
    if (count > 1)
        return call_fail(s, call, i, "one axis");
    *axis = count ? axes[0] : 0;
    return true;
}
