"""Convolution to few output channels, such as a spatial attention gate's (two maps in, one map out).

Why it is fast. Lanes over output channels would be empty, so lanes are neighbouring *pixels*. The channels of a padded
band are taken apart into planes; a tap is then the whole plane, moved by (r, s), times one weight. Because rows of a
plane lie behind each other, even images of 7 × 7 fill whole vectors: the sums run over the plane as one long row, in 8
registers at a time, and the few numbers that fall into the padding between two rows are left behind when the result is
put into the image.

The sum of one output runs over (c, r, s) in order: the bits do not depend on bands or threads.
"""
import math

import numpy as np

from ..jit import part
from ..launch import launch, numbers, to_fixed_tuple
from ..simd import clear_run, lanes_of, multiply_add, put, take, tile_store, tile_zero, vector_lanes
from .direct import SCRATCH

ROW = 8
"""Vectors summed at a time: enough to hide the latency of a multiply-add."""


@part
def _one_band(job, given, x, w, bias, y):
    """One band of rows of one image; the numbers are those of `convolve`."""
    _, H, W, C, Ho, Wo, K, R, S, ph, pw, dh, dw, band = to_fixed_tuple(given, 14)
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
            weight = k * C * R * S
            for c in range(C):
                for r in range(R):
                    at = c * plane + r * dh * columns + p
                    for s in range(S):
                        tile = multiply_add(tile, w, weight, 0, planes, at + s * dw, V)
                        weight += 1
            tile_store(tile, sums, p, 0, 1, ROW * V)
        b = take(bias, k)
        for i in range(rows):
            at = ((n * Ho + i0 + i) * Wo) * K + k
            for j in range(Wo):
                put(y, at + j * K, take(sums, i * columns + j) + b)


def suits(K, taps, stride, groups, dtype):
    """Whether a convolution to K channels with that many taps is done here."""
    return groups == 1 and tuple(stride) == (1, 1) and 4 * K <= lanes_of(dtype) and taps > 1


def _convolve(x, w, b, padding, dilation, y):
    (N, H, W, C), (K, _, R, S), (_, Ho, Wo, _) = x.shape, w.shape, y.shape
    columns, reach = Wo + (S - 1) * dilation[1], (R - 1) * dilation[0]
    band = max(1, min(Ho, SCRATCH // (columns * C) - reach, math.ceil(Ho * N / 16)))
    launch(_one_band, N * -(-Ho // band), numbers(N, H, W, C, Ho, Wo, K, R, S, *padding, *dilation, band),
           x, w, np.zeros(K, x.dtype) if b is None else b, y, work=N * Ho * Wo * K * R * S * C // 16)


def forward(x, w, b, padding, dilation, y):
    """y (N, Ho, Wo, K) of x (N, H, W, C), w (K, C, R, S), b (K,) or None."""
    _convolve(x, w, b, padding, dilation, y)


def backward_input(dy, w, padding, dilation, dx):
    """dx (N, H, W, C) of dy (N, Ho, Wo, K): the same, with filters turned round and channels exchanged."""
    turned = np.ascontiguousarray(w[:, :, ::-1, ::-1].swapaxes(0, 1))  # (C, K, R, S)
    beyond = tuple(d * (taps - 1) - p for d, taps, p in zip(dilation, w.shape[2:], padding))
    _convolve(dy, turned, None, beyond, dilation, dx)
