#include "runtime/files/onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/files/onnx_schema.h"

enum {
    APART = 1024,     // bytes from which on a tensor goes to the data file
    DATA_ALIGN = 4096 // a page, so that it can be mapped, as the schema advises
};
static const int64_t most_bytes = INT32_MAX; // of a message
static const int64_t frame_bytes = 16 << 20; // more than all but tensors takes

int64_t onnx_tensor_bytes(const OnnxModel *model)
{
    int64_t bytes = 0;
    for (int i = 0; i < model->tensor_count; i++)
        bytes += model->tensors[i].bytes;
    return bytes;
}

bool onnx_needs_data_file(const OnnxModel *model)
{
    return onnx_tensor_bytes(model) > most_bytes - frame_bytes;
}

// ---- protobuf's wire format -------------------------------------------------
//
// A message is a row of fields: a varint of field number * 8 + wire type, then
// a varint (type 0), four bytes (5), or a varint of the length and as many
// bytes (2). A repeated field stands there once for each element.

typedef enum WireType {
    WIRE_VARINT = 0,
    WIRE_BYTES = 2,
    WIRE_FOUR = 5
} WireType;

// A message in the making.
typedef struct Wire {
    uint8_t *at;
    size_t used, room;
    bool failed; // no memory
} Wire;

static void put(Wire *wire, const void *bytes, size_t size)
{
    if (wire->used + size > wire->room && !wire->failed) {
        size_t room = 2 * wire->room + size + 256;
        uint8_t *grown = realloc(wire->at, room);
        wire->failed = !grown;
        wire->at = grown ? grown : wire->at;
        wire->room = grown ? room : wire->room;
    }
    if (wire->failed || !size)
        return;
    memcpy(wire->at + wire->used, bytes, size);
    wire->used += size;
}

