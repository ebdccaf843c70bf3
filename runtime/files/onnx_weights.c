// The weights of ONNX nets: the initializers of the graph. A file is one
// protobuf message, which may be larger than memory, so it is walked where it
// lies: a window of it is in memory, and elements stay where they are until
// they are read, in the file or in another one of its folder. Only elements
// that are stored as varints are decoded at once.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/files/onnx.h"
#include "runtime/files/onnx_schema.h"
#include "runtime/files/proto.h"
#include "runtime/files/tensors_inside.h"

enum {
    WINDOW = 1 << 14,
    HEAD = 20,            // bytes of two varints: a field's key and its length
    PATH_ROOM = 1024,     // of a data file's name
    DATA_FILES = 1000,    // as many may be open at once, usually
    TEXT_LIMIT = 1 << 20, // of metadata
    META_LIMIT = 64
};

// Element types, and the field that has them where raw_data has not.
static const struct {
    OnnxType number;
    SafeDType dtype;
    int field;
} types[] = {{ONNX_FLOAT, SAFE_F32, ONNX_TENSOR_FLOAT_DATA},
             {ONNX_DOUBLE, SAFE_F64, ONNX_TENSOR_DOUBLE_DATA},
             {ONNX_FLOAT16, SAFE_F16, ONNX_TENSOR_INT32_DATA},
             {ONNX_BFLOAT16, SAFE_BF16, ONNX_TENSOR_INT32_DATA},
             {ONNX_FLOAT8_E4M3FN, SAFE_F8_E4M3, ONNX_TENSOR_INT32_DATA},
             {ONNX_FLOAT8_E5M2, SAFE_F8_E5M2, ONNX_TENSOR_INT32_DATA},
             {ONNX_BOOL, SAFE_BOOL, ONNX_TENSOR_INT32_DATA},
             {ONNX_INT8, SAFE_I8, ONNX_TENSOR_INT32_DATA},
             {ONNX_UINT8, SAFE_U8, ONNX_TENSOR_INT32_DATA},
             {ONNX_INT16, SAFE_I16, ONNX_TENSOR_INT32_DATA},
             {ONNX_UINT16, SAFE_U16, ONNX_TENSOR_INT32_DATA},
             {ONNX_INT32, SAFE_I32, ONNX_TENSOR_INT32_DATA},
             {ONNX_UINT32, SAFE_U32, ONNX_TENSOR_UINT64_DATA},
             {ONNX_INT64, SAFE_I64, ONNX_TENSOR_INT64_DATA},
             {ONNX_UINT64, SAFE_U64, ONNX_TENSOR_UINT64_DATA}};
enum { TYPES = sizeof types / sizeof *types };

// Bytes of the file: a message, or a field's.
typedef struct Span {
    int64_t at, end;
} Span;

typedef struct Field {
    int number;
    uint64_t value; // of a number
    bool has_bytes;
    Span bytes;
} Field;

typedef struct Reader {
    TensorFile *file;
    int64_t start; // in the file, of the window
    int64_t size;
    uint8_t window[WINDOW];
    bool ours;
    Span graph;
    int data_count; // of data files that are open
    struct DataFile {
        char *name;
        int file; // among the descriptors
    } data[DATA_FILES];
} Reader;

static Status bad(const Reader *reader, const char *reason)
{
    return status_error(STATUS_DATA, "'%s' cannot be read as an ONNX net: %s",
                        reader->file->path, reason);
}

// ---- the message, where it lies ---------------------------------------------

// *bytes are the `size` from `at` on, at most a window's, which must be there.
static Status look(Reader *reader, int64_t at, int64_t size,
                   const uint8_t **bytes)
{
    if (at < reader->start || at + size > reader->start + reader->size) {
        reader->start = at;
        reader->size = file_read_at(reader->file->descriptors[0], at, WINDOW,
                                    reader->window);
        if (reader->size < 0)
            return status_error(STATUS_FAILED, "cannot read '%s': %s",
                                reader->file->path, strerror(errno));
        if (reader->size < size)
            return bad(reader, "it is cut off");
    }
    *bytes = reader->window + (at - reader->start);
    return status_ok();
}

