#!/bin/sh
# What eval says of each class, on the terminal, as JSON and in files, and
# whether they agree with each other and with predict.
. tests/e2e/lib.sh

net=models/quickstart.net
settings="filters=4 groups=2 image_size=16 pretrain.batch=16 pretrain.epochs=1
    finetune.batch=8 finetune.steps=30 finetune.labels=4
    scratch.batch=8 scratch.steps=4 scratch.labels=1"
shapes=$work/shapes
run=$work/run
# with COMMAND PHASE OPTION...: on the quickstart, made small.
with() {
    command=$1
    phase=$2
    shift 2
    # shellcheck disable=SC2086
    "$simcc" "$command" "$net" "$phase" "$@" --set $settings
}
evaluate() {
    with eval finetune --data "$shapes" --out "$run" "$@"
}

"$simcc" data synth "$shapes" --classes 3 --per-class 40 --size 16 -q
# Classes of different size.
rm "$shapes"/test/ring/0000[0-3].png
check "eval: begins" with run pretrain --data "$shapes" --out "$run" -q
check "eval: trains" with run finetune --data "$shapes" --out "$run" -q
check "eval: writes" evaluate -o "$work/ev"
cp "$work/check.log" "$work/said"
with predict finetune --data "$shapes" --out "$run" --split test -q \
    -o "$work/p.csv"

# ---- files ------------------------------------------------------------------

# Counted again from predict's table: classes, confusions, mistakes.
recount() {
    awk -F, -v want="$1" '
    NR == 1 { for (i = 4; i <= NF; i++) name[i - 4] = $i; classes = NF - 3 }
    NR > 1 {
        images[$3]++; predicted[$2]++; right[$3] += $2 == $3
        cell[$3 "," $2]++; mistakes += $2 != $3; hits += $2 == $3; n++
    }
    END {
        if (want == "mistakes") print mistakes
        if (want == "top1") printf "%.4f\n", hits / n
        for (i = 0; i < classes; i++) {
            c = name[i]
            if (want == "classes")
                printf "%s,%d,%d,%d\n", c, images[c], predicted[c], right[c]
            if (want == "confusion") {
                printf "%s", c
                for (k = 0; k < classes; k++)
                    printf ",%d", cell[c "," name[k]]
                printf "\n"
            }
            if (want == "recall") printf "%.4f\n", right[c] / images[c]
        }
    }' "$work/p.csv"
}
agrees() {
    recount "$1" > "$work/want" && [ -s "$work/want" ] &&
        diff "$work/want" "$2"
}
tail -n +2 "$work/ev/classes.csv" | cut -d , -f 1-4 > "$work/classes"
check "eval: classes.csv counts as predict does" agrees classes "$work/classes"
check "eval: classes.csv names its columns" grep -qx \
    "class,images,predicted,right,recall,precision,f1,average_precision" \
    "$work/ev/classes.csv"
tail -n +2 "$work/ev/confusion.csv" > "$work/confusion"
check "eval: confusion.csv, too" agrees confusion "$work/confusion"
check "eval: confusion.csv names its columns" grep -qx "true,disc,ring,square" \
    "$work/ev/confusion.csv"
check "eval: every mistake is listed" test "$(recount mistakes)" = \
    "$(($(wc -l < "$work/ev/mistakes.csv") - 1))"
check "eval: there are some" test "$(recount mistakes)" -gt 1
check "eval: the most confident first" sh -c "tail -n +2 '$work/ev/mistakes.csv' |
    cut -d , -f 4 > '$work/confident' &&
    LC_ALL=C sort -c -g -r '$work/confident'"
check "eval: mistakes are predict's" awk -F, '
    NR == FNR { if (FNR > 1) { guess[$1] = $2; truth[$1] = $3 } next }
    FNR > 1 { if (truth[$1] != $2 || guess[$1] != $3 || $2 == $3) exit 1 }' \
    "$work/p.csv" "$work/ev/mistakes.csv"
check "eval: bins hold all images" awk -F, '
    NR > 1 { n += $3; gap = $4 * $3 - $5 * $3; error += gap < 0 ? -gap : gap }
    NR > 1 && $3 && ($4 <= $1 - 1e-6 || $4 > $2 + 1e-6) { exit 1 }
    END { printf "%.4f", error / n; exit NR != 16 || n != 20 }' \
    "$work/ev/calibration.csv"
