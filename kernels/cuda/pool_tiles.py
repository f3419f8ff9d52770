"""Largest values of windows that tile the image, by themselves or straight after batch norm and ReLU; as in `reference/pool_tiles.py`.

Where stride = kernel and nothing is padded, every pixel lies in one window at most, and a byte says which pixel of its window won.
So the way back needs no list of who won what (`pool.maxima`): a pixel asks the one window that holds it.

    window (i, j)  ┌─────────┐ place 0 1         forward   a thread has window (i, j) of 4 channels (or 1): reads R·S quads, side by side
                   │ x  x    │       2 3         backward  a thread has pixel (h, w) of 4 channels: dy of window (h // R, w // S) if its
                   │ x  x    │                             place is h mod R · S + w mod S, else 0
                   └─────────┘

After batch norm and ReLU the image between them need not exist at all. Forward, x is read for the statistics and once more for the
pooled y; backward, the sums run over windows only, because nothing else has a gradient, and dx is made of x in one pass. The arrays of
the image's size that are moved: 2 forward and 2 backward, instead of 4 and 6.

Ioffe, Szegedy: Batch normalization (arXiv 1502.03167). Scherer, Müller, Behnke: Evaluation of pooling operations (ICANN 2010).
"""
import functools

import numpy as np

from ..reference.pool_tiles import __all__  # noqa: F401
from .array import THREADS, blocks, empty
from .columns import nothing, sum_rows
from .lanes import access, each, lanes_of
from .norm import gradient_sums, statistics
from .runtime import cuda, device, jit, launch, specialised


@device
def _wins(value, best):
    """The first wins a tie, a NaN wins over everything."""
    return value > best or value != value


@device
def _larger(value, best, place, same, here):
    return value if _wins(value, best) else best


@device
def _larger_place(value, best, place, same, here):
    return here if _wins(value, best) else place


@device
def _larger_of(z, best, value, winner, here):
    return value if _wins(z, best) else winner


@device
def _difference(a, b, c, d, e):
    return a - b


@device
def _times(a, b, c, d, e):
    return a * b


@device
def _times_plus(a, b, c, d, e):
    return a * b + c


@device
def _scaled(a, b, c, d, e):
    return a * b * e


@device
def _not_negative(a, b, c, d, zero):
    return zero if a < zero else a  # NaN stays NaN


@device
def _if_positive(a, b, c, d, zero):
    return a if b > zero else zero


@functools.cache
def _chosen(real):
    """f(value, place, …, here): the value if its place is `here`, else 0."""
    zero = real(0)

    @device
    def chosen(value, place, c, d, here):
        return value if place == here else zero
    return chosen


@specialised
def _max(real, lanes):
    """y and places. Each thread: `lanes` channels of a window."""
    read, write = access(lanes)
    larger, larger_place, byte = each(_larger, lanes), each(_larger_place, lanes), np.uint8
    first = (byte(0),) * lanes

    @jit
    def tiles(x, y, places, sizes):
        H, W, C, Ho, Wo, R, S = sizes
        e = cuda.grid(1) * lanes
        if e < y.size:
            c, window = e % C, e // C
            j, i, n = window % Wo, window // Wo % Ho, window // (Wo * Ho)
            at = ((n * H + i * R) * W + j * S) * C + c
            best, place = read(x, at), first
            for r in range(R):
                for s in range(S):
                    value, here = read(x, at + (r * W + s) * C), byte(r * S + s)
                    best, place = larger(value, best, place, place, here), larger_place(value, best, place, place, here)
            write(y, e, best)
            write(places, e, place)
    return tiles


