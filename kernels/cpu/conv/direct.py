"""Direct convolution through register tiles: forward, and (with turned filters) backward to the input.

Why it is fast. A tile holds 14 (or 8) neighbouring output pixels × 32 output channels in vector registers during the
*whole* sum over taps and input channels. One step of the sum loads two vectors of weights and broadcasts one number
of each pixel: 28 fused multiply-adds for 16 loads, so the multipliers never wait, and the output is written
once. Channels-last makes the two things the tile wants adjacent: output channels (its lanes), and the (s, c) numbers of
one filter row under a pixel, which lie in one run. Weights are packed into panels in the order in which they are read.

Zero padding costs no copy of the batch: a thread pads one band of rows of one image at a time into a scratch of at
most half its second-level cache, and the tiles read from there. Inside the tiles there is no test of bounds.

The sum of one output runs over (r, s, c) in order, in one accumulator, wherever the tile lies: the bits do not depend
on tiling, bands, or threads.

Source: E. Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD architectures", SC 2018.
"""
import math

import numpy as np
from numba import prange

from ..jit import inner, kernel, specialize
from ..simd import REGISTERS, clear_run, copy_run, lanes_of, multiply_add, stay_whole, tile_load, tile_store, vector_lanes

TALL, SHORT = (14, 8) if REGISTERS == 32 else (6, 4)
"""Pixels of the two tiles: with two vectors of channels each, and the operands, they fill the registers."""

SCRATCH = 32768
"""Numbers of one padded band: 128 KiB of float32."""


@inner
def pack(w, start, step_g, step_k, step_c, step_r, step_s, G, K, C, R, S, packed):
    """Lay out filters as panels of two vectors of output channels (the last of one): packed[g][panel][r][s][c][lane].

    Element (g, k, c, r, s) is w[start + Σ step · index]; lanes past K are 0.
    """
    V = vector_lanes(w)
    Kp, T = (K + V - 1) // V * V, R * S * C
    for g in range(G):
        for k0 in range(0, Kp, 2 * V):
            width = min(2 * V, Kp - k0)
            at = (g * Kp + k0) * T
            for r in range(R):
                for s in range(S):
                    for c in range(C):
                        source = start + g * step_g + c * step_c + r * step_r + s * step_s + k0 * step_k
                        real = min(width, K - k0)
                        for lane in range(real):
                            packed[at + lane] = w[source + lane * step_k]
                        for lane in range(real, width):
                            packed[at + lane] = 0
                        at += width


@inner
def pad_rows(x, image, H, W, C, top, left, rows, columns, scratch, at):
    """Copy rows `top`… and columns `left`… of one image (H, W, C) to scratch[at:], (rows, columns, C); outside is 0."""
    first, last = min(max(0, -left), columns), max(min(columns, W - left), 0)  # columns that exist
    for i in range(rows):
        h = top + i
        if 0 <= h < H and first < last:
            clear_run(scratch, at, first * C)
            copy_run(x, image + (h * W + left + first) * C, scratch, at + first * C, (last - first) * C)
            clear_run(scratch, at + last * C, (columns - last) * C)
        else:
            clear_run(scratch, at, columns * C)
        at += columns * C


