"""Museum, exhibit 07: batch normalisation.

Symptom. It trains. Adding the same number to a channel of the whole batch changes no output at all; yet the gradient claims that it
would.
"""
import numpy as np


class BatchNorm:
    """y = γ · (x − μ) / √(σ² + ε) + β, with mean μ and variance σ² of each channel over the batch. x (N, C), γ, β (C,)."""

    eps = 1e-5

    def forward(self, x, gamma, beta):
        mean, variance = x.mean(axis=0), x.var(axis=0)                                        # (C,)
        self.scale, self.gamma = 1 / np.sqrt(variance + self.eps), gamma
        self.normal = (x - mean) * self.scale                                                 # (N, C)
        return gamma * self.normal + beta

    def backward(self, dy):
        """dy (N, C); returns dx (N, C), dgamma (C,), dbeta (C,)."""
        dnormal = dy * self.gamma
        dx = dnormal * self.scale
        return dx, (dy * self.normal).sum(axis=0), dy.sum(axis=0)
