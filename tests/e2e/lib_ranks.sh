# For the scripts that start several processes, behind lib.sh.
# Root, more processes than cores, on any of them, and no reading of another
# process's memory, which containers forbid.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_btl_vader_single_copy_mechanism=none

# need_ranks NAME: ends the script where there is no `make mpi` or no launcher;
# WITH_MPI=1, as `make mpi-test` has it, does not do without.
need_ranks() {
    [ -z "${WITH_MPI:-}" ] ||
        check "$1: there are a build with MPI and a launcher" \
            mpirun -n 2 test -x "$BUILD/mpi/simcc"
    if ! [ -x "$BUILD/mpi/simcc" ] || ! mpirun -n 2 true 2> /dev/null; then
        skip "$1" "make mpi, and an mpirun that starts two processes"
        finish
    fi
}
