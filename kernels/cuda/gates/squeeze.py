"""What channel and spatial attention gates do to a feature map x (N, P, C), P = H·W pixels; each in one pass over x.

    pool_pixels     mean and max over p of x[n,p,c]               → what each channel has to say
    pool_channels   mean and max over c of x[n,p,c]·gate[n,c]     → what each place has to say
    apply_gates     y[n,p,c] = x[n,p,c] · channel[n,c] · pixel[n,p]

Hu et al.: Squeeze-and-excitation networks (arXiv 1709.01507). Woo et al.: CBAM (arXiv 1807.06521).
"""
import numpy as np

from ..array import empty
from ..columns import nothing, plan
from ..runtime import launch
from ..threads import WARP
from . import kernels

THREADS = 128


def warps(count):
    """(blocks, threads) so that there are `count` warps."""
    return -(-count * WARP // THREADS), THREADS


def planned(N, P, C):
    """`plan` for sums over pixels; of few images there are no more blocks than one thread can add up at the end."""
    return plan(N, P, C, 1, min(512, 64 * max(N, 1)))


def flat(array, dtype):
    """`array` as kernels take it; without elements if it is None."""
    return nothing(np.dtype(dtype)) if array is None else array.flat


def spread(shape, dtype, dy=None, pixel=None, maps=None, winner=None, gate=None, mean=None, most=None, where=None, out=None):
    """dx of `shape` (N, P, C) from all that comes back to x; see `kernels.spread`."""
    grid, threads, sizes = plan(*shape, 1, 4096)
    dx = empty(shape, dtype) if out is None else out
    launch(kernels.spread(dtype.type), grid, threads, flat(dy, dtype), flat(pixel, dtype), flat(maps, dtype), flat(winner, np.int64),
           flat(gate, dtype), flat(mean, dtype), flat(most, dtype), flat(where, np.int64), sizes, dx.flat)
    return dx


def gate_gradient(x, dy=None, pixel=None, maps=None, winner=None, sigmoid=None):
    """dgate (N, C) = Σ_p d·x, d = what comes back to x·gate; if the gate is a `sigmoid`, the gradient of its argument."""
    N, P, C = x.shape
    grid, threads, sizes = planned(N, P, C)
    real, partial, dgate = x.dtype.type, empty((grid[0], C), x.dtype), empty((N, C), x.dtype)
    launch(kernels.gate_sums(real), grid, threads, flat(dy, x.dtype), x.flat, flat(pixel, x.dtype), flat(maps, x.dtype),
           flat(winner, np.int64), sizes, partial.flat)
    launch(kernels.join_gate(real), -(-N * C // THREADS), THREADS, partial.flat, flat(sigmoid, x.dtype), sizes[4], C, dgate.flat)
    return dgate


def pixel_gradient(dy, x, gate, sigmoid=None):
    """dpixel (N, P) = Σ_c dy·x·gate; if the pixels' gate is a `sigmoid`, the gradient of its argument."""
    N, P, C = x.shape
    dpixel = empty((N, P), x.dtype)
    launch(kernels.pixel_gradient(x.dtype.type), *warps(N * P), dy.flat, x.flat, flat(gate, x.dtype), flat(sigmoid, x.dtype), P,
           dpixel.flat)
    return dpixel


def pool_pixels_forward(x, with_max=True):
    """Mean and maximum of every channel over its pixels. x (N, P, C).

    Returns mean (N, C), max (N, C), argmax int64 (N, C), the first on ties; the last two are None without `with_max`.
    """
    N, P, C = x.shape
    grid, threads, sizes = planned(N, P, C)
    real, blocks = x.dtype.type, grid[0]
    partial, places = empty((blocks, 2, C), x.dtype), empty((blocks, C), np.int64) if with_max else None
    mean = empty((N, C), x.dtype)
    largest, argmax = (empty((N, C), x.dtype), empty((N, C), np.int64)) if with_max else (None, None)
    launch(kernels.pool_pixels(real), grid, threads, x.flat, sizes, partial.flat, flat(places, np.int64))
    launch(kernels.join_pixels(real), *warps(N * C), partial.flat, flat(places, np.int64), sizes, mean.flat, flat(largest, x.dtype),
           flat(argmax, np.int64))
    return mean, largest, argmax


def pool_pixels_backward(dmean, dmax, argmax, P):
    """dx[n,p,c] = dmean[n,c]/P + [p = argmax[n,c]]·dmax[n,c]. All (N, C); dmax and argmax may be None.

    Returns dx (N, P, C).
    """
    N, C = dmean.shape
    return spread((N, P, C), dmean.dtype, mean=dmean, most=dmax, where=argmax)


def pool_channels_forward(x, gate):
    """Mean and maximum of every pixel over its gated channels. x (N, P, C), gate (N, C) or None.

    Returns maps (N, P, 2), [mean, max], and argmax int64 (N, P), the first on ties.
    """
    N, P, _ = x.shape
    maps, winner = empty((N, P, 2), x.dtype), empty((N, P), np.int64)
    launch(kernels.pool_channels(x.dtype.type), *warps(N * P), x.flat, flat(gate, x.dtype), P, maps.flat, winner.flat)
    return maps, winner


def pool_channels_backward(dmaps, argmax, x, gate):
    """With g[n,p,c] = dmaps[n,p,0]/C + [c = argmax[n,p]]·dmaps[n,p,1]:  dx = g·gate,  dgate[n,c] = Σ_p g·x.

    dmaps (N, P, 2), argmax (N, P), x (N, P, C), gate (N, C) or None. Returns dx (N, P, C), dgate (N, C) (None without
    a gate).
    """
    dx = spread(x.shape, x.dtype, maps=dmaps, winner=argmax, gate=gate)
    return dx, None if gate is None else gate_gradient(x, maps=dmaps, winner=argmax)


def apply_gates_forward(x, channel, pixel, out=None):
    """y[n,p,c] = x[n,p,c] · channel[n,c] · pixel[n,p]. x (N, P, C), channel (N, C) or None, pixel (N, P) or None."""
    return spread(x.shape, x.dtype, dy=x, pixel=pixel, gate=channel, out=out)


def apply_gates_backward(dy, x, channel, pixel):
    """Gradients of `apply_gates_forward`:

        dx = dy·channel·pixel,    dchannel[n,c] = Σ_p dy·x·pixel,    dpixel[n,p] = Σ_c dy·x·channel

    dy and x (N, P, C). Returns dx (N, P, C), dchannel (N, C), dpixel (N, P); None where the gate is None.
    """
    dx = apply_gates_forward(dy, channel, pixel)
    dchannel = None if channel is None else gate_gradient(x, dy=dy, pixel=pixel)
    return dx, dchannel, None if pixel is None else pixel_gradient(dy, x, channel)
