#include "ir/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Text text_new(Arena *arena)
{
    return (Text){.arena = arena};
}

static void text_reserve(Text *text, size_t more)
{
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity)
        return;
    size_t capacity = text->capacity ? text->capacity : 128;
    while (capacity < needed)
        capacity *= 2;
    char *grown = arena_alloc(text->arena, capacity);
    if (text->length)
        memcpy(grown, text->at, text->length);
    text->at = grown;
    text->capacity = capacity;
}

void text_add_n(Text *text, const char *piece, size_t length)
{
    text_reserve(text, length);
    if (length)
        memcpy(text->at + text->length, piece, length);
    text->length += length;
    text->at[text->length] = '\0';
}

void text_add(Text *text, const char *piece)
{
    text_add_n(text, piece, strlen(piece));
}

// A short piece fits as it is formatted; a longer one is, again, when there is
// room for it.
void text_addf(Text *text, const char *format, ...)
{
    enum { SHORT = 96 };
    va_list args;
    text_reserve(text, SHORT);
    for (;;) {
        size_t room = text->capacity - text->length;
        va_start(args, format);
        int length = vsnprintf(text->at + text->length, room, format, args);
        va_end(args);
        if (length >= 0 && (size_t)length < room) {
            text->length += (size_t)length;
            return;
        }
        text->at[text->length] = '\0';
        if (length < 0)
            return;
        text_reserve(text, (size_t)length);
    }
}

void text_add_int(Text *text, int64_t value)
{
    char digits[20]; // of 2^63, and a sign
    char *at = digits + sizeof digits;
    // Unsigned, for the least number has no positive counterpart.
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    text_add_n(text, at, (size_t)(digits + sizeof digits - at));
}

const char *text_string(const Text *text)
{
    return text->at ? text->at : "";
}

void text_add_double(Text *text, double value)
{
    if (isnan(value)) {
        text_add(text, "nan");
    } else if (isinf(value)) {
        text_add(text, value < 0 ? "-inf" : "inf");
    } else if (value == floor(value) && fabs(value) < 1e15) {
        text_addf(text, "%.0f", value); // 100, where %g would give 1e+02
    } else {
        // 17 significant digits always read back as the same double.
        char digits[40];
        for (int precision = 1; precision <= 17; precision++) {
            snprintf(digits, sizeof digits, "%.*g", precision, value);
            if (strtod(digits, NULL) == value)
                break;
        }
        text_add(text, digits);
    }
}

// Bytes in the UTF-8 sequence at `at`, 0 when it is not one: RFC 3629, without
// overlong forms and surrogates. `at` ends with a NUL.
int text_utf8_length(const char *at)
{
    const unsigned char *s = (const unsigned char *)at;
    if (s[0] < 0x80)
        return 1;
    int length = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
                 : s[0] >= 0xe0 && s[0] <= 0xef ? 3
                 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                : 0;
    for (int i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

static void add_json_escape(Text *text, unsigned char byte)
{
    static const char letters[] = "\b\f\n\r\t";
    const char *letter = strchr(letters, byte);
    if (byte == '"' || byte == '\\')
        text_addf(text, "\\%c", byte);
    else if (letter)
        text_addf(text, "\\%c", "bfnrt"[letter - letters]);
    else
        text_addf(text, "\\u%04x", byte);
}

void text_add_json(Text *text, const char *piece)
{
    text_add(text, "\"");
    while (*piece) {
        unsigned char byte = (unsigned char)*piece;
        int length = text_utf8_length(piece);
        if (length == 0)
            text_add(text, "\xef\xbf\xbd"); // U+FFFD
        else if (byte < 0x20 || byte == '"' || byte == '\\')
            add_json_escape(text, byte);
        else
            text_add_n(text, piece, (size_t)length);
        piece += length ? length : 1;
    }
    text_add(text, "\"");
}

bool text_glob(const char *pattern, const char *name)
{
    // After a mismatch only the last `*` needs to take one byte more.
    const char *star = NULL, *resume = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            resume = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

enum { LONGEST_WORD = 63 };

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

// Edits (insert, drop, change, swap neighbours) from a to b, both at most
// LONGEST_WORD long; three rows of the usual table.
static int edit_distance(const char *a, int a_length, const char *b,
                         int b_length)
{
    int rows[3][LONGEST_WORD + 1];
    for (int j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (int i = 1; i <= a_length; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3];
        const int *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= b_length; j++) {
            int change = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = min_int(change, min_int(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min_int(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *text_closest(const char *word, const char *const *candidates,
                         int count)
{
    size_t length = strlen(word);
    if (length < 2 || length > LONGEST_WORD)
        return NULL;
    // A third of the word may be wrong; more would be a guess.
    int nearest = (length < 3 ? 1 : (int)length / 3) + 1;
    const char *best = NULL;
    for (int i = 0; i < count; i++) {
        size_t other = strlen(candidates[i]);
        if (other > LONGEST_WORD)
            continue;
        int distance =
            edit_distance(word, (int)length, candidates[i], (int)other);
        if (distance < nearest) {
            nearest = distance;
            best = candidates[i];
        }
    }
    return best;
}

uint64_t text_hash(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 0x100000001b3ull;
    return hash;
}
