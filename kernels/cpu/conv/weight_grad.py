"""Backward to the weights: an outer product over pixels, summed in register tiles.

    dw[k, (r, s, c)] = Σ over pixels of dy[pixel, k] · x[pixel + (r, s), c]          db[k] = Σ over pixels of dy[pixel, k]

Why it is fast. For one pixel this is a column times a row, a little work on much memory; so the *result* stays in
registers while the pixels pass. A tile of 12 taps × 32 output channels sums over all pixels of a chunk: one step loads
two vectors of dy and broadcasts 12 adjacent numbers of x (adjacent because channels-last keeps the (s, c) of one filter
row in one run): 24 fused multiply-adds for 14 loads, and no store until the chunk ends. A chunk is as much of the
padded input as half the second-level cache holds, since every tile reads it again.

With few output channels (a spatial gate has one) lanes over channels would run empty. Then the roles are exchanged:
lanes are the numbers of the run, dy is broadcast, and the 8 vectors of a tile lie under 8 filter rows, or 8 pieces of
one long run.

The images are cut into at most 16 blocks, whatever the number of threads. Every block sums on its own, and the blocks'
sums are added in order: the bits do not depend on threads, and no two threads write the same number.
"""
import functools
import math

import numpy as np

from .. import array
from ..jit import part, specialize
from ..launch import launch, numbers, unpack
from ..reduce import add_blocks
from ..simd import (REGISTERS, clear_run, copy_run, lanes_of, multiply_add, put, stay_whole, take, tile_add,
                    tile_store, tile_zero, vector_lanes)
from .direct import SCRATCH, pad_rows

BLOCKS = 16
TAPS = 12 if REGISTERS == 32 else 6
ROW = 8
"""Vectors of a tile that has only one row: enough to hide the latency of a multiply-add."""


def _taps_by_channels(x, reads, dy, dyat, dy_steps, total, at, width):
    """total[tap, lane] += Σ x[pixel + tap] · dy[pixel, lane] for a run of taps and one panel of channels."""
    stay_whole()
    start, unit, step_i, step_j, units, rows, columns, run = reads
    dy_unit, dy_pixel = dy_steps
    for q in range(0, run, TAPS):
        tile = tile_zero(x, TAPS, VECTORS)
        for u in range(units):
            dat = dyat + u * dy_unit
            for i in range(rows):
                pixel = start + u * unit + i * step_i + q
                for j in range(columns):
                    tile = multiply_add(tile, x, pixel + j * step_j, 1, dy, dat, vector_lanes(x))
                    dat += dy_pixel
        tile_add(tile, total, at + q * width, width, run - q, width)


_wide = specialize(_taps_by_channels, "_wide", part, VECTORS=2)
_narrow = specialize(_taps_by_channels, "_narrow", part, VECTORS=1)


@part
def _one_channel(x, reads, dy, dyat, dy_steps, step, buffer):
    """buffer[v, lane] = Σ dy[pixel] · x[pixel + v·step + lane]: one output channel, ROW vectors of input."""
    stay_whole()
    start, unit, step_i, step_j, units, rows, columns, _ = reads
    dy_unit, dy_pixel = dy_steps
    tile = tile_zero(x, 1, ROW)
    for u in range(units):
        dat = dyat + u * dy_unit
        for i in range(rows):
            pixel = start + u * unit + i * step_i
            for j in range(columns):
                tile = multiply_add(tile, dy, dat, 0, x, pixel + j * step_j, step)
                dat += dy_pixel
    tile_store(tile, buffer, 0, 0, 1, ROW * vector_lanes(x))


@part
def _few_channels(x, reads, step_r, R, by_rows, K, dy, dyat, dy_steps, total, at, step_k, buffer):
    """total[k, r, q] += Σ x[pixel + (r, q)] · dy[pixel, k] for K channels and the run q of every filter row r."""
    V, run = vector_lanes(x), reads[-1]
    tall, wide = (ROW, V) if by_rows else (1, ROW * V)  # filter rows × numbers of the run that one tile covers
    for k in range(K):
        for r in range(0, R, tall):
            for q in range(0, run, wide):
                moved = (reads[0] + r * step_r + q,) + reads[1:]
                _one_channel(x, moved, dy, dyat + k, dy_steps, step_r if by_rows else V, buffer)
                for down in range(min(tall, R - r)):
                    for across in range(min(wide, run - q)):
                        total[at + k * step_k + (r + down) * run + q + across] += buffer[down * V + across]


