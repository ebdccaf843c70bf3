// The oracle's driver, its leaves and its elementwise operations.
#include "ir/eval.h"

#include <math.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/eval_rules.h"

double eval_bf16(double value)
{
    float single = (float)value;
    if (!isfinite(single))
        return single;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&single, &bits, sizeof bits);
    return single;
}

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
        int64_t count =
            node->type.dtype == DT_BF16 ? type_elements(&node->type) : 0;
        for (int64_t i = 0; i < count; i++)
            context.results[v][i] = eval_bf16(context.results[v][i]);
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

// One element of the result from one of each input, by op: as mathematics has
// it, in double precision.
#define RULE(id, value)                                                        \
    static double value_##id(const Node *node, double x, double y, double z)   \
    {                                                                          \
        (void)node, (void)x, (void)y, (void)z;                                 \
        return value;                                                          \
    }
RULE(NEG, -x)
RULE(ABS, fabs(x))
RULE(EXP, exp(x))
RULE(LOG, log(x))
RULE(SQRT, sqrt(x))
RULE(RSQRT, 1 / sqrt(x))
RULE(SIN, sin(x))
RULE(COS, cos(x))
RULE(TANH, tanh(x))
RULE(ERF, erf(x))
RULE(SIGMOID, 1 / (1 + exp(-x)))
RULE(RELU, x > 0 ? x : 0)
RULE(FLOOR, floor(x))
RULE(SIGN, (x > 0) - (x < 0))
RULE(NOT, x == 0)
// Numbers keep their precision here; bool is x != 0.
RULE(CAST, node->type.dtype == DT_BOOL ? x != 0 : x)
RULE(STOP_GRADIENT, x)
RULE(ADD, x + y)
RULE(SUB, x - y)
RULE(MUL, x *y)
RULE(DIV, x / y)
RULE(MAX, x < y ? y : x)
RULE(MIN, y < x ? y : x)
RULE(POW, pow(x, y))
RULE(EQ, x == y)
RULE(NE, x != y)
RULE(LT, x < y)
RULE(LE, x <= y)
RULE(AND, x != 0 && y != 0)
RULE(OR, x != 0 || y != 0)
RULE(SELECT, x != 0 ? y : z)
RULE(ASSIGN, y)
#undef RULE

static double (*const value_rules[OP_COUNT])(const Node *node, double x,
                                             double y, double z) = {
#define PICK_MAP(id) [OP_##id] = value_##id,
#include "ir/ops_of.def"
};

double eval_number(const Node *node, const double *inputs)
{
    int count = node->input_count;
    return value_rules[node->op](node, inputs[0], count > 1 ? inputs[1] : 0,
                                 count > 2 ? inputs[2] : 0);
}

void eval_map(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    const double *in[3] = {0};
    for (int i = 0; i < node->input_count; i++)
        in[i] = eval_input(context, self, i);
    for (int64_t i = 0; i < element_count(context, self); i++)
        out[i] = value_rules[node->op](node, in[0][i], in[1] ? in[1][i] : 0,
                                       in[2] ? in[2][i] : 0);
}
