#!/bin/sh
# Random numbers in a net are named by seed, phase, step, place and image: the
# same bits on any number of threads and after a kill, the same numbers in
# chunks, none in evaluation.
. tests/e2e/lib.sh

shapes=$work/shapes
"$simcc" data synth "$shapes" --classes 4 --per-class 24 --size 16 \
    > "$work/log" 2>&1
cat > "$work/drops.net" << END
import "$PWD/models/lib/random.net"
import "$PWD/models/lib/layers.net"
import "$PWD/models/lib/optimizers.net"
import "$PWD/models/lib/augment.net"

param rate = 0.3
param mix  = "none"
param classes = 4

def block(x) = x + drop_path(dropout(relu(conv(x, 16, 3) as conv), rate), rate)
def net(images) {
    x = relu(conv(images, 16, 3) as stem)
    if training { x = x + 0.01 * random_normal(shape(x)) }
    for i in 0..2 { x = block(x) as block{i} }
    return mean(x, over = "hw")
}
phase p(batch = 16, steps = 24, chunk = none) {
    input images, y = labeled(all), augment crop_and_flip(16, 0.3), evaluate [center_crop(16)]
    h = net(images)
    if training { h = h + 0.01 * random_normal(shape(h)) }
    logits = dense(dropout(h, rate), classes, sigma = 0.1) as fc
    minimize cross_entropy(logits, y)
    using    sgd(rate = 0.05)
    report   top1(logits, y)
}
phase mixed(batch = 16, steps = 6) {
    input images, y = labeled(all), augment crop_and_flip(16, 0.3), evaluate [center_crop(16)]
    m = if mix == "cutmix" then cutmix(images) else if mix == "mixup" then mixup(images, 0.4) else [images, 1.0]
    logits = dense(net(m[0]), classes, sigma = 0.1) as fc
    minimize mixed_cross_entropy(logits, y, m[1])
    using    sgd(rate = 0.05)
    report   kept = m[1] + 0 * mean(logits)
}
END

# run OUT PHASE WORD...
run() {
    out=$1 phase=$2
    shift 2
    "$simcc" run "$work/drops.net" "$phase" --data "$shapes" --out "$work/$out" "$@"
}
# same ONE OTHER: bits of the trained weights.
same() {
    cmp "$work/$1/p/model.safetensors" "$work/$2/p/model.safetensors"
}
differ() {
    ! same "$1" "$2"
}
# losses OUT: of each step.
losses() {
    sed -n 's/.*"loss":\([^,]*\),.*/\1/p' "$work/$1/metrics.jsonl"
}
same_losses() {
    losses "$1" > "$work/a"
    losses "$2" > "$work/b"
    [ "$(wc -l < "$work/a")" -ge 24 ] && alike "$3" "$work/a" "$work/b"
}

for type in f32 f64; do
    check "random: $type" run "one-$type" p --threads 1 --dtype $type
    check "random: $type on three threads" run "three-$type" p --threads 3 --dtype $type
    check "random: $type, the same bits" same "one-$type" "three-$type"
done
check "random: another seed" run other p --threads 1 --seed 5
check "random: other bits" differ one-f32 other
check "random: without any" run none p --threads 1 --set rate=0
check "random: other bits, too" differ one-f32 none

check "random: in chunks" run chunks p --dtype f64 --set p.chunk=4
check "random: with the losses of the whole batch" \
    same_losses one-f64 chunks 1e-12

# Killed in the middle, with a checkpoint after every step.
check "random: a longer run" run whole p --set p.steps=400
(exec "$simcc" run "$work/drops.net" p --data "$shapes" --out "$work/killed" \
    --set p.steps=400 --save-every 0.001 -q) &
victim=$!
tries=0
until [ -e "$work/killed/p/checkpoint.safetensors" ] || [ "$tries" -ge 300 ]; do
    sleep 0.02
    tries=$((tries + 1))
done
kill -9 "$victim" 2> /dev/null
wait "$victim" 2> /dev/null
check "random: goes on after a kill" says "resuming at step" run killed p \
    --set p.steps=400 --resume
check "random: to the same bits" same whole killed
check "random: stops" run stopped p --stop-after 7
check "random: and goes on" says "resuming at step 7" run stopped p --resume
check "random: to the same bits, too" same one-f32 stopped

# The passes put the net in blocks of channels; without them it is plain.
blocked() {
    "$simcc" compile "$work/drops.net" --phase p --emit graph > "$work/graph"
    grep -q '= random .*form=blocked' "$work/graph" &&
        ! grep '= random .*dims=\[16,16,16,16\]' "$work/graph"
}
check "random: blocks of channels draw for themselves" blocked

# embedded ARRAY WORD...: what the net makes of the pictures.
embedded() {
    array=$1
    shift
    "$simcc" embed "$work/drops.net" p --data "$shapes" --out "$work/one-f64" \
        -o "$work/$array.npy" --value logits --dtype f64 -q "$@"
}
check "random: evaluation" embedded drops
check "random: evaluation without dropout" embedded plain --set rate=0
check "random: dropout in evaluation is the identity" \
    cmp "$work/drops.npy" "$work/plain.npy"

# kept OUT: each step's share, and the evaluation's.
kept() {
    sed -n 's/.*"kept":\([^,}]*\).*/\1/p' "$work/$1/metrics.jsonl"
}
# In training between 0 and 1, and not always the same; then 1.
draws_shares() {
    kept "$1" | awk '
        { n++; if (n > 1 && last != $1) moves++; last = $1
          if ($1 < 0 || $1 > 1) bad = 1 }
        END { exit bad || n != 7 || moves < 4 || last != 1 }'
}
for mix in mixup cutmix; do
    check "random: $mix" run $mix mixed --set mix=$mix
    check "random: shares of $mix" draws_shares $mix
done
# Pairs are of the training step alone: predictions take images one by one.
predict() {
    "$simcc" predict "$work/drops.net" mixed --out "$work/mixup" -q \
        --set mix=mixup --top 1 "$@"
}
predict --data "$shapes" --split test -o "$work/table.csv"
cut -d , -f 1 "$work/table.csv" | sed "1d; s#^#$shapes/#" > "$work/names"
check "random: a net of mixed images predicts a stream" \
    predict --data - -o "$work/stream.csv" < "$work/names"
check "random: as it does a folder" test -s "$work/names" -a \
    "$(cut -d , -f 2,4 "$work/table.csv")" = \
    "$(cut -d , -f 2,3 "$work/stream.csv")"

check "random: mixes no images in chunks" says "images meet before this window" \
    run mixed mixed --set mix=mixup mixed.chunk=4
finish
