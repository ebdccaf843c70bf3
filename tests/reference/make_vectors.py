"""Writes the vectors beside the .net files of this folder, from PyTorch in
double precision. Needs torch and numpy, and torchvision for the case vit:
    python make_vectors.py [CASE...]

Weights and inputs are a formula of their name and index (hashed), so a vector
file holds results only: outputs by step, and for each tensor the norm of its
change and the change's product with a hashed direction.
"""
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import nets

torch.set_default_dtype(torch.float64)
HERE = os.path.dirname(os.path.abspath(__file__))


def hashed(name, count, offset=0):
    """Numbers in [0, 1): splitmix64 of FNV-1a(name) and the index."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & (2**64 - 1)
    with np.errstate(over="ignore"):
        i = np.arange(offset + 1, offset + count + 1, dtype=np.uint64)
        x = np.uint64(seed) + i * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


def signed(name, shape, offset=0):
    count = int(np.prod(shape, dtype=np.int64))
    return torch.from_numpy(2 * hashed(name, count, offset) - 1).reshape(shape)


def initial(name, shape):
    name = name.removeprefix("ema.")
    if name.endswith(".bias"):
        return 0.1 * signed(name, shape)
    if len(shape) == 1:
        return 1 + 0.2 * signed(name, shape)
    fan_in = int(np.prod(shape[1:]))
    return math.sqrt(3 / fan_in) * signed(name, shape)


def probe(y):
    count = torch.arange(1, y.shape[1] + 1).reshape(
        [1, -1] + [1] * (y.dim() - 2)).to(y.dtype)
    return (y * y * count).mean() + y.mean()


# ---- update rules: (weights, gradients, step, total) -> in place ------------

NORMS = ("bn", "downsample.1.", "mix.1.", "conv1.1.", "conv1.4.")


def is_norm(name):
    return any(p in name for p in NORMS)


def is_classifier(name):
    return name.startswith("fc.") or ".fc." in name


def subtract():
    def update(weights, step, total):
        for w in weights.values():
            w -= w.grad
    return update


def cosine(peak, now, total):
    return peak * 0.5 * (1 + math.cos(math.pi * min(now / max(total, 1), 1)))


def warmup_cosine(peak, warmup, now, total):
    if now < warmup:
        return peak * now / warmup
    return cosine(peak, now - warmup, total - warmup)


def lars(peak, warmup, decay, trust=0.001, momentum=0.9, classic=True,
         nesterov=False):
    velocity = {}

    def ratio(name, w, d):
        if is_norm(name) or name.endswith(".bias") or is_classifier(name):
            return 1.0
        if not w.norm() > 0 or not d.norm() > 0:
            return 1.0
        return trust * w.norm() / d.norm()

    def update(weights, step, total):
        rate = warmup_cosine(peak, warmup, step, total)
        for name, w in weights.items():
            d = w.grad
            if not is_norm(name) and not name.endswith(".bias"):
                d = d + decay * w
            before = velocity.get(name, torch.zeros_like(w))
            move = rate * ratio(name, w, d) * d if classic else d
            v = velocity[name] = momentum * before + move
            u = momentum * v + move if nesterov else v
            w -= u if classic else rate * ratio(name, w, u) * u
    return update


def from_torch(make, rate, decay):
    """PyTorch's own optimizer, decay on everything but norms."""
    state = {}

    def update(weights, step, total):
        if not state:
            kept = [w for n, w in weights.items() if is_norm(n)]
            decayed = [w for n, w in weights.items() if not is_norm(n)]
            state["optimizer"] = make([{"params": kept, "weight_decay": 0.0},
                                       {"params": decayed,
                                        "weight_decay": decay}])
        for group in state["optimizer"].param_groups:
            group["lr"] = rate(step, total)
        state["optimizer"].step()
    return update


def grouped(make, rate, group_of, clip=None):
    """PyTorch's own optimizer with parameter groups: group_of gives a weight's
    (factor of the rate, decay). All gradients are clipped before."""
    state = {}

    def update(weights, step, total):
        if not state:
            groups = {}
            for name, w in weights.items():
                groups.setdefault(group_of(name), []).append(w)
            state["factors"] = [f for f, _ in groups]
            state["optimizer"] = make([{"params": ws, "weight_decay": decay}
                                       for (_, decay), ws in groups.items()])
        if clip:
            torch.nn.utils.clip_grad_norm_(weights.values(), clip)
        for group, factor in zip(state["optimizer"].param_groups,
                                 state["factors"]):
            group["lr"] = factor * rate(step, total)
        state["optimizer"].step()
    return update


