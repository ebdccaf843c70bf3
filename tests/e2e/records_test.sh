#!/bin/sh
# What runs leave behind and what is made of it: the run directory, monitors
# and their warnings, curves, event files; runs, compare, sweep; accuracy by
# nearest neighbours; sheets of them and maps.
. tests/e2e/lib.sh

net=models/quickstart.net
shapes=$work/shapes
small="filters=4 groups=2 image_size=16 classes=3"
"$simcc" data synth "$shapes" --classes 3 --per-class 24 --size 16 -q

# train OUT OPTION...: a short pretraining and fine-tuning.
train() {
    out=$1
    shift
    # shellcheck disable=SC2086
    "$simcc" run "$net" pretrain finetune --data "$shapes" --out "$out" \
        --set $small pretrain.batch=24 pretrain.epochs=20 pretrain.rate=0.5 \
        finetune.batch=8 finetune.steps=12 finetune.labels=4 "$@"
}

# ---- the run directory ------------------------------------------------------

train "$work/a" > "$work/a.out" 2> "$work/a.err"
check "records: trains" [ $? = 0 ]
for file in about card.md log curves.png curves.svg pretrain/state \
    pretrain/events.out.tfevents.simcc finetune/state; do
    check "records: writes $file" [ -s "$work/a/$file" ]
done
# has FILE TEXT...: every text is in the file.
has() {
    file=$1
    shift
    for text in "$@"; do
        grep -qF -- "$text" "$file" || { echo "no $text in $file"; return 1; }
    done
}
check "records: about says what ran" has "$work/a/about" "simcc = " \
    "blas = OpenBLAS" "LLVM" "seed = 0" "training_images = 72" \
    "param.filters = 4" "phases = pretrain finetune"
# A processor with 256-bit vectors gets products of this age, whatever the library
# knows of it.
blas_is_new() {
    grep -q "^flags.* avx2 " /proc/cpuinfo || return 0
    ! grep "blas = " "$work/a/about" | grep -qE "Prescott|Core2|Nehalem"
}
check "records: the BLAS has kernels for this processor" blas_is_new
check "records: the state is final" has "$work/a/finetune/state" \
    "state = finished" "step = 12" "test.top1 = " "weights = " "step_bytes = "
check "records: metrics have the monitors" has "$work/a/metrics.jsonl" \
    '"loss_at_chance":' '"effective_rank":' '"gradient_norm":' \
    '"trust_ratio_least":' '"trust_ratio_most":' '"weight_norm":' '"knn":'
check "records: the card has data, results, settings and limits" \
    has "$work/a/card.md" "72 training images" "| finetune | finished |" \
    "test images |" "filters = 4" "Limits of use"
check "records: the log has results" has "$work/a/log" "finetune: 12 steps" \
    "compiled "
check "records: the SVG has a panel for each number" has "$work/a/curves.svg" \
    "pretrain, blind guessing" ">knn</text>" ">weight_norm</text>" "</svg>"

# The chance of 24 pairs: 2 ln(47).
check "records: the loss of blind guessing" \
    grep -q '"loss_at_chance":7.700' "$work/a/metrics.jsonl"

# ---- warnings ---------------------------------------------------------------

# Views without any augmentation are the same picture twice.
cp -r models "$work/models"
sed -i 's/^def views() .*/def views() = eval_crop(image_size)/' \
    "$work/models/quickstart.net"
# wrong NET DATA OUT OPTION...: training that goes wrong.
wrong() {
    program=$1 data=$2 out=$3
    shift 3
    # shellcheck disable=SC2086
    "$simcc" run "$program" pretrain --data "$data" --out "$work/$out" \
        --set $small pretrain.batch=24 pretrain.epochs=20 "$@"
}
check "monitors: views that are alike" says "too much alike" \
    wrong "$work/models/quickstart.net" "$shapes" alike -q
check "monitors: that is in the log" has "$work/alike/log" \
    "warning: pretrain: "
# A step that moves nothing learns nothing.
check "monitors: a loss that stays" says "no better than blind guessing" \
    wrong "$net" "$shapes" stuck --set pretrain.rate=1e-6 temperature=50
# One picture under many names has features without any spread.
mkdir "$work/same"
for copy in $(seq 40); do
    cp "$(find "$shapes" -name '*.png' | sort | head -n 1)" \
        "$work/same/$copy.png"
