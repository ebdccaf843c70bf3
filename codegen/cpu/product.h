// Products of plain matrices: c[m,n] = op(a)[m,k] op(b)[k,n] in single
// precision.
//
// b is packed first, by a step of its own whose tasks all threads share: as
// panels of CPU_BLOCK columns, [ceil(n / 16)][k][16], with zeros for columns
// past n. a is read as it lies, where its rows are the result's and do not fall
// into one set of the first-level cache; else it is packed, too, as
// [ceil(k / 16)][m][16], which is the same order with k in the place of n.
#ifndef SIMCC_CODEGEN_PRODUCT_H
#define SIMCC_CODEGEN_PRODUCT_H

#include "codegen/cpu/block.h"
#include "ir/matmul.h"

// A matrix [rows, cols] to panels of 16 columns. args: from, to; imm: by
// PackImm.
typedef struct PackKernel {
    KernelTypes types;
    bool transposed; // it lies as [cols, rows]
    bool ragged;     // and its rows are no multiple of CPU_BLOCK
    int64_t edge;    // columns of a last panel that is not full; or 0
} PackKernel;

typedef enum PackImm { PACK_IMM_ROWS, PACK_IMM_COLS, PACK_IMMS } PackImm;

// Of a matrix of that size.
PackKernel pack_choose(DType dtype, int64_t rows, int64_t cols,
                       bool transposed);
int64_t pack_elements(int64_t rows, int64_t cols); // of what is made
int64_t pack_tasks(int64_t rows, int64_t cols);
void pack_text(Text *text, const PackKernel *kernel);

enum {
    // A task's panels, read together: 256 bytes of a row at a time.
    PACK_PANELS = 4,
    PACK_ROWS = 512, // and rows of them; a multiple of CPU_BLOCK
};

typedef struct ProductTile {
    int rows, panels;    // register tile: rows of c x panels of 16 columns
    int64_t task_rows;   // of a task
    int64_t task_panels; // of a task; a multiple of `panels`
    int64_t reads;       // blocks of 16 of k summed at a time, for all of these
} ProductTile;

// args: a, b's panels, c.
typedef struct ProductKernel {
    KernelTypes types;
    int64_t m, n, k;
    bool packed; // a is in panels
    ProductTile tile;
} ProductKernel;

// Whether products of this type and shape are made so; others are BLAS's.
bool product_takes(const MatmulGeometry *geometry, DType dtype);
// Of a product that is; a task has whole `unit`s of rows where it has so many.
ProductKernel product_choose(const MatmulGeometry *geometry, int vector_bytes,
                             int64_t unit);
// Tasks of the same rows follow each other.
int64_t product_tasks(const ProductKernel *kernel);
// Elements of scratch a thread needs.
int64_t product_scratch(const ProductKernel *kernel);
void product_text(Text *text, const ProductKernel *kernel);

#endif
