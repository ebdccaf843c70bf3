// Networks as ONNX files (onnx.ai): a protobuf message ModelProto, written by
// hand after the published schema, onnx.proto. IR version 7, operators of
// opset 13.
#ifndef SIMCC_RUNTIME_ONNX_H
#define SIMCC_RUNTIME_ONNX_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

enum { ONNX_IR_VERSION = 7, ONNX_OPSET = 13, ONNX_MAX_RANK = 8 };

// Element types, TensorProto.DataType of the schema. Written are FLOAT, UINT8,
// INT64, BOOL, DOUBLE and BFLOAT16; weights may be of the others, too.
typedef enum OnnxType {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_UINT16 = 4,
    ONNX_INT16 = 5,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_BOOL = 9,
    ONNX_FLOAT16 = 10,
    ONNX_DOUBLE = 11,
    ONNX_UINT32 = 12,
    ONNX_UINT64 = 13,
    ONNX_BFLOAT16 = 16,
    ONNX_FLOAT8_E4M3FN = 17,
    ONNX_FLOAT8_E5M2 = 19
} OnnxType;

typedef enum OnnxKind { ONNX_INT, ONNX_INTS, ONNX_REAL, ONNX_TEXT } OnnxKind;

typedef struct OnnxAttribute {
    const char *name;
    OnnxKind kind;
    int64_t i; // ONNX_INT
    double f;  // ONNX_REAL; written in single precision, as the schema has it
    int count; // ONNX_INTS
    const int64_t *ints;
    const char *text; // ONNX_TEXT
} OnnxAttribute;

enum { ONNX_ATTRIBUTES = 6 };

// An operation with one result.
typedef struct OnnxNode {
    const char *op, *name, *output;
    int input_count;
    const char **inputs; // names of values; "" = left out
    int attribute_count;
    OnnxAttribute attributes[ONNX_ATTRIBUTES];
} OnnxNode;

// A constant: elements in row-major order.
typedef struct OnnxTensor {
    const char *name;
    OnnxType type;
    int rank;
    int64_t dims[ONNX_MAX_RANK];
    const void *data;
    int64_t bytes;
} OnnxTensor;

// What goes in or comes out. A dim of -1 is free, and called N.
typedef struct OnnxValue {
    const char *name;
    OnnxType type;
    int rank;
    int64_t dims[ONNX_MAX_RANK];
} OnnxValue;

typedef struct OnnxMeta {
    const char *key, *value;
} OnnxMeta;

typedef struct OnnxModel {
    const char *name, *producer_version;
    int node_count;
    const OnnxNode *nodes; // each after those that make its inputs
    int tensor_count;
    const OnnxTensor *tensors;
    OnnxValue input, output;
    int meta_count;
    const OnnxMeta *metas;
} OnnxModel;

// Bytes of the tensors.
int64_t onnx_tensor_bytes(const OnnxModel *model);
// Is it too large for one file? A protobuf message has less than 2 GiB.
bool onnx_needs_data_file(const OnnxModel *model);

// Writes it to `path`. `data_file`: tensors of a kilobyte or more are in
// PATH.data beside it, which the model names, each from a multiple of 4096
// bytes on; it is written first. STATUS_USAGE where a model must have such a
// file and has none; STATUS_FAILED when it cannot be written, STATUS_MEMORY.
Status onnx_write(const char *path, const OnnxModel *model, bool data_file);

#endif
