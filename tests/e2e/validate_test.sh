#!/bin/sh
# Validation while training: its images by a folder, a list's column and a
# share, none of which is trained on; the best checkpoint is what eval says of
# it; early ends; killed and resumed: the same bits, end and best.
. tests/e2e/lib.sh

net=models/quickstart.net
settings="filters=4 groups=2 image_size=16 pretrain.batch=16
    pretrain.epochs=12 finetune.batch=8 finetune.steps=40 finetune.labels=4
    scratch.batch=8 scratch.steps=30 scratch.labels=all"

# Two sets of the same images: a folder with three parts, and a list.
"$simcc" data synth "$work/shapes" --classes 3 --per-class 24 --size 16 -q
mkdir -p "$work/parts/valid"
cp -r "$work/shapes/train" "$work/shapes/test" "$work/parts"
echo "path,label,part" > "$work/parts/list.csv"
for class in disc ring square; do
    mkdir "$work/parts/valid/$class"
    mv "$work/parts/train/$class"/0000[0-5].png "$work/parts/valid/$class"
    for part in train test valid; do
        for file in "$work/parts/$part/$class"/*.png; do
            echo "${file#"$work/parts/"},$class,$part" >> "$work/parts/list.csv"
        done
    done
done

# train OUT DATA PHASES OPTION...
train() {
    out=$1 data=$2 chosen=$3
    shift 3
    # shellcheck disable=SC2086
    $how "$simcc" run "$net" $chosen --data "$data" --out "$out" \
        --set $settings "$@"
}
how=

# of OUT PHASE: its validations.
of() {
    grep "\"phase\":\"$2\".*\"valid_images\"" "$1/metrics.jsonl"
}

# number NAME: the last of that name on standard input.
number() {
    sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p" | tail -n 1
}

# evaluates OUT DATA PHASE [OPTION...]: eval finds of best.safetensors what the
# validation did; one decimal more or less is how they are printed.
evaluates() {
    evaluates_by top1 "$@"
}

# The same by another number of eval's.
evaluates_by() {
    name=$1
    shift
    best=$(of "$1" "$3" | number best)
    run=$1 data=$2 phase=$3
    shift 3
    "$simcc" eval "$net" "$phase" --data "$data" --split valid --json -q \
        --weights "$run/$phase/best.safetensors" "$@" > "$work/evaluated"
    cat "$work/evaluated"
    sed 's/,"classes".*//' "$work/evaluated" | number "$name" | awk -v best="$best" \
        '{ print $1, best; exit !($1 - best < 1e-6 && best - $1 < 1e-6) }'
}

# same A B PHASE: models and the best weights have the same bits, and the lines
# of validation are the same.
same() {
    cmp "$1/$3/model.safetensors" "$2/$3/model.safetensors" || return 1
    for run in "$1" "$2"; do
        "$simcc" export "$net" "$3" --weights "$run/$3/best.safetensors" \
            -o "$run/$3.exported" -q || return 1
        of "$run" "$3" > "$run/$3.lines"
    done
    cmp "$1/$3.exported" "$2/$3.exported" && cmp "$1/$3.lines" "$2/$3.lines"
}

# ---- the three ways to have such images -------------------------------------

check "validate: a folder" says "on 18 images by the greatest top1" \
    train "$work/folder" "$work/parts" scratch --validate-every 1epoch
check "validate: it has a line an epoch" \
    [ "$(of "$work/folder" scratch | wc -l)" = 5 ]
check "validate: the best is what eval says" \
    evaluates "$work/folder" "$work/parts" scratch
# 30 steps of 8 of 54 images: half a pass is over 8 times, and there is the end.
check "validate: half epochs" says "every 0.5 epochs" train "$work/half" \
    "$work/parts" scratch --validate-every 0.5epochs
check "validate: as many as there are" \
    [ "$(of "$work/half" scratch | wc -l)" = 9 ]
check "validate: a list" says "18 images are marked for validation" \
    train "$work/list" "$work/parts/list.csv" scratch --validate-every 1epoch
check "validate: with the folder's numbers of images" \
    [ "$(number valid_images < "$work/list/metrics.jsonl")" = 18 ]
