// Operations on tensors: nodes, broadcasting, and what is said when shapes do
// not go together.
#include <string.h>

#include "frontend/lang/frame.h"
#include "frontend/lang/tensor.h"
#include "ir/matmul.h"

// The shape of a tensor; of anything else, what it is.
static const char *shape_text(Sema *s, const Site *site, Datum x)
{
    const Graph *graph = site->build->graph;
    return x.kind == DATUM_TENSOR
               ? type_text(s->arena, graph_type(graph, x.tensor))
               : datum_describe(s->arena, x, graph);
}

void site_notes(Sema *s, const Site *site)
{
    for (int i = 0; i < site->count; i++) {
        const Expr *expr = site->exprs[i];
        if (site->values[i].kind != DATUM_TENSOR || !expr)
            continue;
        bool said = false; // x + x: once is enough
        for (int k = 0; k < i && expr->kind == EXPR_NAME; k++)
            said =
                said || (site->exprs[k] && site->exprs[k]->kind == EXPR_NAME &&
                         strcmp(site->exprs[k]->text, expr->text) == 0);
        if (said)
            continue;
        const char *shape = shape_text(s, site, site->values[i]);
        const Binding *binding =
            expr->kind == EXPR_NAME ? frame_find(s->frame, expr->text) : NULL;
        if (binding)
            sema_note(s, binding->pos, "`%s` is %s, set here", expr->text,
                      shape);
        else
            sema_note(s, expr->pos, "this is %s", shape);
    }
}

Datum tensor_add(Sema *s, const Site *site, Op op, int count,
                 const Value *inputs, const Attr *attrs, const TensorType *type)
{
    Graph *graph = site->build->graph;
    if (s->stopped)
        return datum_poison();
    if (!graph)
        return sema_fail(s, site->pos, "tensors exist only inside phases");
    if (graph->nodes.count >= MAX_NODES) {
        sema_fail(s, site->pos, "more than %d tensor operations in one phase",
                  MAX_NODES);
        s->stopped = true;
        return datum_poison();
    }
    if (type && !type_is_sane(type))
        return sema_fail(s, site->pos, "%s is too large: %s", site->what,
                         type_text(s->arena, type));
    graph->origin = (NodeOrigin){
        site->pos.source ? site->pos.source->path : NULL, site->pos.line,
        site->build->scope ? site->build->scope : ""};
    Value value = graph_add(graph, op, count, inputs, attrs, type);
    if (value != NO_VALUE)
        return datum_tensor(value);
    const char *why = graph->error;
    const char *name = op_info(op)->text; // "conv2d: ..." repeats the call
    size_t length = strlen(name);
    if (strncmp(why, name, length) == 0 && why[length] == ':')
        why += length + 1 + (why[length + 1] == ' ');
    sema_error(s, site->pos, "%s: %s", site->what, why);
    site_notes(s, site);
    sema_trace(s);
    return datum_poison();
}

Datum tensor_unary(Sema *s, const Site *site, Op op, Value x)
{
    return tensor_add(s, site, op, 1, &x, NULL, NULL);
}

Datum tensor_constant(Sema *s, const Site *site, int rank, const int64_t *dims,
                      double number)
{
    TensorType type = type_make(s->options->dtype, rank, dims);
    Attr attrs[MAX_ATTRS] = {[CONST_VALUE] = {.f = number}};
    return tensor_add(s, site, OP_CONST, 0, NULL, attrs, &type);
}

Datum tensor_as_numbers(Sema *s, const Site *site, Value x)
{
    if (graph_type(site->build->graph, x)->dtype != DT_BOOL)
        return datum_tensor(x);
    Attr attrs[MAX_ATTRS] = {
        [CAST_DTYPE] = {.text = dtype_name(s->options->dtype)}};
    return tensor_add(s, site, OP_CAST, 1, &x, attrs, NULL);
}

