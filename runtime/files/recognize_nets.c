// Nets beside ResNet: models/lib/nets, by torchvision's names and by how many
// numbers their encoders have.
#include <stdio.h>
#include <string.h>

#include "runtime/files/model.h"
#include "runtime/files/naming_inside.h"
#include "runtime/files/recognize_inside.h"

// What the names of a family are.
typedef struct Family {
    const char *stem;       // the first convolution's weights
    const char *encoder;    // globs
    const char *classifier; // the last layer's weights
} Family;

static const Family
    resnext = {"conv1.weight", "conv1.*,bn1.*,layer?.*", "fc.weight"},
    regnet = {"stem.0.weight", "stem.*,trunk_output.*", "fc.weight"},
    mobilenet = {"features.0.0.weight", "features.*", "classifier.1.weight"},
    convnext = {"features.0.0.weight", "features.*,classifier.0.*",
                "classifier.2.weight"},
    mobilenet_v3 = {"features.0.0.weight", "features.*,classifier.0.*",
                    "classifier.3.weight"},
    vit = {"conv_proj.weight", "conv_proj.*,class_token,encoder.l*",
           "heads.head.weight"};

// `elements`: weights and statistics of norms, without the classifier.
static const struct Net {
    const char *name;
    const Family *family;
    int64_t elements;
} nets[] = {
    {"resnext50_32x4d", &resnext, 23048128},
    {"resnext101_32x8d", &resnext, 86945216},
    {"wide_resnet50_2", &resnext, 66902464},
    {"regnet_y_400mf", &regnet, 3930296},
    {"regnet_y_800mf", &regnet, 5677944},
    {"regnet_y_1_6gf", &regnet, 10366102},
    {"regnet_y_3_2gf", &regnet, 17989498},
    {"regnet_y_8gf", &regnet, 37451000},
    {"regnet_y_16gf", &regnet, 80687956},
    {"regnet_y_32gf", &regnet, 141492058},
    {"regnet_x_400mf", &regnet, 5132832},
    {"regnet_x_800mf", &regnet, 6623968},
    {"regnet_x_1_6gf", &regnet, 8320640},
    {"regnet_x_3_2gf", &regnet, 14350112},
    {"regnet_x_8gf", &regnet, 37742112},
    {"regnet_x_16gf", &regnet, 52340704},
    {"regnet_x_32gf", &regnet, 105452576},
    {"mobilenet_v2", &mobilenet, 2257984},
    {"mobilenet_v3_large", &mobilenet_v3, 4226432},
    {"mobilenet_v3_small", &mobilenet_v3, 1529968},
    {"efficientnet_b0", &mobilenet, 4049564},
    {"convnext_tiny", &convnext, 27820128},
    {"vit_ti_16", &vit, 5486592}, // without embeddings of places
    {"vit_s_16", &vit, 21590016},
    {"vit_b_16", &vit, 85647360},
};

// Numbers of the family's encoder below `root`, and how many tensors they are.
static int64_t count_elements(const TensorFile *file, const Family *family,
                              const char *root, int *tensors)
{
    size_t length = strlen(root);
    int64_t elements = 0;
    *tensors = 0;
    for (int i = 0; i < tensors_count(file); i++) {
        const SafeTensor *tensor = tensors_at(file, i);
        if (strncmp(tensor->name, root, length) != 0 ||
            !name_matches(family->encoder, tensor->name + length) ||
            name_matches("*.num_batches_tracked", tensor->name))
            continue;
        int64_t count = 1;
        for (int d = 0; d < tensor->rank; d++)
            if (__builtin_mul_overflow(count, tensor->dims[d], &count))
                return -1;
        if (__builtin_add_overflow(elements, count, &elements))
            return -1;
        *tensors += 1;
    }
    return elements;
}

// What stands before the family's stem in a tensor's name; false when the name
// is another, or longer than there is room.
static bool find_root(const Family *family, const char *name,
                      char root[NAMING_ROOT])
{
    size_t length = strlen(name), tail = strlen(family->stem);
    if (length < tail || length - tail >= NAMING_ROOT ||
        strcmp(name + length - tail, family->stem) != 0 ||
        (length > tail && name[length - tail - 1] != '.'))
        return false;
    memcpy(root, name, length - tail);
    root[length - tail] = '\0';
    return true;
}

// The side of the images that a transformer's embeddings of places are for, one
// for each patch of 16 x 16 pixels and one for the class token; 0 when they are
// for none.
static int64_t embedded_size(const TensorFile *file, const char *root)
{
    char name[NAMING_ROOT + NAMING_NAME];
    snprintf(name, sizeof name, "%sencoder.pos_embedding", root);
    int at = tensors_find(file, name);
    const SafeTensor *places = at < 0 ? NULL : tensors_at(file, at);
    for (int64_t side = 1; places && places->rank == 3 && side <= 64; side++)
        if (side * side + 1 == places->dims[1])
            return 16 * side;
    return 0;
}

// A net below the root, if there is one: of how many classes, too.
static bool try_root(const TensorFile *file, const char *root, Recognized *net)
{
    char name[NAMING_ROOT + NAMING_NAME];
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        int tensors;
        if (count_elements(file, nets[i].family, root, &tensors) !=
            nets[i].elements)
            continue;
        *net = (Recognized){.title = naming_torchvision()->title,
                            .notes = {naming_torchvision()->note},
                            .torch = true,
                            .net = nets[i].name,
                            .image_size = embedded_size(file, root),
                            .tensors = tensors};
        strcpy(net->root, root);
        snprintf(name, sizeof name, "%s%s", root, nets[i].family->classifier);
        int at = tensors_find(file, name);
        if (at >= 0 && tensors_at(file, at)->rank == 2)
            net->classes = tensors_at(file, at)->dims[0];
        return true;
    }
    return false;
}

void recognize_net(const TensorFile *file, Recognized *net)
{
    static const Family *const families[] = {&resnext, &regnet, &mobilenet,
                                             &vit};
    char root[NAMING_ROOT];
    // The net itself before its copies.
    for (int copies = 0; copies < 2; copies++)
        for (int i = 0; i < tensors_count(file); i++)
            for (size_t k = 0; k < sizeof families / sizeof *families; k++)
                if (find_root(families[k], tensors_at(file, i)->name, root) &&
                    naming_is_copy(root) == copies && try_root(file, root, net))
                    return;
}
