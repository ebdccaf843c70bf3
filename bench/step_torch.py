"""One peer of steps.c: PyTorch. Builds the same net as bench/nets.net and
waits; speaks the protocol of steps.c.

    step_torch.py MODE PHASE NET DEPTH SK_RATIO IMAGE_SIZE IMAGES THREADS

NET is resnet, of DEPTH and SK_RATIO, or the name of one of torchvision's, which
is taken without dropout and stochastic depth, as simcc's. MODE is eager
(channels_last), compile (the same through torch.compile) or bf16 (eager under
autocast)."""
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

CLASSES = 1000
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def conv_bn(i, o, kernel, stride=1, act=True):
    layers = [nn.Conv2d(i, o, kernel, stride, kernel // 2, bias=False),
              nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if act else []))


class SameAverage(nn.Module):
    """2x2 at stride 1, TF's SAME: the padding is not counted."""

    def forward(self, x):
        ones = torch.ones_like(x[:1, :1])
        pad = (0, 1, 0, 1)
        return F.avg_pool2d(F.pad(x, pad), 2, 1) / F.avg_pool2d(
            F.pad(ones, pad), 2, 1)


class SelectiveKernel(nn.Module):
    def __init__(self, f, stride, ratio):
        super().__init__()
        middle = max(int(f * ratio), 32)
        self.f = f
        self.streams = conv_bn(f, 2 * f, 3, stride)
        self.mix = nn.Sequential(conv_bn(f, middle, 1),
                                 nn.Conv2d(middle, 2 * f, 1, bias=False))

    def forward(self, x):
        first, second = self.streams(x).split(self.f, 1)
        a, b = self.mix((first + second).mean((2, 3), True)).split(self.f, 1)
        share = torch.sigmoid(a - b)
        return share * first + (1 - share) * second


class Block(nn.Module):
    def __init__(self, i, f, stride, project, bottleneck, sk):
        super().__init__()
        o = 4 * f if bottleneck else f
        if bottleneck:
            middle = (SelectiveKernel(f, stride, sk) if sk
                      else conv_bn(f, f, 3, stride))
            self.body = nn.Sequential(conv_bn(i, f, 1), middle,
                                      conv_bn(f, o, 1, act=False))
        else:
            self.body = nn.Sequential(conv_bn(i, f, 3, stride),
                                      conv_bn(f, o, 3, act=False))
        self.shortcut = nn.Identity()
        if project and sk:
            pool = nn.AvgPool2d(2) if stride == 2 else SameAverage()
            self.shortcut = nn.Sequential(pool, conv_bn(i, o, 1, act=False))
        elif project:
            self.shortcut = conv_bn(i, o, 1, stride, act=False)

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def encoder(depth, sk, size):
    bottleneck = depth >= 50
    if size <= 32:
        layers = [conv_bn(3, 64, 3)]
    elif sk:
        layers = [conv_bn(3, 32, 3, 2), conv_bn(32, 32, 3), conv_bn(32, 64, 3),
                  nn.MaxPool2d(3, 2, ceil_mode=True)]
    else:
        layers = [conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, ceil_mode=True)]
    channels = 64
    for group, count in enumerate(BLOCKS[depth]):
        f = 64 << group
        for i in range(count):
            stride = 2 if i == 0 and group > 0 else 1
            layers.append(Block(channels, f, stride, i == 0, bottleneck, sk))
            channels = 4 * f if bottleneck else f
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(1)), channels


def head(width, out=128, layers=3):
    parts = []
    for i in range(layers):
        final = i == layers - 1
        units = out if final else width
        parts += [nn.Linear(width, units, bias=False), nn.BatchNorm1d(units)]
        parts += [] if final else [nn.ReLU(inplace=True)]
    parts[-1].bias.requires_grad_(False)
    return nn.Sequential(*parts)


def nt_xent(z, temperature=0.1):
    a, b = F.normalize(z.float()).chunk(2)
    n = len(a)
    own = torch.eye(n, dtype=torch.bool)
    target = torch.arange(n)

    def one_direction(u, v):
        others = (u @ u.T / temperature).masked_fill(own, -1e9)
        return F.cross_entropy(torch.cat([u @ v.T / temperature, others], 1),
                               target)
    return one_direction(a, b) + one_direction(b, a)


class Lars:
    """As models/lib/optimizers.net has it, over lists of tensors at once."""

    def __init__(self, model, rate, decay=1e-4, momentum=0.9, trust=1e-3):
        trained = [p for p in model.parameters() if p.requires_grad]
        self.adapted = [p for p in trained if p.dim() > 1]
        self.plain = [p for p in trained if p.dim() <= 1]
        self.velocity = {p: torch.zeros_like(p) for p in trained}
        self.rate, self.decay = rate, decay
        self.momentum, self.trust = momentum, trust

    @torch.no_grad()
    def step(self):
        w, g = self.adapted, [p.grad for p in self.adapted]
        g = list(torch._foreach_add(g, w, alpha=self.decay))
        ratios = torch._foreach_div(torch._foreach_norm(w),
                                    torch._foreach_norm(g))
        torch._foreach_mul_(ratios, self.trust)
        ratios = [torch.where(torch.isfinite(r) & (r > 0), r, 1.0)
                  for r in ratios]
        torch._foreach_mul_(g, ratios)
        w, g = w + self.plain, g + [p.grad for p in self.plain]
        v = [self.velocity[p] for p in w]
        torch._foreach_mul_(v, self.momentum)
        torch._foreach_add_(v, g, alpha=self.rate)
        torch._foreach_sub_(w, v)

    def zero_grad(self):
        for p in self.adapted + self.plain:
            p.grad = None


def sgd(model, rate):
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": plain}]
    return torch.optim.SGD(groups, rate, momentum=0.9, nesterov=True,
                           fused=True)


def torchvision_net(name):
    import torchvision  # only these cases need it

    model = torchvision.models.get_model(name, num_classes=CLASSES)
    for part in model.modules():
        if isinstance(part, (nn.Dropout, torchvision.ops.StochasticDepth)):
            part.p = 0.0
    return model


def make_step(mode, phase, net, depth, sk, size, images):
    contrast = phase == "contrast"
    if net == "resnet":
        body, width = encoder(depth, sk, size)
        top = head(width) if contrast else nn.Linear(width, CLASSES)
        model = nn.Sequential(body, top)
    else:
        model = torchvision_net(net)
    model = model.to(memory_format=torch.channels_last)
    x = torch.rand(images * (2 if contrast else 1), 3, size, size)
    x = x.to(memory_format=torch.channels_last)
    y = torch.arange(images) % 10
    optimizer = (Lars if contrast else sgd)(model, 0.1)
    forward = torch.compile(model) if mode == "compile" else model

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=mode == "bf16"):
            out = forward(x)
            loss = nt_xent(out) if contrast else F.cross_entropy(out, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()
    return step


def main():
    mode, phase, net, depth, sk, size, images, threads = sys.argv[1:]
    torch.manual_seed(0)
    torch.set_num_threads(int(threads))
    torch.set_flush_denormal(True)
    step = make_step(mode, phase, net, int(depth), float(sk), int(size),
                     int(images))
    begun = time.perf_counter()
    loss = step()  # compiles
    first = time.perf_counter() - begun
    # As bench_work_seconds of bench.h.
    clock = time.process_time if int(threads) == 1 else time.perf_counter
    print(f"ready {1e3 * first:.1f}", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = clock()
            loss = step()
            times.append(f"{1e3 * (clock() - start):.4f}")
        print(*times, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak, 0, float(loss))


main()
