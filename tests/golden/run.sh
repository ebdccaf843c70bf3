#!/bin/sh
# Every wrong program in errors/ against the exact text that `simcc check`
# prints for it. `sh tests/golden/run.sh --bless` rewrites the expected texts.
# NAME.args holds further arguments.
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-build}
case $build in
/*) ;;
*) build=$root/$build ;;
esac
simcc=$build/simcc
bless=
[ "$1" = --bless ] && bless=1
cd "$root/tests/golden/errors" || exit 1
got=$(mktemp) || exit 1
trap 'rm -f "$got"' EXIT
failed=0
for source in *.net; do
    name=${source%.net}
    args=
    [ -f "$name.args" ] && args=$(cat "$name.args")
    # shellcheck disable=SC2086 # the arguments are meant to split
    NO_COLOR=1 "$simcc" check "$source" $args >"$got" 2>&1
    echo "exit $?" >>"$got"
    if [ -n "$bless" ]; then
        cp "$got" "$name.expected"
    elif cmp -s "$got" "$name.expected"; then
        echo "ok golden $name"
    else
        echo "not ok golden $name"
        diff "$name.expected" "$got"
        failed=1
    fi
done
exit $failed
