"""Scaled dot-product attention, a tile of queries against a tile of keys at a time.

    o_i = Σ_j p_ij · v_j,    p_ij = exp(s_ij − lse_i),    s_ij = scale · q_i·k_j + mask_ij,    lse_i = log Σ_j exp(s_ij)

With `causal`, key j is seen by query i only where j ≤ i. The T × S matrix of scores never exists: each thread holds one
TILE × TILE piece of it, keeps for every query the largest score so far and the sum of exponentials under it (online
softmax), and rescales what it has summed when a larger score turns up. The backward pass recomputes p from lse.

Why it is fast. A tile of scores lies with the keys down and the queries across: s[j·TILE + i]. The lanes of a vector are then
queries, and every step of the softmax (the largest score, exp, the sum) is a vertical operation on whole vectors; nothing
is ever reduced across a vector. The products take what they need as it lies: of the factor on the left a register tile
broadcasts single numbers, so keys and values are read in place, row by row or column by column, and only the queries (and
do, backward) are turned, once for all keys. Backward, queries are the outer loop for the same reason; the sums for all keys
wait in a scratch of the size of k and v, so that memory stays linear in the number of tokens.

Measured on 2 cores of an AMD EPYC (AVX-512, 235 GFLOP/s), float32: 32 × 4 heads, 256 tokens of 32 numbers, 8.6 ms forward and
15.5 backward (10.1 and 17.1 with queries down and keys across); 4 × 4 heads, 1024 tokens of 64, 152 and 188 GFLOP/s. There
three quarters of the time are the products, at 85% of the ceiling, and an eighth is exp. With 16 registers a product's tile is 6 × 2:
72 of 88 GFLOP/s of one core, where 4 × 2, though 64 is a multiple of 4, reach 49.

Vaswani et al.: Attention is all you need (arXiv 1706.03762). Milakov, Gimelshein: Online normalizer calculation for
softmax (arXiv 1805.02867). Dao et al.: FlashAttention (arXiv 2205.14135).
"""
import numpy as np

from .array import empty
from .jit import part
from .launch import launch, unpack
from .mathfun import exp_falling_, log_
from .shuffle import transpose
from .simd import REGISTERS, clear_run, copy_run, multiply_add, rows_apart, tile_load, tile_store, tile_zero, vector_lanes

__all__ = ["attention_forward", "attention_backward", "self_attention_forward", "self_attention_backward"]

TILE = 64  # queries, and keys, taken together
ROWS = 8 if REGISTERS >= 32 else 6  # of a register tile
VECTORS = 2
TALL = TILE + ROWS  # rows that a product of TILE rows writes at most

# A product has no edge: rows are rounded up to ROWS, columns to whole vectors. What is read in place must go on for so long; else it is
# copied to where it does. What comes of the padding is read by nothing but padding, or is set to 0 before it can be added to a sum.
# Constants are handed to `_multiply` as np.int64: it would be compiled anew for every bare one.


@part
def _padded(count, unit):
    return (count + unit - 1) // unit * unit


@part
def _place(sizes, which, head):
    """Where the first token of a head lies in q, k, v or o (which = 0 … 3), and how far it is to the next token."""
    first, batch, beside, token = unpack(sizes[10 + 4 * which:14 + 4 * which], 4)
    return first + head // sizes[1] * batch + head % sizes[1] * beside, token


@part
def _rows(x, at, step, rows, left, columns, width, copy):
    """Where `rows` rows of x, a step apart, can be read by whole tiles and vectors: in place, if enough of them are left, or copied.

    Returns (array, first, step).
    """
    if columns == width and _padded(rows, ROWS) <= left:
        return x, at, step
    for i in range(rows):
        copy_run(x, at + i * step, copy, i * width, columns)
    return copy, np.int64(0), width


@part
def _turned(x, at, step, rows, columns, scale, turned):
    """turned[c·TILE + r] = x[at + r·step + c]·scale; 0 for r ≥ rows."""
    if rows < TILE:
        turned[:] = 0
    transpose(x, at, step, rows, columns, turned, TILE)
    for i in range(len(turned)):
        turned[i] *= scale


