// A program made by hand, of BLAS calls alone, for tests of the training loop:
// one step of the power iteration w <- (X w) X on the batch's images, whose
// numbers depend on every image, its augmentation and the order of batches.
#ifndef SIMCC_TESTS_POWER_H
#define SIMCC_TESTS_POWER_H

#include "runtime/data/data.h"
#include "runtime/exec/program.h"

enum { POWER_SIDE = 8 }; // pixels

// One phase "p" of two views, without labels. In f32 it diverges after some
// hundred steps, for w is not normed. Freed by program_free.
Program *power_program(int32_t dtype, int batch, int64_t steps);

// Two classes of five training and three test images, drawn on the first call.
Dataset *power_data(void);

// The file in the test's folder; good until the fourth call after this one.
const char *power_path(const char *file);

#endif