done
check "monitors: features that are all one" says "have collapsed" \
    wrong "$work/models/quickstart.net" "$work/same" one
check "monitors: each is said once" [ \
    "$(grep -c 'have collapsed' "$work/one/log")" = 1 ]
check "monitors: good runs are not warned of" \
    [ "$(grep -c 'warning: pretrain' "$work/a/log")" = 0 ]

# ---- TensorBoard's and safetensors' own readers -----------------------------

python=${TEST_PYTHON:-python3}
if "$python" -c 'import tensorboard' 2>/dev/null; then
    cat > "$work/events.py" <<'PY'
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
run = sys.argv[1]
events = EventAccumulator(run + "/pretrain", size_guidance={"scalars": 0})
events.Reload()
lines = [json.loads(line) for line in open(run + "/metrics.jsonl")]
wanted = [(l["step"], l["loss"]) for l in lines if l["phase"] == "pretrain"]
got = [(e.step, e.value) for e in events.Scalars("loss")]
assert len(got) == len(wanted) == 61, (len(got), len(wanted))
for (a, x), (b, y) in zip(got, wanted):
    assert a == b and abs(x - y) < 1e-5 * abs(y), (a, x, b, y)
assert "knn" in events.Tags()["scalars"]
PY
    check "records: TensorBoard reads the events" "$python" \
        "$work/events.py" "$work/a"
else
    skip "records: TensorBoard reads the events" \
        "no tensorboard in $python (TEST_PYTHON names another)"
fi
if "$python" -c 'import safetensors.numpy' 2>/dev/null; then
    check "records: safetensors reads the model" "$python" -c \
        "import sys, safetensors.numpy as s; t = s.load_file(sys.argv[1]); assert t and all(v.size for v in t.values())" \
        "$work/a/pretrain/model.safetensors"
else
    skip "records: safetensors reads the model" "no safetensors in $python"
fi

# ---- runs, compare ----------------------------------------------------------

train "$work/b" --seed 1 --stop-after 5 > "$work/b.out" 2> "$work/b.err"
"$simcc" runs "$work" > "$work/list"
check "runs: with state, steps, accuracy" grep -qE \
    "/a +finetune +finished +12/12 +[0-9.]+% test.top1" "$work/list"
check "runs: one that was stopped" grep -qE "/b +pretrain +stopped +5/61" \
    "$work/list"
check "runs: as JSON" says '"phase":"pretrain","state":"stopped","step":5' \
    "$simcc" runs "$work" --json
check "runs: a folder that is none" exits 2 "$simcc" runs "$work/nowhere"
check "runs: nothing there" says "no run directories" "$simcc" runs "$shapes"

check "compare: finds the seed" says "seed" "$simcc" compare "$work/a" "$work/b"
check "compare: the source is the same" says "the same" \
    "$simcc" compare "$work/a" "$work/b"
"$simcc" compare "$work/a" "$work/b" > "$work/list"
# shellcheck disable=SC2086
"$simcc" run "$PWD/$net" pretrain --data "$shapes" --out "$work/far" -q \
    --stop-after 1 --set $small pretrain.batch=24 pretrain.epochs=20 \
    pretrain.rate=0.5 finetune.batch=8 finetune.steps=12 finetune.labels=4 \
    > "$work/log" 2>&1
"$simcc" compare "$work/a" "$work/far" --json > "$work/list"
check "compare: which paths do not change" exits 1 grep -q '"part":"source"' \
    "$work/list"
"$simcc" compare "$work/a" "$work/b" > "$work/list"
check "compare: steps of both" grep -qE "step +61 +5 " "$work/list"
check "compare: phases of one alone" grep -qE "finetune +there +-" \
    "$work/list"
check "compare: as JSON" says '"name":"seed","a":"0","b":"1"' \
    "$simcc" compare "$work/a" "$work/b" --json
check "compare: no run" exits 2 "$simcc" compare "$work/a" "$shapes"

# ---- sweep ------------------------------------------------------------------

