#include "runtime/train/knn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/exec/calls.h"
#include "runtime/exec/ranks.h"

// Queries and bank rows of one product. The order of sums, and so the bits,
// hang on them.
enum { QUERY_BLOCK = 64, BANK_BLOCK = 1024 };

typedef struct Neighbour {
    float cosine;
    int64_t row; // of the bank
} Neighbour;

// One thread's memory.
typedef struct Bench {
    float *cosines;     // [QUERY_BLOCK, BANK_BLOCK]
    Neighbour *nearest; // [QUERY_BLOCK, k]: a heap each, the farthest on top
    int *found;         // [QUERY_BLOCK]
    double *votes;      // [classes]
    int64_t counted, weighted, plain;
} Bench;

typedef struct Search {
    const KnnProblem *problem;
    Pool *pool;
    int k;
    float *bank_scale; // [bank.count]: 1 / length; 0 without a label
    int32_t *predicted;
    Bench *benches; // by thread
} Search;

static int64_t min_count(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// 1 / length. Rows of length 0 have cosine 0 with everything.
static float row_scale(const float *row, int64_t width)
{
    double sum = 0;
    for (int64_t i = 0; i < width; i++)
        sum += (double)row[i] * (double)row[i];
    return sum > 0 || isnan(sum) ? (float)(1 / sqrt(sum)) : 0;
}

// ---- the k nearest ----------------------------------------------------------

static bool is_farther(const Neighbour *a, const Neighbour *b)
{
    return a->cosine != b->cosine ? a->cosine < b->cosine : a->row > b->row;
}

static void sift_down(Neighbour *heap, int count, int at)
{
    for (;;) {
        int child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && is_farther(&heap[child + 1], &heap[child]))
            child++;
        if (!is_farther(&heap[child], &heap[at]))
            return;
        Neighbour swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

// Rows come in ascending order, so an equal one never displaces another.
static void offer(Neighbour *heap, int *found, int k, float cosine, int64_t row)
{
    if (*found < k) {
        heap[(*found)++] = (Neighbour){cosine, row};
        if (*found == k)
            for (int at = k / 2 - 1; at >= 0; at--)
                sift_down(heap, k, at);
    } else if (cosine > heap[0].cosine) {
        heap[0] = (Neighbour){cosine, row};
        sift_down(heap, k, 0);
    }
}

static int compare_near_first(const void *a, const void *b)
{
    const Neighbour *x = a, *y = b;
    return is_farther(x, y) - is_farther(y, x);
}

// ---- votes ------------------------------------------------------------------

// The class with most votes; the nearer neighbour's of equals. -1 of none.
static int winner(const Search *search, const Neighbour *near, int found,
                  double *votes, double tau)
{
    const int32_t *labels = search->problem->bank.labels;
    int best = -1;
    memset(votes, 0, (size_t)search->problem->classes * sizeof *votes);
    for (int i = 0; i < found; i++) {
        double distance = (double)near[0].cosine - (double)near[i].cosine;
        votes[labels[near[i].row]] += tau > 0 ? exp(-distance / tau) : 1;
    }
    for (int i = 0; i < found; i++) {
        int label = labels[near[i].row];
        if (best < 0 || votes[label] > votes[best])
            best = label;
    }
    return best;
}

static void vote(const Search *search, Bench *bench, int64_t query, int slot)
{
    const KnnProblem *problem = search->problem;
    Neighbour *near = bench->nearest + (int64_t)slot * search->k;
    int found = bench->found[slot];
    if (found > 1)
        qsort(near, (size_t)found, sizeof *near, compare_near_first);
    int weighted = winner(search, near, found, bench->votes, problem->tau);
    int label = problem->queries.labels[query];
    if (search->predicted)
        search->predicted[query] = weighted;
    if (label < 0)
        return;
    bench->counted++;
    bench->weighted += weighted == label;
    bench->plain += winner(search, near, found, bench->votes, 0) == label;
}

// ---- tiles ------------------------------------------------------------------

// products[queries, rows] = queries' features times rows' features transposed.
static void multiply(const KnnProblem *problem, int64_t first_query,
                     int64_t queries, int64_t first_row, int64_t rows,
                     float *products)
{
    int64_t width = problem->width;
    CallMatmul product = {.m = queries,
                          .n = rows,
                          .k = width,
                          .trans_b = 1,
                          .lda = width,
                          .ldb = width,
                          .ldc = rows,
                          .rows_per_task = queries,
                          .cols_per_task = rows};
    void *args[] = {
        (float *)problem->queries.features + first_query * width,
        (float *)problem->bank.features + first_row * width,
        products,
    };
    call_function(PLAN_CALL_MATMUL_F32)(args, (int64_t *)&product, 0, NULL);
}

static void search_tile(const Search *search, Bench *bench, int64_t first_query,
                        int64_t queries, int64_t first_row, int64_t rows)
{
    const KnnProblem *problem = search->problem;
    multiply(problem, first_query, queries, first_row, rows, bench->cosines);
    for (int64_t q = 0; q < queries; q++) {
        const float *row =
            problem->queries.features + (first_query + q) * problem->width;
        float scale = row_scale(row, problem->width);
        int64_t self = problem->leave_one_out ? first_query + q : -1;
        for (int64_t r = 0; r < rows; r++) {
            int64_t at = first_row + r;
            float cosine =
                bench->cosines[q * rows + r] * scale * search->bank_scale[at];
            if (problem->bank.labels[at] >= 0 && at != self && !isnan(cosine))
                offer(bench->nearest + q * search->k, &bench->found[q],
                      search->k, cosine, at);
        }
    }
}

static void search_block(const Search *search, Bench *bench, int64_t block)
{
    const KnnProblem *problem = search->problem;
    int64_t first = block * QUERY_BLOCK;
    int64_t count = min_count(QUERY_BLOCK, problem->queries.count - first);
    memset(bench->found, 0, QUERY_BLOCK * sizeof *bench->found);
    for (int64_t row = 0; row < problem->bank.count; row += BANK_BLOCK)
        search_tile(search, bench, first, count, row,
                    min_count(BANK_BLOCK, problem->bank.count - row));
    for (int q = 0; q < count; q++)
        vote(search, bench, first + q, q);
}

// The first of the blocks that a process searches for.
static int64_t first_block(const KnnProblem *problem, int rank)
{
    int64_t blocks = (problem->queries.count + QUERY_BLOCK - 1) / QUERY_BLOCK;
    return pool_split(blocks, ranks_count(), rank);
}

static void search_part(void *context, int thread)
{
    const Search *search = context;
    int threads = pool_threads(search->pool);
    int64_t first = first_block(search->problem, ranks_index());
    int64_t blocks = first_block(search->problem, ranks_index() + 1) - first;
    int64_t end = first + pool_split(blocks, threads, thread + 1);
    for (int64_t b = first + pool_split(blocks, threads, thread); b < end; b++)
        search_block(search, &search->benches[thread], b);
}

// What each process has found, for all.
static void share_predictions(const Search *search)
{
    int64_t bytes[RANKS_MAX], queries = search->problem->queries.count;
    for (int r = 0; r < ranks_count(); r++) {
        int64_t first = first_block(search->problem, r) * QUERY_BLOCK;
        int64_t end = first_block(search->problem, r + 1) * QUERY_BLOCK;
        bytes[r] = (min_count(end, queries) - min_count(first, queries)) *
                   (int64_t)sizeof *search->predicted;
    }
    ranks_collect(search->predicted, bytes);
}

// ---- memory -----------------------------------------------------------------

static bool bench_open(Bench *bench, int k, int classes)
{
    bench->cosines = malloc(sizeof *bench->cosines * QUERY_BLOCK * BANK_BLOCK);
    bench->nearest = malloc(sizeof *bench->nearest * QUERY_BLOCK * (size_t)k);
    bench->found = malloc(sizeof *bench->found * QUERY_BLOCK);
    bench->votes = malloc(sizeof *bench->votes * (size_t)classes);
    return bench->cosines && bench->nearest && bench->found && bench->votes;
}

static void bench_close(Bench *bench)
{
    free(bench->cosines);
    free(bench->nearest);
    free(bench->found);
    free(bench->votes);
}

// Returns the rows of the bank with labels.
static int64_t measure_bank(const KnnProblem *problem, float *scale)
{
    const KnnRows *bank = &problem->bank;
    int64_t labelled = 0;
    for (int64_t i = 0; i < bank->count; i++) {
        labelled += bank->labels[i] >= 0;
        scale[i] = bank->labels[i] < 0
                       ? 0
                       : row_scale(bank->features + i * problem->width,
                                   problem->width);
    }
    return labelled;
}

static Status run_search(Search *search)
{
    const KnnProblem *problem = search->problem;
    int threads = pool_threads(search->pool);
    int64_t labelled = measure_bank(problem, search->bank_scale);
    if (labelled == 0)
        return status_error(STATUS_DATA,
                            "no labelled image to compare the others with");
    search->k = (int)min_count(problem->k, labelled);
    for (int t = 0; t < threads; t++)
        if (!bench_open(&search->benches[t], search->k, problem->classes))
            return status_error(STATUS_MEMORY,
                                "no memory for %d nearest neighbours",
                                search->k);
    pool_each(search->pool, search_part, search);
    if (search->predicted)
        share_predictions(search);
    return status_ok();
}

Status knn_classify(const KnnProblem *problem, Pool *pool, int32_t *predicted,
                    KnnResult *result)
{
    int threads = pool_threads(pool);
    *result = (KnnResult){0};
    if (problem->k < 1 || !(problem->tau > 0))
        return status_error(STATUS_USAGE, "k must be 1 or more and the "
                                          "temperature of the vote above 0");
    calls_init();
    size_t count = (size_t)problem->bank.count;
    Search search = {
        .problem = problem,
        .pool = pool,
        .predicted = predicted,
        .bank_scale = malloc((count ? count : 1) * sizeof(float)),
        .benches = calloc((size_t)threads, sizeof(Bench)),
    };
    Status status =
        search.bank_scale && search.benches
            ? run_search(&search)
            : status_error(STATUS_MEMORY, "no memory for nearest neighbours");
    int64_t here[3] = {0}, counts[RANKS_MAX][3], sums[3] = {0};
    for (int t = 0; search.benches && t < threads; t++) {
        here[0] += search.benches[t].counted;
        here[1] += search.benches[t].weighted;
        here[2] += search.benches[t].plain;
        bench_close(&search.benches[t]);
    }
    if (status.code == STATUS_OK)
        ranks_gather(here, counts, sizeof here);
    for (int r = 0; r < ranks_count() && status.code == STATUS_OK; r++)
        for (int i = 0; i < 3; i++)
            sums[i] += counts[r][i];
    result->counted = sums[0];
    if (result->counted) {
        result->weighted = (double)sums[1] / (double)result->counted;
        result->plain = (double)sums[2] / (double)result->counted;
    }
    free(search.bank_scale);
    free(search.benches);
    return status;
}
