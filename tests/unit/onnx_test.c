// What is written as ONNX, read back field by field as the published schema
// (onnx.proto) has them: structure, shapes, weights, names. onnxruntime
// computes such nets in tests/e2e/onnx_test.sh, where it is there.
#include <math.h>
#include <stdlib.h>

#include "codegen/codegen.h"
#include "frontend/cli/onnx_graph.h"
#include "ir/build.h"
#include "runtime/base/file.h"
#include "runtime/files/store_file.h"
#include "runtime/files/tensors.h"
#include "tests/harness.h"
#include "tests/images.h"

// ---- protobuf, read ---------------------------------------------------------

typedef struct Bytes {
    const uint8_t *at, *end;
} Bytes;

typedef struct Field {
    int number;
    uint64_t value; // of a varint, or of four bytes
    Bytes bytes;    // of a length
} Field;

static uint64_t read_varint(Bytes *from)
{
    uint64_t value = 0;
    for (int shift = 0; from->at < from->end && shift < 64; shift += 7) {
        uint8_t byte = *from->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            break;
    }
    return value;
}

// False at the end of the message, or where it is none.
static bool read_field(Bytes *from, Field *field)
{
    *field = (Field){0};
    if (from->at >= from->end)
        return false;
    uint64_t key = read_varint(from);
    size_t left = (size_t)(from->end - from->at);
    field->number = (int)(key >> 3);
    switch (key & 7) {
    case 0:
        field->value = read_varint(from);
        return true;
    case 2:
        field->value = read_varint(from);
        left = (size_t)(from->end - from->at);
        CHECK(field->value <= left);
        if (field->value > left)
            return false;
        field->bytes = (Bytes){from->at, from->at + field->value};
        from->at += field->value;
        return true;
    case 5:
        CHECK(left >= 4);
        if (left < 4)
            return false;
        memcpy(&field->value, from->at, 4);
        from->at += 4;
        return true;
    default:
        CHECK(!"a wire type that the schema has not");
        return false;
    }
}

// The n-th field of that number; at `end` where there is none.
static Field find(Bytes message, int number, int n)
{
    Field field;
    while (read_field(&message, &field))
        if (field.number == number && n-- == 0)
            return field;
    return (Field){0};
}

static int count_fields(Bytes message, int number)
{
    Field field;
    int count = 0;
    while (read_field(&message, &field))
        count += field.number == number;
    return count;
}

// Of a text field; in turns of a few buffers.
static const char *text_of(Bytes message, int number, int n)
{
    static char texts[8][256];
    static int turn;
    char *text = texts[turn++ % 8];
    Bytes bytes = find(message, number, n).bytes;
    size_t size = (size_t)(bytes.end - bytes.at);
    snprintf(text, sizeof texts[0], "%.*s", (int)size,
             size ? (const char *)bytes.at : "");
    return text;
}

// ---- a net ------------------------------------------------------------------

enum { IMAGES = 4, SIDE = 6, FILTERS = 5, CLASSES = 7 };

static Arena *arena;
static Store store;
static char *file;
static Bytes model, graph;

static Value param(Graph *g, const char *name, int rank, const int64_t *dims)
{
    return build_param(g, type_make(DT_F32, rank, dims), name, "weight",
                       "uniform", 1);
}

static Value spread(Graph *g, Value vector, Value like)
{
    const int64_t channels = 1;
    TensorType type = *graph_type(g, like);
    return build_broadcast(g, vector, type.rank, type.dims, &channels);
}