sweep() {
    # shellcheck disable=SC2086
    "$simcc" sweep "$net" scratch --data "$shapes" --out "$work/sweep" \
        --seeds 2 --set $small filters=4,6 scratch.steps=6 scratch.batch=8 \
        scratch.labels=4 "$@"
}
small="groups=2 image_size=16 classes=3"
sweep --quiet > "$work/list" 2> "$work/sweep.err"
check "sweep: runs four" [ $? = 0 ]
check "sweep: mean and spread of two seeds" grep -qE \
    "^ *filters=6 +scratch +[0-9.]+% \+- [0-9.]+ +test.top1, 2 seeds" \
    "$work/list"
check "sweep: each in its folder" [ -s \
    "$work/sweep/filters=4/seed-1/scratch/model.safetensors" ]
check "sweep: again does nothing" says "seed-1: done" sweep
check "sweep: runs of other settings are not its own" says \
    "cannot be resumed" exits 1 sweep scratch.rate=0.5
check "sweep: nor are their results" sh -c "! grep -q ' seeds\$' '$work/said'"
check "sweep: another folder is the remedy, or none" grep -q \
    "or another --out, or remove that folder to start over" "$work/said"
check "sweep: it makes plans for values, not for seeds" says \
    "checked: 2 plans for 4 runs" sweep
touch "$work/sweep/filters=6/seed-0/scratch/ways"
check "sweep: but where a run was begun with ways of its own" says \
    "checked: 3 plans for 4 runs" sweep
rm "$work/sweep/filters=6/seed-0/scratch/ways"
check "sweep: as JSON" says '"variant":"filters=4","phase":"scratch"' \
    sweep --json --quiet
rm -r "$work/sweep/filters=6/seed-0"
check "sweep: makes what is missing" sweep --quiet
check "sweep: and only that" [ -s \
    "$work/sweep/filters=6/seed-0/scratch/model.safetensors" ]
# Each seed has other images held out of a set without a part for testing.
held() {
    # shellcheck disable=SC2086
    "$simcc" sweep "$net" scratch --data "$shapes/train" --out "$work/held" \
        --seeds 2 --set $small filters=4 scratch.steps=2 scratch.batch=8 \
        scratch.labels=4
}
check "sweep: of images held out by seed" held
check "sweep: which are the run's own when it goes on" says "seed-1: done" \
    exits 0 held
# What is wrong with a later value is said before the first run.
tried() {
    code=$1
    shift
    "$simcc" sweep "$net" scratch --data "$shapes" --out "$work/none" --quiet \
        --set groups=2 image_size=16 scratch.steps=6 scratch.labels=4 "$@" \
        > "$work/tried" 2>&1
    [ $? = "$code" ] && cat "$work/tried" && [ ! -e "$work/none" ]
}
check "sweep: a value that is none" says "no run was begun, for filters=many" \
    tried 3 filters=4,many scratch.batch=8
check "sweep: a batch that is too large" says "scratch.batch=12, or less" \
    tried 4 filters=4 scratch.batch=8,99
check "sweep: a number that no validation has" says \
    "--best top9: no validation of this run has a number of that name" \
    tried 2 filters=4 scratch.batch=8 --validate 25% --best top9
begun_from() {
    # shellcheck disable=SC2086
    "$simcc" sweep "$net" finetune --data "$shapes" --out "$work/from" \
        --quiet --seeds 2 --set $small filters=4,6 finetune.steps=2 \
        finetune.batch=8 finetune.labels=4 > "$work/tried" 2>&1
    [ $? = 4 ] && cat "$work/tried"
}
for seed in 0 1; do
    for filters in 4 6; do
        # shellcheck disable=SC2086
        "$simcc" run "$net" pretrain --data "$shapes" -q --seed "$seed" \
            --out "$work/from/filters=$filters/seed-$seed" --stop-after 1 \
            --set $small filters=$filters pretrain.batch=8 > "$work/log" 2>&1
        cp "$work/a/pretrain/model.safetensors" \
            "$work/from/filters=$filters/seed-$seed/pretrain"
    done
done
check "sweep: weights that phases start from, of other shapes" says \
    "no run was begun, for filters=6" begun_from
rm "$work/from/filters=4/seed-1/pretrain/model.safetensors"
check "sweep: or that are not there, for a seed" says \
    "filters=4/seed-1/pretrain/model.safetensors is not there" begun_from
