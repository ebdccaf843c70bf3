#!/bin/sh
# Runs the study of docs/study.md and writes a line per result to results.tsv
# beside this script. What that file holds already is not run again, but for a
# net that a missing result begins at; what was cut short goes on from its
# checkpoint, so call it as often as you like.
#
#   docs/study/run.sh CIFAR-10-FOLDER FASHION-MNIST-FOLDER RUNS-FOLDER
#
# JOBS (default: one a core) programs of one thread each run side by side.
# SIMCC names the program, SEEDS, SETS and FILTERS what to run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
SIMCC=${SIMCC:-$here/../../build/simcc}
JOBS=${JOBS:-$(nproc)}
SEEDS=${SEEDS:-"1 2 3"}
SETS=${SETS:-"cifar10 fashion"}
FILTERS=${FILTERS:-"32 16"}
RESULTS=${RESULTS:-$here/results.tsv}
export here SIMCC RESULTS

. "$here/common.sh"

# wanted SET FILTERS SEED: is a result of that pretrained net still missing?
wanted() {
    for budget in 10 1% 10%; do
        for method in scratch finetune headless linear knn selfdistill distill; do
            [ $method = distill ] && [ "$2" = 16 ] && continue
            done_before "$1" "$2" "$3" $budget $method || return 0
        done
    done
    return 1
}

# pretrain SET FOLDER FILTERS SEED RUNS
pretrain() {
    [ -f "$5/$1-$3-$4/pretrain/model.safetensors" ] && return
    run_phase "$2" "$5/$1-$3-$4" "$4" "$3" pretrain |
        if done_before "$1" "$3" "$4" - pretrain; then cat > /dev/null
        else keep "$1" "$3" "$4" - pretrain last_loss; fi
}

# chain SET FOLDER FILTERS SEED LABELS STEPS RUNS: everything that begins at a
# pretrained net and so many labels.
chain() {
    set=$1 data=$2 filters=$3 seed=$4 labels=$5 steps=$6
    base=$7/$set-$filters-$seed
    out=$base-$(echo "$labels" | sed s,%,-percent,)
    mkdir -p "$out"
    [ -e "$out/pretrain" ] || ln -s "$base/pretrain" "$out/pretrain"
    for phase in scratch finetune headless linear; do
        if [ $phase = finetune ] && [ ! -f "$out/finetune/model.safetensors" ]; then :
        else done_before $set $filters $seed "$labels" $phase && continue; fi
        run_phase "$data" "$out" "$seed" "$filters" $phase \
            --set $phase.labels="$labels" $phase.steps=$steps > "$out/$phase.json"
        done_before $set $filters $seed "$labels" $phase ||
            keep $set $filters $seed "$labels" $phase < "$out/$phase.json"
    done
    done_before $set $filters $seed "$labels" knn ||
        "$SIMCC" eval "$here/study.net" pretrain --data "$data" --out "$out" \
            --seed "$seed" --threads 1 --quiet --json --set filters="$filters" \
            --knn --neighbours 20 --labels "$labels" |
            keep $set $filters $seed "$labels" knn
    for phase in selfdistill distill; do
        [ $phase = distill ] && [ "$filters" = 16 ] && continue
        done_before $set $filters $seed "$labels" $phase && continue
        run_phase "$data" "$out" "$seed" "$filters" $phase \
            --set finetune.labels="$labels" finetune.steps=$steps |
            keep $set $filters $seed "$labels" $phase
    done
}

case ${1:-} in
pretrain | chain) # one job, as called below
    job=$1
    shift
    $job "$@"
    exit ;;
esac
[ $# = 3 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
cifar10=$1 fashion=$2
mkdir -p "$3"
runs=$(cd "$3" && pwd)

for seed in $SEEDS; do
    for set in $SETS; do
        for filters in $FILTERS; do
            eval "folder=\$$set"
            wanted $set $filters $seed || continue
            echo pretrain $set "$folder" $filters $seed "$runs"
        done
    done | xargs -r -L 1 -P "$JOBS" sh "$0"
    for set in $SETS; do
        for filters in $FILTERS; do
            eval "folder=\$$set"
            wanted $set $filters $seed || continue
            for budget in "10 300" "1% 300" "10% 800"; do
                echo chain $set "$folder" $filters $seed $budget "$runs"
            done
        done
    done | xargs -r -L 1 -P "$JOBS" sh "$0"
done
