#!/bin/sh
# Several classes an image: lists of two kinds, trained with a sigmoid each;
# eval's average precision is that of what predict writes; a program for one
# class an image is refused, and the other way round.
. tests/e2e/lib.sh

net=models/multilabel.net
settings="filters=8 groups=2 image_size=16 scratch.batch=16 scratch.steps=600
    scratch.rate=0.01"

# Discs and rings are round, squares and triangles have corners; rings and
# triangles have no name.
"$simcc" data synth "$work/shapes" --classes 4 --per-class 40 --size 16 -q
labels() {
    case $1 in
    disc) echo "disc|round" ;;
    ring) echo "round" ;;
    square) echo "corners|square" ;;
    triangle) echo "corners" ;;
    esac
}
ones() {
    case $1 in
    disc) echo "1,0,0,1" ;;
    ring) echo "1,0,0,0" ;;
    square) echo "0,1,1,0" ;;
    triangle) echo "0,0,1,0" ;;
    esac
}
echo "path,labels,part" > "$work/shapes/parted.csv"
echo "path,round,square,corners,disc,part" > "$work/shapes/ones.csv"
echo "path,label,part" > "$work/shapes/single.csv"
for part in train test; do
    for class in disc ring square triangle; do
        for file in "$work/shapes/$part/$class"/*.png; do
            name=${file#"$work/shapes/"}
            echo "$name,$(labels $class),$part" >> "$work/shapes/parted.csv"
            echo "$name,$(ones $class),$part" >> "$work/shapes/ones.csv"
            echo "$name,$class,$part" >> "$work/shapes/single.csv"
        done
    done
done

# train LIST OUT SETTINGS WORD...
train() {
    list=$1 out=$2 more=$3
    shift 3
    # shellcheck disable=SC2046
    "$simcc" run "$net" scratch --data "$work/shapes/$list.csv" \
        --out "$work/$out" --set $(merged "$settings" "$more") "$@"
}

check "several: data info says so, and by what" \
    says "an image may have several of the 4 classes: line 2 has disc|round, parted by |" \
    "$simcc" data info "$work/shapes/parted.csv"
check "several: with counts" says "        80         16  corners" \
    "$simcc" data info "$work/shapes/parted.csv"
check "several: columns of 0 and 1" \
    says "columns round, square, corners, disc hold 0 and 1, and line 2 has 2" \
    "$simcc" data info "$work/shapes/ones.csv"
check "several: trained" train parted parted "" -q
check "several: of columns, too" train ones ones "" -q
check "several: the same bits" same_tensors \
    "$work/parted/scratch/model.safetensors" "$work/ones/scratch/model.safetensors"

# ---- what is said of it -------------------------------------------------------

evaluate() {
    "$simcc" eval "$net" scratch --data "$work/shapes/parted.csv" \
        --out "$work/parted" "$@"
}
"$simcc" predict "$net" scratch --data "$work/shapes/parted.csv" \
    --out "$work/parted" -o "$work/predicted.csv" -q --split test
check "several: predict's columns" test "$(head -n 1 "$work/predicted.csv")" = \
    "name,predicted,true,corners,disc,round,square"
check "several: the true classes" \
    says "test/square/00000.png," grep ",corners|square," "$work/predicted.csv"
# The classes above one half, or a mark alone where there are none.
predicted_is_above_half() {
    tail -n +2 "$work/predicted.csv" | awk -F, '
        BEGIN { split("corners disc round square", name, " ") }
        {
            want = ""
            for (i = 1; i <= 4; i++)
                if ($(i + 3) > 0.5) want = want (want ? "|" : "") name[i]
            if (want == "") want = "|"
            if (want != $2) { print; bad = 1 }
        }
        END { print NR; exit bad || NR != 32 }'
}
check "several: predicted are those above one half" predicted_is_above_half

# average COLUMN NAME: its average precision, by the definition; no two of these
# probabilities are equal.
average() {
    tail -n +2 "$work/predicted.csv" | sort -t , -k "$1,$1" -g -r |
        awk -F, -v name="$2" '
        ("|" $3 "|") ~ ("\\|" name "\\|") { hits++; sum += hits / NR }
        END { printf "%.4f\n", sum / hits }'
}
evaluate --json -q -o "$work/wrong" > "$work/eval.json"
averages_are_equal() {
    set -- corners disc round square
    column=4
    for class; do
        got=$(sed "s/.*\"name\":\"$class\"[^}]*\"average_precision\":\([0-9.]*\).*/\1/" \
            "$work/eval.json")
        want=$(average $column "$class")
        column=$((column + 1))
        echo "$class $got $want"
        awk -v got="$got" -v want="$want" \
            'BEGIN { d = got - want; exit !(d < 6e-5 && d > -6e-5) }' || return 1
    done
}
check "several: average precision of each class" averages_are_equal
check "several: learned" sh -c \
    "sed 's/.*\"mean_average_precision\":\([0-9.]*\).*/\1/' '$work/eval.json' |
     awk '{ print; exit !(\$1 > 0.5) }'" # chance is 0.375
