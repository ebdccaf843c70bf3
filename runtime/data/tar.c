#include "runtime/data/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/file.h"

// POSIX.1-1988, "ustar Interchange Format". A header is a block of its own;
// bytes are padded to whole blocks.
enum { BLOCK = 512, PAX_BYTES = 1 << 20 };

typedef struct TarHeader {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
    char type, link[100], magic[8], user[32], group[32], device[16];
    char prefix[155], padding[12];
} TarHeader;

_Static_assert(sizeof(TarHeader) == BLOCK, "a header fills its block");

// What an extension header says about the member after it.
typedef struct Extension {
    char name[TAR_NAME]; // empty = nothing
    int64_t size;        // -1 = nothing
} Extension;

static Status damaged(const TarReader *reader, const char *reason)
{
    return status_error(STATUS_DATA, "%s: damaged at byte %lld: %s",
                        reader->path, (long long)reader->at, reason);
}

Status tar_open(TarReader *reader, const char *path)
{
    struct stat info;
    *reader = (TarReader){open(path, O_RDONLY | O_CLOEXEC), path, 0, 0};
    if (reader->descriptor >= 0 && fstat(reader->descriptor, &info) == 0) {
        reader->size = info.st_size;
        return status_ok();
    }
    Status status = status_error(STATUS_DATA, "%s: %s", path, strerror(errno));
    tar_close(reader);
    return status;
}

void tar_close(TarReader *reader)
{
    if (reader->descriptor >= 0)
        close(reader->descriptor);
    reader->descriptor = -1;
}

static Status read_at(const TarReader *reader, int64_t offset, void *bytes,
                      int64_t count)
{
    int64_t got = file_read_at(reader->descriptor, offset, count, bytes);
    if (got < count)
        return status_error(STATUS_DATA, "%s: %s", reader->path,
                            got < 0 ? strerror(errno)
                                    : "the file is truncated");
    return status_ok();
}

Status tar_read(const TarReader *reader, const TarMember *member, void *bytes,
                int64_t count)
{
    return read_at(reader, member->offset, bytes, count);
}

// Octal digits between spaces, ended by a space, a zero or the field; or, with
// the first bit set, GNU's big-endian binary. -1 = neither, or too large.
static int64_t parse_number(const char *field, int size)
{
    int64_t number = 0;
    int i = 0;
    if (field[0] & 0x80) {
        for (i = 1; i < size; i++) {
            if (number >> 54)
                return -1;
            number = number << 8 | (uint8_t)field[i];
        }
        return (uint8_t)field[0] == 0x80 ? number : -1;
    }
    while (i < size && field[i] == ' ')
        i++;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        number = number * 8 + (field[i] - '0');
    return i == size || field[i] == ' ' || field[i] == 0 ? number : -1;
}

// The sum of the header's bytes, those of the sum itself taken as spaces. Old
// writers added signed bytes.
static bool checksum_fits(const TarHeader *header)
{
    const char *bytes = (const char *)header;
    const char *field = header->checksum;
    int64_t plain = 0, with_sign = 0;
    for (int i = 0; i < BLOCK; i++) {
        bool own = bytes + i >= field && bytes + i < field + 8;
        plain += own ? ' ' : (uint8_t)bytes[i];
        with_sign += own ? ' ' : (signed char)bytes[i];
    }
    int64_t stored = parse_number(field, 8);
    return stored == plain || stored == with_sign;
}

static bool is_zero(const TarHeader *header)
{
    const char *bytes = (const char *)header;
    for (int i = 0; i < BLOCK; i++)
        if (bytes[i])
            return false;
    return true;
}

static void header_name(const TarHeader *header, char name[TAR_NAME])
{
    size_t used = 0;
    bool ustar = memcmp(header->magic, "ustar\0", 6) == 0;
    if (ustar && header->prefix[0]) {
        used = strnlen(header->prefix, sizeof header->prefix);
        memcpy(name, header->prefix, used);
        name[used++] = '/';
    }
    size_t length = strnlen(header->name, sizeof header->name);
    memcpy(name + used, header->name, length);
    name[used + length] = 0;
}

