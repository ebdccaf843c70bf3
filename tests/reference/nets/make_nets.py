"""Writes the vectors of this folder, from torchvision's own nets in double
precision:  python make_nets.py [CASE...]

Small nets of each family take ten steps of SGD (CASE.net); whole nets give the
logits of two images, in inference mode (logits.net). Weights and inputs are the
formula of ../make_vectors.py, and so are the running statistics of whole nets.
Needs torch, torchvision and numpy.
"""
import os
import sys

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models import (convnext, efficientnet, mobilenetv2,
                                mobilenetv3, regnet, resnet)
from torchvision.ops import SqueezeExcitation

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import make_vectors as vectors  # noqa: E402

CLASSES = 5
WHOLE = ["resnext50_32x4d", "regnet_y_800mf", "regnet_x_800mf", "mobilenet_v2",
         "mobilenet_v3_large", "mobilenet_v3_small", "efficientnet_b0",
         "convnext_tiny", "vit_ti_16"]


class Bottlenecks(nn.Module):
    """torchvision's bottlenecks, in a ResNet of any size."""

    def __init__(self, blocks, groups, base_width, filters):
        super().__init__()
        self.conv1 = nn.Conv2d(3, filters, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.count = len(blocks)
        channels = filters
        for g, count in enumerate(blocks):
            planes, layer = filters << g, []
            for i in range(count):
                stride, down = 2 if i == 0 and g > 0 else 1, None
                if i == 0:
                    down = nn.Sequential(
                        nn.Conv2d(channels, 4 * planes, 1, stride, bias=False),
                        nn.BatchNorm2d(4 * planes))
                layer.append(resnet.Bottleneck(channels, planes, stride, down,
                                               groups, base_width))
                channels = 4 * planes
            setattr(self, f"layer{g + 1}", nn.Sequential(*layer))
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for g in range(self.count):
            x = getattr(self, f"layer{g + 1}")(x)
        return self.fc(x.mean((2, 3)))


def small_regnet(depth, w_0, w_a, w_m, group_width, se_ratio=None):
    params = regnet.BlockParams.from_init_params(depth, w_0, w_a, w_m,
                                                 group_width, 1.0, se_ratio)
    return regnet.RegNet(params, CLASSES, stem_width=8)


class Hardsigmoid(nn.Module):
    """PyTorch's own has a gradient of 1.0f / 6.0f, in double precision too."""

    def forward(self, x):
        return F.relu6(x + 3) / 6


def small_v3():
    rows = [(16, 3, 16, 16, True, "RE", 2), (16, 5, 64, 24, False, "HS", 2),
            (24, 3, 88, 24, True, "HS", 1)]
    rows = [mobilenetv3.InvertedResidualConfig(*r, 1, 0.75) for r in rows]
    model = mobilenetv3.MobileNetV3(rows, 24, CLASSES, dropout=0.0)
    for part in model.modules():
        if isinstance(part, SqueezeExcitation):
            part.scale_activation = Hardsigmoid()
    return model


def small_efficientnet():
    rows = [efficientnet.MBConvConfig(1, 3, 1, 8, 8, 1),
            efficientnet.MBConvConfig(6, 5, 2, 8, 16, 2)]
    return efficientnet.EfficientNet(rows, 0.0, 0.0, CLASSES)


def small_convnext():
    rows = [convnext.CNBlockConfig(8, 16, 1),
            convnext.CNBlockConfig(16, None, 2)]
    return convnext.ConvNeXt(rows, num_classes=CLASSES)


def vit(size, patch, width, depth, heads, mlp):
    return torchvision.models.VisionTransformer(
        size, patch, depth, heads, width, mlp, num_classes=CLASSES)


TRAINED = {
    "resnext": (lambda: Bottlenecks([1, 2], 2, 32, 8), 24),
    "wide_resnet": (lambda: Bottlenecks([1, 2], 1, 128, 4), 24),
    "regnet_y": (lambda: small_regnet(4, 16, 5.0, 2.1, 8, 0.25), 24),
    "regnet_x": (lambda: small_regnet(5, 24, 6.5, 1.9, 16), 24),
    "mobilenet_v2": (lambda: mobilenetv2.MobileNetV2(
        CLASSES, 0.5, [[1, 16, 1, 1], [6, 24, 2, 2]], dropout=0.0), 16),
    "mobilenet_v3": (small_v3, 24),
    "efficientnet": (small_efficientnet, 16),
    "convnext": (small_convnext, 24),
    "vit": (lambda: vit(16, 4, 8, 2, 2, 12), 16),
}


def is_decayed(name, w):
    """ResNets tell norms by their names; of the others every vector stays as
    it is, ConvNeXt's layer scales [c, 1, 1], and a ViT's tokens."""
    if name.startswith(("features.", "classifier.", "stem.", "trunk_output.",
                        "conv_proj.", "class_token", "encoder.")):
        return w.dim() in (2, 4)
    return not vectors.is_norm(name)


def sgd():
    state = {}

    def update(weights, step, total):
        if not state:
            groups = [{"params": [w for n, w in weights.items()
                                  if is_decayed(n, w) == decayed],
                       "weight_decay": 0.01 * decayed}
                      for decayed in (False, True)]
            state["optimizer"] = torch.optim.SGD(groups, 0.01, momentum=0.9,
                                                 nesterov=True)
        state["optimizer"].step()
    return update


def train(name, make, size):
    def build():
        model = make().train()
        return model, lambda images, labels: {
            "loss": F.cross_entropy(model(images), labels)}
    vectors.run(os.path.join("nets", name), build, 6, size, sgd, steps=10,
                classes=CLASSES)


@torch.no_grad()
def logits(name):
    if name == "vit_ti_16":  # torchvision begins with B
        model = vit(64, 16, 192, 12, 3, 768).eval()
    else:
        model = torchvision.models.get_model(name, num_classes=CLASSES).eval()
    for key, w in model.named_parameters():
        w.copy_(vectors.initial(key, tuple(w.shape)))
    for key, x in model.named_buffers():
        if key.endswith("running_mean"):
            x.copy_(0.1 * vectors.signed(key, x.shape))
        elif key.endswith("running_var"):
            x.copy_(1 + 0.5 * vectors.signed(key, x.shape))
    images = (vectors.signed("images", (2, 3, 64, 64)) + 1) / 2
    y = model(images)
    lines = [f"output 0 {'ab'[i]}{k} {float(y[i, k]):.17g}"
             for i in range(2) for k in range(CLASSES)]
    lines.append(f"output 0 loss {float(vectors.probe(y)):.17g}")
    with open(os.path.join(HERE, f"logits_{name}.txt"), "w") as out:
        out.write(f"steps 1\nclasses {CLASSES}\nstatistics 1\n")
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or [*TRAINED, *WHOLE]
    for case, (make, size) in TRAINED.items():
        if case in wanted:
            train(case, make, size)
    for case in WHOLE:
        if case in wanted:
            logits(case)
