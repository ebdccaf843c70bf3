#include "ir/autodiff.h"

#include "ir/base/diag.h"
#include "ir/build.h"
#include "ir/gradients.h"

void grad_accumulate(GradContext *context, Value value, Value gradient)
{
    if (!grad_wanted(context, value))
        return;
    Graph *graph = context->graph;
    INTERNAL_CHECK(
        type_equal(graph_type(graph, value), graph_type(graph, gradient)));
    Value *sum = &context->adjoint[value];
    *sum = *sum == NO_VALUE ? gradient
                            : build_binary(graph, OP_ADD, *sum, gradient);
}

static bool passes_gradient(Op op)
{
    GradRule *rule = grad_rule(op);
    return rule != grad_leaf && rule != grad_zero;
}

static bool any_input_wanted(const GradContext *context, Value value)
{
    const Node *node = graph_node(context->graph, value);
    for (int i = 0; i < node->input_count; i++)
        if (grad_wanted(context, node->inputs[i]))
            return true;
    return false;
}

// Which values depend on some wrt by a path a gradient can flow along. Values
// past the loss cannot reach it and stay unmarked.
static void mark_reached(GradContext *context, Value loss, int count,
                         const Value *wrt)
{
    const Graph *graph = context->graph;
    for (int i = 0; i < count; i++)
        context->reached[wrt[i]] =
            dtype_is_float(graph_type(graph, wrt[i])->dtype);
    for (Value v = 0; v <= loss; v++) {
        const Node *node = graph_node(graph, v);
        if (dtype_is_float(node->type.dtype) && passes_gradient(node->op) &&
            any_input_wanted(context, v))
            context->reached[v] = true;
    }
}

// From the loss down, so that all readers of a value have added their share
// before its own rule passes the sum on.
static bool propagate(GradContext *context, Value loss, Value *culprit)
{
    Graph *graph = context->graph;
    for (Value v = loss; v >= 0; v--) {
        Op op = graph_node(graph, v)->op;
        if (context->adjoint[v] == NO_VALUE || !passes_gradient(op) ||
            !any_input_wanted(context, v))
            continue;
        GradRule *rule = grad_rule(op);
        if (rule == grad_none) {
            *culprit = v;
            return false;
        }
        graph->origin = graph_node(graph, v)->origin;
        rule(context, v, context->adjoint[v]);
    }
    return true;
}

bool autodiff(Graph *graph, Value loss, int count, const Value *wrt,
              Value *grads, Value *culprit)
{
    INTERNAL_CHECK(loss >= 0 && loss < graph->nodes.count);
    INTERNAL_CHECK(graph_type(graph, loss)->rank == 0);
    INTERNAL_CHECK(dtype_is_float(graph_type(graph, loss)->dtype));
    int values = graph->nodes.count; // rules append more; those have no adjoint
    GradContext context = {graph, ARENA_ARRAY(graph->arena, Value, values),
                           ARENA_ARRAY(graph->arena, bool, values)};
    for (Value v = 0; v < values; v++)
        context.adjoint[v] = NO_VALUE;
    mark_reached(&context, loss, count, wrt);

    NodeOrigin origin = graph->origin;
    graph->origin = graph_node(graph, loss)->origin;
    if (grad_wanted(&context, loss))
        grad_accumulate(&context, loss, build_const_like(graph, loss, 1));
    bool differentiable = propagate(&context, loss, culprit);
    graph->origin = origin;
    for (int i = 0; differentiable && i < count; i++) {
        Value gradient = context.adjoint[wrt[i]];
        grads[i] = gradient == NO_VALUE ? build_const_like(graph, wrt[i], 0)
                                        : gradient;
    }
    return differentiable;
}