ece=$(cat "$work/check.log")
for picture in confusion calibration mistakes; do
    check "eval: $picture.png" sh -c \
        "head -c 8 '$work/ev/$picture.png' | od -c | grep -q 'P   N   G'"
done

# ---- words ------------------------------------------------------------------

check "eval: the table's recall" sh -c "grep -E '^  (disc|ring|square) +[0-9]+ ' \
    '$work/said' | awk 'NF >= 6 && \$3 ~ /[.]/ { print \$3 }' > '$work/got'"
check "eval: is predict's" agrees recall "$work/got"
check "eval: the calibration error is the bins'" grep -q \
    "calibration error $ece (ECE, 15 equal bins" "$work/said"
check "eval: top1 with Wilson's interval" grep -Eq \
    "top1 $(recount top1), 95% interval 0[.][0-9]{4} to [01][.][0-9]{4} .Wilson." \
    "$work/said"
check "eval: confident mistakes by name" grep -q \
    "$(sed -n '2s/,.*//p' "$work/ev/mistakes.csv")" "$work/said"

# ---- JSON -------------------------------------------------------------------

evaluate --json -q > "$work/json"
check "eval: the same object in metrics.json" sh -c "
    sed 's/.*\"test\":{[^}]*},/{/' '$work/json' | cmp - '$work/ev/metrics.json'"
check "eval: its confusions" grep -qF \
    "\"confusion\":[[$(sed 's/^[a-z]*,//' "$work/confusion" | tr '\n' ';' |
        sed 's/;$//; s/;/],[/g')]]" "$work/json"
check "eval: scores are no report" grep -Eq \
    '"test":[{]"loss":[0-9.]*,"top1":[0-9.]*[}]' "$work/json"
check "eval: its parts" sh -c "for part in classes recall precision f1 \
    average_precision balanced_accuracy ece interval bins mistakes left_out; do
    grep -q \"\\\"\$part\\\":\" '$work/json' || exit 1; done"

# ---- what is missing --------------------------------------------------------

# A class without test images has no recall; one never predicted no precision.
cp -r "$shapes" "$work/gap"
rm "$work"/gap/test/ring/*.png
check "eval: a class without images" with eval finetune --data "$work/gap" \
    --out "$run" -o "$work/gap-ev"
cp "$work/check.log" "$work/said"
check "eval: has no recall in the table" grep -Eq "^  ring +0 +- " "$work/said"
check "eval: nor in the file" grep -Eq "^ring,0,[0-9]+,0,,[0-9.]*,[0-9.]*,$" \
    "$work/gap-ev/classes.csv"
check "eval: and the mean is of the two others" awk -F, '
    NR > 1 && $2 { sum += $5; n++ }
    END { exit n != 2 || !(printed == sprintf("%.4f", sum / 2)) }' \
    printed="$(sed -n 's/.*balanced accuracy //p' "$work/said")" \
    "$work/gap-ev/classes.csv"
head -c 200 "$shapes/test/disc/00001.png" > "$work/gap/test/disc/00001.png"
check "eval: an unreadable image is said to be left out" says \
    "1 test image cannot be read: left out of the numbers" \
    with eval finetune --data "$work/gap" --out "$run"
check "eval: a value that is no row of scores" exits 2 evaluate --value h
check "eval: and says so" says "with a row of scores" evaluate --value h
check "eval: -o is not for --knn" exits 2 with eval pretrain --knn \
    --data "$shapes" --out "$run" -o "$work/knn"
: > "$work/file"
check "eval: -o onto a file" exits 1 evaluate -o "$work/file"
check "eval: -o -" exits 2 evaluate -o -
# A program whose scores have another name.
sed 's/logits/scores/g' "$net" > "$work/renamed.net"
renamed() {
    # shellcheck disable=SC2086
    "$simcc" eval "$work/renamed.net" finetune --data "$shapes" --out "$run" \
        "$@" --set $settings
}
check "eval: scores of another name are asked for" says \
    "phase finetune sets no \`logits\`: nothing is said of each class" renamed
check "eval: and nothing is written" exits 1 renamed -o "$work/none"
check "eval: by their name they are found" says "balanced accuracy" renamed \
    --value scores
# Scores that overflow are no numbers.
sed 's/logits = classifier(.*/& * 1e30 * 1e30/' "$net" > "$work/inf.net"
infinite() {
    command=$1
    shift
    # shellcheck disable=SC2086
    "$simcc" "$command" "$work/inf.net" finetune --data "$shapes" \
        --out "$run" "$@" --set $settings
}
check "eval: scores that are no numbers are said to be left out" says \
    "20 test images with scores that are no numbers" infinite eval
