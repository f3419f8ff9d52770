"""The models again, in PyTorch: the same architecture, and the same names, so that weights can be copied across.

Written as a PyTorch user would write them, with PyTorch's own layers. Imported only where PyTorch is installed.
"""
import torch
from torch import nn
from torch.nn import functional as F

from .torch_gates import GATES, ConvNormAct, gate


class AttentionPool(nn.Module):
    """A mean of the tokens, weighted by a softmax over their scores. (arXiv:2104.05704, eq. 4-6)"""

    def __init__(self, channels):
        super().__init__()
        self.score = nn.Linear(channels, 1)

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2) if x.ndim == 4 else x
        return (torch.softmax(self.score(tokens).transpose(1, 2), -1) @ tokens).squeeze(1)


class Stage(nn.Module):
    """Convolutions, gate, pool."""

    def __init__(self, in_channels, out_channels, depth, attention, size, pool):
        super().__init__()
        self.block = nn.Sequential(*[ConvNormAct(out_channels if i else in_channels, out_channels) for i in range(depth)])
        self.gate = gate(attention, out_channels, size)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()

    def forward(self, x):
        return self.pool(self.gate(self.block(x)))


class LeNet(nn.Module):
    """models.LeNet for 28×28 images"""

    def __init__(self, in_channels=1, num_classes=10, image_size=28):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(in_channels, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, num_classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class AttentionCNN(nn.Module):
    """models.AttentionCNN"""

    def __init__(self, in_channels=1, num_classes=10, image_size=28, attention="cbam", widths=(16, 32, 64),
                 depths=(1, 1, 2)):
        super().__init__()
        channels = (in_channels,) + tuple(widths)
        self.stages = nn.Sequential(*[Stage(a, b, depth, attention, image_size >> i, i < len(widths) - 1)
                                      for i, (a, b, depth) in enumerate(zip(channels, widths, depths))])
        self.pool, self.norm = AttentionPool(widths[-1]), nn.BatchNorm1d(widths[-1])
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, x):
        return self.head(self.norm(self.pool(self.stages(x))))


class LevelGate(nn.Module):
    """A mean of the levels, weighted by a softmax over scores of all their means. (arXiv:1903.06586, eq. 5 and 6, a weight a level)"""

    def __init__(self, channels, levels):
        super().__init__()
        self.score = nn.Linear(levels * channels, levels)

    def forward(self, maps):
        shares = torch.softmax(self.score(torch.cat([x.mean((2, 3)) for x in maps], 1)), 1)
        return torch.einsum("nl,nlchw->nchw", shares, torch.stack(maps, 1))


class LevelCNN(nn.Module):
    """models.LevelCNN"""

    def __init__(self, in_channels=1, num_classes=10, image_size=28, attention="none", widths=(16, 32, 64), depths=(2, 2, 2)):
        super().__init__()
        self.stages, self.reads, channels = nn.ModuleList(), nn.ModuleList(), in_channels
        for i, (width, depth) in enumerate(zip(widths, depths)):
            self.stages.append(Stage(channels, width, depth, attention, image_size >> i, i < len(widths) - 1))
            self.reads.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(width), nn.Linear(width, widths[-1])))
            channels = width
        self.mix, self.head = LevelGate(widths[-1], len(widths)), nn.Linear(widths[-1], num_classes)

    def forward(self, x):
        seen = []
        for stage, read in zip(self.stages, self.reads):
            x = stage(x)
            seen.append(read(x)[:, :, None, None])
        return self.head(self.mix(seen).flatten(1))


class Block(nn.Module):
    """A residual block with a gate before the addition. (arXiv:1512.03385, figure 2 and option B)"""

    def __init__(self, in_channels, out_channels, stride, attention, size):
        super().__init__()
        self.first = ConvNormAct(in_channels, out_channels, 3, stride)
        self.second = ConvNormAct(out_channels, out_channels, activation=False)
        self.gate = gate(attention, out_channels, size)
        same = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if same else ConvNormAct(in_channels, out_channels, 1, stride, activation=False)

    def forward(self, x):
        return F.relu(self.shortcut(x) + self.gate(self.second(self.first(x))))


