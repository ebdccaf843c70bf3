// The assembler finds the files in the folders that the Makefile names to it.
#include "frontend/cli/bundle_files.h"

#define EMBED(name, path)                                                      \
    __asm__(".section .rodata\n"                                               \
            ".balign 16\n"                                                     \
            ".global " #name "\n" #name ": .incbin \"" path "\"\n"             \
            ".global " #name "_end\n" #name "_end: .byte 0\n"                  \
            ".text\n")

EMBED(bundle_runtime_o, "runtime.o");
EMBED(bundle_picture_o, "picture.o");
EMBED(bundle_simcc_h, "runtime/bundle/simcc.h");
EMBED(bundle_example_c, "runtime/bundle/example.c");
EMBED(bundle_example_mk, "runtime/bundle/example.mk");
