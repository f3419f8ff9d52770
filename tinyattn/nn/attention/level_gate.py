"""Level gates: each image chooses how much it takes of every level of a pyramid."""
from ... import ops
from ...ops.arguments import whole
from .. import functional as F
from .. import init
from ..linear import Linear
from .levels import same_maps
from .weighing import Weighing


class LevelGate(Weighing):
    """y = Σ_l a_l x_l,   a = softmax over levels of W [mean_pixels x_1; …; mean_pixels x_L] + b, for each image its own.

    x_l `levels` maps (N, C, H, W), a (N, levels). The softmax over branches is selective kernels' (Li et al., arXiv:1903.06586),
    here with one weight for a whole level instead of one a channel. Parameters: L² C + L, which start at 0, so that it
    starts as the mean. Place it behind a feature pyramid, its maps resized to one shape, where things are of very different
    sizes and an image shows few of them; `WeightedFusion` weighs alike for all images. On request it keeps a as "levels".
    """

    def __init__(self, channels, levels):
        super().__init__()
        self.channels, self.levels = whole(channels, "LevelGate", "channels"), whole(levels, "LevelGate", "levels")
        self.score = Linear(self.levels * self.channels, self.levels)
        init.zeros_(self.score.weight)
        init.zeros_(self.score.bias)

    def forward(self, *maps):
        maps = same_maps(maps, self.levels, self.channels, "LevelGate", self.score.weight)
        means = [F.pool_pixels(x, with_max=False) for x in maps]                       # (N, C) each
        shares = F.softmax(self.score(ops.shape.cat(means, 1)), 1)                     # (N, levels)
        self.keep(levels=shares)
        return F.weighted_sum(maps, shares)

    def own_multiply_adds(self, inputs, output):
        """The weighted sum."""
        return self.levels * output.numel()

    def extra_repr(self):
        return f"{self.channels}, levels={self.levels}"
