#!/bin/sh
# What is wrong with a run is said before its first step, and leaves no trace;
# weights are tried on images that they were not trained on.
. tests/e2e/lib.sh

"$simcc" data synth "$work/drawn" --classes 3 --per-class 20 --size 16 -q
mv "$work/drawn/train" "$work/photos" # no part for testing
settings="filters=4 image_size=16 pretrain.batch=16 pretrain.epochs=1
    scratch.batch=16 scratch.steps=3 finetune.steps=2"
more=
train() {
    out=$1
    shift
    # shellcheck disable=SC2046,SC2086
    "$simcc" run models/quickstart.net --data "$work/photos" --out "$out" "$@" \
        --set $(merged "$settings" "$more")
}
untouched() {
    [ ! -e "$work/none" ] || { find "$work/none"; false; }
}

check "begin: a later phase's batch" says "finetune takes batches of 64" \
    train "$work/none" pretrain finetune
more="finetune.batch=8 finetune.labels=50"
check "begin: its labels" says "wants 50 labelled images of each class" \
    train "$work/none" pretrain finetune
more="finetune.batch=8 classes=5"
check "begin: its classes" says "made for 5 classes and the data has 3" \
    train "$work/none" pretrain finetune
more="finetune.batch=8"
check "begin: a phase it needs" exits 4 train "$work/none" finetune
check "begin: nothing was written" untouched
check "begin: in the data" says "would become a class" train \
    "$work/photos/run" pretrain
check "begin: nor there" [ ! -e "$work/photos/run" ]

# ---- going on ---------------------------------------------------------------

more="scratch.labels=7"
check "begin: a run" train "$work/run" scratch --seed 3 --held-out 0.5
cp -r "$work/run" "$work/before"
more="scratch.labels=7 temperature=0.3"
check "begin: other settings" says "temperature = 0.2 in the file, 0.3 here" \
    train "$work/run" scratch --seed 3 --held-out 0.5 --resume
more="scratch.labels=7 scratch.rate=0.3"
check "begin: a phase's" says "its program" train "$work/run" scratch --seed 3 \
    --held-out 0.5 --resume
check "begin: the record is that of the run" diff -r "$work/before" "$work/run"
more="scratch.labels=7"
train "$work/short" scratch --stop-after 2 -q
train "$work/short" scratch --stop-after 2 -q --resume
check "begin: no step but those asked for" test \
    "$(grep -c '"step":3' "$work/short/metrics.jsonl")" = 0
check "begin: nor twice" test \
    "$(grep -c '"step":2' "$work/short/metrics.jsonl")" = 1

# ---- what weights know of the data ------------------------------------------

try() {
    "$simcc" eval models/quickstart.net scratch --data "$work/photos" \
        --out "$work/run" "$@"
}
names() {
    "$simcc" predict models/quickstart.net scratch --data "$work/photos" \
        --out "$work/run" --split test -q -o "$work/$1.csv" || return 1
    cut -d , -f 1 "$work/$1.csv" | sort > "$work/$1"
}
check "begin: tried on what was held out" says "50% of each class, by seed 3" try
check "begin: with the run's own result" test \
    "$(try 2> "$work/log" | sed 's/.*loss/loss/; s/ *(.*//')" = \
    "$(grep -o '"test_images.*' "$work/run/metrics.jsonl" |
        sed 's/.*"loss":\([0-9.]*\),"top1":\([0-9.]*\).*/\1 \2/' |
        awk '{ printf "loss %.4g, top1 %.4g\n", $1, $2 }')"
check "begin: others are warned of" says "were trained with --held-out 0.5" \
    try --seed 0
check "begin: predictions, too" names tested
check "begin: half of the images" test "$(wc -l < "$work/tested")" = \
    "$(($(find "$work/photos" -name '*.png' | wc -l) / 2 + 1))"
first=$(find "$work/photos" -mindepth 1 -maxdepth 1 | sort | head -n 1)
mv "$first" "$work/photos/zebra"
check "begin: other classes" says "not in the data: disc; only there: zebra" try
cp -r "$work/photos/zebra" "$work/photos/zoo"
check "begin: more classes" says "and the data has 4 (ring" try
check "begin: one image is no data" says "is one image" "$simcc" data info \
    "$(find "$work/photos" -name '*.png' | head -n 1)"
: > "$work/photos.tar.gz"
check "begin: nor is a packed archive" says "unpack it first" "$simcc" data \
    info "$work/photos.tar.gz"
finish
