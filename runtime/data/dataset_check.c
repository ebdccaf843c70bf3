#include "runtime/data/dataset_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/dataset_inside.h"
#include "runtime/data/pictures.h"

// The picture shrunk to a grid, and the signs of its slopes: a difference
// hash, one bit for each two neighbours of 9 x 8 grey cells.
enum { GRID = 8, THUMB = 3 * GRID * GRID };

// Two pictures are the same when at most MAX_BITS of the hash differ and the
// shrunk pixels differ by at most this root mean square, of 255. Stored again
// as JPEG of quality 40 a photo moves by less than 1 and rarely 6 bits.
enum { MAX_BITS = 7 };
static const double max_distance = 2.0;

// Chroma that JPEG leaves in a grey picture, as a mean over its pixels.
static const double grey_chroma = 1.5;

typedef struct Facts {
    const Sample *sample;
    DataSplit split;
    bool decoded, grey, told; // told: a finding names its like
    int width, height;
    int64_t size;
    uint64_t bytes, slopes; // hashes of file and picture
    uint8_t thumb[THUMB];
} Facts;

typedef struct Checker {
    const Dataset *dataset;
    DataCheck *check;
    Facts *facts; // training images, then test images
    int64_t count;
    Pictures *pictures;        // NULL in a set too large for it
    int64_t *order, *partners; // scratch, one for each image
    double *distances;
} Checker;

static Status no_memory(const Dataset *dataset)
{
    return status_error(STATUS_MEMORY, "%s: no memory to check it",
                        dataset->root);
}

static Status add_finding(Checker *checker, Finding finding)
{
    DataCheck *check = checker->check;
    if (check->count == check->room) {
        int64_t room = check->room ? 2 * check->room : 64;
        Finding *grown = realloc(check->findings, (size_t)room * sizeof *grown);
        if (!grown) {
            free(finding.reason);
            return no_memory(checker->dataset);
        }
        check->findings = grown;
        check->room = room;
    }
    check->findings[check->count++] = finding;
    check->counts[finding.kind]++;
    return status_ok();
}

static Status add_unreadable(Checker *checker, const char *name,
                             const char *reason)
{
    Finding finding = {.kind = FINDING_UNREADABLE, .name = name};
    finding.reason = strdup(reason);
    return finding.reason ? add_finding(checker, finding)
                          : no_memory(checker->dataset);
}

// ---- one image -------------------------------------------------------------

// FNV-1a, 64 bits.
static uint64_t hash_bytes(const uint8_t *bytes, int64_t size)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (int64_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ull;
    return hash;
}

static uint64_t hash_slopes(const Image *image)
{
    double cells[3 * (GRID + 1) * GRID];
    uint64_t hash = 0;
    image_shrink(image, GRID + 1, GRID, cells);
    for (int row = 0; row < GRID; row++)
        for (int column = 0; column < GRID; column++) {
            const double *at = cells + 3 * (row * (GRID + 1) + column);
            double here = at[0] + 2 * at[1] + at[2];
            double next = at[3] + 2 * at[4] + at[5];
            hash = hash << 1 | (next > here);
        }
    return hash;
}

static bool is_grey(const Image *image)
{
    int64_t area = (int64_t)image->width * image->height, chroma = 0;
    for (int64_t i = 0; i < area; i++) {
        const uint8_t *rgb = image->pixels + 3 * i;
        chroma += abs(rgb[0] - rgb[1]) + abs(rgb[2] - rgb[1]);
    }
    return (double)chroma <= grey_chroma * (double)area;
}

static void look_at(Facts *facts, const Image *image)
{
    double cells[THUMB];
    image_shrink(image, GRID, GRID, cells);
    for (int i = 0; i < THUMB; i++)
        facts->thumb[i] = (uint8_t)lrint(cells[i]);
    facts->slopes = hash_slopes(image);
    facts->grey = is_grey(image);
    facts->width = image->width;
    facts->height = image->height;
    facts->decoded = true;
}

// What the message says behind the sample's own path.
static const char *bare_reason(const Checker *checker, const Sample *sample,
                               const Status *status)
{
    char path[DATASET_PATH];
    dataset_sample_path(checker->dataset, sample, path);
    size_t length = strlen(path);
    bool named = strncmp(status->text, path, length) == 0 &&
                 strncmp(status->text + length, ": ", 2) == 0;
    return named ? status->text + length + 2 : status->text;
}

