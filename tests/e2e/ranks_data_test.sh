#!/bin/sh
# Each process with images of its own: --data with {rank}. The parts are copies,
# so that a process which looked for another's images would not find them.
. tests/e2e/lib.sh
. tests/e2e/lib_ranks.sh
need_ranks ranks-data

"$simcc" data synth "$work/shapes" --classes 3 --per-class 24 --size 16 -q
simcc=$BUILD/mpi/simcc
lib=$PWD/models/lib

# divide OUT: every third training image to part 1, the others to part 0, and
# of the test images every second; even OUT: half and half.
divide() {
    (cd "$work/shapes" && find . -name '*.png') | sort |
        awk -v by="$2" '{ n[/test/]++; print n[/test/] % (/test/ ? 2 : by) == 0, $0 }' |
        while read -r part image; do
            mkdir -p "$work/$1$part/${image%/*}"
            cp "$work/shapes/$image" "$work/$1$part/$image"
        done
}
divide half 2
divide third 3

# Light of the images that a step has: all differ in it.
cat > "$work/seen.net" <<END
import "$lib/layers.net"
import "$lib/losses.net"
import "$lib/optimizers.net"
import "$lib/augment.net"
phase seen(batch = 12, steps = 12, classes = 3) {
    input images, y = labeled(all), augment center_crop(16, 1), evaluate center_crop(16, 1)
    logits = dense(mean(images, over = "hw"), classes) as fc
    minimize cross_entropy(logits, y)
    using    sgd(rate = 0.1)
    report   light = mean(images), top1 = top1(logits, y)
}
END
# seen PROCESSES DATA OUT WORD...
seen() {
    count=$1 data=$2 out=$3
    shift 3
    set -- "$simcc" run "$work/seen.net" --data "$work/$data" \
        --out "$work/$out" --threads 1 --dtype f64 --force "$@"
    [ "$count" = 1 ] || set -- mpirun -n "$count" "$@"
    "$@"
}
# light OUT FIRST LAST: the sum over these steps.
light() {
    grep '"step"' "$work/$1/metrics.jsonl" | grep -v test_images |
        sed 's/.*"step":\([0-9]*\).*"light":\([^,}]*\).*/\1 \2/' |
        awk -v first="$2" -v last="$3" \
            '$1 >= first && $1 <= last { n++; sum += $2 } END { print n, sum }' OFMT=%.12g
}

# ---- nothing twice ----------------------------------------------------------

# An epoch is 6 steps: each has all images once, so the sum is that of one.
check "ranks-data: one process with all" seen 1 shapes whole
check "ranks-data: two with half each" says \
    "2 parts, 3 classes, 72 training images, 36 to 36 a part" \
    seen 2 'half{rank}' halves
check "ranks-data: as many steps" test "$(light whole 1 6 | cut -d ' ' -f 1)" = 6
check "ranks-data: an epoch has each image once" test \
    "$(light whole 1 6)" = "$(light halves 1 6)"
check "ranks-data: and the next, too" test \
    "$(light whole 7 12)" = "$(light halves 7 12)"
check "ranks-data: in an order of its own" test \
    "$(light halves 1 3)" != "$(light halves 7 9)"
check "ranks-data: other images in a step than one process has" test \
    "$(light whole 1 3)" != "$(light halves 1 3)"
tested() {
    tail -n 1 "$work/$1/metrics.jsonl" | sed 's/.*"test_images":\([0-9]*\).*/\1/'
}
check "ranks-data: all test images count once" test "$(tested whole)" = "$(tested halves)"

# ---- uneven parts -----------------------------------------------------------

check "ranks-data: uneven parts are said" says \
    "the 24 images of process 1 come 2 times as often as the 48 of process 0" \
    seen 2 'third{rank}' thirds
check "ranks-data: each test image of them counts once, too" test \
    "$(tested whole)" = "$(tested thirds)"
check "ranks-data: by classes alike, killed and resumed" seen 2 'third{rank}' cut \
    --set seen.balanced=true --stop-after 5
