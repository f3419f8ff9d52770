"""Museum, exhibit 15: the scores of attention.

Symptom. It trains, and the keys never fit their queries. The queries' gradient is right to the last digit.
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
        dk = ds @ self.q
        return dq, dk
