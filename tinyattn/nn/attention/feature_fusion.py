"""Attentional feature fusion: for every channel of every pixel, which of two maps to believe. (Dai et al., arXiv:2009.14082)"""
from .. import functional as F
from ..conv import Conv2d
from ..container import Sequential
from ..activation import ReLU
from ..module import Module
from ..norm import BatchNorm2d
from ..pooling import AdaptiveAvgPool2d
from .gate import Gate, hidden_channels
from .levels import same_maps


def _bottleneck(channels, hidden, *first):
    """A pixel's channels through a narrow layer and back, each normalised: BN(W₂ max(BN(W₁ x), 0))."""
    return Sequential(*first, Conv2d(channels, hidden, 1, bias=False), BatchNorm2d(hidden), ReLU(),
                      Conv2d(hidden, channels, 1, bias=False), BatchNorm2d(channels))


class MultiScaleChannelAttention(Gate):
    """y = x · M(x),   M(x) = σ(L(x) + G(x)): the paper's MS-CAM.

    x and M (N, C, H, W). L = BN(W₂ max(BN(W₁ x), 0)) looks at each pixel alone, G is the same, with weights of its own, of the mean
    over all pixels, and broadcast to them: small things and large ones. Parameters: 4 C² / r and the norms' 4 (C + C / r), C / r at
    least 4. Place it as a squeeze-and-excitation, where things may be small. On request it keeps M as "voxel" (N, C, H, W). In
    training, batches of one image are refused: G's norm would divide by a deviation of 0.
    """

    def __init__(self, channels, reduction=4):
        super().__init__(channels)
        hidden = hidden_channels(channels, reduction, type(self).__name__)
        self.local = _bottleneck(channels, hidden)
        self.whole = _bottleneck(channels, hidden, AdaptiveAvgPool2d(1))

    def forward(self, x):
        return x * self.weigh(x)

    def weigh(self, x):
        """M (N, C, H, W) of x."""
        self.check(x)
        if self.training and len(x) == 1:
            raise ValueError(f"{type(self).__name__}: one image in training, whose mean has no deviation to be divided by; give at least 2, or call eval()")
        m = F.sigmoid(self.local(x) + self.whole(x))                      # (N, C, H, W) + (N, C, 1, 1)
        self.keep(voxel=m)
        return m


class AttentionalFeatureFusion(Module):
    """z = M(x + y) · x + (1 − M(x + y)) · y for two maps of one shape (N, C, H, W), M that of `MultiScaleChannelAttention`.

    Parameters: M's. Place it wherever two maps are added: a residual and its shortcut, the levels of a pyramid, the branches of an
    inception block. (The authors' code doubles z; here it is the paper's.) Its `attention` keeps M as "voxel".
    """

    def __init__(self, channels, reduction=4):
        super().__init__()
        self.attention = MultiScaleChannelAttention(channels, reduction)

    def forward(self, x, y):
        x, y = same_maps((x, y), 2, self.attention.channels, type(self).__name__, self.attention.local[0].weight)
        return blend(x, y, self.attention.weigh(x + y))


class IterativeFeatureFusion(Module):
    """z = M₂(u) · x + (1 − M₂(u)) · y,   u = M₁(x + y) · x + (1 − M₁(x + y)) · y: the paper's iAFF.

    x, y and z (N, C, H, W). The first look only decides what the second looks at. Parameters: twice those of
    `AttentionalFeatureFusion`, which is the place for it too. `first` and `second` keep M₁ and M₂ as "voxel".
    """

    def __init__(self, channels, reduction=4):
        super().__init__()
        self.first = MultiScaleChannelAttention(channels, reduction)
        self.second = MultiScaleChannelAttention(channels, reduction)

    def forward(self, x, y):
        x, y = same_maps((x, y), 2, self.first.channels, type(self).__name__, self.first.local[0].weight)
        return blend(x, y, self.second.weigh(blend(x, y, self.first.weigh(x + y))))


def blend(x, y, m):
    """m · x + (1 − m) · y, in fewer passes."""
    return y + m * (x - y)
