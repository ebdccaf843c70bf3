// Tensors of views of different sizes and pipelines: what an input makes of an
// image is what augment_image makes of it with the view's number, and a tensor
// of views leaves those before it alone.
#include <stdlib.h>

#include "runtime/data/augment.h"
#include "runtime/data/input.h"
#include "runtime/data/synth.h"
#include "tests/harness.h"

enum { LARGE = 24, SMALL = 10, BATCH = 4, IMAGES = 6 };

static const AugmentStep large_steps[] = {
    {AUGMENT_RANDOM_CROP, {LARGE, 0.3, 1, 0.75, 4.0 / 3}},
    {AUGMENT_FLIP, {0.5}},
    {AUGMENT_BLUR, {1, 0.5, 2}}};
static const AugmentStep small_steps[] = {
    {AUGMENT_RANDOM_CROP, {SMALL, 0.1, 0.3, 0.75, 4.0 / 3}},
    {AUGMENT_SOLARIZE, {0.5, 0.2, 0.8}},
    {AUGMENT_BLUR, {1, 0.5, 2}}};

static Dataset *open_data(void)
{
    char path[700];
    SynthOptions synth = {.classes = 2, .size = 28, .train = IMAGES / 2};
    DataOptions options = {.test_fraction = 0};
    Dataset *data = NULL;
    snprintf(path, sizeof path, "%s/data", test_folder());
    CHECK_TEXT(synth_write(path, &synth).text, "");
    CHECK_TEXT(dataset_open(path, &options, &data).text, "");
    return data;
}

static ProgramPhase two_groups(void)
{
    return (ProgramPhase){.channels = 3,
                          .group_count = 2,
                          .groups = {{.views = 2,
                                      .height = LARGE,
                                      .width = LARGE,
                                      .augment_count = 3,
                                      .augment = (AugmentStep *)large_steps},
                                     {.views = 3,
                                      .height = SMALL,
                                      .width = SMALL,
                                      .augment_count = 3,
                                      .augment = (AugmentStep *)small_steps}}};
}

// Takes the batch of a step; images[i] NULL: nobody reads that tensor.
static void take(const Dataset *data, const ProgramPhase *phase, int64_t step,
                 int threads, void *const *images)
{
    InputSpec spec = {.data = data,
                      .split = SPLIT_TRAIN,
                      .count = dataset_count(data, SPLIT_TRAIN),
                      .batch = BATCH,
                      .seed = 3,
                      .phase = 9,
                      .threads = threads};
    Input *input = NULL;
    input_set_groups(&spec, phase, false, images);
    CHECK_TEXT(input_new(&spec, step, &input).text, "");
    CHECK_TEXT(input_take(input, PLAN_F32, images, NULL, NULL).text, "");
    input_free(input);
}

TEST(views_of_each_tensor_have_their_own_pipeline)
{
    Dataset *data = open_data();
    ProgramPhase phase = two_groups();
    static float large[2 * BATCH][3 * LARGE * LARGE];
    static float small[3 * BATCH][3 * SMALL * SMALL];
    float want[3 * LARGE * LARGE];
    AugmentScratch scratch = {0};
    take(data, &phase, 1, 2, (void *[]){large, small});
    CHECK_INT(dataset_count(data, SPLIT_TRAIN), IMAGES);
    for (int row = 0; row < BATCH; row++) {
        int place = BATCH + row; // of the second batch, unshuffled
        Image image;
        AugmentKey key = {.seed = 3,
                          .phase = 9,
                          .epoch = (uint64_t)(place / IMAGES),
                          .sample = (uint64_t)(place % IMAGES),
                          .step = 1};
        CHECK(dataset_read(data, SPLIT_TRAIN, place % IMAGES, &image).code ==
              STATUS_OK);
        for (int view = 0; view < 5; view++) {
            bool first = view < 2;
            int size = first ? LARGE : SMALL;
            key.view = (uint64_t)view;
            CHECK(augment_image(first ? large_steps : small_steps, 3, &image,
                                &key, &scratch, size, size, want)
                      .code == STATUS_OK);
            const float *got = first ? large[view * BATCH + row]
                                     : small[(view - 2) * BATCH + row];
            CHECK(memcmp(got, want,
                         sizeof(float) * 3 * (size_t)(size * size)) == 0);
        }
        image_free(&image);
    }
    augment_scratch_free(&scratch);
    dataset_free(data);
}

TEST(views_do_not_depend_on_other_tensors)
{
    Dataset *data = open_data();
    ProgramPhase phase = two_groups();
    static float large[2 * BATCH * 3 * LARGE * LARGE],
        alone[2 * BATCH * 3 * LARGE * LARGE];
    static float small[3 * BATCH * 3 * SMALL * SMALL],
        unread[3 * BATCH * 3 * SMALL * SMALL];
    take(data, &phase, 2, 1, (void *[]){large, small});
    // Where nothing reads the first tensor, the second has its numbers still.
    take(data, &phase, 2, 3, (void *[]){NULL, unread});
    CHECK(memcmp(small, unread, sizeof small) == 0);
    phase.group_count = 1;
    take(data, &phase, 2, 3, (void *[]){alone});
    CHECK(memcmp(large, alone, sizeof large) == 0);
    dataset_free(data);
}

TEST(rows_of_views_are_told)
{
    ProgramPhase phase = two_groups();
    CHECK_INT(phase_views(&phase), 5);
    const int64_t rows[] = {8, 16, 24, 40}, others[] = {4, 32, 12, 48};
    for (int i = 0; i < 4; i++) {
        CHECK(phase_has_rows(&phase, rows[i], 8));
        CHECK(!phase_has_rows(&phase, others[i], 8));
    }
    CHECK(phase_group_of(&phase, SMALL) == &phase.groups[1]);
    CHECK(phase_group_of(&phase, 99) == &phase.groups[0]);
    CHECK_TEXT(phase_images(0), "images");
    CHECK_TEXT(phase_images(7), "images.7");
}
