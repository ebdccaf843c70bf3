// What comes in place of a file when a download went wrong.
#ifndef SIMCC_RUNTIME_PRETENDER_H
#define SIMCC_RUNTIME_PRETENDER_H

#include <stdint.h>

// By its first bytes, what a file is instead of data, and what to do: "a web
// page, ...". NULL when it is neither that nor a Git LFS pointer.
const char *pretender_name(const void *bytes, int64_t size);

#endif
