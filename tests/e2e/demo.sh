#!/bin/sh
# The whole method on images simcc draws itself: pretrain without labels,
# fine-tune on ten labels a class, distill into a smaller net, and train the
# same net from scratch on the same labels, to compare. `make demo`; SEEDS="1 2
# 3" repeats it and adds mean and spread.
set -eu
BUILD=${BUILD:-build}
SEEDS=${SEEDS:-1}
simcc=$BUILD/simcc
demo=$BUILD/demo
model=models/quickstart.net
images=$demo/shapes
mkdir -p "$demo"
started=$(date +%s)

if [ ! -d "$images" ]; then
    echo "Drawing images: $images"
    "$simcc" data synth "$images" --classes 8 --per-class 250 --seed 1 >/dev/null
fi
"$simcc" data info "$images"
"$simcc" augment "$model" pretrain --data "$images" -o "$demo/views.png"

for seed in $SEEDS; do
    echo
    echo "Training, seed $seed"
    rm -rf "$demo/run-$seed"
    "$simcc" run "$model" --data "$images" --out "$demo/run-$seed" \
        --seed "$seed" --json > "$demo/results-$seed.json"
done

# What the page below has pictures and numbers of, for the first seed. Lines of
# model.net, the program with all parameters, are those that the page shows.
first=$demo/run-${SEEDS%% *}
for phase in pretrain finetune; do
    "$simcc" augment "$first/model.net" $phase --data "$images" \
        -o "$first/$phase/views.png" -q > /dev/null
    "$simcc" profile "$first/model.net" $phase --json -q \
        > "$first/$phase/profile.json"
done
"$simcc" neighbours "$first/model.net" pretrain --data "$images" \
    --out "$first" -o "$first/pretrain/neighbours.png" -q > /dev/null
"$simcc" map "$first/model.net" pretrain --data "$images" --out "$first" \
    -o "$first/pretrain/map.png" -q > /dev/null
for phase in finetune distill scratch; do
    "$simcc" eval "$first/model.net" $phase --data "$images" --out "$first" \
        -o "$first/$phase/eval" -q > /dev/null
done
# shellcheck disable=SC2046 # a word for each seed
"$simcc" report $(for seed in $SEEDS; do echo "$demo/run-$seed"; done | head -n 8) \
    -o "$demo/report.html" -q

# accuracy PHASE: the test accuracies of all seeds, in percent.
accuracy() {
    for seed in $SEEDS; do
        grep "\"phase\":\"$1\"" "$demo/results-$seed.json" |
            sed 's/.*"top1":\([0-9.e-]*\).*/\1/'
    done
}

row() {
    accuracy "$1" | awk -v name="$2" '
        { sum += $1; square += $1 * $1 }
        END {
            mean = sum / NR
            spread = NR > 1 ? sqrt((square - NR * mean * mean) / (NR - 1)) : 0
            if (NR > 1) printf "  %-48s %5.1f%% +- %.1f\n", name, 100 * mean, 100 * spread
            else printf "  %-48s %5.1f%%\n", name, 100 * mean
        }'
}

echo
echo "Test accuracy (400 images, 8 classes, 10 labels a class; seeds: $SEEDS)"
row scratch  "from scratch, the labels alone"
row finetune "pretrained without labels, then fine-tuned"
row distill  "distilled into a net with a third of its weights"
echo
echo "To look at:       $demo/report.html"
echo "Augmented views:  $demo/views.png"
for seed in $SEEDS; do
    echo "Learning curves:  $demo/run-$seed/curves.png"
done
echo "Took $(($(date +%s) - started)) seconds."
