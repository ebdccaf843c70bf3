#!/bin/sh
# Which class is which: weights, teachers and data that have the same classes in
# another order, or other ones.
. tests/e2e/lib.sh

net=models/quickstart.net
settings="filters=4 groups=2 image_size=16 pretrain.batch=16 pretrain.epochs=1
    finetune.batch=8 finetune.steps=20
    finetune.labels=4 distill.batch=16 distill.epochs=2"
# with COMMAND PHASE OPTION...: on the quickstart, made small.
with() {
    command=$1
    phase=$2
    shift 2
    # shellcheck disable=SC2086
    "$simcc" "$command" "$net" "$phase" "$@" --set $settings
}

# The same images as folders, whose names are sorted by bytes, 1 10 2, and as a
# list, whose numbers are sorted by value, 1 2 10.
data=$work/data
"$simcc" data synth "$work/drawn" --classes 3 --per-class 16 --size 16 -q
for part in train test; do
    mkdir -p "$data/$part"
    mv "$work/drawn/$part/disc" "$data/$part/1"
    mv "$work/drawn/$part/ring" "$data/$part/10"
    mv "$work/drawn/$part/square" "$data/$part/2"
done
list=$data/list.csv
(cd "$data" && find train test -name '*.png' | LC_ALL=C sort |
    sed 's|^\(.*\)/\(.*\)/\(.*\)$|\1/\2/\3,\2,\1|') > "$list"
# One class under another name, and one more.
cp -r "$data" "$work/renamed"
mv "$work/renamed/train/2" "$work/renamed/train/3"
mv "$work/renamed/test/2" "$work/renamed/test/3"
cp -r "$work/renamed" "$work/more"
cp -r "$work/more/train/3" "$work/more/train/2"
mkdir "$work/flat"
for file in "$data"/train/*/*.png; do
    class=$(basename "$(dirname "$file")")
    cp "$file" "$work/flat/$class-$(basename "$file")"
done
order() {
    "$simcc" data info "$1" --json | grep -o '"name":"[0-9]*"' | tr -d '\n'
}
check "classes: two orders of the same" sh -c "
    [ '$(order "$data")' = '\"name\":\"1\"\"name\":\"10\"\"name\":\"2\"' ] &&
    [ '$(order "$list")' = '\"name\":\"1\"\"name\":\"2\"\"name\":\"10\"' ]"

run=$work/run
check "classes: begins" with run pretrain --data "$data" --out "$run" -q
for copy in again odd-run init; do
    cp -r "$run" "$work/$copy"
done
check "classes: trains" with run finetune --data "$data" --out "$run" -q
cp -r "$run" "$work/other"
check "classes: distills" with run distill --data "$data" --out "$run" -q

# ---- eval and predict -------------------------------------------------------

# evaluates PHASE DATA OPTION...: without what differs from run to run.
evaluates() {
    phase=$1
    from=$2
    shift 2
    with eval "$phase" --data "$from" --out "$run" "$@" --json -q |
        sed 's/"seconds":[^,}]*//'
}
same_eval() {
    evaluates "$1" "$data" > "$work/one" && evaluates "$1" "$list" \
        > "$work/two" && [ -s "$work/one" ] && cmp "$work/one" "$work/two"
}
check "classes: eval in another order" same_eval finetune
check "classes: eval of a student in another order" same_eval distill
same_checkpoint() {
    evaluates finetune "$list" \
        --weights "$run/finetune/checkpoint.safetensors" > "$work/two" &&
        evaluates finetune "$data" > "$work/one" && [ -s "$work/one" ] &&
        cmp "$work/one" "$work/two"
}
check "classes: eval of a checkpoint in another order" same_checkpoint
# both LIST COMMAND...: refused with both lists.
both() {
    have=$1
    shift
    exits 4 "$@" > "$work/refusal" 2>&1 || { cat "$work/refusal"; return 1; }
    grep -q "3 classes (1, 10, 2), and the data has $have" "$work/refusal" ||
        { cat "$work/refusal"; return 1; }
}
check "classes: eval on a renamed class" both "3 (1, 10, 3)" \
    with eval finetune --data "$work/renamed" --out "$run"
check "classes: eval on one more" both "4 (1, 10, 2, 3)" \
    with eval finetune --data "$work/more" --out "$run"
head_of() {
    with predict "$1" --data "$2" --out "$3" -o "$work/p.csv" -q &&
        head -n 1 "$work/p.csv" | grep -qx "name,predicted,\(true,\)\?1,10,2"
}
check "classes: predict names those of the weights" head_of finetune "$list" \
    "$run"
check "classes: whatever the data has" head_of finetune "$work/renamed" "$run"

# Weights of elsewhere do not say; that they are taken by place is said.
unnamed() {
    "$simcc" export "$net" finetune --out "$run" -o "$work/named.safetensors" \
        -q --set filters=4 groups=2 image_size=16 &&
        LC_ALL=C sed 's/"classes"/"klasses"/' "$work/named.safetensors" \
            > "$work/unnamed.safetensors" &&
        with eval finetune --data "$data" --weights "$work/unnamed.safetensors"
}
check "classes: weights without names" says "does not name its classes" unnamed

