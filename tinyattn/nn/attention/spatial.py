"""Spatial attention: which places matter? The second half of CBAM, alone. (Woo et al., arXiv:1807.06521, eq. 3)"""
from .. import functional as F
from ..conv import Conv2d
from .gate import Gate, odd


class SpatialAttention(Gate):
    """y = x · s,   s = σ(conv₇ₓ₇[mean_channels(x); max_channels(x)]).

    x (N, C, H, W), s (N, H, W), one number a place, the same for all channels. Recorded: "pixel" s. Parameters: 98, the 2·7·7
    of the window, whatever C. Place it at the end of a block, before the residual is added.
    """

    def __init__(self, channels, kernel_size=7):
        super().__init__(channels)
        kernel_size = odd(kernel_size, "SpatialAttention")
        self.conv = Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x):
        self.check(x)
        pixel = F.sigmoid(self.conv(F.pool_channels(x))).squeeze(1)     # (N, H, W)
        self.keep(pixel=pixel)
        return F.apply_gates(x, pixel=pixel)