check "sweep: which has begun none" [ ! -e "$work/from/filters=4/seed-0/finetune" ]
# What no run of the sweep would read makes equal runs.
check "sweep: a parameter of other phases" says \
    "--set temperature=0.2,0.3: no phase of the sweep reads temperature, so these would be equal runs" \
    tried 2 filters=4 scratch.batch=8 temperature=0.2,0.3
check "sweep: or their setting" says "no phase of the sweep reads finetune.rate" \
    tried 2 filters=4,6 scratch.batch=8 finetune.rate=0.1,0.2
check "sweep: two values of one folder" says \
    "encoder=a/b and encoder=a_b would share the folder $work/none/encoder=a_b/seed-0:" \
    tried 2 scratch.batch=8 encoder=a/b,a_b
check "sweep: one value twice" says "filters=4 is there twice" \
    tried 2 scratch.batch=8 filters=4,6,4
check "sweep: one number written twice" says \
    "filters=4 and filters=04 would be equal runs: leave one of them out" \
    tried 2 scratch.batch=8 filters=4,6,04
check "sweep: one of a phase" says \
    "scratch.rate=0.1 scratch.batch=8 and scratch.rate=1e-1 scratch.batch=8 would be equal runs" \
    tried 2 filters=4 scratch.rate=0.1,1e-1 scratch.batch=8,12
check "sweep: but chunks of the batch are unlike" says "checked: 2 plans" \
    "$simcc" sweep "$net" scratch --data "$shapes" --out "$work/chunks" \
    --set groups=2 image_size=16 filters=4 classes=3 scratch.batch=8 \
    scratch.steps=1 scratch.labels=4 scratch.chunk=2,4
# Commas within lists and strings part no values.
{
    sed 's/stages(filters, filters)/if words == "none" then widths else widths + [4]/' "$net"
    echo 'param widths = [4]'
    echo 'param words = "none" in ["none", "a,b"]'
} > "$work/lists.net"
"$simcc" sweep "$work/lists.net" scratch --data "$shapes" -q \
    --out "$work/lists" --set image_size=16 classes=3 scratch.steps=1 \
    scratch.batch=8 scratch.labels=4 'widths=[4,8], [6]' 'words="a,b",none' \
    > "$work/list" 2> "$work/sweep.err"
check "sweep: lists and strings are values" [ $? = 0 ]
check "sweep: each of them" grep -q '^widths=\[4,8\] words="a,b" ' "$work/list"
check "sweep: in every combination" [ "$(grep -c . "$work/list")" = 4 ]
"$simcc" sweep "$work/lists.net" pretrain --data "$shapes" -q \
    --out "$work/lists" --set image_size=16 classes=3 pretrain.steps=1 \
    pretrain.batch=8 'widths=[4,8], [6]' 'words="a,b",none' \
    > "$work/list" 2> "$work/sweep.err"
check "sweep: phases of another sweep are not shown" sh -c \
    "grep -q pretrain '$work/list' && ! grep -q scratch '$work/list'"
# A run that fails is not the end of the others, nor of the table, which has not
# what the run had finished before.
both() {
    # shellcheck disable=SC2086
    "$simcc" sweep "$net" pretrain scratch --data "$shapes" -q \
        --out "$work/both" --seeds 2 --set $small filters=4,6 pretrain.steps=2 \
        pretrain.batch=8 scratch.steps=2 scratch.batch=8 scratch.labels=4 \
        > "$work/list" 2> "$work/sweep.err"
}
both
check "sweep: of two phases" [ "$(grep -c ', 2 seeds$' "$work/list")" = 4 ]
rm -r "$work/both/filters=4/seed-1/scratch"
touch "$work/both/filters=4/seed-1/scratch"
check "sweep: of which one fails" exits 1 both
check "sweep: the table has neither" [ "$(grep -c ', 1 seed$' "$work/list")" = 2 ]
rm -r "$work/sweep/filters=4/seed-1/scratch"
touch "$work/sweep/filters=4/seed-1/scratch"
sweep --quiet > "$work/list" 2> "$work/sweep.err"
check "sweep: a run that fails" [ $? = 1 ]
check "sweep: is said" grep -q "1 of the runs failed," "$work/sweep.err"
check "sweep: the table has the others" grep -qE \
    "^ *filters=6 +scratch +[0-9.]+% \+- [0-9.]+ +test.top1, 2 seeds" \
    "$work/list"
