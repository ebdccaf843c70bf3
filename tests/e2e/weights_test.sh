#!/bin/sh
# Weights in and out: starting from others' weights, refusing another network,
# export, features and predictions; torchvision and back where it is there.
. tests/e2e/lib.sh

# lines COUNT FILE
lines() {
    [ "$(wc -l < "$2")" = "$1" ] || { wc -l "$2"; false; }
}

net=models/quickstart.net
settings="filters=4 groups=2 image_size=16 pretrain.batch=16 pretrain.epochs=2
    finetune.batch=8 finetune.steps=6 finetune.labels=4 distill.batch=16
    distill.epochs=1 scratch.steps=4 scratch.labels=4 scratch.batch=8"
shapes=$work/shapes
run=$work/run

# with COMMAND PHASE OPTION...: on the quickstart, made small; --set comes last.
with() {
    command=$1
    phase=$2
    shift 2
    # shellcheck disable=SC2046,SC2086
    "$simcc" "$command" "$net" ${phase:+"$phase"} "$@" \
        --set $(merged "$settings" "$also")
}
also=

check "weights: data" "$simcc" data synth "$shapes" --classes 3 \
    --per-class 12 --size 16
check "weights: trains" with run pretrain finetune --data "$shapes" \
    --out "$run"

# Another network is refused, with what differs, wherever weights come in.
also="filters=8"
check "weights: eval refuses another width" exits 4 \
    with eval finetune --data "$shapes" --out "$run"
check "weights: and says what differs, quietly too" \
    says "conv1.weight  [4,3,3,3] in the file, [8,3,3,3] in the program" \
    with eval finetune -q --data "$shapes" --out "$run"
check "weights: and which parameter" says "filters = 4 in the file, 8 here" \
    with eval finetune --data "$shapes" --out "$run"
check "weights: from refuses" exits 4 with run finetune --force \
    --data "$shapes" --out "$run"
check "weights: a teacher is refused" exits 4 with run distill \
    --data "$shapes" --out "$run"
check "weights: --init refuses other shapes" exits 4 with run scratch \
    --data "$shapes" --out "$work/init0" \
    --init "$run/finetune/model.safetensors"
check "weights: export refuses" exits 4 with export pretrain \
    --out "$run" -o "$work/x.safetensors"
# A deeper network has all tensors of a shallower one, and yet is another.
also="groups=1"
check "weights: embed refuses a deeper network" exits 4 with embed \
    pretrain --data "$shapes" --out "$run" -o "$work/x.npy"
also=

# The names of the reference code's checkpoints, numbered as they are made there.
names() {
    "$simcc" names models/simclrv2.net finetune --set depth=50 \
        sk_ratio="$1" -o "$work/map" || return 1
    convolutions=$(grep -c '^base_model/conv2d.*kernel.* : hwio$' "$work/map")
    norms=$(grep -c '^base_model/batch_normalization.*/gamma' "$work/map")
    echo "$convolutions convolutions, $norms norms"
    [ "$convolutions $norms" = "$2 $3" ]
}
check "names: ResNet-50" names 0.0 53 53
check "names: ResNet-50 with selective kernels" names 0.0625 87 71
check "names: a shortcut is made before its block" grep -qx \
    'base_model/conv2d_3/kernel -> layer1.0.downsample.0.weight : hwio' \
    "$work/map"
check "names: z's norm has no beta" \
    sh -c "! grep -q 'nl_2/batch_normalization/beta' '$work/map'"
check "names: the classifier" grep -qx \
    'head_supervised/linear_layer/dense/kernel -> fc.weight : io' "$work/map"
# TF2's paths, from a run of that code's layers: theirs, ours, as in $work/map.
tf2() {
    check "names: TF2's $2" grep -qxF "model/$1/.ATTRIBUTES/VARIABLE_VALUE -> $2" \
        "$work/map"
}
tf2_groups=resnet_model/block_groups
tf2 "resnet_model/initial_conv_relu_max_pool/4/conv2d/kernel" \
    "conv1.6.weight : hwio"
tf2 "resnet_model/initial_conv_relu_max_pool/6/bn/beta" "bn1.bias"
tf2 "$tf2_groups/0/layers/0/projection_layers/1/conv2d/kernel" \
    "layer1.0.downsample.0.weight : hwio"
