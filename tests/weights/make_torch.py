"""Files of weights as programs in PyTorch write them, of random weights.

python make_torch.py make SIMCC DIR    writes the small files beside this one
python make_torch.py check SIMCC DIR   holds nets of full size against simcc
python make_torch.py onnx SIMCC DIR    the same, of nets exported as ONNX

Needs torch and torchvision, for `check` timm and lightly too, and but for that
onnx and onnxscript; DIR is for what does not stay.
"""
import collections
import os
import sys
import zipfile

import numpy as np
import torch
from torch import nn

from common import (HERE, SMALL, Simcc, compare, write_expected)
from torch_nets import (Encoder, Holder, Shape, V2Head, V2Net, plain_head,
                        randomize)

MODE, SIMCC, WORK = sys.argv[1], Simcc(*sys.argv[2:4]), sys.argv[3]
TOLERANCE = 1e-5
ONE = [1, 1, 1, 1]


def path_of(name):
    return os.path.join(HERE if MODE == "make" else WORK, name)


def lightning(state, **more):
    """What a trainer of PyTorch Lightning keeps."""
    return {"epoch": 9, "global_step": 90, "pytorch-lightning_version": "2.6.6",
            "state_dict": state, "loops": {"fit_loop": {"state_dict": {}}},
            "callbacks": {"ModelCheckpoint{'monitor': None}": {
                "best_model_score": torch.tensor(0.5)}},
            "optimizer_states": [{"state": {0: {
                "momentum_buffer": torch.zeros(3)}}, "param_groups": []}],
            "lr_schedulers": [], "hyper_parameters": {"lr": 0.1}, **more}


def save(name, what, **options):
    torch.save(what, path_of(name), **options)
    return name


def outputs(encoder, images, **heads):
    with torch.no_grad():
        h = encoder(images)
        outs = {"h": h.numpy()}
        for value, head in heads.items():
            outs[value] = head(h).numpy()
    return outs


def torchvision_cases(basic, images):
    s = basic
    net = randomize(Encoder(s, nn.Linear(s.features, 5)), 1)
    fc, net.fc = net.fc, nn.Identity()
    outs = outputs(net, images, logits=fc)
    net.fc = fc
    yield save("torchvision.pth", net.state_dict()), s, outs
    np.savez_compressed(path_of("arrays.npz"), **{
        k: np.asfortranarray(v.numpy()) for k, v in net.state_dict().items()})
    yield "arrays.npz", s, outs
    yield views_case(net), s, outs
    yield big_endian_case(), s, outs
    state = {"epoch": 3, "state_dict": {f"module.{k}": v
                                        for k, v in net.state_dict().items()}}
    yield save("before16.pth", state,
               _use_new_zipfile_serialization=False), s, outs


def views_case(net):
    """Tensors that are views: of one storage, transposed, with steps."""
    state = collections.OrderedDict()
    weights = {k: v for k, v in net.state_dict().items() if v.ndim == 1}
    pool = torch.cat([v for v in weights.values()])
    at = 0
    for name, x in net.state_dict().items():
        if x.ndim == 1:
            state[name] = pool[at:at + len(x)]
            at += len(x)
        elif x.ndim == 4:
            state[name] = x.contiguous(memory_format=torch.channels_last)
        elif x.ndim == 2:
            wide = torch.zeros(x.shape[1], 2 * x.shape[0])
            wide[:, ::2] = x.t()
            state[name] = wide[:, ::2].t()
        else:
            state[name] = x
    return save("views.pth", state)


def big_endian_case():
    """As a machine of the other byte order would have written it."""
    with zipfile.ZipFile(path_of("torchvision.pth")) as old, zipfile.ZipFile(
            path_of("bigendian.pth"), "w") as new:
        for name in old.namelist():
            member = old.read(name)
            if name.endswith("/byteorder"):
                member = b"big"
            elif "/data/" in name:
                # Counters are 0 in either order; the rest are floats.
                member = np.frombuffer(member, "<u4").astype(">u4").tobytes()
            new.writestr(name, member)
    return "bigendian.pth"


