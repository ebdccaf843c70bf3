#!/bin/sh
# A run that diverges stops in that step with exit code 5, names the operation,
# its line and, where there is one, the image, and keeps the last checkpoint.
. tests/e2e/lib.sh

optimizer='optimizer sgd(w, g, rate) { w <- w - rate * g }'

# Eight images of noise, of which the sixth is black.
mkdir "$work/data"
{
    printf '\0\0\10\3\0\0\0\10\0\0\0\20\0\0\0\20'
    od -An -v -tx1 Makefile README.md | tr -d ' \n' | head -c 1280 |
        tr '0-9a-f' '\001-\020'
    head -c 256 /dev/zero
    od -An -v -tx1 Makefile README.md | tr -d ' \n' | head -c 512 |
        tr '0-9a-f' '\001-\020'
} | head -c 2064 > "$work/data/train-images-idx3-ubyte"

# diverges NET OPTION...: into $work/said; the exit code must be 5.
diverges() {
    net=$1
    shift
    rm -rf "$work/run"
    exits 5 "$simcc" run "$work/$net.net" --data "$work/data" \
        --out "$work/run" --held-out 0 "$@" > "$work/said" 2>&1
}
mentions() {
    grep -qF -- "$1" "$work/said" || { cat "$work/said"; false; }
}

# s falls by about 0.06 in each step, from 0.05 + 0.06 * 3 on.
cat > "$work/log.net" <<NET
$optimizer
phase p(batch = 4, steps = 50) {
    input images = unlabeled, augment [center_crop(16)]
    weight s[1] = 0.23
    nothing = 0 * mean(images)
    minimize 3 * mean(s) + 1e-5 * mean(log(s)) + nothing
    using    sgd(rate = 0.02)
}
NET
check "diverge: a log of a negative number" diverges log --save-every 1e-3
check "diverge: says the step" mentions "in step 4"
check "diverge: says the line" mentions "log.net:6"
check "diverge: says the operation" mentions "log"
check "diverge: says what is kept" mentions "the checkpoint of step "
check "diverge: which is sound" exits 5 "$simcc" run "$work/log.net" \
    --data "$work/data" --out "$work/run" --held-out 0 --resume
check "diverge: from the start as well" diverges log
check "diverge: finds it there" mentions "it began in step 4 with"

cat > "$work/black.net" <<NET
$optimizer
phase p(batch = 4, steps = 50) {
    input images = unlabeled, augment [center_crop(16)]
    weight w[4, 3, 1, 1] = normal(0.1)
    x = images - mean(images, over = "chw", keep = true)
    x = x * rsqrt(mean(x^2, over = "chw", keep = true))
    minimize mean(conv2d(x, w)^2)
    using    sgd(rate = 1e-3)
}
NET
check "diverge: a poisoned image" diverges black
check "diverge: names the image" mentions "for the image "
check "diverge: by its place" mentions "train-images/000005"
check "diverge: and the line" mentions "black.net:"
sed 's/batch = 4, /batch = 4, chunk = 2, /' "$work/black.net" > "$work/part.net"
check "diverge: in a chunk" diverges part
check "diverge: names its image, too" mentions "train-images/000005"

# One image in both its views.
sed 's/= unlabeled,/= unlabeled.views(2),/' "$work/black.net" > "$work/views.net"
check "diverge: in two views" diverges views
check "diverge: names the image of both" mentions "train-images/000005"
sed 's/batch = 4, /batch = 4, chunk = 2, /' "$work/views.net" > "$work/both.net"
check "diverge: in two views and chunks" diverges both
check "diverge: names the image there" mentions "train-images/000005"

# The rate is without bounds: the weight is infinite before the loss is.
cat > "$work/rate.net" <<NET
$optimizer
phase p(batch = 4, steps = 1) {
    input images = unlabeled, augment [center_crop(16)]
    weight w[4, 3, 1, 1] = normal(0.1)
    minimize mean(conv2d(images, w)^2)
    using    sgd(rate = 1e39)
}
NET
check "diverge: a weight, though the loss is good" diverges rate
check "diverge: names it" mentions "w of phase p became"
check "diverge: no model of it" [ ! -e "$work/run/p/model.safetensors" ]

# An infinity that is meant, in every step, is no suspect.
cat > "$work/mask.net" <<NET
$optimizer
phase p(batch = 4, steps = 50) {
    input images = unlabeled, augment [center_crop(16)]
    weight s[1] = 0.23
    far = exp(1000 + mean(images, over = "chw"))
    meant = mean(1 / far)
    minimize 3 * mean(s) + 1e-5 * mean(log(s)) + meant
    using    sgd(rate = 0.02)
}
NET
check "diverge: an infinity that is meant" diverges mask
check "diverge: is passed over" mentions "in step 4 with"
check "diverge: for the one that is not" mentions "mask.net:7"
finish