// The message's next field, behind which the message begins then.
static Status next_field(Reader *reader, Span *message, Field *field)
{
    int64_t left = message->end - message->at;
    const uint8_t *bytes;
    TRY(look(reader, message->at, left < HEAD ? left : HEAD, &bytes));
    ProtoReader head =
        proto_reader(bytes, (uint64_t)(left < HEAD ? left : HEAD));
    ProtoField read;
    if (!proto_head(&head, &read))
        return bad(reader, "a field of it is malformed, or it is cut off");
    message->at += head.at - bytes;
    *field = (Field){.number = read.number,
                     .value = read.value,
                     .has_bytes = read.bytes != NULL};
    if (!read.bytes)
        return status_ok();
    if (read.value > (uint64_t)(message->end - message->at))
        return bad(reader, "it is cut off, or claims more than it has");
    field->bytes = (Span){message->at, message->at + (int64_t)read.value};
    message->at = field->bytes.end;
    return status_ok();
}

// A field's bytes as a text of less than `room`, without a zero in it.
static Status read_text(Reader *reader, const Field *field, char *text,
                        int64_t room, const char *what)
{
    int64_t size = field->bytes.end - field->bytes.at;
    if (!field->has_bytes || size >= room ||
        file_read_at(reader->file->descriptors[0], field->bytes.at, size,
                     text) != size ||
        memchr(text, 0, (size_t)size))
        return bad(reader, what);
    text[size] = '\0';
    return status_ok();
}

// A StringStringEntryProto; `room` is that of both.
static Status read_pair(Reader *reader, Span message, char *key, char *value,
                        int64_t room)
{
    Field field;
    *key = *value = '\0';
    while (message.at < message.end) {
        TRY(next_field(reader, &message, &field));
        if (field.number == ONNX_ENTRY_KEY || field.number == ONNX_ENTRY_VALUE)
            TRY(read_text(reader, &field,
                          field.number == ONNX_ENTRY_KEY ? key : value, room,
                          "a text in it is too long"));
    }
    return status_ok();
}

// ---- initializers -----------------------------------------------------------

// TensorProto.
typedef struct Initializer {
    char name[TENSOR_NAME];
    TensorEntry entry;
    uint64_t type;
    int data_field; // that has its elements; 0 = none
    Span data;
    bool is_apart, has_length; // elements are in the file `location`
    char location[PATH_ROOM];
    int64_t offset, length;
} Initializer;

static Status bad_tensor(const Reader *reader, const Initializer *tensor,
                         const char *reason)
{
    return status_error(STATUS_DATA, "'%s': tensor %.200s %s",
                        reader->file->path, tensor->name, reason);
}

static Status add_dim(const Reader *reader, Initializer *tensor, uint64_t dim)
{
    SafeTensor *to = &tensor->entry.tensor;
    if (to->rank == SAFE_MAX_RANK)
        return bad(reader, "a tensor of it has more than 8 axes");
    to->dims[to->rank++] = (int64_t)dim;
    return status_ok();
}

// As one number each, or packed into bytes.
static Status read_dims(Reader *reader, const Field *field, Initializer *tensor)
{
    const uint8_t *bytes;
    int64_t size = field->bytes.end - field->bytes.at;
    if (!field->has_bytes)
        return add_dim(reader, tensor, field->value);
    if (size > 10 * SAFE_MAX_RANK)
        return bad(reader, "a tensor of it has more than 8 axes");
    TRY(look(reader, field->bytes.at, size, &bytes));
    ProtoReader dims = proto_reader(bytes, (uint64_t)size);
    while (dims.at < dims.end) {
        TRY(add_dim(reader, tensor, proto_varint(&dims)));
        if (dims.bad)
            return bad(reader, "a shape in it is malformed");
    }
    return status_ok();
}

// Where elements in another file are: location, offset, length.
static Status read_place(Reader *reader, const Field *field,
                         Initializer *tensor)
{
    char key[PATH_ROOM], value[PATH_ROOM], *end = value;
    TRY(read_pair(reader, field->bytes, key, value, PATH_ROOM));
    errno = 0;
    if (strcmp(key, "location") == 0) {
        strcpy(tensor->location, value);
    } else if (strcmp(key, "offset") == 0) {
        tensor->offset = strtoll(value, &end, 10);
    } else if (strcmp(key, "length") == 0) {
        tensor->length = strtoll(value, &end, 10);
        tensor->has_length = true;
    }
    if (errno || (end != value && *end) || tensor->offset < 0)
        return bad(reader,
                   "the place of elements in another file is no number");
    return status_ok();
}

