// Built-in functions on tensors: they check their arguments and add one or a
// few nodes.
#include "frontend/lang/builtins_tensor.h"

#include <inttypes.h>
#include <string.h>

Site call_site(Sema *s, const Call *call)
{
    return (Site){call->pos, arena_printf(s->arena, "`%s`", call->name),
                  call->count, call->args, call->exprs};
}

// ---- arguments --------------------------------------------------------------

static bool fail_argument(Sema *s, const Call *call, int i, const char *wanted)
{
    sema_fail(s, call->exprs[i]->pos, "`%s` of %s is %s, not %s",
              call->names[i], call->name, wanted,
              datum_describe(s->arena, call->args[i], s->build.graph));
    return false;
}

static bool given(const Call *call, int i)
{
    return call->args[i].kind != DATUM_ABSENT;
}

// A tensor of numbers; *type is its type.
static bool arg_tensor(Sema *s, const Call *call, int i, Value *x,
                       TensorType *type)
{
    if (call->args[i].kind != DATUM_TENSOR)
        return fail_argument(s, call, i, "a tensor");
    Site site = call_site(s, call);
    Datum number = tensor_as_numbers(s, &site, call->args[i].tensor);
    if (number.kind != DATUM_TENSOR)
        return false;
    *x = number.tensor;
    *type = *graph_type(s->build.graph, *x);
    return true;
}

static bool arg_bool(Sema *s, const Call *call, int i, bool *truth)
{
    *truth = false;
    if (!given(call, i))
        return true;
    if (call->args[i].kind != DATUM_BOOL)
        return fail_argument(s, call, i, "true or false");
    *truth = call->args[i].truth;
    return true;
}

static bool arg_number(Sema *s, const Call *call, int i, double *number)
{
    if (!given(call, i))
        return true;
    if (!datum_is_number(call->args[i]))
        return fail_argument(s, call, i, "a number");
    *number = datum_number(call->args[i]);
    return true;
}

// A list of at most MAX_RANK whole numbers of at least `least`.
static bool arg_sizes(Sema *s, const Call *call, int i, int64_t least,
                      int *count, int64_t *out)
{
    Datum x = call->args[i];
    if (x.kind != DATUM_LIST || x.list->count > MAX_RANK)
        return fail_argument(s, call, i, "a list of at most 6 whole numbers");
    for (int k = 0; k < x.list->count; k++) {
        Datum item = x.list->at[k];
        if (item.kind != DATUM_INT || item.whole < least) {
            sema_fail(s, call->exprs[i]->pos,
                      "`%s` of %s holds whole numbers of at least %" PRId64
                      ", not %s",
                      call->names[i], call->name, least,
                      datum_describe(s->arena, item, s->build.graph));
            return false;
        }
        out[k] = item.whole;
    }
    *count = x.list->count;
    return true;
}

