// What a program says to one of its phases: its resolved source without
// comments, spaces and breaks of lines, without other phases, and of its
// teacher without that one's settings. Where the source and its imports lie is
// in comments, so it is no part of it.
#ifndef SIMCC_FRONTEND_LANG_PROGRAM_TEXT_H
#define SIMCC_FRONTEND_LANG_PROGRAM_TEXT_H

#include <stdbool.h>

#include "ir/base/diag.h"

enum { PROGRAM_LINE = 120 };

// A line of a source, cut off and without the spaces around it.
typedef struct ProgramLine {
    int number; // from 1
    char text[PROGRAM_LINE];
} ProgramLine;

typedef struct ProgramText ProgramText;

// Reads a program that is one file. `source` is kept; the rest lives in the
// arena. NULL when it has errors of syntax, which go to `diags`, empty before;
// NULL = nobody wants them.
const ProgramText *program_text(Arena *arena, const char *source,
                                DiagList *diags);

// What it says to the phase: its words, strings and signs, each a line.
// `teacher` may be NULL. Lives in the arena of program_text. Hashes of it are
// in checkpoints, so of the same source it stays the same.
const char *program_text_says(const ProgramText *text, const char *phase,
                              const char *teacher);
// False when both say the same to the phase, or one is NULL; else the lines of
// the first difference.
bool program_text_differs(const ProgramText *one, const ProgramText *other,
                          const char *phase, const char *teacher,
                          ProgramLine lines[2]);

#endif
