// Files of named tensors, whoever wrote them: our own and others' safetensors,
// PyTorch's files (zip archives and the five pickles before them), NumPy's
// .npz, TensorFlow's checkpoints and saved models, the weights of ONNX nets.
// The format is told by the content. Nothing that a file says is executed, and
// no size in it is believed before the file has as many bytes.
#ifndef SIMCC_RUNTIME_TENSORS_H
#define SIMCC_RUNTIME_TENSORS_H

#include <stddef.h>

#include "runtime/files/safetensors.h"

typedef struct TensorFile TensorFile;

// A file; for TensorFlow also a folder with a checkpoint or a saved model in
// it, or a checkpoint's name without its ending ("model.ckpt-1"). STATUS_FAILED
// when it cannot be opened, STATUS_DATA when it is none of these or damaged.
Status tensors_open(const char *path, TensorFile **file);
void tensors_close(TensorFile *file);

// Tensors by name, in C order and with our axes' order not yet made. What they
// point to is the file's; `data`, `param` and `offset` mean nothing.
int tensors_count(const TensorFile *file);
const SafeTensor *tensors_at(const TensorFile *file, int index);
// -1 when the name is not there.
int tensors_find(const TensorFile *file, const char *name);

// Copies a tensor's elements to `out`, in C order and this machine's byte
// order: tensors_at(file, index)->bytes bytes. Thread-safe.
Status tensors_read(const TensorFile *file, int index, void *out);
// Reads everything; STATUS_DATA when a checksum is not that of its bytes.
Status tensors_verify(const TensorFile *file);

// Reads everything: the hash of names, shapes, types and elements, never 0.
// What else a file says of itself is not in it.
Status tensors_hash(const TensorFile *file, uint64_t *hash);

// What it is ("a PyTorch file (zip)") and what it says of who wrote it, or "".
const char *tensors_format(const TensorFile *file);
const char *tensors_writer(const TensorFile *file);
// Is it of a format that safetensors.h does not read?
bool tensors_foreign(const TensorFile *file);
// A tensor of a net that its exporter made of several, as norms folded into
// convolutions, so that those are not there; NULL when none is known for one.
const char *tensors_folded(const TensorFile *file);
// Of such a net: "its exporter folded ...", and how it is kept apart.
void tensors_folded_text(const TensorFile *file, char *text, size_t size);
// Metadata of safetensors and of ONNX nets that simcc wrote; NULL when there is
// none of that key.
const char *tensors_meta(const TensorFile *file, const char *key);

#endif
