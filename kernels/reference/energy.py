"""A gate without parameters: what differs from the rest of its channel is let through. x (N, P, C), P = H·W pixels.

    μ, v = mean over p of x[n,p,c],  Σ_p (x − μ)² / max(1, P − 1)          (N, C) each
    k    = 1 / (4 (v + λ))                                                (N, C)
    e    = k (x − μ)² + ½                                                 (N, P, C)
    y    = x · σ(e)

e is the inverse of the least energy that tells a neuron from all others of its channel. Yang et al.: SimAM (ICML 2021).
"""
import numpy as np

from .elementwise import sigmoid

__all__ = ["energy_gate_forward", "energy_gate_backward"]


def energy_gate_forward(x, e_lambda, out=None):
    """y (N, P, C) as above, and `notes` (N, 2, C) for the backward pass: μ and k."""
    P = x.shape[1]
    mean = x.mean(axis=1, dtype=np.float64)                               # (N, C)
    d = x - mean[:, None]                                                 # (N, P, C)
    k = 1 / (4 * ((d * d).sum(axis=1) / max(1, P - 1) + e_lambda))        # (N, C)
    y = np.empty_like(x) if out is None else out
    y[...] = x * sigmoid(k[:, None] * d * d + 0.5)
    return y, np.stack([mean, k], axis=1).astype(x.dtype)


def energy_gate_backward(dy, x, notes):
    """dx (N, P, C). With d = x − μ, s = σ(e), q = dy·x·s(1 − s), which is what comes back to e, n = max(1, P − 1):

        A = Σ_p q d²,    du = 2k d (q − 4k A / n),    dx = dy·s + du − mean_p du

    dy and x (N, P, C); notes (N, 2, C). (∂k/∂v = −4k², ∂v/∂d_j = 2 d_j / n, and μ takes the mean away from du.)
    """
    P = x.shape[1]
    mean, k = notes[:, 0][:, None].astype(np.float64), notes[:, 1][:, None].astype(np.float64)        # (N, 1, C)
    d = x - mean
    s = sigmoid(k * d * d + 0.5)
    q = dy * x * s * (1 - s)
    du = 2 * k * d * (q - 4 * k * (q * d * d).sum(axis=1, keepdims=True) / max(1, P - 1))
    return (dy * s + du - du.mean(axis=1, keepdims=True)).astype(x.dtype)