check "eval: and then nothing is left" says "no test image is left to count" \
    infinite eval -o "$work/inf"
# Probabilities under the name of scores would go through a softmax twice.
sed 's/logits = \(classifier(.*\)/logits = softmax(\1)/' "$net" > "$work/twice.net"
twice() {
    command=$1
    shift
    # shellcheck disable=SC2086
    "$simcc" "$command" "$work/twice.net" finetune --data "$shapes" \
        --out "$run" "$@" --set $settings
}
check "eval: probabilities in the place of scores are said" says \
    "the rows of logits are probabilities already" twice eval
check "predict: too" says "the rows of logits are probabilities already" \
    twice predict -o "$work/twice.csv"
sed 's/    logits = classifier(.*/&; wide = concat([logits, logits], axis = 1)/' \
    "$net" > "$work/twice.net"
check "predict: scores of no classes are said to be numbered" says \
    "names 3 classes, and wide has 6 scores for each image: the others" \
    twice predict --value wide -o "$work/twice.csv"
evaluate > "$work/plain" 2>&1
check "eval: which scores are not" sh -c '! grep "probabilities already" "$1"' \
    - "$work/plain"
check "eval: in JSON they are null" says '"balanced_accuracy":null' \
    infinite eval --json
check "predict: of such images no class" says "no class is predicted" \
    infinite predict --split test -o "$work/inf.csv"
check "predict: and no probability" test \
    "$(grep -c '^test/[a-z]*/[0-9]*.png,,[a-z]*,,,$' "$work/inf.csv")" = 20
check "predict: nor of the most probable" sh -c "
    '$simcc' predict '$work/inf.net' finetune --data '$shapes' --out '$run' \
    --split test --top 2 -o - -q --set $(echo $settings) 2> '$work/log' |
    grep -qx 'test/disc/00000.png,,disc,,,'"
# Many classes: the table is cut, which is said, and the files are not.
for class in $(seq 101 201); do
    for part in train test; do
        mkdir -p "$work/many/$part/$class"
        cp "$shapes/$part/disc/00001.png" "$work/many/$part/$class/"
    done
done
many() {
    command=$1
    shift
    # shellcheck disable=SC2086
    "$simcc" "$command" "$net" scratch --data "$work/many" --out "$work/m-run" \
        "$@" --set $settings
}
check "eval: trains on many classes" many run -q
check "eval: of many classes some" says "and 1 more classes: -o FOLDER" many \
    eval -o "$work/m-ev"
check "eval: in the files all" test "$(wc -l < "$work/m-ev/classes.csv")" = 102
check "eval: and no matrix on the terminal" sh -c \
    "! grep -q 'true .* predicted' '$work/said'"
check "eval: of many classes a picture, too" test -s "$work/m-ev/confusion.png"
# Artifacts, too.
# shellcheck disable=SC2086
"$simcc" compile "$net" -q -o "$work/q.simcc" --set classes=3 $settings
artifact() {
    "$simcc" eval "$work/q.simcc" finetune --data "$shapes" --out "$run" \
        --json -q | sed 's/"seconds":[^,]*//' > "$work/of-artifact" &&
        sed 's/"seconds":[^,]*//' "$work/json" | cmp - "$work/of-artifact"
}
check "eval: an artifact's are the same" artifact
check "eval: an artifact has no others" exits 2 "$simcc" eval "$work/q.simcc" \
    finetune --data "$shapes" --out "$run" --value h

# ---- predict ----------------------------------------------------------------

# The two largest of the whole table, in order, with their classes.
with predict finetune --data "$shapes" --out "$run" --split test -q --top 2 \
    -o "$work/top.csv"
