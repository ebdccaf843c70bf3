// Weights in tiles (ir/image.h) for tests that compare them with plain ones.
#ifndef SIMCC_TESTS_TILED_H
#define SIMCC_TESTS_TILED_H

#include <string.h>

#include "ir/image.h"

// Moves a param's or assign's elements, of a graph in which its type may be
// tiled, from row-major order to tiles or back; others stay.
static inline void tiled_move(Arena *arena, const TensorType *type,
                              double *data, bool to_tiles)
{
    if (type->form != FORM_TILED)
        return;
    TensorType plain = weights_plain_type(type);
    int64_t count = type_elements(type), row = 0;
    int64_t window = type->dims[2] * type->dims[3];
    int64_t step = weights_tile(type) * weights_tile(type);
    double *copy = ARENA_ARRAY(arena, double, count);
    memcpy(copy, data, sizeof *copy * (size_t)count);
    for (int64_t o = 0; o < plain.dims[0]; o++)
        for (int64_t c = 0; c < plain.dims[1]; c++)
            for (int64_t k = 0; k < window; k++, row++) {
                int64_t at = weights_offset(type, o, c) + k * step;
                data[to_tiles ? at : row] = copy[to_tiles ? row : at];
            }
}

#endif
