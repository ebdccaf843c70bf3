// What the shape rules share: how a rule looks and how it complains.
#ifndef SIMCC_IR_SHAPE_RULES_H
#define SIMCC_IR_SHAPE_RULES_H

#include "ir/graph.h"

// Sets node->type, or returns the reason it cannot. A rule may take for
// granted: as many inputs as the table says, all in the graph and of sane
// types; lists of at most MAX_RANK numbers; text attributes that are not NULL.
// Nothing else about an attribute: the text form hands over anything.
typedef const char *ShapeRule(const Graph *graph, Node *node);

#define OP(id, text, in, attrs, shape, ...) ShapeRule shape_##shape;
#include "ir/ops.def"
#undef OP

// "<op>: <message>" in the graph's arena.
const char *shape_error(const Graph *graph, const Node *node,
                        const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline const TensorType *shape_input(const Graph *graph,
                                            const Node *node, int index)
{
    return graph_type(graph, node->inputs[index]);
}

// "f32[2,3]" of an input, for messages.
static inline const char *shape_text(const Graph *graph, const Node *node,
                                     int index)
{
    return type_text(graph->arena, shape_input(graph, node, index));
}

// Whether all numbers of a list are within [low, high].
bool shape_in_range(IntList list, int64_t low, int64_t high);

#endif
