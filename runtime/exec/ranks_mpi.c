// Processes joined by MPI, version 3; of its many functions those that move
// bytes. Sums are made by calls_ranks.c in the order of the ranks, so that all
// have the same bits, whatever the library and the network.
#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/exec/ranks.h"
#include "runtime/exec/peers.h"

// At a time, of what MPI counts in an int.
enum { MOST_BYTES = 1 << 30 };
// That the launcher has for ending all, before we do: its exit code says how
// the first one ended.
enum { GRACE_SECONDS = 3 };

typedef struct Seat {
    char machine[64];
    int32_t is_watched;
} Seat;

static struct {
    bool open;
    int count, index, here;
    bool can_work_behind;
    MPI_Comm behind; // the line of the threads that work behind
    Seat *seats;     // by rank
    RanksLost *say_lost;
} world = {.count = 1, .here = 1};

static _Thread_local bool is_behind;

// Open MPI's launcher sets the first, those of MPICH and others the rest.
// Without any, MPI_Init would only cost time.
static bool is_launched(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE",
                                        "PMI_RANK", "PMIX_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            return true;
    return false;
}

// What MPI calls when one of its functions fails, in place of ending us by
// itself: its own words would go where those of all ranks but 0 are kept.
static void end_all(MPI_Comm *comm, int *error, ...)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    (void)comm;
    if (MPI_Error_string(*error, text, &length) != MPI_SUCCESS)
        text[0] = '\0';
    fprintf(stderr,
            "simcc: the connection of the %d processes failed: %s; --resume "
            "goes on from the last checkpoint\n",
            world.count, text);
    ranks_abort(STATUS_FAILED);
}

// ---- one that is lost -------------------------------------------------------

void ranks_set_lost(RanksLost *say)
{
    world.say_lost = say;
}

// Rank 0 hears of all others, and passes it on; they hear of it. One of them
// says who is lost; the others only where that one does not end them, as it may
// be lost, too. Who ends all has said why.
static void end_with(int rank, PeersFate fate, int code)
{
    bool speaks = world.index == 0 || world.index == 1;
    if (fate != PEERS_ENDS) {
        if (!speaks)
            sleep(2 * GRACE_SECONDS);
        if (world.say_lost)
            world.say_lost(rank, world.seats[rank].machine,
                           fate == PEERS_SILENT);
    }
    if (speaks || fate == PEERS_ENDS)
        sleep(GRACE_SECONDS);
    // MPI may be for one thread alone.
    if (fate != PEERS_ENDS && world.can_work_behind)
        ranks_abort(code);
    _exit(code);
}

static void open_watch(void)
{
    PeersDoor door;
    Seat here = {{0}, true};
    gethostname(here.machine, sizeof here.machine - 1);
    ranks_gather(&here, world.seats, sizeof here);
    if (world.index == 0)
        peers_open(&door, world.count, end_with);
    ranks_broadcast(&door, sizeof door);
    if (world.index > 0)
        here.is_watched = peers_enter(&door, world.index, end_with);
    ranks_gather(&here, world.seats, sizeof here);
    peers_shut();
}

const char *ranks_unwatched(int *rank)
{
    for (int r = 0; world.open && r < world.count; r++)
        if (!world.seats[r].is_watched) {
            *rank = r;
            return world.seats[r].machine;
        }
    return NULL;
}

// ---- opening ----------------------------------------------------------------

Status ranks_open(void)
{
    int level;
    MPI_Comm machine;
    MPI_Errhandler handler;
    if (world.open || !is_launched())
        return status_ok();
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level) !=
            MPI_SUCCESS ||
        level < MPI_THREAD_FUNNELED)
        return status_error(STATUS_FAILED,
                            "MPI does not start, or not beside threads");
    world.open = true;
    if (MPI_Comm_create_errhandler(end_all, &handler) == MPI_SUCCESS) {
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, handler);
        MPI_Errhandler_free(&handler);
    }
    MPI_Comm_size(MPI_COMM_WORLD, &world.count);
    MPI_Comm_rank(MPI_COMM_WORLD, &world.index);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
                        &machine);
    MPI_Comm_size(machine, &world.here);
    MPI_Comm_free(&machine);
    world.can_work_behind = !ranks_any(level < MPI_THREAD_MULTIPLE);
    if (world.can_work_behind)
        MPI_Comm_dup(MPI_COMM_WORLD, &world.behind);
    if (world.count > RANKS_MAX)
        return status_error(STATUS_USAGE, "at most %d processes, not %d",
                            RANKS_MAX, world.count);
    world.seats = calloc((size_t)world.count, sizeof *world.seats);
    if (ranks_any(!world.seats))
        return status_error(STATUS_MEMORY, "no memory for %d processes' names",
                            world.count);
    open_watch();
    return status_ok();
}

