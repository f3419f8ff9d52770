"""Largest values of windows that tile the image, by themselves or straight after batch norm and ReLU.

Where stride = kernel and nothing is padded, every pixel lies in one window at most, and a byte says which pixel of its window won.
"""
import numpy as np

from .norm import batch_norm_backward, batch_norm_forward

__all__ = ["max_pool2d_tiles_forward", "max_pool2d_tiles_backward", "max_pool2d_tiles_gather",
           "batch_norm_pool_forward", "batch_norm_pool_backward"]


def _windows(x, kernel_size):
    """The windows of x (N, H, W, C), a view: (N, Ho, R, Wo, S, C)."""
    (N, H, W, C), (R, S) = x.shape, kernel_size
    return x[:, :H // R * R, :W // S * S].reshape(N, H // R, R, W // S, S, C)


def max_pool2d_tiles_forward(x, kernel_size):
    """Largest value of every window of R × S = `kernel_size` pixels, at most 256, that tile x from its first pixel on.

    x (N, H, W, C). Returns y (N, H // R, W // S, C) and places, uint8 of the same shape: the maximum of a window stood in its
    row place // S, column place % S. Ties and NaNs as in `max_pool2d_forward`.
    """
    windows = _windows(x, kernel_size)
    y = windows[:, :, 0, :, 0].copy()                                                # (N, Ho, Wo, C)
    places = np.zeros(y.shape, np.uint8)
    for r, s in np.ndindex(*kernel_size):
        value = windows[:, :, r, :, s]
        better = (value > y) | np.isnan(value)
        y[better], places[better] = value[better], r * kernel_size[1] + s
    return y, places


def max_pool2d_tiles_backward(dy, places, x_shape, kernel_size):
    """dx at the place of each window's maximum is its dy, elsewhere 0. dy, places (N, H // R, W // S, C) → dx (N, H, W, C)."""
    dx = np.zeros(x_shape, dy.dtype)
    (R, S), (Ho, Wo) = kernel_size, dy.shape[1:3]
    for r, s in np.ndindex(R, S):
        dx[:, r:Ho * R:R, s:Wo * S:S] = np.where(places == r * S + s, dy, 0)
    return dx


def max_pool2d_tiles_gather(g, places, kernel_size):
    """g at the place of each window's maximum: the transpose of `max_pool2d_tiles_backward`. g (N, H, W, C) → z as `places`."""
    windows, z = _windows(g, kernel_size), np.empty(places.shape, g.dtype)
    for r, s in np.ndindex(*kernel_size):
        here = places == r * kernel_size[1] + s
        z[here] = windows[:, :, r, :, s][here]
    return z


def batch_norm_pool_forward(x, weight, bias, eps, kernel_size):
    """y = largest max(0, batch norm of x) of every window; batch norm by the statistics of x itself.

    x (N, H, W, C), weight and bias (C,) or None, kernel_size as in `max_pool2d_tiles_forward`. Returns y (N, H // R, W // S, C);
    winners, the x that each y was made of; places, as there; and mean, var (biased) and rstd, each (C,).
    """
    z, mean, var, rstd = batch_norm_forward(x.reshape(-1, x.shape[3]), weight, bias, eps)
    y, places = max_pool2d_tiles_forward(z.reshape(x.shape), kernel_size)
    winners = max_pool2d_tiles_gather(x, places, kernel_size)
    return np.where(y < 0, 0, y).astype(x.dtype), winners, places, mean, var, rstd               # NaN stays NaN


def batch_norm_pool_backward(dy, x, winners, places, mean, rstd, weight, bias, kernel_size):
    """Gradients of `batch_norm_pool_forward`: those of batch norm for a dy that is 0 but where a positive y came from.

    dy, winners, places (N, H // R, W // S, C), x (N, H, W, C), the others (C,). Returns dx (N, H, W, C), dweight (C,), dbias (C,).
    """
    scale = rstd if weight is None else rstd * weight
    positive = (winners.astype(np.float64) - mean) * scale + (0 if bias is None else bias) > 0
    spread = max_pool2d_tiles_backward(np.where(positive, dy, 0).astype(dy.dtype), places, x.shape, kernel_size)
    dx, dweight, dbias = batch_norm_backward(*(a.reshape(-1, x.shape[3]) for a in (spread, x)), mean, rstd, weight, bias)
    return dx.reshape(x.shape), dweight, dbias
