// Tables of what can be called without being written in .net: built-in
// functions and augmentation operations.
#ifndef SIMCC_FRONTEND_LANG_BUILTINS_H
#define SIMCC_FRONTEND_LANG_BUILTINS_H

#include "frontend/lang/value.h"

enum { MAX_BUILTIN_ARGS = 7, MAX_AUGMENT_ARGS = 8 };

struct Sema;

// A call whose arguments have been evaluated and put in the row's order.
typedef struct Call {
    const char *name;
    SourcePos pos;
    int count;
    const char *names[MAX_AUGMENT_ARGS];
    Datum args[MAX_AUGMENT_ARGS];        // DATUM_ABSENT where not given
    const Expr *exprs[MAX_AUGMENT_ARGS]; // NULL where not given
} Call;

typedef Datum BuiltinFunction(struct Sema *sema, const Call *call);

typedef struct BuiltinRow {
    const char *name, *params, *doc;
    BuiltinFunction *run;
    int count;
    const char *names[MAX_BUILTIN_ARGS];
    bool optional[MAX_BUILTIN_ARGS];
} BuiltinRow;

// An augmentation operation; defaults are NAN where one must be given. An
// argument that has words, "tf|torch", is one of them; its number is its place.
typedef struct AugmentRow {
    const char *name, *doc;
    int count;
    const char *names[MAX_AUGMENT_ARGS];
    double defaults[MAX_AUGMENT_ARGS];
    const char *words[MAX_AUGMENT_ARGS];
} AugmentRow;

// The place of a word, of `length` bytes, among "tf|torch"; -1 = none of them.
int augment_find_word(const char *words, const char *word, size_t length);
// Prints an argument as it is read; words may be NULL.
void augment_print_arg(const char *name, const char *words, double value,
                       Text *out);

// Names that need no import: functions, operations, constants. Maps a name to
// a Datum. Allocated in the arena.
struct Map;
void builtins_add(Arena *arena, struct Map *universe);

// An elementwise operation applied to a compile-time number.
Datum number_operation(struct Sema *sema, const Call *call, Op op);

#endif