// pax records: "LENGTH KEY=VALUE\n", where LENGTH counts all of it. False when
// they are not of that form.
static bool parse_pax(const char *text, int64_t size, Extension *extension)
{
    for (const char *end = text + size; text < end;) {
        char *key;
        long long length = strtoll(text, &key, 10);
        if (length < 5 || length > end - text || *key != ' ' ||
            text[length - 1] != '\n')
            return false;
        const char *last = text + length - 1, *value = NULL;
        if (++key < last)
            value = memchr(key, '=', (size_t)(last - key));
        if (!value)
            return false;
        value++;
        size_t room = (size_t)(last - value);
        if (strncmp(key, "path=", 5) == 0) {
            if (room >= TAR_NAME || memchr(value, 0, room))
                return false;
            memcpy(extension->name, value, room);
            extension->name[room] = 0;
        } else if (strncmp(key, "size=", 5) == 0) {
            extension->size = strtoll(value, NULL, 10);
            if (extension->size < 0)
                return false;
        }
        text += length;
    }
    return true;
}

// GNU's 'L' holds the next member's name, pax's 'x' records about it.
static Status read_extension(const TarReader *reader, char type,
                             const TarMember *member, Extension *extension)
{
    if (type != 'L' && type != 'x')
        return status_ok();
    if (member->size > PAX_BYTES)
        return damaged(reader, "an extension header of more than a megabyte");
    char *text = malloc((size_t)member->size + 1);
    if (!text)
        return status_error(STATUS_MEMORY, "%s: no memory", reader->path);
    Status status = tar_read(reader, member, text, member->size);
    text[member->size] = 0;
    if (status.code == STATUS_OK && type == 'x' &&
        !parse_pax(text, member->size, extension))
        status = damaged(reader, "a malformed pax header");
    else if (status.code == STATUS_OK && type == 'L') {
        if (strlen(text) >= TAR_NAME)
            status = damaged(reader, "a name of more than 4095 bytes");
        else
            memcpy(extension->name, text, strlen(text) + 1);
    }
    free(text);
    return status;
}

// A header with its checksum right. *end: the archive's end mark.
static Status read_header(const TarReader *reader, TarHeader *header, bool *end)
{
    if (reader->size - reader->at < BLOCK)
        return damaged(reader, "the file is truncated");
    TRY(read_at(reader, reader->at, header, BLOCK));
    *end = is_zero(header);
    if (!*end && !checksum_fits(header))
        return damaged(reader, "not a tar header, or its checksum is wrong");
    return status_ok();
}

static Status locate(TarReader *reader, const TarHeader *header, int64_t size,
                     TarMember *member)
{
    member->offset = reader->at + BLOCK;
    member->size = size < 0 ? parse_number(header->size, 12) : size;
    if (member->size < 0)
        return damaged(reader, "a size that is no number");
    if (member->size > reader->size - member->offset)
        return damaged(reader, "a member that reaches beyond the file: it is "
                               "truncated");
    return status_ok();
}

Status tar_next(TarReader *reader, TarMember *member, bool *more)
{
    TarHeader header;
    Extension extension = {"", -1};
    for (;;) {
        bool end = false;
        TRY(read_header(reader, &header, &end));
        *more = !end;
        if (end)
            return status_ok();
        bool extends = header.type == 'L' || header.type == 'x' ||
                       header.type == 'K' || header.type == 'g';
        TRY(locate(reader, &header, extends ? -1 : extension.size, member));
        TRY(read_extension(reader, header.type, member, &extension));
        reader->at =
            member->offset + (member->size + BLOCK - 1) / BLOCK * BLOCK;
        if (extends)
            continue;
        bool regular =
            header.type == '0' || header.type == 0 || header.type == '7';
        header_name(&header, member->name);
        if (extension.name[0])
            memcpy(member->name, extension.name, strlen(extension.name) + 1);
        if (regular)
            return status_ok();
        extension = (Extension){"", -1};
    }
}
