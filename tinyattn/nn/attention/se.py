"""Squeeze-and-excitation: which channels matter for this image? (Hu et al., arXiv:1709.01507)"""
from .. import functional as F
from ..linear import Linear
from .gate import Gate, awake, hidden_channels, unwatched


class SqueezeExcitation(Gate):
    """y = x · g,   g = σ(W₂ max(W₁ mean_pixels(x) + b₁, 0) + b₂).

    x (N, C, H, W), g (N, C), W₁ (h, C) with h = max(4, C / r). Recorded: "channel" g. Parameters: 2Ch + h + C, so 2 C² / r and the
    biases. Place it at the end of a block, before the residual is added.
    """

    def __init__(self, channels, reduction=16):
        super().__init__(channels)
        hidden = hidden_channels(channels, reduction, "SqueezeExcitation")
        self.fc1 = awake(Linear(channels, hidden))
        self.fc2 = Linear(hidden, channels)

    def forward(self, x):
        self.check(x)
        if unwatched(self.fc1, self.fc2):
            return self.run_as_one(x, self.fc1.weight, self.fc1.bias, self.fc2.weight, self.fc2.bias)
        mean = F.pool_pixels(x, with_max=False)                         # (N, C)
        gate = F.sigmoid(self.fc2(F.relu(self.fc1(mean))))              # (N, C)
        self.keep(channel=gate)
        return F.apply_gates(x, channel=gate)