def decayed_weights(decay):
    """Decay on everything but norms and biases."""
    return lambda name: (
        1.0, 0.0 if is_norm(name) or name.endswith(".bias") else decay)


def by_layer(name):
    """The groups of optimizer_layers.net."""
    factor = 0.1 if name.startswith("conv1.") else \
        0.5 if name.startswith("layer1.") else 1.0
    if is_norm(name):
        return factor, 0.0
    return factor, 1e-2 * (3.0 if is_classifier(name) else 1.0)


class Lamb(torch.optim.Optimizer):
    """You et al. 2020, algorithm 2; phi is the identity."""

    def __init__(self, groups, lr, betas=(0.9, 0.999), eps=1e-6):
        super().__init__(groups, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for w in group["params"]:
                s = self.state[w]
                if not s:
                    s.update(t=0, m=torch.zeros_like(w),
                             v=torch.zeros_like(w))
                s["t"] += 1
                s["m"].lerp_(w.grad, 1 - b1)
                s["v"].mul_(b2).addcmul_(w.grad, w.grad, value=1 - b2)
                u = (s["m"] / (1 - b1 ** s["t"])) / (
                    (s["v"] / (1 - b2 ** s["t"])).sqrt() + group["eps"])
                u = u + group["weight_decay"] * w
                ratio = 1.0
                if group["weight_decay"] and w.norm() > 0 and u.norm() > 0:
                    ratio = w.norm() / u.norm()
                w -= group["lr"] * ratio * u


def schedule(make):
    """The rates of one of PyTorch's schedulers, which counts steps."""
    w = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.05)
    scheduler = make(optimizer)
    rates = []

    def rate(step, total):
        while len(rates) <= step:
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return rates[step]
    return rate


def plain_sgd(rate, clip=None):
    return grouped(lambda g: torch.optim.SGD(g, lr=1, momentum=0.9,
                                             nesterov=True),
                   rate, lambda name: (1.0, 0.0), clip)


# ---- cases ------------------------------------------------------------------

CASES = {}


def case(name, **settings):
    def add(build):
        CASES[name] = (build, settings)
        return build
    return add


def block_case(name, size, channels, make):
    def build():
        model = nn.Module()
        model.pre = nets.conv(3, channels, 3)
        model.block = make()

        def forward(images, labels):
            return {"loss": probe(model.block(model.pre(images)))}
        return model, forward
    CASES[name] = (build, dict(batch=4, size=size, update=subtract))


B = nets.Block
block_case("basic_project", 7, 6, lambda: B(False, 6, 5, 2, True))
block_case("basic_identity", 7, 6, lambda: B(False, 6, 6, 1, False))
block_case("bottleneck", 7, 6, lambda: B(True, 6, 3, 2, True))
block_case("bottleneck_same", 7, 12, lambda: B(True, 12, 3, 1, False))
block_case("sk_stride2", 8, 6, lambda: B(True, 6, 4, 2, True, 0.0625))
block_case("sk_odd", 7, 6, lambda: B(True, 6, 4, 2, True, 0.0625))
block_case("sk_stride1", 8, 6, lambda: B(True, 6, 4, 1, True, 0.0625))
block_case("sk_same", 6, 16, lambda: B(True, 16, 4, 1, False, 0.0625))
block_case("se_bottleneck", 7, 12, lambda: B(True, 12, 3, 1, False, 0, 0.5))
block_case("se_basic", 7, 6, lambda: B(False, 6, 6, 1, False, 0, 0.5))


def net_case(name, size, make, pre=3):
    def build():
        model = make()
        if pre:
            model.pre = nets.conv(3, pre, 3)

        def forward(images, labels):
            return {"loss": probe(model(model.pre(images)))}
        return model, forward
    CASES[name] = (build, dict(batch=4, size=size, update=subtract))


def resnet(bottleneck, blocks, stem, sk=0.0):
    return nets.ResNet(stem(64), bottleneck, blocks,
                       [64, 128, 256, 512], sk)