Datum tensor_stop_gradients(Sema *s, const Site *site, Datum x)
{
    if (x.kind == DATUM_TENSOR)
        return tensor_unary(s, site, OP_STOP_GRADIENT, x.tensor);
    if (x.kind != DATUM_LIST)
        return x;
    DatumList *list = ARENA_NEW(s->arena, DatumList);
    list->count = x.list->count;
    list->at = ARENA_ARRAY(s->arena, Datum, list->count + 1);
    for (int i = 0; i < list->count; i++) {
        list->at[i] = tensor_stop_gradients(s, site, x.list->at[i]);
        if (list->at[i].kind == DATUM_POISON)
            return datum_poison();
    }
    return (Datum){.kind = DATUM_LIST, .list = list};
}

// ---- broadcasting -----------------------------------------------------------
//
// Sizes agree when they are equal or one of them is 1. A scalar goes with
// everything; a vector stands for the channels (axis 1) of a higher rank.

// The axis of a rank-`rank` result that axis `i` of `type` becomes.
static int aligned_axis(const TensorType *type, int i, int rank)
{
    return type->rank == 1 && rank > 1 ? 1 : i;
}

static Datum fail_shapes(Sema *s, const Site *site)
{
    Text text = text_new(s->arena);
    for (int i = 0, said = 0; i < site->count; i++) {
        if (site->values[i].kind != DATUM_TENSOR)
            continue;
        text_addf(&text, "%s%s", said ? " and " : "",
                  shape_text(s, site, site->values[i]));
        said++;
    }
    sema_error(s, site->pos, "%s: shapes do not go together: %s", site->what,
               text_string(&text));
    site_notes(s, site);
    sema_trace(s);
    return datum_poison();
}

// The common shape of all tensors among the operands.
static bool common_shape(const Graph *graph, int count, const Datum *operands,
                         int *rank, int64_t *dims)
{
    *rank = 0;
    for (int i = 0; i < count; i++)
        if (operands[i].kind == DATUM_TENSOR) {
            int own = graph_type(graph, operands[i].tensor)->rank;
            *rank = own > *rank ? own : *rank;
        }
    for (int i = 0; i < *rank; i++)
        dims[i] = 1;
    for (int i = 0; i < count; i++) {
        if (operands[i].kind != DATUM_TENSOR)
            continue;
        const TensorType *type = graph_type(graph, operands[i].tensor);
        if (type->rank > 1 && type->rank != *rank)
            return false;
        for (int k = 0; k < type->rank; k++) {
            int64_t *dim = &dims[aligned_axis(type, k, *rank)];
            if (type->dims[k] != 1 && *dim != 1 && *dim != type->dims[k])
                return false;
            *dim = type->dims[k] == 1 ? *dim : type->dims[k];
        }
    }
    return true;
}

static Datum stretch(Sema *s, const Site *site, Datum x, int rank,
                     const int64_t *dims)
{
    if (x.kind != DATUM_TENSOR)
        return tensor_constant(s, site, rank, dims, datum_number(x));
    const TensorType *type = graph_type(site->build->graph, x.tensor);
    TensorType wanted = type_make(type->dtype, rank, dims);
    if (type_same_dims(type, &wanted))
        return x;
    int64_t axes[MAX_RANK];
    for (int i = 0; i < type->rank; i++)
        axes[i] = aligned_axis(type, i, rank);
    Attr attrs[MAX_ATTRS] = {[BROADCAST_DIMS] = {.ints = {rank, dims}},
                             [BROADCAST_AXES] = {.ints = {type->rank, axes}}};
    return tensor_add(s, site, OP_BROADCAST, 1, &x.tensor, attrs, NULL);
}

Datum tensor_fit(Sema *s, const Site *site, Datum x, int rank,
                 const int64_t *dims)
{
    if (x.kind == DATUM_TENSOR) {
        x = tensor_as_numbers(s, site, x.tensor);
        if (x.kind != DATUM_TENSOR)
            return x;
        const TensorType *type = graph_type(site->build->graph, x.tensor);
        TensorType wanted = type_make(type->dtype, rank, dims);
        if (type->rank > 0 && !type_same_dims(type, &wanted)) {
            sema_error(s, site->pos, "%s has the shape %s, its new value %s",
                       site->what, type_text(s->arena, &wanted),
                       type_text(s->arena, type));
            site_notes(s, site);
            sema_trace(s);
            return datum_poison();
        }
    } else if (!datum_is_number(x)) {
        return sema_fail(s, site->pos, "%s is a tensor; %s is not", site->what,
                         datum_describe(s->arena, x, site->build->graph));
    }
    return stretch(s, site, x, rank, dims);
}