// Convolution, norm, relu, mean, dense: "logits" of "images".
static Graph *make_net(void)
{
    Graph *g = graph_new(arena, "p.logits");
    const int64_t vector[] = {FILTERS}, kernel[] = {FILTERS, 3, 3, 3},
                  matrix[] = {CLASSES, FILTERS}, scores[] = {CLASSES},
                  image[] = {IMAGES, 3, SIDE, SIDE}, over[] = {2, 3},
                  stride[] = {2, 2}, pad[] = {0, 0, 1, 1};
    Attr conv[MAX_ATTRS] = {
        [CONV_STRIDE] = {.ints = {2, stride}}, [CONV_PAD] = {.ints = {4, pad}}};
    Value images = build_input(g, type_make(DT_F32, 4, image), "images");
    Value inputs[] = {images, param(g, "conv.weight", 4, kernel)};
    Value x = graph_add(g, OP_CONV2D, 2, inputs, conv, NULL);
    CHECK(x != NO_VALUE);
    Value mean = param(g, "bn.running_mean", 1, vector);
    Value variance = param(g, "bn.running_var", 1, vector);
    Value gamma = param(g, "bn.weight", 1, vector);
    Value beta = param(g, "bn.bias", 1, vector);
    Value scale = build_binary(
        g, OP_MUL,
        build_unary(g, OP_RSQRT,
                    build_binary(g, OP_ADD, variance,
                                 build_const_like(g, variance, 1e-3))),
        gamma);
    x = build_binary(g, OP_SUB, x, spread(g, mean, x));
    x = build_binary(g, OP_MUL, x, spread(g, scale, x));
    x = build_binary(g, OP_ADD, x, spread(g, beta, x));
    x = build_reduce(g, OP_REDUCE_SUM, build_unary(g, OP_RELU, x), 2, over);
    x = build_binary(g, OP_MUL, x, build_const_like(g, x, 1.0 / 9));
    x = build_matmul(g, x, param(g, "fc.weight", 2, matrix), false, true);
    x = build_binary(g, OP_ADD, x,
                     spread(g, param(g, "fc.bias", 1, scores), x));
    graph_add_output(g, "logits", x);
    return g;
}

static float *numbers(const char *name)
{
    return store_find(&store, name)->data;
}

static void fill_store(const Graph *g)
{
    Plan plan = {0};
    codegen_list_params(g, &plan);
    CHECK_TEXT(store_add_plan(&store, &plan).text, "");
    plan_free(&plan);
    store_initialize(&store, 3);
    for (int c = 0; c < FILTERS && store_find(&store, "bn.running_var"); c++)
        numbers("bn.running_var")[c] = 1 + 0.1f * (float)c;
}

// Writes it, and reads the file.
static void write_net(const Graph *g, const OnnxOptions *options, bool apart)
{
    static const OnnxMeta metas[] = {{"phase", "p"}, {"classes", "a\nb"}};
    int64_t size = 0;
    OnnxModel net = {.name = "p.logits",
                     .producer_version = "1",
                     .meta_count = 2,
                     .metas = metas};
    fill_store(g);
    CHECK_TEXT(onnx_from_graph(g, &store, options, &net).text, "");
    CHECK_TEXT(onnx_write(test_path("net.onnx"), &net, apart).text, "");
    CHECK_TEXT(file_read(test_path("net.onnx"), 1 << 20, &file, &size).text,
               "");
    model = (Bytes){(uint8_t *)file, (uint8_t *)file + size};
    graph = find(model, 7, 0).bytes;
}

static void begin(void)
{
    arena = arena_new();
}

static void end(void)
{
    free(file);
    file = NULL;
    store_free(&store);
    arena_free(arena);
}

// ---- what is there ----------------------------------------------------------

static Bytes tensor_of(const char *name)
{
    for (int i = 0; i < count_fields(graph, 5); i++) {
        Bytes tensor = find(graph, 5, i).bytes;
        if (strcmp(text_of(tensor, 8, 0), name) == 0)
            return tensor;
    }
    test_fail(__FILE__, __LINE__, "there is no %s", name);
    return (Bytes){0};
}

static bool is_known(const char *text, int before)
{
    char name[256]; // text_of has its place again
    snprintf(name, sizeof name, "%s", text);
    bool known = strcmp(name, "images") == 0 || !*name; // left out
    for (int i = 0; i < before && !known; i++)
        known = strcmp(text_of(find(graph, 1, i).bytes, 2, 0), name) == 0;
    for (int i = 0; i < count_fields(graph, 5) && !known; i++)
        known = strcmp(text_of(find(graph, 5, i).bytes, 8, 0), name) == 0;
    return known;
}

