// Built-in functions on tensors: they check their arguments and add one or a
// few nodes.
#include "frontend/lang/builtins_tensor.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/conv.h"

// ---- tensors from nothing ---------------------------------------------------

static bool arg_new_type(Sema *s, const Call *call, TensorType *type)
{
    int rank;
    int64_t dims[MAX_RANK];
    if (!call_sizes(s, call, 0, 1, &rank, dims))
        return false;
    *type = type_make(s->options->dtype, rank, dims);
    return true;
}

Datum builtin_iota(Sema *s, const Call *call)
{
    TensorType type;
    int64_t axis;
    if (!arg_new_type(s, call, &type) || !call_axis(s, call, 1, &type, &axis))
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
    if (!call_number(s, call, 1, &number))
        return datum_poison();
    return make_filled(s, call, number);
}

// ---- what a tensor is like --------------------------------------------------

static const TensorType *type_of(Sema *s, const Call *call)
{
    if (call->args[0].kind == DATUM_TENSOR)
        return graph_type(s->build->graph, call->args[0].tensor);
    call_fail(s, call, 0, "a tensor");
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
    int axis = type_axis(type, letter);
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

// A condition known at compile time chooses here and adds no node.
Datum builtin_where(Sema *s, const Call *call)
{
    Datum condition = call->args[0];
    if (condition.kind == DATUM_BOOL)
        return call->args[condition.truth ? 1 : 2];
    if (condition.kind != DATUM_TENSOR) {
        call_fail(s, call, 0, "a bool tensor");
        return datum_poison();
    }
    for (int i = 1; i < 3; i++)
        if (call->args[i].kind != DATUM_TENSOR &&
            !datum_is_number(call->args[i])) {
            call_fail(s, call, i, "a tensor or a number");
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
    if (!call_tensor(s, call, 0, &x, &type) ||
        !call_axes(s, call, 1, &type, &count, axes) ||
        !call_bool(s, call, 2, &keep))
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
    if (!call_tensor(s, call, 0, &x, &type) ||
        !call_sizes(s, call, 1, 1, &rank, dims))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[DIMS_DIMS] = {.ints = {rank, dims}}};
    Site site = call_site(s, call);
    return tensor_add(s, &site, OP_RESHAPE, 1, &x, attrs, NULL);
}

// Without `perm` only where there is one way to exchange the axes.
Datum builtin_transpose(Sema *s, const Call *call)
{
    Value x;
    TensorType type;
    int64_t perm[MAX_RANK] = {1, 0};
    if (!call_tensor(s, call, 0, &x, &type))
        return datum_poison();
    if (!call_has(call, 1) && type.rank != 2)
        return sema_fail(s, call->pos,
                         "%s is no matrix; give its axes' new order: "
                         "transpose(x, perm = [..])",
                         type_text(s->arena, &type));
    if (call_has(call, 1) && !call_sizes_of(s, call, 1, 0, &type, perm))
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
    if (!call_tensor(s, call, 0, &x, &type) ||
        !call_sizes_of(s, call, 1, 0, &type, start) ||
        !call_sizes_of(s, call, 2, 1, &type, size))
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
    if (!call_tensor(s, call, 0, &x, &type) ||
        !call_sizes_of(s, call, 1, 0, &type, low) ||
        !call_sizes_of(s, call, 2, 0, &type, high) ||
        !call_number(s, call, 3, &number))
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
                      datum_describe(s->arena, list->at[i], s->build->graph));
            return false;
        }
        Datum number = tensor_as_numbers(s, &site, list->at[i].tensor);
        if (number.kind != DATUM_TENSOR)
            return false;
        inputs[i] = number.tensor;
    }
    return true;
}

Datum builtin_concat(Sema *s, const Call *call)
{
    if (call->args[0].kind != DATUM_LIST || call->args[0].list->count == 0) {
        call_fail(s, call, 0, "a list of tensors");
        return datum_poison();
    }
    const DatumList *list = call->args[0].list;
    Value *inputs = ARENA_ARRAY(s->arena, Value, list->count);
    if (!arg_tensors(s, call, inputs))
        return datum_poison();
    int64_t axis;
    TensorType first = *graph_type(s->build->graph, inputs[0]);
    if (!call_axis(s, call, 1, &first, &axis))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[AXIS_AXIS] = {.i = axis}};
    Site site = call_site(s, call);
    // The items as operands, where they can be told apart in the source.
    if (call->exprs[0]->kind == EXPR_LIST && list->count <= MAX_SITE) {
        site.count = list->count;
        site.values = list->at;
        site.exprs = (const Expr *const *)call->exprs[0]->items->at;
    }
    return tensor_add(s, &site, OP_CONCAT, list->count, inputs, attrs, NULL);
}

