// Images of a data set on sheets.
#ifndef SIMCC_FRONTEND_CLI_PICTURES_H
#define SIMCC_FRONTEND_CLI_PICTURES_H

#include "runtime/data/data.h"

enum { PICTURE_SIDE = 128 }; // of a picture on a sheet, at most

// A square from the middle of an image; `buffer` is [3, side, side]. The
// picture is the caller's to free.
Status picture_square(const Dataset *data, DataSplit split, int64_t index,
                      int side, float *buffer, Image *picture);

#endif
