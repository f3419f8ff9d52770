"""Bottleneck transformer: a residual block whose 3×3 convolution is self-attention with distances. (Srinivas et al., arXiv:2101.11605)"""
from .. import functional as F
from .. import init
from ..fused import ConvNormAct
from ..linear import Linear
from ..norm import BatchNorm2d
from .gate import Gate, hidden_channels
from .relative import attend_with_distances, distance_multiply_adds, tables
from .self_attention import heads_of


class BottleneckTransformer(Gate):
    """y = x + norm(W₃ max(norm(MHSA(max(norm(W₁ x), 0))), 0)),   MHSA with scores (q_i·k_j + q_i·r_{Δrow} + q_i·s_{Δcolumn}) / √d.

    x (N, C, H, W); W₁ (h, C) and W₃ (C, h), h = max(4, C / r), are 1×1 convolutions around the attention of `heads` heads (4 where they
    divide h), d = h / heads, over the H·W places; its distances are those of `RelativeSelfAttention2d`, for maps of `size` (H, W).
    The last batch norm's scale starts at 0, so that the block first passes x through. The ReLU after the addition is the caller's.

    Recorded: "tokens" (N, heads, P, P). Parameters: 2Ch + 3h² + 7h + 2C + (2H + 2W − 2)d. Place it in the last stage, in the place of
    residual blocks, on maps up to about 16×16: the cost grows with (H·W)².
    """

    quadratic = sized = True

    def __init__(self, channels, size, heads=None, reduction=4):
        super().__init__(channels)
        h = hidden_channels(channels, reduction, "BottleneckTransformer")
        if heads is None:
            heads = next(n for n in (4, 3, 2, 1) if h % n == 0)
        self.heads, self.hidden = heads_of(h, heads, "BottleneckTransformer", "channels of the bottleneck"), h
        self.reduce = ConvNormAct(channels, h, 1)
        self.qkv = Linear(h, 3 * h)
        self.rows, self.columns = tables(size, h // heads, "BottleneckTransformer")
        self.norm = BatchNorm2d(h)
        self.expand = ConvNormAct(h, channels, 1, activation=None)
        init.zeros_(self.expand.norm.weight)

    def forward(self, x):
        self.check(x)
        n, _, h, w = x.shape
        tokens = self.reduce(x).flatten(2).transpose(1, 2)              # (N, P, h)
        y = attend_with_distances(self, self.qkv(tokens), (h, w))       # (N, P, h)
        y = F.relu(self.norm(y.transpose(1, 2).reshape(n, self.hidden, h, w)))
        return x + self.expand(y)

    def own_multiply_adds(self, inputs, output):
        """Those of the attention."""
        return distance_multiply_adds(output.shape, self.hidden, self.heads)
