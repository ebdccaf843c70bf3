#!/bin/sh
# Ways to convolve, chosen by measurement: tuned runs, how they go on, and what
# is refused.
. tests/e2e/lib.sh

net=models/quickstart.net
"$simcc" data synth "$work/shapes" --classes 3 --per-class 12 --size 16 -q

# train OUT OPTION...
train() {
    out=$1
    shift
    "$simcc" run "$net" pretrain --data "$work/shapes" --out "$out" --set \
        filters=16 groups=2 image_size=16 classes=3 pretrain.batch=8 \
        pretrain.epochs=2 "$@"
}

check "tune: measures convolutions" says " of them measured now: " \
    train "$work/whole" --tune
check "tune: but once" says ", 0 of them measured now: " \
    train "$work/part" --tune --stop-after 3
# Nothing measured is at hand: the run knows its ways.
check "tune: a run goes on" env XDG_CACHE_HOME="$work/empty" \
    "$simcc" run "$net" pretrain --data "$work/shapes" --out "$work/part" \
    --resume --set filters=16 groups=2 image_size=16 classes=3 \
    pretrain.batch=8 pretrain.epochs=2
check "tune: with the same bits" cmp "$work/whole/pretrain/model.safetensors" \
    "$work/part/pretrain/model.safetensors"

train "$work/rule" --stop-after 3 > "$work/log" 2>&1
check "tune: no ways without it" [ ! -e "$work/rule/pretrain/ways" ]
train "$work/rule" --tune --resume --stop-after 1 > "$work/log" 2>&1
check "tune: a run begun without goes on" grep -q "stopped after" "$work/log"
check "tune: and measures nothing" [ "$(grep -c tuned "$work/log")" = 0 ]
echo "another shape: rows" >> "$work/rule/pretrain/ways"
check "tune: other ways are refused" says "--tune chose other ways to convolve" \
    train "$work/rule" --resume

"$simcc" compile "$net" --phase pretrain --tune -o "$work/tuned.simcc" \
    --set filters=16 groups=2 image_size=16 classes=3 pretrain.batch=8 \
    pretrain.epochs=2 > "$work/log" 2>&1
check "tune: artifacts have their ways" "$simcc" run "$work/tuned.simcc" \
    pretrain --data "$work/shapes" --out "$work/artifact"
check "tune: and give the same bits" cmp \
    "$work/whole/pretrain/model.safetensors" \
    "$work/artifact/pretrain/model.safetensors"
check "tune: artifacts are not tuned again" says "--tune" \
    "$simcc" run "$work/tuned.simcc" pretrain --tune --data "$work/shapes" \
    --out "$work/no"

finish
