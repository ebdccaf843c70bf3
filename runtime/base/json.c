#include "runtime/base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

JsonReader json_reader(const char *text, size_t size)
{
    return (JsonReader){.at = text, .end = text + size, .start = text};
}

bool json_fail(JsonReader *reader, const char *error)
{
    if (!reader->error) {
        reader->error = error;
        reader->position = (size_t)(reader->at - reader->start);
    }
    return false;
}

bool json_out_of_memory(JsonReader *reader)
{
    reader->no_memory = reader->no_memory || !reader->error;
    return json_fail(reader, "no memory for it");
}

static void skip_spaces(JsonReader *reader)
{
    while (reader->at < reader->end &&
           (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' ||
            *reader->at == '\r'))
        reader->at++;
}

// Takes `wanted` when it is next.
static bool take(JsonReader *reader, char wanted)
{
    if (reader->error)
        return false;
    skip_spaces(reader);
    if (reader->at == reader->end || *reader->at != wanted)
        return false;
    reader->at++;
    return true;
}

bool json_enter(JsonReader *reader, char open)
{
    if (take(reader, open))
        return true;
    return json_fail(reader, open == '{' ? "expected '{'" : "expected '['");
}

bool json_next(JsonReader *reader, char close, bool *first)
{
    if (take(reader, close) || reader->error)
        return false;
    bool was_first = *first;
    *first = false;
    if (!was_first && !take(reader, ','))
        return json_fail(reader, close == '}' ? "expected ',' or '}'"
                                              : "expected ',' or ']'");
    return true;
}

char *json_key(JsonReader *reader)
{
    char *key = json_string(reader);
    if (key && !take(reader, ':')) {
        json_fail(reader, "expected ':'");
        free(key);
        return NULL;
    }
    return key;
}

// Bytes of the well-formed UTF-8 sequence at `text`; 0 = malformed. Overlong
// forms, surrogates and numbers above U+10FFFF are malformed (RFC 3629).
static size_t utf8_length(const unsigned char *text, size_t size)
{
    unsigned char lead = text[0];
    if (lead < 0x80)
        return 1;
    size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || size < length)
        return 0;
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (text[i] < 0x80 || text[i] > 0xbf)
            return 0;
    return length;
}

bool json_is_utf8(const char *text, size_t size)
{
    for (size_t length; size > 0; text += length, size -= length) {
        length = utf8_length((const unsigned char *)text, size);
        if (length == 0)
            return false;
    }
    return true;
}

static bool read_hex(JsonReader *reader, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        if (reader->at == reader->end)
            return json_fail(reader, "text ends inside an escape");
        char digit = *reader->at;
        uint32_t value = digit >= '0' && digit <= '9'   ? digit - '0'
                         : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                         : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                                        : 16;
        if (value == 16)
            return json_fail(reader, "bad \\u escape");
        *code = *code << 4 | value;
        reader->at++;
    }
    return true;
}

static size_t put_utf8(char *out, uint32_t code)
{
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(leads[length] | code);
    return length;
}

// After "\u": one code, or the two halves of a surrogate pair.
static size_t unescape_unicode(JsonReader *reader, char *out)
{
    uint32_t code, low;
    if (!read_hex(reader, &code))
        return 0;
    if (code >= 0xd800 && code < 0xdc00) {
        if (reader->end - reader->at < 2 || memcmp(reader->at, "\\u", 2) != 0)
            return json_fail(reader, "lone surrogate");
        reader->at += 2;
        if (!read_hex(reader, &low))
            return 0;
        if (low < 0xdc00 || low > 0xdfff)
            return json_fail(reader, "lone surrogate");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return json_fail(reader, "lone surrogate");
    }
    if (code == 0)
        return json_fail(reader, "zero byte in a string");
    return put_utf8(out, code);
}

static size_t unescape(JsonReader *reader, char *out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (reader->at == reader->end)
        return json_fail(reader, "text ends inside an escape");
    char name = *reader->at++;
    if (name == 'u')
        return unescape_unicode(reader, out);
    const char *found = name ? strchr(names, name) : NULL;
    if (!found)
        return json_fail(reader, "unknown escape");
    *out = values[found - names];
    return 1;
}

// Bytes that the string's text takes at most: an escape is never shorter than
// what it stands for.
static size_t raw_length(const JsonReader *reader)
{
    const char *at = reader->at;
    while (at < reader->end && *at != '"')
        at += *at == '\\' && reader->end - at > 1 ? 2 : 1;
    return (size_t)(at - reader->at);
}

