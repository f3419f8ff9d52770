"""The steps of a gate on one image, which `fused` puts together: loops over tiles of pixels × a vector of channels.

What is summed over the pixels keeps ROWS pixels in a tile, and adds its rows up at the end. What is summed over the
channels, or compared, is turned first, a block of pixels at a time, so that a vector holds one channel of 16 pixels. The
convolution treats its maps as planes with zeros around, read as one long row (`conv/planes.py` says why).
"""
import numpy as np

from ..jit import part
from ..mathfun import sigmoid_
from ..shuffle import transpose
from ..simd import copy_run, multiply_add, multiply_add_lanes, put, take, tile_load, tile_store, tile_zero, vector_lanes
from ..tiles import tile_better, tile_fill, tile_fused, tile_take, tile_total

ROWS = 4  # pixels of a tile, where it is summed over the pixels or written
TALL = 8  # the same where it is summed over the channels; also the filter taps, and the vectors of a map, done at a time
SIGMOIDS = 16


@part
def sigmoids(x, count):
    """σ of the first `count` numbers of x, and of up to 15 more: an inner loop of constant length leaves no rest."""
    for at in range(0, count, SIGMOIDS):
        for i in range(SIGMOIDS):
            put(x, at + i, sigmoid_(take(x, at + i)))


@part
def padded(x, at, rows, columns, step, down, across):
    """Rows of `step` numbers, the first `columns` of them x[at + r·down + c·across], the rest zeros."""
    padded = np.zeros(rows * step + 1, x.dtype)
    for r in range(rows):
        for c in range(columns):
            put(padded, r * step + c, take(x, at + r * down + c * across))
    return padded


@part
def dot(a, at, b, b_at, count):
    """Σ_i a[at + i]·b[b_at + i] over `count` numbers, whole vectors."""
    total = tile_zero(a, 1, 1)
    for i in range(0, count, vector_lanes(a)):
        total = tile_fused(tile_load(a, at + i, 0, 1, 1), tile_load(b, b_at + i, 0, 1, 1), total)
    return tile_total(total)


@part
def add_multiple(y, at, factor, x, x_at, count):
    """y[at + i] += factor·x[x_at + i] over `count` numbers, whole vectors."""
    V, f = vector_lanes(y), tile_fill(y, factor, 1)
    for i in range(0, count, V):
        tile_store(tile_fused(f, tile_load(x, x_at + i, 0, 1, 1), tile_load(y, at + i, 0, 1, 1)), y, at + i, 0, 1, V)


@part
def pool_pixels(x, start, P, C, with_max, notes, at, step):
    """Mean, maximum and where it first is, of each channel of the image at x[start]: to notes[at + c], + step, + 2·step."""
    V, least = vector_lanes(x), x.dtype.type(-np.inf)
    folded = np.empty(3 * ROWS * V, x.dtype)
    for c0 in range(0, C, V):
        lanes = min(V, C - c0)
        sums, best, where = tile_zero(x, ROWS, 1), tile_fill(x, least, ROWS), tile_zero(x, ROWS, 1)
        if with_max:
            for p in range(0, P - P % ROWS, ROWS):
                v = tile_take(x, start + p * C + c0, C, ROWS, lanes, ROWS)
                sums = sums + v
                where = tile_better(v, best, tile_fill(x, x.dtype.type(p), ROWS), where)
                best = tile_better(v, best, v, best)
        else:
            for p in range(0, P - P % ROWS, ROWS):
                sums = sums + tile_take(x, start + p * C + c0, C, ROWS, lanes, ROWS)
        tile_store(sums, folded, 0, V, ROWS, V)
        tile_store(best, folded, ROWS * V, V, ROWS, V)
        tile_store(where, folded, 2 * ROWS * V, V, ROWS, V)
        for c in range(lanes):
            total, b, i = x.dtype.type(0), least, x.dtype.type(0)
            for r in range(min(ROWS, P)):
                total += take(folded, r * V + c)
                v, k = take(folded, (ROWS + r) * V + c), take(folded, (2 * ROWS + r) * V + c) + x.dtype.type(r)
                if v > b or (v == b and k < i) or (v != v and (b == b or k < i)):  # the first on ties
                    b, i = v, k
            for p in range(P - P % ROWS, P):
                v = take(x, start + p * C + c0 + c)
                total += v
                if v > b or (v != v and b == b):
                    b, i = v, x.dtype.type(p)
            put(notes, at + c0 + c, total / x.dtype.type(P))
            put(notes, at + step + c0 + c, b if with_max else x.dtype.type(0))
            put(notes, at + 2 * step + c0 + c, i if with_max else x.dtype.type(0))


