#!/bin/sh
# One of four processes killed at a random moment, again and again: all of them
# end within seconds, one that is left says which was killed, on which machine,
# and what goes on ends in the bits of the unbroken run.
# KILLS=N and KILL_SEED=N choose how often and when; fifty take some minutes.
. tests/e2e/lib.sh
. tests/e2e/lib_ranks.sh
need_ranks ranks-kill

kills=${KILLS:-3}
seed=${KILL_SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
settings="filters=4 groups=2 image_size=16 classes=3 pretrain.batch=16
    pretrain.epochs=30 pretrain.chunk=8 finetune.batch=8 finetune.steps=40
    finetune.labels=4"
"$simcc" data synth "$work/shapes" --classes 3 --per-class 24 --size 16 -q
simcc=$BUILD/mpi/simcc
# shellcheck disable=SC2086
check "ranks-kill: compiles" "$simcc" compile models/quickstart.net --ranks 4 \
    -o "$work/q.simcc" --set $settings

# train OUT: saves after every step. Each process notes its number first.
train() {
    # shellcheck disable=SC2016
    $how mpirun -n 4 sh -c 'echo $$ > "$0.$OMPI_COMM_WORLD_RANK"; exec "$@"' \
        "$work/pid" "$simcc" run "$work/q.simcc" pretrain finetune \
        --data "$work/shapes" --out "$1" --save-every 0.001 --resume --threads 1
}
same() {
    for phase in pretrain finetune; do
        cmp "$work/whole/$phase/model.safetensors" \
            "$work/killed/$phase/model.safetensors" || return 1
    done
}
now() {
    date +%s%3N
}

how=
begin=$(now)
check "ranks-kill: the unbroken run" train "$work/whole"
took=$(($(now) - begin))
awk -v n="$((4 * kills))" -v seed="$seed" -v most="$took" 'BEGIN {
    srand(seed)
    while (n-- > 0) printf "%.3f %d\n", rand() * most / 1000, int(4 * rand())
}' > "$work/moments"

hits=0 inside=0 named=0 early=0 whole=0 slowest=0 failed=
how=exec
while [ "$hits" -lt "$kills" ] && [ -z "$failed" ] && read -r moment number; do
    rm -f "$work"/pid.*
    (train "$work/killed") > "$work/killed.log" 2>&1 &
    launcher=$!
    sleep "$moment"
    at=
    [ -e "$work/pid.$number" ] && kill -9 "$(cat "$work/pid.$number")" 2> /dev/null &&
        at=$(now)
    wait "$launcher"
    code=$?
    # The launcher does not wait for those that it ends.
    for file in "$work"/pid.*; do
        tries=0
        while kill -0 "$(cat "$file")" 2> /dev/null && [ "$tries" -lt 300 ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
        [ "$tries" -lt 300 ] || failed="a process outlives the others"
    done
    end=$(now)
    if [ "$code" = 0 ]; then
        whole=$((whole + 1))
        same || failed="other bits"
        rm -rf "$work/killed"
    elif [ -z "$at" ] && [ "$code" = 137 ]; then
        failed="ended unasked"
    elif [ "$code" = 137 ]; then
        hits=$((hits + 1))
        if grep -qF "simcc: process $number of 4, on $(hostname), ended without a word" \
            "$work/killed.log"; then
            named=$((named + 1))
        elif ! grep -q '^4 processes' "$work/killed.log"; then
            early=$((early + 1)) # they did not know one another yet
        else
            failed="process $number is not named"
        fi
        # Where process 0 is lost and the end is slow, several say so.
        [ "$number" = 0 ] || [ "$(grep -c 'without a word' "$work/killed.log")" -le 1 ] ||
            failed="more than one is named"
        [ "$((end - at))" -le "$slowest" ] || slowest=$((end - at))
        for file in "$work"/killed/*/*.tmp "$work"/killed/*.tmp; do
            [ ! -e "$file" ] || { inside=$((inside + 1)); break; }
        done
    else
        failed="exit code $code"
    fi
    ! grep -qE 'is damaged|is not a |cannot be read' "$work/killed.log" ||
        failed="unreadable file"
done < "$work/moments"
(train "$work/killed") > "$work/killed.log" 2>&1 || failed="the last resume"
same || failed="other bits"
echo "  seed $seed: $hits kills, $inside of them inside the writing of a file," \
    "$named named, $early before they had met," \
    "$((whole + 1)) whole runs, the slowest end $slowest ms after the kill${failed:+; $failed}"
grep -E 'error|is damaged|is not a |without a word' "$work/killed.log"
check "ranks-kill: every resume ends in the same bits" [ -z "$failed" ]
check "ranks-kill: the kills came in the middle" [ "$hits" = "$kills" ]
finish
