// Files of numbers that another program has computed, read one by one.
#ifndef SIMCC_TESTS_NUMBERS_H
#define SIMCC_TESTS_NUMBERS_H

#include <math.h>
#include <stdio.h>

#include "tests/harness.h"

static const double tolerance = 1e-12;

// The next number of the file; "nan" is one.
static inline double next(FILE *file)
{
    double number = -1e300;
    CHECK(fscanf(file, "%lf", &number) == 1);
    return number;
}

// Fails unless the next number is `got`, both NaN or within `tolerance`.
static inline void check_next(FILE *file, const char *what, double got)
{
    double want = next(file);
    if (isnan(want) != isnan(got) || fabs(got - want) > tolerance)
        test_fail(__FILE__, __LINE__, "%s is %.17g, not %.17g", what, got,
                  want);
}

#endif