// One size an axis of a tensor.
static bool arg_sizes_of(Sema *s, const Call *call, int i, int64_t least,
                         const TensorType *type, int64_t *out)
{
    int count;
    if (!arg_sizes(s, call, i, least, &count, out))
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
static int axis_of_letter(const TensorType *type, char letter)
{
    if (type->rank == 1)
        return letter == 'n' || letter == 'c' ? 0 : -1;
    const char *letters = "nchw";
    const char *at = strchr(letters, letter);
    int axis = at ? (int)(at - letters) : -1;
    bool spatial = axis >= 2;
    return axis < type->rank && !(spatial && type->rank != 4) ? axis : -1;
}

static bool add_axis(Sema *s, const Call *call, int i, const TensorType *type,
                     int64_t axis, int *count, int64_t *axes)
{
    if (axis < 0 || axis >= type->rank) {
        sema_fail(s, call->exprs[i]->pos,
                  "axis %" PRId64 " is outside the %d axes of %s", axis,
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
        int axis = axis_of_letter(type, *c);
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

// Letters, a number, or a list of numbers. Not given: no axes.
static bool arg_axes(Sema *s, const Call *call, int i, const TensorType *type,
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
                return fail_argument(s, call, i, "a list of axis numbers");
            if (!add_axis(s, call, i, type, item.whole, count, axes))
                return false;
        }
        return true;
    default:
        return fail_argument(s, call, i, "letters of \"nchw\" or axis numbers");
    }
}

// One axis, axis 0 when not given.
static bool arg_axis(Sema *s, const Call *call, int i, const TensorType *type,
                     int64_t *axis)
{
    int count;
    int64_t axes[MAX_RANK];
    if (!arg_axes(s, call, i, type, &count, axes))
        return false;
    if (count > 1)
        return fail_argument(s, call, i, "one axis");
    *axis = count ? axes[0] : 0;
    return true;
}

// ---- tensors from nothing ---------------------------------------------------

static bool arg_new_type(Sema *s, const Call *call, TensorType *type)
{
    int rank;
    int64_t dims[MAX_RANK];
    if (!arg_sizes(s, call, 0, 1, &rank, dims))
        return false;
    *type = type_make(s->options->dtype, rank, dims);
    return true;
}

Datum builtin_iota(Sema *s, const Call *call)
{
    TensorType type;
    int64_t axis;
    if (!arg_new_type(s, call, &type) || !arg_axis(s, call, 1, &type, &axis))
        return datum_poison();
    if (type.rank == 0)
        return sema_fail(s, call->pos, "a scalar has no axis to count along");
    Attr attrs[MAX_ATTRS] = {[AXIS_AXIS] = {.i = axis}};
    Site site = call_site(s, call);
    return tensor_add(s, &site, OP_IOTA, 0, NULL, attrs, &type);
}

static Datum make_filled(Sema *s, const Call *call, double number)
{
    TensorType type;
    if (!arg_new_type(s, call, &type))
        return datum_poison();
    Site site = call_site(s, call);
    return tensor_constant(s, &site, type.rank, type.dims, number);
}

Datum builtin_zeros(Sema *s, const Call *call)
{
    return make_filled(s, call, 0);
}

Datum builtin_ones(Sema *s, const Call *call)
{
    return make_filled(s, call, 1);
}

Datum builtin_fill(Sema *s, const Call *call)
{
    double number = 0;
    if (!arg_number(s, call, 1, &number))
        return datum_poison();
    return make_filled(s, call, number);
}

// ---- what a tensor is like --------------------------------------------------

static const TensorType *type_of(Sema *s, const Call *call)
{
    if (call->args[0].kind == DATUM_TENSOR)
        return graph_type(s->build.graph, call->args[0].tensor);
    fail_argument(s, call, 0, "a tensor");
    return NULL;
}

Datum builtin_shape(Sema *s, const Call *call)
{
    const TensorType *type = type_of(s, call);
    return type ? datum_ints(s->arena, type->rank, type->dims) : datum_poison();
}

Datum builtin_ndim(Sema *s, const Call *call)
{
    const TensorType *type = type_of(s, call);
    return type ? datum_int(type->rank) : datum_poison();
}

Datum builtin_numel(Sema *s, const Call *call)
{
    const TensorType *type = type_of(s, call);
    return type ? datum_int(type_elements(type)) : datum_poison();
}

static Datum size_along(Sema *s, const Call *call, char letter)
{
    const TensorType *type = type_of(s, call);
    if (!type)
        return datum_poison();
    int axis = axis_of_letter(type, letter);
    if (axis >= 0)
        return datum_int(type->dims[axis]);
    Site site = call_site(s, call);
    sema_error(s, call->pos, "%s has no axis `%c`", type_text(s->arena, type),
               letter);
    site_notes(s, &site);
    sema_trace(s);
    return datum_poison();
}

Datum builtin_batch_size(Sema *s, const Call *call)
{
    return size_along(s, call, 'n');
}

Datum builtin_channels(Sema *s, const Call *call)
{
    return size_along(s, call, 'c');
}

Datum builtin_height(Sema *s, const Call *call)
{
    return size_along(s, call, 'h');
}

Datum builtin_width(Sema *s, const Call *call)
{
    return size_along(s, call, 'w');
}

// ---- elementwise and reductions ---------------------------------------------

Datum builtin_where(Sema *s, const Call *call)
{
    Datum condition = call->args[0];
    if (condition.kind == DATUM_BOOL)
        return call->args[condition.truth ? 1 : 2];
    if (condition.kind != DATUM_TENSOR) {
        fail_argument(s, call, 0, "a bool tensor");
        return datum_poison();
    }
    for (int i = 1; i < 3; i++)
        if (call->args[i].kind != DATUM_TENSOR &&
            !datum_is_number(call->args[i])) {
            fail_argument(s, call, i, "a tensor or a number");
            return datum_poison();
        }
    Site site = call_site(s, call);
    return tensor_select(s, &site, condition, call->args[1], call->args[2]);
}

static Datum reduce(Sema *s, const Call *call, Op op, bool mean)
{
    Value x;
    TensorType type;
    int count;
    int64_t axes[MAX_RANK];
    bool keep;
    if (!arg_tensor(s, call, 0, &x, &type) ||
        !arg_axes(s, call, 1, &type, &count, axes) ||
        !arg_bool(s, call, 2, &keep))
        return datum_poison();
    Site site = call_site(s, call);
    return mean ? tensor_mean(s, &site, x, count, axes, keep)
                : tensor_reduce(s, &site, op, x, count, axes, keep);
}

Datum builtin_sum(Sema *s, const Call *call)
{
    return reduce(s, call, OP_REDUCE_SUM, false);
}

Datum builtin_mean(Sema *s, const Call *call)
{
    return reduce(s, call, OP_REDUCE_SUM, true);
}

Datum builtin_max_over(Sema *s, const Call *call)
{
    return reduce(s, call, OP_REDUCE_MAX, false);
}

// ---- the same numbers elsewhere ---------------------------------------------

Datum builtin_reshape(Sema *s, const Call *call)
{
    Value x;
    TensorType type;
    int rank;
    int64_t dims[MAX_RANK];
    if (!arg_tensor(s, call, 0, &x, &type) ||
        !arg_sizes(s, call, 1, 1, &rank, dims))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[DIMS_DIMS] = {.ints = {rank, dims}}};
    Site site = call_site(s, call);
    return tensor_add(s, &site, OP_RESHAPE, 1, &x, attrs, NULL);
}

Datum builtin_transpose(Sema *s, const Call *call)
{
    Value x;
    TensorType type;
    int64_t perm[MAX_RANK] = {1, 0};
    if (!arg_tensor(s, call, 0, &x, &type))
        return datum_poison();
    if (!given(call, 1) && type.rank != 2)
        return sema_fail(s, call->pos,
                         "%s is no matrix; give its axes' new order: "
                         "transpose(x, perm = [..])",
                         type_text(s->arena, &type));
    if (given(call, 1) && !arg_sizes_of(s, call, 1, 0, &type, perm))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[PERM_PERM] = {.ints = {type.rank, perm}}};
    Site site = call_site(s, call);
    return tensor_add(s, &site, OP_TRANSPOSE, 1, &x, attrs, NULL);
}