// Brings operands to one shape in place; false after a diagnostic.
static bool broadcast(Sema *s, const Site *site, int count, Datum *operands)
{
    int rank;
    int64_t dims[MAX_RANK];
    if (!common_shape(site->build->graph, count, operands, &rank, dims)) {
        fail_shapes(s, site);
        return false;
    }
    for (int i = 0; i < count; i++) {
        operands[i] = stretch(s, site, operands[i], rank, dims);
        if (operands[i].kind != DATUM_TENSOR)
            return false;
    }
    return true;
}

static bool is_bool(const Site *site, Datum x)
{
    return x.kind == DATUM_TENSOR &&
           graph_type(site->build->graph, x.tensor)->dtype == DT_BOOL;
}

static Datum fail_logic(Sema *s, const Site *site)
{
    sema_error(s, site->pos, "%s takes bool tensors, such as comparisons give",
               site->what);
    site_notes(s, site);
    sema_trace(s);
    return datum_poison();
}

// Truth values count as numbers but for `and` and `or`: mean(a == b) is a
// share.
Datum tensor_binary(Sema *s, const Site *site, Op op, Datum a, Datum b)
{
    Datum operands[] = {a, b};
    bool logic = op == OP_AND || op == OP_OR;
    if (logic && (!is_bool(site, a) || !is_bool(site, b)))
        return fail_logic(s, site);
    for (int i = 0; i < 2 && !logic; i++) {
        if (operands[i].kind == DATUM_TENSOR)
            operands[i] = tensor_as_numbers(s, site, operands[i].tensor);
        if (operands[i].kind == DATUM_POISON)
            return operands[i];
    }
    if (!broadcast(s, site, 2, operands))
        return datum_poison();
    Value inputs[] = {operands[0].tensor, operands[1].tensor};
    return tensor_add(s, site, op, 2, inputs, NULL, NULL);
}

Datum tensor_select(Sema *s, const Site *site, Datum condition, Datum yes,
                    Datum no)
{
    if (!is_bool(site, condition))
        return fail_logic(s, site);
    Datum operands[] = {condition, yes, no};
    for (int i = 1; i < 3; i++) {
        if (operands[i].kind == DATUM_TENSOR)
            operands[i] = tensor_as_numbers(s, site, operands[i].tensor);
        if (operands[i].kind == DATUM_POISON)
            return operands[i];
    }
    if (!broadcast(s, site, 3, operands))
        return datum_poison();
    Value inputs[] = {operands[0].tensor, operands[1].tensor,
                      operands[2].tensor};
    return tensor_add(s, site, OP_SELECT, 3, inputs, NULL, NULL);
}

// ---- reductions and products ------------------------------------------------

Datum tensor_reduce(Sema *s, const Site *site, Op op, Value x, int count,
                    const int64_t *axes, bool keep)
{
    TensorType type = *graph_type(site->build->graph, x);
    static const int64_t every[MAX_RANK] = {0, 1, 2, 3, 4, 5};
    if (count == 0) {
        count = type.rank;
        axes = every;
    }
    if (count == 0) // a scalar is its own sum
        return datum_tensor(x);
    Attr attrs[MAX_ATTRS] = {[AXES_AXES] = {.ints = {count, axes}}};
    Datum reduced = tensor_add(s, site, op, 1, &x, attrs, NULL);
    if (reduced.kind != DATUM_TENSOR || !keep)
        return reduced;
    for (int i = 0; i < count; i++)
        type.dims[axes[i]] = 1;
    Attr kept[MAX_ATTRS] = {[DIMS_DIMS] = {.ints = {type.rank, type.dims}}};
    return tensor_add(s, site, OP_RESHAPE, 1, &reduced.tensor, kept, NULL);
}

