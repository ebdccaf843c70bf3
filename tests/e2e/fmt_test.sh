#!/bin/sh
# `simcc fmt` on the repository's own programs, `simcc diff` and what editors
# read of `simcc check --json`.
. tests/e2e/lib.sh

# Those in tests/golden are wrong on purpose.
programs=$(find models bench docs tests/reference tests/e2e -name '*.net')
# shellcheck disable=SC2086
check "fmt: the repository's programs are formatted" \
    "$simcc" fmt --check $programs
cp models/quickstart.net "$work/a.net"
sed 's/ = / =   /; s/^    //' "$work/a.net" > "$work/b.net"
check "fmt: others are named" says "b.net: not in the house format" \
    "$simcc" fmt "$work/b.net" --check
check "fmt: and that fails" exits 1 "$simcc" fmt "$work/b.net" --check
check "fmt: and changed" "$simcc" fmt "$work/b.net"
check "fmt: once" "$simcc" fmt "$work/b.net" --check
check "fmt: to another place" sh -c \
    "'$simcc' fmt '$work/b.net' -o - | cmp - '$work/b.net'"
"$simcc" compile "$work/a.net" --emit ast -q | grep -v '^file ' > "$work/a.ast"
"$simcc" compile "$work/b.net" --emit ast -q | grep -v '^file ' > "$work/b.ast"
check "fmt: the tree is the same" cmp "$work/a.ast" "$work/b.ast"
printf 'phase {\n' > "$work/bad.net"
cp "$work/bad.net" "$work/kept.net"
check "fmt: what does not parse stays" exits 3 "$simcc" fmt "$work/bad.net"
check "fmt: as it was" cmp "$work/bad.net" "$work/kept.net"
check "fmt: -o takes one file" exits 2 "$simcc" fmt "$work/a.net" "$work/b.net" -o x

check "diff: of the same" says "no differences" \
    "$simcc" diff models/quickstart.net "$work/a.net"
sed 's/^param filters .*/param filters = 8/; s/^param groups .*//
     s/0..groups/0..3/; s/^phase scratch/phase alone/' "$work/a.net" > "$work/c.net"
"$simcc" diff "$work/a.net" "$work/c.net" > "$work/diff"
for line in "  filters                  parameter        16 -> 8" \
    "  groups                   parameter        3 -> none" \
    "  scratch                  phase            there -> none" \
    "  alone                    phase            none -> there"; do
    check "diff: $(echo "$line" | tr -s ' ')" grep -qx -- "$line" "$work/diff"
done
# The numbers are those of `simcc summary`.
of() {
    "$simcc" summary "$1" --phase pretrain --json | sed 's/.*"total":{//' |
        sed -n "s/.*\"$2\":\\([0-9]*\\).*/\\1/p" | head -n 1
}
grouped() {
    echo "$1" | sed ':a; s/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/; ta'
}
"$simcc" diff "$work/a.net" "$work/c.net" --phase pretrain > "$work/diff"
trainable="$(grouped "$(of "$work/a.net" trainable)") -> $(grouped "$(of "$work/c.net" trainable)")"
check "diff: parameters, $trainable" grep -q "^  all  *trainable  *$trainable\$" "$work/diff"
macs="$(grouped "$(of "$work/a.net" macs)") -> $(grouped "$(of "$work/c.net" macs)")"
check "diff: multiply-adds, $macs" grep -q "^  all  *mult-adds/image  *$macs\$" "$work/diff"
check "diff: memory" grep -q "^  memory of a step  *bytes  *[0-9,]* -> [0-9,]*\$" "$work/diff"
check "diff: as JSON" sh -c "'$simcc' diff '$work/a.net' '$work/c.net' --json |
    grep -q '{\"phase\":null,\"name\":\"filters\",\"what\":\"parameter\",\"old\":\"16\",\"new\":\"8\"}'"
check "diff: a phase that neither has" exits 2 "$simcc" diff "$work/a.net" \
    "$work/c.net" --phase nothing

printf 'phase p(batch = 2, steps = 1) {\n    x = foo(1)\n}\n' > "$work/wrong.net"
"$simcc" check "$work/wrong.net" --json -q > "$work/json"
check "check --json: where it is" grep -q "\"file\": \"$work/wrong.net\", \"line\": 2, \"column\": 9, \"end_column\": 12" "$work/json"
check "check --json: of a sound program" sh -c \
    "'$simcc' check models/tour.net --json -q | tr -d '\n ' | grep -qx '\[\]'"
finish
