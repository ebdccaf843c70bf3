#!/bin/sh
# Nets beside ResNet: torchvision's weights in and out under its names, and the
# paper's way from pretraining to fine-tuning with each family for an encoder.
. tests/e2e/lib.sh

net=tests/weights/nets.net
data=$work/shapes
check "nets: data" "$simcc" data synth "$data" --classes 5 --per-class 2 \
    --size 40

# logits NAME: as torchvision has computed them with the weights of that file.
logits() {
    "$simcc" embed "$net" classify --data "$data" \
        --weights "tests/weights/$1.pth" --value logits --split test --csv \
        -o "$work/value.npy" --set net="$1" &&
        agree "tests/weights/$1.pth.logits.csv" "$work/value.csv" 1e-5
}

# start NAME: a run of no effect from them.
start() {
    "$simcc" run "$net" classify --data "$data" --out "$work/$1" \
        --init "tests/weights/$1.pth" --set net="$1" 2>&1
}

# Names and shapes of the tensors in a file, in order.
tensors() {
    "$simcc" weights "$1" | sed -n 's/^  \([^ ]*\) *[A-Z0-9]* *\(\[.*\)/\1 \2/p' | sort
}

# back NAME: what is exported has the names of what came in, all of them.
back() {
    "$simcc" export "$net" classify --out "$work/$1" -o "$work/$1.safetensors" \
        --set net="$1" || return 1
    tensors "tests/weights/$1.pth" > "$work/theirs"
    tensors "$work/$1.safetensors" > "$work/ours"
    [ -s "$work/theirs" ] && diff "$work/theirs" "$work/ours"
}

for it in regnet_y_tiny mobilenet_v3_tiny convnext_tinier; do
    check "nets: $it, logits" logits "$it"
    check "nets: $it, --init" says "names are torchvision's" start "$it"
    check "nets: $it, nothing missing" grep -q " 0 missing" "$work/said"
    check "nets: $it, nothing extra" grep -q " 0 extra" "$work/said"
    check "nets: $it, export" back "$it"
done
# Nets of one family share some names.
check "nets: another net of the family is refused" exits 4 "$simcc" run "$net" \
    classify --data "$data" --out "$work/other" \
    --init tests/weights/convnext_tinier.pth --set net=mobilenet_v3_tiny

# From the first layer of the head, and by the encoder alone.
small="image_size=32 classes=5 pretrain.batch=4 pretrain.steps=1 finetune.batch=4
    finetune.steps=1 finetune.labels=2 finetune_100.batch=4 finetune_100.steps=1"
# shellcheck disable=SC2086
for it in resnext50_32x4d regnet_y_400mf regnet_x_400mf mobilenet_v2 \
    mobilenet_v3_small efficientnet_b0 convnext_tiny vit_ti_16; do
    check "nets: $it, from the middle of the head" "$simcc" run \
        models/simclrv2.net pretrain finetune finetune_100 --data "$data" \
        --out "$work/$it.run" --set encoder="$it" $small
    check "nets: $it, leaves the head out" says "for it reads the projection head" \
        "$simcc" export models/simclrv2.net finetune --backbone \
        --out "$work/$it.run" -o "$work/$it.safetensors" \
        --set encoder="$it" $small
    rm -rf "$work/$it.run" "$work/$it.safetensors"
done

# Other programs and places that take a net by its name.
check "nets: quickstart takes one" "$simcc" run models/quickstart.net --data "$data" \
    --out "$work/quick" --set encoder=mobilenet_v2 classes=5 pretrain.batch=4 \
    pretrain.rate=0.01 finetune.rate=0.001 scratch.rate=0.001 \
    pretrain.epochs=1 finetune.batch=4 finetune.steps=1 finetune.labels=2 \
    distill.batch=4 distill.epochs=1 scratch.batch=4 scratch.steps=1 scratch.labels=2
# shellcheck disable=SC2086
check "nets: into another student" "$simcc" run models/simclrv2.net pretrain \
    finetune distill --data "$data" --out "$work/student" --set \
    encoder=mobilenet_v2 student=mobilenet_v3_small distill.batch=4 \
    distill.steps=1 $small

# A row of docs/nets.md: parameters, multiply-adds and features as they are.
# row NAME PARAMETERS GMACS FEATURES
row() {
    "$simcc" summary models/simclrv2.net --phase supervised --json \
        --set encoder="$1" supervised.batch=2 > "$work/json" || return 1
    part() { sed "s/.*\"$1\":{\([^}]*\)}.*/\1/" "$work/json"; }
    part total | tr ',' '\n' > "$work/total"
    gmacs=$(sed -n 's/"macs":\([0-9]*\)/\1/p' "$work/total" | awk '{ printf "%.3f", $1 / 1e9 }')
    trained=$(sed -n 's/"trainable":\([0-9]*\)/\1/p' "$work/total")
    fc=$(part fc | sed 's/"trainable":\([0-9]*\).*/\1/')
    echo "$trained $gmacs $((fc / 1000 - 1))"
    [ "$trained $gmacs $((fc / 1000 - 1))" = "$2 $3 $4" ]
}
sed -n 's/^| `\(.*\)` | \([0-9,]*\) | \([0-9.]*\) | \([0-9]*\) |$/\1 \2 \3 \4/p' docs/nets.md |
    tr -d , > "$work/rows"
check "nets: the table has rows" test "$(wc -l < "$work/rows")" -ge 25
while read -r it parameters gmacs features; do
    check "nets: docs/nets.md, $it" row "$it" "$parameters" "$gmacs" "$features"
done < "$work/rows"
finish
