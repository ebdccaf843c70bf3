// By the theorem of Ford and Fulkerson: a largest flow fills a smallest cut.
// Paths are the shortest that are left (Edmonds and Karp 1972).
#include "ir/min_cut.h"

#include "ir/base/vec.h"

// An arc and its reverse stand side by side: i and i ^ 1.
typedef struct Arc {
    int to, next; // next: of the same tail, or -1
    int64_t room;
} Arc;

typedef struct Flow {
    Arena *arena;
    VEC(Arc) arcs;
    int *first; // by node: its first arc, or -1
    int *by;    // by node: the arc that a search came by, or -1
    int *queue;
    int nodes;
} Flow;

static void add_arc(Flow *flow, int from, int to, int64_t room)
{
    Arc there = {to, flow->first[from], room};
    vec_push(flow->arena, &flow->arcs, there);
    flow->first[from] = flow->arcs.count - 1;
    Arc back = {from, flow->first[to], 0};
    vec_push(flow->arena, &flow->arcs, back);
    flow->first[to] = flow->arcs.count - 1;
}

// Breadth first from a node, along arcs with room or, backwards, against them.
// Ends early at `goal` (-1 = nowhere). by[v] is -1 where it did not come.
static bool search(Flow *flow, int start, int goal, bool backwards)
{
    int head = 0, tail = 0;
    for (int v = 0; v < flow->nodes; v++)
        flow->by[v] = -1;
    flow->by[start] = flow->arcs.count; // no arc, but not -1
    flow->queue[tail++] = start;
    while (head < tail) {
        int v = flow->queue[head++];
        if (v == goal)
            return true;
        for (int a = flow->first[v]; a >= 0; a = flow->arcs.at[a].next) {
            int to = flow->arcs.at[a].to;
            if (flow->by[to] >= 0 ||
                flow->arcs.at[backwards ? a ^ 1 : a].room == 0)
                continue;
            flow->by[to] = a;
            flow->queue[tail++] = to;
        }
    }
    return false;
}

// Sends as much as fits along the path just found.
static int64_t send(Flow *flow, int source, int sink)
{
    int64_t most = CUT_NEVER;
    for (int v = sink; v != source; v = flow->arcs.at[flow->by[v] ^ 1].to)
        if (flow->arcs.at[flow->by[v]].room < most)
            most = flow->arcs.at[flow->by[v]].room;
    for (int v = sink; v != source; v = flow->arcs.at[flow->by[v] ^ 1].to) {
        flow->arcs.at[flow->by[v]].room -= most;
        flow->arcs.at[flow->by[v] ^ 1].room += most;
    }
    return most;
}

// Vertex v is the nodes 2v and 2v + 1, and the arc between them its cost.
bool min_cut(Arena *arena, int count, const int64_t *cost, const bool *source,
             const bool *sink, int edge_count, const CutEdge *edges, bool *cut)
{
    int from = 2 * count, to = 2 * count + 1;
    Flow flow = {.arena = arena,
                 .nodes = 2 * count + 2,
                 .first = ARENA_ARRAY(arena, int, 2 * count + 2),
                 .by = ARENA_ARRAY(arena, int, 2 * count + 2),
                 .queue = ARENA_ARRAY(arena, int, 2 * count + 2)};
    for (int v = 0; v < flow.nodes; v++)
        flow.first[v] = -1;
    for (int v = 0; v < count; v++) {
        add_arc(&flow, 2 * v, 2 * v + 1, cost[v]);
        if (source[v])
            add_arc(&flow, from, 2 * v, CUT_NEVER);
        if (sink[v])
            add_arc(&flow, 2 * v + 1, to, CUT_NEVER);
    }
    for (int i = 0; i < edge_count; i++)
        add_arc(&flow, 2 * edges[i].from + 1, 2 * edges[i].to, CUT_NEVER);
    bool found = true;
    while (found && search(&flow, from, to, false))
        found = send(&flow, from, to) < CUT_NEVER;
    search(&flow, to, -1, true);
    for (int v = 0; v < count; v++)
        cut[v] = flow.by[2 * v] < 0 && flow.by[2 * v + 1] >= 0;
    return found;
}
