// Notices when a process of a job is gone without a word: killed, crashed, out
// of memory, or its machine off. MPI does not tell, and its launcher tells in
// its own way, or not at all.
//
// Each of the others has a connection of TCP with rank 0, over which nothing is
// sent but a last word. One that breaks off without it is the news: the kernel
// closes the connections of a process that ends, however it ends, and asks now
// and then (keep-alive) whether the other machine is still there.
#ifndef SIMCC_RUNTIME_PEERS_H
#define SIMCC_RUNTIME_PEERS_H

#include <stdbool.h>
#include <stdint.h>

enum { PEERS_ADDRESSES = 8, PEERS_KEY = 16 };

// Where rank 0 is to be found, and what both sides know each other by: to be
// handed to the others as it is. No addresses: nowhere.
typedef struct PeersDoor {
    uint32_t addresses[PEERS_ADDRESSES]; // of IPv4, in the network's order
    int32_t address_count;
    uint16_t port; // in the network's order
    unsigned char asks[PEERS_KEY], answers[PEERS_KEY];
} PeersDoor;

typedef enum PeersFate {
    PEERS_GONE,   // ended without a word
    PEERS_SILENT, // its machine does not answer any more
    PEERS_ENDS,   // ends all, as it said, or as another said to it
} PeersFate;

enum { PEERS_LOST_CODE = 128 + 9 }; // as if all had been ended by SIGKILL

// What has become of `rank`, and the exit code with which all end. Called once,
// from a thread of its own. The others that it has a connection with know by
// then that this process ends, too.
typedef void PeersEnd(int rank, PeersFate fate, int code);

// Rank 0 of `count`: lets the others in from now on. Where it cannot, the door
// has no addresses, and nobody enters.
void peers_open(PeersDoor *door, int count, PeersEnd *end);
// Another rank: watches rank 0 and is watched by it. False where it cannot be
// reached within some seconds.
bool peers_enter(const PeersDoor *door, int rank, PeersEnd *end);
// Rank 0, when all that can have entered: nobody else may.
void peers_shut(void);
// This process leaves with a word: 0 in good order, so that nobody takes it for
// lost, which exit() does, too; else the exit code with which all are to end.
void peers_leave(int code);

#endif
