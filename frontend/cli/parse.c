// Reads argv against the tables of commands and options.
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cli/cli.h"

// ---- suggestions ------------------------------------------------------------

// ": did you mean X?", or "".
static const char *suggest(Arena *arena, const char *word, int count,
                           const char *const *names, const char *lead)
{
    const char *closest = text_closest(word, names, count);
    if (!closest)
        return "";
    return arena_printf(arena, ": did you mean %s%s?", lead, closest);
}

Status cli_unknown_command(const Cli *cli, const char *word)
{
    const char **names = ARENA_ARRAY(cli->arena, const char *, command_count);
    for (int i = 0; i < command_count; i++)
        names[i] = command_table[i].name;
    const char *hint = suggest(cli->arena, word, command_count, names, "");
    return status_error(STATUS_USAGE, "there is no command '%s'%s", word,
                        *hint ? hint : "; `simcc help` lists them");
}

static Status unknown_option(Cli *cli, const char *word)
{
    const char *names[OPTION_COUNT];
    int count = 0;
    OptionSet have = common_options | cli->command->options;
    for (int i = 0; i < OPTION_COUNT; i++)
        if (have >> i & 1)
            names[count++] = option_table[i].name;
    const char *bare = word + strspn(word, "-");
    char *name = arena_strndup(cli->arena, bare, strcspn(bare, "="));
    const char *hint = suggest(cli->arena, name, count, names, "--");
    return status_error(
        STATUS_USAGE, "`simcc %s` has no option %s%s", cli->command->name, word,
        *hint ? hint
              : arena_printf(cli->arena, "; `simcc %s -h` lists them",
                             cli->command->name));
}

// ---- words ------------------------------------------------------------------

// NAME=VALUE where NAME is an identifier with dots.
static bool is_setting(const char *word)
{
    size_t length = 0;
    if (!isalpha((unsigned char)word[0]) && word[0] != '_')
        return false;
    while (isalnum((unsigned char)word[length]) || word[length] == '_' ||
           word[length] == '.')
        length++;
    return word[length] == '=';
}

static Status add_setting(Cli *cli, const char *word)
{
    if (!is_setting(word))
        return status_error(
            STATUS_USAGE, "--set wants NAME=VALUE without spaces, and got '%s'",
            word);
    size_t length = strcspn(word, "=");
    Setting setting = {arena_strndup(cli->arena, word, length),
                       word + length + 1, false};
    for (int i = 0; i < cli->settings.count; i++) {
        const Setting *first = &cli->settings.at[i];
        if (strcmp(first->name, setting.name) == 0 &&
            strcmp(first->value, setting.value) != 0)
            return status_error(STATUS_USAGE,
                                "--set gives `%s` two values, %s and %s",
                                setting.name, first->value, setting.value);
    }
    vec_push(cli->arena, &cli->settings, setting);
    return status_ok();
}

// --set takes all the NAME=VALUE words that follow it.
static Status take_settings(Cli *cli, const char *first, int *at)
{
    TRY(add_setting(cli, first));
    while (*at + 1 < cli->argc && is_setting(cli->argv[*at + 1]))
        TRY(add_setting(cli, cli->argv[++*at]));
    return status_ok();
}

// ---- options ----------------------------------------------------------------

// The option a word names; *value is what stands behind `=` or a letter.
static int find_option(const char *word, const char **value)
{
    *value = NULL;
    if (word[1] != '-') {
        if (word[2])
            *value = word[2] == '=' ? word + 3 : word + 2;
        return option_by_letter(word[1]);
    }
    size_t length = strcspn(word + 2, "=");
    if (word[2 + length])
        *value = word + 2 + length + 1;
    return option_by_name(word + 2, length);
}

// Two of these look as if both would be taken. Of others the last one counts,
// so that a script's own options can be overruled; cli_parse says so.
static Status check_again(const Cli *cli, int id, const char *value)
{
    static const OptionId single[] = {OPT_data,     OPT_weights, OPT_init,
                                      OPT_init_map, OPT_labels,  OPT_split,
                                      OPT_phase};
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        if ((int)single[i] == id && cli->values[id] &&
            strcmp(cli->values[id], value) != 0)
            return status_error(STATUS_USAGE,
                                "--%s is given twice, as %s and %s: it takes "
                                "one",
                                option_table[id].name, cli->values[id], value);
    return status_ok();
}

static Status take_option(Cli *cli, int *at)
{
    const char *word = cli->argv[*at], *value;
    int id = find_option(word, &value);
    if (id < 0 || !((common_options | cli->command->options) >> id & 1))
        return unknown_option(cli, word);
    const Option *option = &option_table[id];
    if (!option->argument && value)
        return status_error(STATUS_USAGE, "--%s takes no value", option->name);
    if (option->argument && !value) {
        if (*at + 1 == cli->argc)
            return status_error(STATUS_USAGE, "--%s wants a value: %s",
                                option->name, option->argument);
        value = cli->argv[++*at];
        // "--data --out RUN": the value was forgotten.
        if (strncmp(value, "--", 2) == 0)
            return status_error(STATUS_USAGE,
                                "--%s wants a value (%s), and got '%s'",
                                option->name, option->argument, value);
    }
    // --out "$RUN" of a shell that knows no RUN would write into the root.
    if (option->argument && !*value)
        return status_error(STATUS_USAGE,
                            "--%s wants a value (%s), and got an empty one",
                            option->name, option->argument);
    value = value ? value : "";
    TRY(check_again(cli, id, value));
    if (id != OPT_set && cli->values[id] && strcmp(cli->values[id], value) != 0)
        cli->overruled |= (OptionSet)1 << id;
    cli->values[id] = value;
    return id == OPT_set ? take_settings(cli, value, at) : status_ok();
}

