#include "frontend/cli/manual.h"

#include <ctype.h>
#include <string.h>

// ---- man --------------------------------------------------------------------

// Text as roff wants it: what has a meaning there escaped, and no line that
// begins with a dot or a quote.
static void put_roff(const char *text, FILE *out)
{
    bool begins = true;
    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        begins = *text == '\n';
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
}

static void put_title(const char *name, FILE *out)
{
    fprintf(out, ".TH SIMCC%s", *name ? "\\-" : "");
    for (; *name; name++)
        if (*name == ' ')
            fputs("\\-", out);
        else
            fputc(toupper((unsigned char)*name), out);
    fprintf(out, " 1 \"\" \"simcc %s\" \"simcc\"\n", SIMCC_VERSION);
}

// "data-info" of "data info".
static void put_joined(const char *name, FILE *out)
{
    for (; *name; name++)
        fputs(*name == ' ' ? "\\-" : (char[]){*name, 0}, out);
}

static void put_option(const Option *option, FILE *out)
{
    fputs(".TP\n\\fB", out);
    if (option->letter)
        fprintf(out, "\\-%c\\fR, \\fB", option->letter);
    fputs("\\-\\-", out);
    put_roff(option->name, out);
    fputs("\\fR", out);
    if (option->argument) {
        fputs(" \\fI", out);
        put_roff(option->argument, out);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    put_roff(option->doc, out);
    fputc('\n', out);
}

static void put_exits(FILE *out)
{
    fputs(".SH EXIT STATUS\n"
          "0: done. 1: failed. 2: wrong command line. 3: errors in a program. "
          "4: bad or missing data. 5: training diverged. 6: not enough memory. "
          "70: a fault of simcc itself. 128 + n: ended by signal n.\n",
          out);
}

void manual_overview(FILE *out)
{
    put_title("", out);
    fputs(".SH NAME\nsimcc \\- compile and train SimCLRv2 programs\n"
          ".SH SYNOPSIS\n\\fBsimcc\\fR \\fICOMMAND\\fR [\\fIWORD\\fR...] "
          "[\\fIOPTION\\fR...]\n.br\n\\fBsimcc\\fR \\-\\-help | "
          "\\-\\-version\n.SH DESCRIPTION\n"
          "simcc reads a network, its losses, its optimizer and its training "
          "phases from a .net file, compiles the training step to machine code "
          "and runs it on images. Each command has a page of its own.\n"
          ".SH COMMANDS\n",
          out);
    for (int i = 0; i < command_count; i++) {
        fputs(".TP\n\\fBsimcc\\-", out);
        put_joined(command_table[i].name, out);
        fputs("\\fR(1)\n", out);
        put_roff(command_table[i].doc, out);
        fputc('\n', out);
    }
    put_exits(out);
    fputs(".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\nno colors, where it is not "
          "empty\n.TP\n\\fBXDG_CACHE_HOME\\fR\nwhere compiled kernels are kept "
          "(default ~/.cache)\n",
          out);
}

void manual_command(const Command *command, FILE *out)
{
    put_title(command->name, out);
    fputs(".SH NAME\nsimcc\\-", out);
    put_joined(command->name, out);
    fputs(" \\- ", out);
    put_roff(command->doc, out);
    fprintf(out, "\n.SH SYNOPSIS\n\\fBsimcc %s\\fR ", command->name);
    put_roff(command->usage, out);
    fputs(" [\\fIOPTION\\fR...]\n.SH OPTIONS\n", out);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < OPTION_COUNT; i++)
            if ((pass ? common_options : command->options) >> i & 1)
                put_option(&option_table[i], out);
    fputs(".SH EXAMPLES\n.nf\n", out);
    put_roff(command->examples, out);
    fputs("\n.fi\n", out);
    put_exits(out);
    fputs(".SH SEE ALSO\n\\fBsimcc\\fR(1)\n", out);
}

// ---- shells -----------------------------------------------------------------

static bool has_option(const Command *command, int id)
{
    return (command->options | common_options) >> id & 1;
}

// Text between single quotes.
static void put_quoted(const char *text, FILE *out)
{
    for (; *text; text++)
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, 0}, out);
}