static Status read_initializer(Reader *reader, Span message,
                               Initializer *tensor)
{
    Field field;
    while (message.at < message.end) {
        TRY(next_field(reader, &message, &field));
        switch (field.number) {
        case ONNX_TENSOR_DIMS:
            TRY(read_dims(reader, &field, tensor));
            break;
        case ONNX_TENSOR_DATA_TYPE:
            tensor->type = field.value;
            break;
        case ONNX_TENSOR_NAME:
            TRY(read_text(reader, &field, tensor->name, TENSOR_NAME,
                          "a name of 1024 bytes and more, or with a zero"));
            break;
        case ONNX_TENSOR_RAW_DATA:
        case ONNX_TENSOR_FLOAT_DATA:
        case ONNX_TENSOR_DOUBLE_DATA:
        case ONNX_TENSOR_INT32_DATA:
        case ONNX_TENSOR_INT64_DATA:
        case ONNX_TENSOR_UINT64_DATA:
            // The schema has them packed.
            if (!field.has_bytes || tensor->data_field)
                return bad(reader, "a tensor of it has elements in several "
                                   "fields");
            tensor->data_field = field.number;
            tensor->data = field.bytes;
            break;
        case ONNX_TENSOR_EXTERNAL_DATA:
            TRY(read_place(reader, &field, tensor));
            break;
        case ONNX_TENSOR_DATA_LOCATION:
            tensor->is_apart = field.value == ONNX_LOCATION_EXTERNAL;
            break;
        default:
            break;
        }
    }
    return status_ok();
}

// ---- elements ---------------------------------------------------------------

// A path that stays in the folder: relative, without "..".
static bool stays_inside(const char *path)
{
    if (!*path || *path == '/')
        return false;
    for (; *path; path += strcspn(path, "/"), path += *path == '/')
        if (strncmp(path, "..", 2) == 0 && (!path[2] || path[2] == '/'))
            return false;
    return true;
}

// The descriptor of a file beside the net's.
static Status open_data(Reader *reader, const Initializer *tensor, int *file)
{
    char path[2 * PATH_ROOM + 4096];
    const char *net = reader->file->path, *slash = strrchr(net, '/');
    for (int i = 0; i < reader->data_count; i++)
        if (strcmp(reader->data[i].name, tensor->location) == 0) {
            *file = reader->data[i].file;
            return status_ok();
        }
    if (!stays_inside(tensor->location))
        return bad_tensor(reader, tensor,
                          "would be read from outside of the net's folder");
    if (reader->data_count == DATA_FILES)
        return bad(reader, "its weights are in more than 1000 files");
    snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash + 1 - net) : 0,
             net, tensor->location);
    if (!file_exists(path))
        return status_error(STATUS_DATA,
                            "'%s' is missing, which has weights of '%s': copy "
                            "both",
                            path, net);
    TRY(tensors_add_file(reader->file, path, file));
    char *name = strdup(tensor->location);
    if (!name)
        return tensors_no_memory(reader->file);
    reader->data[reader->data_count++] = (struct DataFile){name, *file};
    return status_ok();
}

// Varints, of which the low bytes are the elements, into memory.
static Status decode(Reader *reader, const Initializer *tensor, uint8_t *out)
{
    const SafeTensor *to = &tensor->entry.tensor;
    int size = safe_dtype_bytes(to->dtype);
    int64_t at = tensor->data.at, end = tensor->data.end;
    const uint8_t *bytes;
    for (uint8_t *stop = out + to->bytes; out < stop; out += size) {
        int64_t most = end - at < 10 ? end - at : 10;
        TRY(look(reader, at, most, &bytes));
        ProtoReader varint = proto_reader(bytes, (uint64_t)most);
        uint64_t value = proto_varint(&varint);
        if (varint.bad)
            break;
        memcpy(out, &value, (size_t)size);
        at += varint.at - bytes;
        if (out + size == stop && at == end)
            return status_ok();
    }
    return bad_tensor(reader, tensor, "has another size than its shape");
}

