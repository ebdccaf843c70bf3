#!/bin/sh
# Weights of other programs, read as they are: what simcc computes with them is
# what those programs compute. tests/weights holds the files, their values, and
# the scripts that made both; nothing here needs Python.
. tests/e2e/lib.sh

net=tests/weights/small.net
data=$work/shapes
files=tests/weights
check "foreign: data" "$simcc" data synth "$data" --classes 5 --per-class 2 \
    --size 40

# value FILE PATH VALUE PHASE TOLERANCE SETTING...
value() {
    file=$1
    path=$2
    value=$3
    phase=$4
    tolerance=$5
    shift 5
    "$simcc" embed "$net" "$phase" --data "$data" --weights "$path" --value \
        "$value" --split test --csv -o "$work/value.npy" --set filters=2 \
        head_layers=2 "$@" && agree "$files/$file.$value.csv" "$work/value.csv" "$tolerance"
}

# all FILE PATH PHASE_OF_Z TOLERANCE SETTING...: every value there is.
all() {
    given=$1
    at=$2
    head=$3
    most=$4
    shift 4
    for pair in h:features logits:classify z:"$head"; do
        [ -e "$files/$given.${pair%:*}.csv" ] || continue
        check "foreign: $given, ${pair%:*}" value "$given" "$at" "${pair%:*}" \
            "${pair#*:}" "$most" "$@"
    done
}

basic="depth=18 pool_padding=torch first_projection=false"
# shellcheck disable=SC2086
for name in torchvision.pth before16.pth bigendian.pth views.pth arrays.npz \
    lightly.ckpt sololearn.ckpt sthalles.pth.tar bolts.ckpt \
    older.onnx newer.onnx varied.onnx apart.onnx; do
    all "$name" "$files/$name" plain 1e-5 $basic
done
all simclrv2.pth "$files/simclrv2.pth" project 1e-5
all simclrv2_sk.pth "$files/simclrv2_sk.pth" project 1e-5 sk_ratio=0.0625
all tf1 "$files/tf1/model.ckpt-7" project 2e-6 depth=18 se_ratio=0.25
all tf1_sk_shards "$files/tf1_sk_shards" project 2e-6 sk_ratio=0.0625
all tf2 "$files/tf2" project 2e-6 depth=18 se_ratio=0.25
all tf2_saved "$files/tf2_saved" project 2e-6

# run starts from them; the classifier may be of other classes.
start() {
    "$simcc" run "$net" classify --data "$data" --out "$work/run" --force \
        --init "$@" 2>&1
}
check "foreign: run --init" says "    62 tensors match" start \
    "$files/sololearn.ckpt" --set filters=2 $basic
check "foreign: and says whose names" grep -q \
    "names are solo-learn's, below state_dict.$" "$work/said"
check "foreign: and what a trainer left" grep -q \
    "  2 of an optimizer or a trainer ignored" "$work/said"
"$simcc" data synth "$work/three" --classes 3 --per-class 2 --size 40 2> /dev/null
data=$work/three
check "foreign: other classes" says "fc.weight  [3,16], for 5 classes there" \
    start "$files/sololearn.ckpt" --set filters=2 classes=3 $basic
data=$work/shapes
check "foreign: a copy is told" says \
    "names are the reference code's (TF1); the copy below ema_model/ is left alone" \
    start "$files/tf1" --set filters=2 depth=18 se_ratio=0.25
check "foreign: and momenta" grep -q " of another copy of the net ignored" \
    "$work/said"
check "foreign: another net is refused" exits 4 start "$files/tf1" --set \
    filters=2 depth=18 se_ratio=0.5
