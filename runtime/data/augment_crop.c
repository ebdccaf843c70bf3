#include "runtime/data/augment_crop.h"

#include <math.h>
#include <stdbool.h>

enum { TF_ATTEMPTS = 100, TORCH_ATTEMPTS = 10 };

// min_object_covered of the SimCLR pipeline: boxes below a tenth of the image
// are drawn again, whatever area_min says.
static const double least_cover = 0.1;

static bool area_allowed(double area, double whole, CropRange range)
{
    return area >= range.area_min * whole && area <= range.area_max * whole;
}

// The largest height whose width, rounded, still fits the image.
static int tallest_fitting(int width, int height, double aspect, double area)
{
    int tallest = (int)lrint(sqrt(area / aspect));
    if (lrint(tallest * aspect) > width) {
        tallest = (int)((width + 0.5) / aspect);
        if (lrint(tallest * aspect) > width)
            tallest--;
    }
    return tallest < height ? tallest : height;
}

static bool draw_size(RandomStream *stream, int width, int height,
                      CropRange range, CropBox *box)
{
    double whole = (double)width * height;
    double aspect = random_range(stream, range.aspect_min, range.aspect_max);
    int low = (int)lrint(sqrt(range.area_min * whole / aspect));
    int high = tallest_fitting(width, height, aspect, range.area_max * whole);
    if (low > high)
        low = high;
    box->height = low + (int)random_below(stream, high - low + 1);
    box->width = (int)lrint(box->height * aspect);
    // Rounding may have left the area range by a hair.
    if ((double)box->width * box->height < range.area_min * whole) {
        box->width++;
        box->height++;
    }
    if ((double)box->width * box->height > range.area_max * whole) {
        box->width--;
        box->height--;
    }
    double area = (double)box->width * box->height;
    return box->width > 0 && box->height > 0 && box->width <= width &&
           box->height <= height && area_allowed(area, whole, range) &&
           area >= least_cover * whole;
}

// Uniform in [0, slack): the last position is never taken, as in TensorFlow.
static int draw_offset(RandomStream *stream, int slack)
{
    return slack > 0 ? (int)random_below(stream, slack) : 0;
}

static CropBox tf_box(RandomStream *stream, int width, int height,
                      CropRange range)
{
    for (int attempt = 0; attempt < TF_ATTEMPTS; attempt++) {
        CropBox box;
        if (!draw_size(stream, width, height, range, &box))
            continue;
        box.y = draw_offset(stream, height - box.height);
        box.x = draw_offset(stream, width - box.width);
        return box;
    }
    return (CropBox){0, 0, width, height};
}

// The largest central box whose aspect is allowed.
static CropBox central_box(int width, int height, CropRange range)
{
    CropBox box = {0, 0, width, height};
    double aspect = (double)width / height;
    if (aspect < range.aspect_min)
        box.height = (int)rint(width / range.aspect_min);
    if (aspect > range.aspect_max)
        box.width = (int)rint(height * range.aspect_max);
    box.height = box.height > 0 ? box.height : 1;
    box.width = box.width > 0 ? box.width : 1;
    box.y = (height - box.height) / 2;
    box.x = (width - box.width) / 2;
    return box;
}

static CropBox torch_box(RandomStream *stream, int width, int height,
                         CropRange range)
{
    double whole = (double)width * height;
    for (int attempt = 0; attempt < TORCH_ATTEMPTS; attempt++) {
        double area =
            whole * random_range(stream, range.area_min, range.area_max);
        double aspect = exp(
            random_range(stream, log(range.aspect_min), log(range.aspect_max)));
        CropBox box = {.width = (int)rint(sqrt(area * aspect)),
                       .height = (int)rint(sqrt(area / aspect))};
        if (box.width < 1 || box.height < 1 || box.width > width ||
            box.height > height)
            continue;
        box.y = (int)random_below(stream, height - box.height + 1);
        box.x = (int)random_below(stream, width - box.width + 1);
        return box;
    }
    return central_box(width, height, range);
}

CropBox crop_random_box(RandomStream *stream, CropSampler sampler, int width,
                        int height, CropRange range)
{
    return sampler == SAMPLER_TORCH ? torch_box(stream, width, height, range)
                                    : tf_box(stream, width, height, range);
}

CropBox crop_center_box(int width, int height, double proportion)
{
    if (proportion >= 1)
        return (CropBox){0, 0, width, height};
    int shorter = width < height ? width : height;
    int side = (int)rint(proportion * shorter);
    if (side < 1)
        side = 1;
    return (CropBox){(width - side + 1) / 2, (height - side + 1) / 2, side,
                     side};
}
