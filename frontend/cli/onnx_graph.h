// A graph as an ONNX network: for the files onnx_*.c, and what export asks of
// them.
#ifndef SIMCC_FRONTEND_CLI_ONNX_GRAPH_H
#define SIMCC_FRONTEND_CLI_ONNX_GRAPH_H

#include "ir/graph.h"
#include "runtime/exec/store.h"
#include "runtime/files/onnx.h"

typedef struct OnnxOptions {
    bool fold;  // norms into the weights before them
    bool bytes; // images come as [N, height, width, 3], 0 to 255
} OnnxOptions;

// Fills nodes, tensors, input and output of `model` from a graph whose one
// output has a row for each of its "images", with the weights of `store`, and
// with as many images as there are: axes that stand for them are free. The
// graph must be plain, as the front end makes it; passes that simplify may have
// run. All is in the graph's arena, or the store's. STATUS_FAILED, with the
// place in the source, for what ONNX has not, or what joins several images.
Status onnx_from_graph(const Graph *graph, const Store *store,
                       const OnnxOptions *options, OnnxModel *model);

// ---- inside -----------------------------------------------------------------

// A value as the network has it. Broadcasts are not carried out: ONNX stretches
// axes of size 1 where an elementwise operation needs it, so such an axis stays
// 1 until somebody wants more.
typedef struct OnnxShaped {
    const char *name;       // NULL = not made
    int64_t dims[MAX_RANK]; // the type's, or 1; attention's last is one less
    int batch;              // the axis of images, whose dim is free; -1 = none
} OnnxShaped;

// Several nodes as one; kept by the last of them (onnx_fold.c).
typedef enum OnnxFusedKind {
    ONNX_ALONE,
    ONNX_NORM,   // BatchNormalization of root
    ONNX_BIAS,   // root, a convolution or product, and a bias of its channels
    ONNX_FOLDED, // root with other weights, and a bias
} OnnxFusedKind;

typedef struct OnnxFused {
    OnnxFusedKind kind;
    Value root;
    Value mean, variance, gamma, beta; // [channels]; the last two may be absent
    double epsilon;
    double *scale, *shift; // [channels], of ONNX_FOLDED
} OnnxFused;

typedef struct OnnxBuild {
    Arena *arena;
    const Graph *graph;
    const Store *store;
    OnnxOptions options;
    int64_t images;     // in the graph at a time
    bool *constant;     // by value: it follows from weights alone
    OnnxFused *fused;   // by value
    OnnxShaped *values; // by value
    VEC(OnnxNode) nodes;
    VEC(OnnxTensor) tensors;
} OnnxBuild;

// The error: what stands in the way at this node.
Status onnx_refuse(const Node *node, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Adds a node for `from` (NULL = of nobody) and returns the name of what it
// makes; it has a slash, which no weight's has.
const char *onnx_add(OnnxBuild *build, const Node *from, const char *op,
                     int input_count, const char *const *inputs,
                     int attribute_count, const OnnxAttribute *attributes);
// Names of constants: whole numbers, as a tensor of rank 1; a number under
// `rank` axes of size 1; elements in the type's precision, or as they are to
// lie in the file, of the given name or, NULL, one of their own.
const char *onnx_ints(OnnxBuild *build, int count, const int64_t *ints);
const char *onnx_number(OnnxBuild *build, DType dtype, int rank, double value);
const char *onnx_tensor(OnnxBuild *build, const char *name,
                        const TensorType *type, const double *elements);
const char *onnx_elements(OnnxBuild *build, const char *name,
                          const TensorType *type, const void *data);
OnnxType onnx_type(DType dtype);
OnnxAttribute onnx_attribute(const char *name, int count, const int64_t *ints);
OnnxAttribute onnx_int(const char *name, int64_t value);
OnnxAttribute onnx_text(const char *name, const char *text);
// What was made of a node's input.
const OnnxShaped *onnx_input(const OnnxBuild *build, const Node *node, int i);

// onnx_ops.c: makes the value of a node whose inputs are made.
Status onnx_add_op(OnnxBuild *build, Value value);
// The name of a value whose axes of `axes` (a bit each) have their full size.
Status onnx_full(OnnxBuild *build, Value value, unsigned axes,
                 const char **name);

// onnx_products.c. Conv, ConvTranspose, Gemm or MatMul of a node, with weights
// and a bias of other names, which MatMul, for more than two axes, has not;
// NULL = none.
Status onnx_add_conv(OnnxBuild *build, Value value, const char *weights,
                     const char *bias, OnnxShaped *made);
Status onnx_add_product(OnnxBuild *build, Value value, const char *weights,
                        const char *bias, OnnxShaped *made);
Status onnx_add_attention(OnnxBuild *build, const Node *node, OnnxShaped *made);
Status onnx_add_pool(OnnxBuild *build, const Node *node, OnnxShaped *made);
Status onnx_add_resize(OnnxBuild *build, const Node *node, OnnxShaped *made);

// onnx_fold.c: finds what becomes one node; makes it.
void onnx_find_fused(OnnxBuild *build);
Status onnx_add_fused(OnnxBuild *build, Value last);
// The values that a node, or what it is the last of, is made of.
int onnx_reads(const OnnxBuild *build, Value value, Value *reads, int room);

#endif
