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
import functools
import math

import numpy as np

from ..jit import part, specialize
from ..launch import launch, numbers, unpack
from ..simd import (REGISTERS, clear_run, copy_run, lanes_of, multiply_add, put, stay_whole, take, tile_load,
                    tile_store, vector_lanes)

TALL, SHORT = (14, 8) if REGISTERS == 32 else (6, 4)
"""Pixels of the two tiles: with two vectors of channels each, and the operands, they fill the registers."""

SCRATCH = 32768
"""Numbers of one padded band: 128 KiB of float32."""


@part
def _pack(t, given, w, packed):
    """Panel t of `pack`, counted over all groups."""
    (K, C, R, S, panel, lanes, start, step_g, step_k, step_c, step_r, step_s) = unpack(given, 12)
    Kp, panels = (K + lanes - 1) // lanes * lanes, (K + panel - 1) // panel
    g, first = t // panels, t % panels * panel
    width, real = min(panel, Kp - first), min(panel, K - first)
    at, start = (g * Kp + first) * R * S * C, start + g * step_g + first * step_k
    for tap in range(R * S):
        place = start + tap // S * step_r + tap % S * step_s
        for c in range(C):
            for k in range(real):
                put(packed, at + k, take(w, place + c * step_c + k * step_k))
            clear_run(packed, at + real, width - real)
            at += width