check "predict: --top names its columns" grep -qx \
    "name,predicted,true,probability,class 2,probability 2" "$work/top.csv"
check "predict: --top 2 is the table's" awk -F, '
    NR == FNR { line[FNR] = $0; next }
    FNR == 1 { split(line[1], name, ","); next }
    {
        split(line[FNR], all, ","); first = second = 0
        for (i = 4; i <= 6; i++)
            if (!first || all[i] + 0 > all[first] + 0) first = i
        for (i = 4; i <= 6; i++)
            if (i != first && (!second || all[i] + 0 > all[second] + 0))
                second = i
        if ($1 != all[1] || $2 != name[first] || $3 != all[3] ||
            $4 != all[first] || $5 != name[second] || $6 != all[second])
            exit 1
        n++
    }
    END { exit n != 20 }' "$work/p.csv" "$work/top.csv"
check "predict: more than there are" exits 2 with predict finetune \
    --data "$shapes" --out "$run" --top 4 -o "$work/none.csv"
check "predict: says how many there are" says "there are 3 classes" with \
    predict finetune --data "$shapes" --out "$run" --top 4 -o "$work/none.csv"
check "predict: and writes nothing" test ! -e "$work/none.csv"
check "predict: unlabelled images have no column of true classes" sh -c "
    '$simcc' predict $net finetune --data '$shapes/test/ring' --out '$run' -q \
    --top 1 -o - --set $(echo $settings) | head -n 1 |
    grep -qx 'name,predicted,probability'"

# ---- every image ------------------------------------------------------------

check "eval: of all images, the run's own are said to be among them" says \
    "the run of these weights had this data: its 120 training images are among those evaluated" \
    exits 0 evaluate --split all -o "$work/all-ev" -q
check "eval: all, too, by the file of its weights" says \
    "its 120 training images are among" exits 0 with eval finetune \
    --data "$shapes" --weights "$run/finetune/model.safetensors" --split all -q
with predict finetune --data "$shapes" --out "$run" -q -o "$work/p.csv"
tail -n +2 "$work/all-ev/classes.csv" | cut -d , -f 1-4 > "$work/classes"
check "eval: all are predict's" agrees classes "$work/classes"
check "eval: and so are the mistakes" awk -F, '
    NR == FNR { if (FNR > 1 && $2 != $3) wrong[$1] = $2; next }
    FNR > 1 { if (wrong[$1] != $3) exit 1; delete wrong[$1]; n++ }
    END { for (name in wrong) exit 1; exit n < 2 }' \
    "$work/p.csv" "$work/all-ev/mistakes.csv"
check "eval: as JSON, too" says '"test_images":140,"split":"all"' \
    evaluate --split all --json -q
# Images of elsewhere, in one part, of which a fifth is held out else.
cp -r "$shapes/train" "$work/new"
check "eval: those held out are said not to be all" says \
    "24 images are evaluated, those held out: --split all takes every one" \
    exits 0 with eval finetune --data "$work/new" --out "$run"
check "eval: all of one part" says "--split all evaluates all 120 images" \
    exits 0 with eval finetune --data "$work/new" --out "$run" --split all
check "eval: of which the run knows none" exits 1 grep -q "had this data" \
    "$work/said"
check "eval: on one line" grep -q "^finetune: all 120 images: loss" "$work/said"
# Copies are known by their bytes, links by where they lead.
copies="the run of these weights trained on images that are evaluated"
check "eval: a copy of the run's images under other names" says \
    "$copies: of 16 that it noted 16 are among them, byte for byte" exits 0 \
    with eval finetune --data "$work/new" --out "$run" --split all
check "eval: or of some of them" says "$copies: of 16 that it noted" exits 0 \
    with eval finetune --data "$work/new" --out "$run"
ln -s "$shapes" "$work/link"
check "eval: a link to them" says "the run of these weights had this data: its 120" \
    exits 0 with eval finetune --data "$work/link" --out "$run" --split all
check "eval: what was held out is none of them" says "20 test images: loss" \
    exits 0 with eval finetune --data "$shapes" --out "$run"