tf2 "$tf2_groups/1/layers/0/projection_layers/3/bn/gamma" "layer2.0.downsample.1.weight"
tf2 "$tf2_groups/2/layers/5/conv_relu_dropblock_layers/3/batch_norm_relu_1/bn/moving_mean" \
    "layer3.5.sk.mix.1.running_mean"
tf2 "$tf2_groups/2/layers/5/conv_relu_dropblock_layers/5/conv2d/kernel" \
    "layer3.5.conv3.weight : hwio"
tf2 "_projection_head/linear_layers/1/dense/kernel" "head.1.dense.weight : io"
tf2 "supervised_head/linear_layer/dense/bias" "fc.bias"
check "names: as many of TF2 as of TF1" test \
    "$(grep -c '^model/' "$work/map")" = "$(grep -cv '^#\|^model/' "$work/map")"
"$simcc" names models/simclrv2.net finetune --set depth=18 se_ratio=0.25 \
    -o "$work/map"
tf2 "resnet_model/initial_conv_relu_max_pool/2/bn/gamma" "bn1.weight"
tf2 "$tf2_groups/3/layers/0/shortcut_layers/0/conv2d/kernel" \
    "layer4.0.downsample.0.weight : hwio"
tf2 "$tf2_groups/3/layers/1/conv2d_bn_layers/2/conv2d/kernel" \
    "layer4.1.conv2.weight : hwio"
tf2 "$tf2_groups/3/layers/1/se_layer/se_expand/bias" "layer4.1.se.expand.bias"
check "names: run takes the map" says "    37 tensors match" \
    with run scratch --data "$shapes" --out "$work/init_map" \
    --init "$run/finetune/model.safetensors" --init-map "$work/map"

# --init: by name, told in full; the same weights give the same result.
check "weights: --init starts from a model" says "    37 tensors match" \
    with run scratch --data "$shapes" --out "$work/init" \
    --init "$run/finetune/model.safetensors"
grep -q "extra: in the file" "$work/said" &&
    check "weights: --init lists what is extra" grep -q "head.0" "$work/said"
printf 'fc. -> theirs.\n' > "$work/map"
check "weights: --init-map renames" says "           fc.weight  [3,8]" \
    with run scratch --data "$shapes" --out "$work/map-run" \
    --init "$run/finetune/model.safetensors" --init-map "$work/map"
check "weights: --init-map alone makes no sense" exits 2 with run \
    scratch --data "$shapes" --out "$work/map2" --init-map "$work/map"
check "weights: --init of no weights" exits 4 with run scratch \
    --data "$shapes" --out "$work/init2" --init "$work/none.safetensors"

# Export: everything, or what torchvision has; it can come back in.
check "export: writes" with export scratch --out "$work/init" \
    -o "$work/scratch.safetensors"
check "export: counts batches as PyTorch does" \
    grep -q '"bn1.num_batches_tracked":{"dtype":"I64","shape":\[\]' \
    "$work/scratch.safetensors"
check "export: says the stem is another" says "not torchvision's 7x7" \
    with export pretrain --out "$run" -o "$work/p.safetensors" --backbone
check "export: --backbone leaves out the head" \
    sh -c "! grep -q 'head.0' '$work/p.safetensors'"
check "export: comes back in" says "num_batches_tracked ignored" \
    with run scratch --data "$shapes" --out "$work/back" \
    --init "$work/scratch.safetensors"
check "export: -o is asked for" exits 2 with export scratch \
    --out "$work/init"

# Features and predictions.
check "embed: writes an array and a table" with embed pretrain \
    --data "$shapes" --out "$run" -o "$work/h.npy" --csv
check "embed: the array's shape" grep -q "'shape': (45, 8,)" "$work/h.npy"
check "embed: a row for each image" lines 46 "$work/h.csv"
check "embed: other values by name" with embed pretrain --data "$shapes" \
    --out "$run" --value z --split test -o "$work/z.npy"
check "embed: their shape" grep -q "'shape': (9, 64,)" "$work/z.npy"
check "embed: a value that is not there" says "sets no \`q\`; it has \`h\`" \
    with embed pretrain --data "$shapes" --out "$run" --value q \
    -o "$work/q.npy"
