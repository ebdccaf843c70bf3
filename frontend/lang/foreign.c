// Names as other languages and libraries have them.
#include <string.h>

#include "frontend/lang/module.h"

typedef struct ForeignName {
    const char *name, *here;
} ForeignName;

const char *foreign_name(const char *name)
{
    static const ForeignName names[] = {
#define FOREIGN_NAME(name, what) {#name, what},
#define FOREIGN_ARGUMENT(name, ours)
#include "frontend/lang/foreign.def"
#undef FOREIGN_NAME
#undef FOREIGN_ARGUMENT
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].here;
    return NULL;
}

const char *foreign_argument(const char *name, int count,
                             const char *const *names)
{
    static const ForeignName arguments[] = {
#define FOREIGN_NAME(name, what)
#define FOREIGN_ARGUMENT(name, ours) {#name, #ours},
#include "frontend/lang/foreign.def"
#undef FOREIGN_NAME
#undef FOREIGN_ARGUMENT
    };
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
        for (int k = 0; k < count; k++)
            if (strcmp(arguments[i].name, name) == 0 &&
                strcmp(arguments[i].here, names[k]) == 0)
                return names[k];
    return NULL;
}
