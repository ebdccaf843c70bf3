#include "runtime/exec/peers.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

// For rank 0 to be reached at one of its addresses, with all others before us;
// for who has come in to say who it is.
static const struct timeval enter_time = {.tv_sec = 4},
                            word_time = {.tv_sec = 1};
// A machine that has been silent for 5 s is asked every 2 s, thrice.
enum { SILENT_SECONDS = 5, ASK_SECONDS = 2, ASKS = 3 };

static struct {
    PeersDoor key;
    int count;   // of connections: rank 0 has one for each rank, others one
    int *to;     // by rank; -1: none
    int door;    // where the others come in; -1: nowhere
    int wake[2]; // what the thread is woken by: a Command
    PeersEnd *end;
    unsigned char word; // the last, for the others
    atomic_bool running;
    pthread_t thread;
} peers = {.door = -1, .wake = {-1, -1}};

typedef enum Command {
    SHUT = 's',
    LEAVE = 'l',
} Command;

// ---- bytes ------------------------------------------------------------------

static bool send_all(int to, const void *bytes, size_t size)
{
    return send(to, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool receive_all(int from, void *bytes, size_t size)
{
    return recv(from, bytes, size, MSG_WAITALL) == (ssize_t)size;
}

static void close_socket(int *at)
{
    if (*at >= 0)
        close(*at);
    *at = -1;
}

static void set_option(int at, int level, int option, int value)
{
    setsockopt(at, level, option, &value, sizeof value);
}

static void keep_alive(int at)
{
    set_option(at, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(at, IPPROTO_TCP, TCP_KEEPIDLE, SILENT_SECONDS);
    set_option(at, IPPROTO_TCP, TCP_KEEPINTVL, ASK_SECONDS);
    set_option(at, IPPROTO_TCP, TCP_KEEPCNT, ASKS);
}

static void limit_waits(int at, struct timeval most)
{
    setsockopt(at, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    setsockopt(at, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
}

// ---- the thread -------------------------------------------------------------

// Who knows the key hears that this is the right door, for its port may be
// another program's on another machine, and says its rank.
static void let_in(void)
{
    unsigned char asked[PEERS_KEY];
    int32_t rank;
    int guest = accept4(peers.door, NULL, NULL, SOCK_CLOEXEC);
    if (guest < 0)
        return;
    limit_waits(guest, word_time);
    if (receive_all(guest, asked, sizeof asked) &&
        memcmp(asked, peers.key.asks, sizeof asked) == 0 &&
        send_all(guest, peers.key.answers, PEERS_KEY) &&
        receive_all(guest, &rank, sizeof rank) && rank > 0 &&
        rank < peers.count && peers.to[rank] < 0) {
        keep_alive(guest);
        peers.to[rank] = guest;
    } else
        close(guest);
}

static void leave_all(unsigned char word)
{
    for (int i = 0; i < peers.count; i++) {
        if (peers.to[i] >= 0)
            send(peers.to[i], &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        close_socket(&peers.to[i]);
    }
    close_socket(&peers.door);
}

// The process has said its last word, or it is lost. One end is enough: nobody
// is to be told by another that we end, too.
static void hear(int i)
{
    unsigned char word = PEERS_LOST_CODE;
    ssize_t got = recv(peers.to[i], &word, 1, MSG_DONTWAIT);
    int error = errno;
    if (got < 0 && (error == EAGAIN || error == EINTR))
        return;
    close_socket(&peers.to[i]);
    if (got == 1 && word == 0)
        return;
    leave_all(word);
    peers.end(i,
              got == 1                          ? PEERS_ENDS
              : got == 0 || error == ECONNRESET ? PEERS_GONE
                                                : PEERS_SILENT,
              word);
}

static void *keep_watch(void *unused)
{
    (void)unused;
    struct pollfd *polled = calloc((size_t)peers.count + 2, sizeof *polled);
    char command = 0;
    while (polled && command != LEAVE) {
        polled[peers.count] = (struct pollfd){peers.wake[0], POLLIN, 0};
        polled[peers.count + 1] = (struct pollfd){peers.door, POLLIN, 0};
        for (int i = 0; i < peers.count; i++) // poll passes over those of -1
            polled[i] = (struct pollfd){peers.to[i], POLLIN, 0};
        if (poll(polled, (nfds_t)peers.count + 2, -1) < 0)
            continue;
        // Before others are heard: who leaves need not know who is lost.
        if (polled[peers.count].revents &&
            read(peers.wake[0], &command, 1) == 1 && command == SHUT)
            close_socket(&peers.door);
        if (command == LEAVE)
            break;
        for (int i = 0; i < peers.count; i++)
            if (polled[i].revents && peers.to[i] >= 0)
                hear(i);
        if (polled[peers.count + 1].revents && peers.door >= 0)
            let_in();
    }
    leave_all(peers.word);
    free(polled);
    return NULL;
}

static void leave_in_order(void)
{
    peers_leave(0);
}

// With that connection to rank 0, or -1. Signals are for the threads that
// expect them.
static bool start(int count, int to_first, PeersEnd *end)
{
    sigset_t all, before;
    peers.count = count;
    peers.end = end;
    peers.to = malloc((size_t)count * sizeof *peers.to);
    if (!peers.to || pipe2(peers.wake, O_CLOEXEC) != 0)
        return false;
    for (int i = 0; i < count; i++)
        peers.to[i] = i == 0 ? to_first : -1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    peers.running = pthread_create(&peers.thread, NULL, keep_watch, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return peers.running && atexit(leave_in_order) == 0;
}

static void command(Command what)
{
    char word = (char)what;
    while (write(peers.wake[1], &word, 1) < 0 && errno == EINTR)
        ;
}

// ---- rank 0 -----------------------------------------------------------------

// Of this machine; itself alone (127.0.0.1) where it has no others, for then
// all are here.
static void find_addresses(PeersDoor *door)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) != 0)
        list = NULL;
    for (struct ifaddrs *i = list; i; i = i->ifa_next) {
        struct sockaddr_in place;
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
            !(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_LOOPBACK) ||
            door->address_count == PEERS_ADDRESSES)
            continue;
        memcpy(&place, i->ifa_addr, sizeof place);
        door->addresses[door->address_count++] = place.sin_addr.s_addr;
    }
    if (!door->address_count)
        door->addresses[door->address_count++] = htonl(INADDR_LOOPBACK);
    freeifaddrs(list);
}

void peers_open(PeersDoor *door, int count, PeersEnd *end)
{
    struct sockaddr_in place = {.sin_family = AF_INET};
    socklen_t size = sizeof place;
    *door = (PeersDoor){0};
    peers.door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peers.door < 0 ||
        bind(peers.door, (struct sockaddr *)&place, sizeof place) != 0 ||
        listen(peers.door, count) != 0 ||
        getsockname(peers.door, (struct sockaddr *)&place, &size) != 0 ||
        getrandom(door->asks, PEERS_KEY, 0) != PEERS_KEY ||
        getrandom(door->answers, PEERS_KEY, 0) != PEERS_KEY)
        return;
    door->port = place.sin_port;
    peers.key = *door;
    if (start(count, -1, end))
        find_addresses(door);
}

void peers_shut(void)
{
    if (peers.running)
        command(SHUT);
}

// ---- the others -------------------------------------------------------------

// -1: it is not there.
static int knock(const PeersDoor *door, uint32_t address, int32_t rank)
{
    struct sockaddr_in place = {.sin_family = AF_INET,
                                .sin_port = door->port,
                                .sin_addr.s_addr = address};
    unsigned char answer[PEERS_KEY];
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (to < 0)
        return -1;
    limit_waits(to, enter_time); // connect waits no longer either
    keep_alive(to);
    if (connect(to, (struct sockaddr *)&place, sizeof place) != 0 ||
        !send_all(to, door->asks, PEERS_KEY) ||
        !receive_all(to, answer, sizeof answer) ||
        memcmp(answer, door->answers, sizeof answer) != 0 ||
        !send_all(to, &rank, sizeof rank))
        close_socket(&to);
    return to;
}

bool peers_enter(const PeersDoor *door, int rank, PeersEnd *end)
{
    int to = -1;
    for (int i = 0; i < door->address_count && to < 0; i++)
        to = knock(door, door->addresses[i], rank);
    if (to >= 0 && start(1, to, end))
        return true;
    if (to >= 0)
        send(to, "", 1, MSG_NOSIGNAL); // in good order
    close_socket(&to);
    return false;
}

// ---- the end ----------------------------------------------------------------

void peers_leave(int code)
{
    if (!atomic_exchange(&peers.running, false))
        return;
    if (pthread_equal(peers.thread, pthread_self())) // then all know
        return;
    peers.word = (unsigned char)code;
    command(LEAVE);
    pthread_join(peers.thread, NULL);
    free(peers.to);
    peers.to = NULL;
    close_socket(&peers.wake[0]);
    close_socket(&peers.wake[1]);
}
