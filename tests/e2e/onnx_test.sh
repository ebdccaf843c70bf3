#!/bin/sh
# export to ONNX: what is refused, and, where Python has onnx and onnxruntime,
# what the checker says and whether onnxruntime computes simcc's numbers. The
# files' structure is tested without Python in tests/unit/onnx_test.c.
. tests/e2e/lib.sh

net=models/quickstart.net
small="filters=4 groups=2 image_size=16 classes=3"
"$simcc" data synth "$work/shapes" --classes 3 --per-class 10 --size 16 -q
# shellcheck disable=SC2086
"$simcc" run "$net" pretrain finetune --data "$work/shapes" --out "$work/run" \
    -q --set $small pretrain.steps=2 pretrain.batch=8 finetune.steps=2 \
    finetune.batch=8 finetune.labels=4 > "$work/log" 2>&1

# export PHASE FILE OPTION...
export_net() {
    phase=$1 file=$2
    shift 2
    "$simcc" export "$net" "$phase" --out "$work/run" -o "$work/$file" "$@"
}

check "onnx: a classifier" says "logits [N, 3] of images [N, 3, 16, 16]" \
    export_net finetune a.onnx
check "onnx: an encoder" says "h [N, 8] of images" \
    export_net pretrain b.onnx --value h
check "onnx: of bytes" says "[N, 16, 16, 3], center_crop(size = 16, proportion = 1, bicubic = \"tf2\"), then RGB pixels, 0 to 255" \
    export_net finetune c.onnx --uint8
check "onnx: with weights beside it" says "in $work/d.onnx.data" \
    export_net finetune d.onnx --external
check "onnx: which are there" [ -s "$work/d.onnx.data" ]
check "onnx: names of classes go with it" grep -q "disc" "$work/a.onnx"
check "onnx: a value that there is not" says "sets no \`logits\`" \
    export_net pretrain x.onnx
check "onnx: --value of weights alone" says "--value is for ONNX" \
    export_net finetune x.safetensors --value h
check "onnx: --backbone" says "--backbone is for torchvision" \
    export_net finetune x.onnx --backbone
check "onnx: no averages" says "there is no moving average of" \
    export_net finetune x.onnx --ema
# shellcheck disable=SC2086
"$simcc" compile "$net" -o "$work/q.simcc" --set $small > "$work/log" 2>&1
check "onnx: an artifact" says "needs the .net file" "$simcc" export \
    "$work/q.simcc" finetune --out "$work/run" -o "$work/x.onnx"
check "onnx: batches of one" says "finetune.batch=2, or more" \
    export_net finetune x.onnx --set finetune.batch=1

# What was exported comes back as it was, as weights of the net it came from.
# same FILE PHASE VALUE MODEL: the same numbers as by the model's weights.
same() {
    for weights in "$work/$1" "$work/run/$4/model.safetensors"; do
        # shellcheck disable=SC2086
        "$simcc" embed "$net" "$2" --data "$work/shapes" --value "$3" -q \
            --weights "$weights" -o "$work/$(basename "$weights").npy" \
            --set $small || return 1
    done
    cmp "$work/$1.npy" "$work/model.safetensors.npy"
}
check "onnx: a classifier comes back" same a.onnx finetune logits finetune
check "onnx: of bytes, too" same c.onnx finetune logits finetune
check "onnx: and from a file beside it" same d.onnx finetune logits finetune
export_net finetune twice.onnx --weights "$work/a.onnx" > "$work/log" 2>&1
check "onnx: exported from it, it is the same" cmp "$work/a.onnx" "$work/twice.onnx"
check "onnx: simcc weights knows it" says "an ONNX net: simcc, quickstart finetune at step 2" \
    "$simcc" weights "$work/a.onnx"
# again FILE: trains the classifier from it.
again() {
    # shellcheck disable=SC2086
    "$simcc" run "$net" finetune --data "$work/shapes" --out "$work/again" \
        --force --init "$work/$1" --set $small finetune.steps=2 \
        finetune.batch=8 finetune.labels=4
}
check "onnx: an encoder begins a run" says "    35 tensors match" \
    again b.onnx
export_net finetune folded.onnx --fold > "$work/log" 2>&1
check "onnx: with folded norms it does not" exits 4 again folded.onnx
check "onnx: which says how it would" says \
    "\`simcc export\` without --fold keeps them apart" again folded.onnx

