#!/bin/sh
# The memory that summary promises is what a step gets: to 5%, or to what rounding
# both regions of it up to huge pages of 2 MiB may add.
. tests/e2e/lib.sh

# number NAME FILE: a field of the JSON in FILE.
number() {
    sed -n 's/.*"'"$1"'":\([0-9]\{1,\}\).*/\1/p' "$2"
}

agree() {
    "$simcc" summary "$1" --phase "$2" --threads 2 --json --set $3 > "$work/a" &&
        "$simcc" profile "$1" "$2" --threads 2 --json --set $3 > "$work/b" ||
        return 1
    sed -n 's/.*"memory":{\([^}]*\)}.*/{\1}/p' "$work/a" > "$work/c"
    awk -v said="$(number total "$work/c")" -v used="$(number memory "$work/b")" \
        'BEGIN { print said, used; bound = 0.05 * used; if (bound < 2 ^ 22) bound = 2 ^ 22
               exit !(used > 0 && (said - used) ^ 2 <= bound ^ 2) }'
}

check memory_quickstart agree models/quickstart.net pretrain pretrain.batch=16
check memory_chunks agree models/quickstart.net pretrain \
    "pretrain.batch=64 pretrain.chunk=16"
check memory_resnet18 agree models/simclrv2.net supervised \
    "depth=18 image_size=32 supervised.batch=8 classes=10"
finish
