// simcc fmt: programs in the house format.
#include <string.h>

#include "frontend/cli/cli.h"
#include "frontend/lang/format.h"
#include "runtime/base/file.h"

// Formats one file, to `to` or in place. *changed says whether it was in
// another format. Errors of the source are in `diags`.
static Status format_file(const Cli *cli, const char *path, const char *to,
                          DiagList *diags, bool *changed)
{
    const char *error;
    Source *source = source_read(cli->arena, path, &error);
    if (!source)
        return status_error(STATUS_FAILED, "%s", error);
    const char *text = lang_format(cli->arena, source, diags);
    if (!text)
        return status_error(STATUS_SOURCE, "%s stays as it is", path);
    size_t length = strlen(text);
    *changed =
        length != source->length || memcmp(text, source->text, length) != 0;
    if (to)
        return file_write(to, text, (int64_t)length);
    return *changed && !cli_has(cli, OPT_check)
               ? file_write(path, text, (int64_t)length)
               : status_ok();
}

int command_fmt(Cli *cli)
{
    int others = 0, code = STATUS_OK;
    const char *to = cli->values[OPT_output];
    if (to && (cli->word_count > 1 || cli_has(cli, OPT_check))) {
        Status status = status_error(
            STATUS_USAGE, "-o takes one file, and says nothing with --check");
        return cli_fail(cli, &status);
    }
    for (int i = 0; i < cli->word_count; i++) {
        bool changed = false;
        DiagList diags = diag_list_new(cli->arena);
        Status status = format_file(cli, cli->words[i], to, &diags, &changed);
        diag_print(&diags, stderr, cli->color);
        if (status.code != STATUS_OK)
            code = cli_fail(cli, &status);
        others += changed;
        if (changed && cli_has(cli, OPT_check))
            fprintf(stderr, "%s: not in the house format: `simcc fmt %s`\n",
                    cli->words[i], cli->words[i]);
        else if (changed && !to)
            cli_note(cli, "formatted %s", cli->words[i]);
    }
    if (code == STATUS_OK && others && cli_has(cli, OPT_check))
        return STATUS_FAILED;
    if (code == STATUS_OK && !to)
        cli_note(cli, "%d of %d file%s %s", others, cli->word_count,
                 cli->word_count == 1 ? "" : "s",
                 cli_has(cli, OPT_check) ? "to be changed" : "changed");
    return code;
}
