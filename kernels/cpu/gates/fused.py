"""A whole attention gate, image by image: what `squeeze` does in passes over the batch, while one image is in the cache.

    v, m = mean, max over the pixels of x         (N, C) each             x (N, H, W, C), P = H·W
    g = σ(MLP(v) [+ MLP(m)])                      (N, C)                  MLP(v) = W₂ max(W₁ v + b₁, 0) + b₂, or v itself
    A = [mean; max over the channels of x·g]      (N, 2, H, W)
    s = σ(A ∗ filters)                            (N, H, W)               or 1
    y = x · g · s

Why it is fast. In passes over the batch, CBAM reads x three times and writes y; its backward pass reads x and dy twice
each, makes three gradients of x's size and adds them up: 17 passes over arrays that are larger than the caches. Here
an image (100 KB for 32 channels of 28 × 28) comes into a core's cache once, and all that is done to it is done there: x
is read and y written once, and in the backward pass x and dy are read and dx is written once. Between the two only
`notes` is kept: 4 numbers a channel and 4 a pixel.

How each step keeps the vectors full is said in `steps`.

Measured, 128 images of 32 channels of 28 × 28, float32, 2 threads of a Zen 4, forward and backward: CBAM 4.7 ms (in passes
12.0, PyTorch 29.6), the mean's gate alone 2.7 (in passes 7.2, PyTorch 4.5; 3.3 before it wrote past the caches). One image
that is in the cache takes 20 µs forward and 48 back.

Gradients of the weights are sums over the images: each image leaves its share in a row of its own, and the rows are
added up in order, so that the threads do not show in the result.
"""
import functools
import math

import numpy as np

from ..array import empty
from ..jit import part
from ..launch import launch, numbers, scalars, unpack
from ..simd import VECTOR_BYTES, clear_run, copy_run, lanes_of, put, take, tile_load, tile_store, tile_zero, vector_lanes
from ..tiles import tile_fused, tile_spread, tile_stream, tile_take
from .steps import (ROWS, SIGMOIDS, TALL, add_multiple, convolve, dot, filter_sums, gated_sums, hidden_values, into_plane, padded,
                    pool_channels, pool_pixels, sigmoids)

STREAMED = 11 << 20
"""Bytes of a result above which it is written past the caches: three such arrays are more than they hold, and a line that is
written as usual is read first."""


@part
def _gate(n, given, x, w1, b1, w2, b2, filters, y, notes):
    """Image n of y and of the notes."""
    H, W, C, hidden, R, S, with_max, spatial, width, streams = unpack(given, 10)
    P, V = H * W, vector_lanes(x)
    step = C + P if spatial else C
    start, at, Cp = n * P * C, n * 4 * step, (C + V - 1) // V * V
    pooled, gate = np.zeros(2 * Cp, x.dtype), np.zeros(Cp + SIGMOIDS, x.dtype)
    pool_pixels(x, start, P, C, with_max, notes, at, step)
    for k in range(2 if with_max else 1):
        copy_run(notes, at + k * step, pooled, k * Cp, C)
    if hidden:
        w1, w2 = padded(w1, 0, hidden, C, Cp, C, 1), padded(w2, 0, hidden, C, Cp, 1, hidden)
        for k in range(2 if with_max else 1):
            h = hidden_values(w1, b1, pooled, k * Cp, hidden, Cp)
            for j in range(hidden):
                add_multiple(gate, 0, take(h, j), w2, j * Cp, Cp)
            for c in range(C):
                put(gate, c, take(gate, c) + take(b2, c))
    else:
        for k in range(2 if with_max else 1):
            add_multiple(gate, 0, x.dtype.type(1), pooled, k * Cp, Cp)
    sigmoids(gate, C)
    clear_run(gate, C, Cp - C)
    copy_run(gate, 0, notes, at + 3 * step, C)

    room = (P + 2 * V) // (2 * V) * 2 * V + SIGMOIDS
    pixel = np.ones(room, x.dtype)
    if spatial:
        plane = (H + R - 1) * (W + S - 1)
        maps, planes = np.empty(3 * room, x.dtype), np.zeros(2 * plane + TALL * V, x.dtype)
        pool_channels(x, start, P, C, gate, maps, room)
        for k in range(3):
            copy_run(maps, k * room, notes, at + k * step + C, P)
        for k in range(2):
            into_plane(maps, k * room, H, W, R, S, planes, k * plane)
        sums = np.empty(H * (W + S - 1) + TALL * V, x.dtype)
        convolve(planes, 2, plane, filters, 0, R * S, S, 1, H, W, R, S, sums, pixel, 0)
        sigmoids(pixel, P)
        copy_run(pixel, 0, notes, at + 3 * step + C, P)

    for p in range(0, P, ROWS):
        rows, s = min(ROWS, P - p), tile_spread(pixel, p, ROWS)
        for c in range(0, C, V):
            here, lanes = start + p * C + c, min(V, C - c)
            v = tile_take(x, here, C, rows, lanes, ROWS) * tile_load(gate, c, 0, ROWS, 1)
            v = v * s
            if streams and rows == ROWS:
                tile_stream(v, y, here, C)
            else:
                tile_store(v, y, here, C, rows, lanes)


