#!/bin/sh
# --memory finds the batch that fits, says what would when one was asked for,
# and the run stays within it.
. tests/e2e/lib.sh

if grep -q __asan_init "$simcc"; then
    skip fit_test "a sanitizer takes memory of its own"
    exit 0
fi
"$simcc" data synth "$work/shapes" --classes 2 --per-class 100 --size 32 \
    > "$work/log" 2>&1

# run OPTION...: two steps.
run() {
    "$simcc" run models/quickstart.net pretrain --data "$work/shapes" \
        --out "$work/run" --force --stop-after 2 --threads 2 "$@"
}

# The most the process held, in KiB, asked again and again while it runs.
most=0
stays_below() {
    limit=$1
    shift
    run "$@" > "$work/said" 2>&1 &
    while read -r _ now _ < "/proc/$!/statm"; do
        [ "$now" -le "$most" ] || most=$now
    done 2> /dev/null
    wait $! || { cat "$work/said"; return 1; }
    echo "held $((most * 4)) KiB of $limit"
    [ "$most" -gt 0 ] && [ $((most * 4)) -le "$limit" ]
}

check "memory: a smaller batch is found" stays_below $((300 * 1024)) \
    --memory 300M
check "memory: and said" grep -q 'pretrain.batch = [0-9]*, the largest' \
    "$work/said"
check "memory: one that was set is not changed" exits 6 run --memory 300M \
    --set pretrain.batch=128
check "memory: but what would fit is said" says '--set pretrain.batch=' run \
    --memory 300M --set pretrain.batch=128
check "memory: and the chunks that keep the batch" says \
    'takes all 128 in chunks' run --memory 300M \
    --set pretrain.batch=128
chunk=$(sed -n 's/.*pretrain.chunk=\([0-9]*\).*/\1/p' "$work/said")
check "memory: which they do" stays_below $((300 * 1024)) --memory 300M \
    --set pretrain.batch=128 pretrain.chunk="$chunk"
check "memory: a chunk that was set is not changed" says \
    '--set pretrain.chunk=' run --memory 300M \
    --set pretrain.batch=128 pretrain.chunk=64 image_size=40
check "memory: no chunk fits" says "smaller batch" run --memory 250M \
    --set pretrain.batch=128 pretrain.chunk=32 image_size=64
check "memory: smaller images do" says "with --set image_size=128 one would" \
    run --memory 300M --set image_size=256 filters=64
check "memory: what fits stays as it is" says "steps of 64" run \
    --memory 8G --set pretrain.batch=64
check "memory: nothing fits" says "no batch fits" run --memory 20M
check "memory: that is exit code 6" exits 6 run --memory 20M
check "memory: no size" exits 2 run --memory much
check "memory: more than any machine has" exits 6 "$simcc" run \
    models/simclrv2.net pretrain --data "$work/shapes" --out "$work/run" \
    --force --set depth=18 width=4 image_size=1024 pretrain.batch=200
finish
