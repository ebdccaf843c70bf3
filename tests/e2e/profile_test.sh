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
finish