check "validate: and of eval" evaluates "$work/list" "$work/parts/list.csv" scratch
check "validate: a share" says "18 of the training images are set aside" \
    train "$work/share" "$work/shapes" "pretrain scratch" --validate 25%
check "validate: which eval knows by the weights" \
    evaluates "$work/share" "$work/shapes" scratch
check "validate: neighbours are eval's" evaluates "$work/share" "$work/shapes" \
    pretrain --knn --neighbours 9
check "validate: training had the others" grep -q '^images = 54$' \
    "$work/share/pretrain/state"

# What is set aside is not trained on: without these files, but for their names
# in the list, which decide, the bits are the same.
"$simcc" data info "$work/shapes" --validate 25% --json > "$work/info"
check "validate: data info counts each class" grep -q \
    '"disc","training":18,"test":5,"validation":6' "$work/info"
"$simcc" predict "$net" scratch --data "$work/shapes" --split valid \
    --weights "$work/share/scratch/model.safetensors" -o "$work/aside.csv" -q
cp -r "$work/shapes" "$work/less"
tail -n +2 "$work/aside.csv" | cut -d, -f1 | while read -r name; do
    rm "$work/less/$name"
done
train "$work/without" "$work/less" "pretrain scratch" > "$work/log" 2>&1
# numbers FILE: what is behind the header, which says what was set aside.
numbers() {
    header=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
    tail -c "+$((9 + header))" "$1"
}
for phase in pretrain scratch; do
    for run in share without; do
        numbers "$work/$run/$phase/model.safetensors" > "$work/$run.$phase"
    done
    check "validate: $phase has numbers" [ -s "$work/share.$phase" ]
    check "validate: $phase never sees what is set aside" \
        cmp "$work/share.$phase" "$work/without.$phase"
done

# ---- numbers, ends, cards ---------------------------------------------------

check "validate: by the loss, the least is best" says "by the least loss" \
    train "$work/loss" "$work/shapes" scratch --validate 25% --best loss \
    --validate-every 4
least=$(of "$work/loss" scratch | sed 's/.*"loss":\([^,]*\).*/\1/' | sort -g | head -n 1)
check "validate: and it is" [ "$(of "$work/loss" scratch | number best)" = "$least" ]
check "validate: by balanced accuracy" says "by the greatest balanced_accuracy" \
    train "$work/balance" "$work/shapes" scratch --validate 25% \
    --best balanced_accuracy
check "validate: which is eval's" evaluates_by balanced_accuracy \
    "$work/balance" "$work/shapes" scratch
check "validate: a phase without that number has its own" says \
    "best.safetensors; it has no loss, which --best names" \
    train "$work/each" "$work/shapes" "pretrain scratch" --validate 25% \
    --best loss
check "validate: which is its best" grep -q 'pretrain: best knn' "$work/said"
check "validate: the others that which was named" grep -q \
    'scratch: best loss' "$work/said"
check "validate: -NAME is the least of any other" says "by the least top1" \
    train "$work/worst" "$work/shapes" scratch --validate 25% --best=-top1

# A net in which nothing moves but by its rate.
cat > "$work/colors.net" <<'NET'
import "lib/heads.net"
import "lib/losses.net"
import "lib/optimizers.net"
import "lib/augment.net"
param classes = 10
phase colors(batch = 8, steps = 30, rate = 0.1) {
    input images, y = labeled(all), augment eval_crop(16), evaluate eval_crop(16)
    logits = classifier(mean(images, over = "hw"), classes)
    minimize cross_entropy(logits, y)
    using    sgd(rate = rate)
    report   top1(logits, y)
}
NET
# colors OUT OPTION...
colors() {
    out=$1
    shift
    "$simcc" run "$work/colors.net" --data "$work/shapes" --out "$out" \
        --validate 25% "$@"
}
check "validate: an unknown number" says \
    "has a number of that name: colors has loss, top1" \
    colors "$work/x" --best tap1
check "validate: a number of no phase" says \
    "name: pretrain has knn; scratch has loss, top1" train "$work/x" \
    "$work/shapes" "pretrain scratch" --validate 25% --best=-top2

