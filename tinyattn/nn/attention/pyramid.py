"""Feature pyramid: what coarse maps understood is brought to fine ones. (Lin et al., arXiv:1612.03144)"""
from ...ops.arguments import same_dtype, whole
from .. import functional as F
from .. import init
from ..container import ModuleList
from ..conv import Conv2d
from ..module import Module
from .levels import listed_maps


class FeaturePyramid(Module):
    """p_l = smooth_l(m_l),   m_l = lateral_l(x_l) + m_(l+1) enlarged to the size of x_l,   the coarsest m without a second term.

    Maps x_l (N, in_channels[l], H_l, W_l), finest first, one by one or as one list → a list of (N, out_channels, H_l, W_l).
    lateral is a 1×1 convolution, smooth a 3×3 one against the steps that enlarging to nearest neighbours leaves. A map may be
    of any size up to that of the finer one before it: 7×5 goes to 13×10 as well as to 14×10.

    Parameters: Σ_l (in_channels[l] · D + D) + L (9 D² + D), D = out_channels; weights drawn from ±√(3 / fan-in), biases 0. Place it behind
    the stages of a backbone, where what is looked for comes in many sizes.
    """

    def __init__(self, in_channels, out_channels=256):
        super().__init__()
        caller = "FeaturePyramid"
        if not isinstance(in_channels, (list, tuple)) or not in_channels:
            raise TypeError(f"{caller}: in_channels must be a list with the channels of every map, finest first, got {in_channels!r:.60}")
        self.in_channels = tuple(whole(c, caller, f"in_channels[{i}]") for i, c in enumerate(in_channels))
        self.out_channels = whole(out_channels, caller, "out_channels")
        self.lateral = ModuleList([Conv2d(c, out_channels, 1) for c in self.in_channels])
        self.smooth = ModuleList([Conv2d(out_channels, out_channels, 3, padding=1) for _ in self.in_channels])
        for conv in (*self.lateral, *self.smooth):
            init.kaiming_uniform_(conv.weight, a=1)
            init.zeros_(conv.bias)

    def forward(self, *maps):
        maps = self._checked(maps)
        found, coarser = [], None
        for x, lateral, smooth in list(zip(maps, self.lateral, self.smooth))[::-1]:
            m = lateral(x)
            coarser = m if coarser is None else m + F.interpolate(coarser, size=x.shape[2:], mode="nearest")
            found.append(smooth(coarser))
        return found[::-1]

    def _checked(self, maps):
        caller = "FeaturePyramid"
        maps = listed_maps(maps, len(self.in_channels), caller)
        same_dtype(caller, **{f"map {i}": x for i, x in enumerate(maps)}, weight=self.lateral[0].weight)
        for i, (x, channels) in enumerate(zip(maps, self.in_channels)):
            if x.shape[1] != channels:
                raise ValueError(f"{caller}: map {i} has shape {x.shape}, expected (N, {channels}, H, W)")
            if i and (x.shape[2] > maps[i - 1].shape[2] or x.shape[3] > maps[i - 1].shape[3]):
                raise ValueError(f"{caller}: map {i} of {x.shape[2]}×{x.shape[3]} is larger than map {i - 1} of {maps[i - 1].shape[2]}×"
                                 f"{maps[i - 1].shape[3]}; the finest map comes first")
        return maps

    def extra_repr(self):
        return f"{list(self.in_channels)}, {self.out_channels}"
