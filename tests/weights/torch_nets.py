"""ResNets under the names that programs in PyTorch give them; written for
these tests. Names of modules decide what files call the tensors."""
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck


class Shape:
    def __init__(self, blocks, bottleneck, filters, stem=7):
        self.blocks, self.bottleneck = blocks, bottleneck
        self.filters, self.stem = filters, stem
        self.features = (filters << 3) * (4 if bottleneck else 1)


class Encoder(nn.Module):
    """torchvision's names and arithmetic, of any width. `fc` is what comes
    behind the pooling; None leaves it out. `pad` is of a 3x3 stem."""

    def __init__(self, s, fc=None, pad=1):
        super().__init__()
        block = Bottleneck if s.bottleneck else BasicBlock
        width = s.filters
        if s.stem == 7:
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        else:
            self.conv1 = nn.Conv2d(3, width, 3, 1, pad, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1) if s.stem == 7 else nn.Identity()
        for g, count in enumerate(s.blocks):
            out = s.filters << g
            blocks = []
            for i in range(count):
                stride = 2 if g and i == 0 else 1
                shortcut = None
                if stride > 1 or width != out * block.expansion:
                    shortcut = nn.Sequential(
                        nn.Conv2d(width, out * block.expansion, 1, stride,
                                  bias=False),
                        nn.BatchNorm2d(out * block.expansion))
                blocks.append(block(width, out, stride, shortcut))
                width = out * block.expansion
            setattr(self, f"layer{g + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Identity() if fc is None else fc

    def forward(self, x):
        for module in self.children():
            x = module(x)
        return x


def plain_head(features, hidden, out, norm=False, last_bias=True):
    middle = [nn.BatchNorm1d(hidden)] if norm else []
    return nn.Sequential(nn.Linear(features, hidden), *middle, nn.ReLU(),
                         nn.Linear(hidden, out, bias=last_bias))


class Holder(nn.Module):
    """Modules under the names given."""

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)


# ---- SimCLRv2-Pytorch: TF's net, converted ----------------------------------

def norm_relu(channels, relu=True):
    return nn.Sequential(nn.BatchNorm2d(channels),
                         nn.ReLU() if relu else nn.Identity())


def conv(a, b, kernel=3, stride=1):
    return nn.Conv2d(a, b, kernel, stride, (kernel - 1) // 2, bias=False)


class SamePool(nn.Module):
    """TF's SAME: max of 3x3 at stride 2, or the mean of what there is."""

    def __init__(self, mean_stride=None):
        super().__init__()
        self.mean_stride = mean_stride

    def forward(self, x):
        if self.mean_stride is None:
            return F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 3, 2)
        x = F.pad(x, (0, 1, 0, 1))
        if self.mean_stride > 1:
            return F.avg_pool2d(x, 2, self.mean_stride)
        ones = F.pad(torch.ones_like(x[:, :, 1:, 1:]), (0, 1, 0, 1))
        return F.avg_pool2d(x, 2, 1) / F.avg_pool2d(ones, 2, 1)


class SelectiveKernel(nn.Module):
    def __init__(self, channels, stride, ratio):
        super().__init__()
        middle = max(int(channels * ratio), 32)
        self.main_conv = nn.Sequential(conv(channels, 2 * channels, 3, stride),
                                       norm_relu(2 * channels))
        self.mixing_conv = nn.Sequential(
            conv(channels, middle, 1), norm_relu(middle),
            conv(middle, 2 * channels, 1))

    def forward(self, x):
        streams = torch.stack(self.main_conv(x).chunk(2, 1))
        mixing = self.mixing_conv(streams.sum(0).mean((2, 3), keepdim=True))
        return (streams * torch.stack(mixing.chunk(2, 1)).softmax(0)).sum(0)


class Projection(nn.Module):
    def __init__(self, a, b, stride, ratio):
        super().__init__()
        self.shortcut = (nn.Sequential(nn.Identity(), SamePool(stride),
                                       conv(a, b, 1))
                         if ratio else conv(a, b, 1, stride))
        self.bn = norm_relu(b, relu=False)

    def forward(self, x):
        return self.bn(self.shortcut(x))


class V2Block(nn.Module):
    def __init__(self, a, b, stride, ratio, project):
        super().__init__()
        self.projection = (Projection(a, 4 * b, stride, ratio)
                           if project else nn.Identity())
        middle = ([SelectiveKernel(b, stride, ratio)] if ratio else
                  [conv(b, b, 3, stride), norm_relu(b)])
        self.net = nn.Sequential(conv(a, b, 1), norm_relu(b), *middle,
                                 conv(b, 4 * b, 1), norm_relu(4 * b, False))

    def forward(self, x):
        return F.relu(self.projection(x) + self.net(x))


class V2Group(nn.Module):
    def __init__(self, count, a, b, stride, ratio):
        super().__init__()
        self.blocks = nn.ModuleList(
            V2Block(a if i == 0 else 4 * b, b, stride if i == 0 else 1, ratio,
                    i == 0) for i in range(count))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class V2Net(nn.Module):
    def __init__(self, blocks, filters, ratio, classes):
        super().__init__()
        half = filters // 2
        stem = [conv(3, half, 3, 2), norm_relu(half), conv(half, half),
                norm_relu(half), conv(half, filters)] if ratio else [
                    conv(3, filters, 7, 2)]
        groups, width = [], filters
        for g, count in enumerate(blocks):
            groups.append(V2Group(count, width, filters << g, 2 if g else 1,
                                  ratio))
            width = 4 * (filters << g)
        self.net = nn.Sequential(
            nn.Sequential(*stem, norm_relu(filters), SamePool()), *groups)
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        return self.net(x).mean((2, 3))


class V2Head(nn.Module):
    def __init__(self, features, layers, out):
        super().__init__()
        self.layers = nn.ModuleList()
        for i in range(layers):
            last = i == layers - 1
            units = out if last else features
            self.layers.append(nn.Linear(features, units, bias=False))
            norm = nn.BatchNorm1d(units)
            if last:
                norm.bias = None
            self.layers.append(norm)
            if not last:
                self.layers.append(nn.ReLU())

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def randomize(model, seed):
    """Every tensor matters, and features stay of size one."""
    generator = torch.Generator().manual_seed(seed)
    for name, x in model.state_dict().items():
        if not x.is_floating_point():
            continue
        if name.endswith("running_var"):
            x.uniform_(0.5, 1.5, generator=generator)
        elif x.ndim > 1:
            fan_in = x[0].numel()
            x.normal_(0, fan_in ** -0.5, generator=generator)
        elif name.endswith("weight"):
            x.uniform_(0.5, 1.5, generator=generator)
        else:
            x.normal_(0, 0.1, generator=generator)
    return model.eval()