// The names of commands: first words, or second ones behind `group`.
static void put_names(const char *group, FILE *out)
{
    size_t length = strlen(group);
    const char *last = "";
    for (int i = 0; i < command_count; i++) {
        const char *name = command_table[i].name;
        size_t word = strcspn(name, " ");
        if (length && strncmp(name, group, length) == 0 && name[length] == ' ')
            fprintf(out, " %s", name + length + 1);
        else if (!length &&
                 (strncmp(last, name, word) != 0 || last[word] != name[word]))
            fprintf(out, " %.*s", (int)word, name);
        last = name;
    }
}

void manual_bash(FILE *out)
{
    fputs("# Completion of simcc for bash.\n"
          "_simcc() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
          "    local options\n"
          "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          out);
    put_names("", out);
    fputs(" --help --version' -- \"$word\"))\n        return\n    fi\n"
          "    if [ \"$command\" = data ]; then\n"
          "        if [ \"$COMP_CWORD\" = 2 ]; then\n"
          "            COMPREPLY=($(compgen -W '",
          out);
    put_names("data", out);
    fputs("' -- \"$word\"))\n            return\n        fi\n"
          "        command=\"data ${COMP_WORDS[2]}\"\n    fi\n"
          "    case $word in -*) ;; *) return ;; esac\n"
          "    case $command in\n",
          out);
    for (int i = 0; i < command_count; i++) {
        fprintf(out, "    '%s') options='", command_table[i].name);
        for (int k = 0; k < OPTION_COUNT; k++)
            if (has_option(&command_table[i], k))
                fprintf(out, " --%s", option_table[k].name);
        fputs("' ;;\n", out);
    }
    fputs("    *) return ;;\n    esac\n"
          "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n}\n"
          "complete -o default -F _simcc simcc\n",
          out);
}

// A description inside [...] of _arguments.
static void put_zsh_doc(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            fputc('\\', out);
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, 0}, out);
    }
}

void manual_zsh(FILE *out)
{
    fputs("#compdef simcc\n# Completion of simcc for zsh.\n"
          "local command=${words[2]}\n"
          "if (( CURRENT == 2 )); then\n    compadd --",
          out);
    put_names("", out);
    fputs("\n    return\nfi\nlocal skip=1\nif [[ $command == data ]]; then\n"
          "    if (( CURRENT == 3 )); then\n        compadd --",
          out);
    put_names("data", out);
    fputs("\n        return\n    fi\n    command=\"data ${words[3]}\"\n"
          "    skip=2\nfi\nshift $skip words\n(( CURRENT -= skip ))\n"
          "case $command in\n",
          out);
    for (int i = 0; i < command_count; i++) {
        fprintf(out, "'%s')\n    _arguments", command_table[i].name);
        for (int k = 0; k < OPTION_COUNT; k++) {
            const Option *option = &option_table[k];
            if (!has_option(&command_table[i], k))
                continue;
            fprintf(out, " \\\n        '--%s[", option->name);
            put_zsh_doc(option->doc, out);
            fputs("]", out);
            if (option->argument) {
                fputs(":", out);
                put_zsh_doc(option->argument, out);
                fputs(":_files", out);
            }
            fputs("'", out);
        }
        fputs(" \\\n        '*:file:_files'\n    ;;\n", out);
    }
    fputs("esac\n", out);
}

void manual_fish(FILE *out)
{
    fputs("# Completion of simcc for fish.\n"
          "complete -c simcc -n __fish_use_subcommand -l help -l version\n",
          out);
    for (int i = 0; i < command_count; i++) {
        const Command *command = &command_table[i];
        int word = (int)strcspn(command->name, " ");
        const char *second =
            command->name[word] ? command->name + word + 1 : "";
        if (*second)
            fprintf(out,
                    "complete -c simcc -n __fish_use_subcommand -a %.*s\n"
                    "complete -c simcc -n '__fish_seen_subcommand_from %.*s' "
                    "-a %s -d '",
                    word, command->name, word, command->name, second);
        else
            fprintf(out,
                    "complete -c simcc -n __fish_use_subcommand -a %s -d '",
                    command->name);
        put_quoted(command->doc, out);
        fputs("'\n", out);
        for (int k = 0; k < OPTION_COUNT; k++) {
            const Option *option = &option_table[k];
            if (!has_option(command, k))
                continue;
            fprintf(out,
                    "complete -c simcc -n '__fish_seen_subcommand_from %s'",
                    *second ? second : command->name);
            fprintf(out, " -l %s%s -d '", option->name,
                    option->argument ? " -r" : "");
            put_quoted(option->doc, out);
            fputs("'\n", out);
        }
    }
}
