"""Weights to torchvision and back: python torchvision_check.py SIMCC DIR [NET...]

Each NET is one of torchvision's: resnet50, and the smallest of each family that
models/lib/nets has, where none is named. Random torchvision weights (running statistics too) enter `simcc run --init`
and leave by `simcc export`; in between, `simcc embed` computes logits, which
must agree with torchvision's on the very images the program saw. Needs torch,
torchvision, safetensors and numpy; draws its images with simcc. Images are
small, for only the stem's and the strides' geometry matters.
"""
import os
import subprocess
import sys

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file, save_file

SIMCC, WORK = sys.argv[1], sys.argv[2]
NETS = sys.argv[3:] or ["resnet50", "resnext50_32x4d", "regnet_y_400mf",
                        "regnet_x_400mf", "mobilenet_v2", "mobilenet_v3_small",
                        "efficientnet_b0", "convnext_tiny", "vit_b_16"]
NET = "models/simclrv2.net"
SETTINGS = ["image_size=64", "pool_padding=torch", "classes=10",
            "linear.batch=4", "linear.epochs=1", "linear.rate=0"]
TOLERANCE = 1e-4


def simcc(*words):
    command = [SIMCC, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stderr


def at(name):
    return os.path.join(WORK, name)


def make(net):
    size = {"image_size": 64} if net.startswith("vit") else {}
    return torchvision.models.get_model(net, num_classes=10, **size).eval()


def random_weights(net):
    """A net whose every tensor matters, its features of size one."""
    torch.manual_seed(1)
    model = make(net)
    for name, x in model.state_dict().items():
        if name.endswith("running_mean") or (x.dim() == 1 and
                                             name.endswith("bias")):
            x.normal_(0, 0.1)
        elif name.endswith("running_var"):
            x.uniform_(0.5, 1.5)
        elif name in ("heads.head.weight", "class_token"):  # begin as zeros
            x.normal_(0, 0.1)
        elif name.endswith(("bn3.weight", "c.1.weight", "layer_scale")):
            x.uniform_(0.1, 0.4)
    return model


def embed(value, weights, settings):
    simcc("embed", NET, "linear", "--data", at("shapes"), "--weights", weights,
          "--value", value, "--split", "test", "-o", at("value.npy"),
          "--set", *settings)
    return torch.from_numpy(np.load(at("value.npy")))


def compare(what, got, want):
    difference = float((got - want).abs().max())
    print(f"{what}: largest difference {difference:.2e}, "
          f"largest value {float(want.abs().max()):.2f}")
    if not difference <= TOLERANCE:
        sys.exit(f"{what}: more than {TOLERANCE}")


def check(net):
    settings = SETTINGS
    if net != "resnet50":
        settings = [x for x in SETTINGS if not x.startswith("pool_padding")]
    model = random_weights(net)
    state = model.state_dict()
    counters = sum(name.endswith("num_batches_tracked") for name in state)
    run = at(f"run.{net}")
    save_file(state, at("torch.safetensors"))

    # In by name, as the net that it is: a run of no effect (rate 0).
    said = simcc("run", NET, "linear", "--data", at("shapes"), "--out", run,
                 "--init", at("torch.safetensors"), "--set", *settings)
    lines = [f"{len(state) - counters} tensors match", "0 missing", "0 extra",
             "0 of another shape"]
    if counters:
        lines.append(f"{counters} num_batches_tracked ignored")
    if net != "resnet50":
        lines.append(f'encoder = "{net}", as in the weights')
        settings = [*settings, f"encoder={net}"]
    for line in lines:
        if line not in said:
            sys.exit(f"--init did not say `{line}`:\n{said}")

    # The same images, the same logits.
    ours = os.path.join(run, "linear", "model.safetensors")
    images = embed("images", ours, settings)
    logits = embed("logits", ours, settings)
    with torch.no_grad():
        compare(f"{net}: logits of --init", logits, model(images))

    # Out again: every name, nothing more, the same bits.
    simcc("export", NET, "linear", "--out", run, "--backbone", "-o",
          at("export.safetensors"), "--set", *settings)
    exported = load_file(at("export.safetensors"))
    other = make(net)
    other.load_state_dict(exported, strict=True)
    for name, x in state.items():
        if not torch.equal(exported[name], x):
            sys.exit(f"{name} was changed on the way")
    with torch.no_grad():
        compare(f"{net}: logits of the export", logits, other(images))


def main():
    simcc("data", "synth", at("shapes"), "--classes", "10", "--per-class", "4",
          "--size", "64")
    for net in NETS:
        check(net)


main()
