// Weights and states that no step changes: a learning rate of 0, a decay of 1.
// What updates them is followed through the graph, whatever computes it.
#include <string.h>

#include "frontend/lang/elaborate.h"

// What is known of a value: that it is one number throughout, or another value.
// Infinities and NaN aside: 0 times anything is 0.
typedef struct Known {
    bool is_number;
    double number;
    Value same; // as this value; itself when it is as no other
} Known;

static Known known_number(double number)
{
    return (Known){.is_number = true, .number = number, .same = NO_VALUE};
}

static bool is_number(const Known *x, double number)
{
    return x->is_number && x->number == number;
}

static Known known_of_two(const Node *node, Known none, const Known *a,
                          const Known *b)
{
    bool both = a->is_number && b->is_number;
    switch (node->op) {
    case OP_ADD:
        return both                ? known_number(a->number + b->number)
               : is_number(a, 0.0) ? *b
               : is_number(b, 0.0) ? *a
                                   : none;
    case OP_SUB:
        return both                ? known_number(a->number - b->number)
               : is_number(b, 0.0) ? *a
                                   : none;
    case OP_MUL:
        return is_number(a, 0.0) || is_number(b, 0.0) ? known_number(0)
               : both              ? known_number(a->number * b->number)
               : is_number(a, 1.0) ? *b
               : is_number(b, 1.0) ? *a
                                   : none;
    case OP_DIV:
        return is_number(a, 0.0)   ? known_number(0)
               : is_number(b, 1.0) ? *a
                                   : none;
    default:
        return none;
    }
}

static bool are_alike(const Known *a, const Known *b)
{
    return a->is_number ? is_number(b, a->number)
                        : !b->is_number && a->same == b->same;
}

// `zeros` are params that are 0 in every step, by value.
static Known know(const Graph *graph, Value v, const Known *known,
                  const bool *zeros)
{
    const Node *node = graph_node(graph, v);
    Known none = {.same = v};
    const Known *in[3] = {&none, &none, &none};
    for (int i = 0; i < node->input_count && i < 3; i++)
        in[i] = &known[node->inputs[i]];
    switch (node->op) {
    case OP_PARAM:
        return zeros[v] ? known_number(0) : none;
    case OP_CONST:
        return known_number(node->attrs[CONST_VALUE].f);
    case OP_STOP_GRADIENT:
        return *in[0];
    case OP_BROADCAST:
    case OP_RESHAPE:
    case OP_TRANSPOSE:
    case OP_SLICE:
        return in[0]->is_number ? *in[0] : none;
    case OP_NEG:
        return in[0]->is_number ? known_number(-in[0]->number) : none;
    case OP_REDUCE_SUM:
    case OP_ALL_SUM:
        return is_number(in[0], 0.0) ? *in[0] : none;
    case OP_SELECT:
        return are_alike(in[1], in[2]) ? *in[1] : none;
    default:
        return node->input_count == 2 ? known_of_two(node, none, in[0], in[1])
                                      : none;
    }
}

static bool begins_at_zero(const Graph *graph, const Variable *variable)
{
    const Attr *attrs = graph_node(graph, variable->param)->attrs;
    return !variable->in_model && variable->updated &&
           strcmp(attrs[PARAM_ROLE].text, "slot") == 0 &&
           strcmp(attrs[PARAM_INIT].text, "constant") == 0 &&
           attrs[PARAM_SCALE].f == 0;
}

// What is known of all values of a step. A velocity that begins at 0 and is
// given 0 by every step is 0: all are taken to be until one is not.
static Known *know_all(Sema *s, const Build *build)
{
    const Graph *graph = build->graph;
    Known *known = ARENA_ARRAY(s->arena, Known, graph->nodes.count + 1);
    bool *zeros = ARENA_ARRAY(s->arena, bool, graph->nodes.count + 1);
    for (int i = 0; i < build->order.count; i++) {
        const Variable *variable = build->order.at[i];
        zeros[variable->param] = begins_at_zero(graph, variable);
    }
    for (bool again = true; again;) {
        again = false;
        for (Value v = 0; v < graph->nodes.count; v++)
            known[v] = know(graph, v, known, zeros);
        for (int i = 0; i < build->order.count; i++) {
            const Variable *variable = build->order.at[i];
            if (!zeros[variable->param] ||
                is_number(&known[variable->current.tensor], 0.0))
                continue;
            zeros[variable->param] = false;
            again = true;
        }
    }
    return known;
}

// " and 7 more", or "".
static const char *others(Sema *s, int count)
{
    return count > 1 ? arena_printf(s->arena, " and %d more", count - 1) : "";
}

void still_warn(Sema *s, const Build *build)
{
    const Known *known = know_all(s, build);
    const char *phase = build->phase->item->name.text;
    const Variable *weight = NULL, *state = NULL;
    int updated = 0, weights = 0, states = 0;
    for (int i = 0; i < build->order.count; i++) {
        const Variable *variable = build->order.at[i];
        bool is_state = variable->is_state && variable->in_model;
        if (!variable->updated || variable->follows ||
            (variable->is_state && !is_state))
            continue;
        updated += !is_state;
        if (known[variable->current.tensor].same != variable->param)
            continue;
        if (is_state) {
            state = states++ ? state : variable;
        } else {
            weight = weights++ ? weight : variable;
        }
    }
    if (weight)
        diag_warning(
            s->diags, train_using(build, weight->name)->stmt->pos,
            weights == updated
                ? "phase `%s` trains nothing: what each step adds to `%s`%s is "
                  "0, as with a learning rate of 0"
                : "phase `%s` never trains the weight `%s`%s: what each step "
                  "adds is 0, as with a learning rate of 0; where that is "
                  "meant, freeze it",
            phase, weight->name, others(s, weights));
    if (state)
        diag_warning(s->diags, state->pos,
                     "phase `%s` never changes the state `%s`%s: each step "
                     "gives it what it was, as with a decay of 1, so that "
                     "evaluations have what it began with",
                     phase, state->name, others(s, states));
}
