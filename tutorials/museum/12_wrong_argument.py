"""Museum, exhibit 12: GELU, by its formula with tanh.

Symptom. It trains. Near 0 the gradient is right to three digits, and far from 0 nearly so. In between it is off by up to 0.06.
"""
import numpy as np


C = np.sqrt(2 / np.pi)


class GELU:
    """y = x/2 · (1 + tanh u) with u = √(2/π) · (x + 0.044715 x³), for arrays of any shape."""

    def forward(self, x):
        self.x = x
        return x / 2 * (1 + np.tanh(C * (x + 0.044715 * x ** 3)))

    def backward(self, dy):
        """dy and the returned dx have the shape of x."""
        x = self.x
        u = C * (x + 0.044715 * x ** 3)
        du = C * (1 + 3 * 0.044715 * x ** 2)
        return dy * ((1 + np.tanh(u)) / 2 + x / 2 * (1 - np.tanh(x) ** 2) * du)