// ---- the whole line ---------------------------------------------------------

// The command is the first word, or the first two ("data info").
static Status find_command(Cli *cli, int *at)
{
    const char *word = cli->argv[*at];
    if (*at + 1 < cli->argc) {
        cli->command = command_by_name(
            arena_printf(cli->arena, "%s %s", word, cli->argv[*at + 1]));
        if (cli->command) {
            *at += 2;
            return status_ok();
        }
    }
    cli->command = command_by_name(word);
    const char *next = *at + 1 < cli->argc ? cli->argv[*at + 1] : "";
    if (!cli->command && strcmp(word, "data") == 0 &&
        (strcmp(next, "-h") == 0 || strcmp(next, "--help") == 0)) {
        cli->command = command_by_name("help");
        cli->words[cli->word_count++] = word;
        *at += 2;
        return status_ok();
    }
    if (!cli->command && strcmp(word, "data") == 0)
        return status_error(STATUS_USAGE,
                            "`simcc data` wants one of: info, check, split, "
                            "synth; `simcc data info -h` explains one");
    if (!cli->command)
        return cli_unknown_command(cli, word);
    ++*at;
    return status_ok();
}

static Status check_words(const Cli *cli)
{
    const Command *command = cli->command;
    if (cli_has(cli, OPT_help))
        return status_ok();
    if (cli->word_count < command->fewest_words)
        return status_error(STATUS_USAGE, "usage: simcc %s %s [OPTION...]",
                            command->name, command->usage);
    if (cli->word_count > command->most_words)
        return status_error(
            STATUS_USAGE,
            "`simcc %s` does not know what to do with '%s'; "
            "usage: simcc %s %s%s [OPTION...]",
            command->name, cli->words[command->most_words], command->name,
            command->usage,
            command->options >> OPT_phase & 1 ? " [--phase NAME]" : "");
    return status_ok();
}

// `-` for standard output, where the command prints nothing else.
static Status check_outputs(Cli *cli)
{
    static CommandFunction *const silent[] = {command_compile, command_export,
                                              command_embed,   command_predict,
                                              command_names,   command_fmt};
    static const OptionId files[] = {OPT_output, OPT_out, OPT_trace};
    for (int i = 0; i < 3; i++) {
        const char *value = cli->values[files[i]];
        bool allowed = false;
        if (!value || strcmp(value, "-") != 0)
            continue;
        for (size_t k = 0; k < sizeof silent / sizeof *silent; k++)
            allowed |= files[i] == OPT_output && cli->command->run == silent[k];
        if (!allowed)
            return status_error(STATUS_USAGE,
                                "`simcc %s` cannot write --%s to standard "
                                "output: give it a name (./- for one of that "
                                "name)",
                                cli->command->name,
                                option_table[files[i]].name);
        cli->values[files[i]] = "/dev/stdout";
    }
    return status_ok();
}

static Status check_targets(const Cli *cli)
{
    static const OptionId files[] = {OPT_output, OPT_trace};
    for (int i = 0; i < 2; i++)
        if (cli_has(cli, files[i]))
            TRY(cli_check_target(cli, cli->values[files[i]]));
    return status_ok();
}

// Programs that come with simcc are found from any folder: where there is no
// such file here, models/NAME or NAME is that of its own.
static void find_programs(Cli *cli)
{
    bool reads = strncmp(cli->command->usage, "FILE", 4) == 0 &&
                 cli->command->run != command_fmt;
    int count = cli->command->run == command_diff ? 2 : 1;
    for (int i = 0; reads && i < count && i < cli->word_count; i++) {
        const char *word = cli->words[i], *name = word;
        size_t length = strlen(word);
        if (word[0] == '/' || word[0] == '.' || length < 5 ||
            strcmp(word + length - 4, ".net") != 0 || access(word, F_OK) == 0)
            continue;
        const char *models = lang_models(cli->arena);
        if (strncmp(name, "models/", 7) == 0)
            name += 7;
        const char *path =
            models ? arena_printf(cli->arena, "%s/%s", models, name) : word;
        if (!models || access(path, R_OK) != 0)
            continue;
        cli_note(cli, "there is no %s here: simcc's own, %s", word, path);
        cli->words[i] = path;
    }
}