// The operations in order; each reads what is there before it.
static void check_nodes(const char *want)
{
    char got[512] = "";
    for (int i = 0; i < count_fields(graph, 1); i++) {
        Bytes node = find(graph, 1, i).bytes;
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s",
                 i ? " " : "", text_of(node, 4, 0));
        CHECK(!is_known(text_of(node, 2, 0), i));
        CHECK_INT(count_fields(node, 2), 1);
        for (int k = 0; k < count_fields(node, 1); k++)
            CHECK(is_known(text_of(node, 1, k), i));
    }
    CHECK_TEXT(got, want);
}

// "pads=0,0,1,1" of all attributes of the n-th node.
static void check_attributes(int n, const char *want)
{
    char got[512] = "";
    Bytes node = find(graph, 1, n).bytes;
    for (int i = 0; i < count_fields(node, 5); i++) {
        Bytes attribute = find(node, 5, i).bytes;
        int type = (int)find(attribute, 20, 0).value;
        size_t used = strlen(got);
        used +=
            (size_t)snprintf(got + used, sizeof got - used,
                             "%s%s=", i ? " " : "", text_of(attribute, 1, 0));
        float real;
        memcpy(&real, &(uint32_t){(uint32_t)find(attribute, 2, 0).value}, 4);
        if (type == 1)
            snprintf(got + used, sizeof got - used, "%g", (double)real);
        if (type == 3)
            snprintf(got + used, sizeof got - used, "%s",
                     text_of(attribute, 4, 0));
        if (type == 2)
            snprintf(got + used, sizeof got - used, "%d",
                     (int)find(attribute, 3, 0).value);
        for (int k = 0; type == 7 && k < count_fields(attribute, 8); k++)
            used += (size_t)snprintf(got + used, sizeof got - used, "%s%d",
                                     k ? "," : "",
                                     (int)find(attribute, 8, k).value);
    }
    CHECK_TEXT(got, want);
}

// "images 1 [N,3,6,6]": name, element type, dims.
static void check_port(int number, const char *want)
{
    char got[128];
    Bytes port = find(graph, number, 0).bytes;
    Bytes tensor = find(find(port, 2, 0).bytes, 1, 0).bytes;
    Bytes shape = find(tensor, 2, 0).bytes;
    int used = snprintf(got, sizeof got, "%s %d [", text_of(port, 1, 0),
                        (int)find(tensor, 1, 0).value);
    for (int i = 0; i < count_fields(shape, 1); i++) {
        Bytes dim = find(shape, 1, i).bytes;
        used += snprintf(got + used, sizeof got - (size_t)used, "%s%s",
                         i ? "," : "", text_of(dim, 2, 0));
        if (count_fields(dim, 1))
            used += snprintf(got + used, sizeof got - (size_t)used, "%d",
                             (int)find(dim, 1, 0).value);
    }
    snprintf(got + used, sizeof got - (size_t)used, "]");
    CHECK_INT(count_fields(graph, number), 1);
    CHECK_TEXT(got, want);
}

// Its elements are these, within 1e-6.
static void check_tensor(const char *name, int64_t count, const float *want)
{
    Bytes tensor = tensor_of(name);
    Bytes raw = find(tensor, 9, 0).bytes;
    int64_t elements = 1;
    for (int i = 0; i < count_fields(tensor, 1); i++)
        elements *= (int64_t)find(tensor, 1, i).value;
    CHECK_INT(elements, count);
    CHECK_INT(find(tensor, 2, 0).value, ONNX_FLOAT);
    CHECK_INT(raw.end - raw.at, 4 * count);
    for (int64_t i = 0; raw.end - raw.at == 4 * count && i < count; i++) {
        float got;
        memcpy(&got, raw.at + 4 * i, 4);
        CHECK_NEAR(got, want[i], 1e-6);
    }
}

