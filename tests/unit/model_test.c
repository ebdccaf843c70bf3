// Weights in and out: what differs from a program, names and types of other
// programs, arrays for NumPy.
#include "runtime/files/convert.h"
#include "runtime/files/model.h"
#include "runtime/files/npy.h"
#include "tests/harness.h"

#include <stdlib.h>

static const char *path_of(const char *file)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/%s", test_folder(), file);
    return path;
}

static PlanParam param(const char *name, int32_t role, int64_t rows)
{
    PlanParam made = {.role = role};
    made.tensor = (PlanTensor){(char *)name, PLAN_F32, 1, {rows}, rows * 4};
    return made;
}

// ---- reports ----------------------------------------------------------------

// A file with extra, missing and other tensors than the plan below.
static void write_model(const char *path)
{
    static const float numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const int64_t counter[1] = {3};
    SafeTensor tensors[] = {
        {"a.weight", SAFE_F32, 1, {2}, 8, numbers, 0},
        {"b.weight", SAFE_F32, 1, {3}, 12, numbers, 0},
        {"b.extra", SAFE_F32, 1, {1}, 4, numbers, 0},
        {"z.extra", SAFE_F32, 1, {1}, 4, numbers, 0},
        {"b.num_batches_tracked", SAFE_I64, 0, {0}, 8, counter, 0},
        {"optimizer.a.weight.v", SAFE_F32, 1, {2}, 8, numbers, 0},
    };
    SafeMeta metas[] = {{"parameters", "depth = 18\nwidth = 1\nold = 5\n"},
                        {"classes", "cat\ndog"}};
    CHECK_INT(safetensors_write(path, 6, tensors, 2, metas).code, STATUS_OK);
}

TEST(model_report_says_what_differs)
{
    PlanParam params[] = {
        param("a.weight", PLAN_WEIGHT, 2), param("b.weight", PLAN_WEIGHT, 4),
        param("c.mean", PLAN_STATE, 5), param("a.weight.v", PLAN_SLOT, 2),
        param("teacher.a", PLAN_FROZEN, 2)};
    Plan plan = {.params = params, .param_count = 5};
    ModelReport report;
    char text[MODEL_TEXT], sentence[300];
    const char *path = path_of("m.safetensors");
    write_model(path);
    Status status =
        model_compare(path, &plan, "depth = 18\nwidth = 2\nnew = 1\n", &report);
    CHECK_TEXT(status.text, "");
    CHECK(!model_agrees(&report));
    CHECK_INT(report.strange, 1); // b.extra: the program has a module b
    model_report_table(&report, text);
    CHECK_TEXT(text,
               "     1 tensor matches\n"
               "     1 num_batches_tracked ignored\n"
               "     1 missing: in the program, not in the file\n"
               "           c.mean  [5]\n"
               "     2 extra: in the file, not in the program\n"
               "           b.extra  [1]\n"
               "           z.extra  [1]\n"
               "     1 of another shape\n"
               "           b.weight  [3] in the file, [4] in the program\n"
               "     1 parameter differs\n"
               "           width = 1 in the file, 2 here");
    model_report_sentence(&report, sentence, sizeof sentence);
    CHECK_TEXT(sentence,
               "1 tensor missing in it (c.mean); 2 tensors extra in it "
               "(b.extra, ...); 1 tensor of another shape (b.weight  [3] in "
               "the file, [4] in the program)");
}

TEST(model_report_lists_ten_of_a_kind)
{
    enum { COUNT = 300 };
    PlanParam params[COUNT];
    char names[COUNT][240], text[MODEL_TEXT];
    ModelReport report;
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "%0200d", i);
        params[i] = param(names[i], PLAN_WEIGHT, 1);
    }
    Plan plan = {.params = params, .param_count = COUNT};
    const char *path = path_of("m.safetensors");
    write_model(path);
    CHECK_INT(model_compare(path, &plan, NULL, &report).code, STATUS_OK);
    CHECK_INT(report.counts[MODEL_MISSING], COUNT);
    model_report_table(&report, text);
    CHECK(strstr(text, "and 290 more") != NULL);
    int lines = 1;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    CHECK_INT(lines, 1 + 1 + (1 + 10 + 1) + (1 + 4) + 1);
}

