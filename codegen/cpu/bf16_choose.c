// How convolutions with products of bf16 are cut into tasks.
#include "codegen/cpu/bf16.h"
#include "codegen/integers.h"

enum {
    // What a task gathers stays in the second-level cache beside the weights of
    // two blocks: half of the smallest cache that such processors have.
    TASK_BYTES = 512 << 10,
    // Cycles, by the instructions' throughput: a matrix product; bytes of a
    // second-level cache a cycle, written and read again.
    PRODUCT_CYCLES = 16,
    CACHE_BYTES = 8,
    // By weights, for 32 pixels of a block: x is copied, paired and transposed,
    // dy is copied and paired.
    TRANSPOSE_CYCLES = 200,
    PAIR_CYCLES = 100,
    MAX_PARTS = 64,
};

// ---- axes -------------------------------------------------------------------

static int64_t floor_mod(int64_t a, int64_t b)
{
    return (a % b + b) % b;
}

Bf16Axis bf16_forward(int64_t in, int64_t out, int64_t window, int64_t stride,
                      int64_t pad, int64_t dilation)
{
    return (Bf16Axis){in, out, stride, 1, out, window, -pad, dilation};
}

// The image read is dy, with `out` pixels; the one written has `in`. dx[j] gets
// dy[i] where stride * i = j + pad - t * dilation.
Bf16Axis bf16_backward(int64_t in, int64_t out, int64_t window, int64_t stride,
                       int64_t pad, int64_t dilation)
{
    return (Bf16Axis){out,    in,  1,        stride, ceil_div(in, stride),
                      window, pad, -dilation};
}

Bf16Tap bf16_tap(const Bf16Axis *axis, int64_t tap)
{
    int64_t at = axis->first + tap * axis->tap_step;
    Bf16Tap found = {.in_phase = floor_mod(at, axis->in_step),
                     .out_phase = floor_mod(-at, axis->out_step)};
    // One of the steps is 1.
    found.shift = (at + found.out_phase - found.in_phase) /
                  (axis->in_step * axis->out_step);
    return found;
}

static void find_shifts(const Bf16Axis *axis, int64_t *low, int64_t *high)
{
    *low = *high = bf16_tap(axis, 0).shift;
    for (int64_t t = 1; t < axis->taps; t++) {
        int64_t shift = bf16_tap(axis, t).shift;
        *low = min_i64(*low, shift);
        *high = max_i64(*high, shift);
    }
}

int64_t bf16_low(const Bf16Axis *axis)
{
    int64_t low, high;
    find_shifts(axis, &low, &high);
    return low;
}

int64_t bf16_span(const Bf16Axis *axis)
{
    int64_t low, high;
    find_shifts(axis, &low, &high);
    return high - low;
}

// Read phases of an axis that taps need, ascending; how many.
static int find_phases(const Bf16Axis *axis, int64_t phases[CONV_BF16_STRIDE])
{
    int count = 0;
    for (int64_t phase = 0; phase < axis->in_step; phase++)
        for (int64_t t = 0; t < axis->taps; t++)
            if (bf16_tap(axis, t).in_phase == phase) {
                phases[count++] = phase;
                break;
            }
    return count;
}

Bf16Phases bf16_phases(const Bf16Axis *rows, const Bf16Axis *cols)
{
    Bf16Phases found = {0};
    found.rows = find_phases(rows, found.row);
    found.cols = find_phases(cols, found.col);
    return found;
}

static int64_t phase_count(const Bf16Axis *rows, const Bf16Axis *cols)
{
    Bf16Phases phases = bf16_phases(rows, cols);
    return (int64_t)phases.rows * phases.cols;
}

static int phase_index(const int64_t *phases, int64_t phase)
{
    int index = 0;
    while (phases[index] != phase)
        index++;
    return index;
}

Bf16Place bf16_tap_place(const Bf16Axis *rows, const Bf16Axis *cols,
                         int64_t row, int64_t col, int64_t width)
{
    Bf16Phases phases = bf16_phases(rows, cols);
    Bf16Tap r = bf16_tap(rows, row), c = bf16_tap(cols, col);
    return (Bf16Place){phase_index(phases.row, r.in_phase) * phases.cols +
                           phase_index(phases.col, c.in_phase),
                       (r.shift - bf16_low(rows)) * width + c.shift -
                           bf16_low(cols)};
}

// ---- forward and by data ----------------------------------------------------

