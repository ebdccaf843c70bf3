// What the files of the fuse pass share: fuse.c, which makes groups, and
// fuse_chains.c, which puts those in a row that go over the same values.
#ifndef SIMCC_FUSE_H
#define SIMCC_FUSE_H

#include "passes/all.h"
#include "passes/order_list.h"
#include "passes/storage.h"

enum {
    // In node order. Joining a unit far above would compute a value long
    // before its readers want it, and keep it alive between: schedule has put
    // it where it is for a reason.
    WINDOW = 64,
    // Most elements of a value that is made long before it is read.
    EARLY_ELEMENTS = 1 << 13,
};

// One kernel needs another to have run.
typedef struct Edge {
    Value kernel; // the other end
    // Element by element, so that both may be in one group: a direct read of a
    // map or anchor, or of the old content of the param that is assigned.
    bool pointwise;
} Edge;

// Edges of node v: at[first[v] .. first[v + 1] - 1].
typedef struct EdgeTable {
    int *first;
    Edge *at;
} EdgeTable;

typedef struct Unit {
    VEC(Value) members;
    const TensorType *space; // iteration dims
    Value anchor;            // NO_VALUE in groups of maps
    Value reduce;            // one of the reductions, NO_VALUE = none
    Value last;              // largest member
    bool closed;             // a kernel that takes no others in
    bool early;              // small, and made of params alone
} Unit;

typedef struct Fuse {
    Graph *graph;
    Arena *scratch;
    EdgeTable before, after; // what a kernel needs, what needs it
    const int *use_counts;
    Unit *units; // from 1
    int unit_count;
    int *unit_of; // by value, 0 = not placed yet or no kernel
    int *sibling; // by value: the unit that last read it directly, 0 = none
    OrderList order;
    bool inference; // no param changes
} Fuse;

LowerClass fuse_class(const Fuse *fuse, Value value);
void fuse_add_member(Fuse *fuse, int unit, Value value);
// Of two values, for qsort.
int fuse_compare_values(const void *a, const void *b);

// Changes the order of units that stand between two large ones of the same
// dims; see fuse_chains.c.
void fuse_chains(Fuse *fuse);

#endif
