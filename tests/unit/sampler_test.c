// The sampler: permutations, seams between epochs, resuming anywhere.
#include "runtime/data/sampler.h"
#include "tests/faults.h"
#include "tests/harness.h"

#include <stdlib.h>
#include <string.h>

static Sampler new_sampler(uint64_t seed, int64_t count)
{
    Sampler sampler;
    CHECK_INT(sampler_init(&sampler, seed, 7, count, true).code, STATUS_OK);
    return sampler;
}

TEST(sampler_visits_every_image_once_an_epoch)
{
    enum { COUNT = 101, EPOCHS = 3 };
    Sampler sampler = new_sampler(1, COUNT);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        int seen[COUNT] = {0};
        for (int i = 0; i < COUNT; i++) {
            StreamSample sample = sampler_at(&sampler, epoch * COUNT + i);
            CHECK_INT(sample.epoch, epoch);
            CHECK(sample.place >= 0 && sample.place < COUNT);
            seen[sample.place]++;
        }
        for (int i = 0; i < COUNT; i++)
            CHECK_INT(seen[i], 1);
    }
    sampler_free(&sampler);
}

TEST(sampler_depends_on_seed_phase_and_epoch_only)
{
    enum { COUNT = 64 };
    Sampler walked = new_sampler(5, COUNT), jumped = new_sampler(5, COUNT);
    Sampler other = new_sampler(6, COUNT);
    int equal_epochs = 0, equal_seeds = 0;
    for (int i = 0; i < 3 * COUNT; i++)
        sampler_at(&walked, i);
    for (int i = 2 * COUNT; i < 3 * COUNT; i++) {
        int64_t place = sampler_at(&jumped, i).place;
        CHECK_INT(sampler_at(&walked, i).place, place);
        equal_seeds += sampler_at(&other, i).place == place;
    }
    for (int i = 0; i < COUNT; i++)
        equal_epochs += sampler_at(&walked, i).place ==
                        sampler_at(&jumped, COUNT + i).place;
    // Two random permutations agree in about one place.
    CHECK(equal_epochs < 10);
    CHECK(equal_seeds < 10);
    sampler_free(&walked);
    sampler_free(&jumped);
    sampler_free(&other);
}

TEST(sampler_keeps_order_without_shuffling)
{
    Sampler sampler;
    CHECK_INT(sampler_init(&sampler, 0, 0, 5, false).code, STATUS_OK);
    for (int i = 0; i < 12; i++) {
        CHECK_INT(sampler_at(&sampler, i).place, i % 5);
        CHECK_INT(sampler_at(&sampler, i).epoch, i / 5);
    }
    sampler_free(&sampler);
}

TEST(sampler_permutes_evenly)
{
    // First places of many epochs of three images: each a third of the time.
    enum { EPOCHS = 3000 };
    Sampler sampler = new_sampler(3, 3);
    int first[3] = {0};
    for (int epoch = 0; epoch < EPOCHS; epoch++)
        first[sampler_at(&sampler, 3 * epoch).place]++;
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(first[i], EPOCHS / 3, 120);
    sampler_free(&sampler);
}

// Counts of the released checkpoints of SimCLRv2.
TEST(sampler_counts_steps_as_the_paper)
{
    CHECK_INT(sampler_total_steps(0, 800, 1281167, 4096), 250228);
    CHECK_INT(sampler_total_steps(0, 90, 1281167, 4096), 28151);
    CHECK_INT(sampler_total_steps(0, 30, 1281167, 1024), 37535);
    CHECK_INT(sampler_total_steps(0, 60, 12811, 1024), 751);
    CHECK_INT(sampler_total_steps(300, 0, 60, 64), 300);
}

// ---- balanced streams -------------------------------------------------------

enum { CLASSES = 4, SAMPLES = 19 };
static int64_t class_starts[CLASSES + 1] = {0, 11, 12, 17, 19};