net_case("stem_cifar", 8, lambda: nets.CifarStem(8))
net_case("stem_imagenet", 30, lambda: nets.ImagenetStem(8))
net_case("stem_deep", 30, lambda: nets.DeepStem(8))
net_case("resnet18", 16, lambda: resnet(False, [2, 2, 2, 2], nets.CifarStem))
net_case("resnet50", 9, lambda: resnet(True, [3, 4, 6, 3], nets.CifarStem))
net_case("resnet50_sk", 40,
         lambda: resnet(True, [3, 4, 6, 3], nets.DeepStem, 0.0625))


@case("groups", batch=3, size=9, update=subtract)
def groups():
    """Grouped, depthwise and dilated convolutions, PyTorch's own."""
    class Layer(nn.Module):
        def __init__(self, i, o, k, s=1, p=0, d=1, g=1):
            super().__init__()
            self.weight = nn.Parameter(torch.empty(o, i // g, k, k))
            self.rest = dict(stride=s, padding=p, dilation=d, groups=g)

        def forward(self, x):
            return F.conv2d(x, self.weight, **self.rest)

    model = nn.Module()
    model.pre = nets.conv(3, 8, 3)
    model.grouped = Layer(8, 12, 3, p=1, g=4)
    model.depthwise = Layer(12, 12, 3, s=2, p=1, g=12)
    model.doubled = Layer(12, 24, 5, p=2, g=12)
    model.dilated = Layer(24, 6, 3, p=2, d=2)
    model.both = Layer(6, 6, 3, p=(2, 3), d=(2, 3), g=2)

    def forward(images, labels):
        y = torch.relu(model.grouped(model.pre(images)))
        y = torch.tanh(model.doubled(model.depthwise(y)))
        return {"loss": probe(model.both(model.dilated(y)))}
    return model, forward


@case("transposed", batch=3, size=5, update=subtract)
def transposed():
    """Transposed convolutions, PyTorch's own."""
    class Layer(nn.Module):
        def __init__(self, i, o, k, s=1, p=0, more=0, d=1, g=1):
            super().__init__()
            self.weight = nn.Parameter(torch.empty(i, o // g, k, k))
            self.rest = dict(stride=s, padding=p, output_padding=more,
                             dilation=d, groups=g)

        def forward(self, x):
            return F.conv_transpose2d(x, self.weight, **self.rest)

    model = nn.Module()
    model.pre = nets.conv(3, 8, 3)
    model.plain = Layer(8, 6, 3)
    model.doubled = Layer(6, 16, 4, s=2, p=1)
    model.odd = Layer(16, 32, 3, s=2, p=1, more=1, g=4)
    model.dilated = Layer(32, 4, 3, p=2, d=2)

    def forward(images, labels):
        y = torch.relu(model.plain(model.pre(images)))
        y = torch.tanh(model.odd(model.doubled(y)))
        return {"loss": probe(model.dilated(y))}
    return model, forward


@case("activations", batch=4, size=6, update=subtract)
def activations():
    """Activations and the norms without a moving average, PyTorch's own; but
    F.hardsigmoid's gradient has 1 / 6 in single precision, off by 5e-9."""
    def each(x):
        return torch.cat([
            F.gelu(x), F.gelu(x, approximate="tanh"), F.silu(x),
            F.softplus(x, threshold=40), F.mish(x), F.leaky_relu(x),
            F.leaky_relu(x, 0.2), F.elu(x), F.elu(x, 0.7), F.relu6(x),
            F.relu6(x + 3) / 6, F.hardswish(x)], dim=1)

    model = nn.Module()
    model.first = nets.conv(3, 6, 3)
    model.norm = nn.LayerNorm(6)
    model.second = nets.conv(72, 8, 1)
    model.grouped = nn.GroupNorm(4, 8)
    model.fc = nn.Linear(96, 5)
    model.last = nn.LayerNorm(5, eps=1e-6)

    def forward(images, labels):
        x = model.first(images).permute(0, 2, 3, 1)
        x = each(4 * model.norm(x).permute(0, 3, 1, 2))
        x = model.grouped(model.second(x))
        x = each(3 * x.mean((2, 3)))
        return {"loss": probe(model.last(model.fc(x)))}
    return model, forward


class Table(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))


@case("products", batch=4, size=6, update=subtract)
def products():
    """Matrix products at every arrangement of the axes before the matrices."""
    model = nn.Module()
    model.shared = Table(6, 5)
    model.each = Table(3, 7, 6)
    model.first = Table(4, 1, 5, 6)
    model.wide = Table(2, 3, 6, 4)
    model.last = Table(4, 2)

    def forward(images, labels):
        x = 2 * images - 1
        b = model.each.weight @ x
        d = b @ (x @ model.shared.weight) @ model.first.weight
        f = (d.mT @ b).unsqueeze(1) @ model.wide.weight
        g = torch.einsum("bpcqw,brcqw->bqcpr", f, f)
        return {"loss": probe((model.last.weight @ g.tanh()).flatten(3))}
    return model, forward


@case("attention", batch=4, size=6, update=subtract)
def attention():
    """PyTorch's own attention, of tokens among themselves and at others."""
    model = nn.Module()
    model.pre = nets.conv(3, 8, 3)
    model.own = nn.MultiheadAttention(8, 2, batch_first=True)
    model.norm = nn.LayerNorm(8)
    model.other = nn.MultiheadAttention(8, 4, batch_first=True)

    def forward(images, labels):
        tokens = model.pre(images).flatten(2).mT
        x = model.own(tokens, tokens, tokens)[0]
        hidden = torch.arange(36) > 7 * torch.arange(5)[:, None]
        seen = tokens + x
        few = 3 * model.norm(tokens[:, 3:8])
        y = model.other(few, seen, seen, attn_mask=hidden)[0]
        return {"loss": probe(y) + probe(x)}
    return model, forward


@case("vit", batch=4, size=12, update=subtract)
def vit():
    """torchvision's vision transformer."""
    from torchvision.models import VisionTransformer
    model = VisionTransformer(image_size=12, patch_size=4, num_layers=2,
                              num_heads=3, hidden_dim=12, mlp_dim=20,
                              num_classes=5)

    def forward(images, labels):
        return {"loss": probe(model(images))}
    return model, forward


@case("index", batch=5, size=7, steps=2, classes=4, first_label=-1,
      update=subtract)
def index():
    """Rows by number (none for -1), places of maxima, images resized."""
    model = nn.Module()
    model.pre = nets.conv(3, 4, 3)
    model.fc = nn.Linear(4, 4)
    model.labels = Table(4, 3)
    model.classes = Table(4, 3)

    def take(x, numbers):
        there = (numbers >= 0) & (numbers < len(x))
        return x[torch.where(there, numbers, 0)] * there.unsqueeze(-1)

    def forward(images, labels):
        x = model.pre(images)
        larger = F.interpolate(x, (11, 9), mode="bilinear")
        near = F.interpolate(x, (10, 16))
        less = F.interpolate(larger, (4, 6), mode="bilinear")
        fewer = F.interpolate(near, 5)
        logits = model.fc(x.mean((2, 3)))
        best = logits.argmax(1)
        rows = take(model.labels.weight, labels)
        rows = rows + 2 * take(model.classes.weight, best)
        numbers = torch.arange(3)[:, None] + torch.arange(8) - 3
        twice = take(rows, numbers.reshape(3, 2, 4))
        return {"loss": probe(rows) + probe(twice) + probe(larger) + probe(near)
                + probe(less) + probe(fewer) + logits.mean(),
                "place": best.double().mean(),
                "across": x.argmax(3).double().mean(),
                "down": x.argmax(2).double().mean()}
    return model, forward


@case("norm_torch", batch=4, size=5, steps=3, update=subtract)
def norm_torch():
    """PyTorch's own norm, whose moving variance is the unbiased one."""
    model = nn.Module()
    model.pre = nets.conv(3, 6, 3)
    model.bn = nn.BatchNorm2d(6, eps=1e-3, momentum=0.01)

    def forward(images, labels):
        return {"loss": probe(model.bn(model.pre(images)))}
    return model, forward


@case("head", batch=5, views=2, size=6, update=subtract)
def head():
    model = nets.Head(12, 3, 7)
    model.pre = nets.conv(3, 12, 3)

    def forward(images, labels):
        taps = model(torch.relu(model.pre(images)).mean((2, 3)))
        ab = nets.view_similarities(taps[-1], 1.0)
        p = torch.softmax(ab / 0.1, 1)
        return {
            "loss": nets.nt_xent(taps[-1], 0.1),
            "contrastive_accuracy":
                (ab.argmax(1) == torch.arange(5)).double().mean(),
            "contrastive_entropy": -(p * torch.log(p + 1e-8)).sum(1).mean(),
            "tap": taps[1].mean(),
        }
    return model, forward


@case("distillation", batch=6, size=6, update=subtract)
def distillation():
    model = nn.Module()
    model.teacher = nn.Module()
    model.teacher.fc = nn.Linear(3, 5)
    model.pre = nets.conv(3, 12, 3)
    model.fc = nn.Linear(12, 5)

    def forward(images, labels):
        t = model.teacher.fc(images.mean((2, 3))).detach()
        s = model.fc(torch.relu(model.pre(images)).mean((2, 3)))
        p = torch.softmax(t / 0.5, 1)
        return {"loss": F.cross_entropy(s / 0.5, p),
                "agreement": (t.argmax(1) == s.argmax(1)).double().mean()}
    return model, forward


def small_resnet():
    return nets.ResNet(nets.CifarStem(6), False, [1, 1], [6, 8])


def labelled_case(name, update, loss=F.cross_entropy, first_label=0):
    def build():
        model = small_resnet()
        model.fc = nn.Linear(8, 5)

        def forward(images, labels):
            logits = model.fc(model(images))
            return {"loss": loss(logits, labels),
                    "top1": (logits.argmax(1) == labels).double().mean()}
        return model, forward
    CASES[name] = (build, dict(batch=8, size=8, steps=20, classes=5,
                               first_label=first_label, update=update))


labelled_case("optimizer_lars", lambda: lars(0.02, 5.0, 1e-2))
labelled_case("optimizer_lars_nesterov",
              lambda: lars(0.02, 5.0, 1e-2, nesterov=True))
labelled_case("optimizer_lars_velocity",
              lambda: lars(0.02, 5.0, 1e-2, classic=False))
labelled_case("optimizer_lars_velocity_nesterov",
              lambda: lars(0.02, 5.0, 1e-2, classic=False, nesterov=True))
labelled_case("optimizer_sgd", lambda: from_torch(
    lambda g: torch.optim.SGD(g, lr=1, momentum=0.9, nesterov=True),
    lambda s, t: cosine(0.05, s, t), 1e-2))
labelled_case("optimizer_adam", lambda: from_torch(
    lambda g: torch.optim.Adam(g, lr=1), lambda s, t: 0.01, 1e-2))


labelled_case("optimizer_adamw", lambda: grouped(
    lambda g: torch.optim.AdamW(g, lr=1), lambda s, t: 0.01,
    decayed_weights(0.05)))
labelled_case("optimizer_lamb", lambda: grouped(
    lambda g: Lamb(g, lr=1), lambda s, t: 0.01, decayed_weights(0.05)))
labelled_case("optimizer_clip", lambda: plain_sgd(lambda s, t: 0.05, 0.7))
labelled_case("optimizer_layers", lambda: grouped(
    lambda g: torch.optim.SGD(g, lr=1, momentum=0.9, nesterov=True),
    lambda s, t: 0.05, by_layer, 1.0))
labelled_case("schedule_steps", lambda: plain_sgd(schedule(
    lambda o: torch.optim.lr_scheduler.StepLR(o, 6, 0.3))))
labelled_case("schedule_milestones", lambda: plain_sgd(
    lambda s, t, rate=schedule(
        lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [3, 11], 0.2)):
    min(s / 5, 1) * rate(s, t)))
labelled_case("schedule_restarts", lambda: plain_sgd(schedule(
    lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        o, 6, 1, 0.001))))
labelled_case("schedule_growing", lambda: plain_sgd(schedule(
    lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        o, 2, 2, 0.001))))

