#!/bin/sh
# Classes of unlike size: balanced batches and weights from counts, killed,
# resumed and on any number of threads the same bits.
. tests/e2e/lib.sh

net=models/quickstart.net
settings="filters=4 groups=2 image_size=16 scratch.batch=12 scratch.steps=30
    scratch.labels=all"

# Of 24 discs, 8 rings and 3 squares.
"$simcc" data synth "$work/shapes" --classes 3 --per-class 24 --size 16 -q
rm "$work"/shapes/train/ring/0000[89].png "$work"/shapes/train/ring/0001*.png \
    "$work"/shapes/train/ring/0002*.png \
    "$work"/shapes/train/square/0000[3-9].png \
    "$work"/shapes/train/square/0001*.png "$work"/shapes/train/square/0002*.png

train() {
    out=$1
    shift
    # shellcheck disable=SC2086
    "$simcc" run "$net" scratch --data "$work/shapes" --out "$work/$out" \
        --set $settings "$@"
}

check "the set is what this test thinks" \
    says "      24          5  disc" "$simcc" data info "$work/shapes"
check "balanced batches are told with what they repeat" \
    says "each class comes as often, an image of the smallest (3 images) 8.0 times as often as one of the largest (24)" \
    train balanced --set scratch.balanced=true
otherwise() {
    train plain -q && ! same_tensors "$work/plain/scratch/model.safetensors" \
        "$work/balanced/scratch/model.safetensors"
}
check "balanced: plain batches give other weights" otherwise
stopped_and_resumed() {
    train "$1" --set scratch.balanced=true --stop-after 13 --threads 1 -q &&
        train "$1" --set scratch.balanced=true --resume -q &&
        same_tensors "$work/balanced/scratch/model.safetensors" \
            "$work/$1/scratch/model.safetensors"
}
check "balanced: stopped, resumed, of one thread and two: the same bits" \
    stopped_and_resumed again
resumed_otherwise() {
    train other --set scratch.balanced=true --stop-after 5 -q &&
        exits 1 train other --resume -q
}
check "balanced: a run is not resumed with plain batches" resumed_otherwise
finish