check "several: the table" says "mean average precision (mAP) 0." evaluate
check "several: and its files" sh -c "cd '$work/wrong' && ls classes.csv \
    calibration.csv calibration.png mistakes.csv mistakes.png metrics.json &&
    ! ls confusion.csv confusion.png"
check "several: top classes" says "name,predicted,true,probability,class 2,probability 2" \
    "$simcc" predict "$net" scratch --data "$work/shapes/parted.csv" \
    --out "$work/parted" -o - --top 2 -q
check "several: neighbours do not vote" exits 4 evaluate --knn --value logits

# ---- settings -----------------------------------------------------------------

check "several: a share of the labels" says "from 80 images" \
    train parted share "scratch.labels=50% scratch.steps=2"
check "several: no number of each class" says "\`all\`, or a share" \
    train parted number scratch.labels=10
check "several: --labels neither" says "ask for a share, such as 10%, or all" \
    train parted number "" --labels 10
check "several: held out and set aside" says "set aside for validation" \
    train parted aside scratch.steps=20 --validate 10% --best label_accuracy
check "several: the best is of the greatest mean average precision" \
    says "by the greatest mean_average_precision" \
    train parted ranked scratch.steps=60 --validate 25% --patience 4
ranks_as_eval() {
    best=$(sed -n 's/.*"valid_images".*"best":\([^,}]*\).*/\1/p' \
        "$work/ranked/metrics.jsonl" | tail -n 1)
    "$simcc" eval "$net" scratch --data "$work/shapes/parted.csv" \
        --split valid --weights "$work/ranked/scratch/best.safetensors" \
        --json -q > "$work/ranked.json"
    sed 's/.*"mean_average_precision":\([0-9.]*\).*/\1/' "$work/ranked.json" |
        awk -v best="$best" '{ print $1, best
            exit !($1 - best < 1e-6 && best - $1 < 1e-6) }'
}
check "several: as eval finds it" ranks_as_eval
even="scratch.steps=40 scratch.balanced=true positive_weighting=1"
check "several: balanced" says "balanced: each class comes as often" \
    train parted balanced "$even"
resumed() {
    train parted again "$even" --stop-after 21 --threads 1 -q &&
        train parted again "$even" --resume -q &&
        same_tensors "$work/balanced/scratch/model.safetensors" \
            "$work/again/scratch/model.safetensors"
}
check "several: stopped and resumed, the same bits" resumed
lib=$PWD/models/lib
cat > "$work/linear.net" <<END
import "$lib/layers.net"
import "$lib/losses.net"
import "$lib/optimizers.net"
import "$lib/augment.net"
param classes = 4
phase fit(batch = 16, steps = 6, chunk = none) {
    input images, y = multi_labeled(all), augment [center_crop(8)]
    logits = dense(mean(images, over = "hw"), classes) as fc
    minimize binary_cross_entropy(logits, y)
    using    sgd(rate = 0.5)
    report   label_accuracy(logits, y)
}
END
# fit OUT CHUNK: the losses of the steps.
fit() {
    "$simcc" run "$work/linear.net" --data "$work/shapes/parted.csv" \
        --out "$work/$1" --dtype f64 -q --set "fit.chunk=$2" > /dev/null &&
        sed 's/.*"loss":\([^,]*\),.*/\1/' "$work/$1/metrics.jsonl" > "$work/$1.loss"
}
in_chunks() {
    fit whole none && fit four 4 && paste "$work/whole.loss" "$work/four.loss" |
        awk '{ print; d = $1 - $2; if (d > 1e-8 || d < -1e-8) bad = 1 }
             END { exit bad || NR != 6 }'
}
check "several: labels of chunks are those of the batch" in_chunks
check "several: pretraining needs none of it" says "pretrain: 2 steps" \
    "$simcc" run "$net" pretrain --data "$work/shapes/parted.csv" \
    --out "$work/pre" --set filters=4 groups=2 image_size=16 pretrain.batch=32 \
    pretrain.steps=2

# ---- refused ------------------------------------------------------------------

check "several: a program for one class" says \
    "phase scratch is made for one class an image, and the data's images may have several: take labels from multi_labeled(...) and minimize binary_cross_entropy, as models/multilabel.net does" \
    "$simcc" run models/quickstart.net scratch --data "$work/shapes/parted.csv" \
    --out "$work/one"
check "several: is refused" exits 4 "$simcc" run models/quickstart.net scratch \
    --data "$work/shapes/parted.csv" --out "$work/one" -q
check "several: one class an image for such a program" says \
    "each image of the data has one: take its labels from labeled(...) and minimize cross_entropy" \
    train single one ""
check "several: is refused, too" exits 4 train single one "" -q
finish
