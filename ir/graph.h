// The tensor graph: typed operations in SSA, in topological order. A value is
// the dense id of the node that makes it; side tables are indexed by it.
// One graph is one whole step: forward, backward, optimizer, reports.
#ifndef SIMCC_IR_GRAPH_H
#define SIMCC_IR_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/vec.h"
#include "ir/op.h"

typedef enum DType { DT_F32, DT_F64, DT_BF16, DT_BOOL, DT_COUNT } DType;

const char *dtype_name(DType dtype); // "f32", "f64", "bf16", "bool"
bool dtype_by_name(const char *name, DType *dtype);
int dtype_size(DType dtype); // bytes: 4, 8, 2, 1
static inline bool dtype_is_float(DType dtype)
{
    return dtype != DT_BOOL;
}

enum { MAX_RANK = 6 };
// Elements in one tensor; larger shapes are a diagnostic, not an overflow.
#define MAX_ELEMENTS ((int64_t)1 << 40)

// What the dims of a tensor stand for, beyond row-major order (ir/image.h has
// the arithmetic). Two tensors of one shape and different forms are of
// different types: a product of matrices of rank 5 is not a blocked image.
typedef enum Form {
    FORM_PLAIN,   // any shape; NCHW for images, [out, in, kh, kw] for weights
    FORM_PLANES,  // images [n, c, h, w, 1] whose convolutions give blocks
    FORM_BLOCKED, // images [n, c / b, h, w, b]
    FORM_TILED,   // weights [o / t, c / t, kh, kw, t, t]
    FORM_COUNT
} Form;

const char *form_name(Form form); // "plain", "planes", "blocked", "tiled"
bool form_by_name(const char *name, Form *form);

typedef struct TensorType {
    DType dtype;
    int rank;
    int64_t dims[MAX_RANK];
    Form form;
} TensorType;

// Of the plain form.
TensorType type_make(DType dtype, int rank, const int64_t *dims);
TensorType type_make_form(DType dtype, int rank, const int64_t *dims,
                          Form form);
TensorType type_scalar(DType dtype);
bool type_equal(const TensorType *a, const TensorType *b);
bool type_same_dims(const TensorType *a, const TensorType *b);
int64_t type_elements(const TensorType *type); // 1 for a scalar
// False when a dim is below 1 or the element count exceeds MAX_ELEMENTS.
bool type_is_sane(const TensorType *type);
// Whether the dims can be of that form: as many as it has, blocks a power of
// two, tiles square.
bool type_fits_form(const TensorType *type);
// "f32[64,3,7,7]", "f32[]" for a scalar, "f32[8,4,7,7,16] blocked".
const char *type_text(Arena *arena, const TensorType *type);

typedef int32_t Value;
enum { NO_VALUE = -1 };

typedef struct IntList {
    int count;
    const int64_t *at;
} IntList;

typedef union Attr {
    int64_t i;
    double f;
    const char *text;
    IntList ints;
} Attr;

// Where in the user's source a node was made: shown by summary, profile and
// diagnostics, printed in the text form. file NULL = made by the compiler.
typedef struct NodeOrigin {
    const char *file;
    int line;
    const char *scope; // "layer1.0.conv1", "" at the top
} NodeOrigin;

typedef struct Node {
    Op op;
    TensorType type; // of ASSIGN: the param's
    int input_count;
    const Value *inputs; // in the graph's arena; each less than this node's id
    Attr attrs[MAX_ATTRS];
    NodeOrigin origin;
    int group; // fusion group, 0 = none; set by the fuse pass
} Node;

// A named result: the loss, a report. Order is the source's order.
typedef struct Output {
    const char *name;
    Value value;
} Output;

typedef struct Graph {
    Arena *arena;
    const char *name; // "pretrain.train"
    VEC(Node) nodes;
    VEC(Output) outputs;
    NodeOrigin origin; // given to nodes as they are added
    const char *error; // why the last graph_add gave NO_VALUE
    // Storage that the nodes of before a rewriting pass had, for the next one.
    Node *spare;
    int spare_capacity;
} Graph;

Graph *graph_new(Arena *arena, const char *name);

// graph_add may move the nodes: a Node * or TensorType * taken before is stale
// after. Keep values, or copies of types.
//
// Appends a node; its type comes from the op's shape rule. On a type error
// returns NO_VALUE and sets graph->error ("matmul: inner sizes differ: ...").
// `inputs` and list attributes are copied. `type` is used by leaves only (and
// may be NULL elsewhere).
Value graph_add(Graph *graph, Op op, int input_count, const Value *inputs,
                const Attr *attrs, const TensorType *type);

void graph_add_output(Graph *graph, const char *name, Value value);

static inline Node *graph_node(const Graph *graph, Value value)
{
    return &graph->nodes.at[value];
}

// Whether the op joins what processes have; each has the attribute `ranks`.
bool op_is_collective(Op op);
// Whether the graph is one of several processes'. OP_RANK does not say how many
// there are; the collectives beside it do. Without any it is one process's own.
bool graph_has_many_ranks(const Graph *graph);

static inline const TensorType *graph_type(const Graph *graph, Value value)
{
    return &graph->nodes.at[value].type;
}

// How many nodes and outputs read each value; an array of nodes.count ints.
int *graph_use_counts(const Graph *graph, Arena *arena);

// The graph without the nodes whose keep flag is false, ids made dense again.
// No kept node may read a dropped one. `replace[v]` (may be NULL) names the
// value that readers of v get instead, v itself where nothing changes; chains
// are followed.
void graph_compact(Graph *graph, const bool *keep, const Value *replace);

// The shape rules (ir/shape*.c): writes the result type, or returns the
// reason it has none (allocated in the graph's arena). The node's inputs must
// be in the graph; the node itself may be there or not.
const char *shape_infer(const Graph *graph, Node *node);
// Windows of a convolution or pool along one axis: floor((size + pads - kernel)
// / stride) + 1; 0 when the kernel does not fit.
int64_t shape_windows(int64_t size, int64_t kernel, int64_t stride,
                      int64_t pad_before, int64_t pad_after);

// Equal op, inputs, attributes and type.
bool node_equal(const Node *a, const Node *b);
uint64_t node_hash(const Node *node);

#endif
