// simcc_read: pictures of files as simcc decodes them.
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/file.h"
#include "runtime/bundle/model.h"
#include "runtime/data/image.h"

enum { MAX_FILE = 1 << 30 };

// Where libpng and libjpeg would write, under the name that the Makefile gives
// it in them; nothing that they are used for here writes.
FILE *simcc_stderr;

int simcc_read(const SimccModel *model, const char *path, SimccPicture *picture,
               char *error)
{
    char *bytes = NULL;
    int64_t size = 0;
    Image image = {0};
    simcc_stderr = stderr;
    Status status = file_read(path, MAX_FILE, &bytes, &size);
    if (status.code == STATUS_OK)
        status = image_decode_channels((const uint8_t *)bytes, size, path,
                                       (int)model->min_side,
                                       (int)model->channels, &image);
    free(bytes);
    if (status.code != STATUS_OK && error)
        snprintf(error, SIMCC_ERROR, "%s", status.text);
    *picture = (SimccPicture){image.width, image.height, image.channels,
                              image.pixels, image.planes};
    return (int)status.code;
}

void simcc_drop(SimccPicture *picture)
{
    free(picture->pixels);
    free(picture->planes);
    *picture = (SimccPicture){0};
}
