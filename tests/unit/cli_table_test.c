// The tables of the command line, and how a line is read against them.
#include "frontend/cli/cli.h"
#include "tests/harness.h"

#include <stdlib.h>

enum { WORDS = 32 };

// Splits a line at spaces; no quotes.
static Status parse(Cli *cli, const char *line)
{
    static char buffer[1024];
    static char *argv[WORDS + 1];
    int argc = 0;
    snprintf(buffer, sizeof buffer, "%s", line);
    for (char *word = strtok(buffer, " "); word && argc < WORDS;
         word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    arena_free(cli->arena);
    *cli = (Cli){.arena = arena_new()};
    return cli_parse(cli, argc, argv);
}

static void check_fails(const char *line, const char *piece)
{
    Cli cli = {0};
    Status status = parse(&cli, line);
    CHECK_INT(status.code, STATUS_USAGE);
    if (!strstr(status.text, piece))
        test_fail(__FILE__, __LINE__, "`%s` says: %s\nwithout: %s", line,
                  status.text, piece);
    arena_free(cli.arena);
}

// ---- the tables -------------------------------------------------------------

TEST(cli_every_row_is_complete)
{
    for (int i = 0; i < command_count; i++) {
        const Command *command = &command_table[i];
        CHECK(*command->name && *command->doc && *command->examples);
        CHECK(command->fewest_words <= command->most_words);
        CHECK(!(command->options & common_options));
        CHECK(command_by_name(command->name) == command);
    }
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *option = &option_table[i];
        CHECK(*option->name && *option->doc);
        CHECK(!option->argument || *option->argument);
        CHECK_INT(option_by_name(option->name, strlen(option->name)), i);
        if (option->letter)
            CHECK_INT(option_by_letter(option->letter), i);
    }
}

TEST(cli_every_option_belongs_to_a_command)
{
    OptionSet used = common_options | (OptionSet)1 << OPT_version;
    for (int i = 0; i < command_count; i++)
        used |= command_table[i].options;
    for (int i = 0; i < OPTION_COUNT; i++)
        if (!(used >> i & 1))
            test_fail(__FILE__, __LINE__, "no command has --%s",
                      option_table[i].name);
}

TEST(cli_every_example_parses)
{
    for (int i = 0; i < command_count; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%s", command_table[i].examples);
        for (char *line = text, *end; *line; line = end) {
            Cli cli = {0};
            end = line + strcspn(line, "\n");
            if (*end)
                *end++ = '\0';
            line[strcspn(line, "|")] = '\0'; // the rest is another program's
            Status status = parse(&cli, line);
            if (status.code != STATUS_OK)
                test_fail(__FILE__, __LINE__, "%s\n%s", line, status.text);
            CHECK(cli.command == &command_table[i]);
            arena_free(cli.arena);
        }
    }
}

static char *help_text(const Command *command)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (command)
        help_command(command, out);
    else
        help_overview(out);
    fclose(out);
    return text;
}

TEST(cli_help_shows_the_tables)
{
    char *overview = help_text(NULL);
    for (int i = 0; i < command_count; i++) {
        const Command *command = &command_table[i];
        char *help = help_text(command);
        CHECK(strstr(overview, command->doc) != NULL);
        CHECK(strstr(help, command->doc) != NULL);
        CHECK(strstr(help, "\nexamples:\n  simcc ") != NULL);
        for (int o = 0; o < OPTION_COUNT; o++)
            if (command->options >> o & 1)
                CHECK(strstr(help, option_table[o].doc) != NULL);
        free(help);
    }
    free(overview);
}

// ---- reading a line ---------------------------------------------------------

