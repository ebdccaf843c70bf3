// Nearest neighbours against a plain search in double, and the rules for ties,
// missing labels and damaged features.
#include "runtime/train/knn.h"

#include <stdlib.h>

#include "tests/harness.h"

static uint64_t next_number(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

// Multiples of 1/8 in [-1, 1): the products are exact in float.
static void fill(float *to, int64_t count, uint64_t seed)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)((int)(next_number(&seed) % 16) - 8) / 8;
}

static void fill_labels(int32_t *to, int64_t count, int classes, uint64_t seed)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = (int32_t)(next_number(&seed) % (unsigned)(classes + 1)) - 1;
}

static double cosine(const float *a, const float *b, int64_t width)
{
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < width; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

// Picks k times the nearest row left.
static int plain_search(const KnnProblem *p, int64_t query)
{
    double *near = calloc((size_t)p->bank.count, sizeof *near);
    double *votes = calloc((size_t)p->classes, sizeof *votes);
    const float *row = p->queries.features + query * p->width;
    for (int64_t i = 0; i < p->bank.count; i++)
        near[i] = cosine(row, p->bank.features + i * p->width, p->width);
    if (p->leave_one_out)
        near[query] = -2;
    for (int pick = 0; pick < p->k; pick++) {
        int64_t best = -1;
        for (int64_t i = 0; i < p->bank.count; i++)
            if (p->bank.labels[i] >= 0 && near[i] > -2 &&
                (best < 0 || near[i] > near[best]))
                best = i;
        if (best < 0)
            break;
        votes[p->bank.labels[best]] += exp(near[best] / p->tau);
        near[best] = -2;
    }
    int winner = 0;
    for (int c = 1; c < p->classes; c++)
        winner = votes[c] > votes[winner] ? c : winner;
    free(near);
    free(votes);
    return winner;
}

enum { WIDTH = 13, BANK = 1500, QUERIES = 90, CLASSES = 7 };

static void check_against_plain(int k, bool leave_one_out)
{
    static float bank[BANK * WIDTH], queries[QUERIES * WIDTH];
    static int32_t bank_labels[BANK], labels[QUERIES], first[BANK];
    fill(bank, BANK * WIDTH, 1);
    fill(queries, QUERIES * WIDTH, 2);
    fill_labels(bank_labels, BANK, CLASSES, 3);
    fill_labels(labels, QUERIES, CLASSES, 4);
    KnnProblem p = {.bank = {bank, bank_labels, BANK},
                    .queries = {queries, labels, QUERIES},
                    .width = WIDTH,
                    .classes = CLASSES,
                    .k = k,
                    .tau = KNN_TAU,
                    .leave_one_out = leave_one_out};
    if (leave_one_out)
        p.queries = p.bank;
    for (int threads = 1; threads <= 3; threads++) {
        KnnResult result;
        static int32_t predicted[BANK];
        Pool *pool = pool_new(threads);
        Status status = knn_classify(&p, pool, predicted, &result);
        CHECK_INT(status.code, STATUS_OK);
        pool_free(pool);
        if (threads > 1)
            CHECK(memcmp(predicted, first, sizeof predicted) == 0);
        memcpy(first, predicted, sizeof predicted);
        int64_t counted = 0, right = 0;
        for (int64_t q = 0; q < QUERIES; q++)
            CHECK_INT(predicted[q], plain_search(&p, q));
        for (int64_t q = 0; q < p.queries.count; q++) {
            counted += p.queries.labels[q] >= 0;
            right +=
                p.queries.labels[q] >= 0 && p.queries.labels[q] == predicted[q];
        }
        CHECK_INT(result.counted, counted);
        CHECK_NEAR(result.weighted, (double)right / (double)counted, 0);
    }
}

TEST(knn_agrees_with_a_plain_search)
{
    check_against_plain(1, false);
    check_against_plain(20, false);
    check_against_plain(200, true);
    check_against_plain(5000, false); // more than there are
}

// Two near rows of class 1 weigh more than three far ones of class 0.
TEST(knn_votes_weighted_and_plain)
{
    float bank[] = {4, 0, 2, 0, 0, 1, 0, 2, 0, 3};
    float query[] = {1, 0};
    int32_t labels[] = {1, 1, 0, 0, 0}, of_query[] = {1}, predicted[1];
    KnnProblem p = {.bank = {bank, labels, 5},
                    .queries = {query, of_query, 1},
                    .width = 2,
                    .classes = 2,
                    .k = 5,
                    .tau = 0.07};
    KnnResult result;
    Pool *pool = pool_new(1);
    CHECK_INT(knn_classify(&p, pool, predicted, &result).code, STATUS_OK);
    CHECK_INT(predicted[0], 1);
    CHECK_NEAR(result.weighted, 1, 0);
    CHECK_NEAR(result.plain, 0, 0);
    // Of equal votes, the nearest row's class; of equally near rows, the first.
    p.k = 1;
    labels[0] = 0;
    CHECK_INT(knn_classify(&p, pool, predicted, &result).code, STATUS_OK);
    CHECK_INT(predicted[0], 0);
    pool_free(pool);
}

TEST(knn_passes_over_missing_labels_and_damaged_rows)
{
    float bank[] = {1, 0, NAN, 1, 0, 1, 0, 0}, query[] = {1, 0.1f, NAN, 0};
    int32_t labels[] = {-1, 0, 1, 0}, of_query[] = {1, -1}, predicted[2];
    KnnProblem p = {.bank = {bank, labels, 4},
                    .queries = {query, of_query, 2},
                    .width = 2,
                    .classes = 2,
                    .k = 1,
                    .tau = 0.07};
    KnnResult result;
    Pool *pool = pool_new(2);
    CHECK_INT(knn_classify(&p, pool, predicted, &result).code, STATUS_OK);
    CHECK_INT(predicted[0], 1);
    CHECK_INT(predicted[1], -1);
    CHECK_INT(result.counted, 1);
    int32_t none[] = {-1, -1, -1, -1};
    p.bank.labels = none;
    CHECK_INT(knn_classify(&p, pool, NULL, &result).code, STATUS_DATA);
    p.k = 0;
    CHECK_INT(knn_classify(&p, pool, NULL, &result).code, STATUS_USAGE);
    p.k = 1, p.tau = 0;
    CHECK_INT(knn_classify(&p, pool, NULL, &result).code, STATUS_USAGE);
    pool_free(pool);
}