static Status check_image(Checker *checker, Facts *facts)
{
    uint8_t *bytes = NULL;
    Image image = {0};
    const Dataset *dataset = checker->dataset;
    Status status =
        dataset_stored(dataset, facts->sample, &bytes, &facts->size);
    if (status.code == STATUS_OK) {
        facts->bytes = hash_bytes(bytes, facts->size);
        status =
            dataset_unpack(dataset, facts->sample, bytes, facts->size, &image);
    }
    free(bytes);
    if (status.code == STATUS_OK) {
        look_at(facts, &image);
        if (checker->pictures)
            pictures_add(checker->pictures, facts - checker->facts, &image);
    } else if (status.code == STATUS_DATA) {
        status = add_unreadable(checker, facts->sample->name,
                                bare_reason(checker, facts->sample, &status));
    }
    image_free(&image);
    return status;
}

static Status check_images(Checker *checker)
{
    const DataSkip *skips;
    int skipped = dataset_skips(checker->dataset, &skips);
    for (int i = 0; i < skipped; i++)
        TRY(add_unreadable(checker, skips[i].path, skips[i].reason));
    for (int64_t i = 0; i < checker->count; i++)
        TRY(check_image(checker, &checker->facts[i]));
    return status_ok();
}

static Status check_sizes(Checker *checker)
{
    for (int64_t i = 0; i < checker->count; i++) {
        const Facts *facts = &checker->facts[i];
        if (facts->decoded &&
            (facts->width < CHECK_TINY || facts->height < CHECK_TINY))
            TRY(add_finding(checker, (Finding){.kind = FINDING_TINY,
                                               .name = facts->sample->name,
                                               .width = facts->width,
                                               .height = facts->height}));
    }
    return status_ok();
}

// In a set most of which has color, a grey image is an odd one.
static Status check_grey(Checker *checker)
{
    int64_t grey = 0, decoded = 0;
    for (int64_t i = 0; i < checker->count; i++) {
        decoded += checker->facts[i].decoded;
        grey += checker->facts[i].grey;
    }
    if (2 * grey >= decoded)
        return status_ok();
    for (int64_t i = 0; i < checker->count; i++)
        if (checker->facts[i].grey)
            TRY(add_finding(checker,
                            (Finding){.kind = FINDING_GREY,
                                      .name = checker->facts[i].sample->name}));
    return status_ok();
}

// ---- pairs -----------------------------------------------------------------

static bool is_leak(const Facts *a, const Facts *b)
{
    return a->split != b->split;
}

static int severity(const Checker *checker, const Facts *a, const Facts *b)
{
    return 2 * is_leak(a, b) +
           dataset_labels_differ(checker->dataset, a->sample, b->sample);
}

// Notes `partner` of `image`, an earlier one, if it is worse than the present
// one, or as bad and earlier.
static void offer(Checker *checker, int64_t image, int64_t partner,
                  double distance)
{
    const Facts *facts = checker->facts;
    int64_t present = checker->partners[image];
    if (present >= 0) {
        int now = severity(checker, &facts[image], &facts[present]);
        int then = severity(checker, &facts[image], &facts[partner]);
        if (then < now || (then == now && partner >= present))
            return;
    }
    checker->partners[image] = partner;
    checker->distances[image] = distance;
}

static Status add_pairs(Checker *checker, FindingKind kind)
{
    for (int64_t i = 0; i < checker->count; i++) {
        int64_t partner = checker->partners[i];
        if (partner < 0)
            continue;
        const Facts *a = &checker->facts[i], *b = &checker->facts[partner];
        checker->facts[i].told = true;
        TRY(add_finding(checker,
                        (Finding){.kind = kind,
                                  .name = a->sample->name,
                                  .other = b->sample->name,
                                  .distance = checker->distances[i],
                                  .across = dataset_labels_differ(
                                      checker->dataset, a->sample, b->sample),
                                  .leak = is_leak(a, b)}));
        checker->check->crossing +=
            kind != FINDING_MOVED && severity(checker, a, b) > 0;
    }
    return status_ok();
}

static void forget_partners(Checker *checker)
{
    for (int64_t i = 0; i < checker->count; i++)
        checker->partners[i] = -1;
}

static bool same_hash(const Facts *a, const Facts *b)
{
    return a->size == b->size && a->bytes == b->bytes;
}

