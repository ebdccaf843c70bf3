"""SimCLRv2's nets in PyTorch, in double precision, written from the method's
description alone: an independent second opinion for simcc's models/lib."""
import copy

import torch
import torch.nn.functional as F
from torch import nn


def conv(i, o, k, s=1):
    """Zero padding k - 1 in all, the smaller half first."""
    before = (k - 1) // 2
    pad = nn.ZeroPad2d((before, k - 1 - before, before, k - 1 - before))
    return Conv(i, o, k, s, pad)


class Conv(nn.Module):
    def __init__(self, i, o, k, s, pad):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(o, i, k, k))
        self.stride, self.pad = s, pad

    def forward(self, x):
        return F.conv2d(self.pad(x), self.weight, stride=self.stride)


class Norm(nn.Module):
    """Batch norm whose moving variance is the biased one."""

    def __init__(self, c, center=True):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(c))
        if center:
            self.bias = nn.Parameter(torch.empty(c))
        self.center = center
        self.register_buffer("running_mean", torch.zeros(c))
        self.register_buffer("running_var", torch.ones(c))

    def forward(self, x):
        axes = (0, 2, 3) if x.dim() == 4 else (0,)
        shape = (1, -1, 1, 1) if x.dim() == 4 else (1, -1)
        if self.training:
            mean = x.mean(axes)
            var = x.var(axes, unbiased=False)
            with torch.no_grad():
                self.running_mean.mul_(0.9).add_(0.1 * mean)
                self.running_var.mul_(0.9).add_(0.1 * var)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + 1e-5)
        y = y * self.weight.view(shape)
        return y + self.bias.view(shape) if self.center else y


