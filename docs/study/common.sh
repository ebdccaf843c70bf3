# What the studies of docs/study.md share; run.sh and sizes.sh read it.
# A line of their results is: set, filters, seed, labels, method, value, seconds.
#
# SIMCC names the program; $here is the folder of these scripts, $RESULTS the
# file of results.

# run_phase SET-FOLDER OUT SEED FILTERS PHASE [SETTING...]: prints the JSON line
# of a phase, which it continues where it stopped.
run_phase() {
    data=$1 out=$2 seed=$3 filters=$4 phase=$5
    shift 5
    "$SIMCC" run "$here/study.net" "$phase" --data "$data" --out "$out" \
        --seed "$seed" --threads 1 --resume --quiet --json \
        --set filters="$filters" "$@"
}

# done_before SET FILTERS SEED LABELS METHOD
done_before() {
    [ -f "$RESULTS" ] &&
        cut -f 1-5 "$RESULTS" | grep -qxF "$(printf '%s\t%s\t%s\t%s\t%s' "$@")"
}

field() { sed -n "s/.*\"$1\":\([-0-9.e+]*\).*/\1/p"; }

# keep SET FILTERS SEED LABELS METHOD [NUMBER], with the JSON on standard input:
# a line of the result (a share of the test images, or a loss) and the seconds
# that it took.
keep() {
    line=$(cat)
    value=$(echo "$line" | field "${6:-top1}")
    seconds=$(echo "$line" | field seconds)
    [ -n "$value" ] || { echo "no result: $line" >&2; return 1; }
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$5" "$value" \
        "$seconds" >> "$RESULTS"
}