# A rate of nothing: no validation is better than the first.
check "validate: ends early" says "ends at step 9 of 30" \
    colors "$work/early" --patience 2 --validate-every 3 --set colors.rate=0
check "validate: with its last loss as others" grep -q \
    '^colors: 9 steps, loss [0-9.]* -> [0-9.]*;' "$work/said"
check "validate: which its state has" grep -q '^last_loss = [0-9]' \
    "$work/early/colors/state"
check "validate: and its card" grep -q '| [0-9.]* to [0-9.]* |' \
    "$work/early/card.md"
check "validate: and says so in its lines" grep -q '"ended_early":1' \
    "$work/early/metrics.jsonl"
check "validate: in its state" grep -q '^valid.ended_early = 1$' \
    "$work/early/colors/state"
check "validate: and on its card" grep -q '| 3 | 9, ended early |' \
    "$work/early/card.md"
check "validate: which says what tested" grep -q 'they chose nothing' \
    "$work/early/card.md"
check "validate: tested once" \
    [ "$(grep -c test_images "$work/early/metrics.jsonl")" = 1 ]
check "validate: a finished one stays so" says '"ended_early":true' \
    colors "$work/early" --patience 2 --validate-every 3 --set colors.rate=0 \
    --resume --json
check "validate: with its last loss" grep -q '"last_loss":[0-9]' "$work/said"

# ---- killed and resumed -----------------------------------------------------

# The end was decided and saved, and then nothing could be written.
mkdir -p "$work/late/colors/model.safetensors"
check "validate: an end that could not be written" exits 1 \
    colors "$work/late" --patience 2 --validate-every 3 --set colors.rate=0
rmdir "$work/late/colors/model.safetensors"
check "validate: is the end of the resumed one" says "ends at step 9 of 30" \
    colors "$work/late" --patience 2 --validate-every 3 --set colors.rate=0 \
    --resume
check "validate: with the same lines" sh -c "grep -v test_images \
    '$work/late/metrics.jsonl' | sed 's/,\"images_per_s.*//' > '$work/late.lines'
    grep -v test_images '$work/early/metrics.jsonl' |
    sed 's/,\"images_per_s.*//' | cmp - '$work/late.lines'"

patient="--validate 25% --validate-every 3 --patience 4"
# shellcheck disable=SC2086
train "$work/whole" "$work/shapes" "pretrain scratch" $patient > "$work/log" 2>&1
killed=0
for target in 3 9 15 24; do
    (
        how=exec
        # shellcheck disable=SC2086
        train "$work/killed" "$work/shapes" "pretrain scratch" $patient \
            --save-every 0.01 --resume
    ) > "$work/log" 2>&1 &
    victim=$!
    while [ "$(cat "$work/killed/metrics.jsonl" 2> "$work/none" | wc -l)" -lt \
        "$target" ] && kill -0 "$victim" 2> "$work/none"; do
        :
    done
    kill -9 "$victim" 2> "$work/none"
    wait "$victim" 2> "$work/none"
    [ $? = 137 ] && killed=$((killed + 1))
done
check "validate: was killed in the middle" [ "$killed" -ge 2 ]
# shellcheck disable=SC2086
check "validate: resumes" train "$work/killed" "$work/shapes" \
    "pretrain scratch" $patient --resume
for phase in pretrain scratch; do
    check "validate: $phase has the same bits, end and best" \
        same "$work/whole" "$work/killed" "$phase"
done
# shellcheck disable=SC2086
train "$work/threads" "$work/shapes" "pretrain scratch" $patient --threads 3 \
    > "$work/log" 2>&1
check "validate: on more threads, too" same "$work/whole" "$work/threads" scratch


