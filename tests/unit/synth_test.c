// The drawn set: repeatable, balanced, and not to be told apart by raw pixels.
#include <stdlib.h>

#include "runtime/data/synth.h"
#include "tests/harness.h"
#include "tests/images.h"

TEST(drawing_is_repeatable)
{
    SynthOptions options = {.seed = 4};
    Image a, b, c;
    CHECK(synth_image(&options, SPLIT_TRAIN, 5, 9, &a).code == STATUS_OK);
    CHECK(synth_image(&options, SPLIT_TRAIN, 5, 9, &b).code == STATUS_OK);
    CHECK(synth_image(&options, SPLIT_TEST, 5, 9, &c).code == STATUS_OK);
    CHECK_INT(a.width, 32);
    CHECK(memcmp(a.pixels, b.pixels, 32 * 32 * 3) == 0);
    CHECK(memcmp(a.pixels, c.pixels, 32 * 32 * 3) != 0);
    image_free(&a);
    image_free(&b);
    image_free(&c);
}

TEST(written_sets_open_as_data)
{
    SynthOptions options = {
        .classes = 3, .size = 20, .train = 4, .test = 2, .seed = 1};
    const char *folder = test_path("set");
    CHECK_TEXT(synth_write(folder, &options).text, "");
    Dataset *set = NULL;
    CHECK_TEXT(dataset_open(folder, &(DataOptions){0}, &set).text, "");
    CHECK_INT(dataset_classes(set), 3);
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 12);
    CHECK_INT(dataset_count(set, SPLIT_TEST), 6);
    Image read, drawn;
    CHECK(dataset_read(set, SPLIT_TEST, 5, &read).code == STATUS_OK);
    int label = 0; // classes are sorted by name when read
    const char *name =
        dataset_class_name(set, dataset_label(set, SPLIT_TEST, 5));
    while (strcmp(synth_class_name(label), name) != 0)
        label++;
    CHECK(synth_image(&options, SPLIT_TEST, label, 1, &drawn).code ==
          STATUS_OK);
    CHECK(memcmp(read.pixels, drawn.pixels, 20 * 20 * 3) == 0);
    image_free(&read);
    image_free(&drawn);
    dataset_free(set);
    Status status = synth_write(folder, &options);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, "set holds t") != NULL);
}

TEST(bad_requests_are_refused)
{
    const SynthOptions bad[] = {{.classes = 1},  {.classes = 11}, {.size = 8},
                                {.size = 10000}, {.train = -1},   {.test = -5}};
    for (int i = 0; i < 6; i++)
        CHECK_INT(synth_write(test_path("bad"), &bad[i]).code, STATUS_USAGE);
    CHECK(synth_write("/proc/nowhere", &(SynthOptions){0}).code != STATUS_OK);
}

// Squared distance of two images.
static int64_t distance(const Image *a, const Image *b)
{
    int64_t sum = 0;
    for (int i = 0; i < a->width * a->height * 3; i++) {
        int apart = a->pixels[i] - b->pixels[i];
        sum += apart * apart;
    }
    return sum;
}

TEST(raw_pixels_do_not_tell_the_class)
{
    // The nearest of 40 images per class names it in about one case in eight
    // when pixels say nothing.
    enum { CLASSES = 8, KNOWN = 40, ASKED = 20 };
    static Image known[CLASSES * KNOWN];
    SynthOptions options = {.seed = 2};
    for (int i = 0; i < CLASSES * KNOWN; i++)
        CHECK(
            synth_image(&options, SPLIT_TRAIN, i / KNOWN, i % KNOWN, &known[i])
                .code == STATUS_OK);
    int right = 0;
    for (int i = 0; i < CLASSES * ASKED; i++) {
        Image image;
        CHECK(synth_image(&options, SPLIT_TEST, i / ASKED, i % ASKED, &image)
                  .code == STATUS_OK);
        int best = 0;
        for (int k = 1; k < CLASSES * KNOWN; k++)
            if (distance(&image, &known[k]) < distance(&image, &known[best]))
                best = k;
        right += best / KNOWN == i / ASKED;
        image_free(&image);
    }
    CHECK(right < CLASSES * ASKED / 4);
    for (int i = 0; i < CLASSES * KNOWN; i++)
        image_free(&known[i]);
}
