"""Museum, exhibit 03: a convolution's way back to its input.

Symptom. A net with one convolution trains as well as ever. In a net of four the upper ones learn, and the lowest filters stay no better
than the random ones they began as. A blur, whose kernel is the same from both sides, passes every check.
"""
import numpy as np


class Conv2d:
    """y[n,k,i,j] = Σ_{c,r,s} w[k,c,r,s] · x[n,c,i+r,j+s]. x (N, C, H, W), w (K, C, R, S), y (N, K, H−R+1, W−S+1)."""

    def forward(self, x, w):
        self.x, self.w = x, w
        return correlate(x, w)

    def backward(self, dy):
        """dy (N, K, P, Q); returns dx (N, C, H, W), dw (K, C, R, S)."""
        r, s = self.w.shape[2:]
        padded = np.pad(dy, ((0, 0), (0, 0), (r - 1, r - 1), (s - 1, s - 1)))
        dx = correlate(padded, self.w.transpose(1, 0, 2, 3))                                  # back from K channels to C
        dw = correlate(self.x.transpose(1, 0, 2, 3), dy.transpose(1, 0, 2, 3))                # (C, K, R, S)
        return dx, dw.transpose(1, 0, 2, 3)


def correlate(x, w):
    """The window slides, and is multiplied and added up at every place."""
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))                # (N, C, P, Q, R, S)
    return np.einsum("ncpqrs,kcrs->nkpq", windows, w)