check "eval: which is said of nothing" exits 1 grep -q "$copies" "$work/said"
# Three parts, and images without a label, which cannot be right or wrong.
cp -r "$shapes" "$work/parted"
mkdir -p "$work/parted/val/disc" "$work/parted/unlabeled"
mv "$work"/parted/train/disc/0000[0-4].png "$work/parted/val/disc"
mv "$work"/parted/train/ring/0000[0-2].png "$work/parted/unlabeled"
check "eval: all of three parts, but for what has no label" says \
    "--split all evaluates 115 training, 20 test and 5 validation images as one set, without 3 that have no label" \
    exits 0 with eval finetune --data "$work/parted" --out "$run" --split all
check "eval: as many" grep -q "^finetune: all 137 images: loss" "$work/said"
# Nothing but tests: there is nobody to be trained.
mkdir "$work/tests" "$work/tars" "$work/tars/test"
cp -r "$shapes/test" "$work/tests/test"
cp -r "$work/parted/val" "$work/tests"
(cd "$work/tests" && find test -name '*.png' | awk -F / '{ print $0 "," $2 ",test" }') \
    > "$work/tests/list.csv"
class=0
for name in disc ring square; do
    for file in "$shapes/test/$name"/*.png; do
        cp "$file" "$work/tars/$name-${file##*/}"
        echo "$class" > "$work/tars/$name-$(basename "$file" .png).cls"
    done
    class=$((class + 1))
