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
more="pretrain.batch=99"
check "begin: all batches that are too large" says \
    "phase finetune takes batches of 64 images, and has 30 to train on: --set pretrain.batch=48 finetune.batch=30, or less" \
    train "$work/none" pretrain finetune
check "begin: before anything is compiled" sh -c "! grep compiled '$work/said'"
# shellcheck disable=SC2046
"$simcc" compile models/quickstart.net --phase finetune --target x86-64 \
    -o "$work/net.simcc" --set $(merged "$settings" "classes=3") 2> /dev/null
check "begin: what an artifact's batch asks for" says \
    "finetune.batch=30, or less ($work/net.simcc is compiled: \`simcc compile\`" \
    exits 4 "$simcc" run "$work/net.simcc" finetune --data "$work/photos" \
    --out "$work/none"
more="finetune.batch=8 finetune.labels=50"
check "begin: its labels" says \
    "wants 50 labelled images of each class, and class \"disc\" has 16 (--labels 16 would do)" \
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

# A file that a later phase starts from, which the phases before it do not make.
start=$work/start.safetensors
sed "s|from pretrain|from \"$start\"|" models/quickstart.net > "$work/start.net"
started() {
    out=$1
    shift
    # shellcheck disable=SC2046
    "$simcc" run "$work/start.net" pretrain finetune --data "$work/photos" \
        --out "$out" "$@" \
        --set $(merged "$settings" "finetune.batch=8 finetune.steps=9")
}
check "begin: a file that is not there" says \
    "phase finetune starts from $start, which is not there" exits 4 \
    started "$work/none"
check "begin: is known before the phases ahead of it" untouched
# shellcheck disable=SC2046
"$simcc" run models/quickstart.net pretrain --data "$work/photos" -q \
    --out "$work/wide" --set $(merged "$settings" "filters=8") 2> /dev/null
cp "$work/wide/pretrain/model.safetensors" "$start"
check "begin: so is one of other shapes" says \
    "$start holds other weights than phase finetune" exits 4 \
    started "$work/none"
check "begin: which leaves no trace, either" untouched
# shellcheck disable=SC2086
"$simcc" run models/quickstart.net pretrain --data "$work/photos" -q \
    --out "$work/narrow" --set $settings 2> /dev/null
cp "$work/narrow/pretrain/model.safetensors" "$start"
check "begin: one that fits is loaded when its phase begins" says \
    "tensors from $start" exits 0 started "$work/started" --stop-after 5
check "begin: once" [ "$(grep -c "tensors from $start" "$work/said")" = 1 ]
rm "$start"
check "begin: who has begun with it goes on without" started "$work/started" \
    --resume

# ---- going on ---------------------------------------------------------------

more="scratch.labels=7"
check "begin: a run" train "$work/run" scratch --seed 3 --held-out 0.5
cp -r "$work/run" "$work/before"
more="scratch.labels=7 temperature=0.3"
check "begin: other settings" says "temperature = 0.2 in the file, 0.3 here" \
    train "$work/run" scratch --seed 3 --held-out 0.5 --resume
more="scratch.labels=7 scratch.rate=0.3"
check "begin: a phase's" says "scratch.rate = 0.2 in the file, 0.3 here" train "$work/run" scratch --seed 3 \
    --held-out 0.5 --resume
# What the run was begun with is missed before what does not fit without it.
more="finetune.batch=8 finetune.steps=3"
train "$work/two" pretrain finetune -q
more="finetune.steps=3"
check "begin: without a setting of the run" says \
    "/finetune/checkpoint.safetensors cannot be resumed: finetune.batch = 8 in the file, 64 here;" \
    exits 1 train "$work/two" pretrain finetune --resume
# shellcheck disable=SC2046
"$simcc" compile models/quickstart.net --phase finetune -o "$work/wide.simcc" \
    --set $(merged "$settings" "$more classes=3") 2> /dev/null
check "begin: of an artifact, too" says "finetune.batch = 8 in the file, 64 here;" \
    exits 1 "$simcc" run "$work/wide.simcc" finetune --data "$work/photos" \
    --out "$work/two" --resume
check "begin: where it starts over, what fits" says "finetune.batch=30, or less" \
    exits 4 train "$work/two" pretrain finetune --force
more="scratch.labels=7"
check "begin: the record is that of the run" diff -r "$work/before" "$work/run"
more="scratch.labels=7"
train "$work/short" scratch --stop-after 2 -q
train "$work/short" scratch --stop-after 2 -q --resume
check "begin: no step but those asked for" test \
    "$(grep -c '"step":3' "$work/short/metrics.jsonl")" = 0
check "begin: nor twice" test \
    "$(grep -c '"step":2' "$work/short/metrics.jsonl")" = 1

# ---- what comes next --------------------------------------------------------

more="finetune.batch=8"
kept="--seed 3 --dtype f64 --held-out 30% --validate 20% --validate-every 1"
kept="$kept --patience 9 --strict"
# shellcheck disable=SC2086
check "begin: what comes next has what decides its images and numbers" says \
    "--seed 3 --dtype f64 --held-out 30%" train "$work/next" pretrain $kept \
    --best knn --threads 2
sed -n 's/^next: simcc //p' "$work/said" > "$work/hint"
cat > "$work/wanted" << END
run models/quickstart.net finetune --data $work/photos --out $work/next --seed \
3 --dtype f64 --held-out 30% --validate 20% --validate-every 1 --strict \
--patience 9 --set $(merged "$settings" "$more") classes=3
END
check "begin: as it was given, and the classes found" diff "$work/hint" "$work/wanted"
# shellcheck disable=SC2046
check "begin: it sees no image set aside before" "$simcc" \
    $(cat "$work/hint")