CLASS_WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 0.25, 1.5])
labelled_case("loss_smoothing", lambda: plain_sgd(lambda s, t: 0.05),
              lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1))
labelled_case("loss_weights", lambda: plain_sgd(lambda s, t: 0.05),
              lambda x, y: F.cross_entropy(x, y, CLASS_WEIGHTS,
                                           label_smoothing=0.2))
labelled_case("loss_weights_unlabelled", lambda: plain_sgd(lambda s, t: 0.05),
              lambda x, y: F.cross_entropy(
                  x, y, CLASS_WEIGHTS, ignore_index=-1, reduction="none",
                  label_smoothing=0.2).mean(), first_label=-1)


def multi_labelled_case(name, loss):
    """Labels are five numbers of 0 and 1 for each image."""
    def build():
        model = small_resnet()
        model.fc = nn.Linear(8, 5)

        def forward(images, labels):
            logits, y = model.fc(model(images)), labels.double()
            right = (logits > 0) == (y > 0.5)
            best = logits.argmax(1, keepdim=True)
            return {"loss": loss(logits, y),
                    "label_accuracy": right.double().mean(),
                    "exact_match": right.all(1).double().mean(),
                    "best_is_there": y.gather(1, best).mean()}
        return model, forward
    CASES[name] = (build, dict(batch=8, size=8, steps=20, classes=2,
                               label_width=5,
                               update=lambda: plain_sgd(lambda s, t: 0.2)))


