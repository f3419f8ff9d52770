"""Museum, exhibit 08: SiLU, which saves memory.

Symptom. Outputs are right to the last digit. It trains, and badly. The formula in backward has been compared with the book three times:
it is the right one.
"""
import numpy as np


class SiLU:
    """y = x · σ(x) with σ(x) = 1 / (1 + e^−x), for arrays of any shape."""

    def forward(self, x):
        y = x.copy()                                # the caller's x stays as it is
        self.x = y
        y *= 1 / (1 + np.exp(-y))                   # in place: one array less
        return y

    def backward(self, dy):
        """dy and the returned dx have the shape of x."""
        s = 1 / (1 + np.exp(-self.x))
        return dy * (s + self.x * s * (1 - s))
