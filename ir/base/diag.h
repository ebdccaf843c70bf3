// Sources, positions and diagnostics: what the user can mend.
// An internal error is not a diagnostic: see diag_internal_error.
#ifndef SIMCC_IR_BASE_DIAG_H
#define SIMCC_IR_BASE_DIAG_H

#include <stdbool.h>
#include <stdio.h>

#include "ir/base/arena.h"
#include "ir/base/text.h"
#include "ir/base/vec.h"

// One file of source text. `text` ends with two NULs (as flex wants them).
typedef struct Source {
    const char *path; // as the user wrote or would write it
    char *text;
    size_t length;
} Source;

// Reads a whole file; NULL and the reason in *error (in `arena`) when it cannot
// be read or is larger than any source can sensibly be.
Source *source_read(Arena *arena, const char *path, const char **error);
// A source made of `length` bytes of `text`, which are copied.
Source *source_from_text(Arena *arena, const char *path, const char *text,
                         size_t length);

// Where something stands. Lines and columns start at 1; columns count bytes.
// line 0 means "nowhere in particular".
typedef struct SourcePos {
    const Source *source;
    int line, column;
    int end_column; // one past the last byte on that line; 0 = just a point
} SourcePos;

typedef enum Severity { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE } Severity;

typedef struct Diag {
    Severity severity;
    SourcePos pos;
    const char *message;
} Diag;

// All that was found wrong, in order. A note belongs to the diagnostic before
// it. Errors past `error_limit` are counted, not kept (their notes neither);
// warnings likewise.
typedef struct DiagList {
    Arena *arena;
    VEC(Diag) items;
    int error_count, warning_count;
    int error_limit; // 0 = 20
    bool dropping;   // the last diagnostic was not kept
} DiagList;

DiagList diag_list_new(Arena *arena);
void diag_error(DiagList *list, SourcePos pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diag_warning(DiagList *list, SourcePos pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diag_note(DiagList *list, SourcePos pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// file:line:col: error: message, the line, a caret; notes after their error.
// Long lines are cut around the caret; tabs and non-UTF-8 bytes are made safe.
void diag_print(const DiagList *list, FILE *out, bool color);
// A JSON array of {severity, file, line, column, end_column, message, notes}.
void diag_print_json(const DiagList *list, FILE *out);

// A fault of simcc itself: says so, what to report, exits 70.
_Noreturn void diag_internal_error(const char *file, int line,
                                   const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define INTERNAL_ERROR(...) diag_internal_error(__FILE__, __LINE__, __VA_ARGS__)
#define INTERNAL_CHECK(condition)                                              \
    ((condition) ? (void)0                                                     \
                 : diag_internal_error(__FILE__, __LINE__, "check failed: %s", \
                                       #condition))

#endif
