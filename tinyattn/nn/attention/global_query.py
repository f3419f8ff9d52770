"""Learn to pay attention: what the last layer knows decides where in earlier maps to look. (Jetley et al., arXiv:1804.02391)"""
from ... import ops
from ...ops.arguments import choice, float_argument, same_dtype, whole
from .. import functional as F
from .. import init
from ..container import ModuleList
from ..linear import Linear
from ..module import Module
from ..parameter import Parameter
from .levels import listed_maps
from .weighing import Weighing

COMPATIBILITIES = ("pc", "dot", "additive")


class GlobalQueryPool(Weighing):
    """y = Σ_i a_i x_i,   a = softmax over the pixels of c_i, which says how well pixel x_i fits the query g:

        compatibility="pc"        c_i = u · (x_i + g)          the paper's parametrised one, its best
        compatibility="dot"       c_i = x_i · g                the paper's other
        compatibility="additive"  c_i = u · tanh(x_i + g)      as additive attention (arXiv:1409.0473)

    x (N, C, H, W), g (N, query_dim) → (N, C). Where query_dim is not C, a linear map without bias brings g to C numbers.

    Mind that "pc" does not depend on g: u · g is the same for all pixels, and a softmax does not see what all have in common. It
    is attention pooling, and no map of g is made for it. "dot" and "additive" do ask with g.

    Parameters: C for u ("pc", "additive"), and C · query_dim for the map ("dot", "additive"). Place it on a map of the middle of a
    network; x and g must be on one scale, so after a norm. On request it keeps a as "pool" (N, H, W).
    """

    def __init__(self, channels, query_dim=None, compatibility="pc"):
        super().__init__()
        caller = "GlobalQueryPool"
        self.channels = whole(channels, caller, "channels")
        self.query_dim = channels if query_dim is None else whole(query_dim, caller, "query_dim")
        self.compatibility = choice(compatibility, COMPATIBILITIES, caller, "compatibility")
        maps = compatibility != "pc" and self.query_dim != channels
        self.query = Linear(self.query_dim, channels, bias=False) if maps else None
        self.register_parameter("weight", None if compatibility == "dot" else Parameter(ops.creation.zeros(channels)))
        if self.weight is not None:
            init.uniform_(self.weight, -channels ** -0.5, channels ** -0.5)            # as a Linear's

    def forward(self, x, query):
        caller = "GlobalQueryPool"
        if float_argument(x, caller).ndim != 4 or x.shape[1] != self.channels or 0 in x.shape:
            raise ValueError(f"{caller}: input has shape {x.shape}, expected (N, {self.channels}, H, W), none of them 0")
        if float_argument(query, caller, "query").shape != (len(x), self.query_dim):
            raise ValueError(f"{caller}: query has shape {query.shape}, expected ({len(x)}, {self.query_dim}) for an input of shape {x.shape}")
        same_dtype(caller, input=x, query=query, weight=self.weight)
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)                                          # (N, P, C)
        g = query if self.query is None else self.query(query)                         # (N, C), but for "pc"
        if self.compatibility == "dot":
            scores = (tokens @ g.unsqueeze(2)).squeeze(2)                              # (N, P)
        elif self.compatibility == "pc":
            scores = (tokens @ self.weight.unsqueeze(1)).squeeze(2)
        else:
            scores = F.additive_scores(g.unsqueeze(1), tokens, self.weight).squeeze(1)
        shares = F.softmax(scores, 1)
        self.keep(pool=shares.reshape(n, h, w))
        return (shares.unsqueeze(1) @ tokens).squeeze(1)                               # (N, C)

    def own_multiply_adds(self, inputs, output):
        """The scores, and the weighted sum."""
        return 2 * inputs[0].numel()

    def extra_repr(self):
        return f"{self.channels}, query_dim={self.query_dim}, compatibility={self.compatibility!r}"


class GlobalQueryAttention(Module):
    """[y_1, …, y_L], each the `GlobalQueryPool` of one map for the same query: what the paper's classifier sees instead of g.

    Maps (N, channels[l], H_l, W_l) of any sizes, as one list, and the query g (N, query_dim) → (N, Σ channels). Parameters: the pools'.
    Place it at the end: the maps of two or three stages, the pooled last one as query, and one linear layer behind it, which
    so must decide by what was attended to alone.
    """

    def __init__(self, channels, query_dim, compatibility="pc"):
        super().__init__()
        if not isinstance(channels, (list, tuple)) or not channels:
            raise TypeError(f"GlobalQueryAttention: channels must be a list with the channels of every map, got {channels!r:.60}")
        self.pools = ModuleList([GlobalQueryPool(c, query_dim, compatibility) for c in channels])

    def forward(self, maps, query):
        maps = listed_maps([maps], len(self.pools), "GlobalQueryAttention")
        return ops.shape.cat([pool(x, query) for pool, x in zip(self.pools, maps)], 1)  # (N, Σ channels)
