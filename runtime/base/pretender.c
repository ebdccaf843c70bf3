#include "runtime/base/pretender.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

// The first line of a pointer file, by the Git LFS specification.
static const char lfs_mark[] = "version https://git-lfs";

static bool begins(const char *text, int64_t size, const char *word)
{
    int64_t length = (int64_t)strlen(word);
    return size >= length && strncasecmp(text, word, (size_t)length) == 0;
}

const char *pretender_name(const void *bytes, int64_t size)
{
    static const char *const pages[] = {"<!doctype html", "<html", "<head",
                                        "<body", NULL};
    const char *text = bytes;
    if (begins(text, size, lfs_mark))
        return "a Git LFS pointer in place of the file: `git lfs pull` fetches "
               "it";
    if (begins(text, size, "\xef\xbb\xbf")) {
        text += 3;
        size -= 3;
    }
    while (size > 0 && strchr(" \t\r\n", *text) && *text) {
        text++;
        size--;
    }
    for (int i = 0; pages[i]; i++)
        if (begins(text, size, pages[i]))
            return "a web page in place of the file: download the file itself, "
                   "by its own link and with what permission it needs";
    return NULL;
}
