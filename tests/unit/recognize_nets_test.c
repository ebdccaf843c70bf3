// Which of the library's nets beside ResNet a file holds, for each of them:
// files of its names and shapes alone, so the elements are a hole.
#include <stdlib.h>
#include <unistd.h>

#include "frontend/lang/experiment.h"
#include "runtime/files/model.h"
#include "tests/harness.h"

// The forward graph of simclrv2.net's supervised phase with that encoder.
static const Graph *load_net(Arena *arena, const char *name)
{
    Setting settings[] = {{"encoder", name, false},
                          {"classes", "7", false},
                          {"image_size", "64", false},
                          {"supervised.batch", "2", false}};
    DiagList diags = diag_list_new(arena);
    LangOptions options = {
        .dtype = DT_F32, .ranks = 1, .setting_count = 4, .settings = settings};
    Experiment *e = lang_load(arena, "models/simclrv2.net", &options, &diags);
    for (int i = 0; e && i < e->phases.count; i++)
        if (strcmp(e->phases.at[i].name, "supervised") == 0)
            return e->phases.at[i].forward;
    test_fail(__FILE__, __LINE__, "%s does not elaborate", name);
    exit(1);
}

// A safetensors file of the graph's weights and states under `root`, without
// the tensor `missing`, which may be NULL.
static void write_sketch(const char *path, const Graph *graph, const char *root,
                         const char *missing)
{
    char *text = NULL;
    size_t size = 0;
    int64_t at = 0;
    FILE *head = open_memstream(&text, &size);
    int count = 0;
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op != OP_PARAM ||
            (missing && strcmp(node->attrs[PARAM_NAME].text, missing) == 0))
            continue;
        int64_t bytes = 4 * type_elements(&node->type);
        fprintf(head, "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[",
                count++ ? "," : "{", root, node->attrs[PARAM_NAME].text);
        for (int d = 0; d < node->type.rank; d++)
            fprintf(head, "%s%lld", d ? "," : "",
                    (long long)node->type.dims[d]);
        fprintf(head, "],\"data_offsets\":[%lld,%lld]}", (long long)at,
                (long long)(at + bytes));
        at += bytes;
    }
    fputs("}", head);
    fclose(head);
    FILE *file = fopen(path, "wb");
    uint64_t header = size;
    fwrite(&header, 8, 1, file);
    fwrite(text, 1, size, file);
    fclose(file);
    free(text);
    CHECK_INT(truncate(path, (off_t)(8 + size) + at), 0);
}

static void check_lines(const char *path, const char *encoder)
{
    char *lines = NULL, value[64];
    CHECK_TEXT(model_parameters(path, &lines).text, "");
    model_parameter(lines, "encoder", value, sizeof value);
    CHECK_TEXT(value, encoder);
    model_parameter(lines, "classes", value, sizeof value);
    CHECK_TEXT(value, *encoder ? "7" : "");
    // Only transformers are made for images of one size.
    model_parameter(lines, "image_size", value, sizeof value);
    CHECK_TEXT(value, strncmp(encoder, "\"vit", 4) == 0 ? "64" : "");
    free(lines);
}

TEST(recognizes_every_net_of_the_library)
{
    static const char *const nets[] = {"resnext50_32x4d",
                                       "resnext101_32x8d",
                                       "wide_resnet50_2",
                                       "regnet_y_400mf",
                                       "regnet_y_800mf",
                                       "regnet_y_1_6gf",
                                       "regnet_y_3_2gf",
                                       "regnet_y_8gf",
                                       "regnet_y_16gf",
                                       "regnet_y_32gf",
                                       "regnet_x_400mf",
                                       "regnet_x_800mf",
                                       "regnet_x_1_6gf",
                                       "regnet_x_3_2gf",
                                       "regnet_x_8gf",
                                       "regnet_x_16gf",
                                       "regnet_x_32gf",
                                       "mobilenet_v2",
                                       "mobilenet_v3_large",
                                       "mobilenet_v3_small",
                                       "efficientnet_b0",
                                       "convnext_tiny",
                                       "vit_ti_16",
                                       "vit_s_16",
                                       "vit_b_16"};
    char path[500], quoted[64];
    snprintf(path, sizeof path, "%s/net.safetensors", test_folder());
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        Arena *arena = arena_new();
        const Graph *graph = load_net(arena, nets[i]);
        snprintf(quoted, sizeof quoted, "\"%s\"", nets[i]);
        write_sketch(path, graph, i % 2 ? "state_dict.module." : "", NULL);
        check_lines(path, quoted);
        // A net of other channels or blocks is none of them.
        write_sketch(path, graph, "",
                     strncmp(nets[i], "reg", 3) == 0 ? "stem.1.weight"
                     : strstr(nets[i], "res")        ? "bn1.bias"
                     : strstr(nets[i], "vit")        ? "class_token"
                                                     : "features.0.1.weight");
        check_lines(path, "");
        unlink(path);
        arena_free(arena);
    }
}
