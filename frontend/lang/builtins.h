// Tables of what can be called without being written in .net: built-in
// functions and augmentation operations.
#ifndef SIMCC_FRONTEND_LANG_BUILTINS_H
#define SIMCC_FRONTEND_LANG_BUILTINS_H

#include "frontend/lang/value.h"

enum { MAX_BUILTIN_ARGS = 7, MAX_AUGMENT_ARGS = 8 };
enum { MAX_VIEWS = 64, MAX_CHANNELS = 64 }; // of an image

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

// A parameter of an augmentation operation, as augment.def lists it.
typedef enum AugmentParamKind {
    AUGMENT_NUMBER,
    AUGMENT_WHOLE,
    AUGMENT_WORD,  // its number is its place among the words
    AUGMENT_STEPS, // other augmentations
} AugmentParamKind;

typedef struct AugmentParam {
    AugmentParamKind kind;
    const char *name;
    double value;      // the default; NAN = must be given
    double low, high;  // of numbers
    const char *words; // "tf|torch"; else NULL
} AugmentParam;

typedef struct AugmentRow {
    const char *name, *doc;
    int count;
    AugmentParam params[MAX_AUGMENT_ARGS];
} AugmentRow;

// The place of a word, of `length` bytes, among "tf|torch"; -1 = none of them.
int augment_find_word(const char *words, const char *word, size_t length);
// Prints an argument as it is read; words may be NULL.
void augment_print_arg(const char *name, const char *words, double value,
                       Text *out);

// The side of the images that come out of it; 0 = that of those that go in.
int64_t augment_size(const Augment *augment);

// Warns, at `expr`, of what a pipeline's steps do not do on images of their
// size and, of one that `evaluates`, of those that draw at random.
void augment_warn(struct Sema *s, const Expr *expr, const DatumList *steps,
                  bool evaluates);
// sema_augment.c
Datum call_augment(struct Sema *s, const Expr *expr, const AugmentRow *row);
// Evaluates arguments into their places; false after a diagnostic. sema_call.c
bool fill_call(struct Sema *s, const Expr *expr, Call *call);

// Names that need no import: functions, operations, constants. Maps a name to
// a Datum. Allocated in the arena.
struct Map;
void builtins_add(Arena *arena, struct Map *universe);

// An elementwise operation applied to a compile-time number.
Datum number_operation(struct Sema *sema, const Call *call, Op op);

#endif
