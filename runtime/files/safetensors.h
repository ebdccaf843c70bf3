// safetensors files: named tensors after a JSON header; see docs/formats.md.
#ifndef SIMCC_RUNTIME_SAFETENSORS_H
#define SIMCC_RUNTIME_SAFETENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/exec/plan.h"

enum { SAFE_MAX_RANK = 8, SAFE_HEADER_LIMIT = 100000000 };
#define SAFE_META_KEY "__metadata__"
// A file written with this key and value in its metadata has the checksum of
// its header, as written, and data there instead.
#define SAFE_CHECKSUM_KEY "checksum"
#define SAFE_NO_CHECKSUM  "0000000000000000"

// The types this program writes come first and equal PlanDType; files of
// others may hold the rest, which are listed but not converted.
typedef enum SafeDType {
    SAFE_F32 = PLAN_F32,
    SAFE_F64 = PLAN_F64,
    SAFE_BF16 = PLAN_BF16,
    SAFE_BOOL = PLAN_BOOL,
    SAFE_F16,
    SAFE_I8,
    SAFE_U8,
    SAFE_I16,
    SAFE_U16,
    SAFE_I32,
    SAFE_U32,
    SAFE_I64,
    SAFE_U64,
    SAFE_C64,
    SAFE_F8_E5M2,
    SAFE_F8_E4M3,
    SAFE_DTYPES
} SafeDType;

const char *safe_dtype_name(SafeDType dtype); // "F32"
int safe_dtype_bytes(SafeDType dtype);

typedef struct SafeTensor {
    const char *name;
    SafeDType dtype;
    int rank;
    int64_t dims[SAFE_MAX_RANK];
    int64_t bytes;    // product of dims times the type's size
    const void *data; // writing: `bytes` bytes in C order; reading: NULL
    int64_t offset;   // reading: position in the file; writing: ignored
    // Writing: data is in the order this is stored in, which the file's is made
    // of; NULL = in C order.
    const PlanParam *param;
} SafeTensor;

typedef struct SafeMeta {
    const char *key, *value;
} SafeMeta;

// Product of dims and type size; false when it overflows or a dim is negative.
bool safe_tensor_bytes(const SafeTensor *tensor, int64_t *bytes);

// Writes the file atomically, tensors in the reference writer's order (larger
// types first, then by name) whatever their order here. Only the first four
// types and I64. STATUS_FAILED when the file cannot be written, STATUS_INTERNAL
// for a name given twice or sizes that disagree.
Status safetensors_write(const char *path, int count, const SafeTensor *tensors,
                         int meta_count, const SafeMeta *metas);

// An open file: header in memory, data still on disk.
typedef struct SafeFile SafeFile;

// Reads and checks the header: no hole, no overlap, no key twice, no size
// beyond the file. STATUS_DATA says which rule the file breaks; it is
// STATUS_FAILED when the file cannot be opened.
Status safetensors_open(const char *path, SafeFile **file);
void safetensors_close(SafeFile *file);

// Tensors in the order of their data. Owned by the file.
int safetensors_count(const SafeFile *file);
const SafeTensor *safetensors_at(const SafeFile *file, int index);
// NULL when the name is not there.
const SafeTensor *safetensors_find(const SafeFile *file, const char *name);
// Metadata value of a key; NULL when not there.
const char *safetensors_meta(const SafeFile *file, const char *key);
int safetensors_meta_count(const SafeFile *file);
SafeMeta safetensors_meta_at(const SafeFile *file, int index);

// Reads the whole file; STATUS_DATA when it has a checksum that is not that of
// its content. A file without one passes: other programs write none.
Status safetensors_verify(const SafeFile *file);

// Copies a tensor's bytes from disk to `out`. Thread-safe.
Status safetensors_read(const SafeFile *file, const SafeTensor *tensor,
                        void *out);

#endif
