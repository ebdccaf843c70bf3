#!/bin/sh
# What simcc profile shows, and the trace it writes.
. tests/e2e/lib.sh

net=models/quickstart.net
small="filters=16 groups=2 image_size=16 pretrain.batch=16"

# profile OPTION...
profile() {
    # shellcheck disable=SC2086
    "$simcc" profile "$net" pretrain --threads 2 --set $small "$@"
}

# events THREAD: how many kernels the trace has of it.
events() {
    grep -c "\"ph\":\"X\".*\"tid\":$1,\"ts\":[0-9.-]*,\"dur\":[0-9.]*," \
        "$work/trace.json"
}

check "profile: kernels and lines" profile --trace "$work/trace.json"
cp "$work/check.log" "$work/table"
check "profile: arithmetic and bytes" grep -q 'GFLOP/s.*MB.*GB/s' "$work/table"
check "profile: lines of the source" grep -q 'layers.net:[0-9]' "$work/table"
check "profile: a trace of thread 0" [ "$(events 0)" -gt 20 ]
check "profile: a trace of thread 1" [ "$(events 1)" -gt 20 ]
# Braces and brackets pair up: it is one JSON object.
check "profile: the trace is whole" awk '
    { open += gsub(/\{/, ""); close_ += gsub(/\}/, "") }
    END { exit !(open > 20 && open == close_) }' "$work/trace.json"
profile --json > "$work/json"
for field in peak_flops kernels lines flops bytes kernel line steps live slab; do
    check "profile: --json has $field" grep -q "\"$field\":" "$work/json"
done
# The same work, on more threads: in no more time, with no less of it idle.
check "profile: foreseen on 8, 16 and 64 threads" awk '
    {
        gsub(/.*"more_threads":\[\{|\}\].*/, "")
        count = split($0, rows, /\},\{/)
        for (i = 1; i <= count; i++) {
            split(rows[i], field, /[:,]/)
            threads = field[2]; seconds = field[4]; idle = field[6]
            busy = threads * seconds * (1 - idle)
            ok += threads == 8 * 2 ^ (i < 3 ? i - 1 : 3) && seconds > 0 &&
                idle >= last_idle && idle < 1 &&
                (i == 1 || (seconds <= last && busy > .99 * first && busy < 1.01 * first))
            last = seconds; last_idle = idle
            if (i == 1) first = busy
        }
    }
    END { exit ok != 3 }' "$work/json"
finish