@part
def _channel_sums(dy, dyat, pixels, dy_pixel, channels, total, at, buffer):
    """total[k] += Σ over pixels of dy[pixel, k], for whole vectors of channels."""
    V = vector_lanes(dy)
    whole = pixels - pixels % ROW
    for k in range(0, channels, V):
        buffer[ROW * V] = 1  # multiply_add adds when it multiplies by 1
        tile = tile_zero(dy, 1, ROW)
        for p in range(0, whole, ROW):
            tile = multiply_add(tile, buffer, ROW * V, 0, dy, dyat + p * dy_pixel + k, dy_pixel)
        tile_store(tile, buffer, 0, 0, 1, ROW * V)
        rest = tile_zero(dy, 1, 1)
        for v in range(ROW):
            rest = multiply_add(rest, buffer, ROW * V, 0, buffer, v * V, V)
        for p in range(whole, pixels):
            rest = multiply_add(rest, buffer, ROW * V, 0, dy, dyat + p * dy_pixel + k, V)
        tile_add(rest, total, at + k, 0, 1, V)


@part
def _one_chunk(dy, x, image, outputs, taps, plan, first, units, scratch, dy_scratch, buffer, total, at):
    """Add what the bands first … first + units contribute to total[at:]: the filters' gradient, then the bias's.

    Several bands only where they are whole images. A full panel has the layout of `direct.pack`.
    """
    stay_whole()
    _, H, W, G, C = image
    Ho, Wo, K = outputs
    R, S, sh, sw, ph, pw, dh, dw = taps
    band, unit, few, by_rows = plan
    V, pixel, bands = vector_lanes(x), G * C, (Ho + band - 1) // band
    Kp, T = (K + V - 1) // V * V, R * S * C
    row = ((Wo - 1) * sw + (S - 1) * dw + 1) * pixel
    i0 = first % bands * band
    rows = min(band, Ho - i0)
    pixels = rows * Wo * units
    for u in range(units):
        pad_rows(x, (first + u) // bands * H * W * pixel, H, W, pixel, i0 * sh - ph, -pw,
                 (rows - 1) * sh + (R - 1) * dh + 1, row // pixel, scratch, u * unit)
    source, dyat, dy_pixel, group = dy, (first // bands * Ho + i0) * Wo * G * K, G * K, K
    if len(dy_scratch) > 0:  # a group's channels are no whole vectors: copy them to where they are, and let the empty
        # lanes be 0 (nobody reads their sums, but arithmetic with whatever was in memory can be very slow)
        for p in range(pixels * G):
            copy_run(dy, dyat + p * K, dy_scratch, p * Kp, K)
            clear_run(dy_scratch, p * Kp + K, Kp - K)
        source, dyat, dy_pixel, group = dy_scratch, 0, G * Kp, Kp
    dy_steps = (rows * Wo * dy_pixel, dy_pixel)
    runs, run = (1, S * C) if dw == 1 and G == 1 else (S, C)
    for g in range(G):
        for s in range(runs):
            reads = (s * dw * pixel + g * C, unit, sh * row, sw * pixel, units, rows, Wo, run)
            if few:
                _few_channels(scratch, reads, dh * row, R, by_rows, K, source, dyat + g * K, dy_steps,
                              total, at + g * K * T + s * R * run, T, buffer)
                continue
            for r in range(R):
                reads = (s * dw * pixel + g * C + r * dh * row,) + reads[1:]
                tap = (r * runs + s) * run
                for k in range(0, Kp, 2 * V):
                    place, columns = at + (g * Kp + k) * T, dyat + g * group + k
                    if Kp - k > V:
                        _wide(scratch, reads, source, columns, dy_steps, total, place + tap * 2 * V, 2 * V)
                    else:
                        _narrow(scratch, reads, source, columns, dy_steps, total, place + tap * V, V)
    at += G * Kp * T
    if few:
        for p in range(pixels):
            for k in range(G * K):
                total[at + k] += dy[dyat + p * G * K + k]
    else:
        _channel_sums(source, dyat, pixels, dy_pixel, G * Kp, total, at, buffer)


@part
def _one_block(job, given, dy, x, totals):
    """totals[job]: the sum over one block of the images; see `_plan` for the numbers."""
    (N, H, W, G, C, Ho, Wo, K, R, S, sh, sw, ph, pw, dh, dw, band, unit, few, by_rows,
     together, scratch_size, dy_size, blocks, size) = unpack(given, 25)
    image, outputs, taps = (N, H, W, G, C), (Ho, Wo, K), (R, S, sh, sw, ph, pw, dh, dw)
    units = N * ((Ho + band - 1) // band)
    first, last = job * units // blocks, (job + 1) * units // blocks
    scratch, dy_scratch = np.empty(scratch_size, x.dtype), np.empty(dy_size, x.dtype)
    buffer = np.empty((ROW + 1) * vector_lanes(x), x.dtype)
    clear_run(scratch, 0, scratch_size)  # a tile may read on past the last pixel, and ignores what it finds
    clear_run(totals, job * size, size)
    for u in range(first, last, together):
        _one_chunk(dy, x, image, outputs, taps, (band, unit, few, by_rows), u, min(together, last - u),
                   scratch, dy_scratch, buffer, totals, job * size)


@part
def _lay_out(channel, given, total, dweight, db):
    """Lay out the sums of one output channel as rows of dw (K·G, C, R, S) and db (K·G,)."""
    G, K, C, R, S, V, runs, few = unpack(given, 8)
    g, k = channel // K, channel % K
    Kp, T, panel = (K + V - 1) // V * V, C * R * S, k // (2 * V) * 2 * V
    at, step = (channel * T, np.int64(1)) if few else ((g * Kp + panel) * T + k - panel, min(2 * V, Kp - panel))
    for tap in range(R * S):
        run = tap % S * R + tap // S if few and runs > 1 else tap  # each of C numbers
        for c in range(C):
            put(dweight, channel * T + c * R * S + tap, take(total, at + (run * C + c) * step))
    put(db, channel, take(total, G * Kp * T + (channel if few else g * Kp + k)))


@functools.lru_cache(maxsize=4096)
def _plan(image, outputs, taps, V):
    """How the work is cut.

    band: rows of dy of one unit ; unit: numbers of its padded input ; few, by_rows: which tile ; together: units of a
    chunk ; numbers of the scratch, and of the scratch for dy ; blocks ; numbers of a block's sum.
    """
    N, _, _, G, C = image
    Ho, Wo, K = outputs
    R, S, sh, sw, _, _, dh, dw = taps
    Kp, run = -(-K // V) * V, S * C if dw == 1 and G == 1 else C
    row, reach = ((Wo - 1) * sw + (S - 1) * dw + 1) * G * C, (R - 1) * dh + 1
    band = max(1, min(Ho, (SCRATCH // row - reach) // sh + 1, math.ceil(Ho * N / BLOCKS)))
    unit = ((band - 1) * sh + reach) * row
    units = N * -(-Ho // band)
    together = max(1, min(SCRATCH // unit, -(-units // BLOCKS))) if band == Ho else 1
    by_channels = R * -(-run // TAPS) * TAPS * Kp // V  # vector instructions for a pixel, with lanes over channels …
    rowwise, runwise = -(-R // ROW) * -(-run // V), R * -(-run // (ROW * V))  # … and tiles with lanes over the run
    few = 4 * ROW * K * min(rowwise, runwise) < 3 * by_channels
    by_rows = rowwise <= runwise
    beyond = ROW * dh * row + ROW * V if few else TAPS + V
    dy_size = 0 if few or K % V == 0 else together * band * Wo * G * Kp
    size = -(-(G * Kp * (R * S * C + 1)) // V) * V
    return band, unit, few, by_rows, together, together * unit + beyond, dy_size, max(1, min(units, BLOCKS)), size


def backward_weight(dy, x, w_shape, stride, padding, dilation, groups):
    """dw (K, C/groups, R, S) and db (K,) of dy (N, Ho, Wo, K), x (N, H, W, C)."""
    N, H, W, _ = x.shape
    K, (C, R, S) = w_shape[0] // groups, w_shape[1:]
    image, outputs, taps = (N, H, W, groups, C), (*dy.shape[1:3], K), (R, S, *stride, *padding, *dilation)
    V = lanes_of(x.dtype)
    plan = _plan(image, outputs, taps, V)
    few, blocks, size = plan[2], *plan[-2:]
    totals = array.empty((blocks, size), x.dtype)
    launch(_one_block, blocks, numbers(*image, *outputs, *taps, *plan), dy, x, totals,
           work=N * dy.shape[1] * dy.shape[2] * w_shape[0] * C * R * S // (2 * V) + 1000 * blocks)
    return finish(totals, w_shape, groups, V, 1 if dilation[1] == 1 and groups == 1 else S, few)


def finish(totals, w_shape, groups, V, runs=1, few=False):
    """dw and db: the sums of all blocks (blocks, size), added in order and laid out."""
    K, (C, R, S) = w_shape[0] // groups, w_shape[1:]
    total = add_blocks(totals, array.empty(totals.shape[1:], totals.dtype))
    dweight, db = array.empty(w_shape, totals.dtype), array.empty((w_shape[0],), totals.dtype)
    launch(_lay_out, w_shape[0], numbers(groups, K, C, R, S, V, runs, few), total, dweight, db)
    return dweight, db
