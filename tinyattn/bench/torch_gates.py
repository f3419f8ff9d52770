"""The gates again, in PyTorch: the papers' formulas taken literally, with the same names, so that weights can be copied across.

Imported only where PyTorch is installed.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F


class ConvNormAct(nn.Module):
    """Convolution, batch norm, and ReLU if asked for."""

    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, activation=True):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation = activation

    def forward(self, x):
        y = self.norm(self.conv(x))
        return F.relu(y) if self.activation else y


class CBAM(nn.Module):
    """Channel attention from mean and max, then spatial attention by a 7×7 convolution. (arXiv:1807.06521, eq. 2 and 3)"""

    def __init__(self, channels, kernel_size=7):
        super().__init__()
        hidden = max(4, channels // 16)
        self.fc1, self.fc2 = nn.Linear(channels, hidden, bias=False), nn.Linear(hidden, channels, bias=False)
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x):
        def mlp(v):
            return self.fc2(F.relu(self.fc1(v)))

        gate = torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.amax((2, 3))))
        x = x * gate[:, :, None, None]
        maps = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.conv(maps))


class SE(nn.Module):
    """Channel attention from the mean. (arXiv:1709.01507, eq. 2-4)"""

    def __init__(self, channels):
        super().__init__()
        hidden = max(4, channels // 16)
        self.fc1, self.fc2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3))))))[:, :, None, None]


class ECA(nn.Module):
    """Channel attention from neighbouring channels. (arXiv:1910.03151, eq. 5-12)"""

    def __init__(self, channels):
        super().__init__()
        t = int(abs((math.log2(channels) + 1) / 2))
        k = t if t % 2 else t + 1
        self.conv = nn.Conv1d(1, 1, k, padding=(k - 1) // 2, bias=False)

    def forward(self, x):
        y = self.conv(F.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(-1, -2))
        return x * torch.sigmoid(y.transpose(-1, -2).unsqueeze(-1))


class SelfAttention(nn.Module):
    """Self-attention over the pixels, head by head, with a residual. (arXiv:1706.03762, eq. 1; arXiv:1711.07971)"""

    def __init__(self, channels, heads=None):
        super().__init__()
        self.heads = max(1, channels // 16) if heads is None else heads
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x):
        n, c, h, w = x.shape
        d = c // self.heads
        q, k, v = self.qkv(x.reshape(n, c, h * w).permute(0, 2, 1)).split(c, 2)
        heads = []
        for i in range(self.heads):
            part = slice(i * d, (i + 1) * d)
            a = torch.softmax(q[..., part] @ k[..., part].mT / math.sqrt(d), -1)
            heads.append(a @ v[..., part])
        return x + self.out(torch.cat(heads, -1)).permute(0, 2, 1).reshape(n, c, h, w)


class SpatialAttention(nn.Module):
    """Spatial attention by a 7×7 convolution. (arXiv:1807.06521, eq. 3)"""

    def __init__(self, channels, kernel_size=7):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x):
        return x * torch.sigmoid(self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)))


class BAM(nn.Module):
    """F′ = F + F ⊗ σ(M_c + M_s): batch norm at the end of each branch, dilation 4. (arXiv:1807.06514, eq. 1-4)"""

    def __init__(self, channels, reduction=16, dilation=4):
        super().__init__()
        h = max(4, channels // reduction)
        self.fc1, self.fc2, self.channel_norm = nn.Linear(channels, h), nn.Linear(h, channels), nn.BatchNorm1d(channels)
        self.conv1 = nn.Conv2d(channels, h, 1)
        self.conv2 = nn.Conv2d(h, h, 3, padding="same", dilation=dilation)
        self.conv3 = nn.Conv2d(h, h, 3, padding="same", dilation=dilation)
        self.conv4, self.pixel_norm = nn.Conv2d(h, 1, 1), nn.BatchNorm2d(1)

    def forward(self, x):
        m_c = self.channel_norm(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1).flatten(1)))))
        m_s = self.pixel_norm(self.conv4(F.relu(self.conv3(F.relu(self.conv2(F.relu(self.conv1(x))))))))
        return x + x * torch.sigmoid(m_c[:, :, None, None].expand_as(x) + m_s.expand_as(x))


class CoordinateAttention(nn.Module):
    """Two poolings along one axis each, encoded together, two gates. (arXiv:2103.02907, eq. 4-9)"""

    def __init__(self, channels, reduction=32):
        super().__init__()
        h = max(4, channels // reduction)
        self.conv1, self.norm = nn.Conv2d(channels, h, 1, bias=False), nn.BatchNorm2d(h)
        self.conv_h, self.conv_w = nn.Conv2d(h, channels, 1), nn.Conv2d(h, channels, 1)

    def forward(self, x):
        n, c, h, w = x.shape
        z_h, z_w = F.adaptive_avg_pool2d(x, (h, 1)), F.adaptive_avg_pool2d(x, (1, w))
        f = F.hardswish(self.norm(self.conv1(torch.cat([z_h, z_w.permute(0, 1, 3, 2)], 2))))
        g_h = torch.sigmoid(self.conv_h(f[:, :, :h]))
        g_w = torch.sigmoid(self.conv_w(f[:, :, h:].permute(0, 1, 3, 2)))
        return x * g_h.expand_as(x) * g_w.expand_as(x)


class Branch(nn.Module):
    """Dilated 3×3 convolution, batch norm, ReLU."""

    def __init__(self, channels, dilation, groups):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding="same", dilation=dilation, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class SelectiveKernel(nn.Module):
    """Split, fuse, select. (arXiv:1903.06586, eq. 1-6)"""

    def __init__(self, channels, branches=2, reduction=16, groups=None):
        super().__init__()
        groups = math.gcd(32, channels) if groups is None else groups
        h, self.count = max(4, channels // reduction), branches
        self.branches = nn.ModuleList([Branch(channels, 1 + i, groups) for i in range(branches)])
        self.squeeze, self.norm = nn.Linear(channels, h, bias=False), nn.BatchNorm1d(h)
        self.select = nn.Linear(h, branches * channels, bias=False)

    def forward(self, x):
        u = torch.stack([branch(x) for branch in self.branches])              # (branches, N, C, H, W)
        z = F.relu(self.norm(self.squeeze(u.sum(0).mean((2, 3)))))
        matrices = self.select.weight.chunk(self.count)                       # A, B, …
        a = torch.softmax(torch.stack([z @ m.mT for m in matrices]), 0)       # over the branches
        return (a[:, :, :, None, None] * u).sum(0)


class GlobalContext(nn.Module):
    """Context modelling by a softmax over positions, transform with layer norm, fusion by addition. (arXiv:1904.11492, eq. 5)"""

    def __init__(self, channels, reduction=16):
        super().__init__()
        h = max(4, channels // reduction)
        self.score = nn.Linear(channels, 1)
        self.fc1, self.norm, self.fc2 = nn.Linear(channels, h), nn.LayerNorm(h), nn.Linear(h, channels)

    def forward(self, x):
        positions = x.flatten(2)                                              # (N, C, P)
        alpha = torch.softmax(self.score(positions.mT).squeeze(2), 1)         # (N, P)
        context = torch.einsum("np,ncp->nc", alpha, positions)
        return x + self.fc2(F.relu(self.norm(self.fc1(context))))[:, :, None, None]


class NonLocal(nn.Module):
    """z = W y + x with batch norm after W; f = exp(θᵀφ) / Σ, or θᵀφ / N. (arXiv:1711.07971, eq. 1-6)"""

    def __init__(self, channels, dot=False, scaled=False):
        super().__init__()
        self.h, self.dot, self.scaled = max(4, channels // 2), dot, scaled
        self.embed = nn.Linear(channels, 3 * self.h)
        self.out, self.norm = nn.Linear(self.h, channels, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x):
        theta, phi, g = self.embed(x.flatten(2).mT).chunk(3, 2)
        f = theta @ phi.mT
        f = f / f.shape[2] if self.dot else torch.softmax(f / math.sqrt(self.h) if self.scaled else f, 2)
        return x + self.norm(self.out(f @ g).mT.reshape(x.shape))


class SimAM(nn.Module):
    """The inverse of the least energy. (ICML 2021, eq. 5 and the listing)"""

    def __init__(self, channels, e_lambda=1e-4):
        super().__init__()
        self.e_lambda = e_lambda

    def forward(self, x):
        n = max(1, x.shape[2] * x.shape[3] - 1)
        d = (x - x.mean((2, 3), keepdim=True)).pow(2)
        v = d.sum((2, 3), keepdim=True) / n
        return x * torch.sigmoid(d / (4 * (v + self.e_lambda)) + 0.5)


class Plane(nn.Module):
    """Z-pool of axis 1, convolution, batch norm, sigmoid: a weight (N, 1, A, B)."""

    def __init__(self, kernel_size):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False), nn.BatchNorm2d(1)

    def forward(self, x):
        return x * torch.sigmoid(self.norm(self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1))))


class TripletAttention(nn.Module):
    """The map turned so that each axis in turn stands where the channels are; the mean of three. (arXiv:2010.03045, eq. 1-3)"""

    def __init__(self, channels, kernel_size=7):
        super().__init__()
        self.pixel, self.width_channel, self.height_channel = (Plane(kernel_size) for _ in range(3))

    def forward(self, x):
        turned_h = self.width_channel(x.permute(0, 2, 1, 3)).permute(0, 2, 1, 3)      # (N, H, C, W)
        turned_w = self.height_channel(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)     # (N, W, C, H)
        return (self.pixel(x) + turned_h + turned_w) / 3


def relative_attention(qkv, heads, rows, columns, height, width):
    """softmax((q·k + q·r_h + q·r_w) / √d) v, score by score from the table of all distances. (arXiv:1904.09925, eq. 3)"""
    n, p, c = qkv.shape
    q, k, v = qkv.reshape(n, p, 3, heads, -1).permute(2, 0, 3, 1, 4)                  # (N, heads, P, d)
    i, j = torch.arange(p) // width, torch.arange(p) % width

    def between(places, table):
        most = len(table) // 2
        return table[(places[None, :] - places[:, None]).clamp(-most, most) + most]   # (P, P, d)

    r = between(i, rows) + between(j, columns)
    scores = (q @ k.mT + torch.einsum("nhid,ijd->nhij", q, r)) / math.sqrt(q.shape[-1])
    return (torch.softmax(scores, 3) @ v).transpose(1, 2).reshape(n, p, c // 3)


class RelativeSelfAttention(nn.Module):
    """Self-attention with distances and a residual. (arXiv:1904.09925)"""

    def __init__(self, channels, size, heads=None):
        super().__init__()
        self.heads = max(1, channels // 16) if heads is None else heads
        d = channels // self.heads
        self.rows, self.columns = (nn.Parameter(torch.zeros(2 * length - 1, d)) for length in size)
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x):
        y = relative_attention(self.qkv(x.flatten(2).mT), self.heads, self.rows, self.columns, *x.shape[2:])
        return x + self.out(y).mT.reshape(x.shape)


class BottleneckTransformer(nn.Module):
    """1×1 convolution, attention, 1×1 convolution, each with batch norm. (arXiv:2101.11605, figures 1 and 4)"""

    def __init__(self, channels, size, heads=4, reduction=4):
        super().__init__()
        h = max(4, channels // reduction)
        self.heads = heads
        self.rows, self.columns = (nn.Parameter(torch.zeros(2 * length - 1, h // heads)) for length in size)
        self.reduce, self.qkv = ConvNormAct(channels, h, 1), nn.Linear(h, 3 * h)
        self.norm, self.expand = nn.BatchNorm2d(h), ConvNormAct(h, channels, 1, activation=False)

    def forward(self, x):
        y = self.reduce(x)
        z = relative_attention(self.qkv(y.flatten(2).mT), self.heads, self.rows, self.columns, *x.shape[2:])
        return x + self.expand(F.relu(self.norm(z.mT.reshape(y.shape))))


GATES = {"none": lambda channels: nn.Identity(), "se": SE, "eca": ECA, "spatial": SpatialAttention, "cbam": CBAM, "bam": BAM,
         "coordinate": CoordinateAttention, "triplet": TripletAttention, "simam": SimAM, "sk": SelectiveKernel, "gc": GlobalContext,
         "nonlocal": NonLocal, "nonlocal-dot": lambda channels: NonLocal(channels, dot=True), "self": SelfAttention,
         "relative": RelativeSelfAttention, "bot": BottleneckTransformer}


def gate(name, channels, size):
    """The gate called `name` for maps of size×size; what compares all pixels with all only on maps of up to 256 pixels."""
    if name in ("nonlocal", "self", "relative", "bot") and size * size > 256:
        return nn.Identity()
    return GATES[name](channels, (size, size)) if name in ("relative", "bot") else GATES[name](channels)
