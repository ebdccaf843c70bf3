// JPEG files to read in measurements, where no real ones are given.
#ifndef SIMCC_BENCH_INPUT_PHOTOS_H
#define SIMCC_BENCH_INPUT_PHOTOS_H

// Writes `count` drawn photographs as FOLDER/NNN.jpg, of the quality and size
// on disk of usual ones: structures of every scale, colours, sharp edges and a
// little noise. False when that fails.
int input_photos_write(const char *folder, int width, int height, int count);

#endif
