#include "codegen/cpu/way.h"

#include <stdlib.h>
#include <string.h>

static const char *const methods[WAY_METHODS] = {"rule", "winograd", "rows",
                                                 "images", "pixels"};

int64_t way_scale(const ConvWay *way, int64_t size)
{
    int64_t scaled = way->scale > 0   ? 2 * size
                     : way->scale < 0 ? size / 2
                                      : size;
    return scaled > 1 ? scaled : 1;
}

const char *way_text(Arena *arena, const ConvWay *way)
{
    Text text = text_new(arena);
    text_add(&text, methods[way->method]);
    if (way->blocks)
        text_addf(&text, " blocks=%d", way->blocks);
    if (way->order)
        text_addf(&text, " first=%s",
                  way->order == ORDER_WEIGHTS ? "weights" : "images");
    if (way->scale)
        text_addf(&text, " tasks=%s", way->scale > 0 ? "large" : "small");
    return text_string(&text);
}

// One word of a way. False when it is none.
static bool read_word(const char *word, size_t length, ConvWay *way)
{
    static const struct {
        const char *word;
        WayOrder order;
        int scale;
    } words[] = {{"first=weights", ORDER_WEIGHTS, 0},
                 {"first=images", ORDER_IMAGES, 0},
                 {"tasks=large", ORDER_RULE, 1},
                 {"tasks=small", ORDER_RULE, -1}};
    for (int i = 0; i < WAY_METHODS; i++)
        if (strlen(methods[i]) == length &&
            memcmp(methods[i], word, length) == 0) {
            way->method = (WayMethod)i;
            return true;
        }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == length &&
            memcmp(words[i].word, word, length) == 0) {
            way->order = words[i].order ? words[i].order : way->order;
            way->scale = words[i].scale ? words[i].scale : way->scale;
            return true;
        }
    if (length != 8 || memcmp(word, "blocks=", 7) != 0 || word[7] < '1' ||
        word[7] > '9')
        return false;
    way->blocks = word[7] - '0';
    return true;
}

// Words up to the end of the line.
static ConvWay read_way(const char *text)
{
    ConvWay way = {WAY_RULE};
    while (*text && *text != '\n') {
        size_t length = strcspn(text, " \n");
        if (length && !read_word(text, length, &way))
            return (ConvWay){WAY_RULE};
        text += length + (text[length] == ' ');
    }
    return way;
}

ConvWay way_find(const char *ways, const char *shape)
{
    size_t length = strlen(shape);
    for (const char *line = ways; line && *line;) {
        const char *end = strchr(line, '\n');
        if (strncmp(line, shape, length) == 0 && line[length] == ':')
            return read_way(line + length + 1);
        line = end ? end + 1 : NULL;
    }
    return (ConvWay){WAY_RULE};
}
