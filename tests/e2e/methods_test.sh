#!/bin/sh
# The programs of models/methods by one line each: pretraining, a linear
# classifier and fine-tuning on tiny data with a small encoder; what pretraining
# made is what the others begin with; features of single images come out of all.
. tests/e2e/lib.sh

settings="image_size=8 classes=3 pretrain.batch=12 pretrain.steps=2
    linear.batch=12 linear.steps=1 finetune.batch=6 finetune.steps=1
    finetune.labels=2"
# What else must be small, by method.
sizes_of() {
    [ "$1" = mae ] || echo encoder=small filters=4
    case $1 in
    simclr) echo head_out=6 ;;
    supcon) echo head_hidden=8 head_out=6 ;;
    simsiam) echo hidden=8 out=6 predictor_hidden=4 ;;
    swav) echo hidden=8 out=6 prototypes=10 local_crops=3 local_size=8 ;;
    dino) echo hidden=8 bottleneck=6 out=10 local_crops=3 local_size=8 ;;
    mae) echo patch=2 dim=8 depth=2 heads=2 decoder_dim=8 decoder_depth=1 \
        decoder_heads=2 ;;
    *) echo hidden=8 out=6 ;;
    esac
}
# of METHOD COMMAND WORD...: a command of simcc on that method's run, with other
# settings behind those above in $more; $ending is that of the run's name.
more= ending=
of() {
    method=$1 command=$2
    shift 2
    # shellcheck disable=SC2046,SC2086
    "$simcc" "$command" "models/methods/$method.net" "$@" \
        --data "$work/shapes" --out "$work/$method$ending" \
        --set $(merged "$settings" "$more") $(sizes_of "$method")
}
# Every loss that a run reports is a number.
has_losses() {
    [ "$(grep -c '"loss":-\{0,1\}[0-9]' "$work/$1/metrics.jsonl")" -ge 4 ]
}

check "methods: data" "$simcc" data synth "$work/shapes" --classes 3 \
    --per-class 12 --size 16
found=0
for file in models/methods/*.net; do
    method=$(basename "$file" .net)
    found=$((found + 1))
    check "methods: $method by its defaults" "$simcc" check "$file"
    check "methods: $method, all phases" says "tensors from" of "$method" run
    check "methods: $method has losses" has_losses "$method"
    more=pretrain.chunk=4 ending=-chunks
    wanted="in chunks of 4"
    [ "$method" != dino ] || wanted="depend on this state"
    check "methods: $method in chunks" says "$wanted" of "$method" run pretrain
    more= ending=
    check "methods: $method, features of single images" says "h of 45 images" \
        of "$method" embed pretrain -o "$work/$method.npy"
    check "methods: $method, the nearest neighbours" says "top1" \
        of "$method" eval pretrain --knn
    check "methods: $method, its classifier is tested" grep -q \
        '"phase":"linear".*"test_images":.*"top1":' \
        "$work/$method/metrics.jsonl"
done
check "methods: all ten" test "$found" -ge 10

# A frozen encoder is the pretrained one; fine-tuning moves it.
features() {
    of byol embed "$1" -o "$work/$1.npy" --csv -q > "$work/said" &&
        tail -n +2 "$work/$1.csv" | cut -d , -f 3- > "$work/$1.features"
}
check "methods: pretrained features" features pretrain
check "methods: features of the linear phase" features linear
check "methods: the encoder is frozen there" cmp "$work/pretrain.features" \
    "$work/linear.features"

# Momentum encoders go on from a checkpoint as if unbroken.
more=pretrain.steps=6
of byol run pretrain --force -q > "$work/said" 2>&1
mv "$work/byol/pretrain/model.safetensors" "$work/unbroken"
rm -r "$work/byol"
check "methods: byol stops" of byol run pretrain --stop-after 3
check "methods: byol goes on" says "6/6" of byol run pretrain --resume
check "methods: as if unbroken" cmp "$work/unbroken" \
    "$work/byol/pretrain/model.safetensors"
finish