# An end that is certain, on any processor, and that kills come before.
sure="--patience 4 --validate-every 20 --set colors.rate=0 colors.steps=400"
# shellcheck disable=SC2086
colors "$work/sure" $sure > "$work/log" 2>&1
killed=0
for target in 10 40 70; do
    # shellcheck disable=SC2086
    (
        exec "$simcc" run "$work/colors.net" --data "$work/shapes" --out \
            "$work/shot" --validate 25% $sure --save-every 0.001 --resume
    ) > "$work/log" 2>&1 &
    victim=$!
    while [ "$(cat "$work/shot/metrics.jsonl" 2> "$work/none" | wc -l)" -lt \
        "$target" ] && kill -0 "$victim" 2> "$work/none"; do
        :
    done
    kill -9 "$victim" 2> "$work/none"
    wait "$victim" 2> "$work/none"
    [ $? = 137 ] && killed=$((killed + 1))
done
check "validate: killed before its end" [ "$killed" -ge 1 ]
# shellcheck disable=SC2086
check "validate: resumes once more" colors "$work/shot" $sure --resume
check "validate: and ends where the unbroken one did" grep -q '^step = 100$' \
    "$work/shot/colors/state"
for run in sure shot; do
    grep -h valid_images "$work/$run/metrics.jsonl" > "$work/$run.lines"
done
check "validate: early" grep -q '"ended_early":1' "$work/sure.lines"
check "validate: by the same lines" cmp "$work/sure.lines" "$work/shot.lines"
check "validate: with the same model" cmp \
    "$work/sure/colors/model.safetensors" "$work/shot/colors/model.safetensors"

# shellcheck disable=SC2086
check "validate: another patience is another run" says \
    "it was validated every 3 steps on 18 images by the greatest top1, patience 4, and is now" \
    train "$work/whole" "$work/shapes" scratch --validate 25% \
    --validate-every 3 --patience 5 --resume
check "validate: and so is none" says "and is now not validated" \
    train "$work/folder" "$work/parts" scratch --resume

# ---- what is refused, what is said ------------------------------------------

check "validate: patience alone" says "--patience goes with a validation" \
    train "$work/x" "$work/shapes" scratch --patience 3
check "validate: is a mistake of the command line" exits 2 \
    train "$work/x" "$work/shapes" scratch --patience 3
check "validate: best alone" says "--best goes with a validation" \
    train "$work/x" "$work/shapes" scratch --best loss
check "validate: no images for it" says "--validate 10% sets aside" \
    train "$work/x" "$work/shapes" scratch --validate-every 1epoch
check "validate: a share beside a part" says "has a validation part (valid)" \
    train "$work/x" "$work/parts" scratch --validate 10%
check "validate: no share" says "wants a share from" \
    train "$work/x" "$work/shapes" scratch --validate 10
check "validate: no clock" says "such as 200 or 1epoch, and got '2weeks'" \
    train "$work/x" "$work/shapes" scratch --validate 10% \
    --validate-every 2weeks
check "validate: eval of a share that was trained on" says \
    "may have been trained on" "$simcc" eval "$net" scratch \
    --data "$work/shapes" --out "$work/without" --split valid --validate 10%
check "validate: eval knows three" says "eval's --split is test, valid or all" \
    "$simcc" eval "$net" scratch --data "$work/shapes" --out "$work/share" \
    --split train
mkdir "$work/heap"
cp "$work/shapes/train/disc"/*.png "$work/heap"
check "validate: nothing to validate by" says "can be validated" \
    train "$work/x" "$work/heap" pretrain --validate 10%
cp -r "$work/without" "$work/later"
check "validate: images that were pretrained on" says \
    "it may have been trained on what is kept for validation now" \
    train "$work/later" "$work/shapes" finetune --validate 25%
cp -r "$work/share" "$work/sooner"
train "$work/sooner" "$work/shapes" finetune --validate 25% > "$work/log" 2>&1
check "validate: none, with the same share" sh -c \
    "! grep -q 'may have been trained' '$work/log'"
"$simcc" data split "$work/shapes" --per-class 3 --seeds 1 -o "$work/splits" -q
sed -n 2p "$work/aside.csv" | cut -d, -f1 >> "$work/splits/split-0.txt"
check "validate: a listed label that is set aside" says \
    "is set aside for validation" train "$work/x" "$work/shapes" scratch \
    --validate 25% --labels "$work/splits/split-0.txt"
finish
