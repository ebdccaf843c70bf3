#!/bin/sh
# A network between two namespaces of this machine, and what is run over it by
# MPI, a process on a core each, by TCP. Wants root, iproute2 and Open MPI.
#
#   network.sh up RATE          e.g. 10gbit: a token bucket (tbf) at both ends
#   network.sh run N COMMAND... N processes, in turn in na on core 0 and in nb on
#                               core 1; LATENCY_US=50 delays what comes over it
#                               (latency.c, as LATENCY_LIBRARY)
#   network.sh down
set -eu
here=$(cd "$(dirname "$0")" && pwd)
agent=/tmp/simcc-network-agent
case $1 in
up)
    ip netns add na
    ip netns add nb
    ip link add va netns na mtu 9000 type veth peer name vb netns nb mtu 9000
    for x in a b; do
        ip netns exec n$x ip link set lo up
        ip netns exec n$x ip addr add 10.77.0.$([ $x = a ] && echo 1 || echo 2)/24 dev v$x
        ip netns exec n$x ip link set v$x up
        # The kernel's own default may send by a timer for each packet (bbr).
        ip netns exec n$x sysctl -qw net.ipv4.tcp_congestion_control=reno
        ip netns exec n$x tc qdisc add dev v$x root tbf rate "$2" burst 512k latency 50ms
    done
    ;;
down)
    ip netns del na || true
    ip netns del nb || true
    rm -f $agent
    ;;
agent) # mpirun's way to a host: its namespace
    host=$2
    shift 2
    exec ip netns exec "$host" unshare -u sh -c \
        'hostname "$0"; exec taskset -c "$1" sh -c "$2"' \
        "$host" "$([ "$host" = na ] && echo 0 || echo 1)" "$*"
    ;;
run)
    count=$2
    shift 2
    printf '#!/bin/sh\nexec sh %s/network.sh agent "$@"\n' "$here" > $agent
    chmod +x $agent
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    [ -z "${LATENCY_US:-}" ] ||
        set -- -x "LD_PRELOAD=$LATENCY_LIBRARY" -x LATENCY_US "$@"
    # Two on a core: who waits gives way to the other.
    [ "$count" -le 2 ] || set -- --mca mpi_yield_when_idle 1 "$@"
    exec ip netns exec na unshare -u sh -c 'hostname na; exec taskset -c 0 "$@"' - \
        mpirun -n "$count" --host na:$(((count + 1) / 2)),nb:$((count / 2)) \
        --map-by node --bind-to none --mca plm_rsh_agent $agent \
        --mca oob_tcp_if_include 10.77.0.0/24 --mca btl tcp,self,vader \
        --mca btl_tcp_if_include 10.77.0.0/24 \
        --mca btl_vader_single_copy_mechanism none --mca pml ob1 "$@"
    ;;
esac
