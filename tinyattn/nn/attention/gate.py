"""The face of a gate: a feature map in, the same shape out, and on request a record of what it attended to."""
from ..module import Module


class Gate(Module):
    """Base of modules that weigh a feature map (N, C, H, W) and give back the same shape.

    Where `record_attention` is True (set by ``tinyattn.viz.record``), a forward pass leaves its weights in
    `attention_maps`: name → array, such as ``"channel"`` (N, C) or ``"pixel"`` (N, H, W).
    """

    def __init__(self, channels):
        super().__init__()
        if channels < 1:
            raise ValueError(f"{type(self).__name__}: channels must be at least 1, got {channels}")
        self.channels = channels
        self.record_attention = False
        self.attention_maps = {}

    def check(self, x):
        """ValueError unless x is (N, channels, H, W)."""
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(f"{type(self).__name__}: input has shape {x.shape}, expected (N, {self.channels}, H, W)")

    def keep(self, **maps):
        """Store copies of the attention weights if they are being recorded."""
        if self.record_attention:
            self.attention_maps = {name: value.data.copy() for name, value in maps.items()}


def hidden_channels(channels, reduction):
    """Width of a gate's bottleneck: channels / reduction, but at least 4, so that small nets keep one."""
    return max(4, channels // reduction)
