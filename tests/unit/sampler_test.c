// The sampler: permutations, seams between epochs, resuming anywhere.
#include "runtime/data/sampler.h"
#include "tests/harness.h"

#include <stdlib.h>

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