Bf16Scratch bf16_scratch(const Bf16Kernel *k)
{
    int64_t rows = bf16_span(&k->rows), cols = bf16_span(&k->cols);
    Bf16Scratch s = {.width = k->cols.count + cols,
                     .height = k->task_rows + rows};
    bool joined = rows == 0 && cols == 0;
    s.joined = joined;
    s.lines = joined ? 1 : k->images;
    int64_t images = joined ? k->images : 1;
    int64_t results = images * k->task_rows * s.width - cols;
    s.matrices = ceil_div(results, BF16_ROWS);
    // The last matrix reads past what belongs to results.
    int64_t positions = max_i64(images * s.height * s.width,
                                s.matrices * BF16_ROWS + rows * s.width + cols);
    s.line = positions * BF16_ROW_BYTES;
    s.plane = s.lines * s.line;
    s.table =
        phase_count(&k->rows, &k->cols) * ceil_div(k->in_blocks, 2) * s.plane;
    int64_t places = (s.lines * s.matrices + 1) * BF16_ROWS;
    s.sums =
        align_up(s.table + places * (int64_t)sizeof(int32_t), BF16_ROW_BYTES);
    s.total = s.sums + 4 * BF16_MATRIX_BYTES;
    return s;
}

int64_t bf16_tasks(const Bf16Kernel *k, int64_t images)
{
    return images / k->images * ceil_div(k->rows.count, k->task_rows) *
           ceil_div(k->out_blocks, k->writes);
}

int64_t bf16_image_elements(const Bf16Kernel *k)
{
    return k->out_blocks * block_map(k->rows.out, k->cols.out);
}

// Cycles of all tasks, and what uneven shares add.
static double choice_cycles(const Bf16Kernel *k, int64_t images)
{
    Bf16Scratch s = bf16_scratch(k);
    double parts = (double)(images / k->images) *
                   (double)ceil_div(k->rows.count, k->task_rows);
    double groups = (double)ceil_div(k->out_blocks, k->writes);
    double pairs = (double)ceil_div(k->in_blocks, 2);
    double products = parts * (double)(s.lines * s.matrices) *
                      (double)k->out_blocks * pairs *
                      (double)(k->rows.taps * k->cols.taps) * PRODUCT_CYCLES /
                      (double)(k->rows.out_step * k->cols.out_step);
    double gathered = parts * groups * (double)s.table / CACHE_BYTES;
    double weights = parts * (double)k->out_blocks * pairs *
                     (double)(k->rows.taps * k->cols.taps) * BF16_MATRIX_BYTES /
                     CACHE_BYTES;
    double tasks = (double)bf16_tasks(k, images);
    double uneven = tasks < ENOUGH_TASKS ? ENOUGH_TASKS / tasks : 1;
    return (products + gathered + weights) * uneven;
}

// As many rows of an image as stay in the cache, in even parts.
static int64_t rows_that_fit(Bf16Kernel k)
{
    int64_t rows = k.rows.count;
    for (int64_t parts = 1; parts <= k.rows.count; parts++) {
        rows = k.task_rows = ceil_div(k.rows.count, parts);
        if (bf16_scratch(&k).table <= TASK_BYTES)
            break;
    }
    return rows;
}

void bf16_choose(Bf16Kernel *k, int64_t images)
{
    Bf16Kernel best = *k;
    double least = -1;
    for (int64_t some = 1; some <= images; some++) {
        if (images % some)
            continue;
        Bf16Kernel tried = *k;
        tried.images = some;
        tried.task_rows = some == 1 ? rows_that_fit(tried) : k->rows.count;
        // Places of results are told from a task's first in 32 bits.
        if (some > 1 && (bf16_scratch(&tried).table > TASK_BYTES ||
                         some * bf16_image_elements(k) > INT32_MAX))
            break;
        for (int64_t parts = 1; parts <= MAX_PARTS; parts *= 2) {
            // Whole pairs of blocks, where there are several.
            tried.writes = align_up(ceil_div(k->out_blocks, parts), 2);
            double cycles = choice_cycles(&tried, images);
            if (least < 0 || cycles < least) {
                least = cycles;
                best = tried;
            }
            if (tried.writes <= 2)
                break;
        }
    }
    *k = best;
}

static void axis_text(Text *text, const char *name, const Bf16Axis *a)
{
    text_addf(text,
              "%s: in %lld by %lld, out %lld by %lld, count %lld, taps %lld "
              "from %lld by %lld\n",
              name, (long long)a->in, (long long)a->in_step, (long long)a->out,
              (long long)a->out_step, (long long)a->count, (long long)a->taps,
              (long long)a->first, (long long)a->tap_step);
}

void bf16_text(Text *text, const Bf16Kernel *k)
{
    text_addf(text, "bf16: ");
    kernel_types_text(text, &k->types);
    text_addf(text, "blocks %lld > %lld, images %lld, rows %lld, writes %lld\n",
              (long long)k->in_blocks, (long long)k->out_blocks,
              (long long)k->images, (long long)k->task_rows,
              (long long)k->writes);
    axis_text(text, "rows", &k->rows);
    axis_text(text, "cols", &k->cols);
}

// ---- weights ----------------------------------------------------------------

int64_t bf16_pack_bytes(const Bf16PackKernel *k)
{
    return k->out_blocks * ceil_div(k->in_blocks, 2) * k->window *
           BF16_MATRIX_BYTES;
}

void bf16_pack_text(Text *text, const Bf16PackKernel *k)
{
    text_addf(text,
              "bf16, weights packed%s: %s, blocks %lld > %lld, window "
              "%lld\n",
              k->by_data ? " by data" : "", dtype_name(k->in),
              (long long)k->in_blocks, (long long)k->out_blocks,
              (long long)k->window);
}

