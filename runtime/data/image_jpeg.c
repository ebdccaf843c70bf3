#include "runtime/data/image_jpeg.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <jerror.h>

// Progressive files with more scans are built to waste time: the format needs
// a few dozen.
enum { MAX_SCANS = 500 };

// The error manager comes first so that libjpeg's pointer to it is a pointer
// to the whole state. The state lives in the caller of the function that calls
// setjmp, so no local is clobbered.
typedef struct JpegState {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf escape;
    char reason[JMSG_LENGTH_MAX];
    Image image;
    uint8_t *row; // one row as decoded: 3 or 4 samples a pixel
    bool short_of_memory;
} JpegState;

static void jpeg_on_error(j_common_ptr jpeg)
{
    JpegState *state = (JpegState *)jpeg->err;
    jpeg->err->format_message(jpeg, state->reason);
    state->short_of_memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    longjmp(state->escape, 1);
}

// libjpeg only warns where entropy data are missing or damaged, and paints the
// rest grey; such pixels must not be trained on. What is left are oddities that
// do no harm: junk between segments, unknown Adobe codes, scan order.
static void jpeg_on_message(j_common_ptr jpeg, int level)
{
    int code = jpeg->err->msg_code;
    bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM ||
                    code == JWRN_BOGUS_PROGRESSION || code == JWRN_JFIF_MAJOR;
    if (level < 0 && !harmless)
        jpeg_on_error(jpeg);
}

static void jpeg_count_scans(j_common_ptr jpeg)
{
    JpegState *state = (JpegState *)jpeg->err;
    if (((j_decompress_ptr)jpeg)->input_scan_number > MAX_SCANS) {
        snprintf(state->reason, sizeof state->reason, "more than %d scans",
                 MAX_SCANS);
        longjmp(state->escape, 1);
    }
}

static void choose_scale(j_decompress_ptr jpeg, int min_side)
{
    jpeg->scale_num = jpeg->scale_denom = 1;
    for (unsigned denom = 8; min_side > 0 && denom > 1; denom /= 2) {
        jpeg->scale_denom = denom;
        jpeg_calc_output_dimensions(jpeg);
        if ((int)jpeg->output_width >= min_side &&
            (int)jpeg->output_height >= min_side)
            return;
    }
    jpeg->scale_denom = 1;
}

// Adobe programs store inks inverted (255 = none); others as in the standard.
static void convert_cmyk_row(const uint8_t *cmyk, bool inverted, int width,
                             uint8_t *rgb)
{
    for (int x = 0; x < width; x++)
        for (int c = 0; c < 3; c++) {
            int ink = cmyk[4 * x + c], black = cmyk[4 * x + 3];
            if (!inverted) {
                ink = 255 - ink;
                black = 255 - black;
            }
            rgb[3 * x + c] = (uint8_t)((ink * black + 127) / 255);
        }
}

static void read_header(JpegState *state, int min_side)
{
    j_decompress_ptr jpeg = &state->jpeg;
    jpeg_read_header(jpeg, TRUE);
    if ((uint64_t)jpeg->image_width * jpeg->image_height > IMAGE_MAX_PIXELS) {
        snprintf(state->reason, sizeof state->reason,
                 "more than 64 megapixels");
        longjmp(state->escape, 1);
    }
    bool inks = jpeg->jpeg_color_space == JCS_CMYK ||
                jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW; // the same bits with and without SIMD
    choose_scale(jpeg, min_side);
}

static void read_rows(JpegState *state)
{
    j_decompress_ptr jpeg = &state->jpeg;
    while (jpeg->output_scanline < jpeg->output_height) {
        size_t stride = 3 * (size_t)state->image.width;
        uint8_t *target = state->image.pixels + stride * jpeg->output_scanline;
        bool inks = jpeg->out_color_space == JCS_CMYK;
        JSAMPROW row = inks ? state->row : target;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (inks)
            convert_cmyk_row(row, jpeg->saw_Adobe_marker, state->image.width,
                             target);
    }
}

// False leaves the reason in the state.
static bool jpeg_read_rgb(JpegState *state, const uint8_t *bytes, int64_t size,
                          int min_side)
{
    if (setjmp(state->escape))
        return false;
    j_decompress_ptr jpeg = &state->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &state->progress;
    jpeg_mem_src(jpeg, bytes, (unsigned long)size);
    read_header(state, min_side);
    jpeg_start_decompress(jpeg);
    Status memory = image_new((int)jpeg->output_width, (int)jpeg->output_height,
                              &state->image);
    state->row = malloc((size_t)jpeg->output_width * 4);
    state->short_of_memory = memory.code != STATUS_OK || !state->row;
    if (state->short_of_memory)
        return false;
    read_rows(state);
    jpeg_finish_decompress(jpeg);
    return true;
}

Status jpeg_decode(const uint8_t *bytes, int64_t size, const char *name,
                   int min_side, Image *image)
{
    JpegState state = {.reason = ""};
    state.jpeg.err = jpeg_std_error(&state.errors);
    state.errors.error_exit = jpeg_on_error;
    state.errors.emit_message = jpeg_on_message;
    state.progress.progress_monitor = jpeg_count_scans;
    bool complete = jpeg_read_rgb(&state, bytes, size, min_side);
    jpeg_destroy_decompress(&state.jpeg);
    free(state.row);
    if (!complete) {
        image_free(&state.image);
        if (state.short_of_memory)
            return status_error(STATUS_MEMORY, "%s: no memory to decode it",
                                name);
        return status_error(STATUS_DATA, "%s: bad JPEG: %s", name,
                            state.reason);
    }
    *image = state.image;
    return status_ok();
}

#define WORDS_OF(macro) WORDS(macro)
#define WORDS(text)     #text

const char *jpeg_library(void)
{
    return WORDS_OF(LIBJPEG_TURBO_VERSION);
}
