// Compares the losses of runs whose convolutions add up in several ways, or
// whose activations are in bf16, as rounding.sh makes them: FOLDER/HOW-SEED.
//   rounding FOLDER SEEDS  ->  a table, and FOLDER/rounding.png
// A way agrees with plain sums, and bf16 with f32, when its mean over the seeds
// is no farther from theirs than runs of other seeds are from each other.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "runtime/monitor/curves.h"
#include "runtime/monitor/series.h"

enum { FAST, STRICT, PLAIN, BF16, WAYS };
enum { MAX_SEEDS = 16, STEPS = 300, STRETCHES = 6 };
enum { STRETCH = STEPS / STRETCHES, POINTS = 30, POINT = STEPS / POINTS };
static const char *const ways[WAYS] = {"fast", "strict", "plain", "bf16"};

typedef struct Losses {
    int seeds;
    double at[WAYS][MAX_SEEDS][STEPS]; // NaN where a run has none
} Losses;

static void read_losses(const char *folder, Losses *losses, int way, int seed)
{
    SeriesTable table = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%d", folder, ways[way], seed);
    Status status = series_read(path, &table);
    bench_require(&status);
    const Series *loss = series_find(&table, "pretrain", "loss", SERIES_TRAIN);
    for (int i = 0; i < STEPS; i++)
        losses->at[way][seed][i] = NAN;
    for (int i = 0; loss && i < loss->count; i++)
        if (loss->steps[i] >= 1 && loss->steps[i] <= STEPS)
            losses->at[way][seed][(int)loss->steps[i] - 1] = loss->values[i];
    series_free(&table);
}

// Of one run, over the steps [first, first + count).
static double run_mean(const Losses *losses, int way, int seed, int first,
                       int count)
{
    double sum = 0;
    for (int i = first; i < first + count; i++)
        sum += losses->at[way][seed][i];
    return sum / count;
}

static double mean(const Losses *losses, int way, int first, int count)
{
    double sum = 0;
    for (int seed = 0; seed < losses->seeds; seed++)
        sum += run_mean(losses, way, seed, first, count);
    return sum / losses->seeds;
}

// How far runs of another seed lie apart: the standard deviation from the mean
// of their own way, over all ways.
static double spread(const Losses *losses, int first, int count)
{
    double sum = 0;
    for (int way = 0; way < WAYS; way++)
        for (int seed = 0; seed < losses->seeds; seed++)
            sum += pow(run_mean(losses, way, seed, first, count) -
                           mean(losses, way, first, count),
                       2);
    return sqrt(sum / WAYS / (losses->seeds - 1));
}

static void print_table(const Losses *losses)
{
    printf("| steps | fast | strict | plain | bf16 | fast - plain | strict - "
           "plain | bf16 - fast | seed to seed |\n"
           "|---|---|---|---|---|---|---|---|---|\n");
    for (int i = 0; i < STRETCHES; i++) {
        int first = i * STRETCH;
        double plain = mean(losses, PLAIN, first, STRETCH);
        printf("| %d to %d", first + 1, first + STRETCH);
        for (int way = 0; way < WAYS; way++)
            printf(" | %.3f", mean(losses, way, first, STRETCH));
        for (int way = 0; way < PLAIN; way++)
            printf(" | %+.3f", mean(losses, way, first, STRETCH) - plain);
        printf(" | %+.3f", mean(losses, BF16, first, STRETCH) -
                               mean(losses, FAST, first, STRETCH));
        printf(" | %.3f |\n", spread(losses, first, STRETCH));
    }
}

// The mean of each way, and the spread around that of plain sums.
static void draw(const Losses *losses, const char *path)
{
    enum { LINES = WAYS + 2 };
    static const char *const names[LINES] = {
        "by default",       "--strict",      "--plain-sums",
        "--precision bf16", "plus a spread", "minus a spread"};
    double x[POINTS], y[LINES][POINTS];
    PlotSeries series[LINES];
    for (int i = 0; i < POINTS; i++) {
        int first = i * POINT;
        double wide = spread(losses, first, POINT);
        x[i] = first + 0.5 * POINT;
        for (int way = 0; way < WAYS; way++)
            y[way][i] = mean(losses, way, first, POINT);
        y[WAYS][i] = y[PLAIN][i] + wide;
        y[WAYS + 1][i] = y[PLAIN][i] - wide;
    }
    for (int i = 0; i < LINES; i++)
        series[i] = (PlotSeries){names[i], POINTS, x, y[i]};
    Status status = plot_curves(path, "How numbers are rounded", series, LINES,
                                "step", "loss, mean of the seeds");
    bench_require(&status);
}

int main(int argc, char **argv)
{
    static Losses losses;
    char path[4096];
    losses.seeds = argc == 3 ? atoi(argv[2]) : 0;
    if (losses.seeds < 2 || losses.seeds > MAX_SEEDS) {
        fprintf(stderr, "usage: rounding FOLDER SEEDS (2 to %d)\n", MAX_SEEDS);
        return 2;
    }
    for (int way = 0; way < WAYS; way++)
        for (int seed = 0; seed < losses.seeds; seed++)
            read_losses(argv[1], &losses, way, seed);
    print_table(&losses);
    snprintf(path, sizeof path, "%s/rounding.png", argv[1]);
    draw(&losses, path);
    return 0;
}
