// What a compiled object must be for the runtime to load it.
#ifndef SIMCC_CODEGEN_OBJECT_H
#define SIMCC_CODEGEN_OBJECT_H

#include <stdint.h>

// NULL, or what is wrong: an undefined symbol that is not among `allowed`
// (which ends with NULL), or no ELF object at all. Such a symbol means that
// LLVM put a library call where the CPU lacks an instruction.
const char *object_check(const unsigned char *bytes, int64_t size,
                         const char *const *allowed);

#endif
