"""Lesson 02, answers."""
import numpy as np


def unbroadcast(gradient, shape):
    """Sum over the axes that the input did not have, then over those on which it had length 1."""
    missing = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(missing)))
    return gradient.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


def matmul_backward(gradient, x, w):
    """dx[b,n,d] = Σ_k g[b,n,k] w[d,k];  dw[d,k] = Σ_b Σ_n x[b,n,d] g[b,n,k], for w was used by every row of every b."""
    B, N, D = x.shape
    return gradient @ w.T, x.reshape(B * N, D).T @ gradient.reshape(B * N, -1)


def mean_backward(gradient, shape, axis):
    """Every number had a share of 1/n: the gradient is stretched along the axis it lost, and divided by that axis's length."""
    if axis is None:
        return np.full(shape, gradient / np.prod(shape))
    return np.broadcast_to(np.expand_dims(gradient, axis), shape) / shape[axis]
