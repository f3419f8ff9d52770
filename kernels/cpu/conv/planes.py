"""Convolution to few output channels, such as a spatial attention gate's (two maps in, one map out).

Why it is fast. Lanes over output channels would be empty, so lanes are neighbouring *pixels*. The channels of a padded
band are taken apart into planes; a tap is then the whole plane, moved by (r, s), times one weight. Because rows of a
plane lie behind each other, even images of 7 × 7 fill whole vectors: the sums run over the plane as one long row, in 8
registers at a time, and the few numbers that fall into the padding between two rows are left behind when the result is
put into the image.

The sum of one output runs over (c, r, s) in order: the bits do not depend on bands or threads.
"""
import functools
import math

import numpy as np

from ..jit import part
from ..launch import launch, numbers, unpack
from ..simd import clear_run, lanes_of, multiply_add, put, take, tile_store, tile_zero, vector_lanes
from .direct import SCRATCH, no_bias

ROW = 8
"""Vectors summed at a time: enough to hide the latency of a multiply-add."""


@part
def _one_band(job, given, x, w, bias, y):
    """One band of rows of one image; the numbers are those of `_plan`; filters lie w_k, w_c, w_r, w_s apart."""
    (_, H, W, C, Ho, Wo, K, R, S, ph, pw, dh, dw, band, w_start, w_k, w_c, w_r, w_s) = unpack(given, 19)
    bands = (Ho + band - 1) // band
    n, i0 = job // bands, job % bands * band
    rows, V = min(band, Ho - i0), vector_lanes(x)
    columns = Wo + (S - 1) * dw
    plane = (rows + (R - 1) * dh) * columns
    planes = np.empty(C * plane + ROW * V, x.dtype)
    sums = np.empty(rows * columns + ROW * V, x.dtype)
    first, last = min(max(0, pw), columns), max(min(columns, W + pw), 0)  # columns that exist in the image
    for i in range(rows + (R - 1) * dh):
        h = i0 - ph + i
        exists = 0 <= h < H and first < last
        source = ((n * H + h) * W + first - pw) * C
        for c in range(C):
            at = c * plane + i * columns
            clear_run(planes, at, first if exists else columns)
            if exists:
                for v in range(last - first):
                    put(planes, at + first + v, take(x, source + v * C + c))
                clear_run(planes, at + last, columns - last)
    for k in range(K):
        for p in range(0, rows * columns, ROW * V):
            tile = tile_zero(x, 1, ROW)
            for c in range(C):
                for r in range(R):
                    at = c * plane + r * dh * columns + p
                    weight = w_start + k * w_k + c * w_c + r * w_r
                    for s in range(S):
                        tile = multiply_add(tile, w, weight + s * w_s, 0, planes, at + s * dw, V)
            tile_store(tile, sums, p, 0, 1, ROW * V)
        b = take(bias, k)
        for i in range(rows):
            at = ((n * Ho + i0 + i) * Wo) * K + k
            for j in range(Wo):
                put(y, at + j * K, take(sums, i * columns + j) + b)


def suits(K, taps, stride, groups, dtype):
    """Whether a convolution to K channels with that many taps is done here."""
    return groups == 1 and tuple(stride) == (1, 1) and 4 * K <= lanes_of(dtype) and taps > 1


@functools.lru_cache(maxsize=1024)
def _plan(x_shape, y_shape, taps, padding, dilation, filters):
    """Tasks, nanoseconds and numbers of `_one_band`."""
    (N, H, W, C), (_, Ho, Wo, K), (R, S) = x_shape, y_shape, taps
    columns, reach = Wo + (S - 1) * dilation[1], (R - 1) * dilation[0]
    band = max(1, min(Ho, SCRATCH // (columns * C) - reach, math.ceil(Ho * N / 16)))
    given = numbers(N, H, W, C, Ho, Wo, K, R, S, *padding, *dilation, band, *filters)
    return N * -(-Ho // band), N * Ho * Wo * K * R * S * C // 16, given


def forward(x, w, b, padding, dilation, y):
    """y (N, Ho, Wo, K) of x (N, H, W, C), w (K, C, R, S), b (K,) or None."""
    K, C, R, S = w.shape
    tasks, work, given = _plan(x.shape, y.shape, (R, S), padding, dilation, (0, C * R * S, R * S, S, 1))
    launch(_one_band, tasks, given, x, w, no_bias(K, x.dtype) if b is None else b, y, work=work)


def backward_input(dy, w, padding, dilation, dx):
    """dx (N, H, W, C) of dy (N, Ho, Wo, K): the same, with filters turned round and channels exchanged."""
    _, C, R, S = w.shape
    beyond = dilation[0] * (R - 1) - padding[0], dilation[1] * (S - 1) - padding[1]
    turned = R * S - 1, R * S, C * R * S, -S, -1  # the last tap first
    tasks, work, given = _plan(dy.shape, dx.shape, (R, S), beyond, dilation, turned)
    launch(_one_band, tasks, given, dy, w, no_bias(C, dy.dtype), dx, work=work)
