// What a program says to one of its phases: the resolved source without
// comments, spaces and breaks of lines, without other phases, and of its
// teacher without that one's settings. Where the source and its imports lie is
// in comments, so it is no part of it.
#ifndef SIMCC_RUNTIME_PROGRAM_TEXT_H
#define SIMCC_RUNTIME_PROGRAM_TEXT_H

#include <stdbool.h>
#include <stdint.h>

enum { PROGRAM_LINE = 120 };

// A line of a source, cut off and without the spaces around it.
typedef struct ProgramLine {
    int number; // from 1
    char text[PROGRAM_LINE];
} ProgramLine;

// `teacher` may be NULL.
uint64_t program_text_hash(const char *source, const char *phase,
                           const char *teacher);
// False when both say the same to the phase; else the lines of the first
// difference.
bool program_text_differs(const char *one, const char *other, const char *phase,
                          const char *teacher, ProgramLine lines[2]);

#endif