// simcc --help, simcc -h, simcc --version, simcc alone.
static Status parse_bare(Cli *cli)
{
    if (cli->argc < 2)
        return status_ok();
    const char *value;
    int id = find_option(cli->argv[1], &value);
    if (id != OPT_help && id != OPT_version)
        return status_error(STATUS_USAGE,
                            "a command comes first: simcc COMMAND %s",
                            cli->argv[1]);
    cli->values[id] = "";
    return status_ok();
}

Status cli_parse(Cli *cli, int argc, char **argv)
{
    bool options = true;
    int at = 1;
    cli->argc = argc;
    cli->argv = argv;
    cli->words = ARENA_ARRAY(cli->arena, const char *, argc + 1);
    if (argc < 2 || argv[1][0] == '-')
        return parse_bare(cli);
    TRY(find_command(cli, &at));
    for (; at < argc; at++) {
        const char *word = argv[at];
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && word[0] == '-' && word[1])
            TRY(take_option(cli, &at));
        else if (!*word)
            return status_error(STATUS_USAGE,
                                "`simcc %s` got an empty word where a name "
                                "stands",
                                cli->command->name);
        else
            cli->words[cli->word_count++] = word;
    }
    TRY(check_words(cli));
    for (int id = 0; id < OPTION_COUNT; id++)
        if (cli->overruled >> id & 1)
            cli_note(cli, "--%s is given more than once: %s, the last, counts",
                     option_table[id].name, cli->values[id]);
    find_programs(cli);
    TRY(check_outputs(cli));
    return check_targets(cli);
}

// ---- values -----------------------------------------------------------------

Status cli_whole(const Cli *cli, OptionId id, int64_t fallback, int64_t least,
                 int64_t most, int64_t *number)
{
    const char *text = cli->values[id];
    char *end;
    *number = fallback;
    if (!text)
        return status_ok();
    errno = 0;
    *number = strtoll(text, &end, 10);
    if (end == text || *end || errno || *number < least || *number > most)
        return status_error(STATUS_USAGE,
                            "--%s wants a whole number from %lld to %lld, and "
                            "got '%s'",
                            option_table[id].name, (long long)least,
                            (long long)most, text);
    return status_ok();
}

Status cli_number(const Cli *cli, OptionId id, double fallback, double least,
                  double most, double *number)
{
    const char *text = cli->values[id];
    char *end;
    *number = fallback;
    if (!text)
        return status_ok();
    *number = strtod(text, &end);
    if (end == text || *end || !(*number >= least && *number <= most))
        return status_error(STATUS_USAGE,
                            "--%s wants a number from %g to %g, and got '%s'",
                            option_table[id].name, least, most, text);
    return status_ok();
}

Status cli_share(const Cli *cli, OptionId id, double fallback, double least,
                 double *share)
{
    static const double most = 0.95;
    const char *text = cli->values[id];
    char *end;
    *share = fallback;
    if (!text)
        return status_ok();
    *share = strtod(text, &end);
    bool good = end != text;
    if (good && *end == '%') {
        *share /= 100;
        end++;
    }
    if (!good || *end || !(*share >= least && *share <= most))
        return status_error(
            STATUS_USAGE,
            "--%s wants a share from %g%% to %g%%, such as 10%% "
            "or 0.1, and got '%s'",
            option_table[id].name, 100 * least, 100 * most, text);
    return status_ok();
}

Status cli_bytes(const Cli *cli, OptionId id, int64_t fallback, int64_t *bytes)
{
    static const char units[] = "KMGT";
    const char *text = cli->values[id];
    char *end;
    *bytes = fallback;
    if (!text)
        return status_ok();
    double number = strtod(text, &end);
    const char *unit = *end ? strchr(units, toupper(*end)) : NULL;
    if (unit)
        number *= (double)((int64_t)1 << 10 * (unit - units + 1));
    // Who says 5 hardly means bytes.
    bool good = end != text && (unit ? !end[1] : !*end && number == 0);
    if (!good || !(number >= 0 && number <= 1e15))
        return status_error(STATUS_USAGE,
                            "--%s wants a size such as 512M or 2G, and got "
                            "'%s'",
                            option_table[id].name, text);
    *bytes = (int64_t)number;
    return status_ok();
}

Status cli_dtype(const Cli *cli, DType *dtype)
{
    const char *text = cli->values[OPT_dtype];
    *dtype = DT_F32;
    if (!text || strcmp(text, "f32") == 0)
        return status_ok();
    if (strcmp(text, "f64") != 0)
        return status_error(STATUS_USAGE,
                            "--dtype wants f32 or f64, and got '%s'", text);
    *dtype = DT_F64;
    return status_ok();
}

Status cli_precision(const Cli *cli, const char **precision)
{
    const char *text = cli->values[OPT_precision];
    DType dtype;
    *precision = text;
    if (text && strcmp(text, "f32") != 0 && strcmp(text, "bf16") != 0)
        return status_error(
            STATUS_USAGE, "--precision wants f32 or bf16, and got '%s'", text);
    TRY(cli_dtype(cli, &dtype));
    if (text && strcmp(text, "bf16") == 0 && dtype == DT_F64)
        return status_error(STATUS_USAGE,
                            "--precision bf16 stores activations of f32; with "
                            "--dtype f64 leave it out");
    return status_ok();
}
