#include "tests/images.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#include "runtime/base/file.h"
#include "runtime/data/data.h"
#include "tests/harness.h"

// Kept reachable to the end, so that leak checkers see no leak.
typedef struct TestPath {
    struct TestPath *next;
    char text[1024];
} TestPath;
static TestPath *paths;

const char *test_path(const char *format, ...)
{
    char name[512];
    TestPath *path = malloc(sizeof *path);
    path->next = paths;
    paths = path;
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    snprintf(path->text, sizeof path->text, "%s/%s", test_folder(), name);
    CHECK(file_make_parent(path->text).code == STATUS_OK);
    return path->text;
}

void write_bytes(const char *path, const void *bytes, int64_t size)
{
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, (size_t)size, file) == (size_t)size);
    if (file)
        fclose(file);
}

uint8_t *read_bytes(const char *path, int64_t *size)
{
    char *bytes = NULL;
    CHECK(file_read(path, 1 << 26, &bytes, size).code == STATUS_OK);
    return (uint8_t *)bytes;
}

static void set_palette(png_structp png, png_infop info, int depth)
{
    png_color palette[256];
    for (int i = 0; i < 256; i++)
        palette[i] = (png_color){(png_byte)(7 * i), (png_byte)(5 * i),
                                 (png_byte)(3 * i)};
    png_set_PLTE(png, info, palette, 1 << depth);
}

void make_png(const char *path, PngKind kind, int depth, bool interlaced,
              int width, int height, const uint8_t *rows, int stride)
{
    FILE *file = fopen(path, "wb");
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth,
                 (int)kind,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (kind == PNG_KIND_PALETTE)
        set_palette(png, info, depth);
    png_write_info(png, info);
    int passes = png_set_interlace_handling(png);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < height; y++)
            png_write_row(png, rows + (ptrdiff_t)y * stride);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

static void set_jpeg_kind(j_compress_ptr jpeg, JpegKind kind)
{
    bool inks = kind >= JPEG_KIND_CMYK;
    jpeg->input_components = inks ? 4 : kind == JPEG_KIND_GREY ? 1 : 3;
    jpeg->in_color_space = inks                     ? JCS_CMYK
                           : kind == JPEG_KIND_GREY ? JCS_GRAYSCALE
                                                    : JCS_RGB;
    jpeg_set_defaults(jpeg);
    if (kind == JPEG_KIND_YCCK)
        jpeg_set_colorspace(jpeg, JCS_YCCK);
    if (kind == JPEG_KIND_CMYK)
        jpeg->write_Adobe_marker = FALSE;
    if (kind == JPEG_KIND_PROGRESSIVE)
        jpeg_simple_progression(jpeg);
    jpeg_set_quality(jpeg, 100, TRUE);
}

void make_jpeg(const char *path, JpegKind kind, int side,
               const uint8_t color[4])
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    FILE *file = fopen(path, "wb");
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = jpeg.image_height = (JDIMENSION)side;
    set_jpeg_kind(&jpeg, kind);
    jpeg_start_compress(&jpeg, TRUE);
    uint8_t *row = malloc((size_t)side * 4);
    for (int i = 0; i < side * jpeg.input_components; i++)
        row[i] = color[i % jpeg.input_components];
    while (jpeg.next_scanline < jpeg.image_height)
        jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    fclose(file);
}

void make_plain(const char *path, int size, int value)
{
    uint8_t *rows = malloc((size_t)size * (size_t)size * 3);
    memset(rows, value, (size_t)size * (size_t)size * 3);
    make_png(path, PNG_KIND_RGB, 8, false, size, size, rows, 3 * size);
    free(rows);
}

void check_set_refused(const char *path, const char *reason)
{
    Dataset *set = (Dataset *)1;
    DataOptions options = {.test_fraction = 0.2};
    Status status = dataset_open(path, &options, &set);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(set == NULL);
    if (!strstr(status.text, path) || !strstr(status.text, reason))
        test_fail(__FILE__, __LINE__, "\"%s\" lacks path or \"%s\"",
                  status.text, reason);
}
