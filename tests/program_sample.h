// A small program with something in every field, for tests of artifacts.
#ifndef SIMCC_TESTS_PROGRAM_SAMPLE_H
#define SIMCC_TESTS_PROGRAM_SAMPLE_H

#include "runtime/exec/program.h"

// Freed by program_free.
Program *sample_program(void);

#endif
