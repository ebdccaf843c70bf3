#!/bin/sh
# Activations in bf16: the same bits on any number of threads, from an artifact,
# and after a stop; what is refused; what it saves; what else reads the weights.
. tests/e2e/lib.sh

net=models/quickstart.net
"$simcc" data synth "$work/shapes" --classes 3 --per-class 12 --size 16 -q

settings="filters=16 groups=2 image_size=16 classes=3 pretrain.batch=8
    pretrain.epochs=2 finetune.batch=8 finetune.epochs=2"

# train OUT PHASE OPTION...
train() {
    out=$work/$1
    phase=$2
    shift 2
    # shellcheck disable=SC2086
    "$simcc" run "$net" "$phase" --data "$work/shapes" --out "$out" "$@" \
        --set $settings
}
model() {
    echo "$work/$1/pretrain/model.safetensors"
}

check "precision: trains" train half pretrain --precision bf16 --threads 1
check "precision: two threads" train second pretrain --precision bf16 --threads 2
check "precision: with the same bits" cmp "$(model half)" "$(model second)"
check "precision: f32" train whole pretrain --precision f32
check "precision: is another" exits 1 cmp -s "$(model half)" "$(model whole)"
check "precision: f32 is what there is without" train plain pretrain
check "precision: to the bit" cmp "$(model whole)" "$(model plain)"

check "precision: stops" train part pretrain --precision bf16 --stop-after 3
check "precision: other precisions are refused" says \
    "--precision bf16 in the file, f32 here" \
    exits 1 train part pretrain --resume
check "precision: goes on" train part pretrain --precision bf16 --resume
check "precision: to the same bits" cmp "$(model half)" "$(model part)"
check "precision: f32 stops" train full pretrain --stop-after 3
check "precision: and is not continued in bf16" says \
    "--precision f32 in the file, bf16 here" \
    exits 1 train full pretrain --resume --precision bf16

# shellcheck disable=SC2086
check "precision: compiles" "$simcc" compile "$net" --precision bf16 \
    -o "$work/half.simcc" --verify --set $settings
check "precision: an artifact" "$simcc" run "$work/half.simcc" pretrain \
    --data "$work/shapes" --out "$work/artifact"
check "precision: has the same bits" cmp "$(model half)" "$(model artifact)"
check "precision: and no other" says "--precision" exits 2 "$simcc" run \
    "$work/half.simcc" pretrain --precision f32 --data "$work/shapes" \
    --out "$work/no"

# What a processor multiplies bf16 with: code can be made for any, and run by
# one that has it.
# products CPU OPTION...: how often each instruction that does is in the code
products() {
    cpu=$1
    shift
    # shellcheck disable=SC2086
    "$simcc" compile "$net" --phase pretrain --emit asm --target "$cpu" "$@" \
        --set $settings > "$work/asm" || return
    tiles=$(grep -c tdpbf16ps "$work/asm")
    vectors=$(grep -c vdpbf16ps "$work/asm")
    echo "$((tiles > 0)) $((vectors > 0))"
}
# shellcheck disable=SC2086
check "precision: that convolutions multiply in bf16 is said" says \
    "so convolutions do" "$simcc" compile "$net" --phase pretrain \
    --precision bf16 --target sapphirerapids -o "$work/tiles" --set $settings
check "precision: AMX multiplies by tiles" says "1 0" \
    products sapphirerapids --precision bf16
check "precision: AVX512-BF16 by vectors" says "0 1" \
    products znver4 --precision bf16
check "precision: others in f32" says "0 0" products x86-64-v4 --precision bf16
check "precision: and so does f32" says "0 0" products sapphirerapids

# Weights are f32 in either precision.
check "precision: goes on to the next phase" train half finetune --precision bf16
read_it() {
    command=$1
    shift
    "$simcc" "$command" "$net" "$@" --data "$work/shapes" --out "$work/half"
}
check "precision: is evaluated" read_it eval finetune --precision bf16
check "precision: in f32, too" read_it eval finetune --precision f32
check "precision: predicts" read_it predict finetune --precision bf16 -o "$work/said.csv"
check "precision: embeds" "$simcc" embed "$net" pretrain --data "$work/shapes" \
    --out "$work/half" --precision bf16 --csv -o "$work/half.npy"
