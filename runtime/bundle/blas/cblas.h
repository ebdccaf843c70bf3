// In place of OpenBLAS's header where the runtime becomes part of a library:
// the functions are those that a net which needs them brings (model.h), so that
// others are linked without BLAS.
#ifndef SIMCC_BUNDLE_CBLAS_H
#define SIMCC_BUNDLE_CBLAS_H

enum { CblasRowMajor = 101, CblasNoTrans = 111, CblasTrans = 112 };

extern void (*simcc_sgemm)(int order, int trans_a, int trans_b, int m, int n,
                           int k, float alpha, const float *a, int lda,
                           const float *b, int ldb, float beta, float *c,
                           int ldc);
extern void (*simcc_dgemm)(int order, int trans_a, int trans_b, int m, int n,
                           int k, double alpha, const double *a, int lda,
                           const double *b, int ldb, double beta, double *c,
                           int ldc);
#define cblas_sgemm simcc_sgemm
#define cblas_dgemm simcc_dgemm

// net.c limits the threads itself; the rest is asked by simcc alone.
static inline void openblas_set_num_threads(int threads)
{
    (void)threads;
}

static inline const char *openblas_get_config(void)
{
    return "";
}

static inline const char *openblas_get_corename(void)
{
    return "";
}

#endif