static Strata new_strata(int64_t members[SAMPLES])
{
    for (int i = 0; i < SAMPLES; i++)
        members[i] = SAMPLES - 1 - i;
    return (Strata){CLASSES, class_starts, members};
}

static int class_of(int64_t place)
{
    int class = 0;
    while (SAMPLES - 1 - place >= class_starts[class + 1])
        class ++;
    return class;
}

TEST(balanced_stream_has_every_class_alike)
{
    enum { ROUNDS = 55 };
    int64_t members[SAMPLES], epochs[SAMPLES][ROUNDS];
    int seen[SAMPLES] = {0}, same_turns = 0;
    Strata strata = new_strata(members);
    Sampler sampler;
    CHECK_INT(sampler_init_balanced(&sampler, 1, 7, &strata).code, STATUS_OK);
    int before[CLASSES] = {-1, -1, -1, -1};
    for (int round = 0; round < ROUNDS; round++) {
        int turns[CLASSES], of_class[CLASSES] = {0};
        for (int i = 0; i < CLASSES; i++) {
            StreamSample sample = sampler_at(&sampler, round * CLASSES + i);
            CHECK(sample.place >= 0 && sample.place < SAMPLES);
            turns[i] = class_of(sample.place);
            of_class[turns[i]]++;
            epochs[sample.place][seen[sample.place]++] = sample.epoch;
        }
        for (int i = 0; i < CLASSES; i++)
            CHECK_INT(of_class[i], 1);
        same_turns += memcmp(turns, before, sizeof turns) == 0;
        memcpy(before, turns, sizeof turns);
    }
    // Of 24 orders another comes nearly every time.
    CHECK(same_turns < 12);
    // 55 is five passes through the class of 11, 55 through that of one, ...
    for (int i = 0; i < SAMPLES; i++) {
        int class = class_of(i);
        int64_t size = class_starts[class + 1] - class_starts[class];
        CHECK(seen[i] == ROUNDS / size || seen[i] == ROUNDS / size + 1);
        // and no time is augmented as another is.
        for (int k = 1; k < seen[i]; k++)
            CHECK(epochs[i][k] > epochs[i][k - 1]);
    }
    sampler_free(&sampler);
}

TEST(balanced_stream_depends_on_seed_phase_and_position_only)
{
    enum { STEPS = 300 };
    int64_t members[SAMPLES];
    Strata strata = new_strata(members);
    Sampler walked, jumped, other;
    int equal = 0;
    CHECK_INT(sampler_init_balanced(&walked, 5, 7, &strata).code, STATUS_OK);
    CHECK_INT(sampler_init_balanced(&jumped, 5, 7, &strata).code, STATUS_OK);
    CHECK_INT(sampler_init_balanced(&other, 6, 7, &strata).code, STATUS_OK);
    StreamSample stream[STEPS];
    for (int i = 0; i < STEPS; i++)
        stream[i] = sampler_at(&walked, i);
    // Resumed, of another process's share, and the second time through chunks.
    for (int i = STEPS - 1; i >= 0; i -= 7) {
        CHECK_INT(sampler_at(&jumped, i).place, stream[i].place);
        CHECK_INT(sampler_at(&jumped, i).epoch, stream[i].epoch);
        equal += sampler_at(&other, i).place == stream[i].place;
    }
    CHECK(equal < 25);
    sampler_free(&walked);
    sampler_free(&jumped);
    sampler_free(&other);
}

TEST(balanced_stream_without_memory)
{
    int64_t members[SAMPLES];
    Strata strata = new_strata(members);
    for (int failing = 1; failing <= 3; failing++) {
        Sampler sampler;
        fault_arm(FAULT_MEMORY, failing);
        Status status = sampler_init_balanced(&sampler, 1, 7, &strata);
        CHECK(fault_disarm());
        CHECK_INT(status.code, STATUS_MEMORY);
    }
}
