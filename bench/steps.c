// Times whole training steps of simcc and its peers. Every peer is a process
// that builds the step once; then they take turns, a few steps each, round
// after round, so that what else the machine does falls on all of them.
//   steps [CASE...]  ->  lines "step CASE PEER MS LEAST MOST RSS_KB SLAB_KB
//   LOSS"
//                        or    "missing CASE PEER REASON"
//                        and   "first CASE PEER COLD_MS WARM_MS"
// The last are first steps of peers that compile in it, on an empty cache and
// on the one that left; 0 = none. Lines of a case are written when it is done,
// and no case begins after TOTAL_SECONDS.
// BENCH_FULL=1 times every peer in every case; BENCH_PEERS="simcc torch" only
// those; BENCH_PYTHON is the interpreter of the peers written in Python.
//
// The protocol: a peer writes "ready" and the milliseconds of its first step;
// for each line with a number it takes that many steps and answers with their
// milliseconds; at the end of its input it writes peak resident KB, slab KB or
// 0, and the last loss.
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

enum {
    PEERS = 0
#define PEER(...) +1
#include "bench/peers.def"
#undef PEER
    ,
    ROUNDS = 5,
    STEPS = 3,        // of a turn; the first, on a cold cache, does not count
    LONG_STEP = 1500, // milliseconds: of such steps, a turn has two
    LEAST_ROUNDS = 2,
    READY_SECONDS = 150,
    TURN_SECONDS = 60,
    CASE_SECONDS = 25, // no further round begins after that
    TOTAL_SECONDS = 500,
};

typedef struct PeerInfo {
    const char *id, *title, *program, *mode;
    int quick;
    const char *against;
} PeerInfo;

static const PeerInfo peer_infos[PEERS] = {
#define PEER(id, ...) {#id, __VA_ARGS__},
#include "bench/peers.def"
#undef PEER
};

typedef struct Peer {
    const PeerInfo *info;
    pid_t process;
    int to;
    FILE *from;
    const char *log; // its standard error
    bool alive, late;
    double first; // milliseconds
    double ms[ROUNDS * STEPS];
    int count;
} Peer;

// ---- processes --------------------------------------------------------------

static const char **peer_command(Arena *arena, const PeerInfo *info,
                                 const BenchCase *bench)
{
    const char *python = getenv("BENCH_PYTHON");
    const char *threads = arena_printf(arena, "%d", bench_cores());
    const char **words = ARENA_ARRAY(arena, const char *, 11);
    if (!*info->program) {
        words[0] = arena_printf(arena, "%s/step", bench_folder(arena));
        words[1] = bench->id;
        words[2] = threads;
        words[3] = info->mode;
        return words;
    }
    const char *all[] = {python && *python ? python : "python3",
                         info->program,
                         info->mode,
                         bench->phase,
                         bench->net,
                         arena_printf(arena, "%d", bench->depth),
                         arena_printf(arena, "%g", bench->sk_ratio),
                         arena_printf(arena, "%d", bench->image_size),
                         arena_printf(arena, "%d", bench->images),
                         threads};
    memcpy(words, all, sizeof all);
    return words;
}

static void run_child(const char **words, int in, int out, const char *log)
{
    FILE *errors = freopen(log, "w", stderr);
    // Whatever it starts is to end with it, and it with this process.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    for (int i = 3; i < 64; i++)
        close(i);
    execvp(words[0], (char *const *)words);
    if (errors)
        fprintf(errors, "%s is not installed\n", words[0]);
    _exit(1);
}

static void start_peer(Arena *arena, Peer *peer, const BenchCase *bench)
{
    const char **words = peer_command(arena, peer->info, bench);
    int in[2], out[2];
    peer->log = arena_printf(arena, "%s/%s.%s.log", bench_folder(arena),
                             bench->id, peer->info->id);
    if (pipe(in) != 0 || pipe(out) != 0)
        return;
    peer->process = fork();
    if (peer->process == 0)
        run_child(words, in[0], out[1], peer->log);
    close(in[0]);
    close(out[1]);
    peer->to = in[1];
    peer->from = fdopen(out[0], "r");
    peer->alive = peer->process > 0 && peer->from;
}

// A line within so many seconds. What other programs write to standard output
// comes before; nothing of it is buffered past its newline, as each line of the
// protocol is an answer.
static bool read_line(Peer *peer, char *line, int size, int seconds)
{
    struct pollfd wait = {.fd = fileno(peer->from), .events = POLLIN};
    return poll(&wait, 1, seconds * 1000) == 1 &&
           fgets(line, size, peer->from) != NULL;
}

static bool await_ready(Peer *peer)
{
    char line[256];
    while (read_line(peer, line, sizeof line, READY_SECONDS))
        if (sscanf(line, "ready %lf", &peer->first) == 1)
            return true;
    peer->late = waitpid(peer->process, NULL, WNOHANG) == 0;
    return false;
}

static void end_peer(Peer *peer)
{
    if (peer->process <= 0)
        return;
    close(peer->to);
    if (!peer->alive)
        kill(-peer->process, SIGKILL);
    waitpid(peer->process, NULL, 0);
    if (peer->from)
        fclose(peer->from);
}

