#!/bin/sh
# Several tensors of views of each image, of their own sizes and pipelines:
# multi-crop and asymmetric pipelines train, in one process and two, in chunks,
# stopped and gone on with; values of either size are embedded.
. tests/e2e/lib.sh

"$simcc" data synth "$work/shapes" --classes 4 --per-class 16 --size 24 -q
lib=$PWD/models/lib
cat > "$work/crops.net" << END
import "$lib/layers.net"
import "$lib/random.net"
import "$lib/contrastive.net"
import "$lib/optimizers.net"
import "$lib/augment.net"
param classes = 4
def net(images) = mean(relu(conv(images, 8, 3) as conv), over = "hw")
def head(h) = dense(h, 8, sigma = 0.5) as fc

phase crops(batch = 8, steps = 10, chunk = none) {
    input large, small, y = partly_labeled(all).views(2, 3),
        augment simclr_augment(16, area_min = 0.4), augment [random_crop(8, area_max = 0.4), flip(), solarize()],
        evaluate [center_crop(16)], evaluate [center_crop(8)]
    h     = shared(net(large))
    local = shared(net(small))
    z     = shared(head(h))
    zs    = shared(head(if training then dropout(local, 0.2) else local))
    both  = concat([slice(h, start = [0, 0], size = [batch_size(y), 8]), slice(local, start = [0, 0], size = [batch_size(y), 8])], axis = 1)
    minimize nt_xent(z, 0.5)
    minimize mean((concat([zs, zs]) - concat([z, z, z]))^2)
    using    sgd(rate = 0.2)
    report   spread(h), away = mean(abs(local))
}
phase pair(batch = 8, steps = 4) {
    input a, b = unlabeled.views(1, 1), augment byol_augment(16), augment byol_augment(16, second = true), evaluate [center_crop(16)]
    h = shared(net(a))
    p = shared(head(h))
    minimize mean((p - stop_gradient(shared(head(shared(net(b))))))^2)
    using    sgd(rate = 0.1)
}
END

# train OUT WORD...: in double precision.
train() {
    out=$1
    shift
    "$simcc" run "$work/crops.net" --data "$work/shapes" --out "$work/$out" \
        --dtype f64 "$@"
}
# numbers OUT: all that training reports, without times. An evaluation's loss is
# one of whole batches, which a chunk's or a process's are not.
numbers() {
    grep -v '"test_images"' "$work/$1/metrics.jsonl" | tr ',{}' '\n\n\n' |
        grep -vE '^$|images_per_second|input_wait'
}
# near ONE OTHER: the same words, and numbers equal to 1e-8.
near() {
    numbers "$1" > "$work/one"
    numbers "$2" > "$work/other"
    alike 1e-8 "$work/one" "$work/other" 60
}
same() {
    cmp "$work/$1/crops/model.safetensors" "$work/$2/crops/model.safetensors"
}

check "views: two sizes and two pipelines train" train whole crops pair
check "views: summary tells them" \
    says "batch 8 x 2 views of 16x16 pixels + 3 views of 8x8 pixels" \
    "$simcc" summary "$work/crops.net" --phase crops
check "views: more threads make the same" train threads crops --threads 3
check "views: with the same bits" same whole threads
train broken crops --stop-after 4 -q
check "views: goes on" train broken crops --resume
check "views: as if unbroken" same whole broken
check "views: from an artifact" "$simcc" compile "$work/crops.net" \
    -o "$work/crops.simcc" --dtype f64
"$simcc" run "$work/crops.simcc" crops --data "$work/shapes" \
    --out "$work/artifact" -q
check "views: with the same bits" same whole artifact
train whole_alone crops -q
check "views: in chunks" train chunks crops --set crops.chunk=4
check "views: the numbers of the whole batch" near whole_alone chunks

# Pictures: a line for each view, of its own pipeline.
"$simcc" augment "$work/crops.net" crops --data "$work/shapes" \
    -o "$work/views.png" -q > "$work/drawn"
check "views: pictures of all of a step" test "$(grep -c \
    'view [1-5]: random_crop' "$work/drawn")" = 30
# Crops of at most 0.4 of 24 x 24 pixels have at most 230.
check "views: each as its tensor's pipeline has it" awk '
    /view [345]:/ { small++; if ($5 * $7 > 232) bad = 1 }
    /view [12]:/ { large++; if ($5 * $7 < 229) bad = 1 }
    /solarize/ && !/view [345]:/ { bad = 1 }
    END { exit bad || small != 18 || large != 12 }' "$work/drawn"

# embedded VALUE: one row for each image.
embedded() {
    "$simcc" embed "$work/crops.net" crops --data "$work/shapes" \
        --out "$work/whole" --value "$1" -o "$work/$1.npy" --csv --dtype f64
}
check "views: embeds what large views make" embedded h
check "views: and small ones" embedded local
check "views: of other pictures" test "$(cut -d , -f 3- "$work/h.csv" | cksum)" \
    != "$(cut -d , -f 3- "$work/local.csv" | cksum)"
check "views: not both at once" says "is made of views of several sizes" \
    embedded both

# ---- several processes ------------------------------------------------------

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_btl_vader_single_copy_mechanism=none
if ! [ -x "$BUILD/mpi/simcc" ] || ! mpirun -n 2 true 2> /dev/null; then
    skip views "make mpi, and an mpirun that starts two processes"
    finish
fi
# by PROCESSES OUT WORD...
by() {
    count=$1 out=$2
    shift 2
    mpirun -n "$count" "$BUILD/mpi/simcc" run "$work/crops.net" \
        --data "$work/shapes" --out "$work/$out" --dtype f64 --threads 1 "$@"
}
check "views: two processes" by 2 by2 crops pair
check "views: report what one does" near whole by2
by 2 broken2 crops --stop-after 4 -q
check "views: two go on" by 2 broken2 crops --resume
check "views: as if unbroken" same by2 broken2
finish
