// Weights, compiled programs and the machine code in them.
#include <stdlib.h>
#include <string.h>

#include "runtime/exec/exec.h"
#include "runtime/files/safetensors.h"
#include "tests/fuzz/fuzz.h"

void fuzz_safetensors(const uint8_t *bytes, int64_t size)
{
    SafeFile *file = NULL;
    const char *path = fuzz_file("w.safetensors", bytes, size);
    if (safetensors_open(path, &file).code != STATUS_OK)
        return;
    for (int i = 0; i < safetensors_count(file); i++) {
        const SafeTensor *tensor = safetensors_at(file, i);
        void *data = malloc((size_t)tensor->bytes + 1);
        safetensors_read(file, tensor, data);
        free(data);
    }
    safetensors_verify(file);
    safetensors_close(file);
}

static uint64_t number_at(const uint8_t *bytes)
{
    uint64_t number = 0;
    for (int i = 7; i >= 0; i--)
        number = number << 8 | bytes[i];
    return number;
}

// The version and the checksum of every section (docs/formats.md) made right,
// so that changed bytes reach the decoder behind them.
static void mend(uint8_t *bytes, int64_t size)
{
    for (int i = 0; i < 4 && size >= 12; i++)
        bytes[8 + i] = (uint8_t)(PROGRAM_VERSION >> 8 * i);
    for (int64_t at = 16; at + 24 <= size;) {
        uint64_t length = number_at(bytes + at + 8);
        uint64_t hash = 0xcbf29ce484222325u;
        if (length > (uint64_t)(size - at - 24))
            return;
        for (uint64_t i = 0; i < length; i++)
            hash = (hash ^ bytes[at + 24 + (int64_t)i]) * 0x100000001b3u;
        for (int i = 0; i < 8; i++)
            bytes[at + 16 + i] = (uint8_t)(hash >> 8 * i);
        at += 24 + (int64_t)length;
    }
}

bool fuzz_reads_artifact(const uint8_t *bytes, int64_t size)
{
    uint8_t *mended = malloc((size_t)size + 1);
    memcpy(mended, bytes, (size_t)size);
    mend(mended, size);
    const char *path = fuzz_file("a.simcc", mended, size);
    free(mended);
    Program *program = NULL;
    if (program_read(path, &program).code != STATUS_OK)
        return false;
    program_free(program);
    return true;
}

void fuzz_artifact(const uint8_t *bytes, int64_t size)
{
    fuzz_reads_artifact(bytes, size);
}

// Loads the code and looks its function up; runs nothing.
void fuzz_object(const uint8_t *bytes, int64_t size)
{
    char symbol[] = "kernel";
    uint8_t *code = malloc((size_t)size + 1);
    memcpy(code, bytes, (size_t)size);
    CodeObject object = {.symbol = symbol, .bytes = code, .size = size};
    Program program = {.object_count = 1, .objects = &object};
    CodeImage *image = NULL;
    if (code_load(&program, &image).code == STATUS_OK) {
        code_find(image, symbol);
        code_free(image);
    }
    free(code);
}
