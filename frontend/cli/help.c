// Help, printed from the tables.
#include <string.h>

#include "codegen/codegen.h"
#include "frontend/cli/cli.h"
#include "frontend/cli/manual.h"
#include "runtime/data/image_jpeg.h"
#include "runtime/data/image_png.h"
#include "runtime/exec/calls.h"
#include "runtime/exec/ranks.h"
#include "runtime/files/unzip.h"

void help_version(FILE *out)
{
    CodegenOptions options = {.cpu = "native"};
    Codegen *codegen = codegen_new(&options);
    fprintf(out, "simcc %s\ncompiles for %s\n", SIMCC_VERSION,
            codegen_target(codegen));
    fprintf(out,
            "built by %s %s with %s, libpng %s, libjpeg-turbo %s, zlib %s, "
            "for %s\n",
            __VERSION__[0] >= '0' && __VERSION__[0] <= '9' ? "gcc" : "",
            __VERSION__, calls_blas(), png_library(), jpeg_library(),
            zip_library(), ranks_library() ? ranks_library() : "one process");
    Arena *arena = arena_new();
    const char *models = lang_models(arena);
    fprintf(out, "its programs are in %s\n",
            models ? models : "no folder that it finds");
    arena_free(arena);
    codegen_free(codegen);
}

void help_overview(FILE *out)
{
    fputs("simcc compiles and trains SimCLRv2 programs (.net files).\n\n"
          "usage: simcc COMMAND [WORD...] [OPTION...]\n\n",
          out);
    for (int i = 0; i < command_count; i++)
        fprintf(out, "  %-11s %s\n", command_table[i].name,
                command_table[i].doc);
    fputs("\n`simcc COMMAND -h` explains one, with examples. A first run:\n\n"
          "  simcc data synth shapes\n"
          "  simcc run models/quickstart.net --data shapes --out run\n",
          out);
}

void help_group(const char *group, FILE *out)
{
    size_t length = strlen(group);
    fprintf(out, "usage: simcc %s COMMAND [WORD...] [OPTION...]\n\n", group);
    for (int i = 0; i < command_count; i++)
        if (strncmp(command_table[i].name, group, length) == 0 &&
            command_table[i].name[length] == ' ')
            fprintf(out, "  simcc %s %s\n      %s\n", command_table[i].name,
                    command_table[i].usage, command_table[i].doc);
    fprintf(out, "\n`simcc %s COMMAND -h` explains one, with examples.\n",
            group);
}

static void print_option(const Option *option, FILE *out)
{
    char left[64];
    char letter[5] = "    ";
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name,
             option->argument ? " " : "",
             option->argument ? option->argument : "");
    fprintf(out, "  %-24s %s\n", left, option->doc);
}

void help_command(const Command *command, FILE *out)
{
    fprintf(out, "simcc %s: %s\n\nusage: simcc %s %s [OPTION...]\n",
            command->name, command->doc, command->name, command->usage);
    fputs("\noptions:\n", out);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < OPTION_COUNT; i++)
            if ((pass ? common_options : command->options) >> i & 1)
                print_option(&option_table[i], out);
    fputs("\nexamples:\n", out);
    for (const char *line = command->examples; *line;) {
        int length = (int)strcspn(line, "\n");
        fprintf(out, "  %.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
}

// --as: the tables as manual pages or completions.
static int help_as(Cli *cli, const Command *command)
{
    static const struct {
        const char *form;
        void (*print)(FILE *out);
    } shells[] = {
        {"bash", manual_bash}, {"zsh", manual_zsh}, {"fish", manual_fish}};
    const char *form = cli->values[OPT_as];
    if (strcmp(form, "man") == 0) {
        if (command)
            manual_command(command, stdout);
        else
            manual_overview(stdout);
        return STATUS_OK;
    }
    for (int i = 0; i < 3; i++)
        if (strcmp(form, shells[i].form) == 0 && !command) {
            shells[i].print(stdout);
            return STATUS_OK;
        }
    Status status =
        status_error(STATUS_USAGE, "--as is man, of a command or of all, or "
                                   "bash, zsh or fish, of all");
    return cli_fail(cli, &status);
}

int command_help(Cli *cli)
{
    if (cli->word_count == 0) {
        if (cli_has(cli, OPT_as))
            return help_as(cli, NULL);
        help_overview(stdout);
        return STATUS_OK;
    }
    const char *name = cli->words[0];
    if (cli->word_count == 2)
        name = arena_printf(cli->arena, "%s %s", name, cli->words[1]);
    const Command *command = command_by_name(name);
    if (command && cli_has(cli, OPT_as))
        return help_as(cli, command);
    if (command) {
        help_command(command, stdout);
        return STATUS_OK;
    }
    if (strcmp(name, "data") == 0) {
        help_group(name, stdout);
        return STATUS_OK;
    }
    Status status = cli_unknown_command(cli, name);
    return cli_fail(cli, &status);
}
