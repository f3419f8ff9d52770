"""Museum, exhibit 13: the logarithm of a softmax.

Symptom. Under the summed cross-entropy everything is right. Then some words are masked out of the loss, and those words go on learning,
although nobody asks them anything.
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
        return dy + np.exp(self.y)
