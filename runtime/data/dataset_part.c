// What people call the parts of a set.
#include <strings.h>

#include "runtime/data/dataset_inside.h"

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcasecmp(word, *words) == 0)
            return true;
    return false;
}

int dataset_part_of(const char *word)
{
    static const char *const words[DATASET_PARTS][8] = {
        [DATASET_TRAIN] = {"train", "training", "trainset", "trn"},
        [DATASET_TEST] = {"test", "testing", "testset", "tst"},
        [DATASET_VALID] = {"val", "valid", "validation", "validate", "dev",
                           "eval", "evaluation"},
        [DATASET_EXTRA] = {"unlabeled", "unlabelled", "unsup"},
    };
    for (int part = 0; part < DATASET_PARTS; part++)
        if (is_one_of(word, words[part]))
            return part;
    return -1;
}
