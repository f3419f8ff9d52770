"""Winograd convolution, backward to the weights: dw = Gᵀ [ (Bᵀ d B) ⊙ (A dy Aᵀ) ] G, summed over tiles before the last step.

Why it is fast. As in `winograd`; the sums over tiles are 36 products of C × tiles by tiles × K, whose result stays in the
second-level cache (a slice of output channels at a time) while chunks of tiles pass.

The rows of tiles are cut into at most 16 blocks, whatever the number of threads. Every block sums on its own and transforms its sum
back; the blocks are added in order: the bits do not depend on threads.
"""
import functools

import numpy as np

from .. import array
from ..jit import part, precise
from ..launch import launch, numbers, unpack
from ..simd import (REGISTERS, clear_run, copy_run, lanes_of, multiply_add, put, stay_whole, take, tile_add, tile_load, tile_store,
                    vector_lanes)
from ..tiles import turn
from . import weight_grad
from .winograd import (A, AA, AAA, AT_A, AT_B, B, BB, BBB, CHUNK, M, POINTS, load_points, pixels_to_points, store_points)

DEEP = 8 if REGISTERS == 32 else 4
"""Rows of the register tiles: input channels."""

SLICE = 160_000
"""Numbers of the sums of one slice of output channels: 640 KB of float32."""

FEWEST, ENOUGH = 16, 64
"""Tiles that are worth all this, and that are worth a block's own sums."""


@precise
def _gradients(y):
    """A: the gradients of four outputs to the six points."""
    y0, y1, y2, y3 = y
    even_a, odd_a = y0 + AA * y2, A * y1 + AAA * y3
    even_b, odd_b = y0 + BB * y2, B * y1 + BBB * y3
    return y0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, y3


@precise
def _taps(m):
    """Gᵀ: six points to the gradients of three taps."""
    m0, m1, m2, m3, m4, m5 = m
    even_a, odd_a, even_b, odd_b = AT_A * (m1 + m2), (AT_A * A) * (m1 - m2), AT_B * (m3 + m4), (AT_B * B) * (m3 - m4)
    return m0 + even_a + even_b, odd_a + odd_b, AA * even_a + BB * even_b + m5


@part
def _gradients_to_points(dy, start, rows, columns, pixel, K, across, band, z, at, step, sums):
    """z[at + f·step + tile·K + k] = (A dy Aᵀ)[f] of a row of tiles, and sums[4 k + …] += dy; beyond rows × columns dy is 0."""
    stay_whole()
    V, row = vector_lanes(dy), across * M * K
    for i in range(M):  # copied, since dy seldom has whole tiles, or only K channels
        for j in range(min(columns, across * M) if i < rows else 0):
            copy_run(dy, start + (i * columns + j) * pixel, band, i * row + j * K, K)
        filled = columns if i < rows else 0
        clear_run(band, i * row + filled * K, row - filled * K)
    for tile in range(across):
        for k in range(0, K, V):
            p = tile * M * K + k
            d = (tile_load(band, p, K, M, 1), tile_load(band, p + row, K, M, 1),
                 tile_load(band, p + 2 * row, K, M, 1), tile_load(band, p + 3 * row, K, M, 1))
            tile_add(d[0] + d[1] + (d[2] + d[3]), sums, M * k, V, M, V)
            store_points(turn(_gradients(turn(_gradients(d)))), z, at + tile * K + k, step)


@part
def _sum_products(v, C, v_step, z, K, z_step, tiles, total):
    """total[panel][f][c][lane] += Σ over tiles of v[f][tile][c] · z[f][tile][k]."""
    stay_whole()
    V = vector_lanes(v)
    for k in range(0, K, 2 * V):
        width = min(2 * V, K - k)
        for f in range(POINTS):
            at = (k * POINTS + f * width) * C
            for c in range(0, C, DEEP):
                vf, zf = f * v_step + c, f * z_step + k
                if width > V:
                    tile = tile_load(total, at + c * width, width, DEEP, 2)
                    for t in range(tiles):
                        tile = multiply_add(tile, v, vf + t * C, 1, z, zf + t * K, V)
                    tile_store(tile, total, at + c * width, width, DEEP, width)
                else:
                    slim = tile_load(total, at + c * width, width, DEEP, 1)
                    for t in range(tiles):
                        slim = multiply_add(slim, v, vf + t * C, 1, z, zf + t * K, V)
                    tile_store(slim, total, at + c * width, width, DEEP, width)


