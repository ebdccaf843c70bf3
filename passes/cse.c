// Common subexpressions: of nodes with equal op, inputs, attributes and type
// the first stays and takes the others' readers. One walk suffices, for when a
// node is looked at its inputs have been merged already.
#include "passes/all.h"
#include "passes/rewrite.h"

typedef struct CseEntry {
    Node key;
    uint64_t hash;
    Value value; // in the new graph
    bool used;
} CseEntry;

// Open addressing; `mask` + 1 is a power of two, at most half of it in use.
typedef struct CseTable {
    CseEntry *entries;
    uint64_t mask;
} CseTable;

// The node as it is compared: operands that commute in order of their ids.
static Node make_key(Arena *scratch, const Node *node)
{
    Node key = *node;
    if (!op_has(node->op, TRAIT_COMMUTES) || node->inputs[0] <= node->inputs[1])
        return key;
    Value *swapped = ARENA_ARRAY(scratch, Value, 2);
    swapped[0] = node->inputs[1];
    swapped[1] = node->inputs[0];
    key.inputs = swapped;
    return key;
}

static Value merge_node(Rewrite *rewrite, const Node *node)
{
    // A name or an effect is more than its inputs and attributes.
    if (op_info(node->op)->traits & (TRAIT_NAMED | TRAIT_EFFECT))
        return NO_VALUE;
    CseTable *table = rewrite->context;
    Node key = make_key(rewrite->scratch, node);
    uint64_t hash = node_hash(&key), slot = hash & table->mask;
    for (; table->entries[slot].used; slot = (slot + 1) & table->mask) {
        const CseEntry *entry = &table->entries[slot];
        if (entry->hash == hash && node_equal(&entry->key, &key))
            return entry->value;
    }
    Value kept = rewrite_keep(rewrite, node);
    table->entries[slot] = (CseEntry){key, hash, kept, true};
    return kept;
}

void pass_cse(Graph *graph, Arena *scratch)
{
    uint64_t capacity = 16;
    while (capacity < 2 * (uint64_t)graph->nodes.count)
        capacity *= 2;
    CseTable table = {ARENA_ARRAY(scratch, CseEntry, capacity), capacity - 1};
    rewrite_graph(graph, scratch, merge_node, &table);
}
