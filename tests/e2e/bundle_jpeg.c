// Makes a JPEG of a PNG, for tests: bundle_jpeg IN.png OUT.jpg [progressive]
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>

int main(int argc, char **argv)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    if (argc < 3 || !png_image_begin_read_from_file(&png, argv[1]))
        return 1;
    png.format = PNG_FORMAT_RGB;
    unsigned char *pixels = malloc(PNG_IMAGE_SIZE(png));
    FILE *file = fopen(argv[2], "wb");
    if (!file || !png_image_finish_read(&png, NULL, pixels, 0, NULL))
        return 1;
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = png.width;
    jpeg.image_height = png.height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    if (argc > 3)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < png.height) {
        JSAMPROW row = pixels + 3 * (size_t)png.width * jpeg.next_scanline;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(pixels);
    return fclose(file) != 0;
}