"$simcc" embed "$net" pretrain --data "$work/shapes" --out "$work/half" \
    --csv -o "$work/wide.npy" -q
tail -n +2 "$work/wide.csv" | cut -d, -f3- > "$work/wide"
check "precision: nearly what f32 gives" agree "$work/wide" "$work/half.csv" 0.1
check "precision: exports" "$simcc" export "$net" finetune --out "$work/half" \
    -o "$work/net.onnx"

# ---- in chunks --------------------------------------------------------------

check "precision: in chunks" train chunks pretrain --precision bf16 --threads 1 \
    --set pretrain.chunk=4
check "precision: in chunks on two threads" train chunks2 pretrain \
    --precision bf16 --threads 2 --set pretrain.chunk=4
check "precision: with the same bits in chunks" cmp "$(model chunks)" \
    "$(model chunks2)"

# ---- said by the program ----------------------------------------------------

{
    echo 'param precision = "bf16"'
    cat "$net"
} > "$work/half.net"
sed -i "s|import \"lib/|import \"$PWD/models/lib/|" "$work/half.net"
# shellcheck disable=SC2086
check "precision: a param of the program" "$simcc" run "$work/half.net" \
    pretrain --data "$work/shapes" --out "$work/param" --set $settings
check "precision: gives the same bits" same_tensors "$(model half)" "$(model param)"
# shellcheck disable=SC2086
check "precision: the command line overrules it" "$simcc" run "$work/half.net" \
    pretrain --precision f32 --data "$work/shapes" --out "$work/over" \
    --set $settings
check "precision: to the bits of f32" same_tensors "$(model whole)" "$(model over)"

# ---- memory -----------------------------------------------------------------

# number NAME PRECISION: of the JSON that summary prints.
number() {
    "$simcc" summary models/simclrv2.net --phase pretrain --json \
        --precision "$2" --set depth=18 image_size=64 pretrain.batch=64 |
        sed -n 's/.*"'"$1"'":\([0-9]*\).*/\1/p'
}
check "precision: summary counts the halves" sh -c "
    [ $(number activations bf16) -gt 0 ] &&
    [ $(($(number activations bf16) * 100)) -le $(($(number activations f32) * 62)) ]"

# ---- what is said ------------------------------------------------------------

cat > "$work/dense.net" << END
import "$PWD/models/lib/heads.net"
import "$PWD/models/lib/optimizers.net"

phase train(batch = 4, steps = 2) {
    input images = unlabeled, augment [center_crop(8)]
    minimize mean(dense(reshape(images, [4, 192]), 4, sigma = 0.1) as fc)
    using    sgd(rate = 0.1)
}
END
check "precision: that it changes nothing" says \
    "train: precision bf16 changes nothing" "$simcc" compile "$work/dense.net" \
    --precision bf16 -o "$work/dense.simcc"
quiet() {
    "$simcc" profile "$net" pretrain --precision bf16 --set $settings \
        > "$work/log" 2>&1
    ! grep "changes nothing" "$work/log" && grep "conv2d" "$work/log"
}
check "precision: but not where it does" quiet

# The program's own parameter has an effect, and is not called unused.
used() {
    "$simcc" check "$work/half.net" > "$work/log" 2>&1 &&
        ! grep "nothing uses" "$work/log"
}
check "precision: the parameter is used" used

# ---- what is refused --------------------------------------------------------

check "precision: other words" says \
    "--precision wants f32 or bf16, and got 'fp16'" \
    exits 2 train no pretrain --precision fp16
check "precision: doubles" says "--precision bf16 stores activations of f32" \
    exits 2 train no pretrain --precision bf16 --dtype f64
check "precision: doubles of a program in bf16" says \
    'param precision is "bf16", and all tensors are f64' \
    exits 3 "$simcc" check "$work/half.net" --dtype f64
finish
