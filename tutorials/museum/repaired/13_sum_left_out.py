"""Museum, exhibit 13: the logarithm of a softmax. Repaired.

Each y has the logarithm in it, so the logarithm's slope, the softmax, comes once for each dy: times Σ dy. Of the summed cross-entropy Σ
dy is −1 in every row, and someone wrote that in. A masked row has Σ dy = 0.
"""
import numpy as np


class LogSoftmax:
    """y[n,k] = x[n,k] − log Σ_k' e^{x[n,k']}. x, y (N, K)."""

    def forward(self, x):
        shifted = x - x.max(axis=-1, keepdims=True)
        self.y = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return self.y

    def backward(self, dy):
        """dy (N, K); returns dx (N, K)."""
        return dy - np.exp(self.y) * dy.sum(axis=-1, keepdims=True)
