#!/bin/sh
# Measures and reports: peak, single convolutions, whole training steps. The
# programs are built already (make bench). Takes minutes; other work on the
# machine at the same time makes the numbers worse than they are.
set -u
export BUILD="${BUILD:-build}"
out=$BUILD/bench
export TORCHINDUCTOR_CACHE_DIR="$out/cache/inductor"
"$out/peak" > "$out/peak.tsv" &&
"$out/conv" > "$out/conv.tsv" &&
"$out/steps" > "$out/steps.tsv" &&
"$out/report" | tee "$out/report.txt"
