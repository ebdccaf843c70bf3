#!/bin/sh
# Data sets from the command line: lists and shards, the check, splits and
# runs that use them.
. tests/e2e/lib.sh

shapes=$work/shapes
"$simcc" data synth "$shapes" --classes 3 --per-class 12 --size 32 -q
mkdir -p "$work/others/cat"
check "data synth: not beside other images" says "holds cat already: drawn images" \
    exits 1 "$simcc" data synth "$work/others" -q
check "data synth: where nothing was drawn" [ "$(ls "$work/others")" = cat ]
check "data synth: nor over drawn ones" says "to a new or an empty folder" \
    exits 1 "$simcc" data synth "$shapes" -q
one=$(cd "$shapes" && find train -name '*.png' | sort | head -n 1)
last=$(cd "$shapes" && find train -name '*.png' | sort | tail -n 1)
first_class=$(dirname "$one")
last_class=$(dirname "$last")

# ---- kinds ------------------------------------------------------------------

(cd "$shapes" && find train test -name '*.png' | sort |
    sed 's|^\(.*\)/\(.*\)/\(.*\)$|\1/\2/\3,\2,\1|') > "$shapes/list.csv"
check "data: a list is a data set" \
    says "list with 3 classes, 36 training images and" \
    "$simcc" data info "$shapes/list.csv"
echo "a/b.png,x,y,z" >> "$shapes/list.csv"
check "data: a bad line has exit code 4" exits 4 \
    "$simcc" data info "$shapes/list.csv"
check "data: a bad line is named" says "list.csv:$(wc -l < \
    "$shapes/list.csv" | tr -d ' '): more than three columns" \
    "$simcc" data info "$shapes/list.csv"

none="--held-out has no effect"
check "data: nothing is held out where there is a test part" says \
    "the set has a test part (test), so none" \
    "$simcc" data info "$shapes" --held-out 30%
check "data: which is not said of what nobody asked" sh -c \
    "! '$simcc' data info '$shapes' 2>&1 | grep -q -- '$none' &&
    ! '$simcc' data info '$shapes' --held-out 0 2>&1 | grep -q -- '$none'"

