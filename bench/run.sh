#!/bin/sh
# Measures and reports: peak, single convolutions, whole training steps. The
# programs are built already (make bench). Takes minutes; other work on the
# machine at the same time makes the numbers worse than they are.
set -u
export BUILD="${BUILD:-build}"
out=$BUILD/bench
# What one of them leaves unfinished, or an interrupt, is missing in the report.
trap : INT
"$out/peak" > "$out/peak.tsv"
"$out/compile" > "$out/compile.tsv"
"$out/steps" > "$out/steps.tsv"
"$out/conv" > "$out/conv.tsv"
"$out/report" | tee "$out/report.txt"