multi_labelled_case("loss_binary", F.binary_cross_entropy_with_logits)
multi_labelled_case("loss_binary_weights",
                    lambda x, y: F.binary_cross_entropy_with_logits(
                        x, y, pos_weight=CLASS_WEIGHTS))


@case("pretrain20", batch=8, views=2, size=8, steps=20,
      update=lambda: lars(0.01, 5.0, 1e-2))
def pretrain20():
    model = small_resnet()
    head = nets.Head(8, 3, 8)
    model.head = head.head

    def forward(images, labels):
        z = head(model(images))[-1]
        ab = nets.view_similarities(z, 1.0)
        return {"loss": nets.nt_xent(z, 0.5),
                "contrastive_accuracy":
                    (ab.argmax(1) == torch.arange(8)).double().mean()}
    return model, forward


class Projected(nn.Module):
    def __init__(self, layers):
        super().__init__()
        encoder = small_resnet()
        for name, part in encoder.named_children():
            self.add_module(name, part)
        self.head = nets.Head(8, layers, 8).head
        object.__setattr__(self, "encoder", encoder)

    def forward(self, images):
        return nets.run_head(self.head, self.encoder(images))[-1]


@case("memory", batch=4, views=2, size=8, steps=5,
      update=lambda: lars(0.05, 1.0, 1e-2))
