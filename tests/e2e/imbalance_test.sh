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
        says "scratch.balanced = true in the file, and not here" \
            exits 1 train other --resume -q
}
check "balanced: a run is not resumed with plain batches" resumed_otherwise

# Weights by counts of 24, 8 and 3: images / (3 * count) is what scikit-learn's
# compute_class_weight gives for "balanced".
lib=$PWD/models/lib
cat > "$work/weights.net" <<END
import "$lib/layers.net"
import "$lib/losses.net"
import "$lib/optimizers.net"
import "$lib/augment.net"
param classes = 3
def of(weights, class) = sum(where(iota([classes], axis = 0) == class, weights, 0.0))
phase fit(batch = 9, steps = 2, power = 1.0, labels = all) {
    input images, y = labeled(labels), augment [center_crop(8)], evaluate [center_crop(8)]
    logits = dense(mean(images, over = "hw"), classes) as fc
    weights = class_weights(power)
    minimize cross_entropy(logits, y, weights = weights)
    using    sgd(rate = 0.1)
    report   first = of(weights, 0), second = of(weights, 1), third = of(weights, 2)
    report   there = image_count
}
END
# weights OUT WORD...: as the last step reports them, and the evaluation, to nine
# digits.
weights() {
    out=$1
    shift
    "$simcc" run "$work/weights.net" --data "$work/shapes" --out "$work/$out" \
        --dtype f64 -q "$@" &&
        sed 's/.*\("first"[^}]*\),"images_per.*/\1/; s/,"gradient_norm.*//' \
            "$work/$out/metrics.jsonl" | tail -n 2 |
        sed 's/\(\.[0-9]\{8\}\)[0-9]*/\1/g'
}
check "weights: of all training images" says \
    '"first":0.48611111,"second":1.45833333,"third":3.88888888,"there":35' weights all
check "weights: none in the evaluation" \
    says '"first":1,"second":1,"third":1}' cat "$work/all/metrics.jsonl"
check "weights: half the way" says '"first":0.75525950,"second":1.30814782,"third":2.13619645' \
    weights half --set fit.power=0.5
check "weights: of the images whose labels are seen" \
    says '"first":1,"second":1,"third":1,"there":9' weights few --set fit.labels=3
check "weights: in a net of simcc's own" \
    train weighted --set class_weighting=1 -q
unlike() {
    ! same_tensors "$work/weighted/scratch/model.safetensors" \
        "$work/plain/scratch/model.safetensors"
}
check "weights: they matter" unlike
finish
