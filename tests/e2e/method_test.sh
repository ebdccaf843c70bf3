#!/bin/sh
# The method's options in one small program: a probe beside pretraining, on data
# with labels and without; distillation with a few labels; another teacher; what
# the data cannot feed is refused before anything is trained.
. tests/e2e/lib.sh

lib=$PWD/models/lib
shapes=$work/shapes
run=$work/run
cat > "$work/method.net" <<END
import "$lib/resnet.net"
import "$lib/heads.net"
import "$lib/contrastive.net"
import "$lib/optimizers.net"
param classes = 3
def net(images) = small_resnet(images, [4])
phase pretrain(batch = 8, steps = 3) {
    input images, y = partly_labeled(all).views(2), augment [center_crop(8)]
    h      = net(images)
    seen   = concat([y, y])
    logits = classifier(stop_gradient(h), classes) as probe
    minimize nt_xent(projection_head(h, layers = 2, out = 4).last, 0.5)
    minimize labeled_mean(cross_entropy(logits, seen), seen)
    using    lars(rate = 0.1)
    report   probe_top1 = labeled_mean(top1(logits, seen), seen)
}
phase finetune(batch = 6, steps = 2, labels = 2) from pretrain {
    input images, y = labeled(labels), augment [center_crop(8)], evaluate [center_crop(8)]
    logits = classifier(projection_head(net(images), layers = 2, out = 4)[1], classes)
    minimize cross_entropy(logits, y)
    using    sgd(rate = 0.01)
    report   top1(logits, y)
}
phase again(batch = 6, steps = 2, labels = 2) from finetune {
    input images, y = labeled(labels), augment [center_crop(8)], evaluate [center_crop(8)]
    logits = classifier(projection_head(net(images), layers = 2, out = 4)[1], classes)
    minimize cross_entropy(logits, y)
    using    sgd(rate = 0.01)
    report   top1(logits, y)
}
phase distill(batch = 8, steps = 2, alpha = 0.5) with teacher = finetune {
    input images, y = partly_labeled(2), augment [center_crop(8)], evaluate [center_crop(8)]
    wanted = teacher.logits(images)
    logits = classifier(small_resnet(images, [3]), classes)
    minimize alpha * distillation(wanted, logits, 0.5, tau_squared = true)
    minimize (1 - alpha) * cross_entropy(logits, y)
    using    lars(rate = 0.1)
    report   agreement(wanted, logits), top1 = seen_top1(logits, y)
}
END
net=$work/method.net

# train OUT PHASES... [--set ...]
train() {
    out=$1
    shift
    "$simcc" run "$net" "$@" --data "$data" --out "$out"
}
data=$shapes

check "method: data" "$simcc" data synth "$shapes" --classes 3 --per-class 8 \
    --size 16
check "method: all phases run" train "$run"
check "method: the probe sees labels" grep -q '"probe_top1":[01]' \
    "$run/metrics.jsonl"
check "method: distillation is evaluated with labels" grep -q \
    '"phase":"distill".*"test_images":.*"top1":' "$run/metrics.jsonl"
check "method: another teacher" train "$run" distill --force \
    --set distill.teacher=again
check "method: which is another program" grep -q 'with teacher = again' \
    "$run/model.net"
check "method: a teacher that is none" says "did you mean \`again\`?" \
    train "$run" distill --set distill.teacher=agan

data=$shapes/train/$(ls "$shapes/train" | head -n 1)
check "method: the probe does without labels" train "$work/bare" pretrain \
    --set pretrain.batch=4
check "method: and learns nothing then" grep -q '"probe_top1":0[,}]' \
    "$work/bare/metrics.jsonl"
data=$shapes
check "method: a batch larger than the data" exits 4 train "$work/large" \
    pretrain --set pretrain.batch=25
check "method: says what would fit" says "--set pretrain.batch=24, or less" \
    train "$work/large" pretrain --set pretrain.batch=25
check "method: more labels than a class has" exits 4 train "$work/many" \
    finetune --init "$run/pretrain/model.safetensors" --set finetune.labels=9
check "method: labels beyond the classes" exits 4 train "$work/beyond" \
    pretrain --set classes=2
finish
