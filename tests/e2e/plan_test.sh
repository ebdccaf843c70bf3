#!/bin/sh
# simcc plan: what of its forecast is no measurement.
. tests/e2e/lib.sh

# plan NAME WORD...: the forecast as $work/NAME.
plan() {
    file=$1
    shift
    "$simcc" plan models/quickstart.net pretrain --threads 1 --json "$@" \
        > "$work/$file"
}
# number NAME KEY
number() {
    sed 's/.*"'"$2"'":\([^,}]*\).*/\1/' "$work/$1"
}
# holds EXPRESSION NUMBER...: of awk, in a, b, c, d.
holds() {
    expression=$1
    shift
    echo "$@" | awk "{ a = \$1; b = \$2; c = \$3; d = \$4; print \$0
        exit !($expression) }"
}
small="--set filters=8 image_size=16 pretrain.batch=64"
# shellcheck disable=SC2086
{
    check "plan: one process" plan one $small
    check "plan: two" plan two --ranks 2 --network 10Gbit,0us $small
    check "plan: two, far away" plan far --ranks 2 --network 10Gbit,5ms $small
    check "plan: sixteen" plan many --ranks 16 --network 10Gbit,5ms $small
    check "plan: two that wait" plan wait --ranks 2 --network 10Gbit,5ms --no-overlap $small
    check "plan: two in chunks" plan chunks --ranks 2 --network 10Gbit,5ms $small \
        pretrain.chunk=16
}
check "plan: one sends nothing" holds "a == 0 && b == 0" \
    "$(number one sent)" "$(number one communication)"
# Each of the norms' sums is a message, and those of the gradients are not waited
# for so often.
check "plan: each meeting costs a latency" holds \
    "c > 20 && b - a > 0.99 * c * d" "$(number two norms)" "$(number far norms)" \
    "$(number far norm_sums)" 0.005
check "plan: four of sixteen processes" holds "b > 3.9 * a && b < 4.1 * a" \
    "$(number far norms)" "$(number many norms)"
check "plan: chunks meet more often" holds "b > 2 * a" \
    "$(number far norm_sums)" "$(number chunks norm_sums)"
check "plan: who waits has no buckets" holds "a == 0 && b > 0" \
    "$(number wait buckets)" "$(number far buckets)"
check "plan: and meets for each gradient" holds "b > a" \
    "$(number far norm_sums)" "$(number wait norm_sums)"
# Weights as the summary counts them: of two processes each sends half of what it
# exchanges and half of what it collects, four bytes each. Norms' sums are less
# than that again.
weights=$("$simcc" summary models/quickstart.net --phase pretrain --json \
    --set filters=8 image_size=16 pretrain.batch=64 |
    sed 's/.*"total":{"trainable":\([0-9]*\).*/\1/')
check "plan: gradients are sent once" holds "a > 4 * b && a < 4 * b * 2" \
    "$(number two sent)" "$weights"
check "plan: the step is the sum of its parts" holds \
    "(a - b - c) ^ 2 < 1e-12" "$(number far step)" "$(number far work)" \
    "$(number far communication)"
check "plan: as a table" says "waited for" "$simcc" plan models/quickstart.net \
    pretrain --ranks 4 --threads 1 --set filters=8 image_size=16 pretrain.batch=64
for wrong in 10 10Gbit 10Gbit,50 Gbit,50us 10Gbit,-1us 0Gbit,1us; do
    check "plan: --network $wrong" says \
        "--network wants a speed in Gbit or Mbit and a latency in us or ms" \
        "$simcc" plan models/quickstart.net pretrain --network "$wrong"
done
finish
