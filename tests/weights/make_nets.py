"""Files of weights of torchvision's nets beside ResNet, small and random, and
the logits that torchvision makes with them.

python make_nets.py SIMCC DIR    writes the files beside this one

Needs torch and torchvision; DIR is for what does not stay.
"""
import os
import sys

import numpy as np
import torch
from torchvision.models import convnext, mobilenetv3, regnet

from common import HERE, SMALL, Simcc, compare, write_expected

SIMCC = Simcc(*sys.argv[1:3])
CLASSES = 5


def regnet_y_tiny():
    params = regnet.BlockParams.from_init_params(2, 8, 8.0, 2.0, 8, 1.0, 0.25)
    return regnet.RegNet(params, CLASSES, stem_width=8)


def mobilenet_v3_tiny():
    rows = [mobilenetv3.InvertedResidualConfig(*row, 1, 0.5) for row in (
        (16, 3, 16, 8, True, "RE", 2), (8, 5, 24, 8, False, "HS", 1))]
    return mobilenetv3.MobileNetV3(rows, 8, CLASSES)


def convnext_tinier():
    rows = [convnext.CNBlockConfig(8, 16, 1),
            convnext.CNBlockConfig(16, None, 1)]
    return convnext.ConvNeXt(rows, num_classes=CLASSES)


def randomize(model):
    """Numbers of which every one matters."""
    torch.manual_seed(1)
    for name, x in model.state_dict().items():
        if not x.is_floating_point():
            continue
        if name.endswith(("running_var", "layer_scale")) or (
                x.dim() == 1 and name.endswith("weight")):
            x.uniform_(0.5, 1.5)
        elif x.dim() > 1:
            x.normal_(0, (2 / x[0].numel()) ** 0.5)
        else:
            x.normal_(0, 0.1)
    return model.eval()


def main():
    net, size = os.path.join(HERE, "nets.net"), SMALL["image_size"]
    for make in (regnet_y_tiny, mobilenet_v3_tiny, convnext_tinier):
        name = make.__name__
        model = randomize(make())
        path = os.path.join(HERE, f"{name}.pth")
        torch.save(model.state_dict(), path)
        words = ["embed", net, "classify", "--data", SIMCC.images(size),
                 "--weights", path, "--split", "test", "--set", f"net={name}"]
        got = {}
        for value in ("images", "logits"):
            out = os.path.join(SIMCC.work, f"{value}.npy")
            SIMCC.run(*words[:3], "--value", value, "-o", out, *words[3:])
            got[value] = np.load(out)
        with torch.no_grad():
            want = model(torch.from_numpy(got["images"])).numpy()
        compare(f"{name} logits", got["logits"], want, 1e-5)
        write_expected(os.path.join(HERE, f"{name}.pth.logits.csv"), want)


main()
