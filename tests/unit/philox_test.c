#include "runtime/base/philox.h"
#include "tests/harness.h"

static void check_block(const uint32_t counter[4], const uint32_t key[2],
                        const uint32_t want[4])
{
    uint32_t got[4];
    philox4x32(counter, key, got);
    for (int i = 0; i < 4; i++)
        CHECK_INT(got[i], want[i]);
}

// Known answers published with Random123 (kat_vectors, philox4x32 10).
TEST(philox_known_answers)
{
    check_block((uint32_t[4]){0}, (uint32_t[2]){0},
                (uint32_t[4]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    check_block((uint32_t[4]){~0u, ~0u, ~0u, ~0u}, (uint32_t[2]){~0u, ~0u},
                (uint32_t[4]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    check_block((uint32_t[4]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                (uint32_t[2]){0xa4093822, 0x299f31d0},
                (uint32_t[4]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST(philox_streams_depend_on_every_coordinate)
{
    uint64_t base[5] = {1, 2, 3, 4, 5};
    RandomStream first = random_stream(1, 2, 3, 4, 5);
    uint32_t reference = random_u32(&first);
    for (int i = 0; i < 5; i++)
        for (int high = 0; high < 2; high++) {
            uint64_t c[5];
            memcpy(c, base, sizeof c);
            c[i] += high ? (uint64_t)1 << 40 : 1;
            RandomStream other = random_stream(c[0], c[1], c[2], c[3], c[4]);
            CHECK(random_u32(&other) != reference);
        }
    RandomStream swapped = random_stream(1, 3, 2, 4, 5);
    CHECK(random_u32(&swapped) != reference);
    RandomStream same = random_stream(1, 2, 3, 4, 5);
    CHECK(random_u32(&same) == reference);
}

// Files and resumed runs rely on these numbers never changing.
TEST(philox_streams_are_pinned)
{
    RandomStream stream = random_stream(7, random_name("pretrain"), 1, 2, 3);
    uint32_t first = random_u32(&stream), second = random_u32(&stream);
    CHECK_INT(first, 0x88d684c8);
    CHECK_INT(second, 0x102dcba5);
}

TEST(philox_uniform_moments)
{
    RandomStream stream = random_stream(1, 0, 0, 0, 0);
    enum { N = 200000 };
    double sum = 0, square = 0;
    for (int i = 0; i < N; i++) {
        double u = random_uniform(&stream);
        CHECK(u >= 0 && u < 1);
        sum += u;
        square += u * u;
    }
    // Six standard errors.
    CHECK_NEAR(sum / N, 0.5, 6 * sqrt(1.0 / 12 / N));
    CHECK_NEAR(square / N, 1.0 / 3, 6 * sqrt(4.0 / 45 / N));
}

TEST(philox_normal_moments)
{
    RandomStream stream = random_stream(2, 0, 0, 0, 0);
    enum { N = 200000 };
    double sum = 0, square = 0, fourth = 0;
    for (int i = 0; i < N; i++) {
        double z = random_normal(&stream);
        sum += z;
        square += z * z;
        fourth += z * z * z * z;
    }
    CHECK_NEAR(sum / N, 0, 6 * sqrt(1.0 / N));
    CHECK_NEAR(square / N, 1, 6 * sqrt(2.0 / N));
    CHECK_NEAR(fourth / N, 3, 6 * sqrt(96.0 / N));
}

TEST(philox_below_is_even_and_in_range)
{
    RandomStream stream = random_stream(3, 0, 0, 0, 0);
    int counts[7] = {0};
    enum { N = 70000 };
    for (int i = 0; i < N; i++) {
        int64_t k = random_below(&stream, 7);
        CHECK(k >= 0 && k < 7);
        counts[k]++;
    }
    for (int k = 0; k < 7; k++)
        CHECK_NEAR(counts[k], N / 7, 6 * sqrt(N / 7.0));
    CHECK_INT(random_below(&stream, 1), 0);
    int64_t large = random_below(&stream, INT64_MAX);
    CHECK(large >= 0 && large < INT64_MAX);
}