def _panel(x, reads, w, wat, bias, bat, y, writes):
    """One band of outputs (rows × columns) of one panel of channels; K: channels that exist from here on."""
    stay_whole()
    start, step_i, step_j, step_r, step_s, R, S, C = reads
    yat, y_i, y_j, rows, columns, K = writes
    width = VECTORS * vector_lanes(x)
    for i in range(rows):
        for tile in range((columns + ROWS - 1) // ROWS):
            j = max(min(tile * ROWS, columns - ROWS), 0)  # the last tile steps back over what is done already
            total = tile_load(bias, bat, 0, ROWS, VECTORS)
            weight, pixel = wat, start + i * step_i + j * step_j
            for r in range(R):
                for s in range(S):
                    at = pixel + r * step_r + s * step_s
                    for c in range(C):
                        total = multiply_add(total, x, at + c, step_j, w, weight, vector_lanes(x))
                        weight += width
            tile_store(total, y, yat + i * y_i + j * y_j, y_j, columns - j, K)


_tall_wide = specialize(_panel, "_tall_wide", inner, ROWS=TALL, VECTORS=2)
_short_wide = specialize(_panel, "_short_wide", inner, ROWS=SHORT, VECTORS=2)
_tall_narrow = specialize(_panel, "_tall_narrow", inner, ROWS=TALL, VECTORS=1)
_short_narrow = specialize(_panel, "_short_narrow", inner, ROWS=SHORT, VECTORS=1)


@inner
def _one_band(x, w, bias, y, image, outputs, taps, layout, n, i0, rows, scratch):
    """Rows i0 … i0 + rows of the output of image n."""
    stay_whole()
    _, H, W, G, C = image
    _, Wo, K = outputs
    R, S, sh, sw, ph, pw, dh, dw = taps
    y_start, y_n, y_i, y_j, tall = layout
    V = vector_lanes(x)
    Kp = (K + V - 1) // V * V
    pixel = G * C
    if len(scratch) > 0:
        row = ((max(Wo, TALL if tall else SHORT) - 1) * sw + (S - 1) * dw + 1) * pixel  # of the padded image
        pad_rows(x, n * H * W * pixel, H, W, pixel, i0 * sh - ph, -pw, (rows - 1) * sh + (R - 1) * dh + 1, row // pixel,
                 scratch, 0)
        source, start = scratch, 0
    else:
        row = W * pixel
        source, start = x, (n * H + i0 * sh) * row
    runs, run = (1, S * C) if dw == 1 and G == 1 else (S, C)  # numbers of one filter row that lie in one run
    for g in range(G):
        for k0 in range(0, Kp, 2 * V):
            reads = (start + g * C, sh * row, sw * pixel, dh * row, dw * pixel, R, runs, run)
            writes = (y_start + n * y_n + i0 * y_i + g * K + k0, y_i, y_j, rows, Wo, K - k0)
            wat, bat = (g * Kp + k0) * R * S * C, g * Kp + k0
            if tall and Kp - k0 > V:
                _tall_wide(source, reads, w, wat, bias, bat, y, writes)
            elif tall:
                _tall_narrow(source, reads, w, wat, bias, bat, y, writes)
            elif Kp - k0 > V:
                _short_wide(source, reads, w, wat, bias, bat, y, writes)
            else:
                _short_narrow(source, reads, w, wat, bias, bat, y, writes)


@kernel
def _direct(x, w, bias, y, image, outputs, taps, layout, band, scratch_size):
    """All bands of all images. Everything is flat; see `convolve` for the numbers."""
    bands = (outputs[0] + band - 1) // band
    for job in prange(image[0] * bands):
        n, i0 = np.int64(job) // bands, np.int64(job) % bands * band
        _one_band(x, w, bias, y, image, outputs, taps, layout, n, i0, min(band, outputs[0] - i0),
                  np.empty(scratch_size, x.dtype))


def _band(N, Ho, rows_step, row_numbers, reach):
    """Rows of output a band has: its padded input fits the scratch, and there are bands for many threads."""
    fits = (SCRATCH // row_numbers - reach) // rows_step + 1
    return max(1, min(Ho, fits, math.ceil(Ho * N / 16)))


def convolve(x, packed, bias, y, image, outputs, taps, layout):
    """Run `_direct`: from x into a grid of pixels of y.

    image (N, H, W, G, C of one group) ; outputs (Ho, Wo, K of one group) ; taps (R, S, stride, stride, padding,
    padding, dilation, dilation), where padding may be negative ; layout (first element of y, steps from image to image,
    row to row, pixel to pixel). bias is padded like the weights: (G, K rounded up to whole vectors).
    """
    N, H, W, G, C = image
    Ho, Wo, K = outputs
    R, S, sh, sw, ph, pw, dh, dw = taps
    tall = -(-Wo // TALL) * TALL <= -(-Wo // SHORT) * SHORT
    height = TALL if tall else SHORT
    columns = (max(Wo, height) - 1) * sw + (S - 1) * dw + 1
    row_numbers, reach = columns * G * C, (R - 1) * dh + 1
    band = _band(N, Ho, sh, row_numbers, reach)
    inside = ph == pw == 0 and Wo >= height and (Ho - 1) * sh + reach <= H and columns <= W
    size = 0 if inside else ((band - 1) * sh + reach) * row_numbers
    _direct(x.reshape(-1), packed, bias, y.reshape(-1), image, outputs, taps, layout + (int(tall),), band, size)


def padded_bias(b, G, K, dtype):
    """(G · K rounded up to whole vectors): the numbers that accumulators start from."""
    V = lanes_of(dtype)
    bias = np.zeros((G, -(-K // V) * V), dtype)
    if b is not None:
        bias[:, :K] = b.reshape(G, K)
    return bias.reshape(-1)


def _packed(w, start, steps, G, K, C, R, S):
    V = lanes_of(w.dtype)
    packed = np.empty(G * -(-K // V) * V * C * R * S, w.dtype)
    pack(w.reshape(-1), start, *steps, G, K, C, R, S, packed)
    return packed


def forward(x, w, b, stride, padding, dilation, groups, y):
    """y (N, Ho, Wo, K) of x (N, H, W, C), w (K, C/groups, R, S), b (K,) or None."""
    N, H, W, _ = x.shape
    _, Ho, Wo, channels = y.shape
    K, C, R, S = channels // groups, *w.shape[1:]
    packed = _packed(w, 0, (K * C * R * S, C * R * S, R * S, S, 1), groups, K, C, R, S)
    convolve(x, packed, padded_bias(b, groups, K, x.dtype), y, (N, H, W, groups, C), (Ho, Wo, K),
             (R, S, *stride, *padding, *dilation), (0, Ho * Wo * channels, Wo * channels, channels))


def _phase(first, taps, stride, padding, dilation):
    """One axis of `backward_input`: which taps reach pixels first, first + stride, … and from which outputs.

    Pixel h = first + stride·m reads output (h + padding − r·dilation) / stride wherever that is whole. The taps r for
    which it is are r0, r0 + step, …; turned round, they make an ordinary convolution over dy of stride 1.
    Returns r0, step, count, dilation of the turned filter, its padding.
    """
    common = math.gcd(stride, dilation)
    step, spread = stride // common, dilation // common
    whole = [r for r in range(min(step, taps)) if (first + padding - r * dilation) % stride == 0]
    if not whole:
        return 0, step, 0, spread, 0
    count = (taps - 1 - whole[0]) // step + 1
    farthest = whole[0] + (count - 1) * step  # the turned filter's first tap
    return whole[0], step, count, spread, -((first + padding - farthest * dilation) // stride)


def backward_input(dy, w, stride, padding, dilation, groups, dx):
    """dx (N, H, W, C) of dy (N, Ho, Wo, K): convolutions of dy with turned filters, input and output channels swapped.

    With stride 1 it is one. With stride (sh, sw) the pixels fall into sh·sw phases (h mod sh, w mod sw); the taps that
    reach one phase are a subset that forms a smaller filter, and each phase is a convolution of stride 1 that writes
    every (sh, sw)-th pixel. No zeros are inserted and no multiplication is wasted.
    """
    N, H, W, channels = dx.shape
    _, Ho, Wo, _ = dy.shape
    K, (C, R, S) = w.shape[0] // groups, w.shape[1:]
    bias = padded_bias(None, groups, C, dx.dtype)
    for a in range(min(stride[0], H)):
        r0, r_step, Rp, dh, ph = _phase(a, R, stride[0], padding[0], dilation[0])
        for b in range(min(stride[1], W)):
            s0, s_step, Sp, dw, pw = _phase(b, S, stride[1], padding[1], dilation[1])
            start = (r0 + (Rp - 1) * r_step) * S + s0 + (Sp - 1) * s_step if Rp * Sp else 0
            steps = (K * C * R * S, R * S, C * R * S, -r_step * S, -s_step)
            packed = _packed(w, start, steps, groups, C, K, Rp, Sp)
            taps = (Rp, Sp, 1, 1, ph, pw, dh, dw) if Rp * Sp else (0, 0, 1, 1, 0, 0, 1, 1)
            convolve(dy, packed, bias, dx, (N, Ho, Wo, groups, K), (-(-(H - a) // stride[0]), -(-(W - b) // stride[1]), C),
                     taps, ((a * W + b) * channels, H * W * channels, stride[0] * W * channels, stride[1] * channels))