# A net with a score more than its weights name classes: what it is of is not in
# the data, though this has as many classes as there are scores.
cp -r "$work/more" "$work/four"
mv "$work/four/train/3" "$work/four/train/0"
mv "$work/four/test/3" "$work/four/test/0"
sed '/phase scratch/,$s/features(images), classes,/features(images), classes + 1,/
    /phase scratch/,$s/using /pair = slice(logits, [0, 0], [batch, 2])\
    &/' "$net" > "$work/wider.net"
wider() {
    command=$1
    shift
    # shellcheck disable=SC2086
    "$simcc" "$command" "$work/wider.net" scratch --out "$work/wider" "$@" \
        --set filters=4 groups=2 image_size=16 scratch.batch=8 scratch.steps=2 \
        scratch.labels=4
}
check "classes: trains with a score more" wider run --data "$data" -q
check "classes: predict says that it has no name" says \
    "names 3 classes, and logits has 4 scores for each image: the others are" \
    exits 0 wider predict --data "$work/four" -o "$work/p.csv"
check "classes: and numbers it" [ "$(head -n 1 "$work/p.csv")" = \
    "name,predicted,true,1,10,2,3" ]
check "classes: and all of fewer scores than classes" says \
    "names 3 classes, and pair has 2 scores for each image: these are numbered" \
    exits 0 wider predict --data "$data" --value pair -o "$work/pair.csv"
check "classes: in their order" [ "$(head -n 1 "$work/pair.csv")" = \
    "name,predicted,true,0,1" ]

# ---- distill ----------------------------------------------------------------

check "classes: distills in another order" with run distill --data "$list" \
    --out "$work/other" -q
check "classes: to the same bits" cmp "$run/distill/model.safetensors" \
    "$work/other/distill/model.safetensors"
check "classes: distill on a renamed class" both "3 (1, 10, 3)" \
    with run distill --data "$work/renamed" --out "$work/other" --force
check "classes: distill on one more" both "4 (1, 10, 2, 3)" \
    with run distill --data "$work/more" --out "$work/other" --force
check "classes: distill without labels" with run distill --data "$work/flat" \
    --out "$work/other" --force -q
check "classes: and the student has its teacher's" head_of distill "$work/flat" \
    "$work/other"
run=$work/other
check "classes: and is evaluated on either" same_eval distill
run=$work/run

# A teacher that is asked for features has no classes to hand on.
sed 's|logits = classifier(head(features(images)).1.,|h = features(images)\
    logits = classifier(head(h)[1],|' "$net" > "$work/features.net"
cat >> "$work/features.net" <<'END'
phase follow(batch = 8, steps = 4, labels = 4) with teacher = finetune {
    input images, y = labeled(labels), augment views(), evaluate eval_crop(image_size)
    wanted = teacher.h(images)
    h = features(images)
    logits = classifier(h, classes)
    minimize cross_entropy(logits, y) + mean((h - wanted) * (h - wanted))
    using    sgd(rate = 0.01)
    report   top1(logits, y)
}
END
check "classes: features are of no class" says "follow: 4 steps" "$simcc" run \
    "$work/features.net" follow --data "$work/renamed" --out "$run" \
    --set filters=4 groups=2 image_size=16

# ---- the same phase again ---------------------------------------------------

check "classes: stops" with run finetune --data "$data" --out "$work/again" \
    -q --stop-after 11
cp -r "$work/again" "$work/again2"
check "classes: resumes in another order" with run finetune --data "$list" \
    --out "$work/again" -q --resume
check "classes: to the bits of the unbroken" cmp \
    "$run/finetune/model.safetensors" "$work/again/finetune/model.safetensors"
check "classes: does not resume with others" both "3 (1, 10, 3)" \
    with run finetune --data "$work/renamed" --out "$work/again2" --resume
check "classes: --init is said to know others" says \
    "starts from weights of other classes" \
    with run finetune --data "$work/renamed" --out "$work/init" \
    --init "$run/finetune/model.safetensors"

# ---- names ------------------------------------------------------------------

# A line end, a backslash, a byte that is no UTF-8: each name comes back.
odd=$work/odd
mkdir -p "$odd"
mv "$data/train/1" "$odd/two
lines"
mv "$data/train/10" "$odd/$(printf 'latin\351')"
mv "$data/train/2" "$odd/back\\slash"
check "classes: odd names" with run finetune --data "$odd" --out "$work/odd-run" \
    -q
odd_head() {
    with predict finetune --data "$work/flat" --out "$work/odd-run" -q \
        -o "$work/odd.csv" &&
        printf 'name,predicted,back\\slash,latin\351,"two\nlines"\n' \
            > "$work/want" &&
        head -n 2 "$work/odd.csv" | cmp - "$work/want"
}
check "classes: odd names come back" odd_head

finish