def trainer_cases(s, images):
    net = randomize(Encoder(s), 3)
    head = randomize(plain_head(s.features, 8, 6, norm=True), 4)
    holder = Holder(backbone=nn.Sequential(*list(net.children())[:-2]),
                    projection_head=Holder(layers=head))
    yield save("lightly.ckpt", lightning(holder.state_dict())), s, outputs(
        net, images)

    net = randomize(Encoder(s), 5)
    head = randomize(plain_head(s.features, 8, 6), 6)
    net.fc = head
    state = Holder(backbone=net).state_dict()
    net.fc = nn.Identity()
    yield save("sthalles.pth.tar", {
        "epoch": 100, "arch": "resnet18", "state_dict": state,
        "optimizer": {"state": {}, "param_groups": [{"lr": 3e-4}]}
    }), s, outputs(net, images, z=head)

    net = randomize(Encoder(s), 7)
    head = randomize(plain_head(s.features, 8, 6), 8)
    classes = randomize(nn.Linear(s.features, 5), 9)
    state = Holder(backbone=net, projector=head,
                   classifier=classes).state_dict()
    yield save("sololearn.ckpt", lightning(state)), s, outputs(
        net, images, z=head, logits=classes)

    net = randomize(Encoder(s), 10)
    head = randomize(plain_head(s.features, 8, 6, norm=True, last_bias=False),
                     11)
    state = Holder(encoder=net, projection=Holder(model=head)).state_dict()
    yield save("bolts.ckpt", lightning(state)), s, outputs(net, images)


def v2_case(name, blocks, filters, ratio, images):
    net = randomize(V2Net(blocks, filters, ratio, 5), 12)
    head = randomize(V2Head(net.fc.in_features, 2, 6), 13)
    s = Shape(blocks, True, filters)
    s.ratio = ratio
    return save(name, {"resnet": net.state_dict(),
                       "head": head.state_dict()}), s, outputs(
                           net, images, z=head, logits=net.fc)


def onnx_cases(s, images):
    """Beside these, nets whose norms are folded, which are refused."""
    import torch_onnx
    net = torch_onnx.settle(randomize(Encoder(s, nn.Linear(s.features, 5)), 14))
    # Tensors that are equal are written once.
    net.layer1[0].bn2.load_state_dict(net.layer1[0].bn1.state_dict())
    fc, net.fc = net.fc, nn.Identity()
    outs = outputs(net, images, logits=fc)
    net.fc = fc
    names = ["older.onnx", "newer.onnx", "varied.onnx", "apart.onnx"]
    for name in names:
        torch_onnx.export(net, images, path_of(name), name == "newer.onnx")
    torch_onnx.varied(path_of("varied.onnx"))
    os.makedirs(path_of("data"), exist_ok=True)
    torch_onnx.apart(path_of("apart.onnx"), "data/apart.bin")
    for newer in (False, True):
        torch_onnx.export(net, images,
                          path_of(f"folded_{'newer' if newer else 'older'}.onnx"),
                          newer, folded=True)
    torch_onnx.corpus(os.path.join(HERE, "../fuzz/corpus/onnx"))
    for name in names:
        yield name, s, outs


def load_images(size):
    net = os.path.join(HERE, "small.net")
    run = os.path.join(WORK, f"run{size}")
    if not os.path.exists(run):
        SIMCC.run("run", net, "features", "--data", SIMCC.images(size),
                  "--out", run, "--set", "filters=2", f"image_size={size}")
    images, _ = SIMCC.embed(net, "features", size, "images", ["filters=2"],
                            f"{run}/features/model.safetensors")
    return torch.from_numpy(images)


def small_settings(s):
    settings = [f"filters={s.filters}", f"depth={50 if s.bottleneck else 18}"]
    if hasattr(s, "ratio"):
        return settings + [f"sk_ratio={s.ratio}", "head_layers=2"]
    return settings + ["pool_padding=torch", "first_projection=false"]


