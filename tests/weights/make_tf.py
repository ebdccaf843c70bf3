"""Checkpoints as the reference code writes them, of random weights.

python make_tf.py make SIMCC DIR    writes the small files beside this script
python make_tf.py check SIMCC DIR   holds nets of full size against simcc

Needs tensorflow and tf_keras; DIR is for what does not stay.
"""
import os
import shutil
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

from common import (HERE, SMALL, Simcc, compare, random_value, write_expected)
from tf_nets import Model, Shape, encoder1, head1, supervised1, v1

MODE, SIMCC, WORK = sys.argv[1], Simcc(*sys.argv[2:4]), sys.argv[3]
NAMES = {"moving_mean": "mean", "moving_variance": "variance"}


def fill(variables, rng):
    for v in variables:
        leaf = v.name.split("/")[-1].split(":")[0]
        yield v, random_value(rng, NAMES.get(leaf, leaf), v.shape.as_list())


def build_v1(shape, images, prefix, seed, slots=False, copy=False):
    """Writes PREFIX.index and its shard; returns features, z and logits."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = tf.constant(images)
        h = encoder1(x, shape)
        z = head1(h, shape)
        outs = [h, z] + ([supervised1(h, shape)] if shape.classes else [])
        variables = v1.global_variables()
        rng = np.random.default_rng(seed)
        for v, value in fill(variables, rng):
            v.load(value, session)
        saved = {v.op.name: v for v in variables}
        extra = []
        if slots:
            extra = [v1.get_variable("global_step", dtype=tf.int64,
                                     initializer=np.int64(7))]
            extra += [v1.get_variable(v.op.name + "/Momentum",
                                      initializer=np.zeros(v.shape, "f"))
                      for v in v1.trainable_variables()]
        if copy:
            extra += [v1.get_variable("ema_model/" + v.op.name,
                                      initializer=np.ones(v.shape, "f"))
                      for v in variables]
        session.run([v.initializer for v in extra])
        saved.update({v.op.name: v for v in extra})
        v1.train.Saver(saved).save(session, prefix, write_meta_graph=False,
                                   write_state=False)
        return session.run(outs)


def build_v2(shape, images, seed):
    model = Model(shape)
    outs = model(tf.constant(images))
    for v, value in fill(model.variables, np.random.default_rng(seed)):
        v.assign(value)
    outs = model(tf.constant(images))
    return model, [x.numpy() for x in outs]


def save_checkpoint(model, folder):
    """As the second version's training does, with its optimizer."""
    optimizer = tf.keras.optimizers.legacy.SGD(0.1, 0.9)
    optimizer.apply_gradients([(tf.zeros_like(v), v)
                               for v in model.trainable_variables])
    step = tf.Variable(3, dtype=tf.int64)
    tf.train.Checkpoint(model=model, optimizer=optimizer,
                        global_step=step).write(os.path.join(folder, "ckpt-3"))


def save_model(model, images, folder):
    tf.saved_model.save(model, folder, signatures=tf.function(
        lambda x: {"h": model(x)[0]}).get_concrete_function(
            tf.TensorSpec([None, *images.shape[1:]])))


def shard(prefix, parts):
    """Writes a checkpoint again, in so many shards."""
    reader = tf.train.load_checkpoint(prefix)
    names = sorted(reader.get_variable_to_shape_map())
    pieces = []
    for i in range(parts):
        mine = names[i::parts]
        piece = f"{prefix}-part{i}"
        tf.raw_ops.SaveV2(prefix=piece, tensor_names=mine,
                          shape_and_slices=[""] * len(mine),
                          tensors=[reader.get_tensor(n) for n in mine])
        pieces.append(piece)
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=pieces,
                                  destination_prefix=prefix + "-sharded",
                                  delete_old_dirs=False)
    return prefix + "-sharded"


