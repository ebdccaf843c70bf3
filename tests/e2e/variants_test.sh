#!/bin/sh
# docs/variants.md: its pieces are in its program, which does what it says, from
# a folder of a user's.
. tests/e2e/lib.sh

page=docs/variants.md
mkdir "$work/mine"
cp docs/variant/variant.net "$work/mine/variant.net"
data=$work/shapes
check "variants: data" "$simcc" data synth "$data" --classes 4 --per-class 20 \
    --size 16

# Every line of the page's pieces of program is one of the program's.
pieces() {
    awk '/^```/ { inside = !inside; next } inside' "$page" > "$work/pieces"
    [ "$(wc -l < "$work/pieces")" -gt 20 ] || return 1
    grep -vxF -f docs/variant/variant.net "$work/pieces" | grep . && return 1
    return 0
}
check "variants: the page's pieces are the program's" pieces

# mine COMMAND...: the page's commands, in the user's folder, on a small net.
small="width=8 blocks=1 image_size=16 pretrain.batch=8 finetune.batch=8"
mine() {
    # shellcheck disable=SC2086
    (cd "$work/mine" && "$simcc" "$@" $small)
}
check "variants: check" mine check variant.net --set
check "variants: summary" says "stage.0 " mine summary variant.net \
    --phase pretrain --set kernel=7
check "variants: run" mine run variant.net pretrain finetune --data "$data" \
    --out RUN --set pretrain.epochs=1 finetune.steps=2 finetune.labels=4 \
    kernel=7 decorrelate=1
check "variants: eval" mine eval variant.net finetune --out RUN --data "$data" \
    --set kernel=7 decorrelate=1
check "variants: profile by line" says "by the line of the source" mine profile \
    variant.net pretrain --set
# Without its term the step has no such product of features.
plan() {
    mine compile variant.net --phase pretrain --emit graph --set "$1" path_rate=0 |
        grep -c "= matmul "
}
cheaper() {
    with=$(plan decorrelate=1)
    without=$(plan decorrelate=0)
    echo "products: $with with the term, $without without"
    [ "$with" -gt "$without" ]
}
check "variants: a term times 0 is not in the step" cheaper
finish