static Status find_blob(Reader *reader, Initializer *tensor, int field,
                        TensorBlob *blob)
{
    SafeTensor *to = &tensor->entry.tensor;
    int64_t size = tensor->data.end - tensor->data.at;
    bool is_varints = tensor->data_field == ONNX_TENSOR_INT32_DATA ||
                      tensor->data_field == ONNX_TENSOR_INT64_DATA ||
                      tensor->data_field == ONNX_TENSOR_UINT64_DATA;
    *blob = (TensorBlob){.offset = tensor->data.at, .bytes = to->bytes};
    if (tensor->is_apart) {
        if (tensor->data_field ||
            (tensor->has_length && tensor->length != to->bytes))
            return bad_tensor(reader, tensor,
                              "has another size than its shape");
        blob->offset = tensor->offset;
        return open_data(reader, tensor, &blob->file);
    }
    if (tensor->data_field && tensor->data_field != ONNX_TENSOR_RAW_DATA &&
        tensor->data_field != field)
        return bad_tensor(reader, tensor, "has elements of another type");
    if (is_varints ? size < to->bytes / safe_dtype_bytes(to->dtype)
                   : size != to->bytes)
        return bad_tensor(reader, tensor, "has another size than its shape");
    if (!is_varints || !to->bytes)
        return status_ok();
    blob->memory = malloc((size_t)to->bytes);
    if (!blob->memory)
        return tensors_no_memory(reader->file);
    Status status = decode(reader, tensor, blob->memory);
    if (status.code != STATUS_OK)
        free(blob->memory);
    return status;
}

// Did an exporter make it of several tensors? Then it has another name:
// PyTorch's two exporters', and ours.
static bool is_folded(const char *name)
{
    static const char end[] = ".weight_bias";
    size_t length = strlen(name), tail = sizeof end - 1;
    return strncmp(name, "onnx::Conv_", 11) == 0 ||
           strncmp(name, "onnx::MatMul_", 13) == 0 ||
           strstr(name, ".folded_") != NULL ||
           (length > tail && strcmp(name + length - tail, end) == 0);
}

static Status add_initializer(Reader *reader, Span message)
{
    TensorFile *file = reader->file;
    Initializer tensor = {.data_field = 0};
    SafeTensor *to = &tensor.entry.tensor;
    TensorBlob blob;
    int type = 0;
    TRY(read_initializer(reader, message, &tensor));
    // What operations of simcc's own nets need beside weights.
    if (reader->ours && strncmp(tensor.name, "constant/", 9) == 0)
        return status_ok();
    while (type < TYPES && types[type].number != tensor.type)
        type++;
    if (type == TYPES)
        return bad_tensor(reader, &tensor,
                          "has elements of a type that is not read");
    to->dtype = types[type].dtype;
    if (!safe_tensor_bytes(to, &to->bytes))
        return bad_tensor(reader, &tensor, "has a size that is none");
    TRY(find_blob(reader, &tensor, types[type].field, &blob));
    Status status = tensors_add_blob(file, &blob, &tensor.entry.blob);
    if (status.code != STATUS_OK) {
        free(blob.memory);
        return status;
    }
    TRY(tensors_add(file, tensor.name, &tensor.entry));
    if (!file->folded && is_folded(tensor.name))
        file->folded = file->entries[file->count - 1].tensor.name;
    return status_ok();
}

// ---- the graph --------------------------------------------------------------

static Status read_initializers(Reader *reader)
{
    Span graph = reader->graph;
    Field field;
    while (graph.at < graph.end) {
        TRY(next_field(reader, &graph, &field));
        if (field.number == ONNX_GRAPH_SPARSE_INITIALIZER)
            return bad(reader, "it has sparse weights, which are not read");
        if (field.number == ONNX_GRAPH_INITIALIZER)
            TRY(add_initializer(reader, field.bytes));
    }
    return tensors_index(reader->file);
}

// Tensors that are equal PyTorch writes once; the others are results of the
// operation Identity, under their own names.
static Status add_copy(Reader *reader, Span node)
{
    char input[TENSOR_NAME] = "", output[TENSOR_NAME] = "", op[16] = "";
    Field field;
    while (node.at < node.end) {
        TRY(next_field(reader, &node, &field));
        // Names that are too long are no Identity's of a tensor that is here.
        int64_t size = field.bytes.end - field.bytes.at;
        if (field.number == ONNX_NODE_OP && size < (int64_t)sizeof op)
            TRY(read_text(reader, &field, op, sizeof op,
                          "a name in it has a zero"));
        if (field.number == ONNX_NODE_INPUT && size < TENSOR_NAME)
            TRY(read_text(reader, &field, input, TENSOR_NAME,
                          "a name in it has a zero"));
        if (field.number == ONNX_NODE_OUTPUT && size < TENSOR_NAME)
            TRY(read_text(reader, &field, output, TENSOR_NAME,
                          "a name in it has a zero"));
    }
    int from = strcmp(op, "Identity") == 0 && *output
                   ? tensors_find(reader->file, input)
                   : -1;
    if (from < 0)
        return status_ok();
    TensorEntry entry = reader->file->entries[from];
    return tensors_add(reader->file, output, &entry);
}