done
(cd "$work/tars" && tar cf test/0.tar ./*.png ./*.cls --sort=name && rm ./*.png ./*.cls)
for set in tests tests/list.csv tars; do
    check "eval: tests alone, $set" says "0 training images and 20 test images" exits 0 \
        with eval finetune --data "$work/$set" --out "$run" --split test
    check "eval: are all of $set" grep -q "^finetune: 20 test images: loss" "$work/said"
    check "eval: which is said of $set" grep -qF \
        "there is no training part: its images are to evaluate alone" "$work/said"
    check "predict: tests alone, $set" exits 0 with predict finetune \
        --data "$work/$set" --out "$run" -q -o "$work/p.csv"
    check "data: tests alone, $set" says "0 training images and 20 test images" \
        "$simcc" data info "$work/$set"
done
check "eval: those for validation with them" says \
    "--split all evaluates 20 test and 5 validation images as one set" exits 0 \
    with eval finetune --data "$work/tests" --out "$run" --split all
check "eval: neighbours need images to vote" says \
    "the training images vote, and the data has none" exits 4 with eval pretrain \
    --knn --data "$work/tests" --out "$run"
check "run: no phase trains on them" says \
    "no training part: test, val are for testing or validation by their names" \
    exits 4 with run scratch --data "$work/tests" --out "$work/untrained"
# What the weights' run held out and set aside says nothing of them.
mkdir -p "$work/one/disc" "$work/one/ring" "$work/one/square"
for class in disc ring square; do
    cp "$shapes/train/$class/00001.png" "$work/one/$class"
done
with run scratch --data "$work/new" --out "$work/aside" --validate 25% --labels 4 -q \
    > "$work/log" 2>&1
check "eval: of one image a class none is held out, nor set aside" says \
    "3 training images and 0 test images" exits 4 with eval scratch --data "$work/one" \
    --out "$work/aside"
with predict scratch --data "$work/one" --out "$work/aside" -q -o "$work/p.csv"
check "predict: images of which no share can be set aside" test \
    "$(wc -l < "$work/p.csv")" = 4
check "eval: a set with its own part for validation" says \
    "and 20 test images (test), 5 for validation (val)" exits 0 with eval \
    scratch --data "$work/parted" --out "$work/aside"
check "eval: all of one image a class" says "scratch: all 3 images: loss" \
    exits 0 with eval scratch --data "$work/one" --out "$work/aside" --split all
check "eval: nor do options" says \
    "--split all evaluates every image: --held-out and --validate say nothing" \
    exits 2 evaluate --split all --held-out 0.3
check "eval: neighbours need images that do not vote" says \
    "--split all leaves no others" exits 2 with eval pretrain --knn \
    --data "$shapes" --out "$run" --split all

# ---- the settings of phases -------------------------------------------------

# They make the net, too, and are those of the weights unless one sets others.
cat > "$work/set.net" <<'NET'
import "lib/layers.net"
import "lib/heads.net"
import "lib/losses.net"
import "lib/optimizers.net"
import "lib/augment.net"
param classes = 3
phase train(batch = 8, steps = 5, rate = 0.1, labels = all, share = 10%, word = "plain", list = [1, 2],
            scale = 1.0, deep = true, crop = 16) {
    input images, y = labeled(labels), augment [center_crop(crop)], evaluate [center_crop(crop)]
    h = scale * mean((conv(images, 8, 3) as c)^2, over = "hw") + share * list[0] * (if word == "plain" then 0 else 1)
    h = if deep then relu(dense(h, 8)) else h
    logits = classifier(h, classes)
    minimize cross_entropy(logits, y)
    using sgd(rate = rate)
}
NET
others="train.rate=0.01 train.scale=2.0 train.deep=false train.crop=8 train.labels=50% train.word=other train.share=20%"
# shellcheck disable=SC2086
check "eval: other settings train" "$simcc" run "$work/set.net" \
    --data "$shapes" --out "$work/set" --set $others "train.list=[3, 4]"
# loss SETTING...: of the test images, as printed.
loss() {
    "$simcc" eval "$work/set.net" train --data "$shapes" --out "$work/set" \
        --json "$@" 2> "$work/said" | grep -o '"loss":[0-9.e-]*'
}
settings_return() {
    # shellcheck disable=SC2086
    want=$(loss --set $others "train.list=[3, 4]")
    got=$(loss)
    cat "$work/said"
    echo "with the settings $want, without $got"
    grep -q 'train.word = "other".*as in the weights' "$work/said" || return 1
    ! grep -q "train.batch" "$work/said" || return 1
    [ -n "$want" ] && [ "$got" = "$want" ] &&
        [ "$(loss --set train.scale=1.0)" != "$want" ]
}
check "eval: takes a phase's settings from the weights" settings_return

# ---- numbers of whole batches -----------------------------------------------

# 20 test images are two batches of 8, and 4 more.
sed 's/minimize cross_entropy(logits, y)/minimize mean(cross_entropy(logits, y))\
    report each = cross_entropy(logits, y)/' "$work/set.net" > "$work/mean.net"
check "eval: says which numbers leave images out" says \
    "loss: means over whole batches of 8 alone, 16 of the 20 test images" \
    "$simcc" run "$work/mean.net" --data "$shapes" --out "$work/mean"
says_nothing_of_whole_batches() {
    ! says "whole batches" "$simcc" eval "$work/mean.net" train \
        --data "$shapes" --out "$work/mean" --set train.batch=4
}
check "eval: not where they are of all" says_nothing_of_whole_batches

# ---- what a line of metrics is of -------------------------------------------

# Steps are numbered from 0: those of the first line have this mean.
sed 's/using sgd(rate = rate)/&\
    report at = step/' "$work/set.net" > "$work/lines.net"
reports_are_means() {
    "$simcc" run "$work/lines.net" --data "$shapes" --out "$work/lines" -q \
        --set train.steps=3000 --stop-after 40 || return 1
    head -n 1 "$work/lines/metrics.jsonl" | tr -d '"' | tr ',' '\n' |
        awk -F: '{ print } $1 == "step" { steps = $2 } $1 == "at" { at = $2 }
            END { exit !(steps > 1 && at == (steps - 1) / 2) }'
}
check "eval: a line's reports are means of its steps" reports_are_means

# ---- weights by a path ------------------------------------------------------

# From where simcc is started, not from beside the program.
mkdir "$work/programs"
sed 's/) {$/) from "set.safetensors" {/' "$work/lines.net" > "$work/programs/from.net"
cp "$work/lines/train/checkpoint.safetensors" "$work/set.safetensors"
starts_from() {
    (cd "$1" && says "$2" "$simcc" run "$work/programs/from.net" \
        --data "$shapes" --out "$work/from" --force --stop-after 1)
}
check "run: from a file, of the folder it is started in" \
    starts_from "$work" "from set.safetensors"
check "run: which is not the program's" \
    starts_from "$work/programs" "set.safetensors, which is not there"
finish
