"""Museum, exhibit 10: dropout. Repaired.

The gradient belongs to the numbers that went forward, and those were chosen by one mask. A second draw sends gradients to numbers that
were dropped, and none to some that were not. What is random is saved.
"""
import numpy as np


class Dropout:
    """y = x · m / (1 − p), where m is 0 with probability p and else 1, drawn anew at each call. x, y of any shape."""

    def __init__(self, p, seed):
        self.p, self.rng = p, np.random.default_rng(seed)

    def forward(self, x):
        self.mask = self.rng.random(x.shape) >= self.p
        return x * self.mask / (1 - self.p)

    def backward(self, dy):
        """dy and the returned dx have the shape of x."""
        return dy * self.mask / (1 - self.p)
