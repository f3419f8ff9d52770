"""Scaled dot-product attention, a tile of queries against a tile of keys at a time.

    o_i = Σ_j p_ij · v_j,    p_ij = exp(s_ij − lse_i),    s_ij = scale · q_i·k_j + mask_ij,    lse_i = log Σ_j exp(s_ij)

With `causal`, key j is seen by query i only where j ≤ i. The T × S matrix of scores never exists: each thread holds one
TILE × TILE piece of it, keeps for every query the largest score so far and the sum of exponentials under it (online
softmax), and rescales what it has summed when a larger score turns up. The backward pass recomputes p from lse.

Vaswani et al.: Attention is all you need (arXiv 1706.03762). Milakov, Gimelshein: Online normalizer calculation for
softmax (arXiv 1805.02867). Dao et al.: FlashAttention (arXiv 2205.14135).
"""
import numpy as np
from numba import prange

from .array import empty
from .jit import kernel, part
from .launch import launch
from .mathfun import exp_, log_
from .shuffle import largest, transpose
from .simd import REGISTERS, multiply_add, tile_load, tile_store, tile_zero, vector_lanes

__all__ = ["attention_forward", "attention_forward_plain", "attention_backward"]

TILE = 64  # queries, and keys, taken together
ROWS = 8 if REGISTERS >= 32 else 4  # of a register tile
VECTORS = 2

# Inside a thread every matrix is a packed copy: one-dimensional, its rows padded to whole vectors and their number to
# ROWS, so that no product and no loop over a row has an edge. What lies in the padding is never read by anything but
# padding. Constants are handed to `_multiply` as np.int64: it would be compiled anew for every bare one.


@part
def _padded(count, unit):
    return (count + unit - 1) // unit * unit


@part
def _pack(x, at, rows, columns, scale, width, packed):
    """packed[i·width + c] = x[at + i·columns + c]·scale"""
    for i in range(rows):
        row, to = x[at + i * columns:at + (i + 1) * columns], packed[i * width:i * width + columns]
        for c in range(columns):
            to[c] = row[c] * scale


@part
def _unpack(packed, rows, columns, scale, width, x, at):
    """x[at + i·columns + c] = packed[i·width + c]·scale"""
    for i in range(rows):
        row, to = packed[i * width:i * width + columns], x[at + i * columns:at + (i + 1) * columns]
        for c in range(columns):
            to[c] = row[c] * scale


