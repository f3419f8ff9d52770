"""Attention pooling: a mean of the tokens in which the tokens say how much they count. (Hassani et al., arXiv:2104.05704)"""
from ...ops.arguments import float_argument, same_dtype, whole
from ...placing import on_host
from ...ops.token_pool import AttentionPoolFunction
from .. import functional as F
from .. import init
from ..linear import Linear
from .weighing import Weighing


class AttentionPool(Weighing):
    """y = Σ_i a_i x_i,   a = softmax_i(w·x_i + b), over tokens (N, T, C) or the pixels of (N, C, H, W) → (N, C).

    With w = 0 it is global average pooling, from which it starts. Parameters: C + 1.
    """

    def __init__(self, channels):
        super().__init__()
        self.channels = whole(channels, "AttentionPool", "channels")
        self.score = Linear(channels, 1)
        init.zeros_(self.score.weight)
        init.zeros_(self.score.bias)

    def forward(self, x):
        expected = f"(N, T, {self.channels}) or (N, {self.channels}, H, W)"
        if float_argument(x, "AttentionPool").ndim not in (3, 4) or x.shape[1 if x.ndim == 4 else 2] != self.channels:
            raise ValueError(f"AttentionPool: input has shape {x.shape}, expected {expected}")
        if 0 in x.shape:
            raise ValueError(f"AttentionPool: input of shape {x.shape} is empty, expected {expected}")
        same_dtype("AttentionPool", input=x, weight=self.score.weight)
        tokens = x.flatten(2).transpose(1, 2) if x.ndim == 4 else x     # (N, T, C)
        y, shares = pooled(tokens, self.score, self.record_attention)
        if shares is not None:
            self.attention_maps = {"pool": shares.reshape((x.shape[0],) + (x.shape[2:] if x.ndim == 4 else x.shape[1:2]))}
        return y                                                        # (N, C)

    def own_multiply_adds(self, inputs, output):
        """The weighted sum; its scores are a layer."""
        return inputs[0].numel()

    def extra_repr(self):
        return f"{self.channels}"


def pooled(tokens, score, record):
    """(N, C), the mean of tokens (N, T, C) weighted by a softmax of what the layer `score` says of each; and the weights (N, T) or None."""
    if score.is_hooked():  # by ordinary operations, so that a hook sees what it computes
        weights = F.softmax(score(tokens).transpose(1, 2), -1)          # (N, 1, T)
        return (weights @ tokens).squeeze(1), on_host(weights)[:, 0].copy() if record else None
    maps = {} if record else None
    y = AttentionPoolFunction.apply(tokens, score.weight, score.bias, maps=maps)
    return y, maps["pool"] if record else None