TEST(onnx_file_has_the_schemas_fields)
{
    begin();
    write_net(make_net(), &(OnnxOptions){0}, false);
    CHECK_INT(find(model, 1, 0).value, 7);
    CHECK_TEXT(text_of(model, 2, 0), "simcc");
    CHECK_INT(count_fields(model, 8), 1);
    CHECK_TEXT(text_of(find(model, 8, 0).bytes, 1, 0), "");
    CHECK_INT(find(find(model, 8, 0).bytes, 2, 0).value, 13);
    CHECK_TEXT(text_of(find(model, 14, 1).bytes, 1, 0), "classes");
    CHECK_TEXT(text_of(find(model, 14, 1).bytes, 2, 0), "a\nb");
    CHECK_TEXT(text_of(graph, 2, 0), "p.logits");
    check_port(11, "images 1 [N,3,6,6]");
    check_port(12, "logits 1 [N,7]");
    check_nodes("Conv BatchNormalization Relu ReduceSum Mul Gemm Identity");
    check_attributes(0, "kernel_shape=3,3 strides=2,2 pads=0,0,1,1 "
                        "dilations=1,1 group=1");
    check_attributes(1, "epsilon=0.001");
    check_attributes(3, "keepdims=0");
    check_attributes(5, "transA=0 transB=1");
    check_tensor("conv.weight", FILTERS * 27, numbers("conv.weight"));
    check_tensor("bn.running_var", FILTERS, numbers("bn.running_var"));
    check_tensor("fc.weight", CLASSES * FILTERS, numbers("fc.weight"));
    check_tensor("fc.bias", CLASSES, numbers("fc.bias"));
    end();
}

// The reader of weights has all params bit for bit, and nothing else.
TEST(onnx_weights_come_back)
{
    for (int apart = 0; apart < 2; apart++) {
        TensorFile *back = NULL;
        begin();
        Graph *g = make_net();
        write_net(g, &(OnnxOptions){.bytes = true}, apart);
        CHECK_TEXT(tensors_open(test_path("net.onnx"), &back).text, "");
        CHECK_INT(tensors_count(back), store.count);
        for (int i = 0; i < store.count; i++) {
            const PlanTensor *want = &store.tensors[i].param.tensor;
            int at = tensors_find(back, want->name);
            CHECK(at >= 0);
            const SafeTensor *tensor = tensors_at(back, at);
            CHECK_INT(tensor->dtype, SAFE_F32);
            CHECK(store_same_shape(want, tensor->rank, tensor->dims));
            void *got = malloc((size_t)tensor->bytes);
            CHECK_TEXT(tensors_read(back, at, got).text, "");
            CHECK(memcmp(got, store.tensors[i].data, (size_t)want->bytes) == 0);
            free(got);
        }
        CHECK_TEXT(tensors_meta(back, "classes"), "a\nb");
        CHECK_TEXT(tensors_writer(back), "simcc 1");
        tensors_close(back);
        end();
    }
}

