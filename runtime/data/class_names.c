#include "runtime/data/class_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json.h"

enum { LONGEST = 4 }; // bytes of a character here: \xNN, or UTF-8's own most

// ---- writing ----------------------------------------------------------------

// The bytes of the character of UTF-8 at `text`; 0 when there is none.
static size_t character(const char *text)
{
    size_t left = strnlen(text, LONGEST);
    for (size_t length = 1; length <= left; length++)
        if (json_is_utf8(text, length))
            return length;
    return 0;
}

// Writes what the first character of `name` is here; returns its end in the
// name.
static const char *write_character(const char *name, char to[LONGEST + 1])
{
    unsigned char byte = (unsigned char)*name;
    size_t length = character(name);
    if (byte == '\\' || byte == '\n')
        snprintf(to, LONGEST + 1, "\\%c", byte == '\n' ? 'n' : '\\');
    else if (length == 0 || byte < ' ' || byte == 0x7f)
        snprintf(to, LONGEST + 1, "\\x%02x", byte);
    else
        snprintf(to, LONGEST + 1, "%.*s", (int)length, name);
    return name + (length ? length : 1);
}

char *class_names_write(int count, char *const *names)
{
    size_t size = 1, used = 0;
    char part[LONGEST + 1];
    for (int i = 0; i < count; i++)
        size += LONGEST * strlen(names[i]) + 1;
    char *lines = malloc(size);
    if (!lines)
        return NULL;
    for (int i = 0; i < count; i++) {
        if (i)
            lines[used++] = '\n';
        for (const char *at = names[i]; *at;) {
            at = write_character(at, part);
            size_t length = strlen(part);
            memcpy(lines + used, part, length);
            used += length;
        }
    }
    lines[used] = '\0';
    return lines;
}

// ---- reading ----------------------------------------------------------------

static int hex_digit(char letter)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = letter ? strchr(digits, letter) : NULL;
    return at ? (int)(at - digits) : -1;
}

// The byte that `*at` stands for; moves *at past it.
static char read_character(const char **at)
{
    const char *text = *at;
    *at = text + 1;
    if (text[0] != '\\')
        return text[0];
    if (text[1] == '\\' || text[1] == 'n') {
        *at = text + 2;
        return text[1] == 'n' ? '\n' : '\\';
    }
    int high = text[1] == 'x' ? hex_digit(text[2]) : -1;
    int low = high >= 0 ? hex_digit(text[3]) : -1;
    if (low < 0 || 16 * high + low == 0)
        return '\\';
    *at = text + 4;
    return (char)(16 * high + low);
}

// The name in a line of `length` bytes, malloc'ed.
static char *read_line(const char *line, size_t length)
{
    char *name = malloc(length + 1);
    size_t used = 0;
    for (const char *at = line; name && at < line + length;)
        name[used++] = read_character(&at);
    if (name)
        name[used] = '\0';
    return name;
}

Status class_names_read(const char *lines, ClassNames *names)
{
    size_t count = 1;
    *names = (ClassNames){0};
    for (const char *at = lines; *at; at++)
        count += *at == '\n';
    names->at = malloc(count * sizeof *names->at);
    for (const char *line = lines; names->at;) {
        size_t length = strcspn(line, "\n");
        char *name = read_line(line, length);
        if (!name)
            break;
        names->at[names->count++] = name;
        if (!line[length])
            return status_ok();
        line += length + 1;
    }
    class_names_free(names);
    return status_error(STATUS_MEMORY, "no memory for the names of classes");
}

void class_names_free(ClassNames *names)
{
    for (int i = 0; i < names->count; i++)
        free(names->at[i]);
    free(names->at);
    *names = (ClassNames){0};
}

void class_names_list(int count, char *const *names, char *text, size_t size)
{
    static const char more[] = ", ...";
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < count; i++) {
        size_t length = strlen(names[i]) + (i ? 2 : 0);
        if (used + length + sizeof more > size) {
            snprintf(text + used, size - used, "%s", i ? more : more + 2);
            return;
        }
        snprintf(text + used, size - used, "%s%s", i ? ", " : "", names[i]);
        used += length;
    }
}
