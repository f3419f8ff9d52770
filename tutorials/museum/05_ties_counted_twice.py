"""Museum, exhibit 05: the largest of two by two.

Symptom. On random numbers every check passes. Behind a ReLU, on pictures with an empty background, the gradient grows with each pooling,
up to four times; the deeper the net, the sooner it bursts.
"""
import numpy as np


class MaxPool2d:
    """y[n,c,i,j] = the largest of x[n,c,2i:2i+2,2j:2j+2]. x (N, C, 2P, 2Q), y (N, C, P, Q)."""

    def forward(self, x):
        n, c, h, w = x.shape
        windows = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
        self.windows, self.shape = windows, x.shape
        return windows.max(axis=-1)

    def backward(self, dy):
        """dy (N, C, P, Q); returns dx (N, C, 2P, 2Q)."""
        n, c, h, w = self.shape
        winner = self.windows == self.windows.max(axis=-1, keepdims=True)                     # (N, C, P, Q, 4)
        d = winner * dy[..., None]
        return d.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)
