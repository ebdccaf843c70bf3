#include "runtime/data/augment_noise.h"

#include <math.h>

enum { ATTEMPTS = 10 };

CropBox noise_erased_box(RandomStream *stream, int width, int height,
                         CropRange range)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        double area = (double)width * height *
                      random_range(stream, range.area_min, range.area_max);
        double aspect = exp(
            random_range(stream, log(range.aspect_min), log(range.aspect_max)));
        CropBox box = {.width = (int)rint(sqrt(area / aspect)),
                       .height = (int)rint(sqrt(area * aspect))};
        if (box.width < 1 || box.height < 1 || box.width >= width ||
            box.height >= height)
            continue;
        box.y = (int)random_below(stream, height - box.height + 1);
        box.x = (int)random_below(stream, width - box.width + 1);
        return box;
    }
    return (CropBox){0};
}

void noise_add(float *values, int64_t count, double sigma, RandomStream *stream)
{
    // Box and Muller's two numbers of two words each: a block of Philox makes
    // four.
    double pair[2] = {0};
    for (int64_t i = 0; i < count; i++) {
        if (i % 2 == 0) {
            double share = (random_u32(stream) + 0.5) * 0x1p-32; // in (0, 1)
            double turn = 6.283185307179586 * random_u32(stream) * 0x1p-32;
            double radius = sigma * sqrt(-2 * log(share));
            pair[0] = radius * cos(turn);
            pair[1] = radius * sin(turn);
        }
        float value = values[i] + (float)pair[i % 2];
        value = value < 1 ? value : 1;
        values[i] = value > 0 ? value : 0;
    }
}
