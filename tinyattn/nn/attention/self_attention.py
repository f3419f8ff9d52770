"""Self-attention over the pixels of a feature map: every place asks all the others."""
from ... import ops
from ...ops.arguments import whole
from .. import functional as F
from ..linear import Linear
from .gate import Gate


class SelfAttention2d(Gate):
    """y = x + W_o · concat_h softmax(Q_h K_hᵀ / √d) V_h over the H·W pixels as tokens.

    x (N, C, H, W); Q, K, V are 1×1 projections of x, d = C / heads. Parameters: 4 C² + 4 C. W_o starts at 0, so that the
    module first passes x through (as the non-local block does; Wang et al., arXiv:1711.07971). The cost grows with (H·W)²:
    place it on maps up to about 16×16.
    """

    def __init__(self, channels, heads=None):
        super().__init__(channels)
        if heads is None:  # as near to 16 channels a head as divides them
            heads = next(h for h in range(max(1, channels // 16), 0, -1) if channels % h == 0)
        self.heads = whole(heads, "SelfAttention2d", "heads")
        if channels % self.heads:
            raise ValueError(f"SelfAttention2d: channels = {channels} must be divisible by heads = {self.heads}")
        self.qkv = Linear(channels, 3 * channels)
        self.out = Linear(channels, channels)
        self.out.weight.data[...] = 0
        self.out.bias.data[...] = 0

    def forward(self, x):
        self.check(x)
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)                           # (N, P, C), a view of channels-last memory
        joined = self.qkv(tokens).reshape(n, h * w, 3, self.heads, c // self.heads)
        q, k, v = (joined[:, :, i].transpose(1, 2) for i in range(3))   # each (N, heads, P, d)
        if self.record_attention:
            scale = (c // self.heads) ** -0.5
            self.keep(tokens=ops.attention.attention_weights(q.detach(), k.detach(), None, False, scale))
        o = F.scaled_dot_product_attention(q, k, v)                     # (N, heads, P, d)
        y = self.out(o.transpose(1, 2).reshape(n, h * w, c))            # (N, P, C)
        return x + y.transpose(1, 2).reshape(n, c, h, w)
