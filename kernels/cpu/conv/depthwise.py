"""Depthwise convolution: every channel has a filter of its own, so lanes are channels all the way.

    y[n,i,j,c] = b[c] + Σ_{r,s} w[c,r,s] · x[n, i·stride + r·dilation − padding, …, c]

Why it is fast. A channels-last pixel is a vector of channels, and so is a tap of all filters: one multiply-add of two
vectors. There is little arithmetic for every number read, so what counts is to read each padded pixel from the first-
level cache: a tile of 8 neighbouring pixels × one vector of channels takes its taps from a band padded in a scratch.

Source: F. Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017.
"""
import functools

import numpy as np

from .. import array
from ..jit import part
from ..launch import launch, numbers, scalars, unpack
from ..reduce import add_blocks
from ..simd import (clear_run, copy_run, lanes_of, multiply_add, multiply_add_lanes, tile_add, tile_load, tile_store,
                    tile_zero, vector_lanes)
from . import direct
from .direct import pad_rows
from .weight_grad import BLOCKS

PIXELS, TAPS = 8, 4
"""Pixels of a tile of outputs; taps of a tile of weights."""


def pack(w, sizes, start, steps):
    """`direct.pack` for sizes (C, 1, 1, R, S): as [r][s][c], with c rounded up to whole vectors."""
    C, _, _, R, S = sizes
    return direct.pack(w, (1, C, 1, R, S), start, (0, steps[0], 0, *steps[3:]), max(C, 1) + lanes_of(w.dtype))