// The last line of what it said, or that it said nothing.
static void print_missing(const BenchCase *bench, const Peer *peer)
{
    char line[512], last[512] = "it ended or took too long without a word";
    FILE *log = peer->log && !peer->late ? fopen(peer->log, "r") : NULL;
    if (peer->late)
        snprintf(last, sizeof last, "its first step took more than %d s",
                 READY_SECONDS);
    while (log && fgets(line, sizeof line, log))
        if (strspn(line, " \n") != strlen(line))
            snprintf(last, sizeof last, "%s", line);
    if (log)
        fclose(log);
    last[strcspn(last, "\n")] = 0;
    for (char *at = last; *at; at++)
        *at = *at == '\t' ? ' ' : *at;
    printf("missing\t%s\t%s\t%s\n", bench->id, peer->info->id, last);
}

// ---- turns ------------------------------------------------------------------

static void take_turn(Peer *peer)
{
    char line[1024], *at = line, *end;
    bool is_long = peer->count && peer->ms[peer->count - 1] > LONG_STEP;
    int steps = is_long ? STEPS - 1 : STEPS;
    peer->alive = dprintf(peer->to, "%d\n", steps) > 0 &&
                  read_line(peer, line, sizeof line, TURN_SECONDS);
    for (int i = 0; peer->alive && i < steps; i++, at = end) {
        double ms = strtod(at, &end);
        peer->alive = end != at;
        if (peer->alive && i > 0)
            peer->ms[peer->count++] = ms;
    }
}

static void print_result(const BenchCase *bench, Peer *peer)
{
    char line[256];
    long rss = 0, slab = 0;
    double loss = 0;
    close(peer->to);
    peer->to = -1;
    if (read_line(peer, line, sizeof line, TURN_SECONDS))
        sscanf(line, "%ld %ld %lg", &rss, &slab, &loss);
    double median = bench_median(peer->ms, peer->count);
    printf("step\t%s\t%s\t%.3f\t%.3f\t%.3f\t%ld\t%ld\t%.6g\n", bench->id,
           peer->info->id, median, peer->ms[0], peer->ms[peer->count - 1], rss,
           slab, loss);
}

static bool takes_part(const PeerInfo *info, const BenchCase *bench)
{
    const char *full = getenv("BENCH_FULL"), *only = getenv("BENCH_PEERS");
    size_t length = strlen(info->id);
    for (const char *at = only; at && *at; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        if (strcspn(at, " ") == length && strncmp(at, info->id, length) == 0)
            return true;
    }
    if (only && *only)
        return false;
    return (full && *full) || bench->peers == BENCH_ALL || info->quick;
}

// Where the peers that compile keep what they made for the case.
static const char *use_cache(Arena *arena, const BenchCase *bench)
{
    const char *cache = arena_printf(arena, "%s/cache/peers-%s",
                                     bench_folder(arena), bench->id);
    setenv("TORCHINDUCTOR_CACHE_DIR", arena_printf(arena, "%s/torch", cache),
           1);
    setenv("JAX_COMPILATION_CACHE_DIR", arena_printf(arena, "%s/jax", cache),
           1);
    setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0", 1);
    setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1", 1);
    return cache;
}

// In cases for all peers a second process, too, which finds what the first one
// made.
static void print_first(Arena *arena, const BenchCase *bench, const Peer *peer)
{
    Peer again = {.info = peer->info};
    if (bench->peers == BENCH_ALL)
        start_peer(arena, &again, bench);
    again.alive = again.alive && await_ready(&again);
    printf("first\t%s\t%s\t%.1f\t%.1f\n", bench->id, peer->info->id,
           peer->first, again.alive ? again.first : 0);
    end_peer(&again);
}

static void time_case(Arena *arena, const BenchCase *bench)
{
    Peer peers[PEERS] = {0};
    const char *cache = use_cache(arena, bench);
    bench_remove(cache);
    // One after the other: a first step has the machine for itself.
    for (int i = 0; i < PEERS; i++) {
        peers[i].info = &peer_infos[i];
        if (takes_part(&peer_infos[i], bench))
            start_peer(arena, &peers[i], bench);
        if (peers[i].alive)
            peers[i].alive = await_ready(&peers[i]);
    }
    double start = bench_seconds();
    for (int round = 0; round < ROUNDS; round++) {
        double passed = bench_seconds() - start;
        if (round >= LEAST_ROUNDS && passed > CASE_SECONDS)
            break;
        for (int i = 0; i < PEERS; i++)
            if (peers[i].alive)
                take_turn(&peers[i]);
    }
    for (int i = 0; i < PEERS; i++) {
        if (peers[i].alive)
            print_result(bench, &peers[i]);
        else if (peers[i].process)
            print_missing(bench, &peers[i]);
        end_peer(&peers[i]);
    }
    fflush(stdout);
    for (int i = 0; i < PEERS; i++)
        if (peers[i].alive && !peers[i].info->quick)
            print_first(arena, bench, &peers[i]);
    bench_remove(cache);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    Arena *arena = arena_new();
    double start = bench_seconds();
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < BENCH_CASES; i++) {
        if (!bench_wants(&bench_cases[i], argc, argv))
            continue;
        if (bench_seconds() - start > TOTAL_SECONDS) {
            printf("missing\t%s\tsimcc\tthe cases before took too long: "
                   "`steps %s` times this one\n",
                   bench_cases[i].id, bench_cases[i].id);
            continue;
        }
        fprintf(stderr, "bench: training steps of %s\n", bench_cases[i].title);
        time_case(arena, &bench_cases[i]);
    }
    arena_free(arena);
    return 0;
}
