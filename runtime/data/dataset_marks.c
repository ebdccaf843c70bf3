// Images known again by their bytes, under whatever names they lie.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/checksum.h"
#include "runtime/data/dataset_inside.h"

// Of an image as it is stored.
typedef struct Mark {
    int64_t size;
    uint64_t sum;
} Mark;

// -1 when there is no such file any more.
static int64_t stored_size(const Dataset *dataset, const Sample *sample)
{
    char path[DATASET_PATH];
    struct stat info;
    if (sample->bytes)
        return (int64_t)dataset->shape.width * dataset->shape.height *
               dataset->shape.channels;
    if (sample->container >= 0)
        return sample->size;
    return sample->container != DATASET_ELSEWHERE &&
                   dataset_path(dataset, sample->name, path) &&
                   stat(path, &info) == 0
               ? (int64_t)info.st_size
               : -1;
}

static bool make_mark(const Dataset *dataset, const Sample *sample, Mark *mark)
{
    uint8_t *bytes;
    Checksum sum = checksum_new();
    if (sample->container == DATASET_ELSEWHERE ||
        dataset_stored(dataset, sample, &bytes, &mark->size).code != STATUS_OK)
        return false;
    checksum_add(&sum, bytes, mark->size);
    mark->sum = checksum_value(&sum);
    free(bytes);
    return true;
}

void dataset_marks(const Dataset *dataset, char text[DATA_MARKS_TEXT])
{
    const SampleList *train = &dataset->splits[SPLIT_TRAIN];
    int64_t wanted = train->count < DATA_MARKS ? train->count : DATA_MARKS;
    int used = 0;
    text[0] = '\0';
    for (int64_t i = 0; i < wanted; i++) {
        Mark mark;
        const Sample *sample = &train->items[i * train->count / wanted];
        if (make_mark(dataset, sample, &mark))
            used += snprintf(text + used, DATA_MARKS_TEXT - (size_t)used,
                             "%s%" PRId64 ":%016" PRIx64, used ? " " : "",
                             mark.size, mark.sum);
    }
}

int dataset_count_marked(const Dataset *dataset, unsigned splits,
                         const char *marks, int *noted)
{
    Mark list[DATA_MARKS];
    bool found[DATA_MARKS] = {false};
    int count = 0, length, all = 0;
    for (; count < DATA_MARKS &&
           sscanf(marks, "%" SCNd64 ":%" SCNx64 "%n", &list[count].size,
                  &list[count].sum, &length) == 2;
         count++)
        marks += length;
    for (int split = 0; split < SPLIT_COUNT; split++) {
        const SampleList *part = &dataset->splits[split];
        for (int64_t i = 0; splits >> split & 1 && i < part->count; i++) {
            Mark mark = {0};
            int64_t size = stored_size(dataset, &part->items[i]);
            for (int k = 0; k < count; k++) {
                if (list[k].size != size || found[k])
                    continue;
                // Read once, and only where the size is right.
                if (!mark.size && !make_mark(dataset, &part->items[i], &mark))
                    break;
                found[k] = mark.size == size && mark.sum == list[k].sum;
            }
        }
    }
    for (int k = 0; k < count; k++)
        all += found[k];
    *noted = count;
    return all;
}
