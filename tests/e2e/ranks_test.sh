#!/bin/sh
# Several processes of an MPI launcher train what one does: the same numbers up
# to rounding, one folder, one voice. Without `make mpi` and a launcher, only
# that this is said; WITH_MPI=1, as `make mpi-test` has it, does not do without.
. tests/e2e/lib.sh

"$simcc" data synth "$work/shapes" --classes 4 --per-class 24 --size 16 -q
OMPI_COMM_WORLD_SIZE=2
export OMPI_COMM_WORLD_SIZE
check "ranks: a build without MPI says so" says "built without MPI" \
    "$simcc" run models/quickstart.net --data "$work/shapes" --out "$work/no"
unset OMPI_COMM_WORLD_SIZE
. tests/e2e/lib_ranks.sh
need_ranks ranks

simcc=$BUILD/mpi/simcc
settings="filters=8 image_size=16 classes=4 pretrain.batch=16
    pretrain.epochs=2 finetune.batch=16 finetune.steps=8 finetune.labels=4
    distill.batch=16 distill.epochs=1"

# train PROCESSES FILE OUT WORD...
train() {
    count=$1 file=$2 out=$3
    shift 3
    set -- "$simcc" run "$file" --data "$work/shapes" --out "$work/$out" \
        --threads 1 "$@"
    [ "$count" = 1 ] || set -- mpirun -n "$count" "$@"
    "$@"
}
# quickstart PROCESSES OUT WORD...; with other settings behind those above in
# $more.
more=
quickstart() {
    count=$1 out=$2
    shift 2
    # shellcheck disable=SC2046,SC2086
    train "$count" models/quickstart.net "$out" "$@" --set $(merged "$settings" "$more")
}
# numbers OUT: all that a run reports, without times.
numbers() {
    tr ',{}' '\n\n\n' < "$work/$1/metrics.jsonl" |
        grep -vE '^$|images_per_second|input_wait'
}
# features OUT: of the pretrained net, one a line.
features() {
    # shellcheck disable=SC2086
    "$simcc" embed models/quickstart.net pretrain --data "$work/shapes" \
        --out "$work/$1" -o "$work/$1.npy" --csv --dtype f64 -q --set $settings
    tail -n +2 "$work/$1.csv" | cut -d , -f 3- | tr ',' '\n'
}
compare() {
    alike "$1" "$work/$2.numbers" "$work/$3.numbers" 40
}
# As alike, of files of doubles, which may be many.
cat > "$work/apart.c" <<END
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words)
{
    double bound = atof(words[1]), worst = 0, a, b;
    FILE *one = fopen(words[2], "rb"), *other = fopen(words[count - 1], "rb");
    long n = 0;
    while (fread(&a, 8, 1, one) == 1 && fread(&b, 8, 1, other) == 1 && ++n) {
        double off = fabs(a - b) / fmax(fmax(fabs(a), fabs(b)), 1);
        if (!(off <= worst))
            worst = off;
    }
    int more = fgetc(one) != EOF || fgetc(other) != EOF;
    printf("%ld compared, %g apart%s\\n", n, worst, more ? ", not as many" : "");
    return !(worst <= bound) || n < 40 || more;
}
END
cc -O2 -o "$work/apart" "$work/apart.c" -lm
# same_training OUT OTHER: in f64 the same reports and, in each phase, the same
# weights, averages, optimizer's state and memory; or what files of another NAME
# than `checkpoint` hold.
same_training() {
    numbers "$1" > "$work/one.numbers"
    numbers "$2" > "$work/other.numbers"
    alike 1e-9 "$work/one.numbers" "$work/other.numbers" || return 1
    for model in "$work/$1"/*/"${3:-checkpoint}.safetensors"; do
        safetensors_data "$model" > "$work/one"
        safetensors_data "$work/$2${model#"$work/$1"}" > "$work/two"
        "$work/apart" 1e-9 "$work/one" "$work/two" || return 1
    done
}

# ---- the same as one process ------------------------------------------------

for count in 1 2 4; do
    check "ranks: three phases by $count" quickstart $count "by$count" \
        pretrain finetune distill --dtype f64
    numbers "by$count" > "$work/by$count.numbers"
    features "by$count" > "$work/by$count.features"
done
check "ranks: two train what one does" same_training by1 by2
check "ranks: four, too" same_training by1 by4
check "ranks: the same number of them, to the bit" quickstart 4 again4 pretrain --dtype f64 -q
check "ranks: again" cmp "$work/by4/pretrain/model.safetensors" "$work/again4/pretrain/model.safetensors"
check "ranks: two make the features of one" alike 1e-9 "$work/by1.features" \
    "$work/by2.features"
check "ranks: four, too" alike 1e-9 "$work/by1.features" "$work/by4.features"
check "ranks: one line a step and phase" test \
    "$(wc -l < "$work/by4/metrics.jsonl")" = "$(wc -l < "$work/by1/metrics.jsonl")"

# Blocks of channels, whose gradients are summed in tiles.
more="filters=16 pretrain.rate=0.02 pretrain.epochs=1"
for count in 1 2; do
    quickstart $count "wide$count" pretrain -q
    numbers "wide$count" > "$work/wide$count.numbers"
done
check "ranks: in single precision" compare 3e-3 wide1 wide2
# Activations in bf16: the sums of gradients and norms are of single precision.
for count in 1 2; do
    check "ranks: in bf16 by $count" quickstart $count "half$count" pretrain -q \
        --precision bf16
    numbers "half$count" > "$work/half$count.numbers"
done
check "ranks: in bf16, where each sum waits" quickstart 2 halfwait pretrain -q \
    --precision bf16 --no-overlap
more=
check "ranks: two train in bf16 about what one does" compare 3e-2 half1 half2
check "ranks: which is not what they train without" exits 1 compare 1e-6 half2 wide2
check "ranks: the same bits in bf16" same_tensors \
    "$work/half2/pretrain/model.safetensors" "$work/halfwait/pretrain/model.safetensors"

# Negatives of past batches, from all; squeezing, selective kernels.
lib=$PWD/models/lib
cat > "$work/memory.net" <<END
import "$lib/resnet.net"
import "$lib/heads.net"
import "$lib/contrastive.net"
import "$lib/optimizers.net"
import "$lib/augment.net"
def net(images) = projection_head(resnet(images, 18, 1, 0.0625), layers = 2, out = 8).last
phase pretrain(batch = 8, steps = 6, memory = 32, chunk = none) {
    input images = unlabeled.views(2), augment crop_and_flip(8, 0.3)
    z    = net(images)
    past = moving_average(remember(net(first_images(images)), memory), 0.9)
    minimize nt_xent(z, 0.2, memory = past)
    using    lars(rate = 0.1, weight_decay = 1e-4)
    report   contrastive_accuracy(z), contrastive_entropy(z), filled(past), loss_at_chance(z, memory = past)
}
END
for count in 1 2 4; do
    check "ranks: a memory of negatives by $count" train $count \
        "$work/memory.net" "memory$count" pretrain --dtype f64
done
check "ranks: two have the same memory" same_training memory1 memory2
check "ranks: and four" same_training memory1 memory4

# Random numbers: each process draws for its images what one draws for them,
# and all draw the same for what is of no image.
cat > "$work/drops.net" <<END
import "$lib/random.net"
import "$lib/layers.net"
import "$lib/contrastive.net"
import "$lib/optimizers.net"
import "$lib/augment.net"
phase views(batch = 8, steps = 6, chunk = none) {
    input images = unlabeled.views(2), augment crop_and_flip(8, 0.3)
    x = relu(conv(images + 0.1 * random_normal(shape(images)), 8, 3) as conv1)
    x = drop_path(dropout(conv(x, 8, 3) as conv2, 0.3), 0.25)
    z = dense(mean(x, over = "hw") * random_uniform([8], images = false), 8, sigma = 0.5) as fc
    minimize nt_xent(z, 0.2)
    minimize mean(z^2 * random_uniform([batch_size(z), 1])) # of the whole batch
    using    sgd(rate = 0.1, clip = 0.5)
    report   spread(z) # images whose branch is dropped are alike: no ranking
}
phase mixed(batch = 8, steps = 6, classes = 4) {
    input images, y = labeled(all), augment crop_and_flip(8, 0.3)
    m = cutmix(images)
    n = mixup(m[0], 0.4)
    logits = dense(mean(relu(conv(n[0], 8, 3) as conv1), over = "hw"), classes, sigma = 0.5) as fc
    minimize mixed_cross_entropy(logits, y, m[1])
    using    sgd(rate = 0.1)
    report   own = m[1], kept = n[1]
}
END
for count in 1 2 4; do
    check "ranks: random numbers by $count" train $count "$work/drops.net" \
        "drops$count" views mixed --dtype f64 --set mixed.balanced=true
done
check "ranks: two draw what one does" same_training drops1 drops2
check "ranks: and four" same_training drops1 drops4

# Statistics, assignments, negatives and sums by class of the methods' losses, by
# the methods themselves.
small="image_size=8 classes=4 pretrain.batch=16 pretrain.steps=6"
for method in barlow_twins vicreg swav dino mocov3 supcon mae; do
    sizes="encoder=small filters=4"
    case $method in
    supcon) sizes="$sizes head_hidden=8 head_out=6" ;;
    swav) sizes="$sizes hidden=8 out=6 prototypes=10 pretrain.still=2
        local_crops=3 local_size=6" ;;
    dino) sizes="$sizes hidden=8 bottleneck=6 out=10 local_crops=3 local_size=6" ;;
    mae) sizes="patch=2 dim=8 depth=2 heads=2 decoder_dim=8 decoder_depth=1
        decoder_heads=2" ;;
    *) sizes="$sizes hidden=8 out=6" ;;
    esac
    for count in 1 2; do
        # shellcheck disable=SC2086
        check "ranks: $method by $count" train $count \
            "models/methods/$method.net" "$method$count" pretrain --dtype f64 \
            --set $small $sizes pretrain.warmup_epochs=0.2
    done
    check "ranks: two train by $method what one does" same_training "${method}1" "${method}2"
done

# ---- shared and in chunks ---------------------------------------------------

# A chunk of all processes together is the chunk of one.
more="pretrain.chunk=8 finetune.chunk=8 distill.chunk=4"
for count in 1 2 4; do
    check "ranks: in chunks by $count" quickstart $count "chunks$count" \
        pretrain finetune distill --dtype f64
    features "chunks$count" > "$work/chunks$count.features"
done
check "ranks: two train what one does in chunks" same_training chunks1 chunks2
check "ranks: and four" same_training chunks1 chunks4
check "ranks: with the features of one" alike 1e-9 "$work/chunks1.features" \
    "$work/chunks2.features"
check "ranks: four, too" alike 1e-9 "$work/chunks1.features" "$work/chunks4.features"
check "ranks: which are not those of the whole batch" exits 1 \
    alike 1e-6 "$work/by1.features" "$work/chunks1.features"
quickstart 2 chunked pretrain --dtype f64 -q --stop-after 5
check "ranks: goes on in chunks" quickstart 2 chunked pretrain --dtype f64 --resume
check "ranks: as if unbroken" cmp "$work/chunks2/pretrain/model.safetensors" \
    "$work/chunked/pretrain/model.safetensors"
quickstart 4 fewer8 pretrain --dtype f64 -q --stop-after 5
quickstart 1 fewer8 pretrain --dtype f64 -q --stop-after 9 --resume
check "ranks: others go on in chunks" quickstart 2 fewer8 pretrain finetune \
    distill --dtype f64 --resume
check "ranks: to the same end in chunks" same_training chunks1 fewer8
# With norms of each process alone, a chunk of eight is two of four.
more="global_bn=false pretrain.chunk=4"
quickstart 1 own1 pretrain --dtype f64 -q
more="global_bn=false pretrain.chunk=8"
quickstart 2 own2 pretrain --dtype f64 -q
more=
for count in 1 2; do
    numbers "own$count" > "$work/own$count.numbers"
done
# Their running statistics are those of what each process saw.
check "ranks: each with norms of its own" compare 1e-9 own1 own2
# A moving average, what it made of past batches, and a probe on the labels.
for chunk in none 8; do
    for count in 1 2 4; do
        check "ranks: SimCLRv2, chunks of $chunk, by $count" train $count \
            models/simclrv2.net "paper$chunk$count" pretrain --dtype f64 --set \
            depth=18 image_size=8 classes=4 head_out=8 pretrain.batch=16 \
            pretrain.steps=4 pretrain.chunk=$chunk pretrain.memory=32 \
            pretrain.probe=true pretrain.rate=0.01
    done
    # In chunks, the rows that are remembered of a batch lie in another order.
    file=checkpoint
    [ "$chunk" = none ] || file=model
    check "ranks: two train SimCLRv2 as one" same_training "paper${chunk}1" "paper${chunk}2" $file
    check "ranks: and four" same_training "paper${chunk}1" "paper${chunk}4" $file
done
# Random numbers before the embeddings and behind them.
for count in 1 2 4; do
    check "ranks: random numbers in chunks by $count" train $count \
        "$work/drops.net" "part$count" views --dtype f64 --set views.chunk=4
done
check "ranks: two draw what one does in chunks" same_training part1 part2
check "ranks: and four" same_training part1 part4

# ---- sums behind the work ---------------------------------------------------

# Buckets, begun and waited for in one order, and none of it seen in the bits.
more="filters=32 pretrain.epochs=1"
check "ranks: sums behind the work" quickstart 2 behind pretrain -q
check "ranks: and where each waits" quickstart 2 waiting pretrain -q --no-overlap
check "ranks: the same bits" same_tensors "$work/behind/pretrain/model.safetensors" \
    "$work/waiting/pretrain/model.safetensors"
more="$more pretrain.chunk=8"
check "ranks: behind the work in chunks" quickstart 2 behind8 pretrain -q --threads 2
check "ranks: and where each waits" quickstart 2 waiting8 pretrain -q --no-overlap
check "ranks: the same bits in chunks" same_tensors \
    "$work/behind8/pretrain/model.safetensors" "$work/waiting8/pretrain/model.safetensors"
more=
plan() {
    # shellcheck disable=SC2046
    "$simcc" compile models/quickstart.net --phase pretrain --ranks 2 \
        --emit plan "$@" --set $(merged "$settings" "filters=64") > "$work/whole.plan"
    sed -n 's/.*call_sum_\([a-z]*\).*(\([^)]*\)).*/\1 \2/p' \
        "$work/whole.plan" > "$work/plan"
}
plan
check "ranks: several buckets" test "$(grep -c start "$work/plan")" -ge 2
check "ranks: each is waited for" test "$(grep -c start "$work/plan")" = \
    "$(grep -c finish "$work/plan")"
