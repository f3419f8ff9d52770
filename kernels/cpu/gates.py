"""What channel and spatial attention gates do to a feature map x (N, P, C), P = H·W pixels; each in one pass over x.

    pool_pixels     mean and max over p of x[n,p,c]               → what each channel has to say
    pool_channels   mean and max over c of x[n,p,c]·gate[n,c]     → what each place has to say
    apply_gates     y[n,p,c] = x[n,p,c] · channel[n,c] · pixel[n,p]

The threads share out the images.

Hu et al.: Squeeze-and-excitation networks (arXiv 1709.01507). Woo et al.: CBAM (arXiv 1807.06521).
"""
import numpy as np
from numba import prange

from .array import empty
from .jit import inner, kernel

__all__ = ["pool_pixels_forward", "pool_pixels_backward", "pool_channels_forward", "pool_channels_backward",
           "apply_gates_forward", "apply_gates_backward"]


@inner
def _image_pool_pixels(x, with_max, mean, largest, argmax):
    P, C = x.shape
    mean[:] = 0
    for p in range(P):
        pixel = x[p]
        for c in range(C):
            mean[c] += pixel[c]
    for c in range(C):
        mean[c] /= x.dtype.type(P)
    if not with_max:
        return
    for c in range(C):
        largest[c], argmax[c] = x[0, c], 0
    for p in range(1, P):
        pixel = x[p]
        for c in range(C):
            v = pixel[c]
            better = (v > largest[c]) | ((v != v) & (largest[c] == largest[c]))
            largest[c], argmax[c] = v if better else largest[c], p if better else argmax[c]


@kernel
def _pool_pixels(x, with_max, mean, largest, argmax):
    for n in prange(len(x)):
        _image_pool_pixels(x[n], with_max, mean[n], largest[n], argmax[n])


@kernel
def _pool_pixels_backward(dmean, dmax, argmax, with_max, dx):
    N, P, C = dx.shape
    for n in prange(N):
        for p in range(P):
            for c in range(C):
                dx[n, p, c] = dmean[n, c] / dx.dtype.type(P)
        if with_max:
            for c in range(C):
                dx[n, argmax[n, c], c] += dmax[n, c]


@inner
def _image_pool_channels(x, gate, maps, argmax):
    P, C = x.shape
    for p in range(P):
        pixel = x[p]
        total = x.dtype.type(0)
        largest, where = pixel[0] * gate[0], 0
        for c in range(C):
            v = pixel[c] * gate[c]
            total += v
            if v > largest or (v != v and largest == largest):
                largest, where = v, c
        maps[p, 0], maps[p, 1], argmax[p] = total / x.dtype.type(C), largest, where


@kernel
def _pool_channels(x, gate, maps, argmax):
    for n in prange(len(x)):
        _image_pool_channels(x[n], gate[n % len(gate)], maps[n], argmax[n])


@inner
def _image_pool_channels_backward(dmaps, argmax, x, gate, dx, dgate):
    P, C = x.shape
    dgate[:] = 0
    for p in range(P):
        pixel, result = x[p], dx[p]
        g = dmaps[p, 0] / x.dtype.type(C)
        for c in range(C):
            dgate[c] += g * pixel[c]
            result[c] = g * gate[c]
        dgate[argmax[p]] += dmaps[p, 1] * pixel[argmax[p]]
        result[argmax[p]] += dmaps[p, 1] * gate[argmax[p]]


@kernel
def _pool_channels_backward(dmaps, argmax, x, gate, dx, dgate):
    for n in prange(len(x)):
        _image_pool_channels_backward(dmaps[n], argmax[n], x[n], gate[n % len(gate)], dx[n], dgate[n])


@inner
def _image_apply(x, channel, pixel, y):
    P, C = x.shape
    for p in range(P):
        part, result, factor = x[p], y[p], pixel[p]
        for c in range(C):
            result[c] = part[c] * channel[c] * factor


@kernel
def _apply_gates(x, channel, pixel, y):
    for n in prange(len(x)):
        _image_apply(x[n], channel[n % len(channel)], pixel[n % len(pixel)], y[n])


