// The oracle's driver, its leaves and its elementwise operations.
#include "ir/eval.h"

#include <math.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/eval_rules.h"

double **eval_graph(const Graph *graph, Arena *arena, int binding_count,
                    const EvalBinding *bindings)
{
    static EvalRule *const rules[OP_COUNT] = {
#define OP(id, text, in, attrs, shape, grad, eval, ...) [OP_##id] = eval_##eval,
#include "ir/ops.def"
#undef OP
    };
    EvalContext context = {graph, arena, binding_count, bindings,
                           ARENA_ARRAY(arena, double *, graph->nodes.count)};
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        context.results[v] =
            ARENA_ARRAY(arena, double, type_elements(&node->type));
        rules[node->op](&context, v, context.results[v]);
    }
    return context.results;
}

static int64_t element_count(const EvalContext *context, Value self)
{
    return type_elements(&eval_node(context, self)->type);
}

static void copy_elements(const EvalContext *context, Value self,
                          const double *from, double *out)
{
    memcpy(out, from, sizeof(double) * (size_t)element_count(context, self));
}

// ---- leaves ----------------------------------------------------------------

// PARAM and INPUT. Both have their name in attribute 0.
void eval_leaf(const EvalContext *context, Value self, double *out)
{
    for (int i = 0; i < context->binding_count; i++)
        if (context->bindings[i].value == self) {
            copy_elements(context, self, context->bindings[i].data, out);
            return;
        }
    const Node *node = eval_node(context, self);
    INTERNAL_ERROR("eval: %s \"%s\" is not bound", op_info(node->op)->text,
                   node->attrs[0].text);
}

void eval_const(const EvalContext *context, Value self, double *out)
{
    double value = eval_node(context, self)->attrs[CONST_VALUE].f;
    for (int64_t i = 0; i < element_count(context, self); i++)
        out[i] = value;
}

void eval_iota(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    EvalWalk walk = eval_walk(&node->type);
    walk.from_stride[node->attrs[AXIS_AXIS].i] = 1;
    do
        out[walk.to] = (double)walk.from;
    while (eval_walk_next(&walk));
}

// ---- one rank only ---------------------------------------------------------

void eval_rank(const EvalContext *context, Value self, double *out)
{
    (void)context, (void)self;
    out[0] = 0;
}

// Sums, gathers and scatters over one rank are all the identity.
void eval_collective(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    if (node->attrs[RANKS_RANKS].i != 1)
        INTERNAL_ERROR("eval: %s over %lld ranks", op_info(node->op)->text,
                       (long long)node->attrs[RANKS_RANKS].i);
    copy_elements(context, self, eval_input(context, self, 0), out);
}

// ---- effects ---------------------------------------------------------------

void eval_assign(const EvalContext *context, Value self, double *out)
{
    copy_elements(context, self, eval_input(context, self, 1), out);
}

// ---- elementwise -----------------------------------------------------------

static double map_one(const Node *node, double x)
{
    switch (node->op) {
    case OP_NEG:
        return -x;
    case OP_ABS:
        return fabs(x);
    case OP_EXP:
        return exp(x);
    case OP_LOG:
        return log(x);
    case OP_SQRT:
        return sqrt(x);
    case OP_RSQRT:
        return 1 / sqrt(x);
    case OP_SIN:
        return sin(x);
    case OP_COS:
        return cos(x);
    case OP_TANH:
        return tanh(x);
    case OP_SIGMOID:
        return 1 / (1 + exp(-x));
    case OP_RELU:
        return x > 0 ? x : 0;
    case OP_FLOOR:
        return floor(x);
    case OP_SIGN:
        return (x > 0) - (x < 0);
    case OP_NOT:
        return x == 0;
    case OP_CAST: // numbers keep their precision here; bool is x != 0
        return node->type.dtype == DT_BOOL ? x != 0 : x;
    case OP_STOP_GRADIENT:
        return x;
    default:
        INTERNAL_ERROR("eval: no rule for %s", op_info(node->op)->text);
    }
}

static double map_two(const Node *node, double x, double y)
{
    switch (node->op) {
    case OP_ADD:
        return x + y;
    case OP_SUB:
        return x - y;
    case OP_MUL:
        return x * y;
    case OP_DIV:
        return x / y;
    case OP_MAX:
        return x < y ? y : x;
    case OP_MIN:
        return y < x ? y : x;
    case OP_POW:
        return pow(x, y);
    case OP_EQ:
        return x == y;
    case OP_NE:
        return x != y;
    case OP_LT:
        return x < y;
    case OP_LE:
        return x <= y;
    case OP_AND:
        return x != 0 && y != 0;
    case OP_OR:
        return x != 0 || y != 0;
    default:
        INTERNAL_ERROR("eval: no rule for %s", op_info(node->op)->text);
    }
}

void eval_map(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    const double *in[3] = {0};
    for (int i = 0; i < node->input_count; i++)
        in[i] = eval_input(context, self, i);
    for (int64_t i = 0; i < element_count(context, self); i++) {
        if (node->op == OP_SELECT)
            out[i] = in[0][i] != 0 ? in[1][i] : in[2][i];
        else if (node->input_count == 1)
            out[i] = map_one(node, in[0][i]);
        else
            out[i] = map_two(node, in[0][i], in[1][i]);
    }
}