class ResNet(nn.Module):
    """models.ResNet"""

    def __init__(self, depth=20, in_channels=3, num_classes=10, image_size=32, attention="none", width=16):
        super().__init__()
        self.stem, self.blocks, channels, size = ConvNormAct(in_channels, width), nn.Sequential(), width, image_size
        for group in range(3):
            for i in range((depth - 2) // 6):
                stride = 2 if group and not i else 1
                size = -(-size // stride)
                self.blocks.append(Block(channels, width << group, stride, attention, size))
                channels = width << group
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Group(nn.Module):
    """Two convolutions and their norms; only the norms' biases are learned. (arXiv:2404.00498, listing of ConvGroup)"""

    def __init__(self, in_channels, out_channels, attention, size, momentum):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels, momentum=momentum)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels, momentum=momentum)
        self.norm1.weight.requires_grad_(False), self.norm2.weight.requires_grad_(False)
        self.pool, self.gate = nn.MaxPool2d(2), gate(attention, out_channels, size)

    def forward(self, x):
        x = F.relu(self.norm1(self.pool(self.conv1(x))))
        return self.gate(F.relu(self.norm2(self.conv2(x))))


class WhitenedVGG(nn.Module):
    """models.WhitenedVGG; the weights, the first layer's too, come from there"""

    def __init__(self, in_channels=3, num_classes=10, image_size=32, attention="none", widths=(32, 128, 256), patch=3, stride=1,
                 patches=24, pool=True, scale=1 / 9, momentum=0.1):
        super().__init__()
        patches = min(patches, 2 * in_channels * patch * patch)
        self.whiten = nn.Conv2d(in_channels, patches, patch, stride, bias=False)
        self.whiten.weight.requires_grad_(False)
        self.groups, channels, size, self.scale = nn.Sequential(), patches, (image_size - patch) // stride + 1, scale
        for width in widths:
            size //= 2
            self.groups.append(Group(channels, width, attention, size, momentum))
            channels = width
        self.pool = nn.AdaptiveMaxPool2d(1) if pool else nn.Identity()
        self.head = nn.Linear(channels if pool else channels * size * size, num_classes, bias=False)

    def forward(self, x):
        return self.head(self.pool(self.groups(F.relu(self.whiten(x)))).flatten(1)) * self.scale


class TransformerBlock(nn.Module):
    """models.cct.TransformerBlock"""

    def __init__(self, dim, heads, ratio=2, dropout=0.1):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(dim), nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)
        self.linear1, self.linear2 = nn.Linear(dim, ratio * dim), nn.Linear(ratio * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        h = self.norm1(x)
        x = x + self.dropout(self.attention(h, h, h, need_weights=False)[0])
        return x + self.dropout(self.linear2(F.gelu(self.linear1(self.norm2(x)))))


class CCT(nn.Module):
    """models.CCT"""

    def __init__(self, in_channels=3, num_classes=10, image_size=32, dim=128, depth=4, heads=4, dropout=0.1):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(in_channels, dim // 2, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
                                  nn.Conv2d(dim // 2, dim, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.position = nn.Parameter(torch.zeros(1, (-(-image_size // 4)) ** 2, dim))
        self.blocks = nn.Sequential(*[TransformerBlock(dim, heads, dropout=dropout) for _ in range(depth)])
        self.norm, self.pool, self.head = nn.LayerNorm(dim), AttentionPool(dim), nn.Linear(dim, num_classes)

    def forward(self, x):
        tokens = self.stem(x).flatten(2).transpose(1, 2)
        return self.head(self.pool(self.norm(self.blocks(tokens + self.position))))


def create(name, in_channels=1, num_classes=10, image_size=28, attention="none", **more):
    """The PyTorch twin of ``tinyattn.models.create(…)``; `more`: what else its class takes."""
    options = dict(in_channels=in_channels, num_classes=num_classes, image_size=image_size, **more)
    if name in ("cct", "lenet"):
        return CCT(**options) if name == "cct" else LeNet(**options)
    if name == "whitened_vgg4":
        return WhitenedVGG(attention=attention, widths=(32,), patch=4, stride=2, patches=16, pool=False, scale=1.0, **options)
    if name == "whitened_vgg8":
        return WhitenedVGG(attention=attention, **options)
    if name in ("attention_cnn", "level_cnn"):
        return (AttentionCNN if name == "attention_cnn" else LevelCNN)(attention=attention, **options)
    return ResNet(depth=int(name.removeprefix("resnet")), attention=attention, **options)
