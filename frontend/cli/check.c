// simcc check, simcc show: what the front end has to say about a program.
#include "frontend/cli/compiler.h"

int command_check(Cli *cli)
{
    Compiler compiler;
    CLI_TRY(cli, compiler_open(&compiler, cli));
    compiler.lang.check_only = true;
    bool good = compiler_load(&compiler);
    if (cli_has(cli, OPT_json))
        diag_print_json(&compiler.diags, stdout);
    else
        diag_print(&compiler.diags, stderr, cli->color);
    if (!good) {
        cli_note(cli, "%d error%s in %s", compiler.diags.error_count,
                 compiler.diags.error_count == 1 ? "" : "s", compiler.path);
        return STATUS_SOURCE;
    }
    const Experiment *experiment = compiler.experiment;
    int params = experiment->params.count, phases = experiment->phases.count;
    cli_note(cli, "%s: no errors; %d parameter%s, %d phase%s", compiler.path,
             params, params == 1 ? "" : "s", phases, phases == 1 ? "" : "s");
    return STATUS_OK;
}

int command_show(Cli *cli)
{
    Compiler compiler;
    CLI_TRY(cli, compiler_open(&compiler, cli));
    bool good = compiler_load(&compiler);
    diag_print(&compiler.diags, stderr, cli->color);
    if (!good)
        return STATUS_SOURCE;
    fputs(compiler.experiment->resolved, stdout);
    return STATUS_OK;
}
