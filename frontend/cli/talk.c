// What simcc says to people, on standard error.
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "frontend/cli/cli.h"
#include "frontend/cli/program.h"

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

// ---- the log ----------------------------------------------------------------

// Lines wait in `early` until there is a file.
struct CliLog {
    FILE *file;
    Text early;
};

static void add_line(Text *text, const char *kind, const char *words)
{
    char now[32];
    time_t seconds = time(NULL);
    struct tm parts;
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
    text_addf(text, "%s %s%s\n", now, kind, words);
}

static void log_line(const Cli *cli, const char *kind, const char *words)
{
    struct CliLog *log = cli->log;
    if (!log)
        return;
    if (!log->file) {
        add_line(&log->early, kind, words);
        return;
    }
    Arena *scratch = arena_new();
    Text line = text_new(scratch);
    add_line(&line, kind, words);
    fputs(text_string(&line), log->file);
    fflush(log->file);
    arena_free(scratch);
}

void cli_log(const Cli *cli, const char *text)
{
    log_line(cli, "", text);
}

void cli_begin_log(Cli *cli)
{
    cli->log = ARENA_NEW(cli->arena, struct CliLog);
    cli->log->early = text_new(cli->arena);
}

Status cli_open_log(Cli *cli, const char *path)
{
    struct CliLog *log = cli->log;
    if (!log || log->file)
        return status_ok();
    log->file = fopen(path, "a");
    if (!log->file)
        return status_error(STATUS_FAILED, "cannot write %s: %s", path,
                            strerror(errno));
    fputs(text_string(&log->early), log->file);
    fflush(log->file);
    return status_ok();
}

void cli_close_log(Cli *cli)
{
    if (cli->log && cli->log->file)
        fclose(cli->log->file);
    cli->log = NULL;
}

void cli_check_extension(const Cli *cli, const char *path, const char *form,
                         const char *extension)
{
    static const char *const known[] = {
        "pth",  "pt",   "ckpt",  "bin",    "onnx", "h5",  "pb",
        "npz",  "npy",  "csv",   "tsv",    "json", "png", "jpg",
        "jpeg", "webp", "svg",   "pdf",    "txt",  "gif", "safetensors",
        "xlsx", "html", "simcc", "parquet"};
    const char *dot = strrchr(path, '.');
    if (!dot || strchr(dot, '/') || strcasecmp(dot + 1, extension) == 0)
        return;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(dot + 1, known[i]) == 0)
            cli_warn(cli, arena_printf(cli->arena,
                                       "%s becomes %s, which its name does not "
                                       "say: call it .%s",
                                       path, form, extension));
}

void cli_outlive_readers(Cli *cli)
{
    cli->outlives = true;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

// ---- to people --------------------------------------------------------------

// What would steer a terminal becomes `?`; `kept` stays: 0 or the line ends.
static void make_plain(char *text, char kept)
{
    for (char *at = text; *at;) {
        int bytes = text_utf8_length(at);
        bool control = (unsigned char)*at < ' ' || *at == 127;
        if (bytes == 0 || (control && *at != kept))
            *at = '?';
        at += bytes ? bytes : 1;
    }
}

// To the log and to standard error. Names of files are in it, and a message has
// lines of its own.
static void tell(const Cli *cli, const char *kind, const char *color,
                 const char *text, bool shown)
{
    char *copy = strdup(text);
    if (copy)
        make_plain(copy, '\n');
    text = copy ? copy : text;
    log_line(cli, kind, text);
    if (shown && *kind)
        fprintf(stderr, "simcc: %s%.*s%s %s\n", color, (int)strlen(kind) - 1,
                kind, plain(cli), text);
    else if (shown)
        fprintf(stderr, "%s\n", text);
    free(copy);
}

// Where a setting is the remedy, what is compiled already takes none.
static const char *for_artifact(const Cli *cli, const Status *status)
{
    if (!status->wants_setting || !cli->word_count ||
        !program_is_artifact(cli->words[0]))
        return status->text;
    return arena_printf(cli->arena,
                        "%s (%s is compiled: `simcc compile` it again with "
                        "that --set)",
                        status->text, cli->words[0]);
}

int cli_fail(const Cli *cli, const Status *status)
{
    const char *text = for_artifact(cli, status);
    fflush(stdout);
    tell(cli, "error: ", red(cli), text, true);
    if (status->code == STATUS_INTERNAL)
        fputs("This is a fault of simcc. Please report it with the command "
              "and the program.\n",
              stderr);
    return status->code;
}

void cli_warn(const Cli *cli, const char *text)
{
    tell(cli, "warning: ", yellow(cli), text, true);
}

const char *cli_plain(Arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);
    make_plain(copy, 0);
    return copy;
}

void cli_note(const Cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (text)
        tell(cli, "", "", text, !cli_has(cli, OPT_quiet));
    free(text);
}

// ---- command lines ----------------------------------------------------------

void cli_add_quoted(Text *text, const char *word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789%+,-./:=@_";
    if (*word && strspn(word, safe) == strlen(word)) {
        text_add(text, word);
        return;
    }
    text_add(text, "'");
    for (; *word; word++)
        text_add(text, *word == '\'' ? "'\\''" : (char[]){*word, '\0'});
    text_add(text, "'");
}

void cli_add_given(const Cli *cli, const OptionId *ids, size_t count,
                   Text *text)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = cli->values[ids[i]];
        const Option *row = &option_table[ids[i]];
        if (ids[i] == OPT_set) {
            for (int k = 0; k < cli->settings.count; k++) {
                const Setting *setting = &cli->settings.at[k];
                text_addf(text, "%s %s=", k ? "" : " --set", setting->name);
                cli_add_quoted(text, setting->value);
            }
        } else if (value) {
            text_addf(text, " --%s", row->name);
            if (row->argument) {
                text_add(text, " ");
                cli_add_quoted(text, value);
            }
        }
    }
}

const char *cli_share_text(Arena *arena, double share)
{
    char text[40];
    // The shortest that cli_share reads as the same share; 2 digits are the
    // fewest that print 50 as it is.
    for (int digits = 2; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, 100 * share);
        if (strtod(text, NULL) / 100 == share)
            return arena_printf(arena, "%s%%", text);
    }
    return arena_printf(arena, "%.17g", share);
}
