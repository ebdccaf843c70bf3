#include "runtime/data/augment_tone.h"

#include <math.h>
#include <string.h>

#pragma GCC optimize("O3", "no-trapping-math")

void tone_scale(float *values, int64_t count, float factor)
{
    for (int64_t i = 0; i < count; i++) {
        float value = values[i] * factor;
        value = value < 1 ? value : 1;
        values[i] = value > 0 ? value : 0;
    }
}

void tone_solarize(float *values, int64_t count, float threshold)
{
    // A threshold that is a byte's value takes that byte, whatever rounding
    // did.
    threshold -= 1e-6f;
    for (int64_t i = 0; i < count; i++)
        values[i] = values[i] >= threshold ? 1 - values[i] : values[i];
}

static int as_byte(float value)
{
    return (int)(value * 255 + 0.5f);
}

void tone_posterize(float *values, int64_t count, int bits)
{
    int mask = 0xff << (8 - bits) & 0xff;
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)(as_byte(values[i]) & mask) * (1.0f / 255);
}

void tone_equalize(float *plane, int64_t count)
{
    int64_t histogram[256] = {0}, sum = 0;
    int last = 0;
    for (int64_t i = 0; i < count; i++)
        histogram[as_byte(plane[i])]++;
    for (int value = 0; value < 256; value++)
        if (histogram[value])
            last = value;
    // Pixels of a step of the result; those of the largest value, which begin
    // at the last step, are not counted.
    int64_t step = (count - histogram[last]) / 255;
    if (step == 0)
        return;
    float table[256];
    sum = step / 2;
    for (int value = 0; value < 256; value++) {
        int64_t rank = sum / step;
        table[value] = (float)(rank < 255 ? rank : 255) * (1.0f / 255);
        sum += histogram[value];
    }
    for (int64_t i = 0; i < count; i++)
        plane[i] = table[as_byte(plane[i])];
}

void tone_autocontrast(float *plane, int64_t count)
{
    float least = plane[0], largest = plane[0];
    for (int64_t i = 1; i < count; i++) {
        least = plane[i] < least ? plane[i] : least;
        largest = plane[i] > largest ? plane[i] : largest;
    }
    // Below half a step of bytes the difference is a rounding error.
    if (largest - least < 0.5f / 255)
        return;
    float scale = 1 / (largest - least);
    for (int64_t i = 0; i < count; i++) {
        float value = (plane[i] - least) * scale;
        plane[i] = value < 1 ? value : 1;
    }
}

void tone_sharpen(const float *plane, float *out, int width, int height,
                  float factor)
{
    memcpy(out, plane, (size_t)width * (size_t)height * sizeof *out);
    for (int y = 1; y + 1 < height; y++) {
        const float *row = plane + (int64_t)y * width;
        const float *above = row - width, *below = row + width;
        float *write = out + (int64_t)y * width;
        for (int x = 1; x + 1 < width; x++) {
            float around = above[x - 1] + above[x] + above[x + 1] + row[x - 1] +
                           row[x + 1] + below[x - 1] + below[x] + below[x + 1];
            float smooth = (around + 5 * row[x]) * (1.0f / 13);
            float value = row[x] * factor + smooth * (1 - factor);
            value = value < 1 ? value : 1;
            write[x] = value > 0 ? value : 0;
        }
    }
}
