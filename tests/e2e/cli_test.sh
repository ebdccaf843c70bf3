#!/bin/sh
# The command line without training: help, exit codes, suggestions, check,
# show, summary, compile and every printed form.
. tests/e2e/lib.sh

net=models/quickstart.net
small="--set filters=4 groups=2 image_size=16 pretrain.batch=8"
cat > "$work/bad.net" <<'END'
param depth = 18
param width = dpeth * 2
END

check "cli: no command shows help and fails" exits 2 "$simcc"
check "cli: --help" exits 0 "$simcc" --help
check "cli: --version" says "simcc " "$simcc" --version
for command in check show summary compile run eval export embed predict \
    "data info" "data check" "data split" "data synth" help; do
    # shellcheck disable=SC2086
    check "cli: $command -h has examples" says "examples:" \
        "$simcc" $command -h
done
check "cli: unknown command" exits 2 "$simcc" chekc "$net"
check "cli: suggests a command" says "did you mean check?" "$simcc" chekc
check "cli: unknown option" exits 2 "$simcc" check "$net" --sett a=1
check "cli: unknown processor" exits 2 "$simcc" compile "$net" \
    --target znver44 -o "$work/a.simcc"
check "cli: suggests a processor" says "did you mean znver4?" \
    "$simcc" compile "$net" --target znver44 -o "$work/a.simcc"
check "cli: suggests an option" says "did you mean --set?" \
    "$simcc" check "$net" --sett a=1
check "cli: an empty word is no name" exits 2 "$simcc" data info ""
check "cli: a full disk is noticed" exits 1 \
    sh -c "'$simcc' show $net > /dev/full"

check "check: good programs" exits 0 "$simcc" check "$net"
check "check: errors are exit code 3" exits 3 "$simcc" check "$work/bad.net"
check "check: place and suggestion" says "bad.net:2:" \
    "$simcc" check "$work/bad.net"
check "check: --json" says '"line": 2' "$simcc" check "$work/bad.net" --json
check "check: a file that is not there" exits 3 "$simcc" check "$work/none.net"
check "check: a parameter that is not there" exits 3 \
    "$simcc" check "$net" --set filtres=4
check "cli: two sets are not one" says \
    "--data is given twice, as one and other: it takes one" \
    exits 2 "$simcc" run "$net" --data one --data other --out "$work/run"
check "cli: nor are two phases" says "--phase is given twice" \
    exits 2 "$simcc" summary "$net" -p pretrain --phase=finetune
check "cli: the same one twice is one" exits 0 \
    "$simcc" summary "$net" -p pretrain --phase=pretrain
check "cli: of other options the last one counts, and that is said" says \
    "--threads is given more than once: 2, the last, counts" \
    exits 0 "$simcc" summary "$net" -p pretrain --threads 1 --threads 2
# Two ways to convolve, whichever command takes them.
convolved() {
    # shellcheck disable=SC2086
    "$simcc" $1 --strict --plain-sums
}
for command in "compile $net -o $work/a.simcc" "profile $net" "plan $net" \
    "run $net --data $work/none --out $work/run" \
    "eval $net scratch --data $work/none --out $work/run" \
    "embed $net scratch --data $work/none --out $work/run -o $work/a.npy" \
    "predict $net scratch --data $work/none --out $work/run -o $work/a.csv" \
    "bundle $net scratch --out $work/run -o $work/bundle"; do
    check "cli: ${command%% *} takes --strict or --plain-sums" says \
        "--plain-sums does without it: one of them" exits 2 convolved "$command"
done
check "check: a rate of 0 is said" says "trains nothing: what each step adds" \
    exits 0 "$simcc" check "$net" --set scratch.rate=0
check "check: and a decay of 1" says "never changes the state \`bn1.running_mean\`" \
    exits 0 "$simcc" check "$net" --set batch_norm_decay=1
check "check: a parameter set twice" says "two values, 4 and 8" \
    "$simcc" check "$net" --set filters=4 filters=8
check "check: a parameter set twice to the same" exits 0 \
    "$simcc" check "$net" --set filters=4 filters=4

