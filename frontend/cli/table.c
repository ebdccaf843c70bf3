#include <string.h>

#include "frontend/cli/cli.h"

const Option option_table[OPTION_COUNT] = {
#define OPTION(id, letter, name, argument, doc) {letter, name, argument, doc},
#include "frontend/cli/options.def"
#undef OPTION
};

_Static_assert(OPTION_COUNT <= 128, "options are the bits of an OptionSet");

#define O(id) ((OptionSet)1 << OPT_##id) |
const OptionSet common_options = O(help) O(quiet) O(no_color) 0;

const Command command_table[] = {
#define COMMAND(id, name, doc, usage, fewest, most, options, examples)         \
    {name, doc, usage, fewest, most, options 0, examples, command_##id},
#include "frontend/cli/commands.def"
#undef COMMAND
};
#undef O

const int command_count = sizeof command_table / sizeof *command_table;

const Command *command_by_name(const char *name)
{
    for (int i = 0; i < command_count; i++)
        if (strcmp(command_table[i].name, name) == 0)
            return &command_table[i];
    return NULL;
}

int option_by_name(const char *name, size_t length)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strlen(option_table[i].name) == length &&
            memcmp(option_table[i].name, name, length) == 0)
            return i;
    return -1;
}

int option_by_letter(char letter)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (letter && option_table[i].letter == letter)
            return i;
    return -1;
}
