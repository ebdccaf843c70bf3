// What `simcc bundle` (frontend/cli/bundle.c) writes into a library and the
// runtime in it (net.c) reads: a table of pointers in the library's net.o.
#ifndef SIMCC_BUNDLE_MODEL_H
#define SIMCC_BUNDLE_MODEL_H

#include "runtime/bundle/simcc.h"
#include "runtime/exec/cpu.h"
#include "runtime/exec/plan.h"

// Of the structs below; the plan has PROGRAM_VERSION.
enum { MODEL_VERSION = 1, MODEL_TARGET = 32, MODEL_ALIGN = 64 };
#define MODEL_MAGIC "SIMCCWTS"

// Compiled for one processor and one size of batch.
typedef struct ModelVariant {
    CpuSet needs;
    char target[MODEL_TARGET];
    int64_t batch, program_bytes;
    const unsigned char *program; // program_encode, without objects
    PlanKernel *const *kernels;   // by Plan.symbols of its one phase's `eval`
    const int64_t *places;        // in the weights, by Plan.params
} ModelVariant;

struct SimccModel {
    int64_t version, variant_count;
    const ModelVariant *variants; // all with the same params
    // Each param at a multiple of MODEL_ALIGN; NULL: in a file, behind a
    // ModelFile. As the variants store them, or, where these differ in their
    // tiles, in row-major order.
    const unsigned char *weights;
    int64_t weights_bytes, in_rows;
    uint64_t weights_checksum;
    const char *classes; // a line each; NULL = without names
    int64_t min_side;    // of pictures, as DataOptions.min_side
    int64_t channels;
    // Of OpenBLAS where a plan calls it, else NULL.
    void *sgemm, *dgemm, *blas_threads;
};

// How a file of weights begins.
typedef struct ModelFile {
    char magic[8];
    uint64_t checksum;
    int64_t bytes; // that follow
    char unused[MODEL_ALIGN - 24];
} ModelFile;
_Static_assert(sizeof(ModelFile) == MODEL_ALIGN, "weights behind it lie well");

#endif