TEST(cli_reads_words_and_options)
{
    Cli cli = {0};
    CHECK_INT(parse(&cli, "simcc run a.net pretrain -d photos --out=o -j2 "
                          "finetune --resume")
                  .code,
              STATUS_OK);
    CHECK_TEXT(cli.command->name, "run");
    CHECK_INT(cli.word_count, 3);
    CHECK_TEXT(cli.words[1], "pretrain");
    CHECK_TEXT(cli.words[2], "finetune");
    CHECK_TEXT(cli.values[OPT_data], "photos");
    CHECK_TEXT(cli.values[OPT_out], "o");
    CHECK_TEXT(cli.values[OPT_threads], "2");
    CHECK(cli_has(&cli, OPT_resume) && !cli_has(&cli, OPT_force));
    CHECK_INT(parse(&cli, "simcc data info -- --odd").code, STATUS_OK);
    CHECK_TEXT(cli.words[0], "--odd");
    arena_free(cli.arena);
}

TEST(cli_set_takes_all_that_follows)
{
    Cli cli = {0};
    CHECK_INT(parse(&cli, "simcc show --set depth=18 pretrain.batch=8 x= "
                          "a.net --set=y=1=2")
                  .code,
              STATUS_OK);
    CHECK_INT(cli.word_count, 1);
    CHECK_INT(cli.settings.count, 4);
    CHECK_TEXT(cli.settings.at[1].name, "pretrain.batch");
    CHECK_TEXT(cli.settings.at[1].value, "8");
    CHECK_TEXT(cli.settings.at[2].value, "");
    CHECK_TEXT(cli.settings.at[3].name, "y");
    CHECK_TEXT(cli.settings.at[3].value, "1=2");
    arena_free(cli.arena);
}

TEST(cli_says_what_was_meant)
{
    check_fails("simcc chekc a.net", "did you mean check?");
    check_fails("simcc data inof x", "info, check, split, synth");
    check_fails("simcc xyzzyxyzzy", "simcc help");
    check_fails("simcc run a.net --dta x", "did you mean --data?");
    check_fails("simcc check a.net --resume", "no option --resume");
    check_fails("simcc run a.net --seed", "--seed wants a value");
    check_fails("simcc run a.net --data --out run", "got '--out'");
    check_fails("simcc run a.net --data x --out=", "got an empty one");
    check_fails("simcc run a.net --resume=1", "takes no value");
    check_fails("simcc show a.net --set depth", "NAME=VALUE");
    check_fails("simcc show a.net --set 1=2", "NAME=VALUE");
    check_fails("simcc show", "usage: simcc show FILE");
    check_fails("simcc show a b", "'b'");
    check_fails("simcc summary a.net train", "--phase NAME");
    check_fails("simcc --resume", "a command comes first");
}

TEST(cli_bare_calls)
{
    Cli cli = {0};
    CHECK_INT(parse(&cli, "simcc").code, STATUS_OK);
    CHECK(!cli.command);
    CHECK_INT(parse(&cli, "simcc --version").code, STATUS_OK);
    CHECK(cli_has(&cli, OPT_version));
    CHECK_INT(parse(&cli, "simcc run -h").code, STATUS_OK);
    CHECK(cli_has(&cli, OPT_help) && cli.command);
    arena_free(cli.arena);
}

TEST(cli_reads_numbers_in_range)
{
    Cli cli = {0};
    int64_t whole;
    double number;
    CHECK_INT(parse(&cli, "simcc run a --seed 12x --threads 0 --held-out .5 "
                          "--stop-after 99999999999999999999")
                  .code,
              STATUS_OK);
    CHECK_INT(cli_whole(&cli, OPT_seed, 0, 0, 99, &whole).code, STATUS_USAGE);
    CHECK_INT(cli_whole(&cli, OPT_threads, 0, 1, 9, &whole).code, STATUS_USAGE);
    CHECK_INT(cli_whole(&cli, OPT_stop_after, 0, 1, INT64_MAX, &whole).code,
              STATUS_USAGE);
    CHECK_INT(cli_whole(&cli, OPT_size, 42, 1, 9, &whole).code, STATUS_OK);
    CHECK_INT(whole, 42);
    CHECK_INT(cli_number(&cli, OPT_held_out, 0, 0, 1, &number).code, STATUS_OK);
    CHECK_NEAR(number, 0.5, 0);
    CHECK_INT(cli_number(&cli, OPT_held_out, 0, 0, 0.4, &number).code,
              STATUS_USAGE);
    arena_free(cli.arena);
}
