// OP_RANDOM: its generator, its shape, its oracle.
#include "ir/random.h"

#include <string.h>

#include "ir/base/text.h"
#include "ir/eval_rules.h"
#include "ir/shape_rules.h"

// ---- the generator ----------------------------------------------------------

// By round, again from the first after eight.
const int threefry_rotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};

// A round adds, rotates, and mixes by exclusive or; after every fourth the key
// comes in, its words and their parity in turn, with the number of times so
// far.
void threefry2x32(const uint32_t key[2], const uint32_t counter[2],
                  uint32_t out[2])
{
    const uint32_t schedule[3] = {key[0], key[1],
                                  key[0] ^ key[1] ^ THREEFRY_PARITY};
    uint32_t x = counter[0] + key[0], y = counter[1] + key[1];
    for (int round = 0; round < THREEFRY_ROUNDS; round++) {
        int by = threefry_rotations[round % 8];
        x += y;
        y = (y << by | y >> (32 - by)) ^ x;
        if (round % 4 == 3) {
            int times = round / 4 + 1;
            x += schedule[times % 3];
            y += schedule[(times + 1) % 3] + (uint32_t)times;
        }
    }
    out[0] = x;
    out[1] = y;
}

void random_stream_words(const Node *node, uint32_t words[2])
{
    const char *stream = node->attrs[RANDOM_STREAM].text;
    uint64_t hash = text_hash(TEXT_HASH_SEED, stream, strlen(stream));
    words[0] = (uint32_t)hash;
    words[1] = (uint32_t)(hash >> 32);
}

int64_t random_row_elements(int rank, const int64_t *dims)
{
    int64_t elements = 1;
    for (int i = 1; i < rank; i++)
        elements *= dims[i];
    return elements;
}

void random_plain_steps(int rank, const int64_t *dims, int64_t *steps)
{
    int64_t step = 1;
    for (int i = rank - 1; i > 0; i--) {
        steps[i] = step;
        step *= dims[i];
    }
    if (rank > 0)
        steps[0] = RANDOM_MOST_IN_ROW;
}

RandomImages random_images(IntList images)
{
    RandomImages all = {0};
    if (images.count)
        all = (RandomImages){images.at[0], images.at[1], images.at[0],
                             images.at[0]};
    if (images.count == 4) {
        all.run = images.at[2];
        all.stride = images.at[3];
    }
    return all;
}

// ---- shape ------------------------------------------------------------------

const char *shape_random(const Graph *graph, Node *node)
{
    const TensorType *key = shape_input(graph, node, 0);
    IntList dims = node->attrs[RANDOM_DIMS].ints;
    IntList steps = node->attrs[RANDOM_STEPS].ints;
    IntList images = node->attrs[RANDOM_IMAGES].ints;
    if ((key->dtype != DT_F32 && key->dtype != DT_F64) || key->rank != 1 ||
        key->dims[0] != RANDOM_KEY_ELEMENTS)
        return shape_error(graph, node, "the key is f32[5] or f64[5], not %s",
                           shape_text(graph, node, 0));
    node->type = type_make_form(key->dtype, dims.count, dims.at,
                                (Form)node->attrs[RANDOM_FORM].i);
    if (!type_is_sane(&node->type))
        return shape_error(graph, node,
                           "%s has a size below 1 or more than 2^40 elements",
                           type_text(graph->arena, &node->type));
    if (random_row_elements(dims.count, dims.at) > RANDOM_MOST_IN_ROW)
        return shape_error(graph, node,
                           "%s has more than 2^32 elements for one index of "
                           "axis 0",
                           type_text(graph->arena, &node->type));
    bool fits = steps.count == dims.count;
    for (int i = 0; fits && i < dims.count; i++)
        fits = steps.at[i] >= 0 &&
               steps.at[i] <= INT64_MAX / MAX_RANK / dims.at[i];
    if (!fits)
        return shape_error(graph, node,
                           "steps are a number of at least 0 for each of %d "
                           "axes, and lead to less than 2^60",
                           dims.count);
    // Floats of single precision count to 2^24.
    RandomImages all = {0};
    if (images.count == 0)
        return NULL;
    bool counts = images.count == 2 || images.count == 4;
    if (counts)
        all = random_images(images);
    if (!counts || !shape_in_range(images, 1, 1 << RANDOM_BITS) ||
        all.here > all.batch)
        return shape_error(graph, node,
                           "images are two numbers from 1 to 2^24, of a part "
                           "and of the whole batch, or four: then of a run, "
                           "and from one run to the next");
    if (all.here % all.run != 0 || all.run > all.stride ||
        (all.here / all.run - 1) * all.stride + all.run > all.batch)
        return shape_error(graph, node,
                           "%lld images in runs of %lld, one every %lld, are "
                           "none of a batch of %lld",
                           (long long)all.here, (long long)all.run,
                           (long long)all.stride, (long long)all.batch);
    return NULL;
}

// ---- the oracle -------------------------------------------------------------

// Whole numbers below 2^31 in size, as the kernels take them.
static uint32_t word(double x)
{
    return (uint32_t)(int32_t)x;
}

void eval_random(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    const double *given = eval_input(context, self, 0);
    RandomImages images = random_images(node->attrs[RANDOM_IMAGES].ints);
    uint32_t stream[2], key[2], bits[2];
    uint32_t base[2] = {word(given[0]) << 16 | word(given[1]),
                        word(given[2]) << 16 | word(given[3])};
    random_stream_words(node, stream);
    threefry2x32(base, stream, key);
    EvalWalk walk = eval_walk(&node->type);
    memcpy(walk.from_stride, node->attrs[RANDOM_STEPS].ints.at,
           sizeof *walk.from_stride * (size_t)node->type.rank);
    do {
        uint32_t counter[2] = {(uint32_t)walk.from,
                               (uint32_t)(walk.from >> 32)};
        if (images.here < images.batch) {
            uint32_t here = (uint32_t)images.here, run = (uint32_t)images.run;
            uint32_t image = counter[1] % here;
            counter[1] = counter[1] / here * (uint32_t)images.batch +
                         image / run * (uint32_t)images.stride + image % run +
                         word(given[RANDOM_KEY_FIRST]);
        }
        threefry2x32(key, counter, bits);
        out[walk.to] = (bits[0] >> (32 - RANDOM_BITS)) * 0x1p-24;
    } while (eval_walk_next(&walk));
}