def max_pool_same(x):
    """3x3 stride 2, TF's SAME: where it is uneven the end gets more."""
    h = max((-(-x.shape[2] // 2) - 1) * 2 + 3 - x.shape[2], 0)
    w = max((-(-x.shape[3] // 2) - 1) * 2 + 3 - x.shape[3], 0)
    pads = (w // 2, w - w // 2, h // 2, h - h // 2)
    return F.max_pool2d(F.pad(x, pads, value=float("-inf")), 3, 2)


class CifarStem(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.conv1, self.bn1 = conv(3, f, 3), Norm(f)

    def forward(self, x):
        return torch.relu(self.bn1(self.conv1(x)))


class ImagenetStem(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.conv1, self.bn1 = conv(3, f, 7, 2), Norm(f)

    def forward(self, x):
        return max_pool_same(torch.relu(self.bn1(self.conv1(x))))


class DeepStem(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.conv1 = nn.Sequential(
            conv(3, f // 2, 3, 2), Norm(f // 2), nn.ReLU(),
            conv(f // 2, f // 2, 3), Norm(f // 2), nn.ReLU(),
            conv(f // 2, f, 3))
        self.bn1 = Norm(f)

    def forward(self, x):
        return max_pool_same(torch.relu(self.bn1(self.conv1(x))))


class Shortcut(nn.Module):
    """Projection; with selective kernels it pools first (ResNet-D)."""

    def __init__(self, i, o, s, sk):
        super().__init__()
        self.sk, self.s = sk, s
        self.downsample = nn.Sequential(conv(i, o, 1, 1 if sk else s), Norm(o))

    def forward(self, x):
        if self.sk and self.s == 1:  # SAME: the padding is not counted
            ones = torch.ones_like(x[:1, :1])
            total = F.avg_pool2d(F.pad(x, (0, 1, 0, 1)), 2, 1)
            x = total / F.avg_pool2d(F.pad(ones, (0, 1, 0, 1)), 2, 1)
        elif self.sk:
            x = F.avg_pool2d(F.pad(x, (0, 1, 0, 1)), 2, 2)
        return self.downsample(x)


class SelectiveKernel(nn.Module):
    def __init__(self, f, s, ratio):
        super().__init__()
        mid = max(int(f * ratio), 32)
        self.conv, self.bn = conv(f, 2 * f, 3, s), Norm(2 * f)
        self.mix = nn.Sequential(conv(f, mid, 1), Norm(mid), nn.ReLU(),
                                 conv(mid, 2 * f, 1))

    def forward(self, x):
        a, b = torch.relu(self.bn(self.conv(x))).chunk(2, 1)
        logits = self.mix((a + b).mean((2, 3), keepdim=True))
        share = torch.softmax(torch.stack(logits.chunk(2, 1)), 0)
        return share[0] * a + share[1] * b


class SqueezeExcite(nn.Module):
    def __init__(self, f, channels, ratio):
        super().__init__()
        self.reduce = nn.Conv2d(channels, max(int(f * ratio), 1), 1)
        self.expand = nn.Conv2d(max(int(f * ratio), 1), channels, 1)

    def forward(self, x):
        gate = torch.relu(self.reduce(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.expand(gate))


class Block(nn.Module):
    def __init__(self, bottleneck, i, f, s, project, sk=0.0, se=0.0):
        super().__init__()
        o = 4 * f if bottleneck else f
        if project:
            self.downsample = Shortcut(i, o, s, sk > 0).downsample
            object.__setattr__(self, "shortcut", Shortcut(i, o, s, sk > 0))
            self.shortcut.downsample = self.downsample
        else:
            object.__setattr__(self, "shortcut", nn.Identity())
        if bottleneck:
            self.conv1, self.bn1 = conv(i, f, 1), Norm(f)
            if sk > 0:
                self.sk = SelectiveKernel(f, s, sk)
            else:
                self.conv2, self.bn2 = conv(f, f, 3, s), Norm(f)
            self.conv3, self.bn3 = conv(f, o, 1), Norm(o)
        else:
            self.conv1, self.bn1 = conv(i, f, 3, s), Norm(f)
            self.conv2, self.bn2 = conv(f, f, 3), Norm(f)
        if se > 0:
            self.se = SqueezeExcite(f, o, se)
        self.bottleneck = bottleneck

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        if self.bottleneck:
            if hasattr(self, "sk"):
                y = self.sk(y)
            else:
                y = torch.relu(self.bn2(self.conv2(y)))
            y = self.bn3(self.conv3(y))
        else:
            y = self.bn2(self.conv2(y))
        if hasattr(self, "se"):
            y = self.se(y)
        return torch.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, stem, bottleneck, blocks, filters, sk=0.0):
        super().__init__()
        for name, part in stem.named_children():
            self.add_module(name, part)
        object.__setattr__(self, "stem", stem)
        width = filters[0]
        for g, (count, f) in enumerate(zip(blocks, filters)):
            layer = nn.Sequential()
            for i in range(count):
                stride = 2 if i == 0 and g > 0 else 1
                layer.append(Block(bottleneck, width, f, stride, i == 0, sk))
                width = 4 * f if bottleneck else f
            self.add_module(f"layer{g + 1}", layer)
        self.groups = len(filters)

    def forward(self, x):
        x = self.stem(x)
        for g in range(self.groups):
            x = getattr(self, f"layer{g + 1}")(x)
        return x.mean((2, 3))


class HeadLayer(nn.Module):
    def __init__(self, i, o, final):
        super().__init__()
        self.dense = nn.Linear(i, o, bias=False)
        self.bn = Norm(o, center=not final)
        self.final = final

    def forward(self, x):
        x = self.bn(self.dense(x))
        return x if self.final else torch.relu(x)


class Head(nn.Module):
    def __init__(self, d, layers, out):
        super().__init__()
        self.head = nn.ModuleList(
            HeadLayer(d, out if i == layers - 1 else d, i == layers - 1)
            for i in range(layers))

    def forward(self, h):
        return run_head(self.head, h)


def run_head(layers, h):
    """All taps: the input, then the output of each layer."""
    taps = [h]
    for layer in layers:
        taps.append(layer(taps[-1]))
    return taps


def nt_xent(z, tau):
    """Both directions summed, by one softmax over all other rows."""
    z = z / torch.sqrt((z * z).sum(1, keepdim=True).clamp(min=1e-12))
    n = z.shape[0] // 2
    s = z @ z.T / tau
    s = s.masked_fill(torch.eye(2 * n, dtype=torch.bool), float("-inf"))
    target = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return 2 * F.cross_entropy(s, target)


class Remembered(nn.Module):
    """A net, its moving average, and what that made of the last batches."""

    def __init__(self, net, batches, n, d, normalize, decay):
        super().__init__()
        for name, part in net.named_children():
            self.add_module(name, part)
        self.ema = copy.deepcopy(net).requires_grad_(False)
        self.ema.register_buffer("rows", torch.full((batches, n, d + 1), -100.0))
        self.ema.register_buffer("next", torch.zeros(()))
        object.__setattr__(self, "net", net)
        self.normalize, self.decay, self.steps = normalize, decay, 0

    def unit(self, z):
        if not self.normalize:
            return z
        return z / torch.sqrt((z * z).sum(1, keepdim=True).clamp(min=1e-12))

    def forward(self, images):
        """z, and the rows remembered from batches before this one."""
        rows = self.ema.rows
        past = rows[rows[:, 0, -1] == 0][:, :, :-1].reshape(-1, rows.shape[2] - 1)
        with torch.no_grad():
            self.keys = self.unit(self.ema(images[:rows.shape[1]]))
        return self.unit(self.net(images)), past.clone()

    def loss(self, z, past, tau):
        """The mean over all rows, each told from all but itself."""
        n = z.shape[0] // 2
        batch = z @ z.T / tau
        batch = batch.masked_fill(torch.eye(2 * n, dtype=torch.bool),
                                  float("-inf"))
        target = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
        return F.cross_entropy(torch.cat([batch, z @ past.T / tau], 1), target)

    def after_step(self):
        m = self.decay(self.steps)
        own = dict(self.net.named_parameters())
        for name, slow in self.ema.named_parameters():
            slow.mul_(m).add_((1 - m) * own[name])
        at = int(self.ema.next)
        self.ema.rows[at, :, :-1] = self.keys
        self.ema.rows[at, :, -1] = 0
        self.ema.next.fill_((at + 1) % self.ema.rows.shape[0])
        self.steps += 1


def view_similarities(z, tau):
    z = z / torch.sqrt((z * z).sum(1, keepdim=True).clamp(min=1e-12))
    n = z.shape[0] // 2
    return z[:n] @ z[n:].T / tau