# shellcheck disable=SC2086
{
    check "foreign: equal tensors of an ONNX net" says "    62 tensors match" \
        start "$files/older.onnx" --set filters=2 $basic
    for by in older newer; do
        check "foreign: folded by PyTorch's $by exporter" exits 4 start \
            "$files/folded_$by.onnx" --set filters=2 $basic
    done
    check "foreign: which says how not to" says \
        "folded weights into others (conv1.weight_bias): torch.onnx.export(..., dynamo=True, optimize=False) keeps them apart" \
        start "$files/folded_newer.onnx" --set filters=2 $basic
}
start "$files/sololearn.ckpt" --set filters=2 depth=18 pool_padding=torch \
    first_projection=false > "$work/log"
# What is written from them is ours.
check "foreign: comes out as ours" says "simcc, small classify at step" \
    "$simcc" weights "$work/run/classify/model.safetensors"

check "foreign: export wants ours" says "makes it so" "$simcc" export "$net" \
    classify --weights "$files/torchvision.pth" -o "$work/x.safetensors" \
    --set filters=2 $basic

# simcc weights.
lists() {
    check "weights: $1" says "$3" "$simcc" weights "$files/$2"
}
lists "a zip" torchvision.pth "no projection in its first block, 5 classes; names are torchvision's"
lists "the form before" before16.pth "names are torchvision's, below state_dict.module."
lists "a trainer" lightly.ckpt "PyTorch Lightning 2.6.6, epoch 9"
lists "an archive" arrays.npz "a NumPy archive (.npz)"
lists "shards" tf1_sk_shards "TensorFlow's v1 saver, 3 shards"
lists "a saved model" tf2_saved "resnet_model/block_groups/0/layers/0/conv_relu_dropblock_layers/0/conv2d/kernel"
lists "an ONNX net" newer.onnx "an ONNX net: pytorch 2"
lists "types of an ONNX net" varied.onnx "bn1.running_mean                    BF16 [2]"
lists "folded norms" folded_older.onnx "folded weights into others (onnx::Conv_"
check "weights: folded norms as JSON" says '"folded":"conv1.weight_bias"' \
    "$simcc" weights "$files/folded_newer.onnx" --json
check "weights: as JSON" says '"names":"bolts'"'"'s","below":"state_dict."' \
    "$simcc" weights "$files/bolts.ckpt" --json
check "weights: no file" exits 4 "$simcc" weights "$work/none.pth"
head -c 3000 "$files/torchvision.pth" > "$work/cut.pth"
check "weights: a file cut off" exits 4 "$simcc" weights "$work/cut.pth"
check "weights: a folder without any" exits 4 "$simcc" weights "$work"
cp -r "$files/tf1_sk_shards" "$work/shards"
rm "$work/shards/model.ckpt-1.data-00001-of-00003"
check "weights: a shard is missing" says "copy all of its files" \
    "$simcc" weights "$work/shards"

python=${TEST_PYTHON:-python3}
if ! "$python" -c 'import torch, torchvision, timm, lightly' 2>/dev/null; then
    skip "foreign: full sizes in PyTorch" \
        "($python lacks torch, torchvision, timm or lightly; TEST_PYTHON names another)"
else
    mkdir "$work/torch"
    check "foreign: full sizes in PyTorch" "$python" tests/weights/make_torch.py \
        check "$simcc" "$work/torch"
fi
if ! "$python" -c 'import torch, torchvision, onnx, onnxscript' 2>/dev/null; then
    skip "foreign: PyTorch's exporters of ONNX" \
        "($python lacks torch, torchvision, onnx or onnxscript; TEST_PYTHON names another)"
else
    mkdir "$work/onnx"
    check "foreign: PyTorch's exporters of ONNX" "$python" \
        tests/weights/make_torch.py onnx "$simcc" "$work/onnx"
fi
if ! "$python" -c 'import tensorflow, tf_keras' 2>/dev/null; then
    skip "foreign: full sizes in TensorFlow" \
        "($python lacks tensorflow or tf_keras; TEST_PYTHON names another)"
else
    mkdir "$work/tf"
    check "foreign: full sizes in TensorFlow" "$python" tests/weights/make_tf.py \
        check "$simcc" "$work/tf"
fi

finish
