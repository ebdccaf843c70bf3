// Which ResNet a file holds, for every published size: names and shapes alone,
// so the elements are a hole in the file.
#include <stdlib.h>
#include <unistd.h>

#include "runtime/files/model.h"
#include "tests/harness.h"

typedef struct Sketch {
    FILE *file;
    const char *before; // of every name
    int count;
    int64_t at; // bytes of elements so far
} Sketch;

static void put(Sketch *sketch, int rank, const int64_t *dims,
                const char *block, const char *name)
{
    int64_t bytes = 4;
    fprintf(sketch->file, "%s\"%s%s%s\":{\"dtype\":\"F32\",\"shape\":[",
            sketch->count++ ? "," : "{", sketch->before, block, name);
    for (int i = 0; i < rank; i++) {
        fprintf(sketch->file, "%s%lld", i ? "," : "", (long long)dims[i]);
        bytes *= dims[i];
    }
    fprintf(sketch->file, "],\"data_offsets\":[%lld,%lld]}",
            (long long)sketch->at, (long long)(sketch->at + bytes));
    sketch->at += bytes;
}

static void put_pair(Sketch *sketch, const char *block, const char *conv,
                     const char *norm, int64_t out, int64_t in, int window)
{
    static const char *const leaves[] = {"weight", "bias", "running_mean",
                                         "running_var"};
    char name[80];
    snprintf(name, sizeof name, "%s.weight", conv);
    put(sketch, 4, (int64_t[]){out, in, window, window}, block, name);
    for (int i = 0; norm && i < 4; i++) {
        snprintf(name, sizeof name, "%s.%s", norm, leaves[i]);
        put(sketch, 1, &out, block, name);
    }
}

static void put_block(Sketch *sketch, const char *block, int depth,
                      int64_t filters, int64_t in, bool project, bool sk)
{
    int64_t out = depth < 50 ? filters : 4 * filters;
    if (project)
        put_pair(sketch, block, "downsample.0", "downsample.1", out, in, 1);
    put_pair(sketch, block, "conv1", "bn1", filters, in, depth < 50 ? 3 : 1);
    if (sk) {
        int64_t middle = filters / 16 > 32 ? filters / 16 : 32;
        put_pair(sketch, block, "sk.conv", "sk.bn", 2 * filters, filters, 3);
        put_pair(sketch, block, "sk.mix.0", "sk.mix.1", middle, filters, 1);
        put_pair(sketch, block, "sk.mix.3", NULL, 2 * filters, middle, 1);
    } else {
        put_pair(sketch, block, "conv2", "bn2", filters, filters, 3);
    }
    if (depth >= 50)
        put_pair(sketch, block, "conv3", "bn3", out, filters, 1);
}

static void put_net(Sketch *sketch, int depth, int width, bool sk,
                    bool project_first, const int blocks[4])
{
    int64_t filters = 64 * width, in = filters;
    if (sk) {
        put_pair(sketch, "", "conv1.0", "conv1.1", filters / 2, 3, 3);
        put_pair(sketch, "", "conv1.3", "conv1.4", filters / 2, filters / 2, 3);
        put_pair(sketch, "", "conv1.6", "bn1", filters, filters / 2, 3);
    } else {
        put_pair(sketch, "", "conv1", "bn1", filters, 3, 7);
    }
    for (int g = 0; g < 4; g++)
        for (int i = 0; i < blocks[g]; i++) {
            char block[32];
            snprintf(block, sizeof block, "layer%d.%d.", g + 1, i);
            put_block(sketch, block, depth, filters << g, in,
                      i == 0 && (g > 0 || project_first || depth >= 50), sk);
            in = (filters << g) * (depth < 50 ? 1 : 4);
        }
    put(sketch, 2, (int64_t[]){1000, in}, "", "fc.weight");
    put(sketch, 1, (int64_t[]){1000}, "", "fc.bias");
}

static char *lines_of(int depth, int width, bool sk, bool project_first,
                      const int blocks[4], const char *before)
{
    char path[500], *text = NULL, *lines = NULL;
    size_t size = 0;
    Sketch sketch = {open_memstream(&text, &size), before, 0, 0};
    put_net(&sketch, depth, width, sk, project_first, blocks);
    fputs("}", sketch.file);
    fclose(sketch.file);
    snprintf(path, sizeof path, "%s/net.safetensors", test_folder());
    FILE *file = fopen(path, "wb");
    uint64_t header = size;
    fwrite(&header, 8, 1, file);
    fwrite(text, 1, size, file);
    fclose(file);
    free(text);
    CHECK_INT(truncate(path, (off_t)(8 + size) + sketch.at), 0);
    CHECK_TEXT(model_parameters(path, &lines).text, "");
    unlink(path);
    return lines;
}

static void check_value(const char *lines, const char *name, const char *want)
{
    char value[64];
    model_parameter(lines, name, value, sizeof value);
    CHECK_TEXT(value, want);
}

TEST(recognizes_every_published_size)
{
    static const struct {
        int depth, blocks[4];
    } sizes[] = {{18, {2, 2, 2, 2}},   {34, {3, 4, 6, 3}},
                 {50, {3, 4, 6, 3}},   {101, {3, 4, 23, 3}},
                 {152, {3, 8, 36, 3}}, {200, {3, 24, 36, 3}}};
    for (int i = 0; i < 6; i++)
        for (int width = 1; width <= 3; width++)
            for (int sk = 0; sk < 2; sk++) {
                char number[16];
                int depth = sizes[i].depth;
                if (sk && depth < 50)
                    continue;
                char *lines = lines_of(depth, width, sk, false, sizes[i].blocks,
                                       "state_dict.module.");
                snprintf(number, sizeof number, "%d", depth);
                check_value(lines, "depth", number);
                snprintf(number, sizeof number, "%d", width);
                check_value(lines, "width", number);
                check_value(lines, "sk_ratio", sk ? "0.0625" : "0.0");
                check_value(lines, "first_projection",
                            depth < 50 ? "false" : "true");
                check_value(lines, "classes", "1000");
                free(lines);
            }
}

// Other blocks than any published net's, or windows, say nothing.
TEST(recognizes_nothing_else)
{
    CHECK(lines_of(50, 1, false, true, (const int[]){3, 4, 7, 3}, "") == NULL);
    CHECK(lines_of(18, 1, false, true, (const int[]){2, 2, 2, 1}, "") == NULL);
}
