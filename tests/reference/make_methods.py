"""Writes the vectors of the methods: of the losses of models/lib/methods.net
beside the .net files of this folder, and of whole pretraining phases of
models/methods (model_*.txt), from PyTorch in double precision, by the papers'
formulas. Needs torch, torchvision and numpy:
    python make_methods.py [CASE...]
"""
import copy
import functools
import math
import sys

import torch
import torch.nn.functional as F
from torch import nn

import make_vectors as base
import nets

# ---- nets -------------------------------------------------------------------


class BareNorm(nn.Module):
    """Batch norm without weight and bias."""

    def __init__(self, c):
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(c))
        self.register_buffer("running_var", torch.ones(c))

    def forward(self, x):
        mean, var = x.mean(0), x.var(0, unbiased=False)
        with torch.no_grad():
            self.running_mean.mul_(0.9).add_(0.1 * mean)
            self.running_var.mul_(0.9).add_(0.1 * var)
        return (x - mean) / torch.sqrt(var + 1e-5)


class Layer(nn.Module):
    def __init__(self, i, o, bias, bn):
        super().__init__()
        self.dense = nn.Linear(i, o, bias=bias)
        if bn is not None:
            self.bn = bn


class Mlp(nn.ModuleList):
    def __init__(self, i, sizes, last_bias=False, norm=True, last_norm=False):
        super().__init__()
        for o in sizes[:-1]:
            self.append(Layer(i, o, not norm, nets.Norm(o) if norm else None))
            i = o
        self.append(Layer(i, sizes[-1], last_bias,
                          BareNorm(sizes[-1]) if last_norm else None))

    def forward(self, x):
        for k, layer in enumerate(self):
            x = layer.dense(x)
            if hasattr(layer, "bn"):
                x = layer.bn(x)
            if k < len(self) - 1:
                x = torch.relu(x)
        return x


def encoder(filters):
    return nets.ResNet(nets.CifarStem(filters[0]), False, [1] * len(filters),
                       filters)


class Siamese(nn.Module):
    """An encoder, a projector, and where there are such a predictor and a
    moving average of the first two. Views are passed one after the other, or
    together."""

    def __init__(self, filters, projector, predictor=None, apart=True,
                 decay=None, name="projector"):
        super().__init__()
        trunk = encoder(filters)
        for part, module in trunk.named_children():
            self.add_module(part, module)
        self.add_module(name, projector)
        object.__setattr__(self, "projector", projector)
        slow = copy.deepcopy(self) if decay else None
        if predictor:
            self.predictor = predictor
        object.__setattr__(self, "trunk", trunk)
        self.apart, self.decay, self.steps = apart, decay, 0
        if slow:
            self.ema = slow.requires_grad_(False)
            copied = encoder(filters)
            for part, _ in trunk.named_children():
                setattr(copied, part, getattr(slow, part))
            copied.stem = nn.Module()
            object.__setattr__(copied, "stem", lambda x: torch.relu(
                slow.bn1(slow.conv1(x))))
            object.__setattr__(self, "slow", copied)

    def each(self, f, x):
        if not self.apart:
            return f(x)
        return torch.cat([f(view) for view in x.chunk(2)])

    def features(self, images):
        return self.each(self.trunk, images)

    def targets(self, images):
        """The moving average's projections, which begin as the net's."""
        with torch.no_grad():
            if self.steps == 0:
                own = dict(self.named_parameters())
                for name, slow in self.ema.named_parameters():
                    slow.copy_(own[name])
            return self.each(self.ema.projector, self.each(self.slow, images))

    def after_step(self):
        if self.decay:
            m = self.decay(self.steps)
            own = dict(self.named_parameters())
            for name, slow in self.ema.named_parameters():
                slow.mul_(m).add_((1 - m) * own[name])
        self.steps += 1


# ---- losses -----------------------------------------------------------------


def unit(z):
    return z / z.norm(dim=1, keepdim=True)


