"""Group normalisation: mean and variance of each group of channels of an image, over all its pixels.

    y = (x − mean) · rstd · weight + bias,    rstd = 1 / √(var + eps)

Wu, He: Group normalization (arXiv 1803.08494).
"""
import numpy as np

from .norm import _scale_and_shift

__all__ = ["group_norm_forward", "group_norm_backward"]


def group_norm_forward(x, weight, bias, groups, eps):
    """Normalise each of `groups` groups of channels of each image, over all its pixels.

    x (N, P, C): P pixels; weight and bias (C,) or None. Returns y (N, P, C), mean (N, groups), rstd (N, groups).
    """
    N, P, C = x.shape
    wide = x.astype(np.float64).reshape(N, P, groups, C // groups)
    mean = wide.mean(axis=(1, 3), keepdims=True)                             # (N, 1, groups, 1)
    centred = wide - mean
    with np.errstate(invalid="ignore"):                                      # a negative eps may well give NaN
        rstd = 1 / np.sqrt((centred ** 2).mean(axis=(1, 3), keepdims=True) + eps)
    y = _scale_and_shift((centred * rstd).reshape(x.shape), weight, bias, False, x.dtype)
    return y, mean.reshape(N, groups).astype(x.dtype), rstd.reshape(N, groups).astype(x.dtype)


def group_norm_backward(dy, x, mean, rstd, weight):
    """Gradients of `group_norm_forward`. With x̂ = (x − mean) · rstd and g = dy · weight:

        dx = rstd · (g − ⟨g⟩ − x̂·⟨g·x̂⟩)  (⟨⟩: mean of a group),   dweight = Σ_{n,p} dy·x̂,   dbias = Σ_{n,p} dy

    dy, x (N, P, C); mean, rstd (N, groups); weight (C,) or None. Returns dx (N, P, C), dweight (C,), dbias (C,).
    """
    N, P, C = x.shape
    apart = N, P, mean.shape[1], C // mean.shape[1]
    dy64 = dy.astype(np.float64)
    each = rstd.astype(np.float64)[:, None, :, None]                         # (N, 1, groups, 1)
    normalised = (x.astype(np.float64).reshape(apart) - mean[:, None, :, None]) * each
    g = (dy64 if weight is None else dy64 * weight).reshape(apart)
    dx = g - g.mean(axis=(1, 3), keepdims=True) - normalised * (g * normalised).mean(axis=(1, 3), keepdims=True)
    dweight = (dy64 * normalised.reshape(x.shape)).sum(axis=(0, 1))
    return (dx * each).reshape(x.shape).astype(x.dtype), dweight.astype(x.dtype), dy64.sum(axis=(0, 1)).astype(x.dtype)
