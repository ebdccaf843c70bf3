#include "runtime/files/proto.h"

enum { VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 5 };

uint64_t proto_varint(ProtoReader *reader)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    reader->bad = true;
    return 0;
}

static uint64_t fixed(ProtoReader *reader, int bytes)
{
    uint64_t value = 0;
    if (reader->end - reader->at < bytes) {
        reader->bad = true;
        return 0;
    }
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | reader->at[i];
    reader->at += bytes;
    return value;
}

bool proto_head(ProtoReader *reader, ProtoField *field)
{
    uint64_t key = proto_varint(reader);
    *field = (ProtoField){.number = (int)(key >> 3 & 0x1fffffff)};
    switch (key & 7) {
    case VARINT:
        field->value = proto_varint(reader);
        break;
    case EIGHT_BYTES:
        field->value = fixed(reader, 8);
        break;
    case FOUR_BYTES:
        field->value = fixed(reader, 4);
        break;
    case LENGTH:
        field->value = proto_varint(reader);
        field->bytes = reader->at;
        break;
    default:
        reader->bad = true;
    }
    return !reader->bad;
}

bool proto_next(ProtoReader *reader, ProtoField *field)
{
    if (reader->bad || reader->at == reader->end || !proto_head(reader, field))
        return false;
    if (field->bytes) {
        reader->bad = field->value > (uint64_t)(reader->end - reader->at);
        reader->at += reader->bad ? 0 : field->value;
    }
    return !reader->bad;
}