check "ranks-data: goes on" mpirun -n 2 "$simcc" run "$work/seen.net" --data \
    "$work/third{rank}" --out "$work/cut" --threads 1 --dtype f64 --resume \
    --set seen.balanced=true
check "ranks-data: unbroken" seen 2 'third{rank}' unbroken --set seen.balanced=true
check "ranks-data: the same bits" cmp "$work/cut/seen/model.safetensors" \
    "$work/unbroken/seen/model.safetensors"
# The paper's three phases, with few labels of each class of all parts together,
# a validation and its neighbours' vote.
three() {
    out=$1
    shift
    mpirun -n 2 "$simcc" run models/quickstart.net --data "$work/third{rank}" \
        --out "$work/$out" --threads 1 --validate 25% --validate-every 2 "$@" \
        --set filters=8 image_size=16 classes=3 pretrain.batch=16 \
        pretrain.chunk=8 pretrain.epochs=2 finetune.batch=8 finetune.steps=8 \
        finetune.labels=4 distill.batch=16 distill.epochs=1
}
check "ranks-data: three phases, validated, labels counted over all parts" says \
    "from 12 images" three three pretrain finetune distill
check "ranks-data: pretraining votes" grep -q '"valid_images":.*"knn"' "$work/three/metrics.jsonl"
check "ranks-data: stopped" three three3 pretrain --stop-after 4
check "ranks-data: and going on" three three3 pretrain --resume
check "ranks-data: to the same bits" cmp "$work/three/pretrain/model.safetensors" \
    "$work/three3/pretrain/model.safetensors"

# ---- other kinds ------------------------------------------------------------

for part in 0 1; do
    (cd "$work/half$part/train" && find . -name '*.png' | sort |
        sed 's|^\./\([^/]*\)/.*|&,\1|; s|^\./|half'$part'/train/|') > "$work/list$part.csv"
    mkdir -p "$work/tar" "$work/shards$part"
    rm -f "$work"/tar/*
    for image in "$work/half$part"/train/*/*.png; do
        class=${image%/*}
        number=$(find "$work/shapes/train" -mindepth 1 -maxdepth 1 | sort |
            grep -n "/${class##*/}$" | cut -d : -f 1)
        name=${class##*/}_$(basename "$image" .png)
        cp "$image" "$work/tar/$name.png"
        echo $((number - 1)) > "$work/tar/$name.cls"
    done
    (cd "$work/tar" && tar --sort=name -cf "$work/shards$part/a.tar" ./*)
done
for kind in 'list{rank}.csv' 'shards{rank}'; do
    check "ranks-data: $kind" seen 2 "$kind" kind --held-out 0
    check "ranks-data: $kind once" test "$(light kind 1 6)" = "$(light whole 1 6)"
done

# ---- what goes wrong --------------------------------------------------------

check "ranks-data: a part that nobody reads is said" says "nobody reads $work/half1: {rank} ends at 0" \
    seen 1 'half{rank}' alone
cp -r "$work/half1" "$work/other1"
ln -s half0 "$work/other0"
mv "$work/other1/train/disc" "$work/other1/train/dot"
mv "$work/other1/test/disc" "$work/other1/test/dot"
check "ranks-data: other classes are refused, with both lists" says \
    "and the data has 3 (dot, " seen 2 'other{rank}' wrong
check "ranks-data: of process 0, too" grep -q "process 0 knows 3 classes (disc, " "$work/said"
ln -s half0 "$work/same0"
ln -s half0 "$work/same1"
check "ranks-data: one part twice" says "processes 0 and 1 would both read it" \
    seen 2 'same{rank}' wrong
check "ranks-data: with exit code 4" exits 4 seen 2 'same{rank}' wrong
check "ranks-data: a part that is not there" says "none1: No such file" \
    sh -c 'ln -s half0 "$1/none0"; shift; "$@"' - "$work" mpirun -n 2 "$simcc" \
    run "$work/seen.net" --data "$work/none{rank}" --out "$work/wrong"
check "ranks-data: of run alone" says "parts of the processes of \`simcc run\`" \
    "$simcc" eval "$work/seen.net" seen --data "$work/half{rank}" --out "$work/whole"
finish