def max_pool2d_tiles_forward(x, kernel_size):
    """Largest value of every window of R × S = `kernel_size` pixels, at most 256, that tile x from its first pixel on.

    x (N, H, W, C). Returns y (N, H // R, W // S, C) and places, uint8 of the same shape: the maximum of a window stood in its
    row place // S, column place % S. Ties and NaNs as in `max_pool2d_forward`.
    """
    (N, H, W, C), (R, S) = x.shape, kernel_size
    y, places = empty((N, H // R, W // S, C), x.dtype), empty((N, H // R, W // S, C), np.uint8)
    lanes = lanes_of(C, x)
    launch(_max(x.dtype.type, lanes), blocks(y.size // lanes), THREADS, x.flat, y.flat, places.flat, (H, W, C, H // R, W // S, R, S))
    return y, places


@specialised
def _spread(real, lanes):
    """dx of dy and places. Each thread: `lanes` channels of a pixel."""
    read, write = access(lanes)
    chosen, nothing_here, byte = each(_chosen(real), lanes), (real(0),) * lanes, np.uint8

    @jit
    def spread(dy, places, dx, sizes):
        H, W, C, Ho, Wo, R, S = sizes
        e = cuda.grid(1) * lanes
        if e < dx.size:
            c, pixel = e % C, e // C
            w, h, n = pixel % W, pixel // W % H, pixel // (W * H)
            i, j = h // R, w // S
            gradient = nothing_here
            if i < Ho and j < Wo:
                at = ((n * Ho + i) * Wo + j) * C + c
                value = read(dy, at)
                gradient = chosen(value, read(places, at), value, value, byte((h - i * R) * S + w - j * S))
            write(dx, e, gradient)
    return spread


def max_pool2d_tiles_backward(dy, places, x_shape, kernel_size):
    """dx at the place of each window's maximum is its dy, elsewhere 0. dy, places (N, H // R, W // S, C) → dx (N, H, W, C)."""
    dx, lanes = empty(x_shape, dy.dtype), lanes_of(x_shape[3], dy, places)
    launch(_spread(dy.dtype.type, lanes), blocks(dx.size // lanes), THREADS, dy.flat, places.flat, dx.flat,
           (*x_shape[1:], *dy.shape[1:3], *kernel_size))
    return dx


@specialised
def _gather(index):
    """z[n,i,j,c] = g at the place of window (i, j): one thread a number of z."""
    @jit
    def gather(g, places, z, sizes):
        H, W, C, Ho, Wo, R, S = sizes
        e = cuda.grid(1)
        if e < z.size:
            c, window, place = e % C, e // C, index(places[e])
            j, i, n = window % Wo, window // Wo % Ho, window // (Wo * Ho)
            z[e] = g[((n * H + i * R + place // S) * W + j * S + place % S) * C + c]
    return gather


def max_pool2d_tiles_gather(g, places, kernel_size):
    """g at the place of each window's maximum: the transpose of `max_pool2d_tiles_backward`. g (N, H, W, C) → z as `places`."""
    z = empty(places.shape, g.dtype)
    launch(_gather(np.int64), blocks(z.size), THREADS, g.flat, places.flat, z.flat, (*g.shape[1:], *places.shape[1:3], *kernel_size))
    return z


@specialised
def _normalised_max(real, lanes):
    """y, winners and places of x after batch norm and ReLU. Each thread: `lanes` channels of a window."""
    read, write = access(lanes)
    larger, larger_place, larger_of = each(_larger, lanes), each(_larger_place, lanes), each(_larger_of, lanes)
    difference, times, times_plus = each(_difference, lanes), each(_times, lanes), each(_times_plus, lanes)
    relu = each(_not_negative, lanes)
    zero, byte = real(0), np.uint8
    zeros, first = (zero,) * lanes, (byte(0),) * lanes

    @jit
    def normalised_max(x, found, weight, bias, y, winners, places, sizes):
        H, W, C, Ho, Wo, R, S = sizes
        e = cuda.grid(1) * lanes
        if e < y.size:
            c, window = e % C, e // C
            j, i, n = window % Wo, window // Wo % Ho, window // (Wo * Ho)
            mean, scale, shift = read(found, c), read(found, 2 * C + c), zeros
            if weight.size > 0:
                scale = times(scale, read(weight, c), zeros, zeros, zero)
            if bias.size > 0:
                shift = read(bias, c)
            at = ((n * H + i * R) * W + j * S) * C + c
            winner, place = read(x, at), first
            best = times_plus(difference(winner, mean, zeros, zeros, zero), scale, shift, zeros, zero)
            for r in range(R):
                for s in range(S):
                    value, here = read(x, at + (r * W + s) * C), byte(r * S + s)
                    z = times_plus(difference(value, mean, zeros, zeros, zero), scale, shift, zeros, zero)
                    winner, place = larger_of(z, best, value, winner, here), larger_place(z, best, place, place, here)
                    best = larger(z, best, place, place, here)
            write(y, e, relu(best, zeros, zeros, zeros, zero))
            write(winners, e, winner)
            write(places, e, place)
    return normalised_max


def batch_norm_pool_forward(x, weight, bias, eps, kernel_size):
    """y = largest max(0, batch norm of x) of every window; batch norm by the statistics of x itself.

    x (N, H, W, C), weight and bias (C,) or None, kernel_size as in `max_pool2d_tiles_forward`. Returns y (N, H // R, W // S, C);
    winners, the x that each y was made of; places, as there; and mean, var (biased) and rstd, each (C,).
    """
    (N, H, W, C), (R, S) = x.shape, kernel_size
    found = statistics(x.reshape(1, N * H * W, C), C, eps)
    shape = N, H // R, W // S, C
    y, winners, places = empty(shape, x.dtype), empty(shape, x.dtype), empty(shape, np.uint8)
    weight, bias = (nothing(x.dtype) if p is None else p for p in (weight, bias))
    lanes = lanes_of(C, x, weight, bias)
    launch(_normalised_max(x.dtype.type, lanes), blocks(y.size // lanes), THREADS, x.flat, found.flat, weight, bias, y.flat, winners.flat,
           places.flat, (H, W, C, H // R, W // S, R, S))
    return y, winners, places, found[0], found[1], found[2]


@specialised
def _input_gradient(real, lanes):
    """dx = g·scale + (x − mean)·slope + offset, where g is dy at the place of a positive maximum and 0 elsewhere.

    scale = rstd·weight, slope = −scale·rstd·dweight/M, offset = −scale·dbias/M. Each thread: `lanes` channels of a pixel; a winner
    is the x of its pixel, so winners need not be read.
    """
    read, write = access(lanes)
    chosen, if_positive, scaled = each(_chosen(real), lanes), each(_if_positive, lanes), each(_scaled, lanes)
    difference, times, times_plus = each(_difference, lanes), each(_times, lanes), each(_times_plus, lanes)
    zero, byte = real(0), np.uint8
    zeros = (zero,) * lanes

    @jit
    def input_gradient(dy, x, places, mean, rstd, weight, bias, sums, minus_share, dx, sizes):
        H, W, C, Ho, Wo, R, S = sizes
        e = cuda.grid(1) * lanes
        if e < dx.size:
            c, pixel = e % C, e // C
            w, h, n = pixel % W, pixel // W % H, pixel // (W * H)
            i, j = h // R, w // S
            each_rstd, shift = read(rstd, c), zeros
            scale = each_rstd
            if weight.size > 0:
                scale = times(scale, read(weight, c), zeros, zeros, zero)
            if bias.size > 0:
                shift = read(bias, c)
            d = difference(read(x, e), read(mean, c), zeros, zeros, zero)
            gradient = zeros
            if i < Ho and j < Wo:
                at = ((n * Ho + i) * Wo + j) * C + c
                gradient = chosen(read(dy, at), read(places, at), zeros, zeros, byte((h - i * R) * S + w - j * S))
                gradient = if_positive(gradient, times_plus(d, scale, shift, zeros, zero), zeros, zeros, zero)
            offset = scaled(scale, read(sums, c), zeros, zeros, minus_share)
            slope = times(scaled(scale, read(sums, C + c), zeros, zeros, minus_share), each_rstd, zeros, zeros, zero)
            write(dx, e, times_plus(gradient, scale, times_plus(d, slope, offset, zeros, zero), zeros, zero))
    return input_gradient


def batch_norm_pool_backward(dy, x, winners, places, mean, rstd, weight, bias, kernel_size):
    """Gradients of `batch_norm_pool_forward`: those of batch norm for a dy that is 0 but where a positive y came from.

    dy, winners, places (N, H // R, W // S, C), x (N, H, W, C), the others (C,). Returns dx (N, H, W, C), dweight (C,), dbias (C,).
    """
    N, H, W, C = x.shape
    windows = dy.size // C if C else 0
    sums = sum_rows(gradient_sums(dy, winners.reshape(1, windows, C), C, mean, rstd, weight, bias, True)[0])  # dbias, dweight
    dx, real = empty(x.shape, x.dtype), x.dtype.type
    weight, bias = (nothing(x.dtype) if p is None else p for p in (weight, bias))
    lanes = lanes_of(C, dy, x, places, mean, rstd, weight, bias)
    launch(_input_gradient(real, lanes), blocks(dx.size // lanes), THREADS, dy.flat, x.flat, places.flat, mean, rstd, weight, bias,
           sums.flat, real(-1 / max(N * H * W, 1)), dx.flat, (H, W, C, *dy.shape[1:3], *kernel_size))
    return dx, sums[1], sums[0]