Datum tensor_mean(Sema *s, const Site *site, Value x, int count,
                  const int64_t *axes, bool keep)
{
    double elements = (double)type_elements(graph_type(site->build->graph, x));
    Datum total = tensor_reduce(s, site, OP_REDUCE_SUM, x, count, axes, keep);
    if (total.kind != DATUM_TENSOR)
        return total;
    double left =
        (double)type_elements(graph_type(site->build->graph, total.tensor));
    return tensor_binary(s, site, OP_MUL, total, datum_float(left / elements));
}

Datum tensor_rank_mean(Sema *s, const Site *site, Value x)
{
    int ranks = site->build->ranks;
    Attr attrs[MAX_ATTRS] = {[RANKS_RANKS] = {.i = ranks}};
    if (ranks == 1 || x == NO_VALUE)
        return datum_tensor(x);
    Datum total = tensor_add(s, site, OP_ALL_SUM, 1, &x, attrs, NULL);
    if (total.kind != DATUM_TENSOR)
        return total;
    return tensor_binary(s, site, OP_MUL, total, datum_float(1.0 / ranks));
}

// What keeps two tensors from being multiplied; NULL = nothing.
static const char *product_problem(Sema *s, const TensorType *a,
                                   const TensorType *b)
{
    const char *left = type_text(s->arena, a), *right = type_text(s->arena, b);
    if (a->rank < 2 || b->rank < 2)
        return arena_printf(s->arena,
                            "`@` takes matrices, [..,m,k] and [..,k,n], not %s "
                            "and %s; a vector becomes one by reshape",
                            left, right);
    int64_t k = a->dims[a->rank - 1];
    const int64_t *b_dims = b->dims + b->rank - 2;
    if (k != b_dims[0])
        return arena_printf(
            s->arena,
            "`@` takes [..,m,k] and [..,k,n], not %s and %s: %lld column%s "
            "meet%s %lld row%s%s",
            left, right, (long long)k, text_s(k), k == 1 ? "s" : "",
            (long long)b_dims[0], text_s(b_dims[0]),
            k == b_dims[1] ? "; the second transposed would fit" : "");
    int leading = (a->rank > b->rank ? a->rank : b->rank) - 2;
    for (int axis = leading - 1; axis >= 0; axis--) {
        int64_t x = matmul_leading(a, leading, axis);
        int64_t y = matmul_leading(b, leading, axis);
        if (x != y && x != 1 && y != 1)
            return arena_printf(
                s->arena,
                "`@` multiplies matrices at each place of the axes before "
                "them, which are equal, 1 or missing; not %s and %s: %lld "
                "meet %lld",
                left, right, (long long)x, (long long)y);
    }
    return NULL;
}

Datum tensor_matmul(Sema *s, const Site *site, Datum a, Datum b)
{
    Datum operands[] = {a, b};
    for (int i = 0; i < 2; i++) {
        if (operands[i].kind != DATUM_TENSOR)
            return sema_fail(
                s, site->pos, "`@` multiplies matrices; for %s it is `*`",
                datum_describe(s->arena, operands[i], site->build->graph));
        operands[i] = tensor_as_numbers(s, site, operands[i].tensor);
        if (operands[i].kind != DATUM_TENSOR)
            return operands[i];
    }
    const char *problem =
        product_problem(s, graph_type(site->build->graph, operands[0].tensor),
                        graph_type(site->build->graph, operands[1].tensor));
    if (problem) {
        sema_error(s, site->pos, "%s", problem);
        site_notes(s, site);
        sema_trace(s);
        return datum_poison();
    }
    Value inputs[] = {operands[0].tensor, operands[1].tensor};
    Attr attrs[MAX_ATTRS] = {{0}};
    return tensor_add(s, site, OP_MATMUL, 2, inputs, attrs, NULL);
}
