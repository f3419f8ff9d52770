"""SimAM's gate; formulas and shapes as in `reference/energy.py`.

A task is an image, which stays in cache: forward it is passed over three times (mean, variance, product), backward twice. As in
`group_norm` it is one long row, cut into tiles of whole pixels, against numbers laid out to the tile's length, so that the inner
loop is long for few channels too. The exponential is computed again on the way back: that takes less time than to store and to
load it.
"""
import numpy as np

from .array import empty
from .jit import part
from .launch import launch, numbers, scalars
from .mathfun import sigmoid_
from .norm import _repeat

__all__ = ["energy_gate_forward", "energy_gate_backward"]

TILE = 128   # numbers side by side, about
BLOCK = 64   # tiles that are added up in their own type, before they go to a sum in float64


@part
def _add_up(lanes, C, total):
    """total[c] += the numbers of a tile that are of channel c; the tile is zeros afterwards. total is float64."""
    for at in range(0, len(lanes), C):
        for c in range(C):
            total[c] += lanes[at + c]
            lanes[at + c] = lanes.dtype.type(0)


@part
def _energy_gate(n, sizes, x, e_lambda, y, notes):
    """Image n. sizes: P, C, numbers of a tile."""
    P, C, tile = sizes[0], sizes[1], sizes[2]
    image, result = x[n * P * C:(n + 1) * P * C], y[n * P * C:(n + 1) * P * C]
    mean, k = notes[2 * n * C:(2 * n + 1) * C], notes[(2 * n + 1) * C:(2 * n + 2) * C]
    lanes, total, half = np.zeros(tile, x.dtype), np.zeros(C), x.dtype.type(0.5)
    for start in range(0, P * C, BLOCK * tile):
        for at in range(start, min(start + BLOCK * tile, P * C), tile):
            part = image[at:min(at + tile, P * C)]
            for j in range(len(part)):
                lanes[j] += part[j]
        _add_up(lanes, C, total)
    for c in range(C):
        mean[c] = total[c] / P
        total[c] = 0.0
    means = _repeat(mean, tile)
    for start in range(0, P * C, BLOCK * tile):
        for at in range(start, min(start + BLOCK * tile, P * C), tile):
            part = image[at:min(at + tile, P * C)]
            for j in range(len(part)):
                d = part[j] - means[j]
                lanes[j] += d * d
        _add_up(lanes, C, total)
    for c in range(C):
        k[c] = 1.0 / (4.0 * (total[c] / max(1, P - 1) + e_lambda[0]))
    factors = _repeat(k, tile)
    for at in range(0, P * C, tile):
        part, out = image[at:min(at + tile, P * C)], result[at:min(at + tile, P * C)]
        for j in range(len(part)):
            d = part[j] - means[j]
            out[j] = part[j] * sigmoid_(factors[j] * d * d + half)


@part
def _energy_gate_backward(n, sizes, dy, x, notes, dx):
    """Image n. sizes as above. First Σ q d² and Σ q d, of which the mean of du is made; then dx."""
    P, C, tile = sizes[0], sizes[1], sizes[2]
    begin, end = n * P * C, (n + 1) * P * C
    given, image, result = dy[begin:end], x[begin:end], dx[begin:end]
    mean, k = notes[2 * n * C:(2 * n + 1) * C], notes[(2 * n + 1) * C:(2 * n + 2) * C]
    means, factors = _repeat(mean, tile), _repeat(k, tile)
    first, second, away = np.zeros(tile, x.dtype), np.zeros(tile, x.dtype), np.zeros(tile, x.dtype)
    along, squares, apart = np.zeros(C), np.zeros(C), np.zeros(C)
    one, half = x.dtype.type(1), x.dtype.type(0.5)
    for start in range(0, P * C, BLOCK * tile):
        for at in range(start, min(start + BLOCK * tile, P * C), tile):
            stop = min(at + tile, P * C)
            g, part = given[at:stop], image[at:stop]
            for j in range(len(part)):
                d = part[j] - means[j]
                s = sigmoid_(factors[j] * d * d + half)
                q = g[j] * part[j] * s * (one - s)
                first[j] += q * d
                second[j] += q * d * d
                away[j] += d
        _add_up(first, C, along)
        _add_up(second, C, squares)
        _add_up(away, C, apart)                                           # Σ d, 0 but for the rounding of μ
    slope, level = np.empty(C, x.dtype), np.empty(C, x.dtype)
    for c in range(C):
        share = 4.0 * k[c] * squares[c] / max(1, P - 1)
        slope[c], level[c] = share, 2.0 * k[c] * (along[c] - share * apart[c]) / P
    slopes, levels, two = _repeat(slope, tile), _repeat(level, tile), x.dtype.type(2)
    for at in range(0, P * C, tile):
        stop = min(at + tile, P * C)
        g, part, out = given[at:stop], image[at:stop], result[at:stop]
        for j in range(len(part)):
            d = part[j] - means[j]
            s = sigmoid_(factors[j] * d * d + half)
            q = g[j] * part[j] * s * (one - s)
            out[j] = g[j] * s + two * factors[j] * d * (q - slopes[j]) - levels[j]


def _sizes(P, C):
    return numbers(P, C, C * min(P, max(1, TILE // C)))


def energy_gate_forward(x, e_lambda, out=None):
    """y (N, P, C), and `notes` (N, 2, C) for the backward pass: μ and k."""
    N, P, C = x.shape
    y, notes = empty(x.shape, x.dtype) if out is None else out, empty((N, 2, C), x.dtype)
    launch(_energy_gate, N, _sizes(P, C), x, scalars(np.float64, e_lambda), y, notes)
    return y, notes


def energy_gate_backward(dy, x, notes):
    """dx (N, P, C) of dy and x (N, P, C) and the notes (N, 2, C)."""
    N, P, C = x.shape
    dx = empty(x.shape, x.dtype)
    launch(_energy_gate_backward, N, _sizes(P, C), dy, x, notes, dx)
    return dx