# A program anywhere, with simcc in a house of its own.
mkdir -p "$work/house/build" "$work/away/lib"
cp "$simcc" "$work/house/build/simcc"
cp "$net" "$work/away/net.net"
sed '/lib.resnet/d' "$net" > "$work/away/less.net"
sed 's/heads/haeds/; s/augment.net/augmnt.net/' "$net" > "$work/away/typo.net"
check "import: nothing to import from" says "copy models/lib beside" \
    "$work/house/build/simcc" check "$work/away/net.net"
cp -r models "$work/house/models"
check "import: from simcc's own models" exits 0 \
    "$work/house/build/simcc" check "$work/away/net.net"
check "import: where simcc stands is no part of the program" says \
    "# ---- lib/resnet.net ----" \
    "$work/house/build/simcc" show "$work/away/net.net"
check "import: both places are named" says \
    "and no '$work/house/models/lib/haeds.net'" \
    "$work/house/build/simcc" check "$work/away/typo.net"
check "import: what is missing is one error" says "1 error in" \
    "$work/house/build/simcc" check "$work/away/typo.net"
check "import: the file that defines a name" says \
    'defined in lib/resnet.net: import "lib/resnet.net"' \
    "$work/house/build/simcc" check "$work/away/less.net"
cp models/lib/*.net "$work/away/lib"
echo 'def broken(' >> "$work/away/lib/resnet.net"
check "import: a file beside comes first" says "$work/away/lib/resnet.net:" \
    "$work/house/build/simcc" check "$work/away/net.net"

check "check: no color codes when NO_COLOR is set" \
    sh -c "! NO_COLOR=1 '$simcc' check '$work/bad.net' 2>&1 | grep -q '\[3'"

check "show: parameters are resolved" says "filters" \
    "$simcc" show "$net" --set filters=12
lines="$work/two
lines"
mkdir "$lines" && cp -r models/lib "$net" "$lines"
"$simcc" show "$lines/${net##*/}" > "$work/shown.net"
check "show: a path's lines are no lines of the program" \
    "$simcc" check "$work/shown.net"
# shellcheck disable=SC2086
check "summary: totals" says "backbone" \
    "$simcc" summary "$net" --phase pretrain $small
# shellcheck disable=SC2086
check "summary: --json" says '"backbone":{"trainable":' \
    "$simcc" summary "$net" --phase pretrain --json $small
check "summary: unknown phase" says "did you mean pretrain?" \
    "$simcc" summary "$net" --phase pretain
# 1000 classes, torchvision's count: 25,557,032 with the classifier.
# shellcheck disable=SC2086
check "summary: ResNet-50 has its published size" says '"trainable":23508032' \
    "$simcc" summary models/simclrv2.net --phase pretrain --json \
    --set pretrain.batch=2 head_layers=1 image_size=64

for form in ast graph dot plan llvm asm; do
    # shellcheck disable=SC2086
    check "compile: --emit $form" sh -c "'$simcc' compile $net --phase pretrain \
        --emit $form $small > '$work/form' && [ -s '$work/form' ]"
done
check "compile: unknown form" exits 2 "$simcc" compile "$net" --emit x
# shellcheck disable=SC2086
check "compile: graphs pass through text" sh -c "
    '$simcc' compile $net --phase pretrain --passes none --emit graph $small \
        > '$work/a.graph' &&
    '$simcc' compile --from graph '$work/a.graph' --passes none --emit graph \
        > '$work/b.graph' && cmp '$work/a.graph' '$work/b.graph'"
check "compile: one pass alone" sh -c "
    '$simcc' compile --from graph '$work/a.graph' --passes dce --emit graph \
        > '$work/c.graph' && [ -s '$work/c.graph' ]"
check "compile: unknown pass" exits 2 "$simcc" compile --from graph \
    "$work/a.graph" --passes csee --emit graph
# shellcheck disable=SC2086
check "compile: --time" says "in all" "$simcc" compile "$net" \
    --phase pretrain --time --verify -o "$work/q.simcc" $small
check "compile: an artifact takes no --set" exits 2 "$simcc" run \
    "$work/q.simcc" --data x --out "$work/run" --set filters=8
check "compile: the artifact lacks other phases" exits 1 "$simcc" run \
    "$work/q.simcc" finetune --data x --out "$work/run"

exit $script_failed
