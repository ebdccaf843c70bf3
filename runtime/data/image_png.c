#include "runtime/data/image_png.h"

#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Told apart from damage: the file may be read another time. libpng's own
// allocations say "Out of memory" in several ways and count as damage; they
// are small.
static const char no_memory[] = "out of memory";

// Everything a libpng call may leave behind when it jumps out. It lives in the
// caller of the function that calls setjmp, so no local is clobbered.
typedef struct PngState {
    png_structp png;
    png_infop info;
    jmp_buf escape;
    char reason[160];
    const uint8_t *input;
    int64_t size, offset;
    uint8_t *output; // encoder: grown as written; decoder: RGBA rows
    int64_t room;
    png_bytep *rows;
    int width, height;
    bool deep; // decoder: rows of 16 bits
} PngState;

static void png_on_error(png_structp png, png_const_charp message)
{
    PngState *state = png_get_error_ptr(png);
    snprintf(state->reason, sizeof state->reason, "%s", message);
    longjmp(state->escape, 1);
}

// Warnings are about metadata; what damages pixels is an error in libpng.
static void png_on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void png_take(png_structp png, png_bytep bytes, png_size_t count)
{
    PngState *state = png_get_io_ptr(png);
    if ((int64_t)count > state->size - state->offset)
        png_error(png, "the file is truncated");
    memcpy(bytes, state->input + state->offset, count);
    state->offset += (int64_t)count;
}

static void png_put(png_structp png, png_bytep bytes, png_size_t count)
{
    PngState *state = png_get_io_ptr(png);
    if (state->offset + (int64_t)count > state->room) {
        int64_t room = 2 * (state->offset + (int64_t)count);
        uint8_t *grown = realloc(state->output, (size_t)room);
        if (!grown)
            png_error(png, no_memory);
        state->output = grown;
        state->room = room;
    }
    memcpy(state->output + state->offset, bytes, count);
    state->offset += (int64_t)count;
}

static void png_flush_nothing(png_structp png)
{
    (void)png;
}

static size_t png_stride(const PngState *state)
{
    return (size_t)state->width * (state->deep ? 8 : 4);
}

// Asks libpng to hand over every kind of file as RGBA of 8 or 16 bits.
static void png_request_rgba(PngState *state)
{
    png_structp png = state->png;
    png_set_expand(png); // palette, depths below 8, tRNS to alpha
    if (state->deep)
        png_set_expand_16(png); // a byte b becomes 257 b
    else
        png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, state->deep ? 65535 : 255, PNG_FILLER_AFTER);
    png_set_interlace_handling(png);
    png_read_update_info(png, state->info);
    if (png_get_rowbytes(png, state->info) != png_stride(state))
        png_error(png, "unexpected row size");
}

static void png_allocate_rows(PngState *state)
{
    size_t stride = png_stride(state);
    state->output = malloc(stride * (size_t)state->height);
    state->rows = malloc((size_t)state->height * sizeof *state->rows);
    if (!state->output || !state->rows)
        png_error(state->png, no_memory);
    for (int y = 0; y < state->height; y++)
        state->rows[y] = state->output + stride * (size_t)y;
}

// False leaves the reason in the state.
static bool png_read_rgba(PngState *state)
{
    if (setjmp(state->escape))
        return false;
    state->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, state,
                                        png_on_error, png_on_warning);
    state->info = state->png ? png_create_info_struct(state->png) : NULL;
    if (!state->info)
        return false;
    png_set_read_fn(state->png, state, png_take);
    // libpng takes as much memory as eXIf says to be long, before it reads it;
    // the orientation is read by image_exif.c.
    png_set_keep_unknown_chunks(state->png, PNG_HANDLE_CHUNK_NEVER,
                                (png_const_bytep) "eXIf", 1);
    png_read_info(state->png, state->info);
    png_uint_32 width = png_get_image_width(state->png, state->info);
    png_uint_32 height = png_get_image_height(state->png, state->info);
    if ((uint64_t)width * height > IMAGE_MAX_PIXELS)
        png_error(state->png, "more than 64 megapixels");
    state->width = (int)width;
    state->height = (int)height;
    png_request_rgba(state);
    png_allocate_rows(state);
    png_read_image(state->png, state->rows);
    png_read_end(state->png, NULL);
    return true;
}

