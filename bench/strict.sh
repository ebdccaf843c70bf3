#!/bin/sh
# Does Winograd's algorithm change what training learns? Pretrains the same
# ResNet-18 on drawn shapes with and without --strict, with several seeds, and
# prints the loss of both, step by step averaged over stretches, beside what
# another seed changes.
#   BUILD=build SEEDS=4 STEPS=300 BATCH=64 SIZE=32 sh bench/strict.sh [FOLDER]
set -eu
BUILD=${BUILD:-build}
SEEDS=${SEEDS:-4}
STEPS=${STEPS:-300}
BATCH=${BATCH:-64}
out=${1:-$BUILD/bench/strict}
mkdir -p "$out"
[ -e "$out/shapes" ] ||
    "$BUILD/simcc" data synth "$out/shapes" --size 32 --quiet

seed=0
while [ "$seed" -lt "$SEEDS" ]; do
    for how in winograd strict; do
        [ -e "$out/$how-$seed/pretrain/model.safetensors" ] ||
            "$BUILD/simcc" run models/simclrv2.net pretrain --quiet \
                --data "$out/shapes" --out "$out/$how-$seed" --force \
                --seed "$seed" $([ "$how" = strict ] && echo --strict) \
                --stop-after "$STEPS" --set depth=18 image_size="${SIZE:-32}" \
                pretrain.batch="$BATCH" pretrain.epochs=10 > "$out/log"
    done
    seed=$((seed + 1))
done

for how in winograd strict; do
    seed=0
    while [ "$seed" -lt "$SEEDS" ]; do
        sed -n 's/.*"step":\([0-9]*\).*"loss":\([-0-9.e+]*\).*/'"$how $seed"' \1 \2/p' \
            "$out/$how-$seed/metrics.jsonl"
        seed=$((seed + 1))
    done
done | awk -v stretch=$((STEPS / 6)) -v seeds="$SEEDS" '
    { part = int(($3 - 1) / stretch); key = $1 " " $2 " " part
      sum[key] += $4; count[key]++; if (part > last) last = part }
    function mean(how, seed, part, key) {
        key = how " " seed " " part
        return count[key] ? sum[key] / count[key] : 0 }
    function square(x) { return x * x }
    END {
        print "steps      winograd    strict  difference  seed to seed"
        for (p = 0; p <= last; p++) {
            w = s = spread = paired = 0
            for (i = 0; i < seeds; i++) {
                w += mean("winograd", i, p) / seeds
                s += mean("strict", i, p) / seeds
                paired += square(mean("winograd", i, p) - mean("strict", i, p))
            }
            for (i = 0; i < seeds; i++)
                spread += square(mean("strict", i, p) - s)
            printf "%4d-%-4d %10.5f %9.5f %11.5f %13.5f\n", p * stretch + 1,
                (p + 1) * stretch, w, s, sqrt(paired / seeds),
                sqrt(spread / (seeds - 1))
        }
    }'
