"""Selective kernels: each channel chooses how far it looks. (Li et al., arXiv:1903.06586)"""
import math
from functools import reduce
from operator import add

from ...ops.arguments import whole
from .. import functional as F
from ..container import ModuleList
from ..conv import Conv2d
from ..linear import Linear
from ..module import Module
from ..norm import BatchNorm1d, BatchNorm2d
from .gate import Gate, hidden_channels


class Branch(Module):
    """max(norm(conv(x)), 0) with a 3×3 convolution whose taps are `dilation` apart: it sees 1 + 2·dilation places each way."""

    def __init__(self, channels, dilation, groups):
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, groups=groups, bias=False)
        self.norm = BatchNorm2d(channels)

    def forward(self, x):
        x = self.conv(x)
        return F.relu(self.norm(x)) if self.norm.is_hooked() else self.norm.forward(x, activation="relu")


class SelectiveKernel(Gate):
    """y = Σ_i a_i · U_i,   U_i = max(norm(conv_i(x)), 0),   a = softmax_i(A_i max(norm(W mean_pixels(Σ_i U_i)), 0)).

    x and each U_i (N, C, H, W), a (N, branches, C): for every channel the shares of the branches, which add up to 1 *over the
    branches*. Branch i is a 3×3 convolution with taps 1 + i apart, so 3×3 and 5×5 for the usual two. W (h, C), h = max(4, C / r)
    (the paper's floor is 32), A_i (C, h), none with a bias. `groups`: of the convolutions; by default 32 as in the paper, or
    the greatest common divisor of 32 and C. In training its norms need a batch of more than one image.

    Recorded: "branches" a. Parameters: branches·(9C²/groups + 2C + Ch) + Ch + 2h. The paper puts it in the place of a block's
    3×3 convolution, as which it has no residual of its own; as a gate it follows one.
    """

    def __init__(self, channels, branches=2, reduction=16, groups=None):
        super().__init__(channels)
        h, branches = hidden_channels(channels, reduction, "SelectiveKernel"), whole(branches, "SelectiveKernel", "branches", 2)
        groups = math.gcd(32, channels) if groups is None else whole(groups, "SelectiveKernel", "groups")
        if channels % groups:
            raise ValueError(f"SelectiveKernel: channels = {channels} must be divisible by groups = {groups}")
        self.branches = ModuleList([Branch(channels, 1 + i, groups) for i in range(branches)])
        self.squeeze, self.norm = Linear(channels, h, bias=False), BatchNorm1d(h)
        self.select = Linear(h, branches * channels, bias=False)

    def forward(self, x):
        self.check(x)
        seen = [branch(x) for branch in self.branches]                  # U_i, each (N, C, H, W)
        mean = reduce(add, [F.pool_pixels(u, with_max=False) for u in seen])    # (N, C): of the sum, which need not be made
        scores = self.select(F.relu(self.norm(self.squeeze(mean))))     # (N, branches·C)
        shares = F.softmax(scores.reshape(len(mean), len(seen), self.channels), 1)
        self.keep(branches=shares)
        return reduce(add, [F.apply_gates(u, channel=shares[:, i]) for i, u in enumerate(seen)])
