#include "runtime/monitor/tensorboard.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/crc32c.h"
#include "runtime/base/file.h"

enum {
    // Fields of the messages Event, Summary and Summary.Value.
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE = 2,
    // Wire types of protocol buffers.
    WIRE_VARINT = 0,
    WIRE_8_BYTES = 1,
    WIRE_LENGTH = 2,
    WIRE_4_BYTES = 5,
    TAG_LIMIT = 200,
    VALUE_LIMIT = TAG_LIMIT + 32,
    FRAME = 12, // length and its checksum
    RECORD_LIMIT = 1 << 20
};

// ---- messages ---------------------------------------------------------------

typedef struct Message {
    uint8_t *bytes;
    size_t used;
} Message;

static void put_varint(Message *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        to->bytes[to->used++] = (uint8_t)(value | 0x80);
    to->bytes[to->used++] = (uint8_t)value;
}

static void put_key(Message *to, int field, int wire)
{
    put_varint(to, (uint64_t)(field << 3 | wire));
}

static void put_raw(Message *to, const void *bytes, size_t size)
{
    memcpy(to->bytes + to->used, bytes, size);
    to->used += size;
}

static void put_bytes(Message *to, int field, const void *bytes, size_t size)
{
    put_key(to, field, WIRE_LENGTH);
    put_varint(to, size);
    put_raw(to, bytes, size);
}

static void put_value(Message *to, const char *tag, double number)
{
    uint8_t bytes[VALUE_LIMIT];
    Message value = {bytes, 0};
    float single = (float)number;
    size_t length = strlen(tag);
    put_bytes(&value, VALUE_TAG, tag, length < TAG_LIMIT ? length : TAG_LIMIT);
    put_key(&value, VALUE_SIMPLE, WIRE_4_BYTES);
    put_raw(&value, &single, 4);
    put_bytes(to, SUMMARY_VALUE, bytes, value.used);
}

static void put_wall_time(Message *to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    put_key(to, EVENT_WALL_TIME, WIRE_8_BYTES);
    put_raw(to, &seconds, 8);
}

static Status put_record(Events *events, const Message *message)
{
    uint64_t length = message->used;
    uint32_t length_crc = crc32c_masked(&length, 8);
    uint32_t crc = crc32c_masked(message->bytes, message->used);
    FILE *file = events->file;
    if (fwrite(&length, 8, 1, file) == 1 &&
        fwrite(&length_crc, 4, 1, file) == 1 &&
        fwrite(message->bytes, message->used, 1, file) == 1 &&
        fwrite(&crc, 4, 1, file) == 1 && fflush(file) == 0)
        return status_ok();
    return status_error(STATUS_FAILED, "cannot write the event file: %s",
                        strerror(errno));
}

Status events_write(Events *events, int64_t step, int count,
                    const char *const *tags, const double *values)
{
    size_t room = (size_t)count * (VALUE_LIMIT + 8) + 64;
    uint8_t *memory = malloc(2 * room);
    if (!memory)
        return status_error(STATUS_MEMORY, "no memory for an event");
    Message summary = {memory, 0}, event = {memory + room, 0};
    for (int i = 0; i < count; i++)
        if (isfinite(values[i]))
            put_value(&summary, tags[i], values[i]);
    put_wall_time(&event);
    put_key(&event, EVENT_STEP, WIRE_VARINT);
    put_varint(&event, (uint64_t)step);
    put_bytes(&event, EVENT_SUMMARY, memory, summary.used);
    Status status = put_record(events, &event);
    free(memory);
    return status;
}

// ---- reading ----------------------------------------------------------------

// A message being read; `end` is NULL after damage.
typedef struct Cursor {
    const uint8_t *at, *end;
} Cursor;

typedef struct Field {
    int number, wire;
    uint64_t whole;    // of a varint
    const uint8_t *at; // of anything else
    size_t size;
} Field;