static Datum add_slice(Sema *s, const Site *site, Value x, int rank,
                       const int64_t *start, const int64_t *size)
{
    Attr attrs[MAX_ATTRS] = {[SLICE_START] = {.ints = {rank, start}},
                             [SLICE_SIZE] = {.ints = {rank, size}}};
    return tensor_add(s, site, OP_SLICE, 1, &x, attrs, NULL);
}

Datum builtin_slice(Sema *s, const Call *call)
{
    Value x;
    TensorType type;
    int64_t start[MAX_RANK], size[MAX_RANK];
    if (!arg_tensor(s, call, 0, &x, &type) ||
        !arg_sizes_of(s, call, 1, 0, &type, start) ||
        !arg_sizes_of(s, call, 2, 1, &type, size))
        return datum_poison();
    Site site = call_site(s, call);
    return add_slice(s, &site, x, type.rank, start, size);
}

Datum builtin_pad(Sema *s, const Call *call)
{
    Value x;
    TensorType type;
    int64_t low[MAX_RANK], high[MAX_RANK];
    double number = 0;
    if (!arg_tensor(s, call, 0, &x, &type) ||
        !arg_sizes_of(s, call, 1, 0, &type, low) ||
        !arg_sizes_of(s, call, 2, 0, &type, high) ||
        !arg_number(s, call, 3, &number))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[PAD_LOW] = {.ints = {type.rank, low}},
                             [PAD_HIGH] = {.ints = {type.rank, high}},
                             [PAD_VALUE] = {.f = number}};
    Site site = call_site(s, call);
    return tensor_add(s, &site, OP_PAD, 1, &x, attrs, NULL);
}