// Images of other sizes, a transposed convolution of them with a bias, and rows
// of an image that look at each other.
TEST(onnx_writes_resizes_and_attention)
{
    const int64_t image[] = {IMAGES, 3, SIDE, SIDE}, kernel[] = {3, 1, 2, 2},
                  channel[] = {1}, size[] = {4, 5}, stride[] = {2, 2},
                  pad[] = {0, 0, 0, 0}, made[] = {IMAGES, 1, 9, 10},
                  rows[] = {IMAGES, 9, 10}, start[] = {0, 0, 0};
    begin();
    Graph *g = graph_new(arena, "p.logits");
    Attr resize[MAX_ATTRS] = {[RESIZE_SIZE] = {.ints = {2, size}},
                              [RESIZE_MODE] = {.text = "bilinear"}};
    Attr conv[MAX_ATTRS] = {[CONV_STRIDE] = {.ints = {2, stride}},
                            [CONV_PAD] = {.ints = {4, pad}},
                            [CONV_DIMS] = {.ints = {4, made}}};
    Attr scale[MAX_ATTRS] = {[SCALE_SCALE] = {.f = 0.5}};
    Value x = build_input(g, type_make(DT_F32, 4, image), "images");
    x = graph_add(g, OP_RESIZE, 1, &x, resize, NULL);
    Value inputs[] = {param(g, "up.weight", 4, kernel), x};
    x = graph_add(g, OP_CONV2D_GRAD_X, 2, inputs, conv, NULL);
    x = build_binary(g, OP_ADD, x,
                     spread(g, param(g, "up.bias", 1, channel), x));
    x = build_reshape(g, x, 3, rows);
    Value same[] = {x, x, x};
    x = graph_add(g, OP_ATTENTION, 3, same, scale, NULL);
    graph_add_output(g, "logits", build_slice(g, x, start, rows));
    write_net(g, &(OnnxOptions){0}, false);
    check_nodes("Shape Slice Concat Resize ConvTranspose Reshape Transpose "
                "MatMul Mul Softmax MatMul Identity");
    check_attributes(3, "mode=linear "
                        "coordinate_transformation_mode=half_pixel");
    check_attributes(4, "kernel_shape=2,2 strides=2,2 pads=0,0,0,0 "
                        "dilations=1,1 group=1 output_padding=1,0");
    check_attributes(6, "perm=0,2,1");
    check_attributes(9, "axis=2");
    CHECK_INT(count_fields(find(graph, 1, 4).bytes, 1), 3);
    check_port(12, "logits 1 [N,9,10]");
    end();
}

// Weights and bias of a folded norm are those of (w x - mean) scale + beta.
TEST(onnx_folds_norms_into_weights)
{
    float weights[FILTERS * 27], bias[FILTERS];
    begin();
    write_net(make_net(), &(OnnxOptions){.fold = true}, false);
    check_nodes("Conv Relu ReduceSum Mul Gemm Identity");
    for (int c = 0; c < FILTERS; c++) {
        double scale = (double)numbers("bn.weight")[c] /
                       sqrt((double)numbers("bn.running_var")[c] + 1e-3);
        bias[c] = (float)((double)numbers("bn.bias")[c] -
                          scale * (double)numbers("bn.running_mean")[c]);
        for (int i = 0; i < 27; i++)
            weights[27 * c + i] =
                (float)(scale * (double)numbers("conv.weight")[27 * c + i]);
    }
    Bytes conv = find(graph, 1, 0).bytes;
    CHECK_INT(count_fields(conv, 1), 3);
    check_tensor(text_of(conv, 1, 1), FILTERS * 27, weights);
    check_tensor(text_of(conv, 1, 2), FILTERS, bias);
    Bytes dense = find(graph, 1, 4).bytes;
    check_tensor(text_of(dense, 1, 1), CLASSES * FILTERS, numbers("fc.weight"));
    check_tensor(text_of(dense, 1, 2), CLASSES, numbers("fc.bias"));
    end();
}

TEST(onnx_takes_bytes_of_pixels)
{
    begin();
    write_net(make_net(), &(OnnxOptions){.bytes = true}, false);
    check_port(11, "images 2 [N,6,6,3]");
    check_nodes("Cast Mul Transpose Conv BatchNormalization Relu ReduceSum Mul "
                "Gemm Identity");
    check_attributes(0, "to=1");
    check_attributes(2, "perm=0,3,1,2");
    end();
}