check "begin: nor is warned" sh -c "! grep 'was trained with' '$work/check.log'"
check "begin: another is warned, in the words of the option" says \
    "was trained with --held-out 30% --validate 20% --seed 3" \
    train "$work/next" finetune --dtype f64 --force

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
    "$(try 2> "$work/log" | sed -n '1{s/.*loss/loss/; s/ *(.*//p;}')" = \
    "$(grep -o '"test_images.*' "$work/run/metrics.jsonl" |
        sed 's/.*"loss":\([0-9.]*\),"top1":\([0-9.]*\).*/\1 \2/' |
        awk '{ printf "loss %.4g, top1 %.4g\n", $1, $2 }')"
check "begin: others are warned of" says "were trained with --held-out 50%" \
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

# ---- what the program will do -----------------------------------------------

"$simcc" data synth "$work/few" --classes 3 --per-class 16 --size 16 -q
cat > "$work/foresee.net" <<END
import "$PWD/models/lib/layers.net"
import "$PWD/models/lib/resnet.net"
import "$PWD/models/lib/losses.net"
import "$PWD/models/lib/heads.net"
import "$PWD/models/lib/optimizers.net"
import "$PWD/models/lib/augment.net"
param classes = 3 in 2..=100
param frozen  = "yes" in ["yes", "no", "still"]
def net(x) = small_resnet(x, [4, 8])
phase p(batch = 16, steps = 20, warmup = 5%, ramp = 0.1) {
    input images, y = labeled(all), augment [center_crop(16)]
    h = if frozen == "still" then inference(net(images)) else net(images)
    u = if frozen == "no" then h else stop_gradient(h)
    logits = classifier(u, classes)
    minimize cross_entropy(logits, y) + 1e-9 * (step / total_steps) * mean(logits^2)
    using    sgd(rate = warmup_cosine(ramp, warmup * total_steps, step, total_steps))
}
END
foresees() {
    "$simcc" run "$work/foresee.net" --data "$work/few" --out "$work/foreseen" \
        --force --set "$@"
}
warns_not() {
    foresees "$@" > "$work/said" 2>&1 || return 1
    ! grep "warning: phase" "$work/said"
}
check "foresee: nothing" warns_not frozen=no
check "foresee: a warm-up of 300%" says "its warm-up is not over when it ends" \
    foresees frozen=no p.warmup=300%
check "foresee: a warm-up of all" says "all its 20 steps, to 0.095" \
    foresees frozen=no p.warmup=100%
check "foresee: a warm-up of nearly all" warns_not frozen=no p.warmup=90%
warns_of_nothing_else() {
    foresees frozen=no p.ramp=0.0 > "$work/said" 2>&1 &&
        test "$(grep -c "warning: phase" "$work/said")" = 1 &&
        grep -q "phase .p. trains nothing" "$work/said"
}
check "foresee: no rate" warns_of_nothing_else
check "foresee: norms of what is frozen" says "bn1 is not trained, and yet" \
    foresees frozen=yes
check "foresee: norms of what is still" warns_not frozen=still
check "foresee: a batch of one" says "with batch = 1 there is one" \
    foresees frozen=no p.batch=1
check "foresee: a batch of two" warns_not frozen=no p.batch=2

# A phase goes on with the images and the labels that it began with.
cp -r "$work/photos" "$work/set"
labelled() {
    for image in "$work"/set/*/*.png; do
        image=${image#"$work/set/"}
        echo "$image,${image%%/*}"
    done | sed "$1" > "$work/set/labels-$2.csv"
}
labelled "" one
labelled "s/,square/,was/;s/,ring/,square/;s/,was/,ring/" other
goes() {
    data=$1
    shift
    # shellcheck disable=SC2046
    "$simcc" run models/quickstart.net scratch --data "$data" \
        --out "$work/goes" "$@" --set $(merged "$settings" "scratch.labels=all")
}
goes "$work/set/labels-one.csv" -q --stop-after 1 > /dev/null 2>&1
check "begin: not with other labels" says "have other labels than they had" \
    exits 1 goes "$work/set/labels-other.csv" --resume
says_nothing_of_pictures() {
    goes "$work/set/labels-one.csv" --resume --stop-after 2 \
        > "$work/said" 2>&1 && ! grep "other pictures" "$work/said"
}
check "begin: with the same ones" says_nothing_of_pictures
set -- "$work"/photos/ring/*.png
for image in "$work"/set/*/*.png; do
    cp "$1" "$image"
done
check "begin: with other pictures it says so" says \
    "byte for byte: it goes on with other pictures" \
    goes "$work/set/labels-one.csv" --resume

# A phase that begins has no pictures to compare with.
cp -r "$work/photos" "$work/pictures"
set -- "$work"/photos/square/*.png
for image in "$work"/pictures/*/*.png; do
    cp "$1" "$image"
done
begins_quietly() {
    # shellcheck disable=SC2046
    "$simcc" run models/quickstart.net pretrain --data "$work/pictures" \
        --out "$work/goes" --resume --stop-after 1 \
        --set $(merged "$settings" "") > "$work/said" 2>&1 &&
        ! grep "other pictures" "$work/said"
}
check "begin: another phase, with other pictures" begins_quietly

check "begin: labels that no phase sees" says \
    "--labels has no effect: the phase sees no labels" \
    train "$work/unseen" pretrain --labels 3 --stop-after 1

finish