// Alpha over black: c * a / 255, rounded.
static void blend_over_black(const uint8_t *rgba, Image *image)
{
    int64_t count = (int64_t)image->width * image->height;
    for (int64_t i = 0; i < count; i++)
        for (int c = 0; c < 3; c++)
            image->pixels[3 * i + c] =
                (uint8_t)((rgba[4 * i + c] * rgba[4 * i + 3] + 127) / 255);
}

static Status split_planes(const uint8_t *rgba, const PngState *state,
                           Image *image)
{
    TRY(image_new_planes(state->width, state->height, 4, image));
    int64_t area = (int64_t)image->width * image->height;
    for (int64_t i = 0; i < 4 * area; i++)
        image->planes[i % 4 * area + i / 4] =
            (float)((rgba[2 * i] << 8 | rgba[2 * i + 1]) / 65535.0);
    return status_ok();
}

static Status decode(const uint8_t *bytes, int64_t size, const char *name,
                     bool deep, Image *image)
{
    PngState state = {
        .input = bytes, .size = size, .reason = "out of memory", .deep = deep};
    bool complete = png_read_rgba(&state);
    png_destroy_read_struct(&state.png, &state.info, NULL);
    Status status = status_ok();
    if (!complete && strcmp(state.reason, no_memory) == 0)
        status = status_error(STATUS_MEMORY, "%s: %s", name, no_memory);
    else if (!complete)
        status =
            status_error(STATUS_DATA, "%s: bad PNG: %s", name, state.reason);
    else if (deep)
        status = split_planes(state.output, &state, image);
    else
        status = image_new(state.width, state.height, image);
    if (status.code == STATUS_OK && !deep)
        blend_over_black(state.output, image);
    free(state.output);
    free(state.rows);
    return status;
}

Status png_decode(const uint8_t *bytes, int64_t size, const char *name,
                  Image *image)
{
    return decode(bytes, size, name, false, image);
}

Status png_decode_planes(const uint8_t *bytes, int64_t size, const char *name,
                         Image *image)
{
    return decode(bytes, size, name, true, image);
}

static bool png_write_rgb(PngState *state, const Image *image, bool drawn)
{
    char key[] = PNG_SOFTWARE, value[] = PNG_DRAWN;
    png_text text = {
        .compression = PNG_TEXT_COMPRESSION_NONE, .key = key, .text = value};
    if (setjmp(state->escape))
        return false;
    state->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, state,
                                         png_on_error, png_on_warning);
    state->info = state->png ? png_create_info_struct(state->png) : NULL;
    if (!state->info)
        return false;
    png_set_write_fn(state->png, state, png_put, png_flush_nothing);
    png_set_IHDR(state->png, state->info, (png_uint_32)image->width,
                 (png_uint_32)image->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (drawn)
        png_set_text(state->png, state->info, &text, 1);
    png_write_info(state->png, state->info);
    for (int y = 0; y < image->height; y++)
        png_write_row(state->png,
                      image->pixels + (size_t)y * 3 * (size_t)image->width);
    png_write_end(state->png, NULL);
    return true;
}

Status png_encode(const Image *image, const char *name, bool drawn,
                  uint8_t **bytes, int64_t *size)
{
    PngState state = {.reason = "out of memory"};
    bool complete = png_write_rgb(&state, image, drawn);
    png_destroy_write_struct(&state.png, &state.info);
    if (!complete) {
        free(state.output);
        return status_error(STATUS_FAILED, "%s: cannot encode PNG: %s", name,
                            state.reason);
    }
    *bytes = state.output;
    *size = state.offset;
    return status_ok();
}

const char *png_library(void)
{
    return png_get_libpng_ver(NULL);
}
