#!/bin/sh
# Does the way convolutions round change what training learns? Pretrains the
# same small net for 300 steps by default, with --strict, with --plain-sums and
# with activations in bf16, each with several seeds; then bench/rounding compares the losses.
#   BUILD=build SEEDS=4 DATA=DIR sh bench/rounding.sh [FOLDER]
# DATA: folders of images; without it shapes are drawn. What is in FOLDER from
# an earlier call is not run again.
set -eu
BUILD=${BUILD:-build}
SEEDS=${SEEDS:-4}
out=${1:-$BUILD/bench/rounding}
mkdir -p "$out"
if [ -z "${DATA:-}" ]; then
    DATA=$out/shapes
    [ -e "$DATA" ] || "$BUILD/simcc" data synth "$DATA" --size 32 --quiet
fi

for seed in $(seq 0 $((SEEDS - 1))); do
    for how in fast strict plain bf16; do
        case $how in
        fast) option= ;;
        strict) option=--strict ;;
        plain) option=--plain-sums ;;
        bf16) option='--precision bf16' ;;
        esac
        [ -e "$out/$how-$seed/pretrain/model.safetensors" ] ||
            "$BUILD/simcc" run models/quickstart.net pretrain --quiet \
                --data "$DATA" --out "$out/$how-$seed" --force \
                --seed "$seed" $option \
                --set filters=32 pretrain.batch=64 pretrain.steps=300
    done
done
make --no-print-directory BUILD="$BUILD" "$BUILD/bench/rounding" >&2
"$BUILD/bench/rounding" "$out" "$SEEDS"
