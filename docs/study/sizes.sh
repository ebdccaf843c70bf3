#!/bin/sh
# Runs the second study of docs/study.md, of three sizes of a net, and writes a
# line per result to sizes.tsv beside this script. What that file holds already
# is not run again, and what was cut short goes on from its checkpoint, so call
# it as often as you like.
#
#   docs/study/sizes.sh CIFAR-10-FOLDER RUNS-FOLDER
#
# JOBS (default: one a core) programs of one thread each run side by side, the
# smallest nets of a seed first. SIMCC names the program, SEEDS and FILTERS what
# to run, RESULTS where lines go.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
SIMCC=${SIMCC:-$here/../../build/simcc}
JOBS=${JOBS:-$(nproc)}
SEEDS=${SEEDS:-"1 2 3"}
FILTERS=${FILTERS:-"16 32 64"}
RESULTS=${RESULTS:-$here/sizes.tsv}
export here SIMCC RESULTS

. "$here/common.sh"

# Images and epochs are what three seeds of 64 filters leave time for.
pixels=16
epochs=30
budgets="1%:300 10%:800 all:6000" # labels : steps of training and fine-tuning

# method PHASE FOLDER FILTERS SEED LABELS STEPS OUT [SETTING...]: one result,
# unless it is there and no later phase needs the net.
method() {
    phase=$1 folder=$2 filters=$3 seed=$4 labels=$5 steps=$6 out=$7
    shift 7
    if done_before cifar10 "$filters" "$seed" "$labels" "$phase"; then
        [ "$phase" = finetune ] && [ ! -f "$out/finetune/model.safetensors" ] || return 0
    fi
    mkdir -p "$out"
    run_phase "$folder" "$out" "$seed" "$filters" "$phase" image_size=$pixels \
        pretrain.epochs=$epochs "$@" > "$out/$phase.json"
    done_before cifar10 "$filters" "$seed" "$labels" "$phase" ||
        keep cifar10 "$filters" "$seed" "$labels" "$phase" < "$out/$phase.json"
}

# supervised FOLDER RUNS SEED FILTERS: on labels alone.
supervised() {
    for budget in $budgets; do
        labels=${budget%:*} steps=${budget#*:}
        method scratch "$1" "$4" "$3" "$labels" "$steps" \
            "$2/$4-$3-$(echo "$labels" | tr -d %)" \
            scratch.labels="$labels" scratch.steps="$steps"
    done
}

# pretrained FOLDER RUNS SEED FILTERS: everything behind the pretrained net.
pretrained() {
    left=
    for budget in $budgets; do
        for phase in finetune selfdistill; do
            done_before cifar10 "$4" "$3" "${budget%:*}" $phase || left=1
        done
    done
    [ "$left" ] || return 0
    base=$2/$4-$3
    mkdir -p "$base"
    run_phase "$1" "$base" "$3" "$4" pretrain image_size=$pixels \
        pretrain.epochs=$epochs > "$base/pretrain.json"
    done_before cifar10 "$4" "$3" - pretrain ||
        keep cifar10 "$4" "$3" - pretrain last_loss < "$base/pretrain.json"
    for budget in $budgets; do
        labels=${budget%:*} steps=${budget#*:}
        out=$base-$(echo "$labels" | tr -d %)
        mkdir -p "$out"
        [ -e "$out/pretrain" ] || ln -s "$base/pretrain" "$out/pretrain"
        for phase in finetune selfdistill; do
            method $phase "$1" "$4" "$3" "$labels" "$steps" "$out" \
                finetune.labels="$labels" finetune.steps="$steps" \
                selfdistill.epochs=5
        done
    done
}

case ${1:-} in
supervised | pretrained) # one job, as called below
    job=$1
    shift
    $job "$@"
    exit ;;
esac
[ $# = 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
mkdir -p "$2"
folder=$(cd "$1" && pwd)
runs=$(cd "$2" && pwd)
for seed in $SEEDS; do
    for filters in $FILTERS; do
        printf '"%s"\n' supervised "$folder" "$runs" "$seed" "$filters"
        printf '"%s"\n' pretrained "$folder" "$runs" "$seed" "$filters"
    done
done | xargs -n 5 -P "$JOBS" sh "$0"
