"""What channel and spatial attention gates do to a feature map x (N, P, C), P = H·W pixels; each in one pass over x.

    pool_pixels     mean and max over p of x[n,p,c]               → what each channel has to say
    pool_channels   mean and max over c of x[n,p,c]·gate[n,c]     → what each place has to say
    apply_gates     y[n,p,c] = x[n,p,c] · channel[n,c] · pixel[n,p]

The threads share out the images.

Hu et al.: Squeeze-and-excitation networks (arXiv 1709.01507). Woo et al.: CBAM (arXiv 1807.06521).
"""
import numpy as np

from ..array import empty
from ..jit import part
from ..launch import launch
from ..shuffle import transpose

__all__ = ["pool_pixels_forward", "pool_pixels_backward", "pool_channels_forward", "pool_channels_backward",
           "apply_gates_forward", "apply_gates_backward"]

TILE = 128  # numbers that pool_pixels treats side by side, about
GROUP = 64  # pixels that pool_channels treats side by side


@part
def _pool_pixels(n, sizes, x, mean, largest, argmax):
    """Image n. A few pixels make a tile: each place of the tile has a sum and a maximum, folded at the end."""
    P, C, with_max = sizes[0], sizes[1], sizes[2]
    rows = min(P, max(1, TILE // C))
    image, size = x[n * P * C:(n + 1) * P * C], rows * C
    sums, best, where = np.empty(size, x.dtype), np.empty(size, x.dtype), np.empty(size, np.int32)
    for j in range(size):
        sums[j] = best[j] = image[j]
        where[j] = 0
    t = np.int32(0)
    for at in range(size, P * C, size):
        part = image[at:at + size]
        t += np.int32(1)
        if with_max:
            for j in range(len(part)):
                v, b = part[j], best[j]
                better = (v > b) | ((v != v) & (b == b))
                sums[j] += v
                best[j], where[j] = v if better else b, t if better else where[j]
        else:
            for j in range(len(part)):
                sums[j] += part[j]
    for c in range(C):
        total, b, i = sums[c], best[c], np.int64(where[c]) * rows
        for r in range(1, rows):
            v, k = best[r * C + c], np.int64(where[r * C + c]) * rows + r
            total += sums[r * C + c]
            if v > b or (v == b and k < i) or (v != v and (b == b or k < i)):  # the first on ties
                b, i = v, k
        mean[n * C + c] = total / x.dtype.type(P)
        if with_max:
            largest[n * C + c], argmax[n * C + c] = b, i


@part
def _pool_pixels_backward(n, sizes, dmean, dmax, argmax, dx):
    P, C, with_max = sizes[0], sizes[1], sizes[2]
    image, mean, share = dx[n * P * C:(n + 1) * P * C], dmean[n * C:(n + 1) * C], dx.dtype.type(1) / dx.dtype.type(P)
    for p in range(0, P * C, C):
        pixel = image[p:p + C]
        for c in range(C):
            pixel[c] = mean[c] * share
    if with_max:
        for c in range(C):
            image[argmax[n * C + c] * C + c] += dmax[n * C + c]


@part
def _pool_channels(n, sizes, x, gate, maps, argmax):
    """Image n, its pixels side by side instead of its channels: every step is one of whole vectors."""
    P, C = sizes[0], sizes[1]
    gate = gate[n * C % len(gate):]
    t = np.empty(C * GROUP, x.dtype)
    sums, best, where = np.empty(GROUP, x.dtype), np.empty(GROUP, x.dtype), np.empty(GROUP, np.int32)
    for p in range(n * P, (n + 1) * P, GROUP):
        count = min(GROUP, (n + 1) * P - p)
        transpose(x, p * C, C, count, C, t, GROUP)                        # (C, GROUP)
        for i in range(count):
            sums[i] = best[i] = t[i] * gate[0]
            where[i] = 0
        for c in range(1, C):
            row, g, k = t[c * GROUP:c * GROUP + count], gate[c], np.int32(c)
            for i in range(len(row)):
                v, b = row[i] * g, best[i]
                better = (v > b) | ((v != v) & (b == b))
                sums[i] += v
                best[i], where[i] = v if better else b, k if better else where[i]
        for i in range(count):
            maps[2 * (p + i)], maps[2 * (p + i) + 1] = sums[i] / x.dtype.type(C), best[i]
            argmax[p + i] = where[i]


@part
def _pool_channels_backward(n, sizes, dmaps, argmax, x, gate, dx, dgate):
    P, C = sizes[0], sizes[1]
    gate, total = gate[n * C % len(gate):][:C], dgate[n * C:(n + 1) * C]
    total[:] = 0
    for p in range(n * P, (n + 1) * P):
        pixel, result, top = x[p * C:(p + 1) * C], dx[p * C:(p + 1) * C], argmax[p]
        g = dmaps[2 * p] / x.dtype.type(C)
        for c in range(C):
            total[c] += g * pixel[c]
            result[c] = g * gate[c]
        total[top] += dmaps[2 * p + 1] * pixel[top]
        result[top] += dmaps[2 * p + 1] * gate[top]


@part
def _apply_gates(n, sizes, x, channel, pixel, y):
    P, C = sizes[0], sizes[1]
    channel, pixel = channel[n * C % len(channel):][:C], pixel[n * P % len(pixel):]
    for p in range(P):
        at, factor = (n * P + p) * C, pixel[p]
        part, result = x[at:at + C], y[at:at + C]
        for c in range(C):
            result[c] = part[c] * channel[c] * factor


@part
def _apply_gates_backward(n, sizes, dy, x, channel, pixel, dx, dchannel, dpixel):
    P, C = sizes[0], sizes[1]
    channel, pixel = channel[n * C % len(channel):][:C], pixel[n * P % len(pixel):]
    sums = dchannel[n * C:(n + 1) * C]
    sums[:] = 0
    for p in range(P):
        at, factor = (n * P + p) * C, pixel[p]
        gradient, part, result = dy[at:at + C], x[at:at + C], dx[at:at + C]
        total = x.dtype.type(0)
        for c in range(C):
            g = gradient[c] * channel[c]
            total += g * part[c]
            sums[c] += gradient[c] * factor * part[c]
            result[c] = g * factor
        dpixel[n * P + p] = total


def pool_pixels_forward(x, with_max=True):
    """Mean and maximum of every channel over its pixels. x (N, P, C).

    Returns mean (N, C), max (N, C), argmax int64 (N, C), the first on ties; the last two are None without `with_max`.
    """
    N, P, C = x.shape
    mean, largest, argmax = empty((N, C), x.dtype), empty((N, C), x.dtype), empty((N, C), np.int64)
    launch(_pool_pixels, N, np.array([P, C, with_max]), x, mean, largest, argmax)
    return (mean, largest, argmax) if with_max else (mean, None, None)


def pool_pixels_backward(dmean, dmax, argmax, P):
    """dx[n,p,c] = dmean[n,c]/P + [p = argmax[n,c]]·dmax[n,c]. All (N, C); dmax and argmax may be None.

    Returns dx (N, P, C).
    """
    N, C = dmean.shape
    dx = empty((N, P, C), dmean.dtype)
    if dmax is None:
        dmax, argmax, with_max = dmean, np.zeros(1, np.int64), False
    else:
        with_max = True
    launch(_pool_pixels_backward, N, np.array([P, C, with_max]), dmean, dmax, argmax, dx)
    return dx


def _gate(gate, size, dtype):
    """A gate (N, size) as the loops take it; one that is not there is a row of ones, which every image shares."""
    return np.ones(size, dtype) if gate is None else gate


def pool_channels_forward(x, gate):
    """Mean and maximum of every pixel over its gated channels. x (N, P, C), gate (N, C) or None.

    Returns maps (N, P, 2), [mean, max], and argmax int64 (N, P), the first on ties.
    """
    N, P, C = x.shape
    maps, argmax = empty((N, P, 2), x.dtype), empty((N, P), np.int64)
    launch(_pool_channels, N, np.array([P, C]), x, _gate(gate, C, x.dtype), maps, argmax)
    return maps, argmax


def pool_channels_backward(dmaps, argmax, x, gate):
    """With g[n,p,c] = dmaps[n,p,0]/C + [c = argmax[n,p]]·dmaps[n,p,1]:  dx = g·gate,  dgate[n,c] = Σ_p g·x.

    dmaps (N, P, 2), argmax (N, P), x (N, P, C), gate (N, C) or None. Returns dx (N, P, C), dgate (N, C) (None without
    a gate).
    """
    N, P, C = x.shape
    dx, dgate = empty(x.shape, x.dtype), empty((N, C), x.dtype)
    launch(_pool_channels_backward, N, np.array([P, C]), dmaps, argmax, x, _gate(gate, C, x.dtype), dx, dgate)
    return dx, None if gate is None else dgate


def apply_gates_forward(x, channel, pixel, out=None):
    """y[n,p,c] = x[n,p,c] · channel[n,c] · pixel[n,p]. x (N, P, C), channel (N, C) or None, pixel (N, P) or None."""
    N, P, C = x.shape
    y = empty(x.shape, x.dtype) if out is None else out
    launch(_apply_gates, N, np.array([P, C]), x, _gate(channel, C, x.dtype), _gate(pixel, P, x.dtype), y)
    return y


def apply_gates_backward(dy, x, channel, pixel):
    """Gradients of `apply_gates_forward`:

        dx = dy·channel·pixel,    dchannel[n,c] = Σ_p dy·x·pixel,    dpixel[n,p] = Σ_c dy·x·channel

    dy and x (N, P, C). Returns dx (N, P, C), dchannel (N, C), dpixel (N, P); None where the gate is None.
    """
    N, P, C = x.shape
    dx, dchannel, dpixel = empty(x.shape, x.dtype), empty((N, C), x.dtype), empty((N, P), x.dtype)
    launch(_apply_gates_backward, N, np.array([P, C]), dy, x, _gate(channel, C, x.dtype),
           _gate(pixel, P, x.dtype), dx, dchannel, dpixel)
    return dx, None if channel is None else dchannel, None if pixel is None else dpixel