def memory():
    model = nets.Remembered(Projected(3), 3, 4, 8, True, lambda step: 0.75)

    def forward(images, labels):
        z, past = model(images)
        ab = nets.view_similarities(z, 1.0)
        return {"loss": 2 * model.loss(z, past, 0.5),
                "contrastive_accuracy":
                    (ab.argmax(1) == torch.arange(4)).double().mean(),
                "loss_at_chance": torch.tensor(2 * math.log(7 + len(past)))}
    return model, forward


@case("memory_plain", batch=4, views=2, size=8, steps=5,
      update=lambda: from_torch(
          lambda g: torch.optim.SGD(g, lr=1, momentum=0.9, nesterov=True),
          lambda s, t: 0.02, 0.0))
def memory_plain():
    model = nets.Remembered(Projected(2), 3, 4, 8, False,
                            lambda step: 0.5 + 0.1 * step)

    def forward(images, labels):
        return {"loss": model.loss(*model(images), 2.0)}
    return model, forward


@case("probe", batch=6, views=2, size=8, steps=3, classes=5,
      update=lambda: lars(0.02, 1.0, 1e-2))
def probe_beside():
    """Linear evaluation in pretraining: nothing else learns from it."""
    model = small_resnet()
    model.head = nets.Head(8, 2, 8).head
    model.probe = nn.Module()
    model.probe.fc = nn.Linear(8, 5)

    def forward(images, labels):
        h = model(images)
        z = nets.run_head(model.head, h)[-1]
        logits = model.probe.fc(h.detach())
        seen = torch.cat([labels, labels])
        return {"loss": nets.nt_xent(z, 0.5) + F.cross_entropy(logits, seen),
                "probe_top1": (logits.argmax(1) == seen).double().mean()}
    return model, forward


@case("finetune20", batch=8, size=8, steps=20, classes=5,
      update=lambda: lars(0.05, 0.0, 0.0))