// Tensors of a kilobyte or more, at whole pages of the file beside it.
TEST(onnx_weights_in_a_file_of_their_own)
{
    char *data = NULL;
    int64_t size = 0, filters = 512;
    begin();
    Graph *g = graph_new(arena, "p.h");
    const int64_t image[] = {IMAGES, 3, SIDE, SIDE},
                  point[] = {filters, 3, 1, 1},
                  less[] = {FILTERS, filters, 1, 1};
    const int64_t stride[] = {1, 1}, pad[] = {0, 0, 0, 0};
    Attr conv[MAX_ATTRS] = {
        [CONV_STRIDE] = {.ints = {2, stride}}, [CONV_PAD] = {.ints = {4, pad}}};
    Value x = build_input(g, type_make(DT_F32, 4, image), "images");
    Value first[] = {x, param(g, "a.weight", 4, point)};
    x = graph_add(g, OP_CONV2D, 2, first, conv, NULL);
    Value second[] = {x, param(g, "b.weight", 4, less)};
    graph_add_output(g, "h", graph_add(g, OP_CONV2D, 2, second, conv, NULL));
    Plan plan = {0};
    codegen_list_params(g, &plan);
    CHECK_TEXT(store_add_plan(&store, &plan).text, "");
    plan_free(&plan);
    store_initialize(&store, 3);
    OnnxModel net = {.name = "p.h", .producer_version = "1"};
    CHECK_TEXT(onnx_from_graph(g, &store, &(OnnxOptions){0}, &net).text, "");
    CHECK_TEXT(onnx_write(test_path("net.onnx"), &net, true).text, "");
    CHECK_TEXT(file_read(test_path("net.onnx"), 1 << 20, &file, &size).text,
               "");
    model = (Bytes){(uint8_t *)file, (uint8_t *)file + size};
    graph = find(model, 7, 0).bytes;
    CHECK_TEXT(
        file_read(test_path("net.onnx.data"), 1 << 20, &data, &size).text, "");
    static const char *const names[] = {"a.weight", "b.weight"};
    static const char *const offsets[] = {"0", "8192"};
    int64_t bytes[] = {4 * filters * 3, 4 * FILTERS * filters};
    for (int i = 0; i < 2; i++) {
        char length[32];
        Bytes tensor = tensor_of(names[i]);
        snprintf(length, sizeof length, "%lld", (long long)bytes[i]);
        CHECK_INT(count_fields(tensor, 9), 0);
        CHECK_INT(find(tensor, 14, 0).value, 1);
        CHECK_TEXT(text_of(find(tensor, 13, 0).bytes, 1, 0), "location");
        CHECK_TEXT(text_of(find(tensor, 13, 0).bytes, 2, 0), "net.onnx.data");
        CHECK_TEXT(text_of(find(tensor, 13, 1).bytes, 2, 0), offsets[i]);
        CHECK_TEXT(text_of(find(tensor, 13, 2).bytes, 2, 0), length);
        int64_t offset = strtoll(offsets[i], NULL, 10);
        CHECK(offset + bytes[i] <= size);
        if (offset + bytes[i] <= size)
            CHECK(memcmp(data + offset, numbers(names[i]), (size_t)bytes[i]) ==
                  0);
    }
    free(data);
    end();
}

// A protobuf message has less than 2 GiB; nothing is read of what is too large.
TEST(onnx_larger_nets_need_that_file)
{
    OnnxTensor tensor = {.name = "w",
                         .type = ONNX_FLOAT,
                         .rank = 1,
                         .dims = {(int64_t)1 << 30},
                         .bytes = (int64_t)1 << 32};
    OnnxModel net = {.name = "p.h",
                     .producer_version = "1",
                     .tensor_count = 1,
                     .tensors = &tensor,
                     .input = {.name = "images"},
                     .output = {.name = "h"}};
    CHECK(onnx_needs_data_file(&net));
    Status status = onnx_write(test_path("large.onnx"), &net, false);
    CHECK_INT(status.code, STATUS_USAGE);
    CHECK(strstr(status.text, "--external"));
    CHECK(!file_exists(test_path("large.onnx")));
    tensor.bytes = 4;
    CHECK(!onnx_needs_data_file(&net));
}

// What joins images cannot have as many as one likes.
TEST(onnx_refuses_what_joins_images)
{
    begin();
    Graph *g = make_net();
    Value logits = g->outputs.at[0].value;
    OnnxModel net = {0};
    g->outputs.at[0].value = build_matmul(g, logits, logits, false, true);
    fill_store(g);
    Status status = onnx_from_graph(g, &store, &(OnnxOptions){0}, &net);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK_TEXT(status.text,
               "the product @ cannot be written as ONNX: it joins each "
               "image with each other");
    end();
}