mkdir -p "$work/flat" "$work/shards"
number=0
for class in "$shapes"/train/*; do
    for file in "$class"/*.png; do
        name=$(basename "$class")-$(basename "$file" .png)
        cp "$file" "$work/flat/$name.png"
        printf '%d\n' "$number" > "$work/flat/$name.cls"
    done
    number=$((number + 1))
done
for format in ustar gnu pax; do
    (cd "$work/flat" && tar --sort=name --format=$format \
        -cf "$work/shards/train-0.tar" -- *)
    check "data: tar shards ($format)" says \
        "tar shards with 3 classes, 36 training images" \
        "$simcc" data info "$work/shards" --held-out 0
done
# All images, and behind them their classes.
mkdir "$work/apart"
(cd "$work/flat" && tar -cf "$work/apart/train-0.tar" -- *.png *.cls)
check "data: classes apart from their images are told" says \
    "a class without an image: the members of a sample follow each other" \
    "$simcc" data info "$work/apart" --held-out 0
says_no_class_without_image() {
    ! says "without an image" "$simcc" data info "$work/shards"
}
check "data: not those beside them" says_no_class_without_image
head -c 20000 "$work/shards/train-0.tar" > "$work/cut.tar"
check "data: a cut shard is refused" exits 4 "$simcc" data info "$work/cut.tar"

# ---- check ------------------------------------------------------------------

check "data check: a drawn set is good" exits 0 "$simcc" data check "$shapes"
cp -r "$shapes" "$work/spoilt"
cp "$work/spoilt/$one" "$work/spoilt/$first_class/copy.png"
check "data check: a copy in its own class is told" \
    says "identical   $first_class/copy.png = $one" \
    "$simcc" data check "$work/spoilt"
check "data check: and is no failure" exits 0 "$simcc" data check "$work/spoilt"
cp "$work/spoilt/$one" "$work/spoilt/$last_class/copy.png"
check "data check: a copy in another class is a failure" exits 4 \
    "$simcc" data check "$work/spoilt"
check "data check: and is told" says "(in two classes)" \
    "$simcc" data check "$work/spoilt"
rm "$work/spoilt/$last_class/copy.png"
cp "$work/spoilt/$one" "$work/spoilt/test/${first_class#train/}/copy.png"
check "data check: a leak" says "(training and test)" \
    "$simcc" data check "$work/spoilt"
check "data check: --json" says '"training_and_test":true' \
    "$simcc" data check "$work/spoilt" --json
cp -r "$shapes" "$work/cut"
head -c 100 "$shapes/$one" > "$work/cut/$one"
check "data check: a damaged image is a failure" exits 4 \
    "$simcc" data check "$work/cut"
check "data check: and is named" says "unreadable  $one: bad PNG" \
    "$simcc" data check "$work/cut"

# The photos hold three files twice, each in two classes.
trash=../shared/data/trashnet150
if [ -d "$trash" ]; then
    "$simcc" data check "$trash" > "$work/trash" 2>&1
    for pair in "metal/metal91.jpg = glass/glass115.jpg" \
        "plastic/plastic152.jpg = glass/glass176.jpg" \
        "plastic/plastic332.jpg = glass/glass389.jpg"; do
        check "data check: photos: $pair" grep -qF "$pair" "$work/trash"
    done
    check "data check: photos: nothing else" \
        grep -qF "0 unreadable, 0 tiny, 0 grey, 3 identical, 0 near" \
        "$work/trash"
else
    skip "data check: photos" "(no $trash)"
fi

# ---- split ------------------------------------------------------------------

check "data split" exits 0 "$simcc" data split "$shapes" --per-class 4 \
    --seeds 3 -o "$work/splits"
check "data split: four of each class" sh -c "
    [ \$(wc -l < '$work/splits/split-0.txt') = 12 ] &&
    [ \$(grep -c '^$first_class/' '$work/splits/split-0.txt') = 4 ]"
check "data split: seeds differ" sh -c "
    ! cmp -s '$work/splits/split-0.txt' '$work/splits/split-2.txt'"
check "data split: what comes next has the same parts" says \
    "split-0.txt --out run --seed 5 --validate 10%" "$simcc" data split \
    "$shapes" --per-class 2 --seeds 1 --seed 5 --validate 10% -o "$work/parts"
check "data split: what --seed is not for" says \
    "the lists are of seeds 0 to 1, as --seeds says" "$simcc" data split \
    "$shapes" --per-class 2 --seeds 2 --seed 5 -o "$work/parts"
"$simcc" data split "$shapes" --per-class 3 --seeds 2 -o "$work/again" -q
check "data split: lists of an earlier call are named" says \
    "again/split-1.txt is there from an earlier call" "$simcc" data split \
    "$shapes" --per-class 4 --seeds 1 -o "$work/again" -q
check "data split: wants a folder" exits 2 "$simcc" data split "$shapes"
check "data split: more labels than images" exits 4 "$simcc" data split \
    "$shapes" --per-class 13 -o "$work/none"

# train OUT OPTION...: the phase with labels alone, made small.
train() {
    out=$1
    shift
    "$simcc" run models/quickstart.net scratch --data "$shapes" --out "$out" \
        --set filters=4 groups=2 image_size=16 classes=3 scratch.steps=6 \
        scratch.labels=4 scratch.batch=8 "$@"
}

check "run: by the program's rule" train "$work/rule" -q
check "run: by a list" train "$work/list" -q \
    --labels "$work/splits/split-0.txt"
check "run: split-0 is what the rule chooses under seed 0" \
    cmp "$work/rule/scratch/model.safetensors" \
    "$work/list/scratch/model.safetensors"
train "$work/other" -q --labels "$work/splits/split-1.txt" > /dev/null 2>&1
check "run: another list is another result" sh -c "
    ! cmp -s '$work/rule/scratch/model.safetensors' \
        '$work/other/scratch/model.safetensors'"
train "$work/half" -q --labels "$work/splits/split-1.txt" --stop-after 3 \
    > /dev/null 2>&1
check "run: not resumed with another list" says "--labels names other images" \
    train "$work/half" --resume --labels "$work/splits/split-2.txt"
check "run: resumed with the same list" train "$work/half" -q --resume \
    --labels "$work/splits/split-1.txt"
check "run: to the same bits" cmp "$work/other/scratch/model.safetensors" \
    "$work/half/scratch/model.safetensors"
echo "train/none.png" > "$work/bad"
check "run: a bad list is refused before training" says \
    "bad:1: train/none.png is not in the data" \
    train "$work/refused" --labels "$work/bad"
check "run: labels that are no file and no amount" says \
    "--labels 10x: there is no such file, and it is neither" exits 4 \
    train "$work/refused" --labels 10x
# From the root, or through the folder as --data has it.
sed "s,^,$shapes/," "$work/splits/split-0.txt" > "$work/paths"
check "run: paths to the images name them" train "$work/paths-run" -q \
    --labels "$work/paths"
check "run: which changes nothing" cmp "$work/rule/scratch/model.safetensors" \
    "$work/paths-run/scratch/model.safetensors"

# One meaning on the command line and in the program.
train "$work/share" -q --labels 0.5 > /dev/null 2>&1
"$simcc" run models/quickstart.net scratch --data "$shapes" -q \
    --out "$work/shared" --set filters=4 groups=2 image_size=16 classes=3 \
    scratch.steps=6 scratch.labels=0.5 scratch.batch=8 > /dev/null 2>&1
check "run: --labels 0.5 is labels = 0.5" same_tensors \
    "$work/share/scratch/model.safetensors" \
    "$work/shared/scratch/model.safetensors"
check "run: --labels 1.0 is all" says "those of 36 images" \
    train "$work/everything" --labels 1.0

# A single folder is no class; it pretrains, and its settings go on.
mkdir "$work/single"
cp -r "$shapes/train/disc" "$work/single/photos"
one() {
    "$simcc" run models/quickstart.net "$@" --data "$work/single" \
        --out "$work/single-run" --set filters=4 groups=1 image_size=16 \
        pretrain.batch=4 pretrain.epochs=1
}
check "run: one folder pretrains" one pretrain
check "run: one folder has nothing to tell apart" says "has one: put" \
    one scratch
check "eval: without weights, how to get them" says "trains the phase" \
    "$simcc" eval models/quickstart.net finetune --data "$shapes" \
    --out "$work/single-run"

# One file in a hundred is damaged: four of 400, in four ways.
"$simcc" data synth "$work/hurt" -q --classes 4 --per-class 100 --size 16
images=$work/hurt/train
set -- "$images"/*/
head -c 300 "${1}00007.png" > "$work/part" && mv "$work/part" "${1}00007.png"
: > "${2}00011.png"
echo "no image" > "${3}00013.png"
printf 'damage' | dd of="${4}00017.png" bs=1 seek=200 conv=notrunc 2> /dev/null
hurt() {
    rm -rf "$work/hurt-out"
    "$simcc" run models/quickstart.net pretrain --data "$work/hurt" \
        --out "$work/hurt-out" --set filters=4 groups=2 image_size=16 \
        pretrain.batch=32 pretrain.epochs=2 "$@" > "$work/hurt.log" 2>&1
}
# names_once FILE...: each in one line of the log.
names_once() {
    for file; do
        [ "$(grep -c "$file" "$work/hurt.log")" = 1 ] ||
            { echo "not named once: $file"; cat "$work/hurt.log"; return 1; }
    done
}
check "run: with damaged files to the end" hurt --threads 2
check "run: each is named once" names_once "${1#"$images/"}00007.png" \
    "${2#"$images/"}00011.png" "${3#"$images/"}00013.png" \
    "${4#"$images/"}00017.png"
