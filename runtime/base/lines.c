#include "runtime/base/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_ROOM = 1 << 16, MOST_LINE = 1 << 20 };

static Status make_room(LineReader *reader)
{
    size_t used = reader->end - reader->begin;
    if (reader->begin > 0)
        memmove(reader->buffer, reader->buffer + reader->begin, used);
    reader->begin = 0;
    reader->end = used;
    if (used + 1 < reader->room)
        return status_ok();
    if (used >= MOST_LINE)
        return status_error(STATUS_DATA,
                            "a line of more than %d bytes was read, where a "
                            "file's name was to come",
                            MOST_LINE);
    size_t room = reader->room ? 2 * reader->room : FIRST_ROOM;
    char *grown = realloc(reader->buffer, room);
    if (!grown)
        return status_error(STATUS_MEMORY, "no memory to read lines");
    reader->buffer = grown;
    reader->room = room;
    return status_ok();
}

// *more is false when nothing is there now, or ever will be.
static Status read_more(LineReader *reader, bool waits, bool *more)
{
    struct pollfd ready = {reader->descriptor, POLLIN, 0};
    *more = false;
    TRY(make_room(reader));
    for (;;) {
        // A regular file is always ready; so is a closed pipe.
        if (!waits && poll(&ready, 1, 0) <= 0)
            return status_ok();
        ssize_t got = read(reader->descriptor, reader->buffer + reader->end,
                           reader->room - reader->end - 1);
        if (got >= 0) {
            reader->end += (size_t)got;
            reader->over = got == 0;
            *more = got > 0;
            return status_ok();
        }
        if (errno == EAGAIN)
            poll(&ready, 1, waits ? -1 : 0);
        else if (errno != EINTR)
            return status_error(STATUS_FAILED, "cannot read lines: %s",
                                strerror(errno));
    }
}

Status line_read(LineReader *reader, bool waits, char **line)
{
    bool more = true;
    *line = NULL;
    TRY(make_room(reader));
    for (;;) {
        char *start = reader->buffer + reader->begin;
        size_t size = reader->end - reader->begin;
        char *end = size ? memchr(start, '\n', size) : NULL;
        if (!end && reader->over && size) {
            end = start + size; // of a last line; there is room for its zero
            reader->begin = reader->end;
        } else if (end) {
            reader->begin += (size_t)(end - start) + 1;
        }
        if (end) {
            *end = '\0';
            if (end > start && end[-1] == '\r')
                end[-1] = '\0';
            *line = start;
            return status_ok();
        }
        if (reader->over || !more)
            return status_ok();
        TRY(read_more(reader, waits, &more));
        more = more || reader->over;
    }
}

void line_close(LineReader *reader)
{
    free(reader->buffer);
    *reader = (LineReader){0};
}