check "ranks: by a thread that the plan has" grep -q \
    "^  a thread beside these for $(grep -c start "$work/plan") sums behind the work, of [0-9.]* MB" \
    "$work/whole.plan"
check "ranks: one is sent while backward goes on" sh -c \
    'test "$(head -n 2 "$1" | grep -c start)" = 2' - "$work/plan"
plan --no-overlap
check "ranks: none with --no-overlap" test ! -s "$work/plan"
check "ranks: and no thread" exits 1 grep -q "a thread beside" "$work/whole.plan"
check "ranks: of which one process has none" exits 2 quickstart 1 wrong \
    pretrain --no-overlap

# ---- stopping and going on --------------------------------------------------

quickstart 2 broken pretrain --dtype f64 -q --stop-after 5
check "ranks: goes on" quickstart 2 broken pretrain --dtype f64 --resume
check "ranks: as if unbroken" cmp "$work/by2/pretrain/model.safetensors" \
    "$work/broken/pretrain/model.safetensors"
quickstart 4 fewer pretrain --dtype f64 -q --stop-after 5
check "ranks: others go on" quickstart 1 fewer pretrain finetune distill \
    --dtype f64 --resume
check "ranks: to the same end" same_training by1 fewer

# ---- validation -------------------------------------------------------------

# All validate, each its share, and end the phase where the first says so: at a
# rate of 0 nothing gets better.
more="pretrain.rate=0 pretrain.epochs=40"
for count in 1 2; do
    check "ranks: validated by $count" quickstart $count "valid$count" \
        pretrain --dtype f64 -q --validate 25% --validate-every 2 --patience 2
    numbers "valid$count" > "$work/valid$count.numbers"
    cp "$work/valid$count/pretrain/state" "$work/valid$count.state"