// ---- by weights -------------------------------------------------------------

Bf16WeightsScratch bf16_weights_scratch(const Bf16WeightsKernel *k)
{
    enum { ALIAS = 1024 }; // rows so far apart fall into the same sets
    int64_t rows = bf16_span(&k->rows), cols = bf16_span(&k->cols);
    Bf16WeightsScratch s = {.width = k->cols.count + cols,
                            .height = k->rows.count + rows};
    int64_t image = s.height * s.width, reach = rows * s.width + cols;
    int64_t apart = ceil_div(k->rows.count * s.width, BF16_STEP);
    int64_t together = ceil_div(k->images * image, BF16_STEP);
    s.joined = together <= k->images * apart;
    s.lines = s.joined ? 1 : k->images;
    s.steps = s.joined ? together : apart;
    s.x_line = align_up(max_i64(s.joined ? k->images * image : image,
                                s.steps * BF16_STEP + reach),
                        BF16_STEP);
    s.row = s.lines * s.x_line * (int64_t)sizeof(uint16_t);
    if (s.row % ALIAS == 0)
        s.row += BF16_ROW_BYTES;
    s.phase = CPU_BLOCK * s.row;
    s.dy = k->reads * phase_count(&k->rows, &k->cols) * s.phase;
    s.gathered = s.dy + k->writes * s.lines * s.steps * BF16_MATRIX_BYTES;
    s.total = s.gathered + s.x_line * CPU_BLOCK * (int64_t)sizeof(uint16_t);
    return s;
}

int64_t bf16_weights_tasks(const Bf16WeightsKernel *k)
{
    return ceil_div(k->in_blocks, k->reads) *
           ceil_div(k->out_blocks, k->writes);
}

// As many images as stay in the cache, twice as many each time.
static int64_t images_that_fit(Bf16WeightsKernel k, int64_t images)
{
    for (k.images = 1; k.images * 2 <= images; k.images *= 2) {
        Bf16WeightsKernel more = k;
        more.images *= 2;
        if (bf16_weights_scratch(&more).gathered > TASK_BYTES)
            break;
    }
    return k.images;
}

// Cycles of all tasks, and what uneven shares add.
static double weights_cycles(const Bf16WeightsKernel *k, int64_t images)
{
    Bf16WeightsScratch s = bf16_weights_scratch(k);
    double window = (double)(k->rows.taps * k->cols.taps);
    double pairs = (double)(k->in_blocks * k->out_blocks);
    double tasks = (double)bf16_weights_tasks(k);
    double chunks = tasks < ENOUGH_TASKS ? ENOUGH_TASKS / tasks : 1;
    chunks = chunks > (double)images ? (double)images : chunks;
    double parts = (double)images / (double)k->images;
    double steps = parts * (double)(s.lines * s.steps);
    double packs = TRANSPOSE_CYCLES * (double)k->in_blocks *
                       (double)ceil_div(k->out_blocks, k->writes) *
                       (double)phase_count(&k->rows, &k->cols) +
                   PAIR_CYCLES * (double)k->out_blocks *
                       (double)ceil_div(k->in_blocks, k->reads);
    double products = window * pairs * PRODUCT_CYCLES;
    // Sums are read and written once a part, and again where chunks are added.
    double moved = 2 * window * pairs * BF16_MATRIX_BYTES / CACHE_BYTES *
                   (parts + (chunks > 1 ? 4 * chunks : 0));
    double over = (double)s.gathered / TASK_BYTES;
    double uneven =
        tasks * chunks < ENOUGH_TASKS ? ENOUGH_TASKS / (tasks * chunks) : 1;
    return (steps * (packs + products) + moved) * (over > 1 ? over : 1) *
           uneven;
}

void bf16_weights_choose(Bf16WeightsKernel *k, int64_t images)
{
    Bf16WeightsKernel tried = *k;
    double least = -1;
    for (int64_t reads = k->in_blocks;; reads = ceil_div(reads, 2)) {
        for (int64_t writes = k->out_blocks;; writes = ceil_div(writes, 2)) {
            tried.reads = reads;
            tried.writes = writes;
            tried.images = images_that_fit(tried, images);
            double cycles = weights_cycles(&tried, images);
            if (least < 0 || cycles < least) {
                least = cycles;
                *k = tried;
            }
            if (writes <= 2)
                break;
        }
        if (reads <= 2)
            break;
    }
}

void bf16_weights_text(Text *text, const Bf16WeightsKernel *k)
{
    text_addf(text,
              "bf16, by weights: blocks %lld > %lld, shares %lld %lld, images "
              "%lld\n",
              (long long)k->in_blocks, (long long)k->out_blocks,
              (long long)k->reads, (long long)k->writes, (long long)k->images);
    axis_text(text, "rows", &k->rows);
    axis_text(text, "cols", &k->cols);
}
