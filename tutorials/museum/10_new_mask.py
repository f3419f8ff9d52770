"""Museum, exhibit 10: dropout.

Symptom. It trains, as restlessly as with far too large a learning rate. A gradient arrives at numbers that were not even used.
"""
import numpy as np


class Dropout:
    """y = x · m / (1 − p), where m is 0 with probability p and else 1, drawn anew at each call. x, y of any shape."""

    def __init__(self, p, seed):
        self.p, self.rng = p, np.random.default_rng(seed)

    def forward(self, x):
        mask = self.rng.random(x.shape) >= self.p
        return x * mask / (1 - self.p)

    def backward(self, dy):
        """dy and the returned dx have the shape of x."""
        mask = self.rng.random(dy.shape) >= self.p
        return dy * mask / (1 - self.p)
