// simcc plan: how long a step would take on so many processes, joined by a
// network that need not be there.
//
// The step is compiled for that many and its kernels are timed here, on one
// process, as `profile` does. Then its plan is gone through step by step with
// the times that its collectives would take, by this model of what
// calls_ranks.c, sums.c and ranks_mpi.c send among R processes:
//
//   a message of n bytes comes LATENCY + n / SPEED after it is sent;
//   gathers of n bytes of each, which small sums (calls_ranks.c) are, too, take
//   ceil(log2 R) messages one after the other, in which (R - 1) n bytes come;
//   larger sums of n bytes are exchanged and collected: 2 messages one after
//   the other and 2 (R - 1) / R n bytes each way; sums behind the work go in
//   pieces of SUM_PIECE, one after the other, and a sum that the work waits for
//   finds half a piece before it on the wire while they do; what a machine has
//   to do for a byte that it sends and receives is measured by TCP with itself,
//   adding up by adding up: it takes that time of the work where the work's
//   threads have all cores.
//
// Processes that wait for one another, since one has more to do or its machine
// is slower, are not in it; nor is the reading of images.
#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/cli/compiler.h"
#include "frontend/cli/need.h"
#include "frontend/cli/profile.h"
#include "runtime/base/clock.h"
#include "runtime/exec/calls.h"
#include "runtime/exec/sums.h"

// What MPI and the kernel do for a message, at both ends together: measured by
// gathers of 8 bytes between two processes over a network without delay.
static const double message_seconds = 6e-6;
// sums.c looks that often whether a piece has come, and finds it half of that
// late.
static const double nap_seconds = 300e-6;

typedef struct Network {
    int ranks;
    double speed, latency; // bytes a second, seconds
    double byte_seconds;   // of a processor, for a byte sent and one received
    double add_seconds;    // for a byte of a sum of two rows
} Network;

// Of a step, in seconds.
typedef struct Forecast {
    double work;    // kernels
    double norms;   // sums and gathers that the work waits for
    int meetings;   // how many these are
    double waited;  // for sums behind the work
    double taken;   // by these from the work, on its own cores
    double behind;  // that they are under way
    int sums;       // how many these are
    double step;    // all
    double sent;    // bytes, and received as many
    int64_t memory; // bytes of each process
} Forecast;

// ---- the options ------------------------------------------------------------

// "10Gbit,50us"
static Status read_network(const Cli *cli, Network *network)
{
    const char *text =
        cli_has(cli, OPT_network) ? cli->values[OPT_network] : "10Gbit,50us";
    char *end;
    double speed = strtod(text, &end);
    double unit = strncasecmp(end, "gbit", 4) == 0   ? 1e9 / 8
                  : strncasecmp(end, "mbit", 4) == 0 ? 1e6 / 8
                                                     : 0;
    const char *rest = unit > 0 ? end + 4 : "";
    double latency = *rest == ',' ? strtod(rest + 1, &end) : -1;
    double scale = strcmp(end, "us") == 0   ? 1e-6
                   : strcmp(end, "ms") == 0 ? 1e-3
                                            : 0;
    if (!(speed * unit > 0) || !(latency >= 0) || scale == 0 ||
        !isfinite(speed * unit) || !isfinite(latency))
        return status_error(STATUS_USAGE,
                            "--network wants a speed in Gbit or Mbit and a "
                            "latency in us or ms, such as 10Gbit,50us, and got "
                            "'%s'",
                            text);
    network->speed = speed * unit;
    network->latency = latency * scale;
    return status_ok();
}

// ---- what a byte costs ------------------------------------------------------

// A connection of this process with itself: what is written to ends[0] comes
// out of ends[1].
static bool connect_here(int ends[2])
{
    struct sockaddr_in place = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof place;
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ends[1] = -1;
    if (door >= 0 && ends[0] >= 0 &&
        bind(door, (struct sockaddr *)&place, sizeof place) == 0 &&
        listen(door, 1) == 0 &&
        getsockname(door, (struct sockaddr *)&place, &size) == 0 &&
        connect(ends[0], (struct sockaddr *)&place, sizeof place) == 0)
        ends[1] = accept(door, NULL, NULL);
    if (door >= 0)
        close(door);
    return ends[1] >= 0;
}