done
more=
check "ranks: two are validated as one" compare 1e-9 valid1 valid2
check "ranks: and end with it" test \
    "$(grep '^step = ' "$work/valid1.state")" = "$(grep '^step = ' "$work/valid2.state")"
check "ranks: early" test "$(sed -n 's/^step = //p' "$work/valid2.state")" -lt 20

# A probe now and then, of neighbours that each process finds for its share.
more="pretrain.rate=0.02 pretrain.epochs=30"
for count in 1 2; do
    check "ranks: probed by $count" quickstart $count "probed$count" \
        pretrain --dtype f64 -q
    numbers "probed$count" > "$work/probed$count.numbers"
done
more=
check "ranks: two are probed as one" compare 1e-9 probed1 probed2
check "ranks: often" test "$(grep -c '"knn"' "$work/probed1.numbers")" -ge 2

# ---- evaluation -------------------------------------------------------------

# judge PROCESSES COMMAND PHASE WORD...: a command on the weights of `by1`. One
# image cannot be read.
cp -r "$work/shapes" "$work/images"
bad=$(find "$work/images" -name '*.png' -path '*/test/*' | sort | head -n 1)
echo "no image" > "$bad"
judge() {
    count=$1 command=$2 phase=$3
    shift 3
    # shellcheck disable=SC2086
    set -- "$simcc" "$command" models/quickstart.net "$phase" --data \
        "$work/images" --out "$work/by1" --threads 1 "$@" --set $settings
    [ "$count" = 1 ] || set -- mpirun -n "$count" "$@"
    "$@"
}
for count in 1 2 3; do
    out=$work/judged$count
    check "ranks: features by $count" judge $count embed pretrain --csv \
        -o "$out.npy"
    check "ranks: classes by $count" judge $count predict finetune -o "$out.pred.csv"
    check "ranks: evaluated by $count" judge $count eval finetune -o "$out"
    judge $count eval finetune --json > "$out.json" 2> /dev/null
    judge $count eval pretrain --knn --json > "$out.knn" 2> /dev/null
    [ "$count" = 1 ] && continue
    for file in .npy .csv .pred.csv .knn /confusion.csv; do
        check "ranks: $count make $file of one" cmp "$work/judged1$file" "$out$file"
    done
    check "ranks: $count evaluate as one" sh -c 'sed "s/,\"seconds\":[^,}]*//" "$1" > "$1.a"
        sed "s/,\"seconds\":[^,}]*//" "$2" > "$2.a"; cmp "$1.a" "$2.a"' - \
        "$work/judged1.json" "$out.json"
    check "ranks: $count say what cannot be read" says "$bad" \
        judge $count embed pretrain -o "$out.npy"
