// What simcc says to people, on standard error.
#include <stdarg.h>

#include "frontend/cli/cli.h"

static const char *red(const Cli *cli)
{
    return cli->color ? "\033[1;31m" : "";
}

static const char *yellow(const Cli *cli)
{
    return cli->color ? "\033[1;33m" : "";
}

static const char *plain(const Cli *cli)
{
    return cli->color ? "\033[0m" : "";
}

int cli_fail(const Cli *cli, const Status *status)
{
    fflush(stdout);
    fprintf(stderr, "simcc: %serror:%s %s\n", red(cli), plain(cli),
            status->text);
    if (status->code == STATUS_INTERNAL)
        fputs("This is a fault of simcc. Please report it with the command "
              "and the program.\n",
              stderr);
    return status->code;
}

void cli_warn(const Cli *cli, const char *text)
{
    fprintf(stderr, "simcc: %swarning:%s %s\n", yellow(cli), plain(cli), text);
}

void cli_note(const Cli *cli, const char *format, ...)
{
    va_list args;
    if (cli_has(cli, OPT_quiet))
        return;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}
