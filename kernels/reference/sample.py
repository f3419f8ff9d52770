"""Sampling at any points: every output is a weighted sum of a few pixels, which differ from output to output.

With x (N, P, C) pixels, index (N, Q, T) and weight (N, Q, T), T taps for each of Q points, all three are the derivatives of

    F = Σ_{n,q,t,c} dy[n,q,c] · weight[n,q,t] · x[n, index[n,q,t], c]

with respect to dy, x and weight; where index is −1, a tap lies outside and counts for nothing.

Jaderberg et al.: Spatial transformer networks (arXiv 1506.02025).
"""
import numpy as np

__all__ = ["sample_points", "sample_points_backward_input", "sample_points_backward_weight"]


def _picked(x, index):
    """x[n, index[n,q,t], :] as (N, Q, T, C), with 0 where index is −1."""
    batch = np.arange(len(x))[:, None, None]
    if not x.shape[1]:
        return np.zeros(index.shape + x.shape[2:], x.dtype)
    return np.where((index >= 0)[..., None], x[batch, np.maximum(index, 0)], x.dtype.type(0))


def sample_points(x, index, weight):
    """y[n,q,c] = Σ_t weight[n,q,t] · x[n, index[n,q,t], c]. x (N, P, C), index int64 and weight (N, Q, T) → y (N, Q, C)"""
    weight = np.where(index >= 0, weight, weight.dtype.type(0))
    return (weight[..., None] * _picked(x, index)).sum(2)


def sample_points_backward_input(dy, index, weight, pixels):
    """dx[n,p,c] = Σ over q, t with index[n,q,t] = p of weight[n,q,t] · dy[n,q,c]. dy (N, Q, C) → dx (N, pixels, C)"""
    dx = np.zeros((len(dy), pixels, dy.shape[2]), np.float64)
    for n in range(len(dy)):
        q, t = np.nonzero(index[n] >= 0)
        np.add.at(dx[n], index[n, q, t], weight[n, q, t, None] * dy[n, q])
    return dx.astype(dy.dtype)


def sample_points_backward_weight(dy, x, index):
    """dw[n,q,t] = Σ_c dy[n,q,c] · x[n, index[n,q,t], c]. dy (N, Q, C), x (N, P, C) → dw (N, Q, T)"""
    return np.einsum("nqc,nqtc->nqt", dy, _picked(x, index))
