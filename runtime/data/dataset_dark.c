// Images of 16 bits a channel that do not fill them: what a camera of 10 or 12
// bits gives is stored so, and black is all that is to be seen of it.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/dataset_inside.h"
#include "runtime/data/image_npy.h"
#include "runtime/data/image_png.h"

// So many are looked at, unless one of them is bright. FEW_BITS are a sixteenth
// of white; 14 would be a quarter, which an image of all 16 may well keep to.
enum { LOOKED_AT = 4, FEW_BITS = 12 };

static bool has_sixteen_bits(const uint8_t *bytes, int64_t size)
{
    static const char whole[] = "'<u2'";
    size_t header = size < DATASET_PROBE ? (size_t)size : DATASET_PROBE;
    return dataset_is_deep_png(bytes, size) ||
           (header > 0 && bytes[0] == 0x93 &&
            memmem(bytes, header, whole, sizeof whole - 1));
}

// The largest number of a sample of 16 bits, alpha aside; -1 for others, and
// where it cannot be read, which is said when it is needed.
static int brightest(const Dataset *dataset, const Sample *sample)
{
    uint8_t *bytes = NULL;
    int64_t size = 0;
    Image image = {0};
    if (dataset_stored(dataset, sample, &bytes, &size).code != STATUS_OK)
        return -1;
    bool whole = has_sixteen_bits(bytes, size);
    bool png = dataset_is_deep_png(bytes, size);
    Status status = status_ok();
    if (whole)
        status = (png ? png_decode_planes : npy_decode)(bytes, size,
                                                        sample->name, &image);
    free(bytes);
    if (!whole || status.code != STATUS_OK)
        return -1;
    int64_t area = (int64_t)image.width * image.height;
    float most = 0;
    for (int64_t i = 0; i < (png ? 3 : image.channels) * area; i++)
        most = image.planes[i] > most ? image.planes[i] : most;
    image_free(&image);
    return (int)lrintf(65535 * most);
}

Status dataset_tell_dark(Dataset *dataset)
{
    const SampleList *list = &dataset->splits[SPLIT_TRAIN];
    int bits = 1, looked_at = 0, most = 0;
    int64_t count = list->count < LOOKED_AT ? list->count : LOOKED_AT;
    for (int64_t i = 0; i < count && !dataset->shape.width; i++) {
        const Sample *sample = &list->items[i * list->count / count];
        if (!dataset->deep && !dataset_is_array_name(sample->name))
            continue;
        int value = brightest(dataset, sample);
        looked_at += value >= 0;
        most = value > most ? value : most;
        while (most >> bits)
            bits++;
        if (bits > FEW_BITS)
            return status_ok();
    }
    if (!most)
        return status_ok();
    return dataset_add_note(
        dataset,
        "%d of the images of 16 bits %s looked at, and no value is above %d: "
        "they are all but black, as those of a camera of %d bits are: multiply "
        "values by %d",
        looked_at, looked_at == 1 ? "was" : "were", (1 << bits) - 1, bits,
        1 << (16 - bits));
}