@inner
def _image_apply_backward(dy, x, channel, pixel, dx, dchannel, dpixel):
    P, C = x.shape
    dchannel[:] = 0
    for p in range(P):
        gradient, part, result, factor = dy[p], x[p], dx[p], pixel[p]
        total = x.dtype.type(0)
        for c in range(C):
            g = gradient[c] * channel[c]
            total += g * part[c]
            dchannel[c] += gradient[c] * factor * part[c]
            result[c] = g * factor
        dpixel[p] = total


@kernel
def _apply_gates_backward(dy, x, channel, pixel, dx, dchannel, dpixel):
    for n in prange(len(x)):
        _image_apply_backward(dy[n], x[n], channel[n % len(channel)], pixel[n % len(pixel)], dx[n],
                              dchannel[n], dpixel[n])


def pool_pixels_forward(x, with_max=True):
    """Mean and maximum of every channel over its pixels. x (N, P, C).

    Returns mean (N, C), max (N, C), argmax int64 (N, C), the first on ties; the last two are None without `with_max`.
    """
    N, _, C = x.shape
    mean, largest, argmax = empty((N, C), x.dtype), empty((N, C), x.dtype), empty((N, C), np.int64)
    _pool_pixels(x, with_max, mean, largest, argmax)
    return (mean, largest, argmax) if with_max else (mean, None, None)


def pool_pixels_backward(dmean, dmax, argmax, P):
    """dx[n,p,c] = dmean[n,c]/P + [p = argmax[n,c]]·dmax[n,c]. All (N, C); dmax and argmax may be None.

    Returns dx (N, P, C).
    """
    N, C = dmean.shape
    dx = empty((N, P, C), dmean.dtype)
    with_max = dmax is not None
    _pool_pixels_backward(dmean, dmax if with_max else dmean, argmax if with_max else np.zeros((1, 1), np.int64),
                          with_max, dx)
    return dx


def _ones(shape, dtype):
    """The gate that is not there: one row, which every image shares."""
    return np.ones((1, shape), dtype)


def pool_channels_forward(x, gate):
    """Mean and maximum of every pixel over its gated channels. x (N, P, C), gate (N, C) or None.

    Returns maps (N, P, 2), [mean, max], and argmax int64 (N, P), the first on ties.
    """
    N, P, C = x.shape
    maps, argmax = empty((N, P, 2), x.dtype), empty((N, P), np.int64)
    _pool_channels(x, _ones(C, x.dtype) if gate is None else gate, maps, argmax)
    return maps, argmax


def pool_channels_backward(dmaps, argmax, x, gate):
    """With g[n,p,c] = dmaps[n,p,0]/C + [c = argmax[n,p]]·dmaps[n,p,1]:  dx = g·gate,  dgate[n,c] = Σ_p g·x.

    dmaps (N, P, 2), argmax (N, P), x (N, P, C), gate (N, C) or None. Returns dx (N, P, C), dgate (N, C) (None without
    a gate).
    """
    N, _, C = x.shape
    dx, dgate = empty(x.shape, x.dtype), empty((N, C), x.dtype)
    _pool_channels_backward(dmaps, argmax, x, _ones(C, x.dtype) if gate is None else gate, dx, dgate)
    return dx, None if gate is None else dgate


def apply_gates_forward(x, channel, pixel, out=None):
    """y[n,p,c] = x[n,p,c] · channel[n,c] · pixel[n,p]. x (N, P, C), channel (N, C) or None, pixel (N, P) or None."""
    _, P, C = x.shape
    y = empty(x.shape, x.dtype) if out is None else out
    _apply_gates(x, _ones(C, x.dtype) if channel is None else channel, _ones(P, x.dtype) if pixel is None else pixel, y)
    return y


def apply_gates_backward(dy, x, channel, pixel):
    """Gradients of `apply_gates_forward`:

        dx = dy·channel·pixel,    dchannel[n,c] = Σ_p dy·x·pixel,    dpixel[n,p] = Σ_c dy·x·channel

    dy and x (N, P, C). Returns dx (N, P, C), dchannel (N, C), dpixel (N, P); None where the gate is None.
    """
    N, P, C = x.shape
    dx, dchannel, dpixel = empty(x.shape, x.dtype), empty((N, C), x.dtype), empty((N, P), x.dtype)
    _apply_gates_backward(dy, x, _ones(C, x.dtype) if channel is None else channel,
                          _ones(P, x.dtype) if pixel is None else pixel, dx, dchannel, dpixel)
    return dx, None if channel is None else dchannel, None if pixel is None else dpixel
