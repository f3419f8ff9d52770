"""Museum, exhibit 01: a factor for each channel.

Symptom. It trains, and better than it should: the loss on the training batch falls to nothing. On the test set, whose last batch is
shorter, Python stops: the factors have grown a batch axis.
"""


class Scale:
    """y = x · a: every channel is multiplied by a factor of its own. x (N, C), a (C,)."""

    def forward(self, x, a):
        self.x, self.a = x, a
        return x * a                                # (N, C)

    def backward(self, dy):
        """dy (N, C); returns dx (N, C), da (C,)."""
        dx = dy * self.a
        da = dy * self.x
        return dx, da
