// What this process's control groups allow it, of version 1 and 2.
#ifndef SIMCC_RUNTIME_CGROUP_H
#define SIMCC_RUNTIME_CGROUP_H

#include <stdint.h>

// The least limit of memory of its group and those around it, in bytes, and the
// least quota of processor time, in processors; INT64_MAX and HUGE_VAL where
// there is none. `root` stands before /proc and /sys: "", but for tests.
int64_t cgroup_memory(const char *root);
double cgroup_processors(const char *root);

#endif