mv "$work/hurt-out/pretrain/model.safetensors" "$work/hurt.model"
check "run: and again on one thread" hurt --threads 1 --cache 0
check "run: to the same bits" cmp "$work/hurt.model" \
    "$work/hurt-out/pretrain/model.safetensors"

check "help data: its commands" says "simcc data split DIR" "$simcc" help data
check "data -h: the same" says "simcc data split DIR" "$simcc" data -h
check "run: --cache wants a size" says "a size such as 512M or 2G" \
    "$simcc" run models/quickstart.net --data "$shapes" --out "$work/no" \
    --cache lots
check "run: and no other" exits 2 "$simcc" run models/quickstart.net \
    --data "$shapes" --out "$work/no" --cache 2Q
check "run: 5 is no size" exits 2 "$simcc" run models/quickstart.net \
    --data "$shapes" --out "$work/no" --cache 5
mkdir -p "$work/inside/a/more" "$work/inside/b"
for class in a b; do
    for image in 1 2 3; do
        cp "$shapes/train/disc/00001.png" "$work/inside/$class/$image.png"
    done
done
check "data: no folder inside a class's" eval \
    '! "$simcc" data info "$work/inside" | grep "inside a class"'
mkdir -p "$work/through/a/images" "$work/through/b/images"
for class in a b; do
    cp "$work/inside/a/"*.png "$work/through/$class/images"
