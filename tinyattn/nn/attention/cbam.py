"""Convolutional block attention: first which channels, then which places. (Woo et al., arXiv:1807.06521)"""
from ... import ops
from .. import functional as F
from ..conv import Conv2d
from ..linear import Linear
from .gate import Gate, awake, hidden_channels, odd, unwatched


class CBAM(Gate):
    """y = x · g · s,   g = σ(MLP(mean_pixels x) + MLP(max_pixels x)),   s = σ(conv₇ₓ₇[mean_channels(x·g); max_channels(x·g)]).

    x (N, C, H, W), g (N, C), s (N, H, W). One MLP without biases serves both poolings: MLP(v) = W₂ max(W₁ v, 0).
    W₁ (h, C) with h = max(4, C / r). Recorded: "channel" g and "pixel" s. Parameters: 2Ch + 98. Place it at the end of a block, before
    the residual is added; it has no residual of its own.

    What the MLP sees behind a ReLU is never below 0 and it has no biases, so that a high learning rate can turn all of its few units off, for
    all images and for good: g is ½ everywhere then. `tinyattn maps` names such a gate; a lower rate, or more units (a smaller r), keep it.
    """

    def __init__(self, channels, reduction=16, kernel_size=7):
        super().__init__(channels)
        kernel_size = odd(kernel_size, "CBAM")
        hidden = hidden_channels(channels, reduction, "CBAM")
        self.fc1 = awake(Linear(channels, hidden, bias=False))
        self.fc2 = Linear(hidden, channels, bias=False)
        self.conv = Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x):
        self.check(x)
        if unwatched(self.fc1, self.fc2, self.conv) and self._keeps_size():
            return self.run_as_one(x, self.fc1.weight, self.fc1.bias, self.fc2.weight, self.fc2.bias, self.conv.weight, with_max=True)
        n = x.shape[0]
        pooled = ops.shape.cat(F.pool_pixels(x))                        # (2N, C): the means, then the maxima
        scores = self.fc2(F.relu(self.fc1(pooled)))                     # (2N, C)
        channel = F.sigmoid(scores[:n] + scores[n:])                    # (N, C)
        maps = F.pool_channels(x, channel)                              # (N, 2, H, W)
        pixel = F.sigmoid(self.conv(maps)).squeeze(1)                   # (N, H, W)
        self.keep(channel=channel, pixel=pixel)
        return F.apply_gates(x, channel, pixel)

    def _keeps_size(self):
        """Whether the convolution is still one that keeps the map's size, and without a bias."""
        c = self.conv
        return (c.bias is None and c.padding_mode == "zeros" and c.stride == c.dilation == (1, 1)
                and c.padding == tuple([k // 2 for k in c.kernel_size]) and all([k % 2 for k in c.kernel_size]))
