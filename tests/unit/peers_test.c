// Processes that watch each other: which of them is found lost, which ends all,
// and which neither.
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/exec/peers.h"
#include "tests/harness.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count, rank, code;
    PeersFate fate;
} found = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0};

static void note(int rank, PeersFate fate, int code)
{
    pthread_mutex_lock(&found.lock);
    found.count++;
    found.rank = rank;
    found.fate = fate;
    found.code = code;
    pthread_cond_signal(&found.changed);
    pthread_mutex_unlock(&found.lock);
}

// For half a minute.
static void wait_for_end(void)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 30;
    pthread_mutex_lock(&found.lock);
    while (!found.count &&
           pthread_cond_timedwait(&found.changed, &found.lock, &end) == 0)
        ;
    pthread_mutex_unlock(&found.lock);
}

// Another process: of rank 0 where that is its rank.
typedef struct Other {
    pid_t id;
    int to, from; // pipes to it and from it
} Other;

static void be_other(int rank, int in, int out)
{
    PeersDoor door;
    char word = 0;
    if (rank == 0) {
        peers_open(&door, 2, note);
        if (write(out, &door, sizeof door) < 0)
            _exit(1);
    } else if (read(in, &door, sizeof door) == sizeof door) {
        word = peers_enter(&door, rank, note) ? 'y' : 'n';
        if (write(out, &word, 1) < 0)
            _exit(1);
    }
    if (read(in, &word, 1) == 1)
        peers_leave(word - '0');
    _exit(0);
}

// Before this process has threads.
static Other begin(int rank)
{
    int there[2], back[2];
    Other other = {-1, -1, -1};
    if (pipe(there) != 0 || pipe(back) != 0)
        return other;
    other = (Other){fork(), there[1], back[0]};
    if (other.id == 0) {
        close(there[1]);
        be_other(rank, there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    return other;
}

static bool enters(Other other, const PeersDoor *door)
{
    char answer = 0;
    return write(other.to, door, sizeof *door) == sizeof *door &&
           read(other.from, &answer, 1) == 1 && answer == 'y';
}

static void leave(Other other, const char *code)
{
    CHECK(write(other.to, code, 1) == 1);
    CHECK_INT(waitpid(other.id, NULL, 0), other.id);
}

static void kill_it(Other other)
{
    kill(other.id, SIGKILL);
    CHECK_INT(waitpid(other.id, NULL, 0), other.id);
}

TEST(one_that_is_killed_is_found)
{
    PeersDoor door;
    Other left = begin(1), killed = begin(2), after = begin(3);
    peers_open(&door, 4, note);
    CHECK(door.address_count > 0);
    CHECK(enters(killed, &door));
    CHECK(enters(after, &door));
    CHECK(enters(left, &door));
    peers_shut();
    leave(left, "0"); // with a word: not lost
    kill_it(killed);
    wait_for_end();
    CHECK_INT(found.count, 1);
    CHECK_INT(found.rank, 2);
    CHECK_INT(found.fate, PEERS_GONE);
    CHECK_INT(found.code, PEERS_LOST_CODE);
    leave(after, "0");
    peers_leave(0);
    CHECK_INT(found.count, 1);
}

TEST(rank_0_is_found_by_the_others)
{
    PeersDoor door;
    Other first = begin(0);
    CHECK_INT(read(first.from, &door, sizeof door), sizeof door);
    CHECK(peers_enter(&door, 1, note));
    kill_it(first);
    wait_for_end();
    CHECK_INT(found.count, 1);
    CHECK_INT(found.rank, 0);
    peers_leave(0);
}

// One that fails, and says with what code.
TEST(one_that_ends_all_is_heard)
{
    PeersDoor door;
    Other failed = begin(1);
    peers_open(&door, 2, note);
    CHECK(enters(failed, &door));
    leave(failed, "6");
    wait_for_end();
    CHECK_INT(found.rank, 1);
    CHECK_INT(found.fate, PEERS_ENDS);
    CHECK_INT(found.code, 6);
    peers_leave(0);
}

// A process of another job, and one that comes late.
TEST(strangers_do_not_enter)
{
    PeersDoor door, other;
    Other stranger = begin(1), known = begin(1), late = begin(2);
    peers_open(&door, 3, note);
    other = door;
    other.asks[0] ^= 1;
    CHECK(!enters(stranger, &other));
    CHECK(enters(known, &door));
    peers_shut();
    CHECK(!enters(late, &door));
    leave(stranger, "0");
    leave(late, "0");
    kill_it(known);
    wait_for_end();
    CHECK_INT(found.rank, 1);
    peers_leave(0);
}
