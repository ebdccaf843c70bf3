#!/bin/sh
# SIGKILL at random moments, often inside the writing of a checkpoint, and
# resume, until the run ends: the same bits as the unbroken run, and no
# checkpoint ever unreadable. `make kill-test` kills 200 times; KILLS=N and
# KILL_SEED=N choose how often and when.
. tests/e2e/lib.sh

kills=${KILLS:-10}
seed=${KILL_SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
phases="pretrain finetune"
settings="filters=4 groups=2 image_size=16 classes=3 pretrain.batch=16
    pretrain.epochs=40 finetune.batch=8 finetune.steps=40 finetune.labels=4
    pretrain.chunk=8"

"$simcc" data synth "$work/shapes" --classes 3 --per-class 24 --size 16 \
    > "$work/log" 2>&1
# shellcheck disable=SC2086
check "kill: compiles" "$simcc" compile models/quickstart.net \
    -o "$work/q.simcc" --set $settings

# train OUT: saves after every step.
train() {
    # shellcheck disable=SC2086
    $how "$simcc" run "$work/q.simcc" $phases --data "$work/shapes" \
        --out "$1" --save-every 0.001 --resume
}

same() {
    for phase in $phases; do
        cmp "$work/whole/$phase/model.safetensors" \
            "$work/killed/$phase/model.safetensors" || return 1
    done
}

# Milliseconds since the epoch.
now() {
    date +%s%3N
}

how=
begin=$(now)
check "kill: the unbroken run" train "$work/whole"
took=$(($(now) - begin))
# Five kills a run, or so, and rarely none; no moment of it is left out.
awk -v n="$((3 * kills))" -v seed="$seed" -v most="$((took / 2))" \
    'BEGIN { srand(seed); while (n-- > 0) printf "%.3f\n", rand() * most / 1000 }' \
    > "$work/moments"

hits=0    # kills that found the run at work
inside=0  # of them, while a file was being written
whole=0   # runs that came to their end
failed=
how=exec
while [ "$hits" -lt "$kills" ] && [ -z "$failed" ] && read -r moment; do
    (train "$work/killed") > "$work/killed.log" 2>&1 &
    victim=$!
    sleep "$moment"
    kill -9 "$victim" 2>/dev/null
    wait "$victim" 2>/dev/null
    code=$?
    if [ "$code" = 137 ]; then
        hits=$((hits + 1))
        for file in "$work"/killed/*/*.tmp "$work"/killed/*.tmp; do
            [ ! -e "$file" ] || { inside=$((inside + 1)); break; }
        done
    elif [ "$code" = 0 ]; then
        whole=$((whole + 1))
        same || failed="other bits"
        rm -rf "$work/killed"
    else
        failed="exit code $code"
    fi
    ! grep -qE 'is damaged|is not a |cannot be read' "$work/killed.log" || failed="unreadable file"
done < "$work/moments"
(train "$work/killed") > "$work/killed.log" 2>&1 || failed="the last resume"
same || failed="other bits"
echo "  seed $seed: $hits kills, $inside of them inside the writing of a" \
    "file, $((whole + 1)) whole runs${failed:+; $failed}"
grep -E 'error|is damaged|is not a ' "$work/killed.log"
check "kill: every resume ends in the same bits" [ -z "$failed" ]
check "kill: the kills came in the middle" [ "$hits" = "$kills" ]
finish
