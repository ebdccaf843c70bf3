// What people call the parts of a set.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runtime/data/dataset_inside.h"

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcasecmp(word, *words) == 0)
            return true;
    return false;
}

// Words that say nothing about which part it is: test_images, training-set.
static bool is_filler(const char *word)
{
    static const char *const words[] = {"set",      "data", "dataset", "images",
                                        "image",    "imgs", "img",     "photos",
                                        "pictures", "part", "split",   NULL};
    return is_one_of(word, words);
}

static int part_of_word(const char *word)
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

// A year, or which of several it is, does not change a part: val2017.
static void drop_digits(char *word)
{
    size_t length = strlen(word);
    while (length > 1 && word[length - 1] >= '0' && word[length - 1] <= '9')
        word[--length] = '\0';
}

int dataset_part_beside(const char *name, char rest[DATASET_WORDS])
{
    char text[DATASET_WORDS], *state = NULL;
    int part = -1;
    size_t used = 0;
    rest[0] = '\0';
    if (strlen(name) >= sizeof text)
        return -1;
    strcpy(text, name);
    for (char *word = strtok_r(text, "_- ", &state); word;
         word = strtok_r(NULL, "_- ", &state)) {
        drop_digits(word);
        int here = part_of_word(word);
        if (here >= 0 && part >= 0)
            return -1;
        if (here >= 0)
            part = here;
        else if (!is_filler(word)) // shorter than the name, so it fits
            used += (size_t)sprintf(rest + used, "%s%s", used ? " " : "", word);
    }
    return part;
}

int dataset_part_of(const char *name)
{
    char rest[DATASET_WORDS];
    int part = dataset_part_beside(name, rest);
    return rest[0] ? -1 : part;
}
