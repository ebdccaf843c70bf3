// Common subexpressions: of nodes with equal op, inputs, attributes and type
// the first stays and takes the others' readers. One walk suffices, for when a
// node is looked at its inputs have been merged already.
#include "passes/all.h"
#include "passes/rewrite.h"

// Open addressing; `mask` + 1 is a power of two, at most half of it in use.
// Large nets have 100,000 nodes, so places are kept small.
typedef struct CsePlace {
    uint32_t hash;
    Value value; // in the new graph, plus one; 0 = free
} CsePlace;

typedef struct CseTable {
    CsePlace *places;
    uint64_t mask;
} CseTable;

// The node as it is compared, with operands that commute in order of their ids;
// these are put into `inputs`.
static Node make_key(const Node *node, Value inputs[2])
{
    Node key = *node;
    if (!op_has(node->op, TRAIT_COMMUTES) || node->inputs[0] <= node->inputs[1])
        return key;
    inputs[0] = node->inputs[1];
    inputs[1] = node->inputs[0];
    key.inputs = inputs;
    return key;
}

static bool is_equal(const Rewrite *rewrite, Value kept, const Node *key)
{
    Value inputs[2];
    Node other = make_key(rewrite_node(rewrite, kept), inputs);
    return node_equal(&other, key);
}

static Value merge_node(Rewrite *rewrite, const Node *node)
{
    // A name or an effect is more than its inputs and attributes.
    if (op_info(node->op)->traits & (TRAIT_NAMED | TRAIT_EFFECT))
        return NO_VALUE;
    CseTable *table = rewrite->context;
    Value inputs[2];
    Node key = make_key(node, inputs);
    uint64_t hash = node_hash(&key), slot = hash & table->mask;
    for (; table->places[slot].value; slot = (slot + 1) & table->mask) {
        const CsePlace *place = &table->places[slot];
        if (place->hash == (uint32_t)(hash >> 32) &&
            is_equal(rewrite, place->value - 1, &key))
            return place->value - 1;
    }
    Value kept = rewrite_keep(rewrite, node);
    table->places[slot] = (CsePlace){(uint32_t)(hash >> 32), kept + 1};
    return kept;
}

void pass_cse(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    uint64_t capacity = 16;
    while (capacity < 2 * (uint64_t)graph->nodes.count)
        capacity *= 2;
    CseTable table = {ARENA_ARRAY(scratch, CsePlace, capacity), capacity - 1};
    rewrite_graph(graph, scratch, merge_node, &table);
}
