"""Bottleneck attention: what and where, asked side by side and added. (Park et al., arXiv:1807.06514)"""
from ...ops.arguments import whole
from .. import functional as F
from ..conv import Conv2d
from ..linear import Linear
from ..norm import BatchNorm1d, BatchNorm2d
from .gate import Gate, awake, hidden_channels


class BAM(Gate):
    """y = x + x · M,   M = σ(norm(MLP(mean_pixels x)) + norm(f₄(f₃(f₂(f₁(x)))))).

    x and M (N, C, H, W). The first summand (N, C) says which channels, the second (N, 1, H, W) which places; they are *added*
    before the σ. MLP(v) = W₂ max(W₁ v + b₁, 0) + b₂ with h = max(4, C / r) units in between. f₁ is a 1×1 convolution to h
    channels, f₂ and f₃ are 3×3 with holes (`dilation` 4: each sees 9×9, padded by as much, so that the map keeps its size), f₄
    is 1×1 to one channel; a ReLU after each but the last. Both norms are batch norms: in training they need a batch of more
    than one image.

    Recorded: "channel" (N, C) and "pixel" (N, H, W), the means of M over the places and over the channels. Parameters: C(2h + 3) + h
    for the channels, h(C + 1) + 2(9h² + h) + h + 3 for the places. Place it between stages, before the map is made smaller.
    """

    def __init__(self, channels, reduction=16, dilation=4):
        super().__init__(channels)
        h, d = hidden_channels(channels, reduction, "BAM"), whole(dilation, "BAM", "dilation")
        self.fc1, self.fc2, self.channel_norm = awake(Linear(channels, h)), Linear(h, channels), BatchNorm1d(channels)
        self.conv1 = Conv2d(channels, h, 1)
        self.conv2 = Conv2d(h, h, 3, padding=d, dilation=d)
        self.conv3 = Conv2d(h, h, 3, padding=d, dilation=d)
        self.conv4, self.pixel_norm = Conv2d(h, 1, 1), BatchNorm2d(1)

    def forward(self, x):
        self.check(x)
        mean = F.pool_pixels(x, with_max=False)                         # (N, C)
        channel = self.channel_norm(self.fc2(F.relu(self.fc1(mean))))   # (N, C)
        hidden = x
        for conv in (self.conv1, self.conv2, self.conv3):
            hidden = F.relu(conv(hidden))                               # (N, h, H, W)
        pixel = self.pixel_norm(self.conv4(hidden))                     # (N, 1, H, W)
        gate = F.sigmoid(channel.reshape(*channel.shape, 1, 1) + pixel)  # (N, C, H, W)
        self.keep(channel=gate.mean((2, 3)), pixel=gate.mean(1))
        return x + x * gate
