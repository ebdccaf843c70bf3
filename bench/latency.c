// The latency of a network for kernels that have no delay of packets (netem): a
// library to preload, which holds back the end of each collective of MPI by
// LATENCY_US microseconds, once for each round of messages that it takes. A
// collective ends when the last piece has come, so this is when it would end if
// each message came that much later. Who waits for one gives no time to anybody
// else, as in MPI itself; non-blocking ones are held back in MPI_Test.
//
//   cc -shared -fPIC latency.c -o latency.so
//   mpirun -x LD_PRELOAD=latency.so -x LATENCY_US=50 ...
#include <mpi.h>
#include <stdlib.h>

static double latency(void)
{
    static double seconds = -1;
    if (seconds < 0)
        seconds = getenv("LATENCY_US") ? 1e-6 * atof(getenv("LATENCY_US")) : 0;
    return seconds;
}

// Rounds of small gathers and reductions: each doubles what a process has.
static int doublings(MPI_Comm comm)
{
    int size, rounds = 0;
    PMPI_Comm_size(comm, &size);
    while (1 << rounds < size)
        rounds++;
    return rounds;
}

static int hold(int result, int rounds)
{
    double end = MPI_Wtime() + rounds * latency();
    while (MPI_Wtime() < end)
        ;
    return result;
}

int MPI_Allgather(const void *from, int count, MPI_Datatype type, void *to,
                  int to_count, MPI_Datatype to_type, MPI_Comm comm)
{
    return hold(PMPI_Allgather(from, count, type, to, to_count, to_type, comm),
                doublings(comm));
}

int MPI_Allreduce(const void *from, void *to, int count, MPI_Datatype type,
                  MPI_Op op, MPI_Comm comm)
{
    return hold(PMPI_Allreduce(from, to, count, type, op, comm),
                doublings(comm));
}

int MPI_Alltoallv(const void *from, const int *counts, const int *starts,
                  MPI_Datatype type, void *to, const int *to_counts,
                  const int *to_starts, MPI_Datatype to_type, MPI_Comm comm)
{
    return hold(PMPI_Alltoallv(from, counts, starts, type, to, to_counts,
                               to_starts, to_type, comm),
                1);
}

int MPI_Allgatherv(const void *from, int count, MPI_Datatype type, void *to,
                   const int *counts, const int *starts, MPI_Datatype to_type,
                   MPI_Comm comm)
{
    return hold(
        PMPI_Allgatherv(from, count, type, to, counts, starts, to_type, comm),
        doublings(comm));
}

int MPI_Test(MPI_Request *request, int *done, MPI_Status *status)
{
    static _Thread_local double due; // of what has come and is held back
    int result = PMPI_Test(request, done, status);
    if (result != MPI_SUCCESS || !*done)
        return result;
    if (due == 0)
        due = MPI_Wtime() + latency();
    *done = MPI_Wtime() >= due;
    if (*done)
        due = 0;
    return result;
}
