// What files define, and which file defines what.
#ifndef SIMCC_FRONTEND_LANG_MODULE_H
#define SIMCC_FRONTEND_LANG_MODULE_H

#include "frontend/lang/sema.h"

typedef struct Function {
    const DefItem *def;
    Module *module;
} Function;

static inline const char *function_name(const Function *function)
{
    return function->def->name.text;
}

typedef enum ParamState { PARAM_NEW, PARAM_BUSY, PARAM_DONE } ParamState;

typedef struct Param {
    const ParamItem *item;
    Module *module;
    ParamState state;
    Datum value;
    bool from_command_line;
    Setting *setting;          // which, or NULL
    VEC(struct Param *) reads; // parameters that its value is made of
    bool is_read;              // by a wanted phase
} Param;

// A name at the top of a file: a parameter or a def.
typedef struct Global {
    const char *name;
    SourcePos pos;
    Module *module;
    Param *param; // or
    const Function *function;
    const struct Global *rival; // of the same name, imported just as closely
} Global;

struct Module {
    const Source *source;
    const char *path;
    const Program *program;
    VEC(Module *) imports;
    Map globals;  // its own: name -> Global
    Map visible;  // its own and what it imports, at any distance
    bool is_open; // its imports are being read
};

// Files to import, looked for when they are needed first.
struct Library {
    bool is_sought, is_read;
    const char *folder; // simcc's own `models`, NULL = not found
    Map files;          // name of a def, optimizer or param -> what to import
};

// Reads a file and all it imports. NULL after an error that makes it useless.
Module *module_load(Sema *s, const char *path, SourcePos import_pos);

// simcc's own folder of models, with `lib` in it: beside the executable or
// above it. NULL when there is none.
const char *library_folder(Sema *s);
// The path to import for a name, of a file that defines it: "lib/resnet.net".
// In `lib` beside the program, then in simcc's own. NULL = in none.
const char *library_file(Sema *s, const char *name);

// What to write in place of a name of another language or library; NULL =
// nothing known.
const char *foreign_name(const char *name);
// The one of these arguments or settings that goes by another name elsewhere.
const char *foreign_argument(const char *name, int count,
                             const char *const *names);

#endif