check "embed: of unlabelled images" with embed pretrain \
    --data "$shapes/test/disc" --out "$run" -o "$work/u.npy"
check "predict: writes" with predict finetune --data "$shapes" --out "$run" \
    --split test -o "$work/p.csv"
check "predict: names the classes" \
    sh -c "head -n 1 '$work/p.csv' | grep -qx 'name,predicted,true,disc,ring,square'"
check "predict: probabilities add up" awk -F, 'NR > 1 {
    sum = $4 + $5 + $6; if (sum < 0.9999 || sum > 1.0001) exit 1; n++
    } END { exit n != 9 }' "$work/p.csv"
check "predict: the classes of unlabelled images" with predict finetune \
    --data "$shapes/test/ring" --out "$run" -o "$work/u.csv"
check "predict: by name too" grep -q "predicted,disc,ring,square" "$work/u.csv"
check "predict: the true class" awk -F, 'NR > 1 {
    split($1, part, "/"); if (part[2] != $3) exit 1; n++
    } END { exit n != 9 }' "$work/p.csv"
# Predictions are those that eval counts.
share=$(awk -F, 'NR > 1 { hit += $2 == $3; n++ }
    END { printf "%.4g", hit / n }' "$work/p.csv")
check "predict: as eval counts" says "top1 $share" with eval finetune \
    --data "$shapes" --out "$run"

python=${TEST_PYTHON:-python3}
if ! "$python" -c 'import torch, torchvision, safetensors' 2>/dev/null; then
    skip "weights: torchvision and back" \
        "($python has no torch, torchvision and safetensors; TEST_PYTHON names another)"
else
    mkdir "$work/torchvision"
    check "weights: torchvision and back" "$python" \
        tests/reference/torchvision_check.py "$simcc" "$work/torchvision"
fi


# ---- what comes in place of a file ------------------------------------------

printf '\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n' \
    > "$work/page.safetensors"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 34\n' \
    > "$work/pointer.safetensors"
: > "$work/empty.safetensors"
check "pretender: eval: a web page" says "is a web page" with eval finetune \
    --data "$shapes" --weights "$work/page.safetensors"
check "pretender: predict: a web page" says "is a web page" with predict \
    finetune --data "$shapes" -o "$work/x.csv" \
    --weights "$work/page.safetensors"
check "pretender: a web page has exit code 4" exits 4 with eval finetune \
    --data "$shapes" --weights "$work/page.safetensors"
check "pretender: --init: a pointer" says 'pointer.safetensors'"' is a Git LFS" \
    with run scratch --data "$shapes" --out "$work/pointer" \
    --init "$work/pointer.safetensors"
check "pretender: what to do" says "git lfs pull" with export pretrain \
    -o "$work/x.safetensors" --weights "$work/pointer.safetensors"
check "pretender: an empty file" says "shorter than 8 bytes" with eval finetune \
    --data "$shapes" --weights "$work/empty.safetensors"
for file in "$work/none.safetensors" "$work/none/none.safetensors" \
    "$work/empty.safetensors/none.safetensors"; do
    check "pretender: none has exit code 4: ${file#"$work"/}" exits 4 \
        with eval finetune --data "$shapes" --weights "$file"
done
check "pretender: --init none has exit code 4" exits 4 with run scratch \
    --data "$shapes" --out "$work/none-run" --init "$work/none.safetensors"
check "pretender: -o m.pth" says "m.pth becomes a safetensors file" \
    with export pretrain --out "$run" -o "$work/m.pth"
check "pretender: -o m.safetensors goes without saying" sh -c "
    '$simcc' export $net pretrain --out '$run' -o '$work/m.safetensors' \
        --set filters=4 groups=2 image_size=16 2>&1 | grep -q becomes && exit 1
    exit 0"
check "pretender: embed -o e.csv" says "becomes a NumPy array" \
    with embed pretrain --data "$shapes" --out "$run" -o "$work/e.csv"
cp -r "$shapes" "$work/pages"
for file in "$work/pages/train/disc"/*.png; do
    cp "$work/page.safetensors" "$file"
    break
done
check "pretender: an image" says "a web page in place of the file" \
    "$simcc" data info "$work/pages"
check "pretender: a list" says "a web page in place of the file" \
    "$simcc" data info "$work/page.safetensors"

# ---- numbers that are none ---------------------------------------------------

# conv1.weight of the quickstart made small, all NaN: a header and 108 numbers.
header='{"conv1.weight":{"dtype":"F32","shape":[4,3,3,3],"data_offsets":[0,432]}}'
{
    # shellcheck disable=SC2059
    printf "\\$(printf %o ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header"
    i=0
    while [ "$i" -lt 108 ]; do
        printf '\0\0\300\177'
        i=$((i + 1))
    done
} > "$work/nan.safetensors"
check "numbers: NaN is no start" exits 4 with run scratch --data "$shapes" \
    --out "$work/nan-run" --init "$work/nan.safetensors"
check "numbers: the file and the tensor are named" says \
    "nan.safetensors holds NaN in conv1.weight" with run scratch \
    --data "$shapes" --out "$work/nan-run" --init "$work/nan.safetensors"
sed "s|from pretrain|from \"$work/nan.safetensors\"|" "$net" > "$work/nan.net"
cp -r models/lib "$work/lib"
check "numbers: nor from a file" says "holds NaN in conv1.weight" "$simcc" \
    run "$work/nan.net" finetune --data "$shapes" --out "$work/nan-run" --set \
    filters=4 groups=2 image_size=16 finetune.batch=8 finetune.labels=4

# ---- where results go -------------------------------------------------------

# Every command that writes a file: into a pipe, which stays one; through a
# link, which stays one; and with the same bytes as to a plain name.
mkdir "$work/places"
# writes COMMAND PHASE OPTION...: with -o, or the last option, to come.
writes() {
    rm -f "$work/places"/*
    with "$@" "$work/places/plain" > /dev/null || return 1
    mkfifo "$work/places/pipe"
    cat "$work/places/pipe" > "$work/places/piped" &
    with "$@" "$work/places/pipe" > /dev/null || return 1
    wait
    ln -s "$work/places/real" "$work/places/link"
    with "$@" "$work/places/link" > /dev/null || return 1
    [ -p "$work/places/pipe" ] && [ -L "$work/places/link" ] &&
        [ -s "$work/places/plain" ] && [ ! -e "$work/places/link.tmp" ] &&
        same "$work/places/plain" "$work/places/piped" &&
        same "$work/places/plain" "$work/places/real"
}
# Times differ from run to run.
same() {
    if grep -q traceEvents "$1"; then
        [ -s "$2" ]
    else
        cmp "$1" "$2"
    fi
}
check "places: compile" writes compile "" --phase pretrain -o
check "places: compile --emit" writes compile "" --phase pretrain \
    --emit graph -o
check "places: export" writes export pretrain --out "$run" -o
check "places: embed" writes embed pretrain --data "$shapes" --out "$run" -o
check "places: predict" writes predict finetune --data "$shapes" \
    --out "$run" -o
check "places: neighbours" writes neighbours pretrain --data "$shapes" \
    --out "$run" -o
check "places: map" writes map pretrain --data "$shapes" --out "$run" -o
check "places: augment" writes augment pretrain --data "$shapes" -o
check "places: profile --trace" writes profile pretrain --trace

dash() {
    with predict finetune --data "$shapes" --out "$run" -o "$work/p.csv" &&
        with predict finetune --data "$shapes" --out "$run" -o - \
            > "$work/dash.csv" && cmp "$work/p.csv" "$work/dash.csv" &&
        with predict finetune --data "$shapes" --out "$run" -o - |
        cmp - "$work/p.csv" && [ ! -e ./- ]
}
check "places: predict -o -" dash
check "places: neighbours prints beside its picture" exits 2 \
    with neighbours pretrain --data "$shapes" --out "$run" -o -
check "places: a run directory is none" says "cannot write --out" \
    with run pretrain --data "$shapes" --out -
check "places: two files into a pipe" says "which is no file" \
    with embed pretrain --data "$shapes" --out "$run" --csv -o /dev/stdout
mkfifo "$work/split.pipe"
check "places: a folder where a pipe is" exits 1 \
    "$simcc" data split "$shapes" --per-class 4 -o "$work/split.pipe"
check "places: and the pipe stays" test -p "$work/split.pipe"

finish
