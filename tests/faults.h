// Failures on demand: the calls of our own code for memory and files are
// linked through here (--wrap in the Makefile), in the tests' program alone.
#ifndef SIMCC_TESTS_FAULTS_H
#define SIMCC_TESTS_FAULTS_H

#include <stdbool.h>

typedef enum FaultKind {
    FAULT_NONE,
    FAULT_MEMORY, // the n-th allocation
    FAULT_FILE,   // the n-th call that opens, reads, writes, syncs, names ...
    FAULT_DISK_FULL, // the n-th call that needs room on the disk, and all after
    FAULT_PIECES,    // no failure: reads and writes of at most n bytes, every
                     // other one broken off by a signal
} FaultKind;

// From now on, in every thread.
void fault_arm(FaultKind kind, int n);
// Ends it. Was a call made to fail?
bool fault_disarm(void);

#endif
