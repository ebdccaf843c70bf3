#include "frontend/cli/together.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/exec/pool.h"
#include "runtime/exec/ranks.h"

// What ranks but 0 would have said, and where to.
static FILE *unsaid;
static int said_to = -1;

// ---- speaking ---------------------------------------------------------------

static Status keep_quiet(void)
{
    unsaid = tmpfile();
    said_to = dup(STDERR_FILENO);
    if (!unsaid || said_to < 0 || !freopen("/dev/null", "w", stdout) ||
        dup2(fileno(unsaid), STDERR_FILENO) < 0)
        return status_error(STATUS_FAILED, "cannot redirect the output of a "
                                           "process");
    return status_ok();
}

// All that was kept, after the process's number.
static void speak(void)
{
    char text[1 << 12];
    size_t size;
    if (!unsaid)
        return;
    fflush(stderr);
    dprintf(said_to, "simcc: process %d of %d:\n", ranks_index(),
            ranks_count());
    rewind(unsaid);
    while ((size = fread(text, 1, sizeof text, unsaid)) > 0)
        if (write(said_to, text, size) < 0)
            break;
}

void together_tell(const char *line)
{
    dprintf(said_to < 0 ? STDERR_FILENO : said_to,
            "simcc: process %d of %d: %s\n", ranks_index(), ranks_count(),
            line);
}

// Of `run`, whose checkpoints go on.
static const Cli *told_of;

static void tell_lost(int rank, const char *machine, bool silent)
{
    char line[256];
    bool resumes = strcmp(told_of->command->name, "run") == 0;
    snprintf(line, sizeof line, "process %d of %d, on %s, %s; all end%s", rank,
             ranks_count(), machine,
             silent ? "is lost: its machine no longer answers"
                    : "ended without a word: killed, out of memory or crashed",
             resumes ? "; --resume goes on from the last checkpoint" : "");
    dprintf(said_to < 0 ? STDERR_FILENO : said_to, "simcc: %s\n", line);
    if (said_to < 0)
        cli_log(told_of, line);
}

// ---- threads ----------------------------------------------------------------

// An even share of the cores; all that a launcher bound the process to.
static int thread_share(void)
{
    int online = (int)sysconf(_SC_NPROCESSORS_ONLN), cores = pool_cores();
    int share = cores < online ? cores : cores / ranks_here();
    return share > 1 ? share : 1;
}

Status together_begin(Cli *cli)
{
    told_of = cli;
    ranks_set_lost(tell_lost);
    TRY(ranks_open());
    if (ranks_count() == 1)
        return status_ok();
    if (ranks_index() > 0)
        TRY(keep_quiet());
    ranks_set_last_words(speak);
    if (cli_has(cli, OPT_tune))
        return status_error(STATUS_USAGE,
                            "--tune measures one process: several would each "
                            "find other ways");
    if (!cli_has(cli, OPT_threads))
        cli->values[OPT_threads] =
            arena_printf(cli->arena, "%d", thread_share());
    cli_note(cli, "%d processes, %d on this machine, %s thread%s each",
             ranks_count(), ranks_here(), cli->values[OPT_threads],
             strcmp(cli->values[OPT_threads], "1") == 0 ? "" : "s");
    int rank;
    const char *machine = ranks_unwatched(&rank);
    if (machine)
        cli_note(cli,
                 "process %d, on %s, cannot be watched over TCP from process "
                 "0: if it is killed, only the launcher can say so",
                 rank, machine);
    return status_ok();
}

// ---- the end ----------------------------------------------------------------

// Where rank 0 failed too, it has said why.
int together_agree(const Cli *cli, int code)
{
    int32_t codes[RANKS_MAX], here = code, first = code;
    ranks_gather(&here, codes, sizeof here);
    for (int r = 0; r < ranks_count() && first == STATUS_OK; r++)
        first = codes[r];
    if (codes[0] == STATUS_OK && code != STATUS_OK)
        speak();
    if (code == STATUS_OK && first != STATUS_OK && ranks_index() == 0)
        cli_note(cli, "another process cannot begin");
    return first;
}

static bool has_failed(int code)
{
    return code != STATUS_OK && code < 128; // above: ended by a signal
}

int together_end(int code)
{
    if (ranks_count() > 1 && has_failed(code)) {
        // What rank 0 says of a divergence holds for all.
        if (code == STATUS_DIVERGED && ranks_index() > 0)
            pause();
        ranks_abort(code);
    }
    ranks_close();
    return code;
}