@part
def _unpack(packed, rows, columns, scale, width, x, at, step):
    """x[at + i·step + c] = packed[i·width + c]·scale"""
    for i in range(rows):
        row, to = packed[i * width:i * width + columns], x[at + i * step:at + i * step + columns]
        for c in range(columns):
            to[c] = row[c] * scale


@part
def _multiply(a, a_at, row_step, depth_step, b, b_at, b_step, rows, depth, columns, first, c, at, c_step):
    """c[at + i·c_step + j] += Σ_l a[i·row_step + l·depth_step] · b[l·b_step + j]; with `first`, c is begun, not read."""
    lanes = vector_lanes(c)
    wide, steps = VECTORS * lanes, rows_apart(row_step, ROWS)
    for i in range(0, rows, ROWS):
        here, left = at + i * c_step, a_at + i * row_step
        for j in range(0, columns - wide + 1, wide):
            tile = tile_zero(c, ROWS, VECTORS)
            if not first:
                tile = tile_load(c, here + j, c_step, ROWS, VECTORS)
            for l in range(depth):
                tile = multiply_add(tile, a, left + l * depth_step, steps, b, b_at + l * b_step + j, lanes)
            tile_store(tile, c, here + j, c_step, ROWS, wide)
        for j in range(columns // wide * wide, columns, lanes):
            narrow = tile_zero(c, ROWS, 1)
            if not first:
                narrow = tile_load(c, here + j, c_step, ROWS, 1)
            for l in range(depth):
                narrow = multiply_add(narrow, a, left + l * depth_step, steps, b, b_at + l * b_step + j, lanes)
            tile_store(narrow, c, here + j, c_step, ROWS, lanes)


@part
def _hide(s, sizes, mask, head, i0, rows, j0, columns, turned):
    """Add the mask to a tile of scores s[j·TILE + i]; where causal, those of later keys are −∞."""
    H, T, S, masked, causal, mask_B, mask_H = sizes[1], sizes[2], sizes[3], sizes[6], sizes[7], sizes[8], sizes[9]
    if masked:
        start = (head // H % mask_B * mask_H + head % H % mask_H) * T * S
        transpose(mask, start + i0 * S + j0, S, rows, columns, turned, TILE)
        for j in range(columns):
            row, part = s[j * TILE:j * TILE + rows], turned[j * TILE:j * TILE + rows]
            for i in range(rows):
                row[i] += part[i]
    if causal:
        for j in range(max(0, i0 + 1 - j0), columns):
            s[j * TILE:j * TILE + min(j0 + j - i0, TILE)] = -np.inf


@part
def _weigh(s, columns, most, total, shrink):
    """One step of the online softmax: s[j·TILE + i] becomes exp(s − most), most[i] the largest score so far.

    What was summed before under another maximum is to be multiplied by shrink[i]; total[i] is already.
    """
    lowest, zero = s.dtype.type(-np.inf), s.dtype.type(0)
    before, shift = np.empty(TILE, s.dtype), np.empty(TILE, s.dtype)
    for i in range(TILE):
        before[i] = most[i]
    for j in range(columns):
        row = s[j * TILE:(j + 1) * TILE]
        for i in range(TILE):
            most[i] = row[i] if row[i] > most[i] else most[i]
    for i in range(TILE):
        shift[i] = zero if most[i] == lowest else most[i]  # nothing seen yet: exp(−∞ − −∞) would be NaN
    for i in range(TILE):
        shrink[i] = exp_falling_(before[i] - shift[i])
    for i in range(TILE):
        total[i] *= shrink[i]
    for j in range(columns):
        row = s[j * TILE:(j + 1) * TILE]
        for i in range(TILE):
            weight = exp_falling_(row[i] - shift[i])
            row[i] = weight
            total[i] += weight


@part
def _forward(t, sizes, scale, q, k, v, mask, o, lse):
    """Task t is a tile of queries of one head, against all its keys.

    sizes: B H T S D E, whether there is a mask, whether causal, the mask's B and H, and how q, k, v and o lie (`_place`).
    """
    T, S, D, E = sizes[2], sizes[3], sizes[4], sizes[5]
    start, unit, pitch, begin, go_on = np.int64(0), np.int64(1), np.int64(TILE), np.int64(1), np.int64(0)
    tiles, lanes = (T + TILE - 1) // TILE, vector_lanes(q)
    head, i0 = t // tiles, t % tiles * TILE
    one, zero = q.dtype.type(1), q.dtype.type(0)
    rows, wide_d, wide_e = min(TILE, T - i0), _padded(D, lanes), _padded(E, lanes)
    across, height = _padded(rows, lanes), _padded(rows, ROWS)
    queries, s = np.empty(D * TILE, q.dtype), np.zeros(TALL * TILE, q.dtype)
    turned = np.empty(TILE * TILE if sizes[6] else 0, q.dtype)  # a tile of the mask
    key_copy, value_copy = np.zeros(TALL * wide_d, q.dtype), np.zeros(TALL * wide_e, q.dtype)
    result, total, shrink = np.zeros(TALL * wide_e, q.dtype), np.zeros(TILE, q.dtype), np.empty(TILE, q.dtype)
    most = np.full(TILE, -np.inf, q.dtype)  # largest score, and total: Σ exp(score − largest), so far
    (q_at, q_step), (k_at, k_step), (v_at, v_step), (o_at, o_step) = (
        _place(sizes, 0, head), _place(sizes, 1, head), _place(sizes, 2, head), _place(sizes, 3, head))
    _turned(q, q_at + i0 * q_step, q_step, rows, D, scale[0], queries)
    last = min(S, i0 + rows) if sizes[7] else S
    for j0 in range(0, last, TILE):
        columns = min(TILE, last - j0)
        keys, key_at, key_step = _rows(k, k_at + j0 * k_step, k_step, columns, S - j0, D, wide_d, key_copy)
        values, value_at, value_step = _rows(v, v_at + j0 * v_step, v_step, columns, S - j0, E, wide_e, value_copy)
        _multiply(keys, key_at, key_step, unit, queries, start, pitch, _padded(columns, ROWS), D, across, begin, s, start, pitch)
        if sizes[6] or sizes[7]:
            _hide(s, sizes, mask, head, i0, rows, j0, columns, turned)
        _weigh(s, columns, most, total, shrink)
        if j0 > 0:
            for i in range(rows):
                if shrink[i] != one:
                    sums, factor = result[i * wide_e:(i + 1) * wide_e], shrink[i]
                    for e in range(wide_e):
                        sums[e] *= factor
        _multiply(s, start, unit, pitch, values, value_at, value_step, height, columns, wide_e, go_on, result, start, wide_e)
    for i in range(rows):
        lse[head * T + i0 + i] = most[i] + log_(total[i])  # −∞ where no key was seen
    for i in range(rows):
        inverse = zero if total[i] == zero else one / total[i]
        to = o_at + (i0 + i) * o_step
        row, sums = o[to:to + E], result[i * wide_e:i * wide_e + E]
        for e in range(E):
            row[e] = sums[e] * inverse


@part
def _backward(head, sizes, scale, do, q, k, v, o, lse, mask, dq, dk, dv):
    """All gradients of one head: queries in the outer loop, and the sums for all keys in a scratch. sizes as in `_forward`."""
    T, S, D, E = sizes[2], sizes[3], sizes[4], sizes[5]
    start, unit, pitch, begin, go_on = np.int64(0), np.int64(1), np.int64(TILE), np.int64(1), np.int64(0)
    one, zero, lanes = q.dtype.type(1), q.dtype.type(0), vector_lanes(q)
    wide_d, wide_e = _padded(D, lanes), _padded(E, lanes)
    queries_t, gradients_t = np.empty(D * TILE, q.dtype), np.empty(E * TILE, q.dtype)
    query_copy, key_copy = np.zeros(TALL * wide_d, q.dtype), np.zeros(TALL * wide_d, q.dtype)
    gradient_copy, value_copy = np.zeros(TALL * wide_e, q.dtype), np.zeros(TALL * wide_e, q.dtype)
    p, ds = np.zeros(TALL * TILE, q.dtype), np.zeros(TALL * TILE, q.dtype)
    turned = np.empty(TILE * TILE if sizes[6] else 0, q.dtype)  # a tile of the mask
    sum_k, sum_v = np.zeros((S + ROWS) * wide_d, q.dtype), np.zeros((S + ROWS) * wide_e, q.dtype)
    sum_q, delta, shift = np.empty(TALL * wide_d, q.dtype), np.zeros(TILE, q.dtype), np.zeros(TILE, q.dtype)
    (q_at, q_step), (k_at, k_step), (v_at, v_step), (o_at, o_step) = (
        _place(sizes, 0, head), _place(sizes, 1, head), _place(sizes, 2, head), _place(sizes, 3, head))
    for i0 in range(0, T, TILE):
        rows = min(TILE, T - i0)
        across, height = _padded(rows, lanes), _padded(rows, ROWS)
        for i in range(rows):
            at, d, l = o_at + (i0 + i) * o_step, zero, lse[head * T + i0 + i]
            left, right = do[at:at + E], o[at:at + E]
            for e in range(E):
                d += left[e] * right[e]
            delta[i] = d
            shift[i] = zero if l == -np.inf else l  # a query that saw no key: exp(−∞ − 0) is the 0 it gives and gets
        _turned(q, q_at + i0 * q_step, q_step, rows, D, scale[0], queries_t)
        _turned(do, o_at + i0 * o_step, o_step, rows, E, one, gradients_t)
        queries, query_at, query_step = _rows(q, q_at + i0 * q_step, q_step, rows, T - i0, D, wide_d, query_copy)
        gradients, gradient_at, gradient_step = _rows(do, o_at + i0 * o_step, o_step, rows, T - i0, E, wide_e, gradient_copy)
        sum_q[:] = zero
        for j0 in range(0, min(S, i0 + rows) if sizes[7] else S, TILE):
            columns = min(TILE, S - j0)
            depth = _padded(columns, ROWS)
            keys, key_at, key_step = _rows(k, k_at + j0 * k_step, k_step, columns, S - j0, D, wide_d, key_copy)
            values, value_at, value_step = _rows(v, v_at + j0 * v_step, v_step, columns, S - j0, E, wide_e, value_copy)
            _multiply(keys, key_at, key_step, unit, queries_t, start, pitch, depth, D, across, begin, p, start, pitch)
            _multiply(values, value_at, value_step, unit, gradients_t, start, pitch, depth, E, across, begin, ds, start, pitch)
            if sizes[6] or sizes[7]:
                _hide(p, sizes, mask, head, i0, rows, j0, columns, turned)
            for j in range(columns):
                p_, ds_ = p[j * TILE:(j + 1) * TILE], ds[j * TILE:(j + 1) * TILE]
                for i in range(TILE):
                    weight = exp_falling_(p_[i] - shift[i])
                    p_[i], ds_[i] = weight, weight * (ds_[i] - delta[i])
            clear_run(p, columns * TILE, (depth - columns) * TILE)  # the sums below these are of the next tile's keys
            clear_run(ds, columns * TILE, (depth - columns) * TILE)
            _multiply(p, start, pitch, unit, gradients, gradient_at, gradient_step, depth, rows, wide_e, go_on,
                      sum_v, j0 * wide_e, wide_e)
            _multiply(ds, start, pitch, unit, queries, query_at, query_step, depth, rows, wide_d, go_on,
                      sum_k, j0 * wide_d, wide_d)
            _multiply(ds, start, unit, pitch, keys, key_at, key_step, height, columns, wide_d, go_on, sum_q, start, wide_d)
        _unpack(sum_q, rows, D, scale[0], wide_d, dq, q_at + i0 * q_step, q_step)
    _unpack(sum_k, S, D, scale[0], wide_d, dk, k_at, k_step)
    _unpack(sum_v, S, E, one, wide_e, dv, v_at, v_step)


def _separate(H, tokens, length):
    """How x (B, H, tokens, length) lies: its first number, and the steps from batch to batch, head to head, token to token."""
    return 0, H * tokens * length, tokens * length, length


def _joined(H, T, D, parts, part=0):
    """How part `part` of x (B, T, parts, H, D) lies."""
    return part * H * D, T * parts * H * D, D, parts * H * D


def _options(shape, dtype, mask, causal, scale, *layouts):
    """What the loops take besides the arrays: sizes, scale, and a mask, of one number if there is none."""
    given = np.zeros((1, 1, 1, 1), dtype) if mask is None else mask
    sizes = np.array([*shape, mask is not None, causal, *given.shape[:2], *(n for layout in layouts for n in layout)])
    return sizes, np.full(1, scale, dtype), given


def _separate_options(q, k, v, mask, causal, scale):
    (B, H, T, D), (S, E) = q.shape, v.shape[2:]
    return _options((B, H, T, S, D, E), q.dtype, mask, causal, scale,
                    _separate(H, T, D), _separate(H, S, D), _separate(H, S, E), _separate(H, T, E))


def _joined_options(qkv, heads, mask, causal, scale):
    B, T, D = *qkv.shape[:2], qkv.shape[2] // (3 * heads)
    return _options((B, heads, T, T, D, D), qkv.dtype, mask, causal, scale,
                    *(_joined(heads, T, D, 3, part) for part in range(3)), _joined(heads, T, D, 1))


def attention_forward(q, k, v, mask, causal, scale):
    """Attention of T queries over S keys.

    q (B, H, T, D), k (B, H, S, D), v (B, H, S, E); mask None, or an array added to the scores, (B or 1, H or 1, T, S),
    −∞ where a key is not to be seen; scale a number, usually 1/√D. Returns o (B, H, T, E) and lse (B, H, T). A query
    that sees no key at all has o = 0, lse = −∞.
    """
    o, lse = empty(q.shape[:3] + v.shape[3:], q.dtype), empty(q.shape[:3], q.dtype)
    sizes, scale, mask = _separate_options(q, k, v, mask, causal, scale)
    launch(_forward, q.shape[0] * q.shape[1] * -(-q.shape[2] // TILE), sizes, scale, q, k, v, mask, o, lse)
    return o, lse


def self_attention_forward(qkv, heads, mask, causal, scale):
    """`attention_forward` of tokens to themselves, where q, k and v lie side by side as one product leaves them.

    qkv (B, T, 3·heads·D); the rest as there. Returns o (B, T, heads·D) and lse (B, heads, T). No head is copied to a place of
    its own and back: they are read and written where they are.
    """
    B, T, width = qkv.shape
    o, lse = empty((B, T, width // 3), qkv.dtype), empty((B, heads, T), qkv.dtype)
    sizes, scale, mask = _joined_options(qkv, heads, mask, causal, scale)
    launch(_forward, B * heads * -(-T // TILE), sizes, scale, qkv, qkv, qkv, mask, o, lse)
    return o, lse


def attention_backward(do, q, k, v, o, lse, mask, causal, scale):
    """Gradients of `attention_forward`. With p recomputed from lse, and δ_i = do_i·o_i:

        dv_j = Σ_i p_ij·do_i,    ds_ij = p_ij · (do_i·v_j − δ_i),    dq_i = scale · Σ_j ds_ij·k_j,
        dk_j = scale · Σ_i ds_ij·q_i

    do and o (B, H, T, E), lse (B, H, T), the rest as in the forward pass. Returns dq, dk, dv, shaped as q, k, v.
    """
    dq, dk, dv = empty(q.shape, q.dtype), empty(k.shape, k.dtype), empty(v.shape, v.dtype)
    sizes, scale, mask = _separate_options(q, k, v, mask, causal, scale)
    launch(_backward, q.shape[0] * q.shape[1], sizes, scale, do, q, k, v, o, lse, mask, dq, dk, dv)
    return dq, dk, dv


def self_attention_backward(do, qkv, o, lse, heads, mask, causal, scale):
    """dqkv (B, T, 3·heads·D), the gradient of `self_attention_forward`, from do and o (B, T, heads·D), lse (B, heads, T)."""
    dqkv = empty(qkv.shape, qkv.dtype)
    sizes, scale, mask = _joined_options(qkv, heads, mask, causal, scale)
    launch(_backward, qkv.shape[0] * heads, sizes, scale, do, qkv, qkv, qkv, o, lse, mask, dqkv, dqkv, dqkv)
    return dqkv
