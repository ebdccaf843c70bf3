#!/bin/sh
# A moving average of the net and its memory of negatives: it learns, goes on
# from a checkpoint bit for bit, is counted, and is in no model.
. tests/e2e/lib.sh

lib=$PWD/models/lib
net=$work/momentum.net
cat > "$net" <<END
import "$lib/resnet.net"
import "$lib/heads.net"
import "$lib/contrastive.net"
import "$lib/optimizers.net"
import "$lib/augment.net"
def net(images) = projection_head(small_resnet(images, [8]), layers = 2, out = 8).last
phase pretrain(batch = 32, steps = 50, memory = 128) {
    input images = unlabeled.views(2), augment crop_and_flip(8, 0.3)
    z    = net(images)
    past = if memory > 0 then moving_average(remember(net(first_images(images)), memory), 0.9) else none
    minimize nt_xent(z, 0.2, average = true, memory = past)
    using    sgd(rate = 0.1)
    report   below_chance = loss_at_chance(z, true, past) - nt_xent(z, 0.2, average = true, memory = past)
}
phase more(batch = 16, steps = 2) from pretrain {
    input images = unlabeled.views(2), augment [center_crop(8)]
    z = net(images)
    minimize nt_xent(z, 0.2)
    using    sgd(rate = 0.1)
}
def bare(images) = dense(mean(relu(conv(images, 8, 3) as c), over = "hw"), 8) as d
phase chunked(batch = 32, steps = 6, chunk = none) {
    input images = unlabeled.views(2), augment crop_and_flip(8, 0.3)
    z    = bare(images)
    past = moving_average(remember(bare(first_images(images)), 64), 0.9)
    minimize nt_xent(z, 0.2, memory = past)
    using    sgd(rate = 0.1)
}
END
train() {
    out=$1
    shift
    "$simcc" run "$net" "$@" --data "$work/shapes" --out "$out"
}
export_to() {
    to=$1
    shift
    "$simcc" export "$net" pretrain -o "$to" "$@"
}
# The last number of a report in the metrics, more than a bound.
more_than() {
    sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p" "$run/metrics.jsonl" | tail -n 1 |
        awk -v least="$2" '{ got = $1 } END { print got; exit !(got > least) }'
}
# Bytes of weights and optimizer.
parameters() {
    "$simcc" summary "$net" -p pretrain --json "$@" |
        sed -n 's/.*"parameters":\([0-9]*\).*/\1/p'
}
names() {
    head -c 20000 "$1" | tr ',{' '\n\n' | sed -n 's/^"\([a-z0-9_.]*\)":$/\1/p'
}
run=$work/run

check "momentum: data" "$simcc" data synth "$work/shapes" --classes 4 \
    --per-class 32 --size 16
check "momentum: trains" train "$run" pretrain -j 2
check "momentum: it learns" more_than below_chance 0.15
train "$work/broken" pretrain -j 1 --stop-after 23 -q
check "momentum: goes on" train "$work/broken" pretrain -j 1 --resume
check "momentum: as if unbroken" cmp "$run/pretrain/model.safetensors" \
    "$work/broken/pretrain/model.safetensors"
export_to "$work/ema.st" --out "$run" --ema -q
export_to "$work/ema2.st" --out "$work/broken" --ema -q --set pretrain.memory=0
check "momentum: the average, too" same_tensors "$work/ema.st" "$work/ema2.st"

# Without norms, chunks of a batch are the batch, and so is what they remember.
losses() {
    grep -o '"loss":[0-9.]*' "$1/metrics.jsonl"
}
train "$work/whole" chunked --dtype f64 -q
train "$work/parts" chunked --dtype f64 -q --set chunked.chunk=8
check "momentum: six steps" test "$(losses "$work/whole" | wc -l)" = 6
losses "$work/whole" > "$work/whole.losses"
losses "$work/parts" > "$work/parts.losses"
check "momentum: the same in chunks" alike 1e-12 "$work/whole.losses" \
    "$work/parts.losses"

names "$run/pretrain/checkpoint.safetensors" > "$work/names"
check "momentum: the checkpoint has the averages" grep -q \
    '^ema.head.1.dense.weight$' "$work/names"
check "momentum: and the memory" grep -q '^ema.rows$' "$work/names"
check "momentum: no model has them" exits 1 grep -q 'ema\.' \
    "$run/pretrain/model.safetensors"
check "momentum: another phase starts from the net alone" train "$run" more \
    --set pretrain.memory=0

# 128 rows of 8 and a mark.
few=$(parameters --set pretrain.memory=128)
many=$(parameters --set pretrain.memory=256)
check "momentum: the summary counts the memory" test \
    $((many - few)) = $((128 * 9 * 4))

check "momentum: exports the net" export_to "$work/net.st" --out "$run"
names "$work/net.st" > "$work/net.names"
names "$work/ema.st" > "$work/ema.names"
check "momentum: under the same names" cmp "$work/net.names" "$work/ema.names"
check "momentum: other numbers" exits 1 cmp -s "$work/net.st" "$work/ema.st"
check "momentum: the average is a start" says " 0 extra" train "$work/slow" \
    pretrain --init "$work/ema.st" --set pretrain.steps=1
train "$work/plain" pretrain --set pretrain.memory=0 pretrain.steps=1 -q
check "momentum: no average to export" says "there is no moving average of" \
    export_to "$work/none.st" --out "$work/plain" --ema --set pretrain.memory=0
check "momentum: parts of batches" says "make it a multiple of the batch" \
    "$simcc" check "$net" --set pretrain.memory=100
check "momentum: fewer than a batch" says "make it a multiple of the batch" \
    "$simcc" check "$net" --set pretrain.memory=16
# The loss reads the average alone: the net beside it is not trained, and the
# average begins, and stays, at its first numbers.
cat > "$work/alone.net" <<'NET'
import "lib/layers.net"
import "lib/heads.net"
import "lib/losses.net"
import "lib/optimizers.net"
import "lib/augment.net"
param classes = 3
def net(x) = mean(relu(conv(x, 8, 3) as c1), over = "hw")
phase train(batch = 4, steps = 2) {
    input images, y = labeled(all), augment [random_crop(16)]
    h = net(images)
    minimize cross_entropy(classifier(moving_average(net(images), 0.9), classes), y)
    using sgd(rate = 0.1)
}
NET
check "momentum: data of classes" "$simcc" data synth "$work/alone" --classes 3 \
    --per-class 4 --size 16
check "momentum: an average of what the loss does not reach otherwise" \
    "$simcc" run "$work/alone.net" --data "$work/alone" --out "$work/alone.run"
finish