void ranks_close(void)
{
    if (world.open && world.can_work_behind)
        MPI_Comm_free(&world.behind);
    if (world.open)
        MPI_Finalize();
    peers_leave(STATUS_OK); // behind the last thing that another waits for
    world.open = false;
}

int ranks_count(void)
{
    return world.count;
}

int ranks_index(void)
{
    return world.index;
}

int ranks_here(void)
{
    return world.here;
}

const char *ranks_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    if (MPI_Get_library_version(text, &length) != MPI_SUCCESS)
        return "MPI";
    for (int i = 0; i < length; i++) // its first line, to the first comma
        if (text[i] == ',' || text[i] == '\n')
            text[i] = '\0';
    return text;
}

// Plans that move more are refused before they run (calls_room); better a word
// than a wrong number.
static int as_int(int64_t bytes)
{
    if (bytes < 0 || bytes > RANKS_MOST_BYTES) {
        fprintf(stderr, "simcc: a piece of %lld bytes is too large for MPI\n",
                (long long)bytes);
        ranks_abort(STATUS_INTERNAL);
    }
    return (int)bytes;
}

// ---- behind -----------------------------------------------------------------

bool ranks_can_work_behind(void)
{
    return !world.open || world.can_work_behind;
}

void ranks_work_behind(void)
{
    is_behind = world.open;
}

// MPI's own wait would keep a core from who computes, and so does each look at
// the network where it is the same core: at 20 us they took longer than what
// they saved.
static void wait_for(MPI_Request *request)
{
    const struct timespec nap = {0, 300000};
    int done = 0;
    while (MPI_Test(request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done)
        nanosleep(&nap, NULL);
}

// ---- moving -----------------------------------------------------------------

// Counts of pieces and where they begin.
typedef struct Pieces {
    int counts[RANKS_MAX], starts[RANKS_MAX];
} Pieces;

static Pieces lay_out(const int64_t *bytes)
{
    Pieces pieces;
    int64_t start = 0;
    for (int r = 0; r < world.count; r++) {
        pieces.counts[r] = as_int(bytes[r]);
        pieces.starts[r] = as_int(start);
        start += bytes[r];
    }
    return pieces;
}

void ranks_gather(const void *from, void *to, int64_t bytes)
{
    int count = as_int(bytes);
    MPI_Request request;
    if (is_behind) {
        MPI_Iallgather(from, count, MPI_BYTE, to, count, MPI_BYTE, world.behind,
                       &request);
        wait_for(&request);
    } else if (world.open)
        MPI_Allgather(from, count, MPI_BYTE, to, count, MPI_BYTE,
                      MPI_COMM_WORLD);
    else
        memcpy(to, from, (size_t)bytes);
}

void ranks_exchange(const void *from, void *to, const int64_t *bytes)
{
    if (!world.open)
        return;
    int64_t same[RANKS_MAX];
    for (int r = 0; r < world.count; r++)
        same[r] = bytes[world.index];
    Pieces sent = lay_out(bytes), got = lay_out(same);
    sent.counts[world.index] = got.counts[world.index] = 0;
    MPI_Request request;
    if (is_behind) {
        MPI_Ialltoallv(from, sent.counts, sent.starts, MPI_BYTE, to, got.counts,
                       got.starts, MPI_BYTE, world.behind, &request);
        wait_for(&request);
        return;
    }
    MPI_Alltoallv(from, sent.counts, sent.starts, MPI_BYTE, to, got.counts,
                  got.starts, MPI_BYTE, MPI_COMM_WORLD);
}

void ranks_collect(void *data, const int64_t *bytes)
{
    if (!world.open)
        return;
    Pieces pieces = lay_out(bytes);
    MPI_Request request;
    if (is_behind) {
        MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_BYTE, data, pieces.counts,
                        pieces.starts, MPI_BYTE, world.behind, &request);
        wait_for(&request);
        return;
    }
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_BYTE, data, pieces.counts,
                   pieces.starts, MPI_BYTE, MPI_COMM_WORLD);
}

void ranks_broadcast(void *data, int64_t bytes)
{
    char *at = data;
    for (int64_t done = 0; world.open && done < bytes; done += MOST_BYTES) {
        int64_t left = bytes - done;
        MPI_Bcast(at + done, left < MOST_BYTES ? (int)left : MOST_BYTES,
                  MPI_BYTE, 0, MPI_COMM_WORLD);
    }
}

bool ranks_any(bool here)
{
    int any = here;
    if (world.open)
        MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    return any;
}

static void (*last_words)(void);

void ranks_set_last_words(void (*say)(void))
{
    last_words = say;
}

void ranks_abort(int code)
{
    if (last_words)
        last_words();
    peers_leave(code);
    if (world.open)
        MPI_Abort(MPI_COMM_WORLD, code);
    exit(code);
}
