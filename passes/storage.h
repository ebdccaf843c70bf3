// Which nodes become kernels and where the bytes lie that a node reads: what
// schedule and fuse must know of the code to come.
#ifndef SIMCC_PASSES_STORAGE_H
#define SIMCC_PASSES_STORAGE_H

#include "ir/graph.h"

// Leaves are buffers or numbers, and INDEX and VIEW ops are other ways to read
// their input; every other op needs a kernel, alone or in a group.
bool storage_has_kernel(const Node *node);

// The value whose bytes a read of `v` touches: v itself, or the end of its
// chain of INDEX and VIEW nodes.
Value storage_root(const Graph *graph, Value v);

// Who reads each value: readers.at[first[v] .. first[v + 1] - 1], in node
// order, a node once per input.
typedef struct ReaderTable {
    const int *first;
    const Value *at;
} ReaderTable;
ReaderTable storage_readers(const Graph *graph, Arena *scratch);

// Makes the order of effects the order of nodes. A read of a param means its
// old content, but at run time it sees what the last kernel wrote. Afterwards:
//   - nobody reads the value of an ASSIGN: its readers read what was assigned;
//   - no ASSIGN and no output takes its bytes straight from a param that the
//     graph assigns (other than itself): a copy stands between, so any set of
//     assigns has an order (p = q, q = p);
//   - an ASSIGN to p comes after every other reader of p in node order.
void storage_settle_assigns(Graph *graph, Arena *scratch);

#endif