// Of rows that no cache holds, as what is sent comes from far away and what
// comes goes there.
static void measure_bytes(Network *network)
{
    enum { ROW = 16 << 20, MOST = 1 << 16, ROUNDS = 4 };
    float *rows = calloc(3, ROW);
    int ends[2] = {-1, -1};
    int64_t sent = 0, count = ROW / (int64_t)sizeof *rows;
    network->byte_seconds = network->add_seconds = 0;
    if (!rows)
        return;
    for (int64_t i = 0; i < 3 * count; i++)
        rows[i] = 1;
    double start = clock_seconds();
    for (int round = 0; round < ROUNDS && (round || connect_here(ends));
         round++)
        for (int64_t at = 0; at < ROW; at += MOST) {
            ssize_t out = write(ends[0], (char *)rows + at, MOST), in = 0;
            for (int64_t got = 0; out > 0 && got<out; got += in> 0 ? in : out)
                in = read(ends[1], (char *)(rows + count) + at + got,
                          (size_t)(out - got));
            sent += out > 0 ? out : 0;
        }
    if (sent)
        network->byte_seconds = (clock_seconds() - start) / (double)sent;
    start = clock_seconds();
    for (int round = 0; round < ROUNDS; round++)
        for (int64_t i = 0; i < count; i++)
            rows[2 * count + i] = rows[i] + rows[count + i];
    network->add_seconds = (clock_seconds() - start) / ROUNDS / ROW;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    free(rows);
}

// ---- what the network does --------------------------------------------------

static double rounds(const Network *network)
{
    return ceil(log2(network->ranks));
}

// Of a gather of `bytes` of each.
static double gather_seconds(const Network *network, double bytes)
{
    return rounds(network) * (network->latency + message_seconds) +
           (network->ranks - 1) * bytes / network->speed;
}

// Bytes that each process sends, and receives, for a sum.
static double moved(const Network *network, double bytes)
{
    return 2.0 * (network->ranks - 1) / network->ranks * bytes;
}

static double sum_seconds(const Network *network, double bytes)
{
    if (sum_is_small(bytes, network->ranks))
        return gather_seconds(network, bytes);
    return 2 * (network->latency + message_seconds) +
           moved(network, bytes) / network->speed +
           bytes * network->add_seconds;
}

// ---- the step ---------------------------------------------------------------

// The sums behind the work while the plan is gone through.
typedef struct Behind {
    double free; // when the last that was begun is made
    double *end; // by number
} Behind;

// What a collective moves of each process.
static double call_bytes(const Plan *plan, const PlanStep *step, bool *sum)
{
    int64_t count = plan->imms[step->first_imm];
    *sum = true;
    switch (step->call) {
    case PLAN_CALL_ALL_SUM_F32:
    case PLAN_CALL_SUM_START_F32:
        return 4.0 * (double)count;
    case PLAN_CALL_ALL_SUM_F64:
    case PLAN_CALL_SUM_START_F64:
        return 8.0 * (double)count;
    case PLAN_CALL_REDUCE_SCATTER_F32:
        *sum = false;
        return 4.0 * (double)count;
    case PLAN_CALL_REDUCE_SCATTER_F64:
        *sum = false;
        return 8.0 * (double)count;
    case PLAN_CALL_ALL_GATHER:
        *sum = false;
        return (double)count;
    default:
        return 0;
    }
}

static void meet(Forecast *forecast, const Network *network,
                 const Behind *behind, double bytes, bool sum)
{
    double seconds =
        sum ? sum_seconds(network, bytes) : gather_seconds(network, bytes);
    if (behind->free > forecast->step)
        seconds += 0.25 * moved(network, SUM_PIECE) / network->speed;
    forecast->norms += seconds;
    forecast->step += seconds;
    forecast->meetings++;
    forecast->sent += sum && !sum_is_small(bytes, network->ranks)
                          ? moved(network, bytes)
                          : (network->ranks - 1) * bytes;
}

