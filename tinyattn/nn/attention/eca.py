"""Efficient channel attention: a channel's weight from its neighbours only. (Wang et al., arXiv:1910.03151)"""
import math

from .. import functional as F
from ..conv import Conv1d
from .gate import Gate, odd


def adaptive_kernel_size(channels, gamma=2, beta=1):
    """The odd number nearest above |log₂ C / γ + β / γ|: 3 for 16 and 64 channels, 5 for 256."""
    k = int(abs(math.log2(channels) / gamma + beta / gamma))
    return k if k % 2 else k + 1


class EfficientChannelAttention(Gate):
    """y = x · g,   g = σ(conv1d_k(mean_pixels(x))), the convolution running along the channels.

    x (N, C, H, W), g (N, C). Recorded: "channel" g. Parameters: k, an odd number that grows with log₂ C. Place it at the end of a
    block, before the residual is added.
    """

    def __init__(self, channels, kernel_size=None):
        super().__init__(channels)
        k = adaptive_kernel_size(channels) if kernel_size is None else odd(kernel_size, "EfficientChannelAttention")
        self.conv = Conv1d(1, 1, k, padding=k // 2, bias=False)

    def forward(self, x):
        self.check(x)
        mean = F.pool_pixels(x, with_max=False)                         # (N, C)
        gate = F.sigmoid(self.conv(mean.unsqueeze(1)).squeeze(1))       # (N, C)
        self.keep(channel=gate)
        return F.apply_gates(x, channel=gate)
