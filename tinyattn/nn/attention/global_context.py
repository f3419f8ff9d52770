"""Global context: one question about the whole image, its answer added to every place. (Cao et al., arXiv:1904.11492)"""
from .. import functional as F
from .. import init
from ..linear import Linear
from ..norm import LayerNorm
from .gate import Gate, hidden_channels
from .pooling import pooled


class GlobalContext(Gate):
    """y = x + t,   t = W₂ max(norm(W₁ Σ_p a_p x_p + b₁), 0) + b₂,   a = softmax_p(w·x_p + b).

    x (N, C, H, W), a (N, H, W), adding up to 1 over the places p of an image, t (N, C), the same for every place: the non-local
    block for the price of squeeze-and-excitation. W₁ (h, C) with h = max(4, C / r), a layer norm of the h, W₂ (C, h), which
    starts at 0 with b₂, so that the module first passes x through.

    Recorded: "pool" a and "channel" t, of either sign: it is added, not multiplied. Parameters: 2Ch + 2C + 3h + 1. Place it at the
    end of a block in the later stages.
    """

    def __init__(self, channels, reduction=16):
        super().__init__(channels)
        h = hidden_channels(channels, reduction, "GlobalContext")
        self.score = Linear(channels, 1)
        self.fc1, self.norm, self.fc2 = Linear(channels, h), LayerNorm(h), Linear(h, channels)
        init.zeros_(self.fc2.weight)
        init.zeros_(self.fc2.bias)

    def forward(self, x):
        self.check(x)
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)                           # (N, P, C), a view of channels-last memory
        context, shares = pooled(tokens, self.score, self.record_attention)     # (N, C), (N, P)
        added = self.fc2(F.relu(self.norm(self.fc1(context))))          # (N, C)
        if self.record_attention:
            self.keep(pool=shares.reshape(n, h, w), channel=added)
        return x + added.reshape(n, c, 1, 1)

    def own_multiply_adds(self, inputs, output):
        """Of the weighted sum."""
        return output.numel()