static int compare_hashes(const void *left, const void *right, void *context)
{
    int64_t i = *(const int64_t *)left, k = *(const int64_t *)right;
    const Facts *a = (const Facts *)context + i;
    const Facts *b = (const Facts *)context + k;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return i < k ? -1 : i > k;
}

// Hashes may agree by chance; the bytes decide. A file that cannot be read any
// more is no pair.
static bool same_bytes(const Checker *checker, int64_t i, int64_t k)
{
    uint8_t *left = NULL, *right = NULL;
    int64_t size = 0, other = 0;
    const Dataset *dataset = checker->dataset;
    Status status =
        dataset_stored(dataset, checker->facts[i].sample, &left, &size);
    if (status.code == STATUS_OK)
        status =
            dataset_stored(dataset, checker->facts[k].sample, &right, &other);
    bool same = status.code == STATUS_OK && size == other &&
                memcmp(left, right, (size_t)size) == 0;
    free(left);
    free(right);
    return same;
}

// order[from..to) have one hash, ascending.
static void pair_group(Checker *checker, int64_t from, int64_t to)
{
    const int64_t *order = checker->order;
    for (int64_t i = from + 1; i < to; i++) {
        for (int64_t k = from; k < i; k++)
            offer(checker, order[i], order[k], 0);
        int64_t *partner = &checker->partners[order[i]];
        if (!same_bytes(checker, order[i], *partner))
            *partner = -1;
    }
}

static Status check_identical(Checker *checker)
{
    Facts *facts = checker->facts;
    int64_t *order = checker->order, count = 0;
    for (int64_t i = 0; i < checker->count; i++)
        if (facts[i].decoded)
            order[count++] = i;
    qsort_r(order, (size_t)count, sizeof *order, compare_hashes, facts);
    forget_partners(checker);
    for (int64_t from = 0, to; from < count; from = to) {
        for (to = from + 1;
             to < count && same_hash(&facts[order[from]], &facts[order[to]]);)
            to++;
        pair_group(checker, from, to);
    }
    return add_pairs(checker, FINDING_IDENTICAL);
}

static double thumb_distance(const Facts *a, const Facts *b)
{
    int64_t sum = 0;
    for (int i = 0; i < THUMB; i++) {
        int difference = a->thumb[i] - b->thumb[i];
        sum += difference * difference;
    }
    return sqrt((double)sum / THUMB);
}

// Adds up bits in pairs, fours and bytes, then all bytes by a product.
static int count_bits(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int)(bits * 0x0101010101010101u >> 56);
}

static void compare_pictures(Checker *checker, int64_t i, int64_t k)
{
    int64_t earlier = i < k ? i : k, later = i < k ? k : i;
    const Facts *a = &checker->facts[earlier], *b = &checker->facts[later];
    if (same_hash(a, b))
        return;
    double distance = thumb_distance(a, b);
    if (distance <= max_distance)
        offer(checker, later, earlier, distance);
}

// An image's place among all by brightness: the sum of its shrunk pixels.
typedef struct Bright {
    int sum;
    uint64_t slopes;
    int64_t image;
} Bright;

static int compare_bright(const void *left, const void *right)
{
    const Bright *a = left, *b = right;
    if (a->sum != b->sum)
        return a->sum < b->sum ? -1 : 1;
    return a->image < b->image ? -1 : a->image > b->image;
}

static int64_t sort_bright(const Checker *checker, Bright *bright)
{
    int64_t count = 0;
    for (int64_t i = 0; i < checker->count; i++) {
        const Facts *facts = &checker->facts[i];
        if (!facts->decoded)
            continue;
        int sum = 0;
        for (int k = 0; k < THUMB; k++)
            sum += facts->thumb[k];
        bright[count++] = (Bright){sum, facts->slopes, i};
    }
    qsort(bright, (size_t)count, sizeof *bright, compare_bright);
    return count;
}

// The difference of two means is at most the root mean square difference, so
// only images of about one brightness need be compared.
static Status check_near(Checker *checker)
{
    Bright *bright = malloc(((size_t)checker->count + 1) * sizeof *bright);
    if (!bright)
        return no_memory(checker->dataset);
    int reach = (int)(max_distance * THUMB);
    int64_t count = sort_bright(checker, bright);
    forget_partners(checker);
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = i + 1;
             k < count && bright[k].sum - bright[i].sum <= reach; k++)
            if (count_bits(bright[i].slopes ^ bright[k].slopes) <= MAX_BITS)
                compare_pictures(checker, bright[i].image, bright[k].image);
    free(bright);
    return add_pairs(checker, FINDING_NEAR);
}

