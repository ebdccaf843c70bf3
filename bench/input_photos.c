#include "bench/input_photos.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "runtime/base/philox.h"

enum { QUALITY = 90, LATTICE = 130, OCTAVES = 8 };

// Random numbers at whole places, interpolated between them: one scale of
// structure.
static double lattice_noise(const float *lattice, double x, double y)
{
    int left = (int)floor(x), top = (int)floor(y);
    double u = x - left, v = y - top;
    u = u * u * (3 - 2 * u);
    v = v * v * (3 - 2 * v);
    const float *at = lattice + (top % (LATTICE - 1)) * LATTICE;
    int a = left % (LATTICE - 1);
    return (at[a] * (1 - u) + at[a + 1] * u) * (1 - v) +
           (at[a + LATTICE] * (1 - u) + at[a + 1 + LATTICE] * u) * v;
}

// Each finer scale is weaker by the ratio of usual photographs, 1/f.
static double all_scales(const float *lattice, double x, double y, int side)
{
    double sum = 0, strength = 1, step = 2.5 / side;
    for (int octave = 0; octave < OCTAVES; octave++) {
        sum += strength *
               lattice_noise(lattice, x * step + octave, y * step + octave);
        strength *= 0.75;
        step *= 2;
    }
    return sum;
}

static unsigned char to_byte(double value)
{
    return (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void draw(int width, int height, uint64_t seed, unsigned char *pixels)
{
    static float lattices[4][LATTICE * LATTICE];
    RandomStream stream = random_stream(seed, 17, 0, 0, 0);
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < LATTICE * LATTICE; i++)
            lattices[k][i] = (float)random_range(&stream, -1, 1);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double light = all_scales(lattices[0], x, y, width);
            double edge = all_scales(lattices[3], x, y, 2 * width) > 0 ? 30 : 0;
            for (int c = 0; c < 3; c++) {
                double tint = all_scales(lattices[c], y + 50, x, 3 * width);
                double noise = random_range(&stream, -6, 6);
                pixels[3 * (y * width + x) + c] =
                    to_byte(110 + 55 * light + 30 * tint + edge + noise);
            }
        }
}

static void write_jpeg(FILE *file, int width, int height, unsigned char *pixels)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, QUALITY, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = pixels + (size_t)jpeg.next_scanline * 3 * (size_t)width;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
}

int input_photos_write(const char *folder, int width, int height, int count)
{
    unsigned char *pixels = malloc((size_t)width * (size_t)height * 3);
    int written = 0;
    for (int i = 0; pixels && i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%03d.jpg", folder, i);
        FILE *file = fopen(path, "wb");
        if (!file)
            break;
        draw(width, height, (uint64_t)i, pixels);
        write_jpeg(file, width, height, pixels);
        written += fclose(file) == 0;
    }
    free(pixels);
    return written == count;
}