def finetune20():
    """From the first layer of the head, all of it trained."""
    model = small_resnet()
    model.head = nets.Head(8, 3, 8).head
    model.fc = nn.Linear(8, 5)

    def forward(images, labels):
        logits = model.fc(nets.run_head(model.head, model(images))[1])
        return {"loss": F.cross_entropy(logits, labels),
                "top1": (logits.argmax(1) == labels).double().mean()}
    return model, forward


@case("distill20", batch=8, size=8, steps=20, classes=5, first_label=-1,
      update=lambda: lars(0.02, 2.0, 1e-2))
def distill20():
    """A frozen teacher in inference mode, and a few labels beside it."""
    model = nets.ResNet(nets.CifarStem(5), False, [1, 1], [5, 6])
    model.fc = nn.Linear(6, 5)
    model.teacher = small_resnet()
    model.teacher.fc = nn.Linear(8, 5)
    model.teacher.eval().requires_grad_(False)

    def forward(images, labels):
        wanted = model.teacher.fc(model.teacher(images))
        logits = model.fc(model(images))
        known = labels >= 0
        soft = F.cross_entropy(logits / 0.5, torch.softmax(wanted / 0.5, 1))
        hard = F.cross_entropy(logits, labels, ignore_index=-1,
                               reduction="sum") / len(labels)
        right = (logits.argmax(1) == labels) & known
        return {"loss": 0.7 * soft * 0.25 + 0.3 * hard,
                "agreement":
                    (wanted.argmax(1) == logits.argmax(1)).double().mean(),
                "top1": right.sum() / known.sum().clamp(min=1)}
    return model, forward


def pixels(name, shape, step):
    return (signed(name, shape, step * math.prod(shape)) + 1) / 2


# ---- running them -----------------------------------------------------------


def run(name, build, batch, size, update, views=1, steps=1, classes=0,
        first_label=0, program=None, groups=None, label_width=1):
    """`program` says which program's phase the vectors are of, where that is
    no NAME.net beside them, and with which settings: lines for the test.
    `groups` are (views, size) of each tensor of views, where there are
    several; the model is given the list of them."""
    model, forward = build()
    weights = dict(model.named_parameters())
    states = {k: v for k, v in model.named_buffers()
              if not k.endswith("num_batches_tracked")}
    with torch.no_grad():
        for key, w in weights.items():
            w.copy_(initial(key, tuple(w.shape)))
    before = {k: v.detach().clone() for k, v in {**weights, **states}.items()}
    lines = []
    shape = (batch * views, 3, size, size)
    step_update = update()
    for step in range(steps):
        images = pixels("images", shape, step)
        if groups:
            images = [pixels(f"images.{i}" if i else "images",
                             (batch * count, 3, side, side), step)
                      for i, (count, side) in enumerate(groups)]
        count = batch * label_width
        labels = torch.from_numpy(np.floor(
            hashed("labels", count, step * count) * (classes - first_label)
        ).astype(np.int64) + first_label)
        if label_width > 1:
            labels = labels.reshape(batch, label_width)
        for w in weights.values():
            w.grad = None
        outputs = forward(images, labels)
        outputs["loss"].backward()
        trained = {k: w for k, w in weights.items() if w.grad is not None}
        for key, value in outputs.items():
            lines.append(f"output {step} {key} {float(value.detach()):.17g}")
        with torch.no_grad():
            step_update(trained, step, steps)
            if hasattr(model, "after_step"):
                model.after_step()
    states = {k: v for k, v in model.named_buffers() if k in states}
    for key, value in {**weights, **states}.items():
        change = (value.detach() - before[key]).reshape(-1)
        direction = signed("probe." + key, change.shape)
        lines.append(f"change {key} {float(change.norm()):.17g} "
                     f"{float(change @ direction):.17g}")
    with open(os.path.join(HERE, name + ".txt"), "w") as out:
        out.write(f"steps {steps}\nclasses {classes}\n")
        if first_label:
            out.write(f"first_label {first_label}\n")
        for line in program or ():
            out.write(line + "\n")
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or list(CASES)
    for case_name, (make, settings) in CASES.items():
        if case_name not in wanted:
            continue
        run(case_name, make, **settings)
        print(case_name)
