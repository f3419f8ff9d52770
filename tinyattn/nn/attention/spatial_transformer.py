"""Spatial transformer: a small network says where to look, and the image is turned, scaled and moved to it. (arXiv:1506.02025)"""
import numpy as np

from ...ops.arguments import float_argument, pair, same_dtype, whole
from ...placing import overwrite
from .. import functional as F
from .. import init
from ..activation import ReLU
from ..container import Sequential
from ..conv import Conv2d
from ..linear import Flatten, Linear
from ..module import Module
from ..pooling import AdaptiveAvgPool2d, MaxPool2d
from .weighing import Weighing

LEAST = 2
"""Pixels that the default localisation network needs in each direction."""


class SpatialTransformer(Weighing):
    """y[n, :, i, j] = x[n] between its pixels at A_n (u_j, v_i, 1)ᵀ,   A = W · localisation(x) + b, a (2, 3) matrix an image.

    x (N, C, H, W) → (N, C, H, W), or of `size` (an int or a pair). (u, v) run from −1 to 1 over the result; what A maps to outside
    of the image is 0. Jaderberg et al.: affine grid, bilinear samples, gradients through both. W starts at 0 and b at the
    identity, so that it first passes x through, whatever the localisation network.

    localisation  a Module that makes `features` numbers (N, features) of x; default: two convolutions and a linear layer,
                  for images of any size from 2×2

    Parameters: 6 · (features + 1), and the localisation's (default: 200 C + 5,744 at 32 features). Place it at the input, where
    what matters is small or crooked; give W a lower rate than the rest if it wanders. On request it keeps where it looked, the
    "grid" (N, H, W, 2).
    """

    def __init__(self, channels, localisation=None, features=32, size=None):
        super().__init__()
        caller = "SpatialTransformer"
        self.channels, features = whole(channels, caller, "channels"), whole(features, caller, "features")
        self.size = None if size is None else pair(size, caller, "size", 1)
        if localisation is not None and not isinstance(localisation, Module):
            raise TypeError(f"{caller}: localisation must be a Module that makes (N, {features}) of images, got {type(localisation).__name__}")
        self.smallest = 1 if localisation is not None else LEAST
        self.localisation = _localisation(self.channels, features) if localisation is None else localisation
        self.theta = Linear(features, 6)
        init.zeros_(self.theta.weight)
        overwrite(self.theta.bias, np.array([1, 0, 0, 0, 1, 0]))

    def forward(self, x):
        caller = "SpatialTransformer"
        if float_argument(x, caller).ndim != 4 or x.shape[1] != self.channels or 0 in x.shape:
            raise ValueError(f"{caller}: input has shape {x.shape}, expected (N, {self.channels}, H, W), none of them 0")
        if min(x.shape[2:]) < self.smallest:
            raise ValueError(f"{caller}: images of {x.shape[2]}×{x.shape[3]} are too small for the localisation network, which needs at least "
                             f"{self.smallest}×{self.smallest}; give one of your own, localisation=…")
        same_dtype(caller, input=x, weight=self.theta.weight)
        seen = self.localisation(x)
        if float_argument(seen, caller, "the localisation's result").shape != (len(x), self.theta.in_features):
            raise ValueError(f"{caller}: the localisation network made {seen.shape} of {x.shape}, expected ({len(x)}, {self.theta.in_features}); "
                             "let it end with Flatten() and say features=…")
        grid = F.affine_grid(self.theta(seen).reshape(-1, 2, 3), (*x.shape[:2], *(self.size or x.shape[2:])), align_corners=False)
        self.keep(grid=grid)
        return F.grid_sample(x, grid, align_corners=False)

    def own_multiply_adds(self, inputs, output):
        """Four pixels for each of the result."""
        return 4 * output.numel()

    def extra_repr(self):
        return f"{self.channels}" + ("" if self.size is None else f", size={self.size}")


def _localisation(channels, features):
    """Where is it? Convolutions that find it, coarse places that are kept apart, and a layer that sees them all."""
    return Sequential(Conv2d(channels, 8, 5, padding=2), MaxPool2d(2), ReLU(), Conv2d(8, 8, 5, padding=2), ReLU(),
                      AdaptiveAvgPool2d(4), Flatten(), Linear(8 * 4 * 4, features), ReLU())