static void begin_sum(Forecast *forecast, const Network *network,
                      Behind *behind, double bytes, int number, double share)
{
    double pieces = ceil(bytes / SUM_PIECE), sent = moved(network, bytes);
    double processor =
        sent * network->byte_seconds + bytes * network->add_seconds;
    double start =
        behind->free > forecast->step ? behind->free : forecast->step;
    double seconds = sum_seconds(network, bytes);
    if (pieces > 1)
        seconds += 2 * (pieces - 1) * (network->latency + message_seconds);
    seconds += pieces * nap_seconds;
    behind->free = behind->end[number] = start + seconds;
    forecast->taken += share * processor;
    forecast->step += share * processor;
    forecast->behind += seconds;
    forecast->sent += sent;
    forecast->sums++;
}

static void take_step(Forecast *forecast, const Network *network,
                      Behind *behind, const Plan *plan, int s, double seconds,
                      double share)
{
    const PlanStep *step = &plan->steps[s];
    bool sum;
    if (step->symbol >= 0 || !call_is_collective((PlanCall)step->call) ||
        network->ranks == 1) {
        forecast->work += seconds;
        forecast->step += seconds;
        return;
    }
    double bytes = call_bytes(plan, step, &sum);
    if (step->call == PLAN_CALL_SUM_FINISH) {
        double end = behind->end[plan->imms[step->first_imm]];
        if (end > forecast->step) {
            forecast->waited += end - forecast->step;
            forecast->step = end;
        }
    } else if (step->call == PLAN_CALL_SUM_START_F32 ||
               step->call == PLAN_CALL_SUM_START_F64)
        begin_sum(forecast, network, behind, bytes,
                  (int)plan->imms[step->first_imm + 1], share);
    else if (bytes > 0)
        meet(forecast, network, behind, bytes, sum);
}

// `share`: of the processor time of sums behind the work, what the work's
// threads lose.
static Forecast foretell(const Profile *profile, const Network *network,
                         double share)
{
    const Plan *plan = profile->plan;
    Forecast forecast = {0};
    Behind behind = {0,
                     ARENA_ARRAY(profile->arena, double, plan->step_count + 1)};
    int chunks = plan->chunks.count ? plan->chunks.count : 1;
    int parts = plan->chunks.count ? PLAN_PARTS : 1, first = 0;
    for (int part = 0; part < parts; part++) {
        bool often = part == PLAN_EMBED || part == PLAN_BACKWARD;
        int times = parts > 1 && often ? chunks : 1;
        int end = parts > 1 ? plan->chunks.end[part] : plan->step_count;
        for (int time = 0; time < times; time++)
            for (int s = first; s < end; s++)
                take_step(&forecast, network, &behind, plan, s,
                          profile->step[s] / profile->rounds / times, share);
        first = end;
    }
    return forecast;
}

static int64_t memory_of(const Plan *plan, int ranks, int threads)
{
    int64_t room = 0;
    SumsNeed behind = {0};
    int64_t bytes = plans_need(plan, &(Plan){0}, &(Plan){0}, threads, false);
    if (ranks > 1 && calls_room(plan, ranks, &room, &behind).code == STATUS_OK)
        bytes += room + behind.room;
    return bytes;
}

// ---- printing ---------------------------------------------------------------

static double communication(const Forecast *forecast)
{
    return forecast->norms + forecast->waited + forecast->taken;
}

