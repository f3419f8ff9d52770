"""Museum, exhibit 02: the mean squared error.

Symptom. It trains, but the learning rate that works for 32 images diverges for 256; whoever enlarges the batch must make the steps
smaller by the same factor. The direction of every gradient is right.
"""
import numpy as np


class MeanSquaredError:
    """L = 1/n · Σ (p − t)² over all n numbers. p, t (N, C); L is one number."""

    def forward(self, p, t):
        self.p, self.t = p, t
        return np.mean((p - t) ** 2)                # ()

    def backward(self, dy):
        """dy (); returns dp (N, C), dt (N, C)."""
        dp = dy * 2 * (self.p - self.t)
        return dp, -dp
