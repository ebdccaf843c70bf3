// Questions to the tree: which names a piece of it reads, which statements a
// name needs.
#ifndef SIMCC_FRONTEND_LANG_READS_H
#define SIMCC_FRONTEND_LANG_READS_H

#include "frontend/lang/ast.h"
#include "frontend/lang/map.h"

// Adds the names that an expression, or arguments, read, as keys of the map.
void read_names(const Expr *expr, Map *names);
void read_args(const ArgList *args, Map *names);
// keep[i]: statement i matters to `name`. False when nothing sets it.
bool find_needed(Arena *arena, const StmtList *body, const char *name,
                 bool *keep);
// Does one of the patterns, such as "layer1.*", match the name?
bool words_match(const WordList *patterns, const char *name);
// A phase's input statement; NULL when it has none.
const Stmt *find_input(const StmtList *body);

#endif