@part
def _gate_backward(n, given, dy, x, w1, b1, w2, b2, filters, notes, dx, partial):
    """Image n of dx, and its share of the gradients of the weights."""
    H, W, C, hidden, R, S, with_max, spatial, width, streams = unpack(given, 10)
    P, V, one, zero = H * W, vector_lanes(x), x.dtype.type(1), x.dtype.type(0)
    step = C + P if spatial else C
    start, at, Cp, own = n * P * C, n * 4 * step, (C + V - 1) // V * V, n * width
    gate = np.zeros(Cp, x.dtype)
    copy_run(notes, at + 3 * step, gate, 0, C)

    # through s: what reaches the two maps
    room = P + TALL + 2 * V
    pixel, through_mean, through_max = np.ones(room, x.dtype), np.zeros(room, x.dtype), np.zeros(room, x.dtype)
    winner = at + 2 * step + C
    if spatial:
        plane, columns = (H + R - 1) * (W + S - 1), W + S - 1
        copy_run(notes, at + 3 * step + C, pixel, 0, P)
        slopes, planes = np.zeros(plane + TALL * V, x.dtype), np.zeros(2 * plane + 2 * TALL * V, x.dtype)
        sums = np.empty(max(room, H * columns) + TALL * V, x.dtype)
        gated_sums(dy, x, start, P, C, gate, sums)
        for p in range(P):
            s = take(pixel, p)
            put(sums, p, take(sums, p) * s * (one - s))
        into_plane(sums, 0, H, W, R, S, slopes, 0)
        for k in range(2):
            into_plane(notes, at + k * step + C, H, W, R, S, planes, k * plane)
        filter_sums(planes, plane, slopes, H, W, R, S, partial, own + width - 2 * R * S)
        convolve(slopes, 1, plane, filters, R * S - 1, 0, -S, -1, H, W, R, S, sums, through_mean, 0)
        convolve(slopes, 1, plane, filters, 2 * R * S - 1, 0, -S, -1, H, W, R, S, sums, through_max, 0)
        share = one / x.dtype.type(C)
        for p in range(P):
            put(through_mean, p, take(through_mean, p) * share)

    # d(x·g) = dy·s + what the maps send back; its product with x reaches g
    slope, folded = np.zeros(Cp, x.dtype), np.empty(ROWS * V, x.dtype)
    for c0 in range(0, C, V):
        lanes, total = min(V, C - c0), tile_zero(x, ROWS, 1)
        for p in range(0, P, ROWS):
            here, rows = start + p * C + c0, min(ROWS, P - p)
            d = tile_fused(tile_take(dy, here, C, rows, lanes, ROWS), tile_spread(pixel, p, ROWS),
                           tile_spread(through_mean, p, ROWS))
            total = tile_fused(d, tile_take(x, here, C, rows, lanes, ROWS), total)
        tile_store(total, folded, 0, V, ROWS, V)
        for c in range(lanes):
            for r in range(ROWS):
                put(slope, c0 + c, take(slope, c0 + c) + take(folded, r * V + c))
    if spatial:
        for p in range(P):
            c = np.int64(take(notes, winner + p))
            put(slope, c, take(slope, c) + take(through_max, p) * take(x, start + p * C + c))
    for c in range(C):
        g = take(gate, c)
        put(slope, c, take(slope, c) * g * (one - g))

    # through the MLP
    pools = 2 if with_max else 1
    back = np.zeros(2 * Cp, x.dtype)  # gradients of the mean and of the maximum
    if hidden:
        pooled = np.zeros(2 * Cp, x.dtype)
        w1, w2 = padded(w1, 0, hidden, C, Cp, C, 1), padded(w2, 0, hidden, C, Cp, 1, hidden)
        dw1, dw2 = np.zeros(hidden * Cp, x.dtype), np.zeros(hidden * Cp, x.dtype)
        first_bias, second, second_bias = own + hidden * C, own + hidden * (C + 1), own + hidden * (2 * C + 1)
        for j in range(hidden):
            put(partial, first_bias + j, zero)
        for k in range(pools):
            copy_run(notes, at + k * step, pooled, k * Cp, C)
            h = hidden_values(w1, b1, pooled, k * Cp, hidden, Cp)
            for j in range(hidden):
                add_multiple(dw2, j * Cp, take(h, j), slope, 0, Cp)
                if take(h, j) > zero:
                    d = dot(w2, j * Cp, slope, 0, Cp)
                    put(partial, first_bias + j, take(partial, first_bias + j) + d)
                    add_multiple(dw1, j * Cp, d, pooled, k * Cp, Cp)
                    add_multiple(back, k * Cp, d, w1, j * Cp, Cp)
        for j in range(hidden):
            copy_run(dw1, j * Cp, partial, own + j * C, C)
            for c in range(C):
                put(partial, second + c * hidden + j, take(dw2, j * Cp + c))
        for c in range(C):
            put(partial, second_bias + c, take(slope, c) * x.dtype.type(pools))
    else:
        for k in range(pools):
            copy_run(slope, 0, back, k * Cp, C)

    # dx: the three ways back, in one
    for c in range(C):
        put(back, c, take(back, c) / x.dtype.type(P))
    for p in range(0, P, ROWS):
        rows, s, m = min(ROWS, P - p), tile_spread(pixel, p, ROWS), tile_spread(through_mean, p, ROWS)
        for c in range(0, C, V):
            here, lanes = start + p * C + c, min(V, C - c)
            d = tile_fused(tile_take(dy, here, C, rows, lanes, ROWS), s, m)
            d = tile_fused(d, tile_load(gate, c, 0, ROWS, 1), tile_load(back, c, 0, ROWS, 1))
            if streams and not spatial and not with_max and rows == ROWS:  # nothing is added to it below
                tile_stream(d, dx, here, C)
            else:
                tile_store(d, dx, here, C, rows, lanes)
    if spatial:
        for p in range(P):
            c = np.int64(take(notes, winner + p))
            here = start + p * C + c
            put(dx, here, take(dx, here) + take(through_max, p) * take(gate, c))
    if with_max:
        for c in range(C):
            here = start + np.int64(take(notes, at + 2 * step + c)) * C + c
            put(dx, here, take(dx, here) + take(back, Cp + c))


