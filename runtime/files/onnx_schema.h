// Field numbers of ONNX's messages, as the published schema, onnx.proto, has
// them: those that are written (onnx.c) or read (onnx_weights.c).
#ifndef SIMCC_RUNTIME_ONNX_SCHEMA_H
#define SIMCC_RUNTIME_ONNX_SCHEMA_H

enum { // ModelProto
    ONNX_MODEL_IR_VERSION = 1,
    ONNX_MODEL_PRODUCER_NAME = 2,
    ONNX_MODEL_PRODUCER_VERSION = 3,
    ONNX_MODEL_GRAPH = 7,
    ONNX_MODEL_OPSET_IMPORT = 8,
    ONNX_MODEL_METADATA_PROPS = 14
};
enum { // GraphProto
    ONNX_GRAPH_NODE = 1,
    ONNX_GRAPH_NAME = 2,
    ONNX_GRAPH_INITIALIZER = 5,
    ONNX_GRAPH_INPUT = 11,
    ONNX_GRAPH_OUTPUT = 12,
    ONNX_GRAPH_SPARSE_INITIALIZER = 15
};
enum {
    ONNX_NODE_INPUT = 1,
    ONNX_NODE_OUTPUT = 2,
    ONNX_NODE_NAME = 3,
    ONNX_NODE_OP = 4,
    ONNX_NODE_ATTRIBUTE = 5
};
enum { // AttributeProto, and its AttributeType
    ONNX_ATTRIBUTE_NAME = 1,
    ONNX_ATTRIBUTE_F = 2,
    ONNX_ATTRIBUTE_I = 3,
    ONNX_ATTRIBUTE_S = 4,
    ONNX_ATTRIBUTE_INTS = 8,
    ONNX_ATTRIBUTE_TYPE = 20,
    ONNX_TYPE_FLOAT = 1,
    ONNX_TYPE_INT = 2,
    ONNX_TYPE_STRING = 3,
    ONNX_TYPE_INTS = 7
};
enum { // TensorProto
    ONNX_TENSOR_DIMS = 1,
    ONNX_TENSOR_DATA_TYPE = 2,
    ONNX_TENSOR_FLOAT_DATA = 4,
    ONNX_TENSOR_INT32_DATA = 5, // also of smaller elements, as their bits
    ONNX_TENSOR_INT64_DATA = 7,
    ONNX_TENSOR_NAME = 8,
    ONNX_TENSOR_RAW_DATA = 9,
    ONNX_TENSOR_DOUBLE_DATA = 10,
    ONNX_TENSOR_UINT64_DATA = 11,
    ONNX_TENSOR_EXTERNAL_DATA = 13,
    ONNX_TENSOR_DATA_LOCATION = 14,
    ONNX_LOCATION_EXTERNAL = 1
};
enum { ONNX_VALUE_NAME = 1, ONNX_VALUE_TYPE = 2 };
enum { ONNX_VALUE_TENSOR_TYPE = 1 };                       // TypeProto
enum { ONNX_TENSOR_ELEM_TYPE = 1, ONNX_TENSOR_SHAPE = 2 }; // TypeProto.Tensor
enum { ONNX_SHAPE_DIM = 1, ONNX_DIM_VALUE = 1, ONNX_DIM_PARAM = 2 };
enum { ONNX_ENTRY_KEY = 1, ONNX_ENTRY_VALUE = 2 }; // StringStringEntryProto
enum { ONNX_OPSET_DOMAIN = 1, ONNX_OPSET_VERSION = 2 };

#endif
