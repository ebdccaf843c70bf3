// Protocol buffers' wire format, read: a message is fields of a number and a
// value, in any order.
#ifndef SIMCC_RUNTIME_PROTO_H
#define SIMCC_RUNTIME_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ProtoReader {
    const uint8_t *at, *end;
    bool bad; // malformed; nothing is read any more
} ProtoReader;

typedef struct ProtoField {
    int number;
    uint64_t value;       // of numbers; of bytes their count
    const uint8_t *bytes; // NULL for numbers
} ProtoField;

static inline ProtoReader proto_reader(const void *bytes, uint64_t size)
{
    const uint8_t *at = bytes;
    return (ProtoReader){at, at + size, false};
}

// The message in a field; an empty one when it holds a number.
static inline ProtoReader proto_inside(const ProtoField *field)
{
    return (ProtoReader){field->bytes,
                         field->bytes ? field->bytes + field->value : NULL,
                         !field->bytes};
}

// A number of seven bits a byte, the low ones first.
uint64_t proto_varint(ProtoReader *reader);
// Reads a field up to where its bytes begin: they need not be there. False when
// it is malformed.
bool proto_head(ProtoReader *reader, ProtoField *field);
// False at the end, or when the message is malformed.
bool proto_next(ProtoReader *reader, ProtoField *field);

#endif
