// What an expression can be at compile time. A tensor is a value of the graph
// being built; everything else is gone once the graph is complete.
#ifndef SIMCC_FRONTEND_LANG_VALUE_H
#define SIMCC_FRONTEND_LANG_VALUE_H

#include "frontend/lang/ast.h"
#include "frontend/lang/experiment.h"

typedef enum DatumKind {
    DATUM_POISON, // an error was reported; whatever it touches is poison too
    DATUM_ABSENT, // an argument that was not given
    DATUM_NONE,
    DATUM_INT,
    DATUM_FLOAT,
    DATUM_BOOL,
    DATUM_STRING,
    DATUM_LIST,
    DATUM_TENSOR,
    DATUM_FUNCTION,    // a def or optimizer with the file that it stands in
    DATUM_BUILTIN,     // a row of builtins.def
    DATUM_OPERATION,   // an elementwise row of ops.def, callable by its name
    DATUM_AUGMENT_ROW, // a row of augment.def, callable by its name
    DATUM_AUGMENT,     // such a call with its arguments
    DATUM_INIT,        // how a weight begins
    DATUM_SOURCE,      // where images come from
    DATUM_ALL,         // every label
    DATUM_TEACHER,     // another phase's network
} DatumKind;

typedef struct Datum Datum;
typedef struct DatumList DatumList;
struct Function;
struct BuiltinRow;
struct AugmentRow;
struct Phase;

typedef struct Augment {
    const struct AugmentRow *row;
    double args[8];
    const DatumList *steps; // those that it may run; else NULL
} Augment;

typedef struct Init {
    const char *name; // "constant", "normal", "truncated_normal", "uniform"
    double scale;
} Init;

typedef struct DataSource {
    ImageSource images;
    int group_count; // of views
    int views[VIEW_GROUPS];
    Datum *amount; // of labels: DATUM_ALL, a fraction or a count
} DataSource;

struct Datum {
    DatumKind kind;
    bool was_whole; // of a float: --set gave a whole number for it
    union {
        int64_t whole;
        double number;
        bool truth;
        const char *text;
        const DatumList *list;
        Value tensor;
        const struct Function *function;
        const struct BuiltinRow *builtin;
        Op operation;
        const struct AugmentRow *augment_row;
        const Augment *augment;
        const Init *init;
        const DataSource *source;
        struct Phase *teacher;
    };
};

struct DatumList {
    int count;
    Datum *at;
};

static inline Datum datum_poison(void)
{
    return (Datum){.kind = DATUM_POISON};
}
static inline Datum datum_none(void)
{
    return (Datum){.kind = DATUM_NONE};
}
static inline Datum datum_int(int64_t whole)
{
    return (Datum){.kind = DATUM_INT, .whole = whole};
}
static inline Datum datum_float(double number)
{
    return (Datum){.kind = DATUM_FLOAT, .number = number};
}
static inline Datum datum_bool(bool truth)
{
    return (Datum){.kind = DATUM_BOOL, .truth = truth};
}
static inline Datum datum_string(const char *text)
{
    return (Datum){.kind = DATUM_STRING, .text = text};
}
static inline Datum datum_tensor(Value tensor)
{
    return (Datum){.kind = DATUM_TENSOR, .tensor = tensor};
}
Datum datum_list(Arena *arena, int count, const Datum *items);
// A list of `count` whole numbers.
Datum datum_ints(Arena *arena, int count, const int64_t *items);

static inline bool datum_is_number(Datum x)
{
    return x.kind == DATUM_INT || x.kind == DATUM_FLOAT;
}
// Of DATUM_INT and DATUM_FLOAT.
static inline double datum_number(Datum x)
{
    return x.kind == DATUM_INT ? (double)x.whole : x.number;
}
// Compile-time equality; numbers compare by value, other kinds by content.
bool datum_equal(Datum a, Datum b);

// "a whole number", "a list", ...
const char *datum_kind_text(DatumKind kind);
// The value as one would write it; tensors as their type.
void datum_print(Datum x, const Graph *graph, Text *out);
// The same as a text of its own, of values that are no tensors.
const char *datum_text(Arena *arena, Datum x);
// "f32[32,512]" for a tensor, "the whole number 3" for others.
const char *datum_describe(Arena *arena, Datum x, const Graph *graph);

#endif
