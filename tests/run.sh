#!/bin/sh
# Runs every test and ends with one line: N passed, N failed, N skipped.
# Each part prints `ok NAME`, `not ok NAME` or `skip NAME` lines.
set -u
BUILD=$(cd "${BUILD:-build}" && pwd)
export BUILD
log=$BUILD/tests/log

failures() {
    grep -c '^not ok ' "$log"
}

run() {
    before=$(failures)
    "$@" >> "$log" 2>&1 </dev/null || {
        # A part that dies, or fails without saying where, counts as one.
        status=$?
        [ "$status" = 1 ] && [ "$(failures)" != "$before" ] ||
            echo "not ok $* (exit $status)" >> "$log"
    }
}

units() {
    run "$BUILD/tests/run"
    # The same kernels as a processor without AVX-512 gets them.
    if grep -qw avx512f /proc/cpuinfo; then
        SIMCC_TEST_TARGET=x86-64-v3
        export SIMCC_TEST_TARGET
        run "$BUILD/tests/run" codegen_test
        unset SIMCC_TEST_TARGET
    else
        echo "skip kernels for x86-64-v3: this processor's own are such, or" \
            "it lacks AVX2" >> "$log"
    fi
}

scripts() {
    for script in tests/golden/run.sh tests/e2e/*_test.sh; do
        [ -e "$script" ] && run sh "$script"
    done
}

# Side by side, for each takes minutes of one core.
: > "$log.units"
: > "$log.scripts"
whole=$log
log=$whole.units
units &
log=$whole.scripts
scripts
wait
log=$whole
cat "$log.units" "$log.scripts" > "$log"

passed=$(grep -c '^ok ' "$log")
failed=$(failures)
skipped=$(grep -c '^skip ' "$log")
if [ "$failed" != 0 ]; then
    echo "What failed, with the lines before it:"
    grep -B 25 '^not ok ' "$log" | grep -v '^ok '
fi
grep '^skip ' "$log"
echo "Log: $log"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