// The items as tensors; false after a diagnostic.
static bool arg_tensors(Sema *s, const Call *call, Value *inputs)
{
    const DatumList *list = call->args[0].list;
    Site site = call_site(s, call);
    for (int i = 0; i < list->count; i++) {
        if (list->at[i].kind != DATUM_TENSOR) {
            sema_fail(s, call->exprs[0]->pos,
                      "concat joins tensors; item %d is %s", i,
                      datum_describe(s->arena, list->at[i], s->build.graph));
            return false;
        }
        Datum number = tensor_as_numbers(s, &site, list->at[i].tensor);
        if (number.kind != DATUM_TENSOR)
            return false;
        inputs[i] = number.tensor;
    }
    return true;
}

// Says which tensors a concat was to join: they are items of one argument.
static void note_items(Sema *s, const Call *call)
{
    const DatumList *list = call->args[0].list;
    for (int i = 0; i < list->count && i < 8; i++)
        sema_note(s, call->exprs[0]->pos, "item %d is %s", i,
                  tensor_shape_text(s, list->at[i]));
}

Datum builtin_concat(Sema *s, const Call *call)
{
    if (call->args[0].kind != DATUM_LIST || call->args[0].list->count == 0) {
        fail_argument(s, call, 0, "a list of tensors");
        return datum_poison();
    }
    const DatumList *list = call->args[0].list;
    Value *inputs = ARENA_ARRAY(s->arena, Value, list->count);
    if (!arg_tensors(s, call, inputs))
        return datum_poison();
    int64_t axis;
    TensorType first = *graph_type(s->build.graph, inputs[0]);
    if (!arg_axis(s, call, 1, &first, &axis))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[AXIS_AXIS] = {.i = axis}};
    Site site = call_site(s, call);
    Datum joined =
        tensor_add(s, &site, OP_CONCAT, list->count, inputs, attrs, NULL);
    if (joined.kind == DATUM_POISON)
        note_items(s, call);
    return joined;
}

Datum builtin_split(Sema *s, const Call *call)
{
    Value x;
    TensorType type;
    int64_t axis;
    if (!arg_tensor(s, call, 0, &x, &type) ||
        !arg_axis(s, call, 2, &type, &axis))
        return datum_poison();
    Datum parts = call->args[1];
    int64_t length = type.rank ? type.dims[axis] : 0;
    if (parts.kind != DATUM_INT || parts.whole < 1 || length == 0 ||
        length % parts.whole != 0 || parts.whole > MAX_LIST)
        return sema_fail(s, call->pos,
                         "%s does not split into %s equal parts along axis "
                         "%" PRId64,
                         type_text(s->arena, &type),
                         datum_describe(s->arena, parts, s->build.graph), axis);
    Site site = call_site(s, call);
    DatumList *list = ARENA_NEW(s->arena, DatumList);
    list->count = (int)parts.whole;
    list->at = ARENA_ARRAY(s->arena, Datum, list->count);
    int64_t start[MAX_RANK] = {0}, size[MAX_RANK];
    memcpy(size, type.dims, sizeof size);
    size[axis] = length / parts.whole;
    for (int i = 0; i < list->count; i++) {
        start[axis] = i * size[axis];
        list->at[i] = add_slice(s, &site, x, type.rank, start, size);
        if (list->at[i].kind != DATUM_TENSOR)
            return datum_poison();
    }
    return (Datum){.kind = DATUM_LIST, .list = list};
}