TEST(model_tells_its_parameters_and_classes)
{
    char value[32], *classes, *lines;
    const char *path = path_of("m.safetensors");
    write_model(path);
    CHECK_INT(model_parameters(path, &lines).code, STATUS_OK);
    model_parameter(lines, "width", value, 32);
    CHECK_TEXT(value, "1");
    model_parameter(lines, "wid", value, 32);
    CHECK_TEXT(value, "");
    model_parameter(NULL, "width", value, 32);
    CHECK_TEXT(value, "");
    free(lines);
    CHECK_INT(model_classes(path, &classes).code, STATUS_OK);
    CHECK_TEXT(classes, "cat\ndog");
    free(classes);
    CHECK(model_parameters("/nowhere/x", &lines).code != STATUS_OK);
}

// ---- names and types of others ----------------------------------------------

TEST(renames_take_the_first_line_that_fits)
{
    static const char text[] = "# theirs -> ours\n"
                               "module.encoder. ->\n"
                               "module.head.old -> module.x\r\n"
                               "\n"
                               "  module. -> my.   # the rest\n"
                               "classifier.->fc.";
    static const char *const names[][2] = {
        {"module.encoder.conv1.weight", "conv1.weight"},
        {"module.head.old.bias", "module.x.bias"},
        {"module.a", "my.a"},
        {"classifier.bias", "fc.bias"},
        {"conv1.weight", "conv1.weight"},
    };
    Renames renames;
    const char *path = path_of("map");
    CHECK_INT(file_write(path, text, sizeof text - 1).code, STATUS_OK);
    CHECK_TEXT(renames_read(path, &renames).text, "");
    for (int i = 0; i < 5; i++) {
        char *name = renames_apply(&renames, names[i][0], NULL);
        CHECK_TEXT(name, names[i][1]);
        free(name);
    }
    renames_free(&renames);
    CHECK_INT(file_write(path, "a -> b\nc d\n", 11).code, STATUS_OK);
    Status status = renames_read(path, &renames);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "map:2:") != NULL);
}

// Their convolution [1,2,2,3] and dense layer [2,3], in TensorFlow's order.
TEST(model_takes_weights_in_tensorflows_order)
{
    static const char map[] = "base/conv2d/kernel -> conv1.weight : hwio\n"
                              "base/dense/kernel -> fc.weight:io # dense\n"
                              "base/dense/bias -> fc.bias\n";
    float numbers[12];
    for (int i = 0; i < 12; i++)
        numbers[i] = (float)i;
    SafeTensor tensors[] = {
        {"base/conv2d/kernel", SAFE_F32, 4, {1, 2, 2, 3}, 48, numbers, 0},
        {"base/conv2d/kernel/Momentum", SAFE_F32, 1, {1}, 4, numbers, 0},
        {"ema/conv2d/kernel", SAFE_F32, 4, {1, 2, 2, 3}, 48, numbers, 0},
        {"base/dense/kernel", SAFE_F32, 2, {2, 3}, 24, numbers, 0},
        {"base/dense/bias", SAFE_F32, 1, {3}, 12, numbers, 0}};
    PlanParam params[] = {
        {.role = PLAN_WEIGHT,
         .tensor = {"conv1.weight", PLAN_F64, 4, {3, 2, 1, 2}, 96}},
        {.role = PLAN_WEIGHT, .tensor = {"fc.weight", PLAN_F64, 2, {3, 2}, 48}},
        {.role = PLAN_WEIGHT, .tensor = {"fc.bias", PLAN_F64, 1, {3}, 24}}};
    Plan plan = {.params = params, .param_count = 3};
    Store store = {0};
    Renames renames;
    ModelReport report;
    ModelFilter filter = {.role = PLAN_WEIGHT, .renames = &renames};
    CHECK_INT(store_add_plan(&store, &plan).code, STATUS_OK);
    CHECK_INT(file_write(path_of("map"), map, sizeof map - 1).code, STATUS_OK);
    CHECK_TEXT(renames_read(path_of("map"), &renames).text, "");
    CHECK_INT(safetensors_write(path_of("tf"), 5, tensors, 0, NULL).code,
              STATUS_OK);
    CHECK_TEXT(model_load(path_of("tf"), &store, &filter, &report).text, "");
    CHECK_INT(report.matched, 3);
    CHECK_INT(report.counts[MODEL_EXTRA], 2);
    const double *conv = store_find(&store, "conv1.weight")->data;
    const double *dense = store_find(&store, "fc.weight")->data;
    for (int o = 0; o < 3; o++)
        for (int i = 0; i < 2; i++) {
            CHECK(dense[2 * o + i] == 3 * i + o);
            for (int w = 0; w < 2; w++)
                CHECK(conv[4 * o + 2 * i + w] == 6 * w + 3 * i + o);
        }
    renames_free(&renames);
    store_free(&store);
    CHECK_INT(file_write(path_of("map"), "a -> b : oihw\n", 14).code,
              STATUS_OK);
    CHECK(strstr(renames_read(path_of("map"), &renames).text, "map:1:") !=
          NULL);
}