def pack(w, sizes, start, steps, panel=None):
    """Lay out filters as panels of two vectors of output channels (the last panel may have one), or of `panel` numbers.

    The filters are sizes = (G, K, C, R, S) numbers of w, of which the first lies at `start`, and the others `steps` apart
    along each axis. The result is flat: [group][panel][r][s][c][lane], in the order in which tiles read; lanes past K are 0.
    """
    G, K, C, R, S = sizes
    V = lanes_of(w.dtype)
    panel = panel or 2 * V
    packed = np.empty(G * -(-K // V) * V * C * R * S, w.dtype)
    launch(_pack, G * -(-K // panel), numbers(*sizes[1:], panel, V, start, *steps), w, packed, work=packed.size)
    return packed


@part
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


_tall_wide = specialize(_panel, "_tall_wide", part, ROWS=TALL, VECTORS=2)
_short_wide = specialize(_panel, "_short_wide", part, ROWS=SHORT, VECTORS=2)
_tall_narrow = specialize(_panel, "_tall_narrow", part, ROWS=TALL, VECTORS=1)
_short_narrow = specialize(_panel, "_short_narrow", part, ROWS=SHORT, VECTORS=1)


@part
def _one_band(job, given, x, w, bias, y):
    """One band of rows of one image. Everything is flat; see `convolve` for the numbers."""
    (_, H, W, G, C, Ho, Wo, K, R, S, sh, sw, ph, pw, dh, dw, y_start, y_n, y_i, y_j,
     tall, band, scratch_size) = unpack(given, 23)
    bands = (Ho + band - 1) // band
    n, i0 = job // bands, job % bands * band
    rows = min(band, Ho - i0)
    V, pixel = vector_lanes(x), G * C
    Kp = (K + V - 1) // V * V
    if scratch_size > 0:
        row = ((max(Wo, TALL if tall else SHORT) - 1) * sw + (S - 1) * dw + 1) * pixel  # of the padded image
        source, start = np.empty(scratch_size, x.dtype), 0
        pad_rows(x, n * H * W * pixel, H, W, pixel, i0 * sh - ph, -pw, (rows - 1) * sh + (R - 1) * dh + 1, row // pixel,
                 source, np.int64(0))
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


def band_rows(N, Ho, rows_step, row_numbers, reach):
    """Rows of output a band has: its padded input fits the scratch, and there are bands for many threads."""
    fits = (SCRATCH // row_numbers - reach) // rows_step + 1
    return max(1, min(Ho, fits, math.ceil(Ho * N / 16)))


@functools.lru_cache(maxsize=4096)
def _plan(image, outputs, taps, layout, V):
    """Which tiles, how many rows a band has, whether images need padding: tasks, nanoseconds and numbers of `_one_band`."""
    N, H, W, G, C = image
    Ho, Wo, K = outputs
    R, S, sh, sw, ph, pw, dh, dw = taps
    if taps[:6] == (1, 1, 1, 1, 0, 0) and layout[2] == Wo * layout[3] and N >= 16 and (H, W) == (Ho, Wo):
        H, W, Ho, Wo = 1, H * W, 1, Ho * Wo  # without neighbours an image is one long row: fewer ragged ends
    some_waste = 1.04 if K <= V else 1  # a short tile of one vector is too few multiply-adds at once
    tall = -(-Wo // TALL) * TALL <= some_waste * -(-Wo // SHORT) * SHORT
    height = TALL if tall else SHORT
    columns = (max(Wo, height) - 1) * sw + (S - 1) * dw + 1
    row_numbers, reach = columns * G * C, (R - 1) * dh + 1
    band = band_rows(N, Ho, sh, row_numbers, reach)
    inside = ph == pw == 0 and Wo >= height and (Ho - 1) * sh + reach <= H and columns <= W
    size = 0 if inside else ((band - 1) * sh + reach) * row_numbers
    tasks, work = N * -(-Ho // band), N * Ho * Wo * G * K * R * S * C // (4 * V)
    return tasks, work, numbers(N, H, W, G, C, Ho, Wo, K, *taps, *layout, tall, band, size)


def convolve(x, packed, bias, y, image, outputs, taps, layout):
    """Convolve x into a grid of pixels of y.

    image (N, H, W, G, C of one group) ; outputs (Ho, Wo, K of one group) ; taps (R, S, stride, stride, padding,
    padding, dilation, dilation), where padding may be negative ; layout (first element of y, steps from image to image,
    row to row, pixel to pixel). bias is padded like the weights: (G, K rounded up to whole vectors).
    """
    tasks, work, given = _plan(image, outputs, taps, layout, lanes_of(x.dtype))
    launch(_one_band, tasks, given, x, packed, bias, y, work=work)


def padded_bias(b, G, K, dtype):
    """(G · K rounded up to whole vectors): the numbers that accumulators start from. Only to be read."""
    V = lanes_of(dtype)
    if b is None:
        return no_bias(G * -(-K // V) * V, dtype)
    if K % V == 0:
        return b
    bias = np.zeros((G, -(-K // V) * V), dtype)
    bias[:, :K] = b.reshape(G, K)
    return bias


@functools.lru_cache(maxsize=256)
def no_bias(count, dtype):
    """Zeros, the same ones every time. Only to be read."""
    return np.zeros(count, dtype)


def forward(x, w, b, stride, padding, dilation, groups, y):
    """y (N, Ho, Wo, K) of x (N, H, W, C), w (K, C/groups, R, S), b (K,) or None."""
    N, H, W, _ = x.shape
    _, Ho, Wo, channels = y.shape
    K, C, R, S = channels // groups, *w.shape[1:]
    packed = pack(w, (groups, K, C, R, S), 0, (K * C * R * S, C * R * S, R * S, S, 1))
    convolve(x, packed, padded_bias(b, groups, K, x.dtype), y, (N, H, W, groups, C), (Ho, Wo, K),
             (R, S, *stride, *padding, *dilation), (0, Ho * Wo * channels, Wo * channels, channels))


def _phase(first, taps, stride, padding, dilation):
    """One axis of `backward_input`: which taps reach pixels first, first + stride, … and from which outputs.

    Pixel h = first + stride·m reads output (h + padding − r·dilation) / stride wherever that is whole. The taps r for
    which it is are r0, r0 + step, …; turned round, they make an ordinary convolution over dy of stride 1.
    Returns the turned filter's first tap, its number of taps, the step from one to the next, its dilation, its padding.
    """
    common = math.gcd(stride, dilation)
    step, spread = stride // common, dilation // common
    whole = [r for r in range(min(step, taps)) if (first + padding - r * dilation) % stride == 0]
    if not whole:
        return 0, 0, -step, spread, 0
    count = (taps - 1 - whole[0]) // step + 1
    farthest = whole[0] + (count - 1) * step
    return farthest, count, -step, spread, -((first + padding - farthest * dilation) // stride)


@functools.lru_cache(maxsize=1024)
def _phases(x_shape, dy_shape, w_shape, stride, padding, dilation, groups):
    """The convolutions that make up `backward_input`: filters as `pack` takes them, and what else `convolve` does."""
    N, H, W, channels = x_shape
    _, Ho, Wo, _ = dy_shape
    K, (C, R, S) = w_shape[0] // groups, w_shape[1:]
    phases = []
    for a in range(min(stride[0], H)):
        r, rs, r_step, dh, ph = _phase(a, R, stride[0], padding[0], dilation[0])
        for b in range(min(stride[1], W)):
            s, ss, s_step, dw, pw = _phase(b, S, stride[1], padding[1], dilation[1])
            filters = (groups, C, K, rs, ss), r * S + s, (K * C * R * S, R * S, C * R * S, r_step * S, s_step)
            taps = (rs, ss, 1, 1, ph, pw, dh, dw) if rs * ss else (0, 0, 1, 1, 0, 0, 1, 1)
            grid = (-(-(H - a) // stride[0]), -(-(W - b) // stride[1]), C)
            layout = ((a * W + b) * channels, H * W * channels, stride[0] * W * channels, stride[1] * channels)
            phases.append((filters, (N, Ho, Wo, groups, K), grid, taps, layout))
    return phases


def backward_input(dy, w, stride, padding, dilation, groups, dx, convolve=convolve, pack=pack):
    """dx (N, H, W, C) of dy (N, Ho, Wo, K): convolutions of dy with turned filters, input and output channels swapped.

    With stride 1 it is one. With stride (sh, sw) the pixels fall into sh·sw phases (h mod sh, w mod sw); the taps that
    reach one phase are a subset that forms a smaller filter, and each phase is a convolution of stride 1 that writes
    every (sh, sw)-th pixel. No zeros are inserted and no multiplication is wasted. `convolve` and `pack` may be another
    path's.
    """
    bias = padded_bias(None, groups, w.shape[1], dx.dtype)
    for filters, *how in _phases(dx.shape, dy.shape, w.shape, stride, padding, dilation, groups):
        convolve(dy, pack(w, *filters), bias, dx, *how)