check "sweep: one seed has no spread" grep -qE \
    "^ *filters=4 +scratch +[0-9.]+% +test.top1, 1 seed$" "$work/list"
check "sweep: nor as JSON" says '"deviation":null,"seeds":1' sweep --json --quiet
check "sweep: a wrong name" exits 3 "$simcc" sweep "$net" scratch \
    --data "$shapes" --out "$work/none" --set nothing=1,2 --quiet

# ---- nearest neighbours -----------------------------------------------------

# knn COMMAND OPTION...: of the pretrained weights.
data=$shapes
knn() {
    command=$1
    shift
    # shellcheck disable=SC2086
    "$simcc" "$command" "$net" pretrain --data "$data" --out "$work/a" \
        --set filters=4 $small -q "$@"
}
check "knn: features as a table" knn embed --csv -o "$work/h.npy"
# The share of test images whose nearest training image, by the cosine of the
# features in the table that embed wrote, is of their class.
awk -F, 'NR > 1 {
        length_ = 0
        for (i = 3; i <= NF; i++) length_ += $i * $i
        for (i = 3; i <= NF; i++) row[NR, i] = $i / sqrt(length_)
        class[NR] = $2
        test[NR] = $1 ~ /^test/
    }
    END {
        for (query = 2; query <= NR; query++) {
            if (!test[query]) continue
            best = -2
            for (other = 2; other <= NR; other++) {
                if (test[other]) continue
                cosine = 0
                for (i = 3; i <= NF; i++) cosine += row[query, i] * row[other, i]
                if (cosine > best) { best = cosine; nearest = class[other] }
            }
            count++
            right += nearest == class[query]
        }
        printf "top1 %.4f, by a plain vote %.4f  (1 neighbour, tau 0.07, %d images)\n",
            right / count, right / count, count
    }' "$work/h.csv" > "$work/nearest"
check "knn: found by hand" grep -q "15 images" "$work/nearest"
check "knn: the nearest neighbour's class" says "$(cat "$work/nearest")" \
    knn eval --knn --neighbours 1
check "knn: few labels have few votes" says "(6 neighbours," \
    knn eval --knn --labels 2
check "knn: as JSON" says '"neighbours":5,"tau":0.5,"test_count":15}' \
    knn eval --knn --neighbours 5 --tau 0.5 --value z --json
check "knn: more labels than a class has" exits 4 knn eval --knn --labels 99
check "knn: its options go with it" says "--tau goes with --knn" \
    knn eval --tau 1
data=$work/same
check "knn: images without labels" says "the data has none" knn eval --knn

# ---- pictures ---------------------------------------------------------------

# shellcheck disable=SC2086
"$simcc" neighbours "$net" pretrain --data "$shapes" --out "$work/a" \
    -o "$work/sheet.png" --set filters=4 $small > "$work/list" 2> "$work/err"
check "neighbours: draws" [ -s "$work/sheet.png" ]
check "neighbours: eight images with eight each" [ \
    "$(grep -c '^[^ ]*\.png:\( [^ ]*\.png\)\{8\}$' "$work/list")" = 8 ]
check "neighbours: counts classes" grep -qE \
    "[0-9]+ of 64 neighbours are of the same class" "$work/err"
# An image that is there twice is its own nearest neighbour.
mkdir "$work/twins"
one=$(find "$shapes" -name '*.png' | sort | sed -n 1p)
two=$(find "$shapes" -name '*.png' | sort | sed -n 40p)
for copy in 1 2; do
    cp "$one" "$work/twins/a$copy.png"
    cp "$two" "$work/twins/b$copy.png"
done
# shellcheck disable=SC2086
"$simcc" neighbours "$net" pretrain --data "$work/twins" --out "$work/a" \
    --held-out 0 -o "$work/twins.png" --set filters=4 $small -q \
    > "$work/twins.list" 2>&1
check "neighbours: a copy is nearest" has "$work/twins.list" \
    "a1.png: a2.png" "b2.png: b1.png"
# shellcheck disable=SC2086
check "map: of all images" says "87 images; " "$simcc" map "$net" pretrain \
    --data "$shapes" --out "$work/a" -o "$work/map.png" --set filters=4 $small
check "map: is a picture" [ -s "$work/map.png" ]

finish