@part
def _multiply(a, row_step, depth_step, b, b_step, rows, depth, columns, first, c, at, c_step):
    """c[at + i·c_step + j] += Σ_l a[i·row_step + l·depth_step] · b[l·b_step + j]; with `first`, c is begun, not read."""
    lanes = vector_lanes(c)
    wide = VECTORS * lanes
    for i in range(0, rows, ROWS):
        here = at + i * c_step
        for j in range(0, columns - wide + 1, wide):
            tile = tile_zero(c, ROWS, VECTORS)
            if not first:
                tile = tile_load(c, here + j, c_step, ROWS, VECTORS)
            for l in range(depth):
                tile = multiply_add(tile, a, i * row_step + l * depth_step, row_step, b, l * b_step + j, lanes)
            tile_store(tile, c, here + j, c_step, ROWS, wide)
        for j in range(columns // wide * wide, columns, lanes):
            narrow = tile_zero(c, ROWS, 1)
            if not first:
                narrow = tile_load(c, here + j, c_step, ROWS, 1)
            for l in range(depth):
                narrow = multiply_add(narrow, a, i * row_step + l * depth_step, row_step, b, l * b_step + j, lanes)
            tile_store(narrow, c, here + j, c_step, ROWS, lanes)


@part
def _hide(s, sizes, mask, head, i0, rows, j0, columns, width):
    """Add the mask to a tile of scores s; where causal, those of later keys are −∞; and so is the padding, always."""
    H, T, S, masked, causal, mask_B, mask_H = sizes[1], sizes[2], sizes[3], sizes[6], sizes[7], sizes[8], sizes[9]
    start = (head // H % mask_B * mask_H + head % H % mask_H) * T * S
    for i in range(rows):
        row = s[i * TILE:i * TILE + width]
        for j in range(columns, width):
            row[j] = -np.inf
        if masked:
            part = mask[start + (i0 + i) * S + j0:start + (i0 + i) * S + j0 + columns]
            for j in range(columns):
                row[j] += part[j]
        if causal:
            for j in range(max(0, i0 + i + 1 - j0), columns):
                row[j] = -np.inf


@part
def _forward(t, sizes, scale, q, k, v, mask, o, lse):
    """Task t is a tile of queries of one head, against all its keys.

    sizes: B H T S D E, whether there is a mask, whether causal, and the mask's B and H.
    """
    T, S, D, E = sizes[2], sizes[3], sizes[4], sizes[5]
    start, unit, pitch, begin, go_on = np.int64(0), np.int64(1), np.int64(TILE), np.int64(1), np.int64(0)
    tiles = (T + TILE - 1) // TILE
    head, i0 = t // tiles, t % tiles * TILE
    one, zero, lowest = q.dtype.type(1), q.dtype.type(0), q.dtype.type(-np.inf)
    rows, width = min(TILE, T - i0), _padded(E, vector_lanes(q))
    height = _padded(rows, ROWS)
    queries, keys, values = np.empty(TILE * D, q.dtype), np.empty(D * TILE, q.dtype), np.empty(TILE * width, q.dtype)
    s, result = np.empty(TILE * TILE, q.dtype), np.zeros(TILE * width, q.dtype)
    most, total = np.empty(TILE, q.dtype), np.empty(TILE, q.dtype)  # largest score, and Σ exp(score − largest), so far
    for i in range(rows):
        most[i], total[i] = lowest, zero
    _pack(q, (head * T + i0) * D, rows, D, scale[0], D, queries)
    last = min(S, i0 + rows) if sizes[7] else S
    for j0 in range(0, last, TILE):
        columns = min(TILE, last - j0)
        wide = _padded(columns, vector_lanes(q))
        transpose(k, (head * S + j0) * D, D, columns, D, keys, TILE)
        _pack(v, (head * S + j0) * E, columns, E, one, width, values)
        _multiply(queries, D, unit, keys, pitch, height, D, wide, begin, s, start, pitch)
        if sizes[6] or sizes[7] or wide > columns:
            _hide(s, sizes, mask, head, i0, rows, j0, columns, wide)
        for i in range(rows):
            row, sums = s[i * TILE:i * TILE + wide], result[i * width:(i + 1) * width]
            new = largest(row)
            new = most[i] if new <= most[i] else new  # NaN stays NaN
            if new == lowest:  # nothing seen yet: exp(−∞ − −∞) would be NaN
                for j in range(wide):
                    row[j] = zero
                continue
            part = zero
            for j in range(wide):
                row[j] = exp_(row[j] - new)
                part += row[j]
            if new != most[i] and most[i] != lowest:  # what was summed before had another maximum
                shrink = exp_(most[i] - new)
                total[i] *= shrink
                for e in range(width):
                    sums[e] *= shrink
            total[i] += part
            most[i] = new
        _multiply(s, pitch, unit, values, width, height, columns, width, go_on, result, start, width)
    ends = lse[head * T + i0:head * T + i0 + rows]
    for i in range(rows):
        ends[i] = most[i] + log_(total[i])  # −∞ where no key was seen
    for i in range(rows):
        inverse = zero if total[i] == zero else one / total[i]
        row, sums = o[(head * T + i0 + i) * E:(head * T + i0 + i + 1) * E], result[i * width:i * width + E]
        for e in range(E):
            row[e] = sums[e] * inverse


@part
def _backward(head, sizes, scale, do, q, k, v, o, lse, mask, dq, dk, dv):
    """All gradients of one head: keys in the outer loop, so that each dk and dv is summed in one place.

    sizes as in `_forward`.
    """
    T, S, D, E = sizes[2], sizes[3], sizes[4], sizes[5]
    start, unit, pitch, begin, go_on = np.int64(0), np.int64(1), np.int64(TILE), np.int64(1), np.int64(0)
    one, zero, lanes = q.dtype.type(1), q.dtype.type(0), vector_lanes(q)
    wide_d, wide_e = _padded(D, lanes), _padded(E, lanes)
    keys_t, values_t = np.empty(D * TILE, q.dtype), np.empty(E * TILE, q.dtype)
    keys, queries = np.empty(TILE * wide_d, q.dtype), np.empty(TILE * wide_d, q.dtype)
    gradients = np.empty(TILE * wide_e, q.dtype)
    p, ds = np.empty(TILE * TILE, q.dtype), np.empty(TILE * TILE, q.dtype)
    sum_q = np.zeros((T + TILE) * wide_d, q.dtype)
    sum_k, sum_v = np.empty(TILE * wide_d, q.dtype), np.empty(TILE * wide_e, q.dtype)
    delta = np.empty(T, q.dtype)
    for i in range(T):
        at, d = (head * T + i) * E, zero
        for e in range(E):
            d += do[at + e] * o[at + e]
        delta[i] = d
    for j0 in range(0, S, TILE):
        columns = min(TILE, S - j0)
        width, depth = _padded(columns, lanes), _padded(columns, ROWS)
        transpose(k, (head * S + j0) * D, D, columns, D, keys_t, TILE)
        transpose(v, (head * S + j0) * E, E, columns, E, values_t, TILE)
        _pack(k, (head * S + j0) * D, columns, D, one, wide_d, keys)
        first = begin
        for i0 in range(j0 if sizes[7] else 0, T, TILE):
            rows = min(TILE, T - i0)
            height = _padded(rows, ROWS)
            _pack(q, (head * T + i0) * D, rows, D, scale[0], wide_d, queries)
            _pack(do, (head * T + i0) * E, rows, E, one, wide_e, gradients)
            _multiply(queries, wide_d, unit, keys_t, pitch, height, D, width, begin, p, start, pitch)
            _multiply(gradients, wide_e, unit, values_t, pitch, height, E, width, begin, ds, start, pitch)
            if sizes[6] or sizes[7] or width > columns:
                _hide(p, sizes, mask, head, i0, rows, j0, columns, width)
            for i in range(rows):
                p_, ds_ = p[i * TILE:i * TILE + width], ds[i * TILE:i * TILE + width]
                l, d = lse[head * T + i0 + i], delta[i0 + i]
                l = zero if l == -np.inf else l  # a query that saw no key: exp(−∞ − 0) is the 0 it gives and gets
                for j in range(width):
                    weight = exp_(p_[j] - l)
                    p_[j], ds_[j] = weight, weight * (ds_[j] - d)
            _multiply(p, unit, pitch, gradients, wide_e, depth, rows, wide_e, first, sum_v, start, wide_e)
            _multiply(ds, unit, pitch, queries, wide_d, depth, rows, wide_d, first, sum_k, start, wide_d)
            _multiply(ds, pitch, unit, keys, wide_d, height, columns, wide_d, go_on, sum_q, i0 * wide_d, wide_d)
            first = go_on
        if first:  # causal, and more keys than queries: nobody saw these
            sum_k[:] = zero
            sum_v[:] = zero
        _unpack(sum_k, columns, D, one, wide_d, dk, (head * S + j0) * D)
        _unpack(sum_v, columns, E, one, wide_e, dv, (head * S + j0) * E)
    _unpack(sum_q, T, D, scale[0], wide_d, dq, head * T * D)


@kernel
def _forward_plain(q, k, v, mask, masked, causal, scale, p, o, lse):
    """p (B, H, T, S) is the matrix of weights, written row by row."""
    B, H, T, D = q.shape
    S, E = v.shape[2:]
    for head in prange(B * H):
        b, h = np.int64(head) // H, np.int64(head) % H
        for i in range(T):
            largest = q.dtype.type(-np.inf)
            for j in range(S):
                s = q.dtype.type(0)
                for d in range(D):
                    s += q[b, h, i, d] * k[b, h, j, d]
                s *= scale[0]
                if masked:
                    s += mask[b % mask.shape[0], h % mask.shape[1], i, j]
                if causal and j > i:
                    s = q.dtype.type(-np.inf)
                p[b, h, i, j] = s
                largest = max(largest, s)
            total = q.dtype.type(0)
            o[b, h, i, :] = 0
            if largest == -np.inf:
                p[b, h, i, :] = 0
                lse[b, h, i] = largest
                continue
            for j in range(S):
                p[b, h, i, j] = exp_(p[b, h, i, j] - largest)
                total += p[b, h, i, j]
            for j in range(S):
                p[b, h, i, j] /= total
                for e in range(E):
                    o[b, h, i, e] += p[b, h, i, j] * v[b, h, j, e]
            lse[b, h, i] = largest + np.log(total)


def _options(q, k, v, mask, causal, scale):
    """What the loops take besides the arrays: sizes, scale, and a mask, of one number if there is none."""
    given = np.zeros((1, 1, 1, 1), q.dtype) if mask is None else mask
    sizes = np.array([*q.shape[:3], *k.shape[2:], v.shape[3], mask is not None, causal, *given.shape[:2]])
    return sizes, np.full(1, scale, q.dtype), given


def attention_forward(q, k, v, mask, causal, scale):
    """Attention of T queries over S keys.

    q (B, H, T, D), k (B, H, S, D), v (B, H, S, E); mask None, or an array added to the scores, (B or 1, H or 1, T, S),
    −∞ where a key is not to be seen; scale a number, usually 1/√D. Returns o (B, H, T, E) and lse (B, H, T). A query
    that sees no key at all has o = 0, lse = −∞.
    """
    o, lse = empty(q.shape[:3] + v.shape[3:], q.dtype), empty(q.shape[:3], q.dtype)
    sizes, scale, mask = _options(q, k, v, mask, causal, scale)
    launch(_forward, q.shape[0] * q.shape[1] * -(-q.shape[2] // TILE), sizes, scale, q, k, v, mask, o, lse)
    return o, lse


def attention_forward_plain(q, k, v, mask, causal, scale):
    """`attention_forward` as the formula reads, with the whole T × S matrix of weights in memory."""
    o, lse = empty(q.shape[:3] + v.shape[3:], q.dtype), empty(q.shape[:3], q.dtype)
    p = empty(q.shape[:3] + k.shape[2:3], q.dtype)
    sizes, scale, given = _options(q, k, v, mask, causal, scale)
    _forward_plain(q, k, v, given, mask is not None, causal, scale, p, o, lse)
    return o, lse


def attention_backward(do, q, k, v, o, lse, mask, causal, scale):
    """Gradients of `attention_forward`. With p recomputed from lse, and δ_i = do_i·o_i:

        dv_j = Σ_i p_ij·do_i,    ds_ij = p_ij · (do_i·v_j − δ_i),    dq_i = scale · Σ_j ds_ij·k_j,
        dk_j = scale · Σ_i ds_ij·q_i

    do and o (B, H, T, E), lse (B, H, T), the rest as in the forward pass. Returns dq, dk, dv, shaped as q, k, v.
    """
    dq, dk, dv = empty(q.shape, q.dtype), empty(k.shape, k.dtype), empty(v.shape, v.dtype)
    sizes, scale, mask = _options(q, k, v, mask, causal, scale)
    launch(_backward, q.shape[0] * q.shape[1], sizes, scale, do, q, k, v, o, lse, mask, dq, dk, dv)
    return dq, dk, dv
