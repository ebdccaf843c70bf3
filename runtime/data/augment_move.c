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

static double pixel(Plane plane, int x, int y)
{
    bool inside = x >= 0 && y >= 0 && x < plane.width && y < plane.height;
    return inside ? (double)plane.at[(int64_t)y * plane.width + x] : 0;
}

// The largest whole number not above x, of |x| < 2^31; floor() is a call.
static int whole_below(double x)
{
    int whole = (int)x;
    return whole - (x < whole);
}

static double between(Plane plane, double x, double y)
{
    int left = whole_below(x), top = whole_below(y);
    double u = x - left, v = y - top, corners[4];
    if (left >= 0 && top >= 0 && left + 1 < plane.width &&
        top + 1 < plane.height) {
        const float *at = plane.at + (int64_t)top * plane.width + left;
        corners[0] = at[0];
        corners[1] = at[1];
        corners[2] = at[plane.width];
        corners[3] = at[plane.width + 1];
    } else {
        for (int i = 0; i < 4; i++)
            corners[i] = pixel(plane, left + i % 2, top + i / 2);
    }
    double upper = corners[0] * (1 - u) + corners[1] * u;
    double lower = corners[2] * (1 - u) + corners[3] * u;
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
            *out++ = (float)(nearest ? pixel(source, whole_below(x + 0.5),
                                             whole_below(y + 0.5))
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
