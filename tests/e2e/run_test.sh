#!/bin/sh
# Training from the command line: whole runs, artifacts, kills and resumes to
# the same bits, threads, evaluation, what is refused.
. tests/e2e/lib.sh

net=models/quickstart.net
shapes=$work/shapes
phases="pretrain finetune distill"
settings="filters=4 groups=2 image_size=16 classes=3 pretrain.batch=16
    pretrain.epochs=20 finetune.batch=8 finetune.steps=12 finetune.labels=4
    distill.batch=16 distill.epochs=10 scratch.steps=4 scratch.labels=4
    scratch.batch=8"

data=$shapes
# train OUT OPTION...: the phases of the quickstart, made small.
train() {
    out=$1
    shift
    # shellcheck disable=SC2086
    $how "$simcc" run "$net" $phases --data "$data" --out "$out" \
        --set $settings "$@"
}
how=

# start OUT OPTION...: the same behind us; $victim is its process.
start() {
    (
        how=exec
        train "$@"
    ) > "$work/log" 2>&1 &
    victim=$!
}

# same OUT: every model has the bits of the unbroken run.
same() {
    for phase in $phases; do
        cmp "$work/whole/$phase/model.safetensors" \
            "$1/$phase/model.safetensors" || return 1
    done
}

check "run: data synth draws" "$simcc" data synth "$shapes" --classes 3 \
    --per-class 24 --size 16
check "run: data info counts" says "24" "$simcc" data info "$shapes"
check "run: data info --json" says '"training":72' \
    "$simcc" data info "$shapes" --json

train "$work/whole" --json --threads 2 > "$work/results" 2> "$work/log"
check "run: trains" [ $? = 0 ]
check "run: results as JSON" \
    grep -q '"phase":"finetune","steps":12,.*"test":{"loss":' "$work/results"
for file in command model.net metrics.jsonl curves.png \
    pretrain/model.safetensors finetune/checkpoint.safetensors; do
    check "run: writes $file" [ -s "$work/whole/$file" ]
done
train "$work/one" --threads 1 > "$work/log" 2>&1
check "run: one thread gives the bits of two" same "$work/one"
train "$work/four" --threads 4 > "$work/log" 2>&1
check "run: four threads give the bits of two" same "$work/four"

# Kill it hard, again and again, a while into its steps; then let it finish.
lines() {
    cat "$work/killed/metrics.jsonl" 2>/dev/null | wc -l
}
killed=0
for round in 1 2 3 4; do
    target=$(($(lines) + 30))
    start "$work/killed" --save-every 0.01 --resume
    while [ "$(lines)" -lt "$target" ] && kill -0 "$victim" 2>/dev/null; do
        :
    done
    kill -9 "$victim" 2>/dev/null
    wait "$victim" 2>/dev/null
    [ $? = 137 ] && killed=$((killed + 1))
done
check "run: was killed in the middle" [ "$killed" -ge 3 ]
check "run: resumes after kill -9" train "$work/killed" --resume
check "run: a killed run ends in the same bits" same "$work/killed"
steps() {
    grep -v test_images "$1/metrics.jsonl" |
        sed 's/,"images_per_second.*//'
}
steps "$work/whole" > "$work/steps.whole"
steps "$work/killed" > "$work/steps.killed"
check "run: a killed run has the same metrics" \
    cmp "$work/steps.whole" "$work/steps.killed"

# SIGTERM: the step ends, a checkpoint is saved.
check "run: --stop-after stops" says "stopped after step 3" \
    train "$work/stopped" --stop-after 3
# Between two lines of metrics, of which so long a phase has few.
"$simcc" run "$net" pretrain --data "$shapes" --out "$work/long" -q \
    --stop-after 7 --set filters=4 groups=2 image_size=16 pretrain.batch=16 \
    pretrain.steps=30000 > "$work/log" 2>&1
check "run: state has the step it stopped after" \
    grep -qx "step = 7" "$work/long/pretrain/state"
