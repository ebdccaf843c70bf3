// What the readers of tensors.h share. A file is blobs of bytes, in one of its
// descriptors or packed in an archive, and tensors in them.
#ifndef SIMCC_RUNTIME_TENSORS_INSIDE_H
#define SIMCC_RUNTIME_TENSORS_INSIDE_H

#include "runtime/files/tensors.h"
#include "runtime/files/unzip.h"

enum { TENSOR_NAME = 1024, TENSOR_LIMIT = 1 << 17 };

typedef struct TensorBlob {
    const ZipMember *member; // NULL: plain bytes of a descriptor
    uint8_t *memory;         // malloc'ed: bytes that are decoded; the blob's
    int file;                // of these
    int64_t offset;          // in it
    int64_t bytes;
    bool summed;  // has a masked CRC-32C
    uint32_t sum; // that
} TensorBlob;

typedef struct TensorEntry {
    SafeTensor tensor; // `name` is malloc'ed
    int blob;
    int64_t start; // in the blob, in bytes
    bool strided;  // not in C order: strides, in elements
    int64_t strides[SAFE_MAX_RANK];
} TensorEntry;

struct TensorFile {
    char *path;
    const char *format;
    char writer[200];
    const char *folded; // as tensors_folded says
    int meta_count;     // of nets of ours; malloc'ed, as their texts
    SafeMeta *metas;
    SafeFile *safe; // of safetensors; the rest is of the others
    bool swapped;   // elements are big-endian
    int file_count;
    int *descriptors;
    int64_t *file_bytes;
    Zip zip;
    int count, capacity;
    TensorEntry *entries;
    int blob_count, blob_capacity;
    TensorBlob *blobs;
    int indexed;  // of the entries, the first are known to tensors_find:
    int *by_name; // these, in the order of their names
};

// Opens one more file of it: *index is its place among the descriptors.
Status tensors_add_file(TensorFile *file, const char *path, int *index);
// Adds a blob, which must lie in its descriptor, or is a member of the archive.
Status tensors_add_blob(TensorFile *file, const TensorBlob *blob, int *index);
// Adds a tensor of that name, which is copied; its rank, dims and dtype are in
// `entry`, and `bytes` is computed. Elements must lie in the blob and be no
// more than it holds.
Status tensors_add(TensorFile *file, const char *name, TensorEntry *entry);
Status tensors_no_memory(const TensorFile *file);
// Makes tensors_find know those that are there; STATUS_DATA when two have one
// name.
Status tensors_index(TensorFile *file);
// STATUS_DATA when two blobs of descriptors share bytes, which is how a small
// file claims to be large.
Status tensors_check_overlaps(const TensorFile *file);

// Readers of what tensors_open found in the first descriptor.
Status torch_zip_open(TensorFile *file);
Status torch_legacy_open(TensorFile *file);
Status npz_open(TensorFile *file);
Status onnx_open(TensorFile *file);
// Does a file begin as ONNX's exporters write them? There is no mark.
bool onnx_begins(const uint8_t *start, int64_t size);
// `prefix`: the checkpoint's path without its ending; no descriptor is open.
Status bundle_open(TensorFile *file, const char *prefix);

#endif
