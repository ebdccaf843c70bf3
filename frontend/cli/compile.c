// simcc compile: an artifact, or any form of the program as text.
#include <string.h>

#include "frontend/cli/compiler.h"
#include "runtime/base/file.h"

static const char *const emit_names[] = {
    [EMIT_AST] = "ast",   [EMIT_GRAPH] = "graph", [EMIT_DOT] = "dot",
    [EMIT_PLAN] = "plan", [EMIT_LLVM] = "llvm",   [EMIT_ASM] = "asm",
};

static Status read_emit(const Cli *cli, EmitKind *emit)
{
    const char *text = cli->values[OPT_emit];
    *emit = EMIT_NOTHING;
    if (!text)
        return status_ok();
    for (int i = EMIT_AST; i <= EMIT_ASM; i++)
        if (strcmp(text, emit_names[i]) == 0) {
            *emit = (EmitKind)i;
            return status_ok();
        }
    return status_error(STATUS_USAGE,
                        "--emit wants ast, graph, dot, plan, llvm or asm, and "
                        "got '%s'",
                        text);
}

// Is FILE a graph rather than a program?
static Status read_from(const Cli *cli, bool *graph)
{
    const char *text = cli->values[OPT_from];
    *graph = text && strcmp(text, "graph") == 0;
    if (text && !*graph && strcmp(text, "net") != 0)
        return status_error(STATUS_USAGE,
                            "--from wants net or graph, and got '%s'", text);
    return status_ok();
}

static void print_times(const Compiler *compiler)
{
    double total = 0;
    for (int i = 0; i < compiler->times.count; i++)
        total += compiler->times.at[i].seconds;
    for (int i = 0; i < compiler->times.count; i++)
        fprintf(stderr, "%9.1f ms  %4.0f%%  %s\n",
                1e3 * compiler->times.at[i].seconds,
                100 * compiler->times.at[i].seconds / total,
                compiler->times.at[i].name);
    fprintf(stderr, "%9.1f ms         in all\n", 1e3 * total);
}

static Status print_dump(const Compiler *compiler, const Cli *cli)
{
    const char *text = text_string(&compiler->dump);
    if (cli_has(cli, OPT_output))
        return file_write(cli->values[OPT_output], text,
                          (int64_t)compiler->dump.length);
    fwrite(text, 1, compiler->dump.length, stdout);
    return status_ok();
}

// Where the artifact goes without -o: FILE.simcc in the current folder.
static const char *artifact_path(const Program *program, const Cli *cli)
{
    if (cli_has(cli, OPT_output))
        return cli->values[OPT_output];
    return arena_printf(cli->arena, "%s.simcc", program->name);
}

static Status compile_program(Compiler *compiler, const Cli *cli)
{
    Program *program;
    TRY(compiler_run(compiler, &program));
    tune_tell(&compiler->tuned, cli);
    if (!program)
        return print_dump(compiler, cli);
    compiler_tell_precision(program, cli);
    const char *path = artifact_path(program, cli);
    Status status = program_write(program, path);
    program_free(program);
    TRY(status);
    cli_note(cli, "%s: %d kernel%s, %d from the cache", path,
             compiler->stats.kernels, text_s(compiler->stats.kernels),
             compiler->stats.cache_hits);
    return status_ok();
}

static Status compile_graphs(Compiler *compiler, const Cli *cli)
{
    if (compiler->emit == EMIT_NOTHING || compiler->emit == EMIT_AST)
        return status_error(STATUS_USAGE, "--from graph goes with --emit "
                                          "graph, dot, plan, llvm or asm");
    TRY(compiler_run_graphs(compiler));
    return print_dump(compiler, cli);
}

int command_compile(Cli *cli)
{
    Compiler compiler;
    bool graph;
    CLI_TRY(cli, compiler_open(&compiler, cli));
    CLI_TRY(cli, read_emit(cli, &compiler.emit));
    CLI_TRY(cli, read_from(cli, &graph));
    if (compiler.emit == EMIT_NOTHING) {
        compiler.lang.features_name = PROBED_VALUE;
        compiler.lang.scores_name = SCORED_VALUE;
    }
    Status status = graph ? compile_graphs(&compiler, cli)
                          : compile_program(&compiler, cli);
    if (cli_has(cli, OPT_time))
        print_times(&compiler);
    return compiler_report(&compiler, cli, &status);
}
