"""The face of a gate: a feature map in, the same shape out, and on request a record of what it attended to."""
from ...ops.arguments import float_argument, whole
from ...placing import on_host, overwrite
from .. import functional as F
from ..conv import Conv2d
from ..linear import Linear
from .weighing import Weighing


class Gate(Weighing):
    """Base of modules that weigh a feature map (N, C, H, W) and give back the same shape.

    On request it keeps its weights (see `Weighing`), such as ``"channel"`` (N, C) or ``"pixel"`` (N, H, W). A gate
    whose layers nobody watches runs as one operation, `functional.attention_gate`; with hooks on them, layer by layer.
    """

    quadratic = False
    """Whether the cost grows with the square of the pixels."""
    sized = False
    """Whether it is made for maps of one size, (H, W): then that is its second argument."""

    def __init__(self, channels):
        super().__init__()
        self.channels = whole(channels, type(self).__name__, "channels")

    def check(self, x):
        """ValueError unless x is (N, channels, H, W) and not empty."""
        name, shape = type(self).__name__, float_argument(x, type(self).__name__).shape
        if x.ndim != 4 or shape[1] != self.channels:
            hint = "; a single image is x[None]" if x.ndim == 3 and shape[0] == self.channels else ""
            raise ValueError(f"{name}: input has shape {shape}, expected (N, {self.channels}, H, W){hint}")
        if 0 in shape:
            raise ValueError(f"{name}: input of shape {shape} is empty")

    def run_as_one(self, x, *weights, with_max=False):
        """`functional.attention_gate` of x, its weights stored if they are being recorded."""
        maps = {} if self.record_attention else None
        y = F.attention_gate(x, *weights, with_max=with_max, maps=maps)
        if maps is not None:
            self.attention_maps = maps
        return y


def hidden_channels(channels, reduction, caller):
    """Width of a gate's bottleneck: channels / reduction, but at least 4, so that small nets keep one."""
    return max(4, channels // whole(reduction, caller, "reduction"))


def awake(layer):
    """`layer`, W₁ (h, C) before a ReLU, turned round (−W₁) where the values of every row sum to less than 0.

    What a gate squeezes behind a ReLU is at least 0, and much alike in all channels: a row that sums to less than 0 is a unit that is off.
    Of layers drawn freely one in 2ʰ has only such rows; with the least h, 4, a gate in sixteen. If then no unit is on for any image, no
    gradient reaches W₁, nor what follows it: the gate was born dead. (One can still die in training, by steps that are too large;
    `tinyattn maps` names it then.)
    """
    weight = on_host(layer.weight.detach())
    if (weight.sum(axis=1) < 0).all():
        overwrite(layer.weight, -weight)
    return layer


def odd(kernel_size, caller):
    """`kernel_size` as an int; ValueError unless it is odd, so that the window has a middle and the map keeps its size."""
    if whole(kernel_size, caller, "kernel_size") % 2 == 0:
        raise ValueError(f"{caller}: kernel_size must be odd, got {kernel_size}")
    return int(kernel_size)


def unwatched(*layers):
    """Whether all `layers` are plain ones, without hooks: then what they would do may be done for them."""
    return all([type(m) in (Linear, Conv2d) and not m.is_hooked() for m in layers])
