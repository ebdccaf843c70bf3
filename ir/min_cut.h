// The cheapest set of vertices that every path from a source to a sink passes.
#ifndef SIMCC_IR_MIN_CUT_H
#define SIMCC_IR_MIN_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"

// The cost of a vertex that must not be cut.
#define CUT_NEVER (INT64_MAX / 4)

typedef struct CutEdge {
    int from, to;
} CutEdge;

// Vertices 0 .. count-1 with costs > 0; source and sink are two flags for each,
// and a vertex may be both. Fills cut[v]; of several cheapest sets the one that
// is nearest the sinks. False when no set costs less than CUT_NEVER.
bool min_cut(Arena *arena, int count, const int64_t *cost, const bool *source,
             const bool *sink, int edge_count, const CutEdge *edges, bool *cut);

#endif
