"""What every attention module shares: on request it keeps the weights of its last forward pass, to be looked at."""
from ...tensor import Tensor
from ..module import Module


class Weighing(Module):
    """Base of modules that weigh something: channels, pixels, tokens, levels of a pyramid.

    Where `record_attention` is True (set by ``tinyattn.viz.record``), a forward pass leaves its weights in `attention_maps`:
    kind → array. The kind says what was weighed:

        "channel"  (N, C)            how much of each channel passes (GlobalContext: what is added to it, of either sign)
        "pixel"    (N, H, W)         how much of each place passes
        "voxel"    (N, C, H, W)      both at once
        "rows", "columns"  (N, C, H), (N, C, W)  how much of each channel passes in each row, and in each column
        "height_channel", "width_channel"  (N, C, H), (N, C, W)  the same, of gates that are averaged and not multiplied
        "branches" (N, branches, C)  the share of each branch in each channel
        "tokens"   (N, heads, T, T)  what each token takes from the others
        "cross"    (N, heads, T, S)  what each query takes from the keys of another source; one head where there are no heads
        "pool"     (N, T), (N, H, W)  the share of each token, or place, in one sum
        "levels"   (N, L)            the share of each of L feature maps
        "grid"     (N, H, W, 2)      where each place of the result was looked up, x and y from −1 to 1

    A subclass calls `keep` in its forward pass; recording never changes what the pass returns.
    """

    def __init__(self):
        super().__init__()
        self.record_attention = False
        self.attention_maps = {}

    def keep(self, **maps):
        """Store copies of the weights (Tensors or arrays, by kind) if they are being recorded."""
        if self.record_attention:
            self.attention_maps = {kind: (value.data if isinstance(value, Tensor) else value).copy() for kind, value in maps.items()}