// Where bytes or shrunk pixels have told already, nothing is said again.
static void offer_moved(void *context, int64_t i, int64_t k)
{
    const Checker *checker = context;
    if (!checker->facts[k].told)
        offer(context, k, i, 0);
}

static Status check_moved(Checker *checker)
{
    if (!checker->pictures)
        return status_ok();
    forget_partners(checker);
    TRY(pictures_compare(checker->pictures, offer_moved, checker));
    return add_pairs(checker, FINDING_MOVED);
}

// ---- the whole -------------------------------------------------------------

static Status check_balance(Checker *checker)
{
    const Dataset *dataset = checker->dataset;
    DataCheck *check = checker->check;
    int classes = dataset->class_count;
    check->largest = check->smallest = -1;
    if (classes < 2)
        return status_ok();
    int64_t *counts = calloc((size_t)classes, sizeof *counts);
    if (!counts)
        return no_memory(dataset);
    for (int64_t i = 0; i < checker->count; i++) {
        const Facts *facts = &checker->facts[i];
        const int32_t *of;
        int labels = dataset_sample_labels(dataset, facts->sample, &of);
        for (int k = 0; facts->split == SPLIT_TRAIN && k < labels; k++)
            counts[of[k]]++;
    }
    check->largest = check->smallest = 0;
    for (int i = 1; i < classes; i++) {
        if (counts[i] > counts[check->largest])
            check->largest = i;
        if (counts[i] < counts[check->smallest])
            check->smallest = i;
    }
    check->largest_count = counts[check->largest];
    check->smallest_count = counts[check->smallest];
    free(counts);
    return status_ok();
}

static Status run_checks(Checker *checker)
{
    TRY(check_images(checker));
    TRY(check_sizes(checker));
    TRY(check_grey(checker));
    TRY(check_identical(checker));
    TRY(check_near(checker));
    TRY(check_moved(checker));
    TRY(check_balance(checker));
    return status_ok();
}

static void list_samples(Checker *checker)
{
    int64_t at = 0;
    for (int split = 0; split < SPLIT_COUNT; split++) {
        const SampleList *list = &checker->dataset->splits[split];
        for (int64_t i = 0; i < list->count; i++)
            checker->facts[at++] =
                (Facts){.sample = &list->items[i], .split = (DataSplit)split};
    }
}

Status dataset_check(const Dataset *dataset, DataCheck *check)
{
    Checker checker = {.dataset = dataset, .check = check};
    for (int split = 0; split < SPLIT_COUNT; split++)
        checker.count += dataset->splits[split].count;
    size_t room = (size_t)checker.count + 1;
    *check = (DataCheck){.images = checker.count};
    checker.facts = malloc(room * sizeof *checker.facts);
    checker.order = malloc(room * sizeof *checker.order);
    checker.partners = malloc(room * sizeof *checker.partners);
    checker.distances = malloc(room * sizeof *checker.distances);
    Status status = no_memory(dataset);
    if (checker.facts && checker.order && checker.partners &&
        checker.distances) {
        list_samples(&checker);
        status = checker.count <= PICTURES_MOST
                     ? pictures_new(checker.count, &checker.pictures)
                     : status_ok();
        if (status.code == STATUS_OK)
            status = run_checks(&checker);
    }
    pictures_free(checker.pictures);
    free(checker.facts);
    free(checker.order);
    free(checker.partners);
    free(checker.distances);
    if (status.code != STATUS_OK)
        dataset_check_free(check);
    return status;
}

void dataset_check_free(DataCheck *check)
{
    for (int64_t i = 0; i < check->count; i++)
        free(check->findings[i].reason);
    free(check->findings);
    *check = (DataCheck){0};
}

bool dataset_check_bad(const DataCheck *check)
{
    return check->counts[FINDING_UNREADABLE] > 0 || check->crossing > 0;
}

bool dataset_check_unbalanced(const DataCheck *check)
{
    return check->largest >= 0 &&
           check->largest_count > CHECK_RATIO * check->smallest_count;
}
