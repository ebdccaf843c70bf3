#include "tests/foreign.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/files/recognize.h"
#include "tests/harness.h"

static char path[600];

const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

void write_foreign(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(in_folder(name), "wb");
    fwrite(bytes, 1, size, file);
    fclose(file);
}

Status read_all(const char *file_path)
{
    TensorFile *file;
    Recognized net;
    TRY(tensors_open(file_path, &file));
    Status status = status_ok();
    for (int i = 0; i < tensors_count(file) && status.code == STATUS_OK; i++) {
        void *data = malloc((size_t)tensors_at(file, i)->bytes + 1);
        status = data ? tensors_read(file, i, data)
                      : status_error(STATUS_MEMORY, "no memory");
        free(data);
    }
    if (status.code == STATUS_OK)
        status = tensors_verify(file);
    if (status.code == STATUS_OK)
        status = recognize(file, &net);
    tensors_close(file);
    return status;
}

void refuses(const char *file_path, const char *reason)
{
    Status status = read_all(file_path);
    CHECK_INT(status.code, STATUS_DATA);
    if (!strstr(status.text, reason))
        CHECK_TEXT(status.text, reason);
    CHECK(strstr(status.text, test_folder()) != NULL);
}

void copy_file(const char *from, const char *to, char **bytes, int64_t *size)
{
    CHECK_TEXT(file_read(from, 1 << 24, bytes, size).text, "");
    write_foreign(to, *bytes, (size_t)*size);
}

// The file is changed in place: to make it anew is slow.
void damage(const char *from, const char *to, const char *open_as, int64_t step)
{
    char *bytes, opened[600];
    int64_t size;
    copy_file(from, to, &bytes, &size);
    int file = open(in_folder(to), O_RDWR);
    snprintf(opened, sizeof opened, "%s/%s", test_folder(), open_as);
    CHECK_TEXT(read_all(opened).text, "");
    for (int64_t at = 0; at < size; at += step)
        for (int k = 0; k < 256; k += 51) {
            char changed = (char)k;
            CHECK_INT(pwrite(file, &changed, 1, at), 1);
            StatusCode code = read_all(opened).code;
            CHECK(code == STATUS_DATA || code == STATUS_OK);
            CHECK_INT(pwrite(file, &bytes[at], 1, at), 1);
        }
    for (int64_t length = size - 1; length >= 0; length -= step) {
        CHECK_INT(ftruncate(file, length), 0);
        CHECK_INT(read_all(opened).code, STATUS_DATA);
    }
    close(file);
    write_foreign(to, bytes, (size_t)size);
    free(bytes);
}

void inject(FaultKind kind, const char *from)
{
    bool fired = true;
    for (int n = 1; fired; n++) {
        fault_arm(kind, n);
        Status status = read_all(from);
        fired = fault_disarm();
        if (fired && kind == FAULT_MEMORY)
            CHECK(status.code == STATUS_MEMORY || status.code == STATUS_OK);
        if (!fired)
            CHECK_TEXT(status.text, "");
    }
}
