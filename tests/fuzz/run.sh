#!/bin/sh
# Fuzzes the targets of targets.def one after another: SECONDS of processor
# time each (default 600; 0: what is in the corpus, once, the same every time),
# those in ONLY (default all). What reaches new code
# joins tests/fuzz/corpus unless KEEP=no; what breaks a target is kept in
# tests/fuzz/corpus in any case, as crash-..., and ends the run. Called by `make
# fuzz`.
set -eu
[ -d /dev/shm ] && export TMPDIR=/dev/shm
FUZZ_FILES=$(mktemp -d)
export FUZZ_FILES
trap 'rm -rf "$FUZZ_FILES"' EXIT
SECONDS_EACH=${SECONDS:-600}
here=tests/fuzz

# Words of the target's language, from the tables that define it.
words() {
    case $1 in
    net)
        grep -oE '^"[a-z]+"' frontend/lang/lexer.l
        sed -n 's/^BUILTIN(\([a-z0-9_]*\),.*/"\1"/p' frontend/lang/builtins.def
        sed -n 's/^OP([A-Z0-9_]*, *\("[a-z0-9_]*"\).*/\1/p' ir/ops.def
        ;;
    graph) sed -n 's/^OP([A-Z0-9_]*, *\("[a-z0-9_]*"\).*/\1/p' ir/ops.def ;;
    esac
}

# Sets `spent` to the seconds of processor time of the programs run so far.
count_spent() {
    times > "$FUZZ/times" # not in a subshell, which has no children yet
    spent=$(awk -F'[ms ]+' 'NR == 2 { print int(60 * ($1 + $3) + $2 + $4) }' "$FUZZ/times")
}

# fuzz PROGRAM TARGET: for SECONDS_EACH, a minute on the clock at a time.
fuzz() {
    dict=$FUZZ/$2.dict
    [ -s "$dict" ] || echo '"word"' > "$dict"
    count_spent
    end=$((spent + SECONDS_EACH))
    amount=-max_total_time=$((SECONDS_EACH < 60 ? SECONDS_EACH : 60))
    [ "$SECONDS_EACH" -gt 0 ] || amount=-runs=0
    while :; do
        "$1" "$amount" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 \
            -print_final_stats=1 -artifact_prefix="$corpus/crash-" \
            -dict="$dict" "$found" "$corpus" >> "$FUZZ/$2.log" 2>&1 ||
            return 1
        count_spent
        [ "$spent" -lt "$end" ] || break
    done
}

targets=$(sed -n 's/^FUZZ(\([a-z]*\),.*/\1/p' $here/targets.def)
for target in ${ONLY:-$targets}; do
    program=$FUZZ/$target
    corpus=$here/corpus/$target
    found=$FUZZ/found/$target
    mkdir -p "$corpus" "$found"
    words "$target" > "$FUZZ/$target.dict"
    # shellcheck disable=SC2086
    clang $FLAGS -fsanitize=fuzzer -I. -DTARGET=fuzz_"$target" \
        $here/entry.c "$FUZZ/library.a" $LIBS -lpthread -o "$program"
    echo "fuzz: $target, ${SECONDS_EACH} s"
    : > "$FUZZ/$target.log"
    fuzz "$program" "$target" || {
        tail -n 40 "$FUZZ/$target.log"
        echo "fuzz: $target failed; the input is in $corpus"
        exit 1
    }
    # Few inputs that reach together what the found ones reach.
    [ "${KEEP:-yes}" = no ] ||
        "$program" -merge=1 -use_counters=0 "$corpus" "$found" >> "$FUZZ/$target.log" 2>&1
    awk -v target="$target" '
        /^stat::number_of_executed_units/ { runs += $2 }
        match($0, /cov: [0-9]+/) { reached = substr($0, RSTART + 5, RLENGTH - 5) }
        END { print "fuzz: " target ": " runs " runs, " reached " places reached" }
    ' "$FUZZ/$target.log"
done
