#!/bin/sh
# Images of other than three channels train through all three stages, and the
# commands about data take them.
. tests/e2e/lib.sh

# stack FILE TYPE CHANNELS CLASS: a .npy image of 12 x 12 pixels of uint8, whose
# first or last channel is bright.
stack() {
    header="{'descr': '|u1', 'fortran_order': False, 'shape': (12, 12, $2), }"
    {
        printf '\223NUMPY\001\000v\000'
        printf '%-117s\n' "$header"
        LC_ALL=C awk -v c="$2" -v class="$3" -v seed="$4" 'BEGIN {
            srand(seed)
            for (i = 0; i < 144; i++)
                for (k = 0; k < c; k++)
                    printf "%c", 33 + int(30 * rand()) + (k == class * (c - 1)) * 60
        }'
    } > "$1"
}
for channels in 4 10; do
    mkdir -p "$work/set$channels/train/low" "$work/set$channels/train/high" \
        "$work/set$channels/test/low" "$work/set$channels/test/high"
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        part=train
        [ "$i" -le 8 ] || part=test
        stack "$work/set$channels/$part/low/$i.npy" "$channels" 0 "$i"
        stack "$work/set$channels/$part/high/$i.npy" "$channels" 1 "$((i + 50))"
    done
done
lib=$PWD/models/lib
cat > "$work/stages.net" << END
import "$lib/resnet.net"
import "$lib/heads.net"
import "$lib/contrastive.net"
import "$lib/optimizers.net"
import "$lib/augment.net"
param classes = 2
param channels = 10 in 1..=64 # of the images
def each(x) {
    list = []
    for i in 0..channels { list = list + [x] }
    return list
}
def net(images) = small_resnet(normalized(images, each(0.2), each(0.1)), [8])
phase pretrain(batch = 8, steps = 20) {
    input images = unlabeled.views(2), augment [random_crop(12, area_min = 0.5), flip(), enhance("brightness", by_min = -0.2, by_max = 0.2), noise(sigma_min = 0.02, sigma_max = 0.02)]
    h = net(images)
    minimize nt_xent(projection_head(h, layers = 2, out = 8).last, 0.5)
    using lars(rate = 0.1)
}
phase finetune(batch = 4, steps = 80, labels = 4) from pretrain {
    input images, y = labeled(labels), augment [random_crop(12, area_min = 0.5), flip()], evaluate [center_crop(12, proportion = 1)]
    logits = classifier(projection_head(net(images), layers = 2, out = 8)[1], classes)
    minimize cross_entropy(logits, y)
    using sgd(rate = 0.1)
    report top1(logits, y)
}
phase distill(batch = 8, steps = 40) with teacher = finetune {
    input images, y = unlabeled, augment [random_crop(12, area_min = 0.5), flip()], evaluate [center_crop(12, proportion = 1)]
    wanted = teacher.logits(images)
    logits = classifier(small_resnet(images, [4]), classes)
    minimize distillation(wanted, logits, 1.0)
    using sgd(rate = 0.1)
    report agreement(wanted, logits), top1(logits, y)
}
END
# with CHANNELS COMMAND WORD...
with() {
    channels=$1 command=$2
    shift 2
    "$simcc" "$command" "$work/stages.net" "$@" --data "$work/set$channels" \
        --set channels="$channels"
}
for channels in 4 10; do
    check "channels: $channels: three stages" with "$channels" run \
        --out "$work/run$channels"
    check "channels: $channels: the classes are learnt" awk -v n=0 '
        /"phase":"finetune".*"test_images":8,/ {
            sub(/.*"top1":/, ""); n = $0 + 0 }
        END { print n; exit n < 0.8 }' "$work/run$channels/metrics.jsonl"
    check "channels: $channels: embed" with "$channels" embed pretrain \
        --out "$work/run$channels" -o "$work/h$channels.npy"
    check "channels: $channels: augment" with "$channels" augment pretrain \
        -o "$work/views$channels.png"
    check "channels: $channels: a net of so many planes" \
        says "then planes of $channels channels, 0 to 1" \
        "$simcc" export "$work/stages.net" distill -o "$work/net.onnx" \
        --set channels="$channels" --out "$work/run$channels"
    check "channels: $channels: and of bytes" \
        says "then pixels of $channels channels, 0 to 255" \
        "$simcc" export "$work/stages.net" distill --uint8 -o "$work/net.onnx" \
        --set channels="$channels" --out "$work/run$channels"
done
check "channels: pictures of neighbours" with 10 neighbours \
    pretrain --out "$work/run10" -o "$work/near.png"
check "channels: data info" says "2 classes, 16 training images and 8 test" \
    "$simcc" data info "$work/set10"
cp -r "$work/set10/train" "$work/beside"
cp "$work/h10.npy" "$work/beside/features.npy"
check "channels: embeddings beside the folders are no image" \
    says "folder with 2 classes" "$simcc" data info "$work/beside"
for class in low high; do
    for i in 1 2 3 4; do echo "train/$class/$i.npy,$class"; done
done > "$work/set10/list.txt"
check "channels: a list of arrays" says "8 training images" "$simcc" data info \
    "$work/set10/list.txt" --held-out 0
check "channels: data check" "$simcc" data check "$work/set10"
check "channels: another number is an error before the first step" \
    says "it has 10 channels, and the program takes 4: param channels = 10" \
    "$simcc" run "$work/stages.net" --data "$work/set10" --out "$work/no" \
    --set channels=4
check "channels: and of data" exits 4 "$simcc" run "$work/stages.net" \
    --data "$work/set10" --out "$work/no" --set channels=4
"$simcc" data synth "$work/shapes" --classes 2 --per-class 12 --size 16 -q
check "channels: pictures as grey" "$simcc" run "$work/stages.net" pretrain \
    --data "$work/shapes" --out "$work/grey" --set channels=1
check "channels: a net of grey pictures" says "then a grey plane, 0 to 1" \
    "$simcc" export "$work/stages.net" pretrain --value h --set channels=1 \
    --out "$work/grey" -o "$work/net.onnx"
check "channels: pictures have no more than four" \
    says "pictures are read as 1 to 4 channels, and the program takes 7" \
    "$simcc" run "$work/stages.net" pretrain --data "$work/shapes" \
    --out "$work/no" --set channels=7
finish
