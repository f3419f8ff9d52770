"""Museum, exhibit 09: a block with a way around it.

Symptom. Four of these blocks train. Forty do not: the gradient is gone before it reaches the bottom, as if there were no way around.
"""
import numpy as np


class ResidualBlock:
    """y = x + relu(x · w). x (N, D), w (D, D), y (N, D)."""

    def forward(self, x, w):
        self.x, self.w = x, w
        self.h = x @ w                              # (N, D)
        return x + np.maximum(self.h, 0)

    def backward(self, dy):
        """dy (N, D); returns dx (N, D), dw (D, D)."""
        grads = {}
        grads["x"] = dy                             # the way around
        dh = dy * (self.h > 0)
        grads["w"] = self.x.T @ dh
        grads["x"] = dh @ self.w.T                  # the way through
        return grads["x"], grads["w"]
