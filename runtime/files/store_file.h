// A store's tensors and a file's: what checkpoints and files of weights share.
#ifndef SIMCC_RUNTIME_STORE_FILE_H
#define SIMCC_RUNTIME_STORE_FILE_H

#include "runtime/exec/store.h"
#include "runtime/files/safetensors.h"

// Writes a store's tensors but the frozen ones, and the optimizer's only when
// `slots`, atomically.
Status store_save(const char *path, const Store *store, bool slots,
                  int meta_count, const SafeMeta *metas);

// Do a plan's tensor and a file's have the same shape?
bool store_same_shape(const PlanTensor *want, int rank, const int64_t *dims);

#endif