// ---- windows ----------------------------------------------------------------

// A whole number for all of `count`, or a list of just so many.
static bool arg_window(Sema *s, const Call *call, int i, int64_t least,
                       int64_t otherwise, int count, int64_t *out)
{
    Datum x = call->args[i];
    if (!given(call, i))
        x = datum_int(otherwise);
    if (x.kind == DATUM_INT && x.whole >= least) {
        for (int k = 0; k < count; k++)
            out[k] = x.whole;
        return true;
    }
    int given_count = 0;
    if (x.kind == DATUM_LIST && x.list->count == count)
        return arg_sizes(s, call, i, least, &given_count, out);
    return fail_argument(
        s, call, i,
        count == 2 ? arena_printf(s->arena,
                                  "a whole number of at least %" PRId64
                                  " or [vertical, horizontal]",
                                  least)
                   : "a whole number or [top, left, bottom, right]");
}

static bool check_images(Sema *s, const Call *call, const TensorType *type)
{
    if (type->rank == 4)
        return true;
    Site site = call_site(s, call);
    sema_error(s, call->pos, "`%s` takes images [n,c,h,w], not %s", call->name,
               type_text(s->arena, type));
    site_notes(s, &site);
    sema_trace(s);
    return false;
}

Datum builtin_conv2d(Sema *s, const Call *call)
{
    Value inputs[2];
    TensorType x, weight;
    int64_t stride[2], pad[4];
    if (!arg_tensor(s, call, 0, &inputs[0], &x) ||
        !arg_tensor(s, call, 1, &inputs[1], &weight) ||
        !check_images(s, call, &x) ||
        !arg_window(s, call, 2, 1, 1, 2, stride) ||
        !arg_window(s, call, 3, 0, 0, 4, pad))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {
        [CONV_STRIDE] = {.ints = {2, stride}}, [CONV_PAD] = {.ints = {4, pad}}};
    Site site = call_site(s, call);
    return tensor_add(s, &site, OP_CONV2D, 2, inputs, attrs, NULL);
}

static Datum pool(Sema *s, const Call *call, Op op)
{
    Value x;
    TensorType type;
    int64_t kernel[2], stride[2], pad[4];
    if (!arg_tensor(s, call, 0, &x, &type) || !check_images(s, call, &type) ||
        !arg_window(s, call, 1, 1, 1, 2, kernel) ||
        !arg_window(s, call, 2, 1, 1, 2, stride) ||
        !arg_window(s, call, 3, 0, 0, 4, pad))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[POOL_KERNEL] = {.ints = {2, kernel}},
                             [POOL_STRIDE] = {.ints = {2, stride}},
                             [POOL_PAD] = {.ints = {4, pad}}};
    Site site = call_site(s, call);
    return tensor_add(s, &site, op, 1, &x, attrs, NULL);
}

Datum builtin_max_pool(Sema *s, const Call *call)
{
    return pool(s, call, OP_MAX_POOL);
}

Datum builtin_sum_pool(Sema *s, const Call *call)
{
    return pool(s, call, OP_SUM_POOL);
}

// ---- ranks ------------------------------------------------------------------

static Datum collective(Sema *s, const Call *call, Op op)
{
    Value x;
    TensorType type;
    if (!arg_tensor(s, call, 0, &x, &type))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[RANKS_RANKS] = {.i = s->options->ranks}};
    Site site = call_site(s, call);
    return tensor_add(s, &site, op, 1, &x, attrs, NULL);
}

Datum builtin_all_sum(Sema *s, const Call *call)
{
    return collective(s, call, OP_ALL_SUM);
}

Datum builtin_gather(Sema *s, const Call *call)
{
    return collective(s, call, OP_ALL_GATHER);
}

Datum builtin_rank(Sema *s, const Call *call)
{
    TensorType type = type_scalar(s->options->dtype);
    Site site = call_site(s, call);
    return tensor_add(s, &site, OP_RANK, 0, NULL, NULL, &type);
}

Datum builtin_ranks(Sema *s, const Call *call)
{
    (void)call;
    return datum_int(s->options->ranks);
}