# What is made of several images at once is refused, by its line.
ops=tests/e2e/onnx_ops.net
mkdir "$work/heap"
cp "$work/shapes/train/disc"/*.png "$work/heap"
"$simcc" run "$ops" --data "$work/heap" --out "$work/ops" -q > "$work/log" 2>&1
# refused VALUE WHAT: with the line that sets it.
refused() {
    line=$(grep -n "^    $1 *= " "$ops" | cut -d: -f1)
    says "$ops:$line: $2" "$simcc" export "$ops" ops --out "$work/ops" \
        --value "$1" -o "$work/x.onnx"
}
check "onnx: a product of images" refused alike \
    "the product @ cannot be written as ONNX: it joins each image with each other"
check "onnx: a sum over images" refused shares \
    "sum cannot be written as ONNX: it is over the images"
check "onnx: images in pairs" refused pairs \
    "reshape cannot be written as ONNX: it puts several images into a row"
check "onnx: numbered images" refused numbers \
    "iota cannot be written as ONNX: it numbers the images of a batch"
check "onnx: attention of images" refused looks \
    "attend cannot be written as ONNX: it joins each image with each other"
check "onnx: a contrast of images" refused among \
    "matmul_lse cannot be written as ONNX: it joins each image with each other"
check "onnx: a transposed convolution over images" refused apart \
    "conv_transpose2d cannot be written as ONNX: its weights are made of images"
check "onnx: sums of products that are not stored" refused lse \
    "matmul_lse cannot be written as ONNX: ONNX has no product that is not stored; write log_sum_exp(p, over = 1), where p = a @ transpose(b)"
check "onnx: maxima of them" refused nearest \
    "matmul_max cannot be written as ONNX: ONNX has no product that is not stored; write max_over(p, over = 1)"
check "onnx: entropies of them" refused unsure \
    "matmul_entropy cannot be written as ONNX: ONNX has no product that is not stored; write -sum(softmax(p, over = 1) * log("
check "onnx: as many numbers as images" refused counted \
    "iota cannot be written as ONNX: it numbers the images of a batch; if it numbers something else, of which there are as many, --set ops.batch=7"
check "onnx: as many rows as images" refused alone \
    "iota cannot be written as ONNX: it has to have as many rows as there are images, which are not known; if these rows are no images', --set ops.batch=7"
check "onnx: which another batch tells apart" says "counted [N, 6] of images" \
    "$simcc" export "$ops" ops --out "$work/ops" --value counted \
    -o "$work/counted.onnx" --set ops.batch=8
check "onnx: nothing is left of it" [ ! -e "$work/x.onnx" ]

# ---- onnxruntime ------------------------------------------------------------

python=${TEST_PYTHON:-python3}
if ! "$python" -c "import numpy, onnx, onnxruntime" > "$work/log" 2>&1; then
    skip "onnx: checker and runtime" \
        "($python has no numpy, onnx and onnxruntime; TEST_PYTHON names another)"
    finish
fi
tool="$python tests/reference/onnx_check.py"

# agrees FILE PHASE VALUE SIZE SETTING...: at random weights, and as the
# options of export say, the numbers of simcc, to 1e-5 of the largest.
agrees() {
    source=$1 phase=$2 value=$3 size=$4
    shift 4
    "$simcc" compile "$source" --phase "$phase" --emit graph --passes dce \
        ${1:+--set} "$@" > "$work/graph" || return 1
    $tool weights "$work/graph" "$work/w.safetensors" || return 1
    $tool images "$size" 8 "$work/images$size" || return 1
    for what in "$value" images; do
        "$simcc" embed "$source" "$phase" --value "$what" --split test -q \
            --data "$work/images$size" --weights "$work/w.safetensors" \
            -o "$work/$what.npy" ${1:+--set} "$@" || return 1
    done
    # Bytes are what a net gets that crops nothing.
    bytes="--uint8 --external"
    [ "$size" -gt 32 ] && bytes="--external"
    for how in "" "--fold" "$bytes"; do
        # shellcheck disable=SC2086
        "$simcc" export "$source" "$phase" --value "$value" -q $how \
            --weights "$work/w.safetensors" -o "$work/net.onnx" \
            ${1:+--set} "$@" || return 1
        $tool compare "$work/net.onnx" "$work/$value.npy" "$work/images.npy" ||
            return 1
    done
}
check "onnx: every operation" agrees "$ops" ops logits 16
check "onnx: transposed convolutions" agrees "$ops" ops upward 16
check "onnx: images of other sizes" agrees "$ops" ops sized 16
check "onnx: attention, products of any rank" agrees "$ops" ops looked 16
check "onnx: rows by their numbers" agrees "$ops" ops taken 16
paper="classes=2 finetune.batch=4"
# shellcheck disable=SC2086
{
    check "onnx: ResNet-18" agrees models/simclrv2.net finetune logits 32 \
        image_size=32 depth=18 $paper
    check "onnx: ResNet-50 with selective kernels" agrees \
        models/simclrv2.net finetune logits 48 image_size=48 depth=50 \
        sk_ratio=0.0625 $paper
    check "onnx: a vision transformer" agrees models/simclrv2.net finetune \
        logits 32 image_size=32 encoder=vit_ti_16 $paper
    check "onnx: squeeze and excitation" agrees models/simclrv2.net \
        pretrain h 48 image_size=48 depth=34 se_ratio=0.25 pretrain.batch=4
    check "onnx: a projection" agrees models/cifar10.net pretrain z 32 \
        classes=2 pretrain.batch=4
}
finish
