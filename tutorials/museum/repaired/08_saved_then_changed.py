"""Museum, exhibit 08: SiLU, which saves memory. Repaired.

`self.x = y` saves no numbers, it gives a second name to an array that the next line overwrites. So backward took the output for the
input. The mistake is in forward, and shows in backward: this is what the framework's version counter is for.
"""
import numpy as np


class SiLU:
    """y = x · σ(x) with σ(x) = 1 / (1 + e^−x), for arrays of any shape."""

    def forward(self, x):
        self.x = x
        return x / (1 + np.exp(-x))                 # a new array: what was saved stays what it was

    def backward(self, dy):
        """dy and the returned dx have the shape of x."""
        s = 1 / (1 + np.exp(-self.x))
        return dy * (s + self.x * s * (1 - s))
