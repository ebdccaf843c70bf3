"""Weights to torchvision and back: python torchvision_check.py SIMCC DIR.

Random torchvision weights (running statistics too) enter `simcc run --init`
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


def random_weights():
    """A ResNet-50 whose every tensor matters, its features of size one."""
    torch.manual_seed(1)
    model = torchvision.models.resnet50(num_classes=10).eval()
    for name, x in model.state_dict().items():
        if name.endswith(("bn1.bias", "running_mean")):
            x.normal_(0, 0.1)
        elif name.endswith("running_var"):
            x.uniform_(0.5, 1.5)
        elif name.endswith("bn3.weight"):
            x.uniform_(0.1, 0.4)
    return model


def embed(value, weights):
    simcc("embed", NET, "linear", "--data", at("shapes"), "--weights", weights,
          "--value", value, "--split", "test", "-o", at("value.npy"),
          "--set", *SETTINGS)
    return torch.from_numpy(np.load(at("value.npy")))


def compare(what, got, want):
    difference = float((got - want).abs().max())
    print(f"{what}: largest difference {difference:.2e}, "
          f"largest value {float(want.abs().max()):.2f}")
    if not difference <= TOLERANCE:
        sys.exit(f"{what}: more than {TOLERANCE}")


def main():
    simcc("data", "synth", at("shapes"), "--classes", "10", "--per-class", "4",
          "--size", "64")
    model = random_weights()
    save_file(model.state_dict(), at("torch.safetensors"))

    # In by name: a run of no effect (rate 0) starts from them.
    said = simcc("run", NET, "linear", "--data", at("shapes"), "--out",
                 at("run"), "--init", at("torch.safetensors"), "--set",
                 *SETTINGS)
    for line in ("267 tensors match", "0 missing", "0 extra",
                 "0 of another shape", "53 num_batches_tracked ignored"):
        if line not in said:
            sys.exit(f"--init did not say `{line}`:\n{said}")

    # The same images, the same logits.
    ours = at("run/linear/model.safetensors")
    images = embed("images", ours)
    logits = embed("logits", ours)
    with torch.no_grad():
        compare("logits of --init", logits, model(images))

    # Out again: every name, nothing more, the same bits.
    simcc("export", NET, "linear", "--out", at("run"), "--backbone", "-o",
          at("export.safetensors"), "--set", *SETTINGS)
    exported = load_file(at("export.safetensors"))
    other = torchvision.models.resnet50(num_classes=10).eval()
    other.load_state_dict(exported, strict=True)
    for name, x in model.state_dict().items():
        if not torch.equal(exported[name], x):
            sys.exit(f"{name} was changed on the way")
    with torch.no_grad():
        compare("logits of the export", logits, other(images))


main()
