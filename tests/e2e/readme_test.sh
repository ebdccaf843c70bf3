#!/bin/sh
# The README's dumps are real: every block that begins with `$ simcc ...` is
# run, and its lines must come out in that order. A line `...` skips some.
. tests/e2e/lib.sh

# blocks: writes each block to $work/block-N, the command as its first line.
awk -v folder="$work" '
    /^```/ { inside = !inside; file = ""; next }
    inside && /^\$ simcc/ { file = folder "/block-" ++count }
    inside && file { print > file }' README.md

agrees() {
    command=$(sed -n '1s/^\$ simcc //p' "$1")
    # shellcheck disable=SC2086
    eval "\"$simcc\" $command" > "$work/out" 2>&1
    sed 1d "$1" | awk -v out="$work/out" '
        function next_line() { return (getline line < out) > 0 }
        /^ *\.\.\.$/ { skip = 1; next }
        {
            found = 0
            while (next_line()) {
                if (line == $0) { found = 1; break }
                if (!skip) break
            }
            if (!found) { print "README has: " $0; print "simcc says: " line; exit 1 }
            skip = 0
        }'
}

check readme_shows_dumps [ -e "$work/block-1" ]
for block in "$work"/block-*; do
    [ -e "$block" ] || continue
    check "readme_$(sed -n '1s/^\$ simcc //p' "$block" | tr -c 'a-z0-9\n' _)" \
        agrees "$block"
done
finish
