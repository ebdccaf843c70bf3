#!/bin/sh
# Measures and reports: peak, single convolutions, whole training steps. The
# programs are built already (make bench). Takes minutes; other work on the
# machine at the same time makes the numbers worse than they are. CASES="r18_32"
# compiles and steps through those alone; see also BENCH_CONVS (conv.c) and
# BENCH_PEERS (steps.c).
set -u
export BUILD="${BUILD:-build}"
out=$BUILD/bench
failed=0
for case in ${CASES:-}; do
    grep -q "^CASE($case," bench/cases.def ||
        { echo "bench: no case $case in bench/cases.def" >&2; exit 2; }
done
# What one of them leaves unfinished, or an interrupt, is missing in the report.
trap : INT
# measure PROGRAM WORD...
measure() {
    "$out/$@" > "$out/$1.tsv" || { echo "bench: $1 failed" >&2; failed=1; }
}
measure peak
# shellcheck disable=SC2086
measure compile ${CASES:-}
# shellcheck disable=SC2086
measure steps ${CASES:-}
measure conv
"$out/report" > "$out/report.txt" || failed=1
cat "$out/report.txt"
exit "$failed"