done
check "data: nor where a class is all in one" eval \
    '! "$simcc" data info "$work/through" | grep "inside a class"'
cp "$shapes/train/disc/00001.png" "$work/inside/a/more/4.png"
check "data: a folder inside a class's" says \
    "1 image of folders inside a class's folder, such as a/more/4.png, is of that class" \
    "$simcc" data info "$work/inside"

check "augment: what was drawn" says "view 7: random_crop " \
    "$simcc" augment models/quickstart.net --data "$shapes" \
    -o "$work/views.png"
check "augment: did you mean" says "did you mean pretrain?" \
    "$simcc" augment models/quickstart.net pretrian --data "$shapes" \
    -o "$work/views.png"

# ---- many files ---------------------------------------------------------------

# 5,400 links to a few pictures: the second command need not look at each.
"$simcc" data synth "$work/few" --classes 3 --per-class 60 --size 16 -q
for class in disc ring square; do
    mkdir -p "$work/many/$class"
    for copy in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 \
        25 26 27 28 29 30; do
        cp -rl "$work/few/train/$class" "$work/many/$class/$copy"
    done
done
kernels=$XDG_CACHE_HOME
XDG_CACHE_HOME=$work/lists
sleep 1
"$simcc" data info "$work/many" > "$work/first"
"$simcc" data info "$work/many" > "$work/second"
by_list="files as an earlier command found them"
check "data: the first command looks at each file" \
    sh -c "! grep '$by_list' '$work/first'"
check "data: the second takes the list" grep "$by_list" "$work/second"
check "data: which is the same" sh -c \
    "grep -v '$by_list' '$work/second' | diff -B '$work/first' -"
check "data: --no-cache looks at each" sh -c \
    "'$simcc' data info '$work/many' --no-cache | cmp '$work/first' -"
cp -rl "$work/few/train/ring" "$work/many/ring/31"
check "data: a folder that has changed" says "4,368 training images" \
    "$simcc" data info "$work/many"
sleep 1
"$simcc" data info "$work/many" > "$work/third"
check "data: run takes the list, too" says "$by_list" "$simcc" run \
    models/quickstart.net pretrain --data "$work/many" --out "$work/run" \
    --stop-after 1 --set filters=4 groups=1 image_size=16
XDG_CACHE_HOME=$kernels

exit $script_failed
