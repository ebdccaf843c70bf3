#!/bin/sh
# What two builds of the compiler make of every model: the same plan and the
# same machine code, or not. For changes that are to alter neither.
#
#     tests/identity.sh BEFORE [AFTER] [WORD]
#
# BEFORE and AFTER are simcc programs, or records of them: what this prints
# when it is given one program. Of the cases below only those are compared
# whose line has WORD in it. Exit code 1 when a case differs.
#
# A record has a line for each case: a hash of the plan's text in which every
# kernel stands for its machine code, not its name, so that descriptors may
# change their wording. Objects come from a cache that each program fills anew;
# a kernel that many cases share is compiled once.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d /tmp/simcc-identity-XXXXXX)
trap 'rm -rf "$work"' EXIT
LC_ALL=C
export LC_ALL

# FILE TARGET OPTIONS...: each is compiled as a whole, with all its phases.
# Batches are small where the file's own need terabytes of address space.
cases() {
    v2=models/simclrv2.net
    small="pretrain.batch=64 finetune.batch=32 finetune_10.batch=32
           finetune_100.batch=32 linear.batch=32 self_distill.batch=32
           distill.batch=32 supervised.batch=32"
    small=$(echo $small)
    for target in x86-64-v3 x86-64-v4; do
        for options in "" --strict --plain-sums "--dtype f64" "--ranks 2" \
            "--set pretrain.chunk=32" "--set pretrain.chunk=32 --strict"; do
            echo "models/quickstart.net $target $options"
        done
        for options in "" --strict --plain-sums "--ranks 2"; do
            echo "docs/study/study.net $target $options"
            echo "models/tour.net $target $options"
            for settings in "image_size=32 images=64" \
                "depth=50 image_size=64 images=32" \
                "depth=50 image_size=64 images=32 sk_ratio=0.0625" \
                "depth=50 image_size=224 images=8" \
                "depth=50 image_size=224 images=8 sk_ratio=0.0625"; do
                echo "bench/nets.net $target $options --set $settings"
            done
        done
        for depth in 50 101 152; do
            for width in 1 2 3; do
                for sk in 0.0 0.0625; do
                    # The published ones, and no others.
                    case $depth/$width/$sk in 50/3/* | 101/3/* | 152/3/0.0) continue ;; esac
                    echo "$v2 $target --set depth=$depth width=$width sk_ratio=$sk $small"
                done
            done
        done
        echo "$v2 $target --strict --set $small"
        echo "$v2 $target --plain-sums --set $small"
        echo "$v2 $target --ranks 2 --set $small"
        echo "$v2 $target --set $small pretrain.chunk=16 distill.chunk=16"
        echo "$v2 $target --set $small pretrain.memory=128 se_ratio=0.0625 image_size=96"
        echo "$v2 $target --set $small depth=18 image_size=32 fine_tune_after_block=2 update=adam"
        echo "models/simclrv1.net $target --set pretrain.batch=64 linear.batch=32 finetune.batch=32 finetune_10.batch=32"
        echo "models/imagenet_100.net $target --set pretrain.batch=64 linear.batch=32 finetune.batch=32"
        echo "models/cifar10.net $target --strict"
        echo "models/cifar10_v1.net $target"
    done
    # A processor without fused multiply-adds, and one of 128-bit vectors.
    echo "models/quickstart.net sandybridge"
    echo "models/quickstart.net x86-64"
}

# Lines "SYMBOL HASH" of all objects in a cache. An entry is a header of four
# words of 8 bytes, of which the third is the object's size, the key and the
# object. The hash is of the contents of its sections and of their relocations;
# the kernel's name is left out, and with it the order of the table of names.
objects() {
    find "$1" -name '*.o' -path '*/simcc/??/*' | while IFS= read -r file; do
        size=$(od -A n -t d8 -j 16 -N 8 "$file")
        tail -c "$((size))" "$file" > "$work/object"
        symbol=$(grep -ao 'k_[0-9a-f]\{16\}' "$work/object" | head -n 1)
        hash=$(objdump -s -r "$work/object" | sed '/file format/d; s/k_[0-9a-f]\{16\}/k/g' |
            md5sum | cut -c1-32)
        echo "$symbol $hash"
    done
}

# The record of one program.
record() {
    cache=$work/cache.$2
    cases | tr -s ' ' | grep -F -- "$3" > "$work/cases"
    while read -r file target options; do
        mkdir -p "$cache/$target"
        # shellcheck disable=SC2086
        XDG_CACHE_HOME=$cache/$target "$1" compile "$file" --target "$target" \
            $options -q -o "$work/program.simcc" > "$work/log" 2>&1 &&
            "$1" compile "$file" --target "$target" $options --emit plan \
                -o "$work/plan" > "$work/log" 2>&1 || {
            echo "failed $file $target $options: $(tail -n 1 "$work/log")"
            continue
        }
        number=$((${number:-0} + 1))
        mv "$work/plan" "$work/plan.$number"
        echo "$number $file $target $options"
    done < "$work/cases" > "$work/compiled"
    for folder in "$cache"/*; do
        objects "$folder" > "$work/objects.${folder##*/}"
    done
    while read -r number file target options; do
        if [ "$number" = failed ]; then
            echo "failed $file $target $options"
            continue
        fi
        hash=$(awk 'NR == FNR { hash[$1] = $2; next }
            { for (i = 1; i <= NF; i++) if ($i in hash) $i = hash[$i]; print }' \
            "$work/objects.$target" "$work/plan.$number" | md5sum | cut -c1-32)
        echo "$hash $file $target $options"
    done < "$work/compiled"
}

# The record of a program, or a record that was kept.
record_of() {
    case $(head -c 4 "$1" | tr -d '\177') in
    ELF) record "$1" "$2" "$3" ;;
    *) grep -F -- "$3" "$1" ;;
    esac
}

if [ $# -lt 2 ]; then
    record_of "${1:?tests/identity.sh BEFORE [AFTER] [WORD]}" before ""
    exit 0
fi
record_of "$1" before "${3:-}" > "$work/before"
record_of "$2" after "${3:-}" > "$work/after"
if [ -s "$work/before" ] && ! grep -q '^failed' "$work/before" &&
    cmp -s "$work/before" "$work/after"; then
    echo "identical: $(wc -l < "$work/before") cases"
    exit 0
fi
diff "$work/before" "$work/after"
grep '^failed' "$work/before"
echo "different"
exit 1
