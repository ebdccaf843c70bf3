// Finding a picture again that was moved by a few pixels, cropped a little,
// stored in other sizes, lightened or recolored.
#ifndef SIMCC_RUNTIME_PICTURES_H
#define SIMCC_RUNTIME_PICTURES_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/data/image.h"

// Work grows with the square of the images, memory takes 2 KB for each.
enum { PICTURES_MOST = 200000 };

// Means over the cells of a columns x rows grid, RGB. A cell of an image
// smaller than the grid is at least one pixel.
void image_shrink(const Image *image, int columns, int rows, double *cells);

typedef struct Pictures Pictures;

// Room for images 0 .. count-1; STATUS_MEMORY.
Status pictures_new(int64_t count, Pictures **pictures);
void pictures_free(Pictures *pictures);

// Remembers what an image looks like. One without details cannot be found.
void pictures_add(Pictures *pictures, int64_t index, const Image *image);

// Calls `found` for every pair i < k of the same picture, in a fixed order; for
// none where most pictures look alike from far, as digits do.
// Fails for lack of memory.
Status pictures_compare(const Pictures *pictures,
                        void (*found)(void *context, int64_t i, int64_t k),
                        void *context);

#endif
