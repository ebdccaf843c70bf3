// The run directory: what lies where, and files that are whole or absent.
//
//   OUT/model.net                  the program, every parameter resolved
//   OUT/command                    the command line
//   OUT/metrics.jsonl              a line per report
//   OUT/curves.png                 losses and reports as curves
//   OUT/PHASE/checkpoint.safetensors  everything a resumed run needs
//   OUT/PHASE/model.safetensors       the result: weights and running state
#ifndef SIMCC_RUNTIME_RUNDIR_H
#define SIMCC_RUNTIME_RUNDIR_H

#include <stdbool.h>

#include "runtime/status.h"

enum { RUNDIR_PATH = 4096 };

// Writes OUT/file, or OUT/phase/file when `phase` is not NULL, to `path`.
Status rundir_path(const char *out, const char *phase, const char *file,
                   char path[RUNDIR_PATH]);
// Creates a folder and those above it.
Status rundir_create(const char *path);
// Writes a text file under a temporary name, syncs it and renames it.
Status rundir_write(const char *path, const char *text);
bool rundir_exists(const char *path);

#endif
