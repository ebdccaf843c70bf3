#!/bin/sh
# A batch taken in chunks: the images and losses of the whole batch, less
# memory, the same bits after a stop and on any number of threads.
. tests/e2e/lib.sh

shapes=$work/shapes
"$simcc" data synth "$shapes" --classes 3 --per-class 24 --size 16 \
    > "$work/log" 2>&1
cat > "$work/plain.net" << END
import "$PWD/models/lib/contrastive.net"
import "$PWD/models/lib/heads.net"
import "$PWD/models/lib/optimizers.net"
import "$PWD/models/lib/augment.net"

# Without batch norms.
phase pretrain(batch = 16, steps = 8, chunk = none) {
    input images = unlabeled.views(2), augment simclr_augment(16)
    h = mean(relu(conv(images, 8, 3) as conv), over = "hw")
    z = dense(h, 8, sigma = 0.5) as fc
    minimize nt_xent(z, 0.2)
    using    sgd(rate = 0.2)
    report   contrastive_accuracy(z), spread(h)
}
END

# plain OUT CHUNK: in double precision.
plain() {
    "$simcc" run "$work/plain.net" --data "$shapes" --out "$work/$1" \
        --dtype f64 --set pretrain.chunk="$2"
}

# What each step reported.
reports() {
    sed -n 's/.*"loss":\([^,]*\),.*"contrastive_accuracy":\([^,]*\),.*/\1 \2/p' \
        "$work/$1/metrics.jsonl"
}

same_reports() {
    reports "$1" > "$work/a"
    reports "$2" > "$work/b"
    [ "$(wc -l < "$work/a")" = 8 ] && alike 1e-12 "$work/a" "$work/b"
}

check "chunk: trains on whole batches" plain whole none
check "chunk: trains in chunks of 4" says "steps of 16 in chunks of 4" \
    plain fours 4
check "chunk: the losses are those of the whole batch" \
    same_reports whole fours
check "chunk: show prints it" says "chunk = 4" "$simcc" show "$work/plain.net" \
    --set pretrain.chunk=4
check "chunk: a program need not name it" says "rate = 2.0, chunk = 32)" \
    "$simcc" show models/quickstart.net --set pretrain.chunk=32
check "chunk: what does not divide is refused" exits 3 plain none 5

# number NAME SETTING WORD...: of the JSON that summary prints.
number() {
    name=$1 setting=$2
    shift 2
    "$simcc" summary models/quickstart.net --phase pretrain --json "$@" \
        --set "$setting" pretrain.batch=64 | sed -n 's/.*"'"$name"'":\([0-9]*\).*/\1/p'
}

# Embeddings and images of the batch come on top of an eighth.
less_memory() {
    whole=$(number activations pretrain.rate=2)
    part=$(number activations pretrain.chunk=8)
    echo "$part of $whole"
    [ "$part" -gt 0 ] && [ $((6 * part)) -lt "$whole" ]
}
check "chunk: summary promises less memory" less_memory

# A process of four has a quarter of the batch, and as many multiply-adds for an
# image; of a chunk, too.
shared_memory() {
    for setting in pretrain.rate=2 pretrain.chunk=32; do
        whole=$(number activations "$setting")
        part=$(number activations "$setting" --ranks 4)
        echo "$part of $whole"
        [ "$part" -gt 0 ] && [ $((5 * part)) -lt $((2 * whole)) ] || return 1
    done
    [ "$(number macs pretrain.rate=2)" = "$(number macs pretrain.rate=2 --ranks 4)" ]
}
check "chunk: summary promises what a process of four needs" shared_memory

# train OUT OPTION...: batch norms, too.
train() {
    out=$1
    shift
    "$simcc" run "$work/q.simcc" pretrain --data "$shapes" \
        --out "$work/$out" "$@"
}
same_model() {
    cmp "$work/one/pretrain/model.safetensors" \
        "$work/$1/pretrain/model.safetensors"
}
check "chunk: compiles to an artifact" "$simcc" compile models/quickstart.net \
    --phase pretrain -o "$work/q.simcc" --set filters=4 groups=2 \
    image_size=16 pretrain.batch=24 pretrain.epochs=6 pretrain.chunk=6
check "chunk: which trains" train one --threads 1
check "chunk: with the same bits on three threads" train three --threads 3
check "chunk: or so it says" same_model three
check "chunk: stops" train stopped --stop-after 7
check "chunk: and goes on" says "resuming at step 7" train stopped --resume
check "chunk: to the same bits" same_model stopped
check "chunk: an evaluation is in chunks, too" says '"test":' "$simcc" run \
    models/quickstart.net scratch --data "$shapes" --out "$work/scratch" \
    --json --set filters=4 groups=2 image_size=16 classes=3 scratch.steps=3 \
    scratch.labels=4 scratch.batch=12 scratch.chunk=4
finish