def make():
    images = load_images(SMALL["image_size"])
    net = os.path.join(HERE, "small.net")
    basic = Shape(ONE, False, 2)
    cases = [*torchvision_cases(basic, images),
             *trainer_cases(basic, images),
             *onnx_cases(basic, images),
             v2_case("simclrv2.pth", ONE, 2, 0.0, images),
             v2_case("simclrv2_sk.pth", ONE, 2, 0.0625, images)]
    for name, s, outs in cases:
        for value, want in outs.items():
            phase = {"h": "features", "logits": "classify"}.get(
                value, "project" if hasattr(s, "ratio") else "plain")
            write_expected(path_of(f"{name}.{value}.csv"), want)
            got, _ = SIMCC.embed(net, phase, SMALL["image_size"], value,
                                 small_settings(s), path_of(name))
            compare(f"{name} {value}", got, want, TOLERANCE)


def check():
    import timm
    import torchvision
    from lightly.models.modules import SimCLRProjectionHead
    net = "models/simclrv2.net"
    images = {size: load_images(size) for size in (32, 64)}

    def hold(name, size, outs):
        for value, want in outs.items():
            phase = {"z": "pretrain"}.get(value, "linear")
            got, _ = SIMCC.embed(net, phase, size, value, [], path_of(name))
            compare(f"{name} {value}", got, want, TOLERANCE)

    # Heads without norms are none of this net's: features alone.
    for name, s, outs in trainer_cases(Shape([2, 2, 2, 2], False, 64),
                                       images[64]):
        hold(name, 64, {"h": outs["h"]})
    for depth in (18, 34, 50, 101):
        model = randomize(getattr(torchvision.models, f"resnet{depth}")(), 1)
        for name, form in (("zip", True), ("before16", False)):
            with torch.no_grad():
                outs = {"logits": model(images[64]).numpy()}
            hold(save(f"torchvision{depth}_{name}.pth", model.state_dict(),
                      _use_new_zipfile_serialization=form), 64, outs)
    for depth in (18, 50):
        model = randomize(timm.create_model(f"resnet{depth}"), 2)
        with torch.no_grad():
            outs = {"logits": model(images[64]).numpy()}
        hold(save(f"timm{depth}.pth", model.state_dict()), 64, outs)
    classes = randomize(nn.Linear(2048, 10), 3)
    for depth in (50,):
        model = randomize(torchvision.models.resnet50(), 4)
        backbone = nn.Sequential(*list(model.children())[:-1])
        head = randomize(SimCLRProjectionHead(2048, 2048, 128), 5)
        state = Holder(backbone=backbone, projection_head=head,
                       fc=classes).state_dict()
        outs = outputs(nn.Sequential(backbone, nn.Flatten()), images[64],
                       logits=classes)
        hold(save("lightly50.ckpt", lightning(state)), 64,
             {"logits": outs["logits"]})
    for name, stem, size in (("cifar", 3, 32), ("imagenet", 7, 64)):
        s = Shape([2, 2, 2, 2], False, 64, stem)
        model = randomize(Encoder(s), 6)
        classes = randomize(nn.Linear(512, 10), 7)
        outs = outputs(model, images[size], logits=classes)
        head = plain_head(512, 2048, 128)
        state = Holder(backbone=model, projector=head,
                       classifier=classes).state_dict()
        hold(save(f"sololearn18_{name}.ckpt", lightning(state)), size,
             {"logits": outs["logits"]})
    hold(*v2_full(images[64], 0.0))
    hold(*v2_full(images[64], 0.0625))


def check_onnx():
    import torch_onnx
    import torchvision
    images = load_images(64)
    model = randomize(torchvision.models.resnet50(), 8)
    with torch.no_grad():
        want = model(images).numpy()
    for newer in (False, True):
        name = f"resnet50_{'newer' if newer else 'older'}.onnx"
        torch_onnx.export(model, images, path_of(name), newer)
        got, _ = SIMCC.embed("models/simclrv2.net", "linear", 64, "logits", [],
                             path_of(name))
        compare(name, got, want, TOLERANCE)


def v2_full(images, ratio):
    name, _, outs = v2_case(f"simclrv2_{'sk' if ratio else 'plain'}.pth",
                            [3, 4, 6, 3], 64, ratio, images)
    return name, 64, {"logits": outs["logits"], "z": outs["z"]}


{"make": make, "check": check, "onnx": check_onnx}[MODE]()