static void print_table(const Forecast *forecast, const Network *network,
                        const ProgramPhase *phase, int threads)
{
    double step = forecast->step;
    printf("phase %s: batch %d on %d process%s of %d thread%s, %g Gbit/s and "
           "%g us between them\n",
           phase->name, phase->batch, network->ranks,
           network->ranks == 1 ? "" : "es", threads, threads == 1 ? "" : "s",
           8e-9 * network->speed, 1e6 * network->latency);
    printf("step          %10.2f ms: %.1f images a second, %.1f%% of what as "
           "many alone would do\n",
           1e3 * step, phase->batch / step, 100 * forecast->work / step);
    printf("work          %10.2f ms, as its kernels take here\n",
           1e3 * forecast->work);
    printf("communication %10.2f ms, %.1f%% of the step:\n",
           1e3 * communication(forecast), 100 * communication(forecast) / step);
    printf("  waited for  %10.2f ms in %d sums and gathers (norms, loss)\n",
           1e3 * forecast->norms, forecast->meetings);
    printf("  waited for  %10.2f ms of gradients, %d buckets under way for "
           "%.2f ms\n",
           1e3 * forecast->waited, forecast->sums, 1e3 * forecast->behind);
    printf("  processor   %10.2f ms that these take from the work\n",
           1e3 * forecast->taken);
    printf("sent          %10.2f MB a step, and received as much\n",
           1e-6 * forecast->sent);
    printf("memory        %10.1f MB a process\n",
           1e-6 * (double)forecast->memory);
}

static void print_json(const Forecast *forecast, const Network *network,
                       const ProgramPhase *phase, int threads, Arena *arena)
{
    Text text = text_new(arena);
    text_add(&text, "{\"phase\":");
    text_add_json(&text, phase->name);
    text_addf(&text,
              ",\"batch\":%d,\"ranks\":%d,\"threads\":%d,\"bits_per_second\":"
              "%.0f,\"latency\":%.9f,\"step\":%.9f,\"work\":%.9f,"
              "\"communication\":%.9f,\"norms\":%.9f,\"norm_sums\":%d,"
              "\"waited\":%.9f,\"behind\":%.9f,\"buckets\":%d,"
              "\"processor\":%.9f,\"sent\":%.0f,\"memory\":%lld}",
              phase->batch, network->ranks, threads, 8 * network->speed,
              network->latency, forecast->step, forecast->work,
              communication(forecast), forecast->norms, forecast->meetings,
              forecast->waited, forecast->behind, forecast->sums,
              forecast->taken, forecast->sent, (long long)forecast->memory);
    puts(text_string(&text));
}

// ---- command ----------------------------------------------------------------

static Status plan_phase(const Cli *cli, const Program *program, int phase,
                         Network *network)
{
    Profile profile;
    const ProgramPhase *chosen = &program->phases[phase];
    int64_t threads;
    TRY(cli_whole(cli, OPT_threads, 0, 1, 1024, &threads));
    network->ranks = phase_ranks(chosen);
    Status status = profile_open(&profile, program, phase, (int)threads);
    if (status.code == STATUS_OK) {
        int used = pool_threads(profile.pool), cores = pool_cores();
        profile.arena = cli->arena;
        measure_bytes(network);
        profile_run(&profile);
        // The sums' thread takes a free core, or an even share of all.
        double share = used < cores ? 0 : 1.0 / used;
        Forecast forecast = foretell(&profile, network, share);
        forecast.memory = memory_of(profile.plan, network->ranks, used);
        if (cli_has(cli, OPT_json))
            print_json(&forecast, network, chosen, used, cli->arena);
        else
            print_table(&forecast, network, chosen, used);
    }
    profile_close(&profile);
    return status;
}

int command_plan(Cli *cli)
{
    Compiler compiler;
    Network network = {0};
    Program *program = NULL;
    CLI_TRY(cli, read_network(cli, &network));
    CLI_TRY(cli, compiler_open(&compiler, cli));
    compiler.phase_count = cli->word_count - 1;
    compiler.phases = cli->words + 1;
    Status status = compiler_run(&compiler, &program);
    for (int i = 0; status.code == STATUS_OK && i < program->phase_count; i++)
        if (program->phases[i].train.step_count) {
            status = plan_phase(cli, program, i, &network);
            break;
        }
    int code = compiler_report(&compiler, cli, &status);
    program_free(program);
    return code;
}