@part
def _one_block(job, given, dy, x, totals):
    """totals[block]: the sum over one block of the rows of tiles, for one slice of output channels; see `_plan`."""
    (N, H, W, C, Ho, Wo, K, ph, pw, slice_, chunk, v_step, z_step, blocks, size) = unpack(given, 15)
    V, down, across = vector_lanes(x), (Ho + M - 1) // M, (Wo + M - 1) // M
    slices = (K + slice_ - 1) // slice_
    block, k0 = job // slices, job % slices * slice_
    mine = min(slice_, K - k0)
    first, last = block * N * down // blocks, (block + 1) * N * down // blocks
    v, z = np.empty(POINTS * v_step, x.dtype), np.empty(POINTS * z_step, x.dtype)
    band, dy_band = np.empty(6 * (across * M + 2) * C, x.dtype), np.empty(M * across * M * mine, x.dtype)
    total, sums = np.empty(POINTS * C * mine, x.dtype), np.empty(M * mine, x.dtype)
    clear_run(total, 0, len(total))
    clear_run(sums, 0, len(sums))
    for begin in range(first, last, chunk):
        end = min(begin + chunk, last)
        for q in range(begin, end):
            n, i = q // down, q % down * M
            pixels_to_points(x, n * H * W * C, H, W, C, i - ph, -pw, across, band, v, (q - begin) * across * C, v_step)
            _gradients_to_points(dy, (n * Ho + i) * Wo * K + k0, Ho - i, Wo, K, mine, across, dy_band,
                                 z, (q - begin) * across * mine, z_step, sums)
        _sum_products(v, C, v_step, z, mine, z_step, (end - begin) * across, total)
    at = block * size + k0 * 9 * C
    for k in range(0, mine, 2 * V):
        width = min(2 * V, mine - k)
        for e in range(0, C * width, V):
            w0, w1, w2 = turn(_taps(turn(_taps(load_points(total, k * POINTS * C + e, C * width)))))
            to = at + k * 9 * C + e
            tile_store(w0, totals, to, C * width, 3, V)
            tile_store(w1, totals, to + 3 * C * width, C * width, 3, V)
            tile_store(w2, totals, to + 6 * C * width, C * width, 3, V)
    for k in range(mine):
        s = k // V * V * M + k % V
        put(totals, block * size + 9 * C * K + k0 + k, take(sums, s) + take(sums, s + V) + take(sums, s + 2 * V)
            + take(sums, s + 3 * V))


@functools.lru_cache(maxsize=4096)
def _plan(x_shape, dy_shape, padding, V):
    """How the work is cut: tasks, nanoseconds, blocks, numbers of a block's sum, and the numbers of `_one_block`."""
    N, H, W, C = x_shape
    _, Ho, Wo, K = dy_shape
    down, across = -(-Ho // M), -(-Wo // M)
    slice_ = min(K, max(2 * V, SLICE // (POINTS * C) // (2 * V) * 2 * V))
    blocks = max(1, min(weight_grad.BLOCKS, N * down * across // ENOUGH))
    longest = -(-N * down // blocks)
    chunk = max(1, min(longest, CHUNK // (POINTS * across * (C + slice_))))
    chunk = -(-longest // -(-longest // chunk))  # all of about one length
    size = 9 * C * K + K
    return (blocks * -(-K // slice_), N * down * across * POINTS * C * K // (4 * V) + 1000 * blocks, blocks, size,
            numbers(N, H, W, C, Ho, Wo, K, *padding, slice_, chunk, chunk * across * C + V, chunk * across * slice_ + V,
                    blocks, size))


def backward_weight(dy, x, padding):
    """dw (K, C, 3, 3) and db (K,) of dy (N, Ho, Wo, K), x (N, H, W, C)."""
    C, K, V = x.shape[3], dy.shape[3], lanes_of(x.dtype)
    tasks, work, blocks, size, given = _plan(x.shape, dy.shape, padding, V)
    totals = array.empty((blocks, size), x.dtype)
    launch(_one_block, tasks, given, dy, x, totals, work=work)
    return weight_grad.finish(totals, (K, C, 3, 3), 1, V)