// Seven bits a byte, the low ones first; the high bit says that more come.
static void put_varint(Wire *wire, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)(value & 127) | (value > 127 ? 128 : 0);
        put(wire, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_key(Wire *wire, int field, WireType type)
{
    put_varint(wire, (uint64_t)field << 3 | (uint64_t)type);
}

static void put_int(Wire *wire, int field, int64_t value)
{
    put_key(wire, field, WIRE_VARINT);
    put_varint(wire, (uint64_t)value);
}

static void put_real(Wire *wire, int field, double value)
{
    float single = (float)value;
    put_key(wire, field, WIRE_FOUR);
    put(wire, &single, sizeof single);
}

static void put_bytes(Wire *wire, int field, const void *bytes, size_t size)
{
    put_key(wire, field, WIRE_BYTES);
    put_varint(wire, size);
    put(wire, bytes, size);
}

static void put_text(Wire *wire, int field, const char *text)
{
    put_bytes(wire, field, text, strlen(text));
}

// The message `inner` as a field; it is empty afterwards.
static void put_message(Wire *wire, int field, Wire *inner)
{
    put_bytes(wire, field, inner->at, inner->used);
    wire->failed = wire->failed || inner->failed;
    inner->used = 0;
}

// ---- messages ---------------------------------------------------------------

static void put_entry(Wire *wire, int field, const char *key, const char *value)
{
    Wire entry = {0};
    put_text(&entry, ONNX_ENTRY_KEY, key);
    put_text(&entry, ONNX_ENTRY_VALUE, value);
    put_message(wire, field, &entry);
    free(entry.at);
}

static void put_attribute(Wire *node, const OnnxAttribute *attribute)
{
    Wire wire = {0};
    put_text(&wire, ONNX_ATTRIBUTE_NAME, attribute->name);
    if (attribute->kind == ONNX_INT) {
        put_int(&wire, ONNX_ATTRIBUTE_I, attribute->i);
        put_int(&wire, ONNX_ATTRIBUTE_TYPE, ONNX_TYPE_INT);
    } else if (attribute->kind == ONNX_REAL) {
        put_real(&wire, ONNX_ATTRIBUTE_F, attribute->f);
        put_int(&wire, ONNX_ATTRIBUTE_TYPE, ONNX_TYPE_FLOAT);
    } else if (attribute->kind == ONNX_TEXT) {
        put_text(&wire, ONNX_ATTRIBUTE_S, attribute->text);
        put_int(&wire, ONNX_ATTRIBUTE_TYPE, ONNX_TYPE_STRING);
    } else {
        for (int i = 0; i < attribute->count; i++)
            put_int(&wire, ONNX_ATTRIBUTE_INTS, attribute->ints[i]);
        put_int(&wire, ONNX_ATTRIBUTE_TYPE, ONNX_TYPE_INTS);
    }
    put_message(node, ONNX_NODE_ATTRIBUTE, &wire);
    free(wire.at);
}

static void put_node(Wire *graph, const OnnxNode *node)
{
    Wire wire = {0};
    for (int i = 0; i < node->input_count; i++)
        put_text(&wire, ONNX_NODE_INPUT, node->inputs[i]);
    put_text(&wire, ONNX_NODE_OUTPUT, node->output);
    put_text(&wire, ONNX_NODE_NAME, node->name);
    put_text(&wire, ONNX_NODE_OP, node->op);
    for (int i = 0; i < node->attribute_count; i++)
        put_attribute(&wire, &node->attributes[i]);
    put_message(graph, ONNX_GRAPH_NODE, &wire);
    free(wire.at);
}

static void put_value(Wire *graph, int field, const OnnxValue *value)
{
    Wire wire = {0}, type = {0}, tensor = {0}, shape = {0}, dim = {0};
    for (int i = 0; i < value->rank; i++) {
        if (value->dims[i] < 0)
            put_text(&dim, ONNX_DIM_PARAM, "N");
        else
            put_int(&dim, ONNX_DIM_VALUE, value->dims[i]);
        put_message(&shape, ONNX_SHAPE_DIM, &dim);
    }
    put_int(&tensor, ONNX_TENSOR_ELEM_TYPE, value->type);
    put_message(&tensor, ONNX_TENSOR_SHAPE, &shape);
    put_message(&type, ONNX_VALUE_TENSOR_TYPE, &tensor);
    put_text(&wire, ONNX_VALUE_NAME, value->name);
    put_message(&wire, ONNX_VALUE_TYPE, &type);
    put_message(graph, field, &wire);
    free(wire.at);
    free(type.at);
    free(tensor.at);
    free(shape.at);
    free(dim.at);
}

// ---- tensors ----------------------------------------------------------------

static bool is_apart(const OnnxTensor *tensor, bool data_file)
{
    return data_file && tensor->bytes >= APART;
}

static int64_t aligned(int64_t offset)
{
    return (offset + DATA_ALIGN - 1) / DATA_ALIGN * DATA_ALIGN;
}

// All of it but the elements that follow it in the file, where they do.
// *offset is where they are in the data file `location`, and moves on.
static void put_tensor(Wire *wire, const OnnxTensor *tensor,
                       const char *location, int64_t *offset)
{
    for (int i = 0; i < tensor->rank; i++)
        put_int(wire, ONNX_TENSOR_DIMS, tensor->dims[i]);
    put_int(wire, ONNX_TENSOR_DATA_TYPE, tensor->type);
    put_text(wire, ONNX_TENSOR_NAME, tensor->name);
    if (!is_apart(tensor, location != NULL)) {
        put_key(wire, ONNX_TENSOR_RAW_DATA, WIRE_BYTES);
        put_varint(wire, (uint64_t)tensor->bytes);
        return;
    }
    char text[32];
    *offset = aligned(*offset);
    put_entry(wire, ONNX_TENSOR_EXTERNAL_DATA, "location", location);
    snprintf(text, sizeof text, "%" PRId64, *offset);
    put_entry(wire, ONNX_TENSOR_EXTERNAL_DATA, "offset", text);
    snprintf(text, sizeof text, "%" PRId64, tensor->bytes);
    put_entry(wire, ONNX_TENSOR_EXTERNAL_DATA, "length", text);
    put_int(wire, ONNX_TENSOR_DATA_LOCATION, ONNX_LOCATION_EXTERNAL);
    *offset += tensor->bytes;
}

static Status write_data(const char *path, const OnnxModel *model)
{
    static const char zeros[DATA_ALIGN];
    FileWriter file;
    int64_t offset = 0;
    TRY(file_begin(&file, path));
    for (int i = 0; i < model->tensor_count; i++) {
        const OnnxTensor *tensor = &model->tensors[i];
        if (!is_apart(tensor, true))
            continue;
        file_put(&file, zeros, aligned(offset) - offset);
        file_put(&file, tensor->data, tensor->bytes);
        offset = aligned(offset) + tensor->bytes;
    }
    return file_commit(&file);
}

// ---- the file ---------------------------------------------------------------

// The file in the order of its bytes. A tensor's frame is field and length, its
// fields, and, of those that are not apart, the head of its elements.
typedef struct Parts {
    Wire head;    // of the model, before the graph's field
    Wire nodes;   // of the graph
    Wire *frames; // of tensors
    Wire ends;    // input and output of the graph
    Wire tail;    // of the model
    int64_t graph_bytes;
} Parts;

static void make_frames(Parts *parts, const OnnxModel *model,
                        const char *location)
{
    int64_t offset = 0;
    for (int i = 0; i < model->tensor_count; i++) {
        const OnnxTensor *tensor = &model->tensors[i];
        Wire fields = {0}, *frame = &parts->frames[i];
        put_tensor(&fields, tensor, location, &offset);
        int64_t behind = is_apart(tensor, location != NULL) ? 0 : tensor->bytes;
        put_key(frame, ONNX_GRAPH_INITIALIZER, WIRE_BYTES);
        put_varint(frame, fields.used + (uint64_t)behind);
        put(frame, fields.at, fields.used);
        parts->graph_bytes += (int64_t)frame->used + behind;
        parts->tail.failed |= fields.failed || frame->failed;
        free(fields.at);
    }
}

static void make_parts(Parts *parts, const OnnxModel *model,
                       const char *location)
{
    Wire opset = {0};
    for (int i = 0; i < model->node_count; i++)
        put_node(&parts->nodes, &model->nodes[i]);
    put_text(&parts->nodes, ONNX_GRAPH_NAME, model->name);
    make_frames(parts, model, location);
    put_value(&parts->ends, ONNX_GRAPH_INPUT, &model->input);
    put_value(&parts->ends, ONNX_GRAPH_OUTPUT, &model->output);
    parts->graph_bytes += (int64_t)(parts->nodes.used + parts->ends.used);
    put_int(&parts->head, ONNX_MODEL_IR_VERSION, ONNX_IR_VERSION);
    put_text(&parts->head, ONNX_MODEL_PRODUCER_NAME, "simcc");
    put_text(&parts->head, ONNX_MODEL_PRODUCER_VERSION,
             model->producer_version);
    put_key(&parts->head, ONNX_MODEL_GRAPH, WIRE_BYTES);
    put_varint(&parts->head, (uint64_t)parts->graph_bytes);
    put_text(&opset, ONNX_OPSET_DOMAIN, "");
    put_int(&opset, ONNX_OPSET_VERSION, ONNX_OPSET);
    put_message(&parts->tail, ONNX_MODEL_OPSET_IMPORT, &opset);
    for (int i = 0; i < model->meta_count; i++)
        put_entry(&parts->tail, ONNX_MODEL_METADATA_PROPS, model->metas[i].key,
                  model->metas[i].value);
    parts->tail.failed |=
        parts->head.failed || parts->nodes.failed || parts->ends.failed;
    free(opset.at);
}

static Status write_parts(const char *path, const Parts *parts,
                          const OnnxModel *model, bool data_file)
{
    FileWriter file;
    TRY(file_begin(&file, path));
    file_put(&file, parts->head.at, (int64_t)parts->head.used);
    file_put(&file, parts->nodes.at, (int64_t)parts->nodes.used);
    for (int i = 0; i < model->tensor_count; i++) {
        const OnnxTensor *tensor = &model->tensors[i];
        file_put(&file, parts->frames[i].at, (int64_t)parts->frames[i].used);
        if (!is_apart(tensor, data_file))
            file_put(&file, tensor->data, tensor->bytes);
    }
    file_put(&file, parts->ends.at, (int64_t)parts->ends.used);
    file_put(&file, parts->tail.at, (int64_t)parts->tail.used);
    return file_commit(&file);
}

static Status write_model(const char *path, const OnnxModel *model,
                          const char *data_path, Parts *parts)
{
    const char *slash = data_path ? strrchr(data_path, '/') : NULL;
    parts->frames = calloc((size_t)model->tensor_count + 1, sizeof(Wire));
    if (!parts->frames)
        return status_error(STATUS_MEMORY, "no memory to write %s", path);
    make_parts(parts, model, slash ? slash + 1 : data_path);
    if (parts->tail.failed)
        return status_error(STATUS_MEMORY, "no memory to write %s", path);
    if (parts->graph_bytes > most_bytes - frame_bytes)
        return status_error(STATUS_USAGE,
                            "%s would have %" PRId64 " bytes, and an ONNX file "
                            "has less than 2 GiB: --external puts the weights "
                            "into a file beside it",
                            path, parts->graph_bytes);
    if (data_path)
        TRY(write_data(data_path, model));
    return write_parts(path, parts, model, data_path != NULL);
}

Status onnx_write(const char *path, const OnnxModel *model, bool data_file)
{
    Parts parts = {0};
    char *data_path = NULL;
    if (data_file) {
        size_t size = strlen(path) + sizeof ".data";
        data_path = malloc(size);
        if (!data_path)
            return status_error(STATUS_MEMORY, "no memory to write %s", path);
        snprintf(data_path, size, "%s.data", path);
    }
    Status status = write_model(path, model, data_path, &parts);
    for (int i = 0; parts.frames && i < model->tensor_count; i++)
        free(parts.frames[i].at);
    free(parts.frames);
    free(parts.head.at);
    free(parts.nodes.at);
    free(parts.ends.at);
    free(parts.tail.at);
    free(data_path);
    return status;
}
