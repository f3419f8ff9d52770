"""Museum, exhibit 01: a factor for each channel. Repaired.

The forward step spread one factor over N rows (broadcasting), so each row has a say in its gradient: what was spread out is summed up.
Without the sum `a - lr * da` has a row for each image, and each image learns its own factor.
"""


class Scale:
    """y = x · a: every channel is multiplied by a factor of its own. x (N, C), a (C,)."""

    def forward(self, x, a):
        self.x, self.a = x, a
        return x * a                                # (N, C)

    def backward(self, dy):
        """dy (N, C); returns dx (N, C), da (C,)."""
        dx = dy * self.a
        da = (dy * self.x).sum(axis=0)      # a[c] went into every row
        return dx, da