def empty(name):
    folder = os.path.join(HERE if MODE == "make" else WORK, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def load_images(size):
    net = os.path.join(HERE, "small.net")
    data = SIMCC.images(size)
    run = os.path.join(WORK, f"run{size}")
    if not os.path.exists(run):
        SIMCC.run("run", net, "features", "--data", data, "--out", run,
                  "--set", "filters=2", f"image_size={size}")
    images, _ = SIMCC.embed(net, "features", size, "images", ["filters=2"],
                            f"{run}/features/model.safetensors")
    return images.transpose(0, 2, 3, 1).copy()


def make():
    images = load_images(SMALL["image_size"])
    net = os.path.join(HERE, "small.net")
    small = dict(image=40, out=6, classes=5, head=2)
    basic = Shape([1] * 4, False, 2, se=0.25, **small)
    plain = Shape([1] * 4, True, 2, **small)
    deep = Shape([1] * 4, True, 2, sk=0.0625, **small)
    cases = []

    folder = empty("tf1")
    outs = build_v1(basic, images, f"{folder}/model.ckpt-7", 1, slots=True,
                    copy=True)
    cases.append((f"{folder}/model.ckpt-7", outs,
                  ["depth=18", "se_ratio=0.25"]))
    folder = empty("tf1_sk_shards")
    outs = build_v1(deep, images, f"{WORK}/one", 2)
    shard(f"{WORK}/one", 3)
    for name in os.listdir(WORK):
        if name.startswith("one-sharded."):
            shutil.copy(os.path.join(WORK, name), os.path.join(
                folder, name.replace("one-sharded", "model.ckpt-1")))
    cases.append((folder, outs, ["sk_ratio=0.0625"]))

    folder = empty("tf2")
    model, outs = build_v2(basic, images, 3)
    save_checkpoint(model, folder)
    cases.append((folder, outs, ["depth=18", "se_ratio=0.25"]))
    folder = empty("tf2_saved")
    model, outs = build_v2(plain, images, 4)
    save_model(model, images, f"{WORK}/saved")
    shutil.copytree(f"{WORK}/saved/variables", f"{folder}/variables")
    cases.append((folder, outs, []))

    for path, outs, settings in cases:
        name = os.path.relpath(path, HERE).split("/")[0]
        for phase, value, want in zip(["features", "project", "classify"],
                                      ["h", "z", "logits"], outs):
            write_expected(os.path.join(HERE, f"{name}.{value}.csv"), want)
            got, _ = SIMCC.embed(net, phase, SMALL["image_size"], value,
                                 ["filters=2", "head_layers=2",
                                  *settings], path)
            compare(f"{name} {value}", got, want, 2e-6)


def check():
    net = "models/simclrv2.net"
    sizes = {18: ([2, 2, 2, 2], False), 50: ([3, 4, 6, 3], True)}
    images = load_images(64)
    for depth, sk in ((18, 0.0), (50, 0.0), (50, 0.0625)):
        blocks, bottleneck = sizes[depth]
        shape = Shape(blocks, bottleneck, 64, sk=sk, classes=5)
        name = f"ResNet-{depth}{'+SK' if sk else ''}"
        folder = empty("full")

        def hold(what, path, outs):
            for phase, value, want in (("linear", "logits", outs[2]),
                                       ("pretrain", "z", outs[1])):
                got, said = SIMCC.embed(net, phase, 64, value, [], path)
                compare(f"{name}, {what}, {value}", got, want, 2e-6)

        outs = build_v1(shape, images, f"{folder}/model.ckpt-1", 1, slots=True)
        hold("TF1, one shard", folder, outs)
        hold("TF1, three shards", shard(f"{folder}/model.ckpt-1", 3), outs)
        model, outs = build_v2(shape, images, 2)
        folder = empty("full")
        save_checkpoint(model, folder)
        hold("TF2 checkpoint", folder, outs)
        folder = empty("full")
        save_model(model, images, folder)
        hold("saved model", folder, outs)


make() if MODE == "make" else check()
