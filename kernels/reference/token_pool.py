"""Attention pooling: a mean of tokens, each weighted by a softmax of its own score.

    s_t = x_t·w + b,    a = softmax_t(s),    y = Σ_t a_t x_t

Hassani et al.: Escaping the Big Data Paradigm with Compact Transformers (arXiv 2104.05704), eq. 4 to 6.
"""
import numpy as np

__all__ = ["attention_pool_forward", "attention_pool_backward"]


def attention_pool_forward(x, w, b):
    """y (N, C) and a (N, T) of tokens x (N, T, C), w (C,), b (1,)."""
    s = x @ w + b                                                    # (N, T)
    a = np.exp(s - s.max(axis=1, keepdims=True))
    a /= a.sum(axis=1, keepdims=True)
    return np.matmul(a[:, None], x)[:, 0], a


def attention_pool_backward(dy, x, w, a):
    """dx (N, T, C) and dw (C,) of dy (N, C). (db = Σ ds_t is 0: a softmax does not see what all scores have in common.)

        da_t = dy·x_t,    ds_t = a_t (da_t − Σ_u a_u da_u),    dx_t = a_t dy + ds_t w,    dw = Σ ds_t x_t
    """
    da = np.matmul(x, dy[:, :, None])[..., 0]                        # (N, T)
    ds = a * (da - (a * da).sum(axis=1, keepdims=True))
    dx = a[..., None] * dy[:, None] + ds[..., None] * w
    return dx, np.einsum("nt,ntc->c", ds, x)