@part
def _one_band(job, given, x, w, bias, y):
    """One band of rows of one image; the numbers are those of `convolve`."""
    (_, H, W, C, Ho, Wo, R, S, sh, sw, ph, pw, dh, dw, y_start, y_n, y_i, y_j, band) = unpack(given, 19)
    bands = (Ho + band - 1) // band
    n, i0 = job // bands, job % bands * band
    rows, V = min(band, Ho - i0), vector_lanes(x)
    Cp, columns = (C + V - 1) // V * V, (max(Wo, PIXELS) - 1) * sw + (S - 1) * dw + 1
    height = (rows - 1) * sh + (R - 1) * dh + 1
    scratch = np.empty(max(height, 1) * columns * C + V, x.dtype)
    pad_rows(x, n * H * W * C, H, W, C, i0 * sh - ph, -pw, height, columns, scratch, np.int64(0))
    for i in range(rows):
        for tile in range((Wo + PIXELS - 1) // PIXELS):
            j = max(min(tile * PIXELS, Wo - PIXELS), 0)
            for c in range(0, C, V):
                total = tile_load(bias, c, 0, PIXELS, 1)
                weight = c
                for r in range(R):
                    at = ((i * sh + r * dh) * columns + j * sw) * C + c
                    for s in range(S):
                        total = multiply_add_lanes(total, scratch, at + s * dw * C, sw * C, w, weight)
                        weight += Cp
                tile_store(total, y, y_start + n * y_n + (i0 + i) * y_i + j * y_j + c, y_j, Wo - j, C - c)


def convolve(x, packed, bias, y, image, outputs, taps, layout):
    """`direct.convolve` for one channel a group: image (N, H, W, C, 1), outputs (Ho, Wo, 1); the rest as there."""
    tasks, work, given = _plan(image, outputs, taps, layout)
    launch(_one_band, tasks, given, x, packed, bias, y, work=work)


@functools.lru_cache(maxsize=1024)
def _plan(image, outputs, taps, layout):
    """Tasks, nanoseconds and numbers of `_one_band`."""
    N, H, W, C, _ = image
    Ho, Wo, _ = outputs
    R, S, sh, sw, _, _, dh, dw = taps
    columns = (max(Wo, PIXELS) - 1) * sw + (S - 1) * dw + 1
    band = direct.band_rows(N, Ho, sh, columns * C, (R - 1) * dh + 1)
    return N * -(-Ho // band), N * Ho * Wo * C * R * S // 8, numbers(N, H, W, C, Ho, Wo, *taps, *layout, band)


def forward(x, w, b, stride, padding, dilation, y):
    """y (N, Ho, Wo, C) of x (N, H, W, C), w (C, 1, R, S), b (C,) or None."""
    N, H, W, C = x.shape
    _, Ho, Wo, _ = y.shape
    R, S = w.shape[2:]
    packed = pack(w, (C, 1, 1, R, S), 0, (R * S, 0, 0, S, 1))
    convolve(x, packed, direct.padded_bias(b, 1, C, x.dtype), y, (N, H, W, C, 1), (Ho, Wo, 1),
             (R, S, *stride, *padding, *dilation), (0, Ho * Wo * C, Wo * C, C))


def backward_input(dy, w, stride, padding, dilation, dx):
    """dx (N, H, W, C) of dy (N, Ho, Wo, C), by phases as in `direct.backward_input`."""
    direct.backward_input(dy, w, stride, padding, dilation, dx.shape[3], dx, convolve, pack)


@part
def _one_block(job, given, dy, x, totals, ones):
    """totals[job]: dw as [r][s][c] and then db, summed over one block of the images."""
    (N, H, W, C, Ho, Wo, R, S, sh, sw, ph, pw, dh, dw, band, blocks) = unpack(given, 16)
    V, bands = vector_lanes(x), (Ho + band - 1) // band
    Cp, columns = (C + V - 1) // V * V, (Wo - 1) * sw + (S + TAPS) * dw + 1
    scratch = np.empty(((band - 1) * sh + (R - 1) * dh + 1) * columns * C + V, x.dtype)
    dys = np.empty(band * Wo * C + V, x.dtype)  # a copy with room behind it: the last vector may be a part of one
    at, size = job * (R * S + 1) * Cp, (R * S + 1) * Cp
    clear_run(totals, at, size)
    for unit in range(job * N * bands // blocks, (job + 1) * N * bands // blocks):
        n, i0 = unit // bands, unit % bands * band
        rows = min(band, Ho - i0)
        pad_rows(x, n * H * W * C, H, W, C, i0 * sh - ph, -pw, (rows - 1) * sh + (R - 1) * dh + 1, columns,
                        scratch, np.int64(0))
        copy_run(dy, (n * Ho + i0) * Wo * C, dys, 0, rows * Wo * C)
        for c in range(0, C, V):
            for r in range(R):
                for s in range(0, S, TAPS):
                    tile = tile_zero(x, TAPS, 1)
                    for i in range(rows):
                        pixel = ((i * sh + r * dh) * columns + s * dw) * C + c
                        at_dy = i * Wo * C + c
                        for j in range(Wo):
                            tile = multiply_add_lanes(tile, scratch, pixel + j * sw * C, dw * C, dys, at_dy + j * C)
                    tile_add(tile, totals, at + (r * S + s) * Cp + c, Cp, S - s, V)
            tile = tile_zero(x, 1, 1)
            for p in range(rows * Wo):
                tile = multiply_add(tile, ones, 0, 0, dys, p * C + c, V)
            tile_add(tile, totals, at + R * S * Cp + c, 0, 1, V)


def backward_weight(dy, x, w_shape, stride, padding, dilation):
    """dw (C, 1, R, S) and db (C,) of dy (N, Ho, Wo, C), x (N, H, W, C): fixed blocks, added in order."""
    N, H, W, C = x.shape
    _, Ho, Wo, _ = dy.shape
    _, _, R, S = w_shape
    V = lanes_of(x.dtype)
    columns = (Wo - 1) * stride[1] + (S + TAPS) * dilation[1] + 1
    band = direct.band_rows(N, Ho, stride[0], columns * C, (R - 1) * dilation[0] + 1)
    blocks = max(1, min(N * -(-Ho // band), BLOCKS))
    totals = array.empty((blocks, R * S + 1, -(-C // V) * V), x.dtype)
    launch(_one_block, blocks, numbers(N, H, W, C, Ho, Wo, R, S, *stride, *padding, *dilation, band, blocks),
           dy, x, totals, scalars(x.dtype, 1), work=N * Ho * Wo * C * R * S // 8)
    total = add_blocks(totals, array.empty(totals.shape[1:], x.dtype))
    dweight = array.empty(w_shape, x.dtype)
    dweight[...] = total[:-1, :C].T.reshape(w_shape)
    return dweight, total[-1, :C].copy()
