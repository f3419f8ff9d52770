"""What every attention module shares: on request it keeps the weights of its last forward pass, to be looked at."""
from ...placing import on_host
from ...tensor import Tensor
from ..module import Module

KINDS = {
    "channel": ("(N, C)", "how much of each channel passes"),
    "pixel": ("(N, H, W)", "how much of each place passes"),
    "voxel": ("(N, C, H, W)", "how much of each channel passes at each place"),
    "rows": ("(N, C, H)", "how much of each row passes, channel by channel"),
    "columns": ("(N, C, W)", "how much of each column passes, channel by channel"),
    "height_channel": ("(N, C, H)", "a gate for each pair of a row and a channel"),
    "width_channel": ("(N, C, W)", "a gate for each pair of a column and a channel"),
    "branches": ("(N, branches, C)", "the share of each branch in each channel"),
    "tokens": ("(N, heads, T, T)", "how much each token looks at each other one"),
    "queries": ("(N, heads, T, T)", "how much each query, which has no place in the image, looks at each other one"),
    "cross": ("(N, heads, T, S)", "how much each query looks at each key"),
    "pool": ("(N, H, W) or (N, T)", "the share of each place in a sum over all of them"),
    "levels": ("(N, levels)", "the share of each level"),
    "grid": ("(N, H, W, 2)", "where each place of the result was looked up, x and y from -1 to 1"),
}
"""Kind → (its axes, what it says). GlobalContext's "channel" is added, not multiplied, and of either sign."""


class Weighing(Module):
    """Base of modules that weigh something: channels, pixels, tokens, levels of a pyramid.

    Where `record_attention` is True (set by ``tinyattn.viz.record``), a forward pass leaves its weights in `attention_maps`:
    kind → array. The kind says what was weighed, and what the axes are: see `KINDS`.

    A subclass calls `keep` in its forward pass; recording never changes what the pass returns.
    """

    def __init__(self):
        super().__init__()
        self.record_attention = False
        self.attention_maps = {}

    def keep(self, **maps):
        """Store copies of the weights (Tensors or arrays, by kind) if they are being recorded."""
        if self.record_attention:
            self.attention_maps = {kind: (on_host(value) if isinstance(value, Tensor) else value).copy() for kind, value in maps.items()}
