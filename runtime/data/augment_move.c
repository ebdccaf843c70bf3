#include "runtime/data/augment_move.h"

#include <math.h>
#include <stdint.h>

static const double radians_of_degree = 0.017453292519943295;

MoveMap move_rotation(double degrees, int width, int height)
{
    double c = cos(degrees * radians_of_degree);
    double s = sin(degrees * radians_of_degree);
    double x = (width - 1) / 2.0, y = (height - 1) / 2.0; // the centre
    return (MoveMap){c, -s, x - c * x + s * y, s, c, y - s * x - c * y};
}

MoveMap move_shear(bool along_y, double by)
{
    // A pixel's centre is half a pixel further from the edge than its number.
    return along_y ? (MoveMap){1, 0, 0, by, 1, by / 2}
                   : (MoveMap){1, by, by / 2, 0, 1, 0};
}

MoveMap move_translation(bool along_y, int pixels)
{
    return (MoveMap){1, 0, along_y ? 0 : -pixels, 0, 1, along_y ? -pixels : 0};
}

typedef struct Plane {
    const float *at;
    int width, height;
} Plane;

static double pixel(Plane plane, double x, double y)
{
    bool inside = x >= 0 && y >= 0 && x < plane.width && y < plane.height;
    return inside ? (double)plane.at[(int64_t)y * plane.width + (int64_t)x] : 0;
}

static double between(Plane plane, double x, double y)
{
    double left = floor(x), top = floor(y);
    double u = x - left, v = y - top;
    double upper =
        pixel(plane, left, top) * (1 - u) + pixel(plane, left + 1, top) * u;
    double lower = pixel(plane, left, top + 1) * (1 - u) +
                   pixel(plane, left + 1, top + 1) * u;
    return upper * (1 - v) + lower * v;
}

void move_plane(const float *plane, float *out, int width, int height,
                const MoveMap *map, bool nearest)
{
    Plane source = {plane, width, height};
    for (int row = 0; row < height; row++)
        for (int column = 0; column < width; column++) {
            double x = map->xx * column + map->xy * row + map->x0;
            double y = map->yx * column + map->yy * row + map->y0;
            *out++ = (float)(nearest ? pixel(source, rint(x), rint(y))
                                     : between(source, x, y));
        }
}

void move_quarter_turns(const float *plane, float *out, int width, int height,
                        int turns)
{
    int rows = turns == 2 ? height : width,
        columns = turns == 2 ? width : height;
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++) {
            int x = turns == 1   ? width - 1 - row
                    : turns == 2 ? width - 1 - column
                                 : row;
            int y = turns == 1   ? column
                    : turns == 2 ? height - 1 - row
                                 : height - 1 - column;
            *out++ = plane[(int64_t)y * width + x];
        }
}
