// simcc: finds the command and runs it.
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cli/cli.h"
#include "runtime/exec/calls.h"

static bool wants_color(const Cli *cli)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (cli_has(cli, OPT_no_color) || (no_color && *no_color))
        return false;
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static int run(Cli *cli, int argc, char **argv)
{
    Status status = cli_parse(cli, argc, argv);
    cli->color = wants_color(cli);
    if (status.code != STATUS_OK)
        return cli_fail(cli, &status);
    if (cli->command && cli_has(cli, OPT_help)) {
        help_command(cli->command, stdout);
        return STATUS_OK;
    }
    if (cli->command)
        return cli->command->run(cli);
    if (cli_has(cli, OPT_version)) {
        help_version(stdout);
        return STATUS_OK;
    }
    bool asked = cli_has(cli, OPT_help);
    help_overview(asked ? stdout : stderr);
    return asked ? STATUS_OK : STATUS_USAGE;
}

// Nobody is left who would read it: an error of a pipe or socket.
static bool reader_is_gone(void)
{
    struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};
    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP));
}

int main(int argc, char **argv)
{
    calls_restart_for_blas(argv);
    Cli cli = {.arena = arena_new()};
    int code = run(&cli, argc, argv);
    // A full disk behind standard output must not look like success.
    if ((fflush(stdout) != 0 || ferror(stdout)) &&
        !(cli.outlives && reader_is_gone())) {
        fputs("simcc: error: cannot write standard output\n", stderr);
        if (code == STATUS_OK)
            code = STATUS_FAILED;
    }
    arena_free(cli.arena);
    return code;
}
