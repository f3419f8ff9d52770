"""Self-attention over pixels: every place asks all the others. (Vaswani et al., arXiv:1706.03762; Wang et al., arXiv:1711.07971)"""
from ... import ops
from ...ops.arguments import whole
from .. import init
from ..linear import Linear
from .gate import Gate


class SelfAttention2d(Gate):
    """y = x + W_o · concat_h softmax(Q_h K_hᵀ / √d) V_h over the H·W pixels as tokens.

    x (N, C, H, W); Q, K, V are linear maps of x, d = C / heads: by default as near to 16 as divides C. Recorded: "tokens" (N, heads, P, P).
    Parameters: 4 C² + 4 C. W_o starts at 0, so that the module first passes x through (as the non-local block does). The cost
    grows with P² = (H·W)²: place it on maps up to about 16×16.
    """

    quadratic = True

    def __init__(self, channels, heads=None):
        super().__init__(channels)
        self.heads = heads_of(self.channels, heads, type(self).__name__)
        self.qkv = Linear(channels, 3 * channels)
        self.out = Linear(channels, channels)
        init.zeros_(self.out.weight)
        init.zeros_(self.out.bias)

    def forward(self, x):
        self.check(x)
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)                           # (N, P, C), a view of channels-last memory
        y = self.out(self.attended(self.qkv(tokens), (h, w)))           # (N, P, C)
        return x + y.transpose(1, 2).reshape(n, c, h, w)

    def attended(self, qkv, size):
        """The heads' outputs side by side (N, P, C) of Q, K and V side by side (N, P, 3C)."""
        scale = (self.channels // self.heads) ** -0.5
        if self.record_attention:
            q, k, _ = split_heads(qkv.detach(), self.heads)
            self.keep(tokens=ops.attention.attention_weights(q, k, None, False, scale))
        return ops.attention.SelfAttentionFunction.apply(qkv, None, heads=self.heads, causal=False, scale=scale)

    def own_multiply_adds(self, inputs, output):
        """Q Kᵀ and its product with V."""
        n, c, h, w = output.shape
        return 2 * n * c * (h * w) ** 2


def heads_of(channels, heads, caller, what="channels"):
    """`heads`, or as many as give each a length as near to 16 as divides `channels`; ValueError where they do not divide it."""
    if heads is None:
        return next(n for n in range(max(1, channels // 16), 0, -1) if channels % n == 0)
    if channels % whole(heads, caller, "heads"):
        raise ValueError(f"{caller}: {what} = {channels} must be divisible by heads = {heads}")
    return heads


def split_heads(qkv, heads):
    """Q, K and V side by side (N, P, 3C) → three (N, heads, P, C / heads)."""
    n, p, c = qkv.shape
    joined = qkv.reshape(n, p, 3, heads, c // (3 * heads))
    return [joined[:, :, i].transpose(1, 2) for i in range(3)]
