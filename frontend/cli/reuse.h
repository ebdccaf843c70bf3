// Whole programs, kept beside the cache of kernels: what was compiled from the
// same sources with the same settings, by the same simcc for the same machine,
// is not compiled again.
#ifndef SIMCC_FRONTEND_CLI_REUSE_H
#define SIMCC_FRONTEND_CLI_REUSE_H

#include "frontend/cli/compiler.h"

// Everything that decides what the compiler makes, in the compiler's arena,
// with the sources as they are now. NULL when this program is not to be kept:
// without a cache, when it is to be measured or verified, or when its sources
// cannot be read.
const char *reuse_key(const Compiler *compiler, const Codegen *codegen);
// The program kept under the key, which may be NULL; the caller's. NULL when
// there is none.
Program *reuse_find(const Compiler *compiler, const char *key);
// Keeps the program, unless its source gave warnings, which are to be seen each
// time. Failures go unnoticed: it is compiled again then.
void reuse_keep(const Compiler *compiler, const Codegen *codegen,
                const char *key, const Program *program);

#endif