static bool get_varint(Cursor *from, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && from->at < from->end; shift += 7) {
        uint8_t byte = *from->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool get_field(Cursor *from, Field *field)
{
    uint64_t key, size;
    if (from->at >= from->end || !get_varint(from, &key))
        return false;
    field->number = (int)(key >> 3);
    field->wire = (int)(key & 7);
    if (field->wire == WIRE_VARINT)
        return get_varint(from, &field->whole);
    size = field->wire == WIRE_8_BYTES ? 8 : 4;
    if (field->wire == WIRE_LENGTH && !get_varint(from, &size))
        return false;
    if (size > (size_t)(from->end - from->at))
        return false;
    field->at = from->at;
    field->size = (size_t)size;
    from->at += size;
    return true;
}

static bool visit_value(Cursor value, EventScalar scalar,
                        bool (*visit)(void *, const EventScalar *),
                        void *context)
{
    bool simple = false;
    for (Field field; get_field(&value, &field);)
        if (field.number == VALUE_TAG && field.wire == WIRE_LENGTH) {
            scalar.tag = (const char *)field.at;
            scalar.tag_length = (int)field.size;
        } else if (field.number == VALUE_SIMPLE && field.wire == WIRE_4_BYTES) {
            memcpy(&scalar.value, field.at, 4);
            simple = true;
        }
    return !simple || !scalar.tag || visit(context, &scalar);
}

static bool visit_event(Cursor event,
                        bool (*visit)(void *, const EventScalar *),
                        void *context)
{
    EventScalar scalar = {0};
    Cursor summary = {NULL, NULL};
    for (Field field; get_field(&event, &field);)
        if (field.number == EVENT_WALL_TIME && field.wire == WIRE_8_BYTES)
            memcpy(&scalar.seconds, field.at, 8);
        else if (field.number == EVENT_STEP && field.wire == WIRE_VARINT)
            scalar.step = (int64_t)field.whole;
        else if (field.number == EVENT_SUMMARY && field.wire == WIRE_LENGTH)
            summary = (Cursor){field.at, field.at + field.size};
    for (Field field; summary.at && get_field(&summary, &field);)
        if (field.number == SUMMARY_VALUE && field.wire == WIRE_LENGTH &&
            !visit_value((Cursor){field.at, field.at + field.size}, scalar,
                         visit, context))
            return false;
    return true;
}

// The size of the whole, undamaged record at `bytes`; 0 = there is none.
static size_t record_size(const uint8_t *bytes, size_t size)
{
    uint64_t length;
    uint32_t crc;
    if (size < FRAME + 4)
        return 0;
    memcpy(&length, bytes, 8);
    memcpy(&crc, bytes + 8, 4);
    if (crc != crc32c_masked(bytes, 8) || length > RECORD_LIMIT ||
        length > size - FRAME - 4)
        return 0;
    memcpy(&crc, bytes + FRAME + length, 4);
    if (crc != crc32c_masked(bytes + FRAME, length))
        return 0;
    return FRAME + (size_t)length + 4;
}

size_t events_parse(const uint8_t *bytes, size_t size,
                    bool (*visit)(void *context, const EventScalar *scalar),
                    void *context)
{
    size_t used = 0;
    for (size_t record; (record = record_size(bytes + used, size - used));
         used += record) {
        const uint8_t *at = bytes + used + FRAME;
        Cursor event = {at, at + record - FRAME - 4};
        if (visit && !visit_event(event, visit, context))
            break;
    }
    return used;
}

// ---- opening ----------------------------------------------------------------

static bool is_kept(void *context, const EventScalar *scalar)
{
    return scalar->step <= *(int64_t *)context;
}

// Cuts the file behind the records to keep; *size is what is left.
static Status cut(const char *path, int64_t keep_step, size_t *size)
{
    char *bytes;
    int64_t length;
    *size = 0;
    if (!file_exists(path))
        return status_ok();
    TRY(file_read(path, INT64_MAX - 1, &bytes, &length));
    if (keep_step >= 0)
        *size = events_parse((const uint8_t *)bytes, (size_t)length, is_kept,
                             &keep_step);
    free(bytes);
    if (truncate(path, (off_t)*size) != 0)
        return status_error(STATUS_FAILED, "cannot write %s: %s", path,
                            strerror(errno));
    return status_ok();
}

Status events_open(Events *events, const char *path, int64_t keep_step)
{
    size_t size;
    uint8_t bytes[64];
    static const char version[] = "brain.Event:2";
    events->file = NULL;
    TRY(cut(path, keep_step, &size));
    events->file = fopen(path, "ab");
    if (!events->file)
        return status_error(STATUS_FAILED, "cannot write %s: %s", path,
                            strerror(errno));
    if (size)
        return status_ok();
    Message event = {bytes, 0};
    put_wall_time(&event);
    put_bytes(&event, EVENT_FILE_VERSION, version, sizeof version - 1);
    return put_record(events, &event);
}

void events_close(Events *events)
{
    if (events->file)
        fclose(events->file);
    events->file = NULL;
}
