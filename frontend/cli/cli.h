// The command line: tables of commands and options, and what a command gets.
#ifndef SIMCC_FRONTEND_CLI_H
#define SIMCC_FRONTEND_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "frontend/lang/experiment.h"
#include "ir/base/text.h"
#include "runtime/base/status.h"

#define SIMCC_VERSION "1.0.0"

typedef enum OptionId {
#define OPTION(id, letter, name, argument, doc) OPT_##id,
#include "frontend/cli/options.def"
#undef OPTION
    OPTION_COUNT
} OptionId;

typedef struct Option {
    char letter; // 0 = none
    const char *name, *argument, *doc;
} Option;

// More than 64 bits, which compilers have and the standard has not.
__extension__ typedef unsigned __int128 OptionSet;

typedef struct Cli Cli;
// Returns the exit code.
typedef int CommandFunction(Cli *cli);

typedef struct Command {
    const char *name; // "run", "data info"
    const char *doc, *usage;
    int fewest_words, most_words;
    OptionSet options;    // bit 1 << OptionId
    const char *examples; // a line each
    CommandFunction *run;
} Command;

// ---- tables (table.c) -------------------------------------------------------

extern const Option option_table[OPTION_COUNT];
extern const Command command_table[];
extern const int command_count;
// Options every command has.
extern const OptionSet common_options;

const Command *command_by_name(const char *name);
// -1 when there is none.
int option_by_name(const char *name, size_t length);
int option_by_letter(char letter);

// ---- one call (parse.c) -----------------------------------------------------

struct Cli {
    Arena *arena;
    int argc;
    char **argv;
    const Command *command;
    int word_count;
    const char **words;
    const char *values[OPTION_COUNT]; // NULL = not given; "" for flags
    OptionSet overruled;              // given with another value before
    VEC(Setting) settings;
    bool color;         // on standard error
    bool outlives;      // who reads what is printed may go: no failure
    struct CliLog *log; // a copy of what is said, with the time; NULL = none
};

// Reads argv. STATUS_USAGE with one sentence when it makes no sense. Without
// a command, `command` is NULL: --help, --version or nothing at all.
Status cli_parse(Cli *cli, int argc, char **argv);

// The usage error for a word that names no command.
Status cli_unknown_command(const Cli *cli, const char *word);

static inline bool cli_has(const Cli *cli, OptionId id)
{
    return cli->values[id] != NULL;
}
// A whole number, or a number, in a range; `fallback` when not given.
Status cli_whole(const Cli *cli, OptionId id, int64_t fallback, int64_t least,
                 int64_t most, int64_t *number);
Status cli_number(const Cli *cli, OptionId id, double fallback, double least,
                  double most, double *number);
// The least share that can be set aside.
#define LEAST_SHARE 1e-6
// A share below 1, as 10% or 0.1.
Status cli_share(const Cli *cli, OptionId id, double fallback, double least,
                 double *share);
// Bytes: a number and K, M, G or T, which count in powers of 1024; or 0.
Status cli_bytes(const Cli *cli, OptionId id, int64_t fallback, int64_t *bytes);
Status cli_dtype(const Cli *cli, DType *dtype);
// --precision: "f32" or "bf16"; NULL = not given. f64 has no other.
Status cli_precision(const Cli *cli, const char **precision);

// ---- talk (talk.c), all on standard error -----------------------------------

// From here on what is said is kept for a log.
void cli_begin_log(Cli *cli);
// Appends that, and everything said later, to the file; nothing without a
// beginning. STATUS_FAILED when it cannot be written.
Status cli_open_log(Cli *cli, const char *path);
void cli_close_log(Cli *cli);
// To the log alone.
void cli_log(const Cli *cli, const char *text);

// "simcc: error: ..." and the exit code that goes with the status.
int cli_fail(const Cli *cli, const Status *status);
void cli_warn(const Cli *cli, const char *text);
// Progress and advice: silent under --quiet.
__attribute__((format(printf, 2, 3))) void cli_note(const Cli *cli,
                                                    const char *format, ...);

// One line of what a file says or is called: a copy in which what would break a
// terminal's line, control characters and bytes that are no UTF-8, is `?`.
const char *cli_plain(Arena *arena, const char *text);

// Adds a word as a shell would want it.
void cli_add_quoted(Text *text, const char *word);
// Adds those of the options that were given, as they were: " --seed 3".
void cli_add_given(const Cli *cli, const OptionId *ids, size_t count,
                   Text *text);
// A share as --held-out takes it, every bit of it: "30%".
const char *cli_share_text(Arena *arena, double share);

// A warning when a file's name has the extension of another form than the one
// that is written.
void cli_check_extension(const Cli *cli, const char *path, const char *form,
                         const char *extension);
// STATUS_USAGE where writing to the path would take what the command reads, a
// run's file or an image of the data away (targets.c).
Status cli_check_target(const Cli *cli, const char *path);
// From here on the command does not end when nobody reads what it prints, nor
// at a limit on the size of files: a write fails then.
void cli_outlive_readers(Cli *cli);

// Leaves a command function with the exit code when the status is a failure.
#define CLI_TRY(cli, expression)                                               \
    do {                                                                       \
        Status cli_try_ = (expression);                                        \
        if (cli_try_.code != STATUS_OK)                                        \
            return cli_fail((cli), &cli_try_);                                 \
    } while (0)

// ---- help (help.c) ----------------------------------------------------------

void help_overview(FILE *out);
void help_command(const Command *command, FILE *out);
// The commands of two words that begin with this one.
void help_group(const char *group, FILE *out);
void help_version(FILE *out);

#define COMMAND(id, ...) CommandFunction command_##id;
#include "frontend/cli/commands.def"
#undef COMMAND

#endif
