#!/bin/sh
# `simcc bundle`: the library is built by a plain compiler in a folder that has
# nothing of simcc, and computes what predict and embed compute, to the bit.
. tests/e2e/lib.sh

net=models/quickstart.net
CC=${CC:-cc}
"$simcc" data synth "$work/shapes" --classes 3 --per-class 10 --size 200 -q
"$simcc" run "$net" scratch --data "$work/shapes" --out "$work/run" -q --set \
    filters=16 groups=2 image_size=32 scratch.steps=4 scratch.batch=8 \
    scratch.labels=4 > "$work/log" 2>&1

# Photographs of both formats: PNG, JPEG of both kinds.
mkdir "$work/photos"
$CC -o "$work/jpeg" tests/e2e/bundle_jpeg.c -lpng -ljpeg
for image in "$work"/shapes/test/*/*.png; do
    name=$(basename "$(dirname "$image")")-$(basename "$image" .png)
    case $name in
    disc*) cp "$image" "$work/photos/$name.png" ;;
    ring*) "$work/jpeg" "$image" "$work/photos/$name.jpg" ;;
    *) "$work/jpeg" "$image" "$work/photos/$name.jpg" progressive ;;
    esac
done
photos=$(ls "$work"/photos/*)

# bundle FOLDER OPTION...
bundle() {
    folder=$1
    shift
    "$simcc" bundle "$net" scratch --out "$work/run" -o "$work/$folder" "$@"
}

# build FOLDER: away from the sources, with nothing but what was written; and
# the test's program beside the example.
build() {
    (cd "$work/$1" && env -i PATH="$PATH" make -s) || return 1
    $CC -O1 -I"$work/$1" -o "$work/$1/use" tests/e2e/bundle_use.c \
        -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=mmap \
        "$work/$1/libnet.a" -lpthread -lm
}

# rows FOLDER TARGET BATCH THREADS: of the library, in a file.
rows() {
    # shellcheck disable=SC2086
    (cd "$work/$1" && ./use rows "$2" "$3" "$4" $photos) > "$work/rows"
}

# wanted OPTION...: the same by simcc, in another.
wanted() {
    "$simcc" embed "$net" scratch --value logits --data "$work/photos" -q \
        --split train --out "$work/run" -o "$work/wanted.npy" --held-out 0 "$@" &&
        tail -c $((6 * 3 * 4)) "$work/wanted.npy" > "$work/wanted"
}

equal() {
    [ -s "$work/wanted" ] && cmp "$work/wanted" "$work/rows"
}

check "bundle: a library for this processor" bundle here
check "bundle: a plain compiler builds it and its example" build here
wanted
rows here "" 0 2
check "bundle: as embed, to the bit" equal
rows here "" 0 1
check "bundle: on one thread as well" equal

needs_nothing() {
    ldd "$work/here/net" | awk '$1 !~ /^(linux-vdso|libc|libm|libpthread|\/lib64\/ld-linux)/ { print; bad = 1 } END { exit bad }'
}
check "bundle: the example needs the C library alone" needs_nothing
# shellcheck disable=SC2086
(cd "$work/here" && ./net $photos) > "$work/example"
echo "$photos" | "$simcc" predict "$net" scratch --data - --out "$work/run" \
    --top 3 -q --set scratch.batch=64 | tail -n +2 > "$work/predicted"
check "bundle: the example says what predict says" \
    cmp "$work/predicted" "$work/example"

quoted='a, "b".png'
cp "$(echo "$photos" | head -n 1)" "$work/here/$quoted"
(cd "$work/here" && ./net "$quoted") > "$work/quoted"
(cd "$work/here" && echo "$quoted" | "$simcc" predict "$net" scratch --data - \
    --out "$work/run" --top 3 -q --set scratch.batch=64) |
    tail -n +2 > "$work/quoted-predicted"
check "bundle: of names with commas and quotes, too" \
    cmp "$work/quoted-predicted" "$work/quoted"

for what in repeated unaligned concurrent threads errors; do
    # shellcheck disable=SC2086
    check "bundle: $what use" "$work/here/use" $what "" 0 2 $photos
done
check "bundle: the example names a file that is none" \
    says "neither a PNG nor a JPEG" "$work/here/net" "$net"
if command -v valgrind >/dev/null 2>&1; then
    # Valgrind knows no AVX-512; a library for older processors it runs.
    bundle old --target x86-64-v3 -q && build old
    # shellcheck disable=SC2086
    check "bundle: valgrind finds nothing" valgrind -q --error-exitcode=9 \
        --leak-check=full --errors-for-leak-kinds=all "$work/old/net" \
        "$work/photos/disc-00000.png" "$work/photos/ring-00000.jpg"
else
    skip "bundle: valgrind finds nothing" "(valgrind is not installed)"
fi

# Two targets and two batches in one, weights beside it: by each the bits of
# simcc for that target and batch.
check "bundle: several targets and batches, weights beside" \
    bundle both --target x86-64,x86-64-v2 --batch 3,1 --beside
check "bundle: built too" build both
for target in x86-64 x86-64-v2; do
    for batch in 3 1; do
        wanted --target $target --set scratch.batch=$batch
        rows both $target $batch 2
        check "bundle: $target with a batch of $batch" equal
    done
done
# shellcheck disable=SC2086
(cd "$work/both" && ./use target "" 0 1 $photos) > "$work/target"
check "bundle: of two targets the better is taken" \
    grep -qx x86-64-v2 "$work/target"
if grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; then
    # Tiles of other widths: the weights are stored once, in rows.
    bundle wide --target x86-64-v2,x86-64-v3 -q && build wide
    for target in x86-64-v2 x86-64-v3; do
        wanted --target $target
        rows wide $target 0 2
        check "bundle: $target beside another width" equal
    done
else
    skip "bundle: x86-64-v3 beside another width" "(this processor lacks AVX2)"
fi

# Nothing is believed of the weights' file.
cp -r "$work/both" "$work/bad"
# shellcheck disable=SC2086
bad_weights() {
    says "$1" sh -c "cd '$work/bad' && ! ./use rows '' 0 1 $(echo $photos)"
}
printf x | dd of="$work/bad/net.weights" bs=1 seek=4000 conv=notrunc 2>/dev/null
check "bundle: damaged weights" bad_weights "net.weights is damaged"
printf short > "$work/bad/net.weights"
check "bundle: a file that is none" bad_weights "not this library's weights"
rm "$work/bad/net.weights"
check "bundle: no weights" bad_weights "cannot read the weights"

# A shared library of the same, and two nets in one program.
check "bundle: as a shared library" make -s -C "$work/here" libnet.so
alone() {
    $CC -I"$work/here" -o "$work/alone" "$work/here/main.c" "$work/here/libnet.so" &&
        LD_LIBRARY_PATH="$work/here" "$work/alone" "$work/photos/disc-00000.png" > "$work/said" &&
        grep -F disc-00000 "$work/example" | cmp - "$work/said"
}
check "bundle: which alone is enough" alone
bundle other --name other --target x86-64 --batch 2 -q
cat > "$work/two.c" <<EOF
#include "net.h"
#include "other.h"
int main(void)
{
    SimccNet *one, *two;
    if (simcc_init(&net_model, 0, &one, 0) || simcc_init(&other_model, 0, &two, 0))
        return 1;
    simcc_run(one);
    simcc_run(two);
    int batches = simcc_batch(one) == 64 && simcc_batch(two) == 2;
    simcc_free(one);
    simcc_free(two);
    return !batches;
}
EOF
two() {
    $CC -I"$work/here" -I"$work/other" -o "$work/two" "$work/two.c" \
        "$work/other/libother.a" "$@" -lpthread -lm &&
        LD_LIBRARY_PATH="$work/here" "$work/two"
}
check "bundle: two nets in a program" two "$work/here/libnet.a"
check "bundle: one of them shared" two "$work/here/libnet.so"

# What others may see of it begins with simcc_ or the net's name.
check "bundle: no other symbols" sh -c "! nm -g --defined-only '$work/here/libnet.a' |
    awk 'NF == 3 && \$3 !~ /^simcc_/ && \$3 != \"net_model\" { print; bad = 1 } END { exit !bad }'"
bundle here -q
cp "$work/here/libnet.a" "$work/first.a"
bundle here -q
check "bundle: the same bytes again" cmp "$work/first.a" "$work/here/libnet.a"
echo "// mine" >> "$work/here/main.c"
check "bundle: a changed example stays" says "main.c is left as it is" bundle here
check "bundle: as it is" grep -q "^// mine" "$work/here/main.c"
mkdir "$work/full"
echo "int main(void) { return 0; }" > "$work/full/main.c"
check "bundle: not into a folder of other things" says \
    "holds main.c already: -o takes a new or an empty folder" exits 1 bundle full
check "bundle: which stays as it was" [ "$(ls "$work/full")" = main.c ]

# refused CODE TEXT OPTION...
refused() {
    code=$1
    text=$2
    shift 2
    exits "$code" "$simcc" bundle "$net" scratch --out "$work/run" "$@" \
        > "$work/refusal" 2>&1 && grep -F -- "$text" "$work/refusal"
}
check "bundle: nowhere to write" refused 2 "say where to write"
check "bundle: a name that is none" refused 2 "a name in C" -o "$work/x" --name 3d
check "bundle: a batch that is none" refused 2 "--batch takes numbers" \
    -o "$work/x" --batch 1,two
check "bundle: a target twice" refused 2 "twice" -o "$work/x" \
    --target x86-64,x86-64
check "bundle: a target that is none" refused 2 "--target:" -o "$work/x" \
    --target x86-64,potato
check "bundle: a value that is none" refused 3 "sets no" -o "$work/x" \
    --value nothing
check "bundle: no weights yet" exits 4 "$simcc" bundle "$net" finetune \
    --out "$work/run" -o "$work/x"
finish