static bool read_string(JsonReader *reader, char *out)
{
    while (reader->at < reader->end && *reader->at != '"') {
        const unsigned char *at = (const unsigned char *)reader->at;
        if (*at < 0x20)
            return json_fail(reader, "control character in a string");
        size_t length = utf8_length(at, (size_t)(reader->end - reader->at));
        if (length == 0)
            return json_fail(reader, "malformed UTF-8");
        if (*at == '\\') {
            reader->at++;
            length = unescape(reader, out);
            if (length == 0)
                return false;
        } else {
            memcpy(out, at, length);
            reader->at += length;
        }
        out += length;
    }
    *out = 0;
    return take(reader, '"') || json_fail(reader, "string without an end");
}

char *json_string(JsonReader *reader)
{
    if (!take(reader, '"')) {
        json_fail(reader, "expected a string");
        return NULL;
    }
    char *text = malloc(raw_length(reader) + 1);
    if (!text) {
        json_out_of_memory(reader);
        return NULL;
    }
    if (!read_string(reader, text)) {
        free(text);
        return NULL;
    }
    return text;
}

bool json_whole(JsonReader *reader, int64_t *number)
{
    if (reader->error)
        return false;
    skip_spaces(reader);
    const char *first = reader->at;
    *number = 0;
    while (reader->at < reader->end && *reader->at >= '0' &&
           *reader->at <= '9') {
        if (__builtin_mul_overflow(*number, (int64_t)10, number) ||
            __builtin_add_overflow(*number, *reader->at - '0', number))
            return json_fail(reader, "number too large");
        reader->at++;
    }
    if (reader->at == first)
        return json_fail(reader, "expected a whole number");
    if (*first == '0' && reader->at - first > 1)
        return json_fail(reader, "number with a leading zero");
    if (reader->at < reader->end && strchr(".eE", *reader->at) && *reader->at)
        return json_fail(reader, "expected a whole number");
    return true;
}

static bool take_word(JsonReader *reader, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length ||
        memcmp(reader->at, word, length) != 0)
        return false;
    reader->at += length;
    return true;
}

static void skip_digits(JsonReader *reader)
{
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
        reader->at++;
}

bool json_number(JsonReader *reader, double *number)
{
    char text[64];
    if (reader->error)
        return false;
    skip_spaces(reader);
    *number = NAN;
    if (take_word(reader, "null"))
        return true;
    const char *first = reader->at;
    take_word(reader, "-");
    const char *digits = reader->at;
    skip_digits(reader);
    bool good =
        reader->at > digits && (*digits != '0' || reader->at == digits + 1);
    if (good && take_word(reader, ".")) {
        const char *fraction = reader->at;
        skip_digits(reader);
        good = reader->at > fraction;
    }
    if (good && (take_word(reader, "e") || take_word(reader, "E"))) {
        if (!take_word(reader, "-"))
            take_word(reader, "+");
        const char *exponent = reader->at;
        skip_digits(reader);
        good = reader->at > exponent;
    }
    size_t length = (size_t)(reader->at - first);
    if (!good || length >= sizeof text)
        return json_fail(reader, "expected a number");
    memcpy(text, first, length);
    text[length] = 0;
    *number = strtod(text, NULL);
    return true;
}

static bool skip_value(JsonReader *reader, int depth)
{
    double number;
    char open = 0;
    if (reader->error)
        return false;
    skip_spaces(reader);
    if (reader->at < reader->end)
        open = *reader->at;
    if (open == '"') {
        char *text = json_string(reader);
        free(text);
        return text != NULL;
    }
    if (open != '{' && open != '[')
        return take_word(reader, "true") || take_word(reader, "false") ||
               json_number(reader, &number);
    if (depth == 0)
        return json_fail(reader, "nested too deep");
    json_enter(reader, open);
    for (bool first = true;
         json_next(reader, open == '{' ? '}' : ']', &first);) {
        if (open == '{')
            free(json_key(reader));
        skip_value(reader, depth - 1);
    }
    return !reader->error;
}

bool json_skip(JsonReader *reader)
{
    return skip_value(reader, 64);
}

bool json_finish(JsonReader *reader)
{
    if (reader->error)
        return false;
    skip_spaces(reader);
    return reader->at == reader->end || json_fail(reader, "text after the end");
}