def supcon(z, labels, tau):
    """Equation 2 of Khosla et al., a row at a time."""
    z = unit(z)
    labels = torch.cat([labels, labels])
    rows = len(z)
    table = torch.exp(z @ z.T / tau)
    total = 0
    for i in range(rows):
        others = [a for a in range(rows) if a != i]
        same = [p for p in others if labels[p] == labels[i]]
        if labels[i] < 0:
            same = [(i + rows // 2) % rows]
        below = table[i, others].sum()
        total -= torch.log(table[i, same] / below).mean()
    return total / rows


def info_nce(q, k, tau):
    logits = unit(q) @ unit(k).T / tau
    return 2 * tau * F.cross_entropy(logits, torch.arange(len(q)))


def moco(q, k, tau):
    (q1, q2), (k1, k2) = q.chunk(2), k.chunk(2)
    return info_nce(q1, k2, tau) + info_nce(q2, k1, tau)


def byol(p, t):
    (p1, p2), (t1, t2) = p.chunk(2), t.chunk(2)
    return sum(((unit(a) - unit(b)) ** 2).sum(1).mean()
               for a, b in ((p1, t2), (p2, t1)))


def simsiam(p, z):
    (p1, p2), (z1, z2) = p.chunk(2), z.detach().chunk(2)
    return -(F.cosine_similarity(p1, z2).mean() +
             F.cosine_similarity(p2, z1).mean()) / 2


def barlow_twins(z, weight):
    a, b = z.chunk(2)
    a = F.batch_norm(a, None, None, training=True, eps=1e-5)
    b = F.batch_norm(b, None, None, training=True, eps=1e-5)
    c = a.T @ b / len(a)
    on = torch.diagonal(c)
    return ((1 - on) ** 2).sum() + weight * ((c ** 2).sum() - (on ** 2).sum())


def vicreg(z, invariance, variance, covariance):
    loss = invariance * F.mse_loss(*z.chunk(2))
    for view in z.chunk(2):
        missing = torch.relu(1 - torch.sqrt(view.var(0) + 1e-4)).mean()
        cov = torch.cov(view.T)
        off = cov - torch.diag(torch.diagonal(cov))
        loss = loss + variance * missing + \
            covariance * (off ** 2).sum() / z.shape[1]
    return loss


def sinkhorn(scores, eps, iterations):
    """The transport polytope's: rows are prototypes, each of mass 1 / K, columns
    images, each of mass 1 / N."""
    with torch.no_grad():
        q = torch.exp(scores / eps).T
        q = q / q.sum()
        for _ in range(iterations):
            q = q / q.sum(1, keepdim=True) / q.shape[0]
            q = q / q.sum(0, keepdim=True) / q.shape[1]
        return (q * q.shape[1]).T


def swav(scores, tau, eps, iterations):
    total = 0
    for assigned in (0, 1):
        q = sinkhorn(scores[assigned], eps, iterations)
        others = [s for v, s in enumerate(scores) if v != assigned]
        total = total + sum(F.cross_entropy(s / tau, q)
                            for s in others) / len(others)
    return total / 2


# ---- reports ----------------------------------------------------------------


def spread(h):
    u = unit(h)
    return torch.sqrt(u.var(0, unbiased=False) + 1e-12).mean() * \
        math.sqrt(h.shape[1])


def effective_rank(h):
    values = torch.linalg.svdvals(unit(h) - unit(h).mean(0)) ** 2
    return values.sum() ** 2 / (values ** 2).sum()


def accuracy(a, b):
    best = (unit(a) @ unit(b).T).argmax(1)
    return (best == torch.arange(len(a))).double().mean()


# ---- the losses' gradients --------------------------------------------------


def gradient_case(name, projector, loss, predictor=None, ema=False, **settings):
    def build():
        model = Siamese([4, 6], projector(),
                        predictor() if predictor else None,
                        decay=(lambda step: 0.9) if ema else None)

        def forward(images, labels):
            z = model.each(model.projector, model.features(images))
            p = model.each(model.predictor, z) if predictor else None
            k = model.targets(images) if ema else None
            return {"loss": loss(z, p, k, labels)}
        return model, forward
    base.CASES[name] = (build, dict(batch=6, views=2, size=8,
                                    update=base.subtract, **settings))


gradient_case("supcon", lambda: Mlp(6, [8, 5], last_bias=True, norm=False),
              lambda z, p, k, y: supcon(z, y, 0.3), classes=3, first_label=-1)
gradient_case("moco", lambda: Mlp(6, [8, 5], last_norm=True),
              lambda z, p, k, y: moco(p, k, 0.3),
              lambda: Mlp(5, [12, 5], last_norm=True), ema=True)
gradient_case("byol", lambda: Mlp(6, [8, 5]),
              lambda z, p, k, y: byol(p, k),
              lambda: Mlp(5, [12, 5]), ema=True)
gradient_case("simsiam", lambda: Mlp(6, [8, 8, 5], last_norm=True),
              lambda z, p, k, y: simsiam(p, z),
              lambda: Mlp(5, [3, 5], last_bias=True))
gradient_case("barlow_twins", lambda: Mlp(6, [8, 8, 5]),
              lambda z, p, k, y: barlow_twins(z, 0.05))
gradient_case("vicreg", lambda: Mlp(6, [8, 8, 5]),
              lambda z, p, k, y: vicreg(z, 20.0, 15.0, 2.0))


@base.case("swav", batch=6, views=3, size=8, update=base.subtract)
def swav_of_three():
    """Two views that are assigned, and a third that is not."""
    model = Siamese([4, 6], Mlp(6, [8, 5], last_bias=True), apart=False)
    model.prototypes = nn.Linear(5, 9, bias=False)

    def forward(images, labels):
        z = unit(model.projector(model.features(images)))
        scores = z @ unit(model.prototypes.weight).T
        return {"loss": swav(scores.chunk(3), 0.2, 0.1, 4)}
    return model, forward


# ---- masked autoencoders ----------------------------------------------------


def grid_positions(side, width):
    """Columns in the first half, rows in the second."""
    table = torch.empty(side, side, width)
    for row in range(side):
        for column in range(side):
            for half, at in enumerate((column, row)):
                for i in range(width // 4):
                    angle = at / 10000 ** (i / (width // 4))
                    start = half * width // 2 + i
                    table[row, column, start] = math.sin(angle)
                    table[row, column, start + width // 4] = math.cos(angle)
    return table.reshape(side * side, width)


class Blocks(nn.Module):
    """torchvision's blocks and last norm."""

    def __init__(self, width, depth, heads):
        super().__init__()
        from torchvision.models.vision_transformer import EncoderBlock
        make = functools.partial(nn.LayerNorm, eps=1e-6)
        self.layers = nn.Module()
        for i in range(depth):
            block = EncoderBlock(heads, width, 4 * width, 0.0, 0.0, make)
            self.layers.add_module(f"encoder_layer_{i}", block)
        self.ln = make(width)

    def forward(self, x):
        for block in self.layers.children():
            x = block(x)
        return self.ln(x)


@base.case("mae", batch=3, size=12, update=base.subtract)
def mae():
    model = nn.Module()
    model.conv_proj = nn.Conv2d(3, 8, 4, 4)
    model.class_token = nn.Parameter(torch.empty(1, 1, 8))
    model.encoder = Blocks(8, 2, 2)
    model.decoder = Blocks(12, 1, 3)
    model.decoder.embed = nn.Linear(8, 12)
    model.decoder.mask_token = nn.Parameter(torch.empty(1, 1, 12))
    model.decoder.pred = nn.Linear(12, 48)

    def forward(images, labels):
        pixels = F.unfold(images, 4, stride=4).mT  # [n, 9, c * 4 * 4]
        pixels = pixels.reshape(3, 9, 3, 16).mT.reshape(3, 9, 48)
        shuffled = pixels.mean(-1).argsort(1)
        tokens = model.conv_proj(images).flatten(2).mT + grid_positions(3, 8)
        total = 0
        for n in range(3):
            seen, hidden = shuffled[n, :3], shuffled[n, 3:]
            x = torch.cat([model.class_token[0], tokens[n, seen]])
            x = model.decoder.embed(model.encoder(x[None])[0])
            every = [model.decoder.mask_token[0, 0]] * 9
            for k, place in enumerate(seen.tolist()):
                every[place] = x[1 + k]
            every = torch.stack(every) + grid_positions(3, 12)
            y = model.decoder(torch.cat([x[:1], every])[None])[0, 1:]
            made = model.decoder.pred(y)[hidden]
            wanted = pixels[n, hidden]
            total = total + 0.1 * F.mse_loss(made, wanted)
            wanted = (wanted - wanted.mean(1, keepdim=True)) / torch.sqrt(
                wanted.var(1, keepdim=True) + 1e-6)
            total = total + F.mse_loss(made, wanted)
        return {"loss": total / 3}
    return model, forward


# ---- whole phases of models/methods -----------------------------------------

BATCH, STEPS, WARMUP = 8, 6, 2


def scheduled(peak, step, least=0.0):
    """A warm-up of WARMUP steps, then the cosine to `least`."""
    if step < WARMUP:
        return peak * step / WARMUP
    return least + base.cosine(peak - least, step - WARMUP, STEPS - WARMUP)


def small(name):
    return base.is_norm(name) or name.endswith(".bias")


def lars(rate, decay, factor=lambda name: 1.0, all_alike=False):
    velocity = {}

    def update(weights, step, total):
        for name, w in weights.items():
            plain = small(name) and not all_alike
            bare = plain or name == "prototypes.weight"
            d = w.grad if bare else w.grad + decay * w
            trust = 1.0
            if not plain and w.norm() > 0 and d.norm() > 0:
                trust = 0.001 * w.norm() / d.norm()
            move = factor(name) * rate(step) * trust * d
            velocity[name] = 0.9 * velocity.get(name, 0) + move
            w -= velocity[name]
    return update


def sgd(rate, decay, undecayed=lambda name: False, clip=None):
    """PyTorch's own, with a rate by the weight's name."""
    state = {}

    def update(weights, step, total):
        if not state:
            state["sgd"] = torch.optim.SGD(
                [{"params": [w], "name": n,
                  "weight_decay": 0.0 if undecayed(n) else decay}
                 for n, w in weights.items()], lr=1, momentum=0.9)
        if clip:
            torch.nn.utils.clip_grad_norm_(weights.values(), clip)
        for group in state["sgd"].param_groups:
            group["lr"] = rate(group["name"], step)
        state["sgd"].step()
    return update


APART = ((1, 8), (1, 8))


def model_case(method, make, reports, update, rate, settings=(), classes=0,
               groups=APART, case=None):
    """Of models/methods/METHOD.net; `case` names one of other settings.
    reports(model, h, images, labels) has the loss and what is reported
    beside spread, rank and rate. Groups of as many images are two views, each
    a tensor; others are global and local crops."""
    def build():
        model = make()

        def forward(images, labels):
            local = None
            if groups:
                local = images[-1] if groups[-1] != groups[0] else None
                images = torch.cat([x for x, group in zip(images, groups)
                                    if group[1] == groups[0][1]])
            h = model.features(images)
            model.local = local
            out = reports(model, h, images, labels)
            out.update(spread=spread(h), effective_rank=effective_rank(h),
                       learning_rate=torch.tensor(rate(model.steps)))
            return out
        return model, forward
    program = [f"program models/methods/{method}.net", "phase pretrain"]
    common = ["encoder=small", "filters=4", "image_size=8",
              f"pretrain.batch={BATCH}"]
    program += ["set " + s.replace("=", " ") for s in (*common, *settings)]
    base.CASES["model_" + (case or method)] = (
        build, dict(batch=BATCH, views=2, size=8, steps=STEPS, classes=classes,
                    update=update, program=program, groups=groups))


STAGES = [4, 8, 16]
WARM = f"pretrain.warmup_epochs={WARMUP / STEPS!r}"


def linear(peak):
    return peak * BATCH / 256


def growing(least, step):
    return 1 - (1 - least) * (math.cos(math.pi * min(step / STEPS, 1)) + 1) / 2


def projections(model, h):
    return model.each(model.projector, h)


def predictions(model, h):
    return model.each(model.predictor, projections(model, h))


def plain_rate(peak, least=0.0):
    return lambda step: scheduled(peak, step, least)


def simclr_reports(model, h, images, labels):
    z = nets.run_head(model.head, h)[-1]
    a, b = z.chunk(2)
    return {"loss": nets.nt_xent(z, 0.1) / 2,
            "contrastive_accuracy": accuracy(a, b),
            "loss_at_chance": torch.tensor(math.log(2 * BATCH - 1))}


def simclr_model():
    model = Siamese(STAGES, nn.Identity(), apart=False)
    del model._modules["projector"]
    model.head = nets.Head(16, 2, 6).head
    return model


model_case("simclr", simclr_model, simclr_reports,
           lambda: lars(plain_rate(linear(0.3)), 1e-6),
           plain_rate(linear(0.3)), ["head_out=6", WARM], groups=None)


def supcon_reports(model, h, images, labels):
    z = projections(model, h)
    a, b = z.chunk(2)
    return {"loss": supcon(z, labels, 0.1),
            "contrastive_accuracy": accuracy(a, b)}


model_case("supcon",
           lambda: Siamese(STAGES, Mlp(16, [12, 6], last_bias=True, norm=False),
                           apart=False),
           supcon_reports,
           lambda: sgd(lambda name, step: scheduled(0.5, step, 0.0005), 1e-4),
           plain_rate(0.5, 0.0005),
           ["head_hidden=12", "head_out=6", "classes=3", WARM], classes=3,
           groups=None)


def moco_reports(model, h, images, labels):
    q, k = predictions(model, h), model.targets(images)
    return {"loss": moco(q, k, 1.0),
            "moco_accuracy": accuracy(q.chunk(2)[0], k.chunk(2)[1])}


model_case("mocov3",
           lambda: Siamese(STAGES, Mlp(16, [12, 6], last_norm=True),
                           Mlp(6, [12, 6], last_norm=True),
                           decay=lambda step: growing(0.99, step + 1)),
           moco_reports, lambda: lars(plain_rate(linear(0.45)), 1e-6),
           plain_rate(linear(0.45)), ["hidden=12", "out=6", WARM])
model_case("byol",
           lambda: Siamese(STAGES, Mlp(16, [12, 6]),
                           Mlp(6, [12, 6]),
                           decay=lambda step: growing(0.996, step)),
           lambda model, h, images, labels: {
               "loss": byol(predictions(model, h), model.targets(images))},
           lambda: lars(plain_rate(linear(0.2)), 1.5e-6),
           plain_rate(linear(0.2)), ["hidden=12", "out=6", WARM])


def simsiam_reports(model, h, images, labels):
    z = projections(model, h)
    return {"loss": simsiam(model.each(model.predictor, z), z),
            "spread_of_z": spread(z)}


model_case("simsiam",
           lambda: Siamese(STAGES, Mlp(16, [12, 12, 6], last_norm=True),
                           Mlp(6, [4, 6], last_bias=True)),
           simsiam_reports,
           lambda: sgd(lambda name, step: linear(0.05) if
                       name.startswith("predictor.") else
                       base.cosine(linear(0.05), step, STEPS), 1e-4),
           lambda step: base.cosine(linear(0.05), step, STEPS),
           ["hidden=12", "out=6", "predictor_hidden=4"])


def of_projections(loss):
    def reports(model, h, images, labels):
        z = projections(model, h)
        return {"loss": loss(z), "spread_of_z": spread(z)}
    return reports


model_case("barlow_twins", lambda: Siamese(STAGES, Mlp(16, [12, 12, 6])),
           of_projections(lambda z: barlow_twins(z, 0.005)),
           lambda: lars(plain_rate(linear(0.2), linear(0.2) / 1000), 1.5e-6,
                        lambda name: 0.0048 / 0.2 if small(name) else 1.0),
           plain_rate(linear(0.2), linear(0.2) / 1000),
           ["hidden=12", "out=6", WARM])
model_case("vicreg",
           lambda: Siamese(STAGES, Mlp(16, [12, 12, 6])),
           of_projections(lambda z: vicreg(z, 25.0, 25.0, 1.0)),
           lambda: lars(plain_rate(linear(0.2), linear(0.2) / 1000), 1e-6),
           plain_rate(linear(0.2), linear(0.2) / 1000),
           ["hidden=12", "out=6", WARM])


def swav_model():
    model = Siamese(STAGES, Mlp(16, [12, 6], last_bias=True), apart=False)
    model.prototypes = nn.Linear(6, 10, bias=False)
    return model


def swav_reports(model, h, images, labels):
    """Norms of the encoder see the crops of a size, those of the projector
    all."""
    z = unit(model.projector(torch.cat([h, model.features(model.local)])))
    w = unit(model.prototypes.weight)
    scores = z @ (w.detach() if model.steps < 2 else w).T
    return {"loss": swav(scores.chunk(5), 0.1, 0.05, 3),
            "spread_of_z": spread(z),
            "loss_at_chance": torch.tensor(math.log(10))}


def swav_rate(step):
    return scheduled(4.8, step, 0.0048) + 0.3 * max(1 - step / WARMUP, 0)


model_case("swav", swav_model, swav_reports,
           lambda: lars(swav_rate, 1e-6, all_alike=True), swav_rate,
           ["hidden=12", "out=6", "prototypes=10", "pretrain.still=2",
            "local_crops=3", "local_size=6", WARM], groups=((2, 8), (3, 6)))


class DinoHead(nn.Module):
    def __init__(self, norms):
        super().__init__()
        layers = []
        for width in (16, 12):
            layers.append(nn.Linear(width, 12, bias=not norms))
            layers += [nets.Norm(12)] if norms else []
            layers.append(nn.GELU())
        self.mlp = nn.Sequential(*layers, nn.Linear(12, 6))
        self.last_layer = nn.Linear(6, 10, bias=False)

    def forward(self, h, still=False):
        w = self.last_layer.weight
        w = w.detach() + 0 * w if still else w
        return unit(self.mlp(h)) @ unit(w).T


def dino_model(norms):
    model = Siamese(STAGES, DinoHead(norms), apart=False, name="head",
                    decay=lambda step: growing(0.996, step))
    model.register_buffer("center", torch.zeros(10))
    return model


def dino_reports(model, h, images, labels):
    """Algorithm 1: all pairs of a teacher's view and another of the student's."""
    student = model.projector(torch.cat([h, model.features(model.local)]),
                              still=model.steps < 2).chunk(5)
    teacher = model.targets(images)
    wanted = torch.softmax((teacher - model.center) / 0.04, 1).chunk(2)
    terms = [-(t * torch.log_softmax(s / 0.1, 1)).sum(1).mean()
             for i, t in enumerate(wanted) for j, s in enumerate(student)
             if i != j]
    model.center = 0.9 * model.center + 0.1 * teacher.mean(0)
    return {"loss": sum(terms) / len(terms),
            "loss_at_chance": torch.tensor(math.log(10))}


for with_norms in (False, True):
    model_case("dino", functools.partial(dino_model, with_norms), dino_reports,
               lambda: sgd(lambda name, step: scheduled(linear(0.03), step,
                                                        1e-6),
                           1e-4, lambda name: small(name) or "last" in name,
                           0.2),
               plain_rate(linear(0.03), 1e-6),
               ["hidden=12", "bottleneck=6", "out=10", "local_crops=3",
                "local_size=6", f"pretrain.still_epochs={2 / STEPS!r}",
                "pretrain.clip=0.2",
                "head_norms=" + str(with_norms).lower(), WARM],
               groups=((1, 8), (1, 8), (3, 6)),
               case="dino_norms" if with_norms else "dino")


if __name__ == "__main__":
    torch.set_num_threads(1)
    ours = [name for name, (make, _) in base.CASES.items()
            if name.startswith("model_") or name in (
                "supcon", "moco", "byol", "simsiam", "barlow_twins", "vicreg",
                "swav", "mae")]
    for case_name in sys.argv[1:] or ours:
        make, settings = base.CASES[case_name]
        base.run(case_name, make, **settings)
        print(case_name)
