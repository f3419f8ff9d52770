"""Chains that run as one: the same children, the same keys, the same numbers within rounding, fewer passes over memory.

Fusion is visible here: nothing is rewritten behind the reader's back. Where someone watches a child (a hook), the chain
takes the plain path, child by child.
"""
from ..ops.arguments import pair
from . import functional as F
from .conv import Conv2d
from .module import Module
from .norm import BatchNorm2d
from .pooling import MaxPool2d


class ConvNormAct(Module):
    """max(BatchNorm(Conv(x)), 0): children ``conv`` and ``norm``; the ReLU runs in the norm's pass.

    `activation` is "relu" or None. The convolution has no bias: the norm would subtract it again.
    """

    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=None, groups=1, activation="relu"):
        super().__init__()
        if activation is not None and not (isinstance(activation, str) and activation == "relu"):
            raise ValueError(f"ConvNormAct: activation must be 'relu' or None, got {activation!r}")
        kernel_size = pair(kernel_size, "ConvNormAct", "kernel_size", 1)
        padding = tuple(k // 2 for k in kernel_size) if padding is None else padding
        self.conv = Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)
        self.norm = BatchNorm2d(out_channels)
        self.activation = activation

    def forward(self, x, pool=None):
        """`pool`: a layer that comes next; where it is a MaxPool2d whose windows tile the image, it runs in the norm's pass too."""
        plain = not isinstance(self.norm, BatchNorm2d) or self.norm.is_hooked()
        if not plain and self.activation == "relu" and _tiles(pool):
            return self.norm.forward(self.conv(x), activation="relu", pool=pool.kernel_size)
        y = self.norm(self.conv(x)) if plain else self.norm.forward(self.conv(x), activation=self.activation)
        y = F.relu(y) if plain and self.activation == "relu" else y
        return y if pool is None else pool(y)

    def extra_repr(self):
        return f"activation={self.activation!r}"


def _tiles(pool):
    """Whether `pool` is a MaxPool2d, watched by nobody, whose windows tile the image."""
    return (isinstance(pool, MaxPool2d) and not pool.is_hooked() and pool.stride in (None, pool.kernel_size)
            and pool.padding in (0, (0, 0)) and pool.dilation in (1, (1, 1)) and not (pool.ceil_mode or pool.return_indices))