@part
def _add_up(t, partial, total):
    """total[i] = Σ_n partial[n, i], in order, in float64."""
    width = len(total)
    sums = np.zeros(width, np.float64)
    for n in range(len(partial) // width):
        row = partial[n * width:(n + 1) * width]
        for i in range(width):
            sums[i] += row[i]
    for i in range(width):
        total[i] = sums[i]


@functools.lru_cache(maxsize=1024)
def _plan(x_shape, hidden, taps, with_max):
    """Numbers for the bodies, and where in `total` each weight's gradient lies, with its shape."""
    (_, H, W, C), (R, S) = x_shape, taps
    given = H, W, C, hidden, R, S, with_max, taps != (0, 0)
    slices, width = [], 0
    for shape in (hidden, C), (hidden,), (C, hidden), (C if hidden else 0,), (1, 2, R, S):
        slices.append((width, width + math.prod(shape), shape))
        width = slices[-1][1]
    return given, width, slices


def _prepare(x, w1, b1, w2, b2, filters, with_max):
    """The weights as the bodies want them (what is not there has no numbers, or zeros), the plan, and room for the result."""
    nothing = scalars(x.dtype, 0)
    weights = (nothing if w1 is None else w1, np.zeros(1 if w1 is None else len(w1), x.dtype) if b1 is None else b1,
               nothing if w2 is None else w2, np.zeros(x.shape[3], x.dtype) if b2 is None else b2,
               nothing if filters is None else filters)
    given, width, slices = _plan(x.shape, 0 if w1 is None else len(w1), (0, 0) if filters is None else filters.shape[2:], with_max)
    result = empty(x.shape, x.dtype)
    streams = x.nbytes > STREAMED and x.shape[3] % lanes_of(x.dtype) == 0 and result.ctypes.data % VECTOR_BYTES == 0
    return weights, numbers(*given, width, streams), width, slices, result


def attention_gate_forward(x, w1, b1, w2, b2, filters, with_max):
    """y = x·g·s and the notes that the backward pass needs; formulas and shapes as in `reference/gates.py`."""
    N, H, W, C = x.shape
    weights, given, _, _, y = _prepare(x, w1, b1, w2, b2, filters, with_max)
    notes = empty((N, 4, C if filters is None else C + H * W), x.dtype)
    launch(_gate, N, given, x, *weights, y, notes)
    return y, notes


def attention_gate_backward(dy, x, w1, b1, w2, b2, filters, with_max, notes):
    """dx, dw1, db1, dw2, db2, dfilters from dy; None where there is no weight."""
    weights, given, width, slices, dx = _prepare(x, w1, b1, w2, b2, filters, with_max)
    partial, total = empty((len(x), width), x.dtype), np.empty(width, x.dtype)
    launch(_gate_backward, len(x), given, dy, x, *weights, notes, dx, partial)
    launch(_add_up, 1, partial, total)
    return dx, *[None if weight is None else total[start:end].reshape(shape)
                 for weight, (start, end, shape) in zip((w1, b1, w2, b2, filters), slices)]
