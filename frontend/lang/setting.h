// --set on the command line.
#ifndef SIMCC_FRONTEND_LANG_SETTING_H
#define SIMCC_FRONTEND_LANG_SETTING_H

#include "frontend/lang/sema.h"

// The last --set of `name` (of `phase.name` when phase is not NULL), or NULL.
Setting *setting_find(Sema *s, const char *phase, const char *name);
// What a setting says, as a value like `like`; poison after a diagnostic.
Datum setting_value(Sema *s, const Setting *setting, Datum like,
                    const Module *module);

#endif