@part
def hidden_values(w1, b1, pooled, at, hidden, Cp):
    """max(W₁ v + b₁, 0) of a padded v = pooled[at:]; w1 (hidden, Cp)."""
    result, zero = np.empty(hidden + 1, w1.dtype), w1.dtype.type(0)
    for j in range(hidden):
        h = dot(w1, j * Cp, pooled, at, Cp) + take(b1, j)
        put(result, j, zero if h < zero else h)  # NaN stays NaN
    return result


@part
def pool_channels(x, start, P, C, gate, maps, step):
    """Mean, maximum and where it first is, of each pixel's gated channels: to maps[p], + step, + 2·step, which has room for
    whole blocks of two vectors."""
    V = vector_lanes(x)
    block = 2 * V
    t, share = np.empty(C * block, x.dtype), tile_fill(x, x.dtype.type(1) / x.dtype.type(C), 2)
    for p in range(0, P, block):
        transpose(x, start + p * C, C, min(block, P - p), C, t, block)
        sums, best, where = tile_zero(x, 2, 1), tile_fill(x, x.dtype.type(-np.inf), 2), tile_zero(x, 2, 1)
        for c in range(C):
            v = tile_load(t, c * block, V, 2, 1) * tile_fill(x, take(gate, c), 2)
            sums = sums + v
            where = tile_better(v, best, tile_fill(x, x.dtype.type(c), 2), where)
            best = tile_better(v, best, v, best)
        tile_store(sums * share, maps, p, V, 2, V)
        tile_store(best, maps, step + p, V, 2, V)
        tile_store(where, maps, 2 * step + p, V, 2, V)


@part
def into_plane(x, at, H, W, R, S, plane, to):
    """x[at:], (H, W), into the middle of a plane of zeros, (H + R − 1, W + S − 1)."""
    columns = W + S - 1
    for i in range(H):
        copy_run(x, at + i * W, plane, to + (i + R // 2) * columns + S // 2, W)


@part
def convolve(planes, inputs, plane, filters, first, by_input, by_row, by_tap, H, W, R, S, sums, y, at):
    """y[at + i·W + j] = Σ_{c,r,s} filters[first + c·by_input + r·by_row + s·by_tap] · planes[c·plane + (i + r)·columns + j + s]."""
    V, columns = vector_lanes(planes), W + S - 1
    for p in range(0, H * columns, TALL * V):
        tile = tile_zero(planes, 1, TALL)
        for c in range(inputs):
            for r in range(R):
                for s in range(S):
                    tile = multiply_add(tile, filters, first + c * by_input + r * by_row + s * by_tap, 0,
                                        planes, c * plane + r * columns + p + s, V)
        tile_store(tile, sums, p, 0, 1, TALL * V)
    for i in range(H):
        copy_run(sums, i * columns, y, at + i * W, W)


@part
def gated_sums(dy, x, start, P, C, gate, sums):
    """sums[p] = Σ_c dy·x·gate, blocks of pixels at a time, and as many more as make the last block whole."""
    V = vector_lanes(x)
    block = max(TALL, V)
    rows_first, lanes_first = np.zeros(block * V, x.dtype), np.empty(V * block, x.dtype)
    for p in range(0, P, block):
        for q in range(0, min(block, P - p), TALL):
            rows, total = min(TALL, P - p - q), tile_zero(x, TALL, 1)
            for c in range(0, C, V):
                here, lanes = start + (p + q) * C + c, min(V, C - c)
                v = tile_take(x, here, C, rows, lanes, TALL) * tile_take(dy, here, C, rows, lanes, TALL)
                total = tile_fused(v, tile_load(gate, c, 0, TALL, 1), total)
            tile_store(total, rows_first, q * V, V, TALL, V)
        transpose(rows_first, 0, V, block, V, lanes_first, block)
        for q in range(0, block, V):
            total = tile_load(lanes_first, q, 0, 1, 1)
            for lane in range(1, V):
                total = total + tile_load(lanes_first, lane * block + q, 0, 1, 1)
            tile_store(total, sums, p + q, 0, 1, V)


@part
def filter_sums(planes, plane, slopes, H, W, R, S, partial, at):
    """partial[at + (c·R + r)·S + s] = Σ_{i,j} slopes[i, j]·planes[c, i + r, j + s]; slopes is a plane as well."""
    V, columns = vector_lanes(planes), W + S - 1
    lanes = np.empty(TALL * V, planes.dtype)
    middle = R // 2 * columns + S // 2
    for cr in range(2 * R):
        first = cr // R * plane + cr % R * columns
        for s0 in range(0, S, TALL):
            total = tile_zero(planes, TALL, 1)
            for q in range(0, H * columns, V):
                total = multiply_add_lanes(total, planes, first + s0 + q, 1, slopes, middle + q)
            tile_store(total, lanes, 0, V, TALL, V)
            for s in range(s0, min(S, s0 + TALL)):
                put(partial, at + cr * S + s, tile_total(tile_load(lanes, (s - s0) * V, 0, 1, 1)))
