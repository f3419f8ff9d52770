"""Museum, exhibit 16: tokens cut into heads. Repaired.

Forward did two things, reshape and transpose; backward undoes both, the last first. A reshape alone gives the wanted shape to numbers
that stand in another order.
"""


class SplitHeads:
    """y[b,h,t,d] = x[b,t,h·D/heads + d]: each token's numbers are dealt out to the heads. x (B, T, D), y (B, heads, T, D/heads)."""

    def __init__(self, heads):
        self.heads = heads

    def forward(self, x):
        self.shape = x.shape
        b, t, d = x.shape
        return x.reshape(b, t, self.heads, d // self.heads).transpose(0, 2, 1, 3)

    def backward(self, dy):
        """dy (B, heads, T, D/heads); returns dx (B, T, D)."""
        return dy.transpose(0, 2, 1, 3).reshape(self.shape)