start "$work/signalled" --save-every 0.01
tries=0
while [ ! -e "$work/signalled/pretrain/checkpoint.safetensors" ] &&
    [ "$tries" -lt 300 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
check "run: two runs do not share a folder" exits 1 \
    train "$work/signalled" --resume
kill -TERM "$victim" 2>/dev/null
wait "$victim"
check "run: SIGTERM exits with 143" [ $? = 143 ]
check "run: and can be resumed" train "$work/signalled" --resume
check "run: to the same bits" same "$work/signalled"

check "run: a finished run is skipped" says '"phase":"distill"' \
    train "$work/whole" --resume --json
check "run: nothing is overwritten unasked" exits 1 train "$work/whole"
check "eval: weights know their settings" says \
    "image_size = 16, filters = 4, groups = 2, classes = 3, " \
    "$simcc" eval "$net" finetune --data "$shapes" --out "$work/whole"
check "eval: but for those of the command line" says "filters = 4 in the file, 8 here" \
    "$simcc" eval "$net" finetune --data "$shapes" --out "$work/whole" \
    --set filters=8
check "run: another seed cannot resume" exits 1 \
    train "$work/whole" --resume --seed 1

# shellcheck disable=SC2086
check "run: compiles an artifact" "$simcc" compile "$net" -o "$work/q.simcc" \
    --set $settings
# shellcheck disable=SC2086
check "run: trains from an artifact" "$simcc" run "$work/q.simcc" $phases \
    --data "$shapes" --out "$work/artifact"
check "run: an artifact gives the same bits" same "$work/artifact"
check "run: one phase alone, from what is there" "$simcc" run \
    "$work/q.simcc" finetune --data "$shapes" --out "$work/artifact" --force
check "run: that too gives the same bits" same "$work/artifact"

# shellcheck disable=SC2086
check "eval: weights of a run" "$simcc" eval "$net" finetune --json \
    --data "$shapes" --out "$work/whole" --set $settings
sed 's/.*"test":/"test":/' "$work/check.log" | grep '"test":' > "$work/evaluated"
grep '"phase":"finetune".*test_images' "$work/whole/metrics.jsonl" |
    sed 's/.*"top1":\([^,}]*\).*/\1/' > "$work/top1"
check "eval: counts as training did" grep -qF "$(cut -c1-6 "$work/top1")" \
    "$work/evaluated"
check "eval: a phase without evaluation" exits 1 "$simcc" eval \
    "$work/q.simcc" pretrain --data "$shapes" --out "$work/whole"

check "run: classes come from the data" says "classes = 3" "$simcc" run "$net" \
    scratch --data "$shapes" --out "$work/classes" --set filters=4 groups=2 \
    image_size=16 scratch.steps=2 scratch.batch=8 scratch.labels=4
check "run: a phase without its source" says "run pretrain first" "$simcc" \
    run "$work/q.simcc" finetune --data "$shapes" --out "$work/empty"
check "run: no such data" exits 4 "$simcc" run "$work/q.simcc" \
    --data "$work/nothing" --out "$work/empty"
check "run: too few labels name the class" exits 4 "$simcc" run "$net" \
    scratch --data "$shapes" --out "$work/labels" --set filters=4 groups=2 \
    image_size=16 scratch.steps=2 scratch.batch=8 scratch.labels=999
check "run: a rate without bounds diverges" exits 5 "$simcc" run "$net" \
    scratch --data "$shapes" --out "$work/diverged" --set filters=4 groups=2 \
    image_size=16 scratch.steps=60 scratch.batch=8 scratch.labels=4 \
    scratch.rate=1e30
check "run: --data is asked for" exits 2 "$simcc" run "$net" \
    --out "$work/empty"

# ---- what a run must not do -------------------------------------------------

# The program that is read is not written over by the run's own.
mkdir "$work/own"
sed 's,"lib/,"'"$PWD"'/models/lib/,' "$net" > "$work/own/model.net"
cp "$work/own/model.net" "$work/mine.net"
# shellcheck disable=SC2086
check "run: not over its program" says "would write over" exits 2 "$simcc" run \
    "$work/own/model.net" scratch --data "$shapes" --out "$work/own" \
    --set $settings
check "run: which is as it was" cmp "$work/own/model.net" "$work/mine.net"
# Nor are notes of somebody's own, whose names a run has for its files.
for file in about card.md; do
    mkdir "$work/notes"
    echo "simcc = mine" > "$work/notes/$file"
    # shellcheck disable=SC2086
    check "run: not over a foreign $file" says "notes/$file, which is not of a" \
        exits 2 "$simcc" run "$net" scratch --data "$shapes" \
        --out "$work/notes" --set $settings
    check "run: whose $file is as it was" [ "$(ls "$work/notes") $(cat \
        "$work/notes/$file")" = "$file simcc = mine" ]
    rm -r "$work/notes"
done
# A log that the shell has made, empty, is a place to write to.
mkdir "$work/notes" && touch "$work/notes/log"
# shellcheck disable=SC2086
check "run: into an empty log" "$simcc" run "$net" scratch --data "$shapes" -q \
    --out "$work/notes" --set $settings --stop-after 1
# Where shapes agree, weights of another phase are taken, which is said.
# shellcheck disable=SC2086
check "eval: whose weights they are" says "has the weights of phase finetune" \
    "$simcc" eval "$net" scratch --data "$shapes" --set $settings \
    --weights "$work/whole/finetune/model.safetensors"
# shellcheck disable=SC2086
check "bundle: too" says "has the weights of phase finetune" \
    "$simcc" bundle "$net" scratch -o "$work/library" --set $settings \
    --weights "$work/whole/finetune/model.safetensors"
# shellcheck disable=SC2086
check "export: too" says "has the weights of phase finetune" \
    "$simcc" export "$net" scratch -o "$work/scratch.onnx" --set $settings \
    --weights "$work/whole/finetune/model.safetensors"
named() {
    # shellcheck disable=SC2086
    ls "$shapes"/test/disc/*.png | "$simcc" predict "$net" scratch --data - \
        --set $settings --weights "$work/whole/finetune/model.safetensors"
}
check "predict: of names from standard input, too" says \
    "has the weights of phase finetune" named
# shellcheck disable=SC2086
"$simcc" eval "$net" finetune --data "$shapes" --set $settings \
    --out "$work/whole" > "$work/log" 2>&1
check "eval: its own need no word" exits 1 grep -q "weights of phase" \
    "$work/log"

# Images are known by their names in the set, wherever it lies.
cp -r "$shapes" "$work/moved"
data=$work/moved
check "run: the data may be moved" train "$work/whole" --resume
for image in "$work/moved"/train/*/*; do
    mv "$image" "${image%/*}/other-${image##*/}"
done
check "run: other images are not the same data" says "have other names" \
    exits 1 train "$work/whole" --resume
data=$shapes
check "run: on or over, not both" says "one of them" exits 2 \
    train "$work/whole" --resume --force

# ---- where a program lies, and what it says ---------------------------------

# other SETTINGS: those of the run, with others in place of some.
other() {
    # shellcheck disable=SC2086
    merged "$(echo $settings)" "$1"
}

# on PROGRAM OPTION...: goes on with the finished run, all of which is skipped.
on() {
    program=$1
    shift
    cp "$work/whole/metrics.jsonl" "$work/metrics"
    # shellcheck disable=SC2086
    "$simcc" run "$program" $phases --data "$shapes" --out "$work/whole" \
        --resume "$@" && cmp "$work/metrics" "$work/whole/metrics.jsonl"
}
# shellcheck disable=SC2086
check "run: goes on by another path of its program" on "$PWD/$net" \
    --set $settings
beside() {
    # shellcheck disable=SC2086
    (cd models/lib && on ../quickstart.net --set $settings)
}
check "run: and from another folder" beside
mkdir -p "$work/share/simcc" "$work/bin"
cp -r models "$work/share/simcc/models"
cp "$simcc" "$work/bin/simcc"
elsewhere() {
    # shellcheck disable=SC2086
    (simcc=$work/bin/simcc && cd "$work" &&
        on quickstart.net --set $settings)
}
check "run: and after simcc was moved" elsewhere
sed 's/^# Change/# What was changed:/; s/param filters     = 16/param filters = 16/' \
    "$net" > "$work/comments.net"
# shellcheck disable=SC2086
check "run: and with other comments" on "$work/comments.net" --set $settings
cp "$work/whole/model.net" "$work/kept.net"
check "run: and with its own program" on "$work/whole/model.net"
check "run: which that leaves as it was" cmp "$work/kept.net" \
    "$work/whole/model.net"
check "run: or a phase's" on "$work/whole/finetune/model.net"
# The last that was no run's own was comments.net.
check "run: whose name stays" grep -q "^name = comments$" "$work/whole/about"
(cd "$work" && "$simcc" run whole/finetune/model.net pretrain \
    --data "$shapes" --out named -q) > "$work/log" 2>&1
check "run: as of what is trained by it elsewhere" grep -q \
    "^name = comments$" "$work/named/about"
check "run: and in its weights" says "simcc, comments pretrain" "$simcc" weights \
    "$work/named/pretrain/model.safetensors"
"$simcc" show "$work/kept.net" > "$work/shown.net"
check "show: what was shown is shown alike" cmp "$work/kept.net" \
    "$work/shown.net"
# shellcheck disable=SC2046
check "run: another phase's setting is nothing to it" on "$net" \
    --set $(other scratch.steps=9)
# shellcheck disable=SC2046
check "run: a setting is named with both values" says \
    "/finetune/checkpoint.safetensors cannot be resumed: finetune.rate = 0.01 in the file, 0.1 here;" \
    exits 1 on "$net" --set $(other finetune.rate=0.1)
# shellcheck disable=SC2046
check "run: so are several" says \
    "filters = 4 in the file, 8 here; pretrain.rate = 2.0 in the file, 1.0 here;" \
    exits 1 on "$net" --set $(other "filters=8 pretrain.rate=1.0")
sed 's/layers = 2, out = 64/layers = 2, out = 32/' "$net" > "$work/changed.net"
# shellcheck disable=SC2086
check "run: another program, by its first line that is another" says \
    "/whole/pretrain/model.net is \`def head(h)          = projection_head(h, layers = 2, out = 64)\`, and here it is \`def" \
    exits 1 on "$work/changed.net" --set $settings
# What it was cannot be said where somebody has written in the run's copy.
cp "$work/whole/pretrain/model.net" "$work/copy.net"
sed -i 's/^phase pretrain(/&(/' "$work/whole/pretrain/model.net"
line=$(grep -n '^phase pretrain' "$work/copy.net" | cut -d : -f 1)
# shellcheck disable=SC2086
check "run: and where the copy of that is broken, by its mistake" says \
    "the program has changed: line $line of $work/whole/pretrain/model.net, its copy as it was, cannot be read: unexpected \`(\`" \
    exits 1 on "$work/changed.net" --set $settings
cp "$work/copy.net" "$work/whole/pretrain/model.net"

# ---- weights that are gone --------------------------------------------------

# The same weights again are the same.
cp -r "$work/whole" "$work/stale"
# shellcheck disable=SC2086
"$simcc" run "$net" pretrain --force --data "$shapes" --out "$work/stale" -q \
    --set $settings > "$work/log" 2>&1
train "$work/stale" --resume > "$work/log" 2>&1
check "run: what was trained again alike changes nothing" exits 1 grep -q \
    "trained anew" "$work/log"
# shellcheck disable=SC2046
"$simcc" run "$net" pretrain --force --data "$shapes" --out "$work/stale" -q \
    --set $(other pretrain.rate=1.0) > "$work/log" 2>&1
# shellcheck disable=SC2046
check "run: who started from other weights is trained anew" says \
    "phase finetune is trained anew: the weights of pretrain are others than those it started from" \
    "$simcc" run "$net" $phases --data "$shapes" --out "$work/stale" --resume \
    --set $(other pretrain.rate=1.0)
check "run: who was taught by others, too" grep -q \
    "phase distill is trained anew: the weights of finetune are others than those that taught it" \
    "$work/said"
# shellcheck disable=SC2046
"$simcc" run "$net" $phases --data "$shapes" --out "$work/slow" -q \
    --set $(other pretrain.rate=1.0) > "$work/log" 2>&1
anew() {
    for phase in $phases; do
        cmp "$work/slow/$phase/model.safetensors" \
            "$work/stale/$phase/model.safetensors" || return 1
    done
}
check "run: to what a whole run gives" anew
train "$work/slow" --force --stop-after 3 -q > "$work/log" 2>&1
check "run: a run that was begun again goes on" train "$work/slow" --resume
check "run: to the bits of the unbroken one, in all its phases" same "$work/slow"
# shellcheck disable=SC2086
check "run: --init is not for what started otherwise" says \
    "it did not start from the weights of --init" exits 1 "$simcc" run "$net" \
    finetune --data "$shapes" --out "$work/slow" --resume --set $settings \
    --init "$work/slow/pretrain/model.safetensors"

# ---- code for another processor ---------------------------------------------

"$simcc" run "$work/q.simcc" pretrain --data "$shapes" --out "$work/mixed" \
    --stop-after 3 -q > "$work/log" 2>&1
train "$work/mixed" --resume > "$work/log" 2>&1
check "run: an artifact's run goes on from source to the same bits" \
    same "$work/mixed"
check "run: which needs no word" exits 1 grep -q "goes on with code" "$work/log"
# shellcheck disable=SC2086
"$simcc" run "$net" pretrain --target x86-64-v2 --data "$shapes" -q \
    --out "$work/mixed" --force --stop-after 3 --set $settings > "$work/log" 2>&1
check "run: with code for another processor it does" says \
    "and was begun with code for x86-64-v2" train "$work/mixed" --resume

exit $script_failed
