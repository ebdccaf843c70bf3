// The instructions of AVX512-BF16 and AMX-BF16 on x86-64 Linux machines with
// AVX-512 that lack them: the illegal-instruction signal is caught and the
// instruction computed, as Intel's manual says, on the registers that the
// signal saved. So code for such processors runs in tests anywhere.
//
// Known are vdpbf16ps, vcvtneps2bf16 and vcvtne2ps2bf16 of every width, with
// masks and operands from memory, and of AMX what works on bf16: ldtilecfg,
// tilerelease, tilezero, tileloadd, tileloaddt1, tilestored and tdpbf16ps, with
// any configuration of the tiles, of which each thread has its own. Anything
// else, or what AMX itself refuses, ends the process by the same signal, with a
// line on standard error that says why.
#ifndef SIMCC_TESTS_EMULATE_BF16_H
#define SIMCC_TESTS_EMULATE_BF16_H

#include <stdbool.h>
#include <stddef.h>

typedef enum Emulated {
    EMULATED_VDPBF16PS,
    EMULATED_VCVTNEPS2BF16,
    EMULATED_VCVTNE2PS2BF16,
    EMULATED_LDTILECFG,
    EMULATED_TILERELEASE,
    EMULATED_TILEZERO,
    EMULATED_TILELOADD, // and tileloaddt1
    EMULATED_TILESTORED,
    EMULATED_TDPBF16PS,
    EMULATED_KINDS
} Emulated;

// From here on this process takes its processor to have both (cpu_here,
// runtime/exec/cpu.h), and runs their instructions by itself where it has and
// by emulation where it has not. Skips the test where that is not possible.
// `marks`: kernels that tests compile (tests/compiled.h) are emulated in any
// case.
void emulate_begin(bool marks);
void emulate_end(void);
bool emulate_marks(void);

// Whether the processor runs these itself: by trying, for some virtual machines
// conceal in CPUID what they run all the same.
bool emulate_has_vectors(void);
bool emulate_has_tiles(void);

// How many were emulated since emulate_begin, on all threads.
long emulate_count(Emulated kind);

// Makes the known instructions among these bytes of machine code illegal for
// any processor, so that they are emulated on each. Finds them by their bytes:
// other code has the like once in some million bytes.
void emulate_mark(void *code, size_t size);

#endif
