// What the kernels of gradients by weights share: they sum over the pixels of
// images, a part of them at a time.
#ifndef SIMCC_CODEGEN_EMIT_GRADIENT_H
#define SIMCC_CODEGEN_EMIT_GRADIENT_H

#include "codegen/cpu/emit_block.h"

// imms of the step
enum { GRADIENT_IMAGES = 0, GRADIENT_CHUNK = 1 };

// Numbers in [low, high).
typedef struct GradientRange {
    LLVMValueRef low, high;
} GradientRange;

// Those pixels i of `among` for which 0 <= in_step * i + base < in.
GradientRange gradient_pixels(const Emit *e, const TapAxis *axis,
                              LLVMValueRef base, GradientRange among);

// The images of a chunk.
GradientRange gradient_images(const Emit *e, LLVMValueRef chunk);

// A loop over `whole` in parts of `step`, the last one shorter.
EmitLoop gradient_parts(const Emit *e, GradientRange whole, int64_t step,
                        GradientRange *part);

// The sum that `at` holds, zero where it holds nothing yet.
void gradient_resume(const Emit *e, LLVMValueRef is_first, LLVMValueRef at,
                     LLVMValueRef variable);

#endif
