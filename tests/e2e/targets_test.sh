#!/bin/sh
# What -o and --trace are kept from writing over: what the command itself reads,
# files that a run needs, images of the data.
. tests/e2e/lib.sh

cp models/quickstart.net "$work/my.net"
net=$work/my.net
small="filters=4 groups=2 image_size=16 scratch.steps=2 scratch.batch=8
    scratch.labels=4 pretrain.batch=8"
"$simcc" data synth "$work/shapes" --classes 3 --per-class 10 --size 16 -q
# shellcheck disable=SC2086
"$simcc" run "$net" scratch --data "$work/shapes" --out "$work/run" -q \
    --set $small > "$work/log" 2>&1
(cd "$work/shapes" && ls train/*/*.png | sed 's/\(train.\)\(.*\)\/.*/&,\2/') \
    > "$work/shapes/list.csv"
ln -s shapes/list.csv "$work/link.csv"

# kept WORDS FILE COMMAND...: it is refused, with these words, and the file is
# as it was, without another beside it.
kept() {
    kept_words=$1
    kept_file=$2
    shift 2
    cp "$kept_file" "$work/before"
    says "$kept_words" exits 2 "$@" && cmp "$kept_file" "$work/before" &&
        [ ! -e "$kept_file.tmp" ]
}
predict() {
    "$simcc" predict "$net" scratch --data "$work/shapes/list.csv" \
        --out "$work/run" -q "$@"
}

check "targets: a list is not predicted into itself" kept \
    "is what --data reads" "$work/shapes/list.csv" \
    predict -o "$work/shapes/list.csv"
check "targets: under another name of it" kept "is what --data reads" \
    "$work/shapes/list.csv" predict -o "$work/link.csv"
check "targets: the table beside features is no list" kept \
    "is what --data reads" "$work/shapes/list.csv" "$simcc" embed "$net" \
    scratch --value logits --data "$work/shapes/list.csv" --out "$work/run" \
    -q --csv -o "$work/shapes/list.npy"
check "targets: and nothing else was begun" [ ! -e "$work/shapes/list.npy" ]
check "targets: a program stays one" kept "is the program" "$net" \
    "$simcc" compile "$net" -o "$net"
check "targets: also by a trace" kept "is the program" "$net" \
    "$simcc" profile "$net" scratch --trace "$net"
check "targets: weights that are given stay" kept "is what --weights reads" \
    "$work/run/scratch/best.safetensors" predict \
    --weights "$work/run/scratch/best.safetensors" \
    -o "$work/run/scratch/best.safetensors"
for file in model.safetensors checkpoint.safetensors state model.net; do
    check "targets: a run's $file stays" kept "is a file of a run" \
        "$work/run/scratch/$file" \
        "$simcc" export "$net" scratch --out "$work/run" \
        -o "$work/run/scratch/$file"
done
check "targets: a run's log stays" kept "is a file of a run" \
    "$work/run/log" "$simcc" report "$work/run" -o "$work/run/log"
image=$(ls "$work"/shapes/train/*/*.png | head -n 1)
check "targets: an image of the data stays" kept "is an image of the data" \
    "$image" "$simcc" augment "$net" scratch --data "$work/shapes" -o "$image"

# What is nobody's input may be written, and written again.
for time in first second; do
    check "targets: a table, the $time time" predict -o "$work/table.csv"
    check "targets: weights beside a run's, the $time time" \
        "$simcc" export "$net" scratch --out "$work/run" -q \
        -o "$work/run/scratch/exported.safetensors"
    check "targets: a picture within the data, the $time time" \
        "$simcc" augment "$net" scratch --data "$work/shapes" -q \
        -o "$work/shapes/views.png"
    check "targets: a program is formatted into itself, the $time time" \
        "$simcc" fmt "$net" -o "$net" -q
done

# What was exported has the counters of PyTorch's norms, as PyTorch's own files.
check "export: from what was exported" "$simcc" export "$net" scratch -q \
    --weights "$work/run/scratch/exported.safetensors" \
    -o "$work/again.safetensors"
check "export: gives the same" same_tensors \
    "$work/run/scratch/exported.safetensors" "$work/again.safetensors"

finish
