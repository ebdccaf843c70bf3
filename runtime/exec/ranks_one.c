// One process, in a build without MPI.
#include <stdlib.h>
#include <string.h>

#include "runtime/exec/ranks.h"

// Set by Open MPI's launcher, and by those of MPICH and of batch systems.
static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};

// Several runs that do not know of each other would take each other for
// strangers in one folder.
Status ranks_open(void)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *text = getenv(sizes[i]);
        if (text && atoi(text) > 1)
            return status_error(STATUS_USAGE,
                                "started as %s processes by an MPI launcher, "
                                "but built without MPI: `make mpi` builds "
                                "build/mpi/simcc",
                                text);
    }
    return status_ok();
}

void ranks_close(void)
{
}

int ranks_count(void)
{
    return 1;
}

int ranks_index(void)
{
    return 0;
}

int ranks_here(void)
{
    return 1;
}

const char *ranks_library(void)
{
    return NULL;
}

void ranks_gather(const void *from, void *to, int64_t bytes)
{
    memcpy(to, from, (size_t)bytes);
}

void ranks_exchange(const void *from, void *to, const int64_t *bytes)
{
    (void)from, (void)to, (void)bytes;
}

bool ranks_can_work_behind(void)
{
    return true;
}

void ranks_work_behind(void)
{
}

void ranks_collect(void *data, const int64_t *bytes)
{
    (void)data, (void)bytes;
}

void ranks_broadcast(void *data, int64_t bytes)
{
    (void)data, (void)bytes;
}

bool ranks_any(bool here)
{
    return here;
}

void ranks_set_lost(RanksLost *say)
{
    (void)say;
}

const char *ranks_unwatched(int *rank)
{
    (void)rank;
    return NULL;
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
    exit(code);
}