done
check "ranks: names on standard input are for one" says "leave out the launcher" \
    mpirun -n 2 "$simcc" predict models/quickstart.net finetune --data - \
    --out "$work/by1"

# start OUT: two processes in the background, until their first steps.
start() {
    quickstart 2 "$1" pretrain --save-every 0.1 > "$work/log" 2>&1 &
    launcher=$!
    tries=0
    until grep -qs '"step":' "$work/$1/metrics.jsonl" || [ "$tries" -ge 300 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}
# The process of the highest number: not the one that writes.
last_process() {
    for process in /proc/[0-9]*; do
        cat "$process/cmdline" 2> /dev/null | tr '\0' ' ' |
            grep -qF -- "--out $work/$1 " && echo "${process#/proc/}"
    done | sort -n | tail -n 1
}
ends_with() {
    wait "$launcher"
    got=$?
    [ "$got" = "$1" ] || { echo "exit code $got"; cat "$work/log"; false; }
}
more="pretrain.epochs=4000"
start asked
more=
kill -TERM "$(last_process asked)"
check "ranks: one asked to stop stops all" ends_with 143
check "ranks: with a checkpoint" [ -e "$work/asked/pretrain/checkpoint.safetensors" ]
check "ranks: after the same step" grep -q "stopped after step" "$work/log"

# One that is killed ends all, and the run goes on where it was.
more="pretrain.epochs=100"
quickstart 2 whole pretrain -q
start killed
kill -KILL "$(last_process killed)"
check "ranks: one that is killed ends all" ends_with 137
check "ranks: it is named, with its machine" grep -qF \
    "simcc: process 1 of 2, on $(hostname), ended without a word: killed" "$work/log"
check "ranks: once" test "$(grep -c 'without a word' "$work/log")" = 1
check "ranks: the run goes on" quickstart 2 killed pretrain -q --resume
check "ranks: to the bits of the unbroken one" same_tensors \
    "$work/whole/pretrain/model.safetensors" "$work/killed/pretrain/model.safetensors"
more=

# ---- what goes wrong --------------------------------------------------------

check "ranks: batches that do not divide" says "does not divide by 3 processes; one of 18 does" \
    quickstart 3 wrong pretrain
check "ranks: said once" test "$(grep -c 'of 16 images does not divide' "$work/said")" = 1
check "ranks: chunks" says "chunk of 4 images in phase \`pretrain\` does not divide by 3 processes; one of 3 does" \
    train 3 "$work/memory.net" wrong pretrain --set pretrain.batch=12 \
    pretrain.memory=24 pretrain.chunk=4
check "ranks: tuning" says "--tune measures one process" quickstart 2 wrong \
    pretrain --tune
more="pretrain.rate=1e30"
check "ranks: a diverging run" exits 5 quickstart 2 diverged pretrain
more=
check "ranks: one that misses the data" says "process 1 of 2" mpirun \
    -n 1 "$simcc" run "$work/memory.net" --data "$work/shapes" --out "$work/m" \
    : -n 1 "$simcc" run "$work/memory.net" --data "$work/none" --out "$work/m"
check "ranks: it says what" grep -q "$work/none" "$work/said"
# full: two processes, of which the first cannot write files of more than 4 kB.
full() {
    # shellcheck disable=SC2086
    mpirun -n 2 sh -c '[ "$OMPI_COMM_WORLD_RANK" = 1 ] || ulimit -f 8
        exec "$@"' - "$simcc" run models/quickstart.net pretrain --data \
        "$work/shapes" --out "$work/full" --threads 1 --force --set $settings
}
check "ranks: a disk of the first that is full" says "cannot write" full
check "ranks: ends all" exits 1 full
# shellcheck disable=SC2086
short() {
    mpirun -n 1 "$simcc" run models/quickstart.net pretrain --data "$work/shapes" \
        --out "$work/short" --threads 1 --set $settings \
        : -n 1 "$simcc" run models/quickstart.net pretrain --data "$work/shapes" \
        --out "$work/short" --threads 1 --memory 8M --set $settings
}
check "ranks: memory that one lacks" says "process 1 of 2" short
check "ranks: and how much" grep -q -- "--memory leaves" "$work/said"
check "ranks: ends all, too" exits 6 short
# A connection that fails: a message to a process that is not there.
cat > "$work/lost.c" <<END
#include <mpi.h>
#include <stdio.h>
#include "runtime/exec/ranks.h"
static void say(void) { fprintf(stderr, "last words of %d\\n", ranks_index()); }
int main(void)
{
    ranks_open();
    ranks_set_last_words(say);
    if (ranks_index() == 1)
        MPI_Send("", 1, MPI_BYTE, 99, 0, MPI_COMM_WORLD);
    return ranks_any(true) ? 0 : 70;
}
END
mpicc -std=c11 -I. -o "$work/lost" "$work/lost.c" \
    "$BUILD/mpi/runtime/exec/ranks_mpi.o" "$BUILD/mpi/runtime/exec/peers.o" \
    "$BUILD/mpi/runtime/base/status.o"
mpirun -n 2 "$work/lost" > "$work/said" 2>&1
check "ranks: a connection that fails ends all" test $? = 1
check "ranks: and says so" grep -q "connection of the 2 processes failed: .*--resume" \
    "$work/said"
check "ranks: with what was unsaid" grep -q "last words of 1" "$work/said"
# shellcheck disable=SC2086
check "ranks: compiles for two" "$simcc" compile models/quickstart.net \
    --phase pretrain --ranks 2 -o "$work/two.simcc" --set $settings
check "ranks: they run it" train 2 "$work/two.simcc" compiled pretrain
check "ranks: one does not" says "compiled for 2 processes and started as 1" \
    train 1 "$work/two.simcc" alone pretrain
finish
