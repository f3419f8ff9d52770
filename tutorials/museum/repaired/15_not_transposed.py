"""Museum, exhibit 15: the scores of attention. Repaired.

dk[j] collects from all queries i, so the sum runs over the first axis of ds, and that axis must stand in the middle of the product. T
queries and T keys: again a square in which both fit.
"""
import numpy as np


class Scores:
    """s[b,i,j] = q[b,i] · k[b,j] / √D. q, k (B, T, D), s (B, T, T)."""

    def forward(self, q, k):
        self.q, self.k = q, k
        return q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])

    def backward(self, ds):
        """ds (B, T, T); returns dq (B, T, D), dk (B, T, D)."""
        ds = ds / np.sqrt(self.q.shape[-1])
        dq = ds @ self.k
        dk = ds.transpose(0, 2, 1) @ self.q
        return dq, dk
