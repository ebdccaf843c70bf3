#!/bin/sh
# Signals, damaged checkpoints and folders that cannot be written, from the
# command line.
. tests/e2e/lib.sh

settings="filters=4 groups=2 image_size=16 classes=3 pretrain.batch=16
    pretrain.epochs=400"
"$simcc" data synth "$work/shapes" --classes 3 --per-class 24 --size 16 \
    > "$work/log" 2>&1
# shellcheck disable=SC2086
check "signal: compiles" "$simcc" compile models/quickstart.net \
    -o "$work/q.simcc" --phase pretrain --set $settings

train() {
    exec "$simcc" run "$work/q.simcc" pretrain --data "$work/shapes" \
        --out "$work/run" --threads 1 "$@"
}
newest=$work/run/pretrain/checkpoint.safetensors

# start OPTION...: in the background, until its first steps are taken.
start() {
    (train "$@") > "$work/log" 2>&1 &
    victim=$!
    wait_for "\"step\":" "$work/run/metrics.jsonl"
}
# wait_for TEXT FILE: at most half a minute.
wait_for() {
    tries=0
    until grep -qs -- "$1" "$2" || [ "$tries" -ge 300 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}
ends_with() {
    wait "$victim"
    got=$?
    [ "$got" = "$1" ] || { echo "exit code $got"; cat "$work/log"; false; }
}

start --save-every 1000
check "signal: no checkpoint yet" [ ! -e "$newest" ]
kill -USR1 "$victim"
tries=0
while [ ! -e "$newest" ] && [ "$tries" -lt 300 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
check "signal: SIGUSR1 saves" [ -e "$newest" ]
check "signal: and the run goes on" kill -0 "$victim"
kill -INT "$victim"
check "signal: SIGINT exits with 130" ends_with 130
check "signal: after it has saved" grep -q "stopped after step" "$work/log"
check "signal: and kept the one before" sh -c \
    "ls '$work/run/pretrain' | grep -q 'checkpoint-[0-9]*.safetensors'"

printf x >> "$newest"
check "signal: a damaged checkpoint is named, and the one before taken" says \
    "warning: '$newest'" "$simcc" run "$work/q.simcc" pretrain --resume \
    --data "$work/shapes" --out "$work/run" --stop-after 1
check "signal: a resumed run starts there" grep -q "resuming at step" \
    "$work/said"

# Two signals: the second one does not wait for anything. A step that lasts
# until it has come is a stopped process.
rm -rf "$work/run"
start --save-every 1000
kill -STOP "$victim"
kill -TERM "$victim"
kill -INT "$victim"
kill -CONT "$victim"
wait "$victim"
code=$?
check "signal: a second one ends it by itself" \
    [ "$code" = 130 -o "$code" = 143 ]
check "signal: without a checkpoint" [ ! -e "$newest" ]

# A terminal that closes, and a limit on the processor's time.
for signal in HUP:129 XCPU:152; do
    # What ignores the signal where these tests were started, as nohup does, is
    # handed down, and a run goes on; bit 0 is signal 1.
    if [ $signal = HUP:129 ] && grep -q 'SigIgn:.*[13579bdf]$' /proc/self/status
    then
        skip "signal: SIGHUP exits with 129" "(the tests run under nohup)"
        continue
    fi
    rm -rf "$work/run"
    start --save-every 1000
    kill "-${signal%:*}" "$victim"
    kill "-${signal%:*}" "$victim" 2> /dev/null
    check "signal: SIG${signal%:*} exits with ${signal#*:}" \
        ends_with "${signal#*:}"
    check "signal: after it has saved" test -e "$newest"
done
rm -rf "$work/run"
(trap '' HUP && train) > "$work/log" 2>&1 &
victim=$!
wait_for "\"step\":" "$work/run/metrics.jsonl"
kill -HUP "$victim"
sleep 0.2
check "signal: under nohup the run goes on" kill -0 "$victim"
kill -TERM "$victim"
check "signal: until it is ended" ends_with 143

# Nobody reads any more what it prints, on one stream or on both; the exit code
# is that of a run that was read.
unread() {
    rm -rf "$work/run" "$work/code"
    {
        ("$@" --stop-after 40)
        echo "$?" > "$work/code"
    } | true
    [ "$(cat "$work/code")" = 0 ] && [ -e "$newest" ] &&
        grep -q "stopped after step 40" "$work/run/log"
}
train_unread() {
    train "$@" 2>&1
}
check "signal: a run outlives the reader of its results" unread train
check "signal: and of its words" unread train_unread

mkdir "$work/blocked"
: > "$work/blocked/pretrain"
check "signal: a folder that cannot be made" exits 1 "$simcc" run \
    "$work/q.simcc" pretrain --data "$work/shapes" --out "$work/blocked"
if [ "$(id -u)" = 0 ]; then
    skip signal_read_only "root writes everywhere"
else
    mkdir "$work/closed"
    chmod a-w "$work/closed"
    check "signal: a folder that cannot be written" exits 1 "$simcc" run \
        "$work/q.simcc" pretrain --data "$work/shapes" --out "$work/closed"
    chmod u+w "$work/closed"
fi
finish
