// How fast this machine multiplies and adds: chains of fused multiply-adds in
// registers. The measure of what a kernel reaches.
#ifndef SIMCC_RUNTIME_PEAK_H
#define SIMCC_RUNTIME_PEAK_H

#include "runtime/exec/pool.h"

// Floating-point operations a second (f32) of all threads together, by their
// processor time: what else runs on the machine does not lower it. The best of
// a few rounds of some 20 ms. 0 without AVX2 and fused multiply-add.
double peak_flops(Pool *pool);
// "AVX-512", "AVX2" or "none"
const char *peak_vectors(void);

#endif
