"""Weighted fusion: a mean of feature maps, one trained weight for each. (Tan et al., BiFPN, arXiv:1911.09070, §3.3)"""
from ... import ops
from ...ops.arguments import real, whole
from .. import functional as F
from ..parameter import Parameter
from .levels import same_maps
from .weighing import Weighing


class WeightedFusion(Weighing):
    """y = Σ_i w_i x_i / (ε + Σ_j w_j),   w_i = max(v_i, 0), over `levels` maps of one shape (N, C, H, W).

    The paper's "fast normalized fusion": shares of 0 … 1 like a softmax's, without exponentials, and a map can be shut off.
    Parameters: v, one a map, from 1 on: it starts as the mean. Place it wherever a neck adds maps, resized to one shape.
    Where no v is positive the sum is 0, and stays so: no gradient passes max(v, 0). On request it keeps the shares as
    "levels" (N, levels), the same for every image.
    """

    def __init__(self, levels, eps=1e-4):
        super().__init__()
        self.levels, self.eps = whole(levels, "WeightedFusion", "levels"), real(eps, "WeightedFusion", "eps", 0)
        self.weight = Parameter(ops.creation.ones(self.levels))

    def forward(self, *maps):
        maps = same_maps(maps, self.levels, None, "WeightedFusion", self.weight)
        w = F.relu(self.weight)
        shares = w / (w.sum() + self.eps)                                 # (levels,)
        self.keep(levels=shares.unsqueeze(0).expand(len(maps[0]), self.levels))
        return F.weighted_sum(maps, shares)

    def own_multiply_adds(self, inputs, output):
        """The weighted sum."""
        return self.levels * output.numel()

    def extra_repr(self):
        return f"{self.levels}, eps={self.eps}"
