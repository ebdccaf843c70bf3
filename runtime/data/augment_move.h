// Operations that move pixels, as torchvision.transforms.functional has them on
// tensors. All read one plane of height x width floats and write another, which
// does not overlap.
#ifndef SIMCC_RUNTIME_AUGMENT_MOVE_H
#define SIMCC_RUNTIME_AUGMENT_MOVE_H

#include <stdbool.h>

// Where a pixel of the result comes from: column x and row y of the centre of a
// pixel, counted from the centre of the first one, are there
// xx x + xy y + x0, yx x + yy y + y0.
typedef struct MoveMap {
    double xx, xy, x0, yx, yy, y0;
} MoveMap;

// Counter-clockwise about the centre.
MoveMap move_rotation(double degrees, int width, int height);
// Along x, or y, by `by` times the distance from the upper, or left, edge.
MoveMap move_shear(bool along_y, double by);
MoveMap move_translation(bool along_y, int pixels);

// Zeros outside of the image. `nearest` takes the nearest pixel, else bilinear.
void move_plane(const float *plane, float *out, int width, int height,
                const MoveMap *map, bool nearest);

// By 1 to 3 quarter turns, counter-clockwise; of the result width and height
// are exchanged where `turns` is odd.
void move_quarter_turns(const float *plane, float *out, int width, int height,
                        int turns);

#endif
