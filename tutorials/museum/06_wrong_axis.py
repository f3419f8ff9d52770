"""Museum, exhibit 06: the softmax of attention scores.

Symptom. It trains, and attention stays vague. No shape is ever wrong. In a cross-attention, where there are more keys than queries,
Python stops at last.
"""
import numpy as np


class Softmax:
    """y[b,i,j] = e^{x[b,i,j]} / Σ_j' e^{x[b,i,j']}: each query i spreads a whole over the keys j. x, y (B, T, T)."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, dy):
        """dy (B, T, T); returns dx (B, T, T)."""
        y = self.y
        return y * (dy - np.sum(dy * y, axis=1)[..., None])
