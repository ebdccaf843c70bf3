// The house format of .net files.
#ifndef SIMCC_LANG_FORMAT_H
#define SIMCC_LANG_FORMAT_H

#include "ir/base/diag.h"

// The text of a file in the house format: blocks indented by four spaces,
// continued lines below what they continue, one space between words and none
// inside brackets, no more than one empty line at a time. Where lines break
// stays the writer's choice, and so do columns: what stood under one another,
// in lines that follow one another and with spaces to that end, does so again.
// Comments stay. NULL when the file has errors of syntax, which are in `diags`.
// Formatting the result changes nothing, and its tree is that of the file.
const char *lang_format(Arena *arena, const Source *source, DiagList *diags);

#endif