TEST(model_refuses_two_tensors_of_one_name)
{
    PlanParam one = param("b.weight", PLAN_WEIGHT, 3);
    Plan plan = {.params = &one, .param_count = 1};
    Store store = {0};
    Renames renames;
    ModelReport report;
    ModelFilter filter = {.role = PLAN_WEIGHT, .renames = &renames};
    CHECK_INT(store_add_plan(&store, &plan).code, STATUS_OK);
    CHECK_INT(file_write(path_of("map"), "a. -> b.\n", 9).code, STATUS_OK);
    CHECK_TEXT(renames_read(path_of("map"), &renames).text, "");
    write_model(path_of("m.safetensors"));
    Status status =
        model_load(path_of("m.safetensors"), &store, &filter, &report);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "b.weight") != NULL);
    renames_free(&renames);
    store_free(&store);
}

TEST(convert_reads_every_float)
{
    // 1, -2, the largest, the smallest normal, the smallest of all, -0.
    const uint16_t half[] = {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000};
    const double halves[] = {1, -2, 65504, 0x1p-14, 0x1p-24, -0.0};
    const uint16_t brain[] = {0x3f80, 0xc000, 0x7f7f, 0x0080, 0x0001, 0x8000};
    const double brains[] = {1, -2, 0x1.fep127, 0x1p-126, 0x1p-133, -0.0};
    double out[6];
    float single[6];
    convert_elements(SAFE_F16, half, PLAN_F64, out, 6);
    for (int i = 0; i < 6; i++)
        CHECK(out[i] == halves[i] && signbit(out[i]) == signbit(halves[i]));
    convert_elements(SAFE_BF16, brain, PLAN_F32, single, 6);
    for (int i = 0; i < 6; i++)
        CHECK(single[i] == brains[i]);
    convert_elements(SAFE_F64, (double[]){1 + 0x1p-30}, PLAN_F32, single, 1);
    CHECK(single[0] == 1);
    convert_elements(SAFE_F16, (uint16_t[]){0x7c00, 0xfc00, 0x7e00}, PLAN_F32,
                     single, 3);
    CHECK(single[0] == INFINITY && single[1] == -INFINITY && isnan(single[2]));
    CHECK(convert_can(SAFE_BF16, PLAN_F32));
    CHECK(!convert_can(SAFE_I64, PLAN_F32));
    CHECK(!convert_can(SAFE_F32, PLAN_BOOL));
}

// ---- arrays -----------------------------------------------------------------

TEST(npy_has_the_bytes_numpy_writes)
{
    static const char header[] = "\x93NUMPY\x01\x00\x76\x00"
                                 "{'descr': '<f4', 'fortran_order': False, "
                                 "'shape': (3, 2,), }";
    FileWriter writer;
    int64_t dims[] = {3, 2}, size;
    float numbers[6] = {1, 2, 3, 4, 5, 6};
    char *bytes;
    const char *path = path_of("x.npy");
    CHECK_INT(npy_begin(&writer, path, PLAN_F32, 2, dims).code, STATUS_OK);
    file_put(&writer, numbers, sizeof numbers);
    CHECK_INT(file_commit(&writer).code, STATUS_OK);
    CHECK_INT(file_read(path, 1000, &bytes, &size).code, STATUS_OK);
    CHECK_INT(size, 128 + 24);
    CHECK(memcmp(bytes, header, sizeof header - 1) == 0);
    for (int i = (int)sizeof header - 1; i < 127; i++)
        CHECK(bytes[i] == ' ');
    CHECK(bytes[127] == '\n');
    CHECK(memcmp(bytes + 128, numbers, 24) == 0);
    free(bytes);

    // Six long dims: two blocks more, still whole ones.
    int64_t large[] = {INT64_MAX, INT64_MAX, INT64_MAX, 1, 1, 1};
    CHECK_INT(npy_begin(&writer, path, PLAN_F64, 6, large).code, STATUS_OK);
    CHECK_INT(file_commit(&writer).code, STATUS_OK);
    CHECK_INT(file_read(path, 1000, &bytes, &size).code, STATUS_OK);
    CHECK_INT(size % 64, 0);
    CHECK_INT((unsigned char)bytes[8], size - 10);
    CHECK(strstr(bytes + 10, "'<f8'") && bytes[size - 1] == '\n');
    free(bytes);
}