static Status read_copies(Reader *reader)
{
    Span graph = reader->graph;
    Field field;
    while (graph.at < graph.end) {
        TRY(next_field(reader, &graph, &field));
        if (field.number == ONNX_GRAPH_NODE)
            TRY(add_copy(reader, field.bytes));
    }
    return status_ok();
}

// ---- the model --------------------------------------------------------------

static Status add_meta(Reader *reader, Span message, char *key, char *value)
{
    TensorFile *file = reader->file;
    TRY(read_pair(reader, message, key, value, TEXT_LIMIT));
    SafeMeta *grown =
        realloc(file->metas, ((size_t)file->meta_count + 1) * sizeof *grown);
    if (!grown)
        return tensors_no_memory(file);
    file->metas = grown;
    SafeMeta *meta = &grown[file->meta_count++];
    *meta = (SafeMeta){strdup(key), strdup(value)};
    return meta->key && meta->value ? status_ok() : tensors_no_memory(file);
}

// Our own: program, phase, parameters, classes and more.
static Status read_metas(Reader *reader, Span model)
{
    Field field;
    char *key = malloc(TEXT_LIMIT), *value = malloc(TEXT_LIMIT);
    Status status =
        key && value ? status_ok() : tensors_no_memory(reader->file);
    while (model.at < model.end && status.code == STATUS_OK) {
        status = next_field(reader, &model, &field);
        if (status.code != STATUS_OK ||
            field.number != ONNX_MODEL_METADATA_PROPS)
            continue;
        status = reader->file->meta_count < META_LIMIT
                     ? add_meta(reader, field.bytes, key, value)
                     : bad(reader, "it has more than 64 metadata");
    }
    free(key);
    free(value);
    return status;
}

static Status read_model(Reader *reader, Span model)
{
    char producer[80] = "", version[80] = "";
    Span message = model;
    Field field;
    bool has_graph = false, has_opset = false;
    while (message.at < message.end) {
        TRY(next_field(reader, &message, &field));
        if (field.number == ONNX_MODEL_PRODUCER_NAME)
            TRY(read_text(reader, &field, producer, sizeof producer,
                          "its producer's name is too long"));
        if (field.number == ONNX_MODEL_PRODUCER_VERSION)
            TRY(read_text(reader, &field, version, sizeof version,
                          "its producer's version is too long"));
        has_opset = has_opset || field.number == ONNX_MODEL_OPSET_IMPORT;
        if (field.number != ONNX_MODEL_GRAPH)
            continue;
        if (has_graph || !field.has_bytes)
            return bad(reader, "it has no graph, or several");
        has_graph = true;
        reader->graph = field.bytes;
    }
    if (!has_graph)
        return bad(reader, "it has no graph, or several");
    // Exporters write it behind the graph.
    if (!has_opset)
        return bad(reader,
                   "it is cut off: no version of its operations is there");
    snprintf(reader->file->writer, sizeof reader->file->writer, "%s%s%s",
             producer, *producer && *version ? " " : "", version);
    reader->ours = strcmp(producer, "simcc") == 0;
    if (reader->ours)
        TRY(read_metas(reader, model));
    TRY(read_initializers(reader));
    TRY(tensors_check_overlaps(reader->file));
    return read_copies(reader);
}

Status onnx_open(TensorFile *file)
{
    Reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return tensors_no_memory(file);
    reader->file = file;
    file->format = "an ONNX net";
    Status status = read_model(reader, (Span){0, file->file_bytes[0]});
    for (int i = 0; i < reader->data_count; i++)
        free(reader->data[i].name);
    free(reader);
    return status;
}

bool onnx_begins(const uint8_t *start, int64_t size)
{
    // ir_version, a small number; then a field of those that come behind it.
    return size > 2 && start[0] == (ONNX_MODEL_IR_VERSION << 3) && start[1] &&
           start[1] < 128 && strchr("\x12\x1a\x22\x28\x32\x3a\x42", start[2]) &&
           start[2];
}
