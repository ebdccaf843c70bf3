#include "runtime/files/unzip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "runtime/base/file.h"

enum {
    // Signatures, and sizes of the records they begin without what follows.
    END = 0x06054b50,
    END_BYTES = 22,
    END64 = 0x06064b50,
    END64_BYTES = 56,
    LOCATOR64 = 0x07064b50,
    LOCATOR64_BYTES = 20,
    LISTED = 0x02014b50,
    LISTED_BYTES = 46,
    LOCAL = 0x04034b50,
    LOCAL_BYTES = 30,
    COMMENT_LIMIT = 65535,
    ENCRYPTED = 1,
    STORED = 0,
    DEFLATED = 8,
    ZIP64_FIELD = 1,
    // What a hostile archive may make us hold.
    LIST_LIMIT = 64 << 20,
    MEMBER_LIMIT = 1 << 18,
    CHUNK = 1 << 16,
    // Deflate makes no more than 258 bytes of two bits.
    MOST_DEFLATED = 1032
};

static uint64_t number(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static Status bad(const Zip *zip, const char *reason)
{
    return status_error(STATUS_DATA, "'%s' is a damaged zip archive: %s",
                        zip->path, reason);
}

static Status no_memory(const Zip *zip)
{
    return status_error(STATUS_MEMORY, "no memory to read '%s'", zip->path);
}

static Status read_at(const Zip *zip, int64_t offset, int64_t size, void *out)
{
    int64_t got = file_read_at(zip->descriptor, offset, size, out);
    if (got < 0)
        return status_error(STATUS_FAILED, "cannot read '%s': %s", zip->path,
                            strerror(errno));
    return got == size ? status_ok() : bad(zip, "it ends too early");
}

// ---- where the list is ------------------------------------------------------

typedef struct ListPlace {
    uint64_t count, bytes, offset;
    uint64_t end; // where the records behind it begin
} ListPlace;

static Status find_list64(const Zip *zip, int64_t end, ListPlace *list)
{
    uint8_t locator[LOCATOR64_BYTES], record[END64_BYTES];
    if (end < LOCATOR64_BYTES + END64_BYTES)
        return bad(zip, "its ZIP64 record is missing");
    TRY(read_at(zip, end - LOCATOR64_BYTES, LOCATOR64_BYTES, locator));
    uint64_t at = number(locator + 8, 8);
    if (number(locator, 4) != LOCATOR64 ||
        at > (uint64_t)(end - LOCATOR64_BYTES - END64_BYTES))
        return bad(zip, "its ZIP64 record is missing");
    TRY(read_at(zip, (int64_t)at, END64_BYTES, record));
    if (number(record, 4) != END64)
        return bad(zip, "its ZIP64 record is missing");
    *list = (ListPlace){number(record + 32, 8), number(record + 40, 8),
                        number(record + 48, 8), at};
    return status_ok();
}

// The record at the end has a comment of any bytes behind it: it is the last
// one whose comment reaches to the end of the file.
static Status find_list(const Zip *zip, int64_t file_bytes, ListPlace *list)
{
    int64_t room = file_bytes < END_BYTES + COMMENT_LIMIT
                       ? file_bytes
                       : END_BYTES + COMMENT_LIMIT;
    int64_t start = file_bytes - room, at = room - END_BYTES;
    uint8_t *tail = malloc((size_t)room + 1);
    if (!tail)
        return no_memory(zip);
    Status status = read_at(zip, start, room, tail);
    while (status.code == STATUS_OK && at >= 0 &&
           (number(tail + at, 4) != END ||
            (int64_t)number(tail + at + 20, 2) != room - at - END_BYTES))
        at--;
    if (status.code == STATUS_OK && at < 0)
        status = bad(zip, "the list of its members is missing: it was cut off");
    if (status.code == STATUS_OK) {
        *list =
            (ListPlace){number(tail + at + 10, 2), number(tail + at + 12, 4),
                        number(tail + at + 16, 4), (uint64_t)(start + at)};
        if (list->count == 0xffff || list->bytes == 0xffffffff ||
            list->offset == 0xffffffff)
            status = find_list64(zip, start + at, list);
    }
    free(tail);
    TRY(status);
    if (list->offset > list->end || list->bytes > list->end - list->offset ||
        list->bytes > LIST_LIMIT || list->count > MEMBER_LIMIT)
        return bad(zip, "the list of its members does not fit into it");
    return status_ok();
}

// ---- the list ---------------------------------------------------------------

// Sizes and places that do not fit into four bytes stand in an extra field, in
// this order, those that are needed alone.
static bool read_zip64(const uint8_t *extra, uint64_t size, uint64_t *bytes,
                       uint64_t *packed, uint64_t *offset)
{
    uint64_t *const wanted[] = {bytes, packed, offset};
    bool needed =
        *bytes == 0xffffffff || *packed == 0xffffffff || *offset == 0xffffffff;
    for (uint64_t at = 0; needed && at + 4 <= size;) {
        uint64_t id = number(extra + at, 2), length = number(extra + at + 2, 2);
        at += 4;
        if (length > size - at)
            return false;
        for (int i = 0; id == ZIP64_FIELD && i < 3; i++) {
            if (*wanted[i] != 0xffffffff)
                continue;
            if (length < 8)
                return false;
            *wanted[i] = number(extra + at, 8);
            at += 8;
            length -= 8;
        }
        if (id == ZIP64_FIELD)
            return true;
        at += length;
    }
    return !needed;
}

// Its own header says where the data begins.
static Status find_data(const Zip *zip, ZipMember *member, uint64_t local,
                        uint64_t limit)
{
    uint8_t header[LOCAL_BYTES];
    if (local > limit || limit - local < LOCAL_BYTES)
        return bad(zip, "a member would lie outside of it");
    TRY(read_at(zip, (int64_t)local, LOCAL_BYTES, header));
    uint64_t start =
        local + LOCAL_BYTES + number(header + 26, 2) + number(header + 28, 2);
    if (number(header, 4) != LOCAL)
        return bad(zip, "a member has no header");
    if (start > limit || (uint64_t)member->packed > limit - start)
        return bad(zip, "a member would lie outside of it");
    member->offset = (int64_t)start;
    return status_ok();
}

static Status read_member(Zip *zip, const uint8_t *at, const char *name,
                          uint64_t limit)
{
    ZipMember *member = &zip->members[zip->count++];
    uint64_t name_size = number(at + 28, 2), extra_size = number(at + 30, 2);
    uint64_t packed = number(at + 20, 4), bytes = number(at + 24, 4);
    uint64_t local = number(at + 42, 4), method = number(at + 10, 2);
    *member = (ZipMember){.name = name,
                          .crc = (uint32_t)number(at + 16, 4),
                          .deflated = method == DEFLATED};
    if (strlen(name) != name_size)
        return bad(zip, "a member's name has a zero in it");
    if (number(at + 8, 2) & ENCRYPTED)
        return status_error(STATUS_DATA, "'%s': its member %.200s is encrypted",
                            zip->path, name);
    if (method != STORED && method != DEFLATED)
        return status_error(STATUS_DATA,
                            "'%s': its member %.200s is packed by method %d; "
                            "stored and deflated ones are read",
                            zip->path, name, (int)method);
    if (!read_zip64(at + LISTED_BYTES + name_size, extra_size, &bytes, &packed,
                    &local))
        return bad(zip, "a ZIP64 size is missing");
    if (packed > limit)
        return bad(zip, "a member would lie outside of it");
    if (member->deflated ? bytes / MOST_DEFLATED > packed : bytes != packed)
        return status_error(STATUS_DATA,
                            "'%s': its member %.200s claims %llu bytes, which "
                            "the %llu it takes in the archive cannot hold",
                            zip->path, name, (unsigned long long)bytes,
                            (unsigned long long)packed);
    member->packed = (int64_t)packed;
    member->bytes = (int64_t)bytes;
    return find_data(zip, member, local, limit);
}

static Status read_list(Zip *zip, const ListPlace *list, const uint8_t *text)
{
    char *name = zip->names;
    uint64_t at = 0;
    for (uint64_t i = 0; i < list->count; i++) {
        if (list->bytes - at < LISTED_BYTES || number(text + at, 4) != LISTED)
            return bad(zip, "the list of its members is cut off");
        uint64_t name_size = number(text + at + 28, 2);
        uint64_t size = LISTED_BYTES + name_size + number(text + at + 30, 2) +
                        number(text + at + 32, 2);
        if (list->bytes - at < size)
            return bad(zip, "the list of its members is cut off");
        // Room for it and its zero: the list is longer by far.
        memcpy(name, text + at + LISTED_BYTES, name_size);
        name[name_size] = '\0';
        TRY(read_member(zip, text + at, name, list->offset));
        name += name_size + 1;
        at += size;
    }
    return status_ok();
}

static int compare_names(const void *a, const void *b)
{
    const ZipMember *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int compare_offsets(const void *a, const void *b)
{
    const ZipMember *const *x = a, *const *y = b;
    if ((*x)->offset != (*y)->offset)
        return (*x)->offset < (*y)->offset ? -1 : 1;
    return ((*x)->packed > (*y)->packed) - ((*x)->packed < (*y)->packed);
}

// Members that share bytes are how a small file claims to be a huge one.
static Status check_members(const Zip *zip)
{
    ZipMember **order = zip->by_name;
    size_t count = (size_t)zip->count;
    qsort(order, count, sizeof *order, compare_offsets);
    for (size_t i = 1; i < count; i++)
        if (order[i - 1]->offset + order[i - 1]->packed > order[i]->offset)
            return status_error(STATUS_DATA,
                                "'%s': its members %.200s and %.200s overlap",
                                zip->path, order[i - 1]->name, order[i]->name);
    qsort(order, count, sizeof *order, compare_names);
    for (size_t i = 1; i < count; i++)
        if (compare_names(&order[i - 1], &order[i]) == 0)
            return status_error(STATUS_DATA,
                                "'%s': two members are named %.200s", zip->path,
                                order[i]->name);
    return status_ok();
}

static Status open_list(Zip *zip, int64_t file_bytes)
{
    ListPlace list = {0};
    TRY(find_list(zip, file_bytes, &list));
    // Members that are not listed cannot be counted either.
    if (list.count > list.bytes / LISTED_BYTES)
        return bad(zip, "the list of its members is cut off");
    uint8_t *text = malloc((size_t)list.bytes + 1);
    zip->names = malloc((size_t)list.bytes + 1);
    zip->members = calloc((size_t)list.count + 1, sizeof *zip->members);
    zip->by_name = calloc((size_t)list.count + 1, sizeof(ZipMember *));
    Status status =
        text && zip->names && zip->members && zip->by_name
            ? read_at(zip, (int64_t)list.offset, (int64_t)list.bytes, text)
            : no_memory(zip);
    if (status.code == STATUS_OK)
        status = read_list(zip, &list, text);
    free(text);
    TRY(status);
    for (int i = 0; i < zip->count; i++)
        zip->by_name[i] = &zip->members[i];
    return check_members(zip);
}

Status zip_open(Zip *zip, int descriptor, int64_t file_bytes, const char *path)
{
    *zip = (Zip){.descriptor = descriptor, .path = path};
    if (file_bytes < END_BYTES)
        return bad(zip, "it is shorter than 22 bytes");
    Status status = open_list(zip, file_bytes);
    if (status.code != STATUS_OK)
        zip_close(zip);
    return status;
}

void zip_close(Zip *zip)
{
    free(zip->names);
    free(zip->members);
    free(zip->by_name);
    *zip = (Zip){0};
}

const ZipMember *zip_find(const Zip *zip, const char *name)
{
    ZipMember wanted = {.name = name};
    const ZipMember *key = &wanted;
    if (!zip->count)
        return NULL;
    ZipMember **found = bsearch(&key, zip->by_name, (size_t)zip->count,
                                sizeof *zip->by_name, compare_names);
    return found ? *found : NULL;
}

// ---- members ----------------------------------------------------------------

static Status bad_member(const Zip *zip, const ZipMember *member,
                         const char *reason)
{
    return status_error(STATUS_DATA, "'%s' is damaged: its member %.200s %s",
                        zip->path, member->name, reason);
}

// A member being unpacked, a chunk at a time.
typedef struct Unpacking {
    const Zip *zip;
    const ZipMember *member;
    z_stream stream;
    int64_t taken; // of its bytes in the file
    bool ended;
    uint8_t *in, *out; // a chunk each
} Unpacking;

// Unpacks into `out` until `size` bytes are there or the member ends.
static Status unpack(Unpacking *from, void *out, int64_t size, int64_t *got)
{
    z_stream *stream = &from->stream;
    *got = 0;
    while (*got < size && !from->ended) {
        if (stream->avail_in == 0 && from->taken < from->member->packed) {
            int64_t part = from->member->packed - from->taken;
            part = part < CHUNK ? part : CHUNK;
            TRY(read_at(from->zip, from->member->offset + from->taken, part,
                        from->in));
            from->taken += part;
            stream->next_in = from->in;
            stream->avail_in = (uInt)part;
        }
        int64_t room = size - *got < CHUNK ? size - *got : CHUNK;
        stream->next_out = (uint8_t *)out + *got;
        stream->avail_out = (uInt)room;
        int code = inflate(stream, Z_NO_FLUSH);
        *got += room - stream->avail_out;
        from->ended = code == Z_STREAM_END;
        if (code == Z_MEM_ERROR)
            return no_memory(from->zip);
        if (code != Z_OK && code != Z_STREAM_END)
            return bad_member(from->zip, from->member, "cannot be unpacked");
    }
    return status_ok();
}

static Status unpack_range(Unpacking *from, int64_t start, int64_t size,
                           void *out)
{
    int64_t got;
    while (start > 0) {
        int64_t part = start < CHUNK ? start : CHUNK;
        TRY(unpack(from, from->out, part, &got));
        if (got < part)
            return bad_member(from->zip, from->member, "is cut off");
        start -= part;
    }
    TRY(unpack(from, out, size, &got));
    if (got < size)
        return bad_member(from->zip, from->member, "is cut off");
    return status_ok();
}

static Status unpack_check(Unpacking *from)
{
    uLong crc = crc32(0, NULL, 0);
    int64_t total = 0, got = CHUNK;
    while (got == CHUNK && total <= from->member->bytes) {
        TRY(unpack(from, from->out, CHUNK, &got));
        crc = crc32(crc, from->out, (uInt)got);
        total += got;
    }
    if (total != from->member->bytes)
        return bad_member(from->zip, from->member,
                          "is not as long as the archive says");
    if (crc != from->member->crc)
        return bad_member(from->zip, from->member, "has another checksum");
    return status_ok();
}

// `out` NULL checks all of it.
static Status unpack_member(const Zip *zip, const ZipMember *member,
                            int64_t start, int64_t size, void *out)
{
    Unpacking from = {.zip = zip, .member = member};
    uint8_t *room = malloc(2 * CHUNK);
    // -15: deflate's bytes alone, without zlib's frame around them.
    if (!room || inflateInit2(&from.stream, -15) != Z_OK) {
        free(room);
        return no_memory(zip);
    }
    from.in = room;
    from.out = room + CHUNK;
    Status status =
        out ? unpack_range(&from, start, size, out) : unpack_check(&from);
    inflateEnd(&from.stream);
    free(room);
    return status;
}

Status zip_read(const Zip *zip, const ZipMember *member, int64_t start,
                int64_t size, void *out)
{
    if (start < 0 || size < 0 || start > member->bytes ||
        size > member->bytes - start)
        return bad_member(zip, member, "is cut off");
    if (member->deflated)
        return unpack_member(zip, member, start, size, out);
    return read_at(zip, member->offset + start, size, out);
}

Status zip_check(const Zip *zip, const ZipMember *member)
{
    if (member->deflated)
        return unpack_member(zip, member, 0, 0, NULL);
    uLong crc = crc32(0, NULL, 0);
    uint8_t *room = malloc(CHUNK);
    Status status = room ? status_ok() : no_memory(zip);
    for (int64_t at = 0; at < member->bytes && status.code == STATUS_OK;
         at += CHUNK) {
        int64_t part = member->bytes - at < CHUNK ? member->bytes - at : CHUNK;
        status = read_at(zip, member->offset + at, part, room);
        if (status.code == STATUS_OK)
            crc = crc32(crc, room, (uInt)part);
    }
    free(room);
    TRY(status);
    if (crc != member->crc)
        return bad_member(zip, member, "has another checksum");
    return status_ok();
}

const char *zip_library(void)
{
    return zlibVersion();
}