Datum builtin_split(Sema *s, const Call *call)
{
    Value x;
    TensorType type;
    int64_t axis;
    if (!call_tensor(s, call, 0, &x, &type) ||
        !call_axis(s, call, 2, &type, &axis))
        return datum_poison();
    Datum parts = call->args[1];
    int64_t length = type.rank ? type.dims[axis] : 0;
    if (parts.kind != DATUM_INT || parts.whole < 1 || length == 0 ||
        length % parts.whole != 0 || parts.whole > MAX_LIST)
        return sema_fail(s, call->pos,
                         "%s does not split into %s equal parts along axis "
                         "%" PRId64,
                         type_text(s->arena, &type),
                         datum_describe(s->arena, parts, s->build->graph),
                         axis);
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

Datum builtin_take(Sema *s, const Call *call)
{
    Value inputs[2];
    TensorType x, rows;
    if (!call_tensor(s, call, 0, &inputs[0], &x) ||
        !call_tensor(s, call, 1, &inputs[1], &rows))
        return datum_poison();
    Site site = call_site(s, call);
    return tensor_add(s, &site, OP_TAKE, 2, inputs, NULL, NULL);
}

// ---- windows ----------------------------------------------------------------

// A whole number for all of `count`, or a list of just so many.
static bool arg_window(Sema *s, const Call *call, int i, int64_t least,
                       int64_t otherwise, int count, int64_t *out)
{
    Datum x = call->args[i];
    if (!call_has(call, i))
        x = datum_int(otherwise);
    if (x.kind == DATUM_INT && x.whole >= least) {
        for (int k = 0; k < count; k++)
            out[k] = x.whole;
        return true;
    }
    int given_count = 0;
    if (x.kind == DATUM_LIST && x.list->count == count)
        return call_sizes(s, call, i, least, &given_count, out);
    return call_fail(s, call, i,
                     count == 2
                         ? arena_printf(s->arena,
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

// stride, pad, dilation and groups of a convolution, from these arguments on.
static bool arg_conv(Sema *s, const Call *call, const int at[4],
                     ConvGeometry *conv)
{
    int groups = at[3];
    if (!arg_window(s, call, at[0], 1, 1, 2, conv->stride) ||
        !arg_window(s, call, at[1], 0, 0, 4, conv->pad) ||
        !arg_window(s, call, at[2], 1, 1, 2, conv->dilation))
        return false;
    conv->groups = call_has(call, groups) ? call->args[groups].whole : 1;
    if (call_has(call, groups) &&
        (call->args[groups].kind != DATUM_INT || conv->groups < 1))
        return call_fail(s, call, groups, "a whole number of at least 1");
    return true;
}

Datum builtin_conv2d(Sema *s, const Call *call)
{
    Value inputs[2];
    TensorType x, weight;
    ConvGeometry conv;
    if (!call_tensor(s, call, 0, &inputs[0], &x) ||
        !call_tensor(s, call, 1, &inputs[1], &weight) ||
        !check_images(s, call, &x) ||
        !arg_conv(s, call, (const int[]){2, 3, 4, 5}, &conv))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {{0}};
    conv_set_attrs(&conv, attrs);
    Site site = call_site(s, call);
    return tensor_add(s, &site, OP_CONV2D, 2, inputs, attrs, NULL);
}

// The convolution's gradient by its data, as an operation: weights [c, out /
// groups, kh, kw] belong to a convolution from `out` channels to those of x,
// and the result is an image that it would have made x's size of: the smallest,
// and `output_pad` further pixels at the bottom and the right.
Datum builtin_conv_transpose2d(Sema *s, const Call *call)
{
    Value x_value, w_value;
    TensorType x, w;
    ConvGeometry conv;
    int64_t more[2], dims[4];
    if (!call_tensor(s, call, 0, &x_value, &x) ||
        !call_tensor(s, call, 1, &w_value, &w) || !check_images(s, call, &x) ||
        !arg_conv(s, call, (const int[]){2, 3, 5, 6}, &conv) ||
        !arg_window(s, call, 4, 0, 0, 2, more))
        return datum_poison();
    Site site = call_site(s, call);
    const char *wrong = NULL;
    if (w.rank != 4 || w.dims[0] != x.dims[1])
        wrong = arena_printf(
            s->arena,
            "x %s has %" PRId64 " channel%s, so w must be [%" PRId64
            ", out / groups, kh, kw], not %s",
            type_text(s->arena, &x), x.dims[1], text_s(x.dims[1]), x.dims[1],
            type_text(s->arena, &w));
    else if (x.dims[1] % conv.groups)
        wrong = arena_printf(s->arena,
                             "the %" PRId64 " channel%s of x %s do not make "
                             "%" PRId64 " groups",
                             x.dims[1], text_s(x.dims[1]),
                             type_text(s->arena, &x), conv.groups);
    for (int i = 0; i < 2 && !wrong; i++) {
        int64_t covered = (w.dims[2 + i] - 1) * conv.dilation[i] + 1;
        dims[2 + i] = (x.dims[2 + i] - 1) * conv.stride[i] + covered -
                      conv.pad[i] - conv.pad[2 + i] + more[i];
        if (more[i] >= conv.stride[i])
            wrong = arena_printf(s->arena,
                                 "output_pad %" PRId64
                                 " must be less than the stride, %" PRId64,
                                 more[i], conv.stride[i]);
        else if (dims[2 + i] < 1)
            wrong = arena_printf(
                s->arena,
                "nothing is left of x %s and w %s when pad is cut off",
                type_text(s->arena, &x), type_text(s->arena, &w));
    }
    if (wrong) {
        sema_error(s, call->pos, "`%s`: %s", call->name, wrong);
        site_notes(s, &site);
        sema_trace(s);
        return datum_poison();
    }
    dims[0] = x.dims[0];
    dims[1] = w.dims[1] * conv.groups;
    Attr attrs[MAX_ATTRS] = {{0}};
    conv_set_attrs(&conv, attrs);
    attrs[CONV_DIMS].ints = (IntList){4, dims};
    return tensor_add(s, &site, OP_CONV2D_GRAD_X, 2,
                      (Value[]){w_value, x_value}, attrs, NULL);
}

static Datum pool(Sema *s, const Call *call, Op op)
{
    Value x;
    TensorType type;
    int64_t kernel[2], stride[2], pad[4];
    if (!call_tensor(s, call, 0, &x, &type) || !check_images(s, call, &type) ||
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

Datum builtin_resize(Sema *s, const Call *call)
{
    Value x;
    TensorType type;
    int64_t size[2];
    static const char *const modes[] = {"bilinear", "nearest"};
    int mode = 0;
    if (!call_tensor(s, call, 0, &x, &type) || !check_images(s, call, &type) ||
        !arg_window(s, call, 1, 1, 1, 2, size))
        return datum_poison();
    if (call_has(call, 2)) {
        bool text = call->args[2].kind == DATUM_STRING;
        while (mode < 2 &&
               !(text && strcmp(call->args[2].text, modes[mode]) == 0))
            mode++;
        if (mode == 2) {
            call_fail(s, call, 2, "\"bilinear\" or \"nearest\"");
            return datum_poison();
        }
    }
    Attr attrs[MAX_ATTRS] = {[RESIZE_SIZE] = {.ints = {2, size}},
                             [RESIZE_MODE] = {.text = modes[mode]}};
    Site site = call_site(s, call);
    return tensor_add(s, &site, OP_RESIZE, 1, &x, attrs, NULL);
}

// ---- products of rows with rows ---------------------------------------------

static Datum reduce_rows(Sema *s, const Call *call, Op op, double guard)
{
    Value inputs[3];
    TensorType a, b, skip;
    if (!call_tensor(s, call, 0, &inputs[0], &a) ||
        !call_tensor(s, call, 1, &inputs[1], &b))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[GUARD_GUARD] = {.f = guard}};
    Site site = call_site(s, call);
    if (call_has(call, 2)) {
        if (!call_tensor(s, call, 2, &inputs[2], &skip))
            return datum_poison();
    } else { // -1 for every row: none is left out
        Datum none = tensor_constant(s, &site, a.rank ? 1 : 0, a.dims, -1);
        if (none.kind != DATUM_TENSOR)
            return none;
        inputs[2] = none.tensor;
    }
    return tensor_add(s, &site, op, 3, inputs, attrs, NULL);
}

Datum builtin_matmul_lse(Sema *s, const Call *call)
{
    return reduce_rows(s, call, OP_MATMUL_LSE, 0);
}

Datum builtin_matmul_max(Sema *s, const Call *call)
{
    return reduce_rows(s, call, OP_MATMUL_MAX, 0);
}

Datum builtin_matmul_entropy(Sema *s, const Call *call)
{
    double guard = 0;
    if (!call_number(s, call, 3, &guard))
        return datum_poison();
    return reduce_rows(s, call, OP_MATMUL_ENTROPY, guard);
}

// The node has the logarithms of the rows' sums in a last column, for its
// gradient: what is read is the rest.
Datum builtin_attend(Sema *s, const Call *call)
{
    Value inputs[3];
    TensorType q, k, v;
    if (!call_tensor(s, call, 0, &inputs[0], &q) ||
        !call_tensor(s, call, 1, &inputs[1], &k) ||
        !call_tensor(s, call, 2, &inputs[2], &v))
        return datum_poison();
    double scale = q.rank ? 1 / sqrt((double)q.dims[q.rank - 1]) : 1;
    if (!call_number(s, call, 3, &scale))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[SCALE_SCALE] = {.f = scale}};
    Site site = call_site(s, call);
    Datum y = tensor_add(s, &site, OP_ATTENTION, 3, inputs, attrs, NULL);
    if (y.kind != DATUM_TENSOR)
        return y;
    int64_t start[MAX_RANK] = {0}, size[MAX_RANK];
    TensorType type = *graph_type(s->build->graph, y.tensor);
    memcpy(size, type.dims, sizeof size);
    size[type.rank - 1]--;
    return add_slice(s, &site, y.tensor, type.rank, start, size);
}

// ---- ranks ------------------------------------------------------------------

static Datum collective(Sema *s, const Call *call, Op op)
{
    Value x;
    TensorType type;
    if (!call_tensor(s, call, 0, &x, &type))
        return datum_poison();
    Attr attrs[MAX_ATTRS] = {[RANKS_RANKS] = {.i = s->build->ranks}};
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
    return datum_int(s->build->graph ? s->build->ranks : s->options->ranks);
}
