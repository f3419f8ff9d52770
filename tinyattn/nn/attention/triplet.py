"""Triplet attention: the map seen from above, from the front and from the side. (Misra et al., arXiv:2010.03045)"""
from ...ops.shape import stack
from .. import functional as F
from ..conv import Conv2d
from ..module import Module
from ..norm import BatchNorm2d
from .gate import Gate, odd


class Plane(Module):
    """σ(norm(conv(z))) of the mean and the maximum z (N, 2, A, B) over the axis that is seen end on: (N, A, B)."""

    def __init__(self, kernel_size):
        super().__init__()
        self.conv, self.norm = Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False), BatchNorm2d(1)

    def forward(self, z):
        return F.sigmoid(self.norm(self.conv(z))).squeeze(1)


class TripletAttention(Gate):
    """y = x · (p + q + r) / 3,   each of p, q, r = σ(norm(conv₇ₓ₇[mean; max])) over the channels, the rows, the columns.

    x (N, C, H, W), p (N, H, W), q (N, C, W), r (N, C, H): the two poolings over one axis leave a plane of the other two, over which a
    7×7 window slides; so a channel's weight depends on where, without a bottleneck of channels. In training a batch norm
    needs more than one number: a map of one pixel, more than one image.

    Recorded: "pixel" p, "width_channel" q (N, C, W) and "height_channel" r (N, C, H). Parameters: 3·(98 + 2) = 300, whatever C. Place it
    at the end of a block, before the residual is added.
    """

    def __init__(self, channels, kernel_size=7):
        super().__init__(channels)
        kernel_size = odd(kernel_size, "TripletAttention")
        self.pixel, self.width_channel, self.height_channel = (Plane(kernel_size) for _ in range(3))

    def forward(self, x):
        self.check(x)
        n, c, h, w = x.shape
        p = self.pixel(F.pool_channels(x))                              # (N, H, W)
        q = self.width_channel(stack([x.mean(2), x.amax(2)], 1))        # (N, C, W)
        r = self.height_channel(stack([x.mean(3), x.amax(3)], 1))       # (N, C, H)
        self.keep(pixel=p, width_channel=q, height_channel=r)
        return x * ((p.unsqueeze(1) + q.unsqueeze(2) + r.unsqueeze(3)) / 3)
