// Names of classes as models keep them: text of a line each. What a line of
// UTF-8 cannot hold stands behind a backslash: \\, \n, and \xNN for another
// control character or a byte that is no UTF-8.
#ifndef SIMCC_RUNTIME_CLASS_NAMES_H
#define SIMCC_RUNTIME_CLASS_NAMES_H

#include <stddef.h>

#include "runtime/base/status.h"

typedef struct ClassNames {
    int count;
    char **at;
} ClassNames;

// The names as lines, malloc'ed; NULL for lack of memory.
char *class_names_write(int count, char *const *names);
// The names that lines stand for; a backslash before anything else is itself.
// Fails for lack of memory only.
Status class_names_read(const char *lines, ClassNames *names);
void class_names_free(ClassNames *names);

// "circle, cross, ..." in `text`, whole names as far as `size` bytes allow.
void class_names_list(int count, char *const *names, char *text, size_t size);

#endif
