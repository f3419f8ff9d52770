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
from .jit import inner, kernel

exp_ = np.exp  # inlined by Numba

__all__ = ["attention_forward", "attention_forward_plain", "attention_backward"]

TILE = 64  # queries, and keys, taken together


@inner
def _transpose(a, start, count, t):
    """t[d, j] = a[start + j, d] for j < count."""
    for j in range(count):
        for d in range(a.shape[1]):
            t[d, j] = a[start + j, d]


@inner
def _add_product(a, b, rows, depth, columns, first, c):
    """c[first + i, j] += Σ_l a[i, l]·b[l, j] for i < rows, l < depth, j < columns; four terms in each visit to c."""
    for i in range(rows):
        c_ = c[first + i]
        l = 0
        while l + 4 <= depth:
            a0, a1, a2, a3 = a[i, l], a[i, l + 1], a[i, l + 2], a[i, l + 3]
            b0, b1, b2, b3 = b[l], b[l + 1], b[l + 2], b[l + 3]
            for j in range(columns):
                c_[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j])
            l += 4
        while l < depth:
            a0, b0 = a[i, l], b[l]
            for j in range(columns):
                c_[j] += a0 * b0[j]
            l += 1


@inner
def _scores(q, kt, mask, masked, causal, scale, i0, rows, j0, columns, s):
    """s[i, j] = scale · q[i0 + i]·k[j0 + j] + mask, −∞ where not to be seen. kt (D, TILE) are the keys, transposed."""
    s[:rows, :] = 0
    _add_product(q[i0:], kt, rows, q.shape[1], columns, 0, s)
    for i in range(rows):
        s_ = s[i]
        for j in range(columns):
            s_[j] *= scale
        if masked:
            m_ = mask[i0 + i]
            for j in range(columns):
                s_[j] += m_[j0 + j]
        if causal:
            for j in range(max(0, i0 + i + 1 - j0), columns):
                s_[j] = -np.inf


@inner
def _query_tile(q, k, v, mask, masked, causal, scale, i0, o, lse):
    T, S, D = q.shape[0], k.shape[0], q.shape[1]
    zero, lowest = q.dtype.type(0), q.dtype.type(-np.inf)
    rows = min(TILE, T - i0)
    kt, s = np.empty((D, TILE), q.dtype), np.empty((TILE, TILE), q.dtype)
    largest, total = np.full(rows, lowest), np.zeros(rows, q.dtype)
    o[i0:i0 + rows, :] = 0
    last = min(S, i0 + rows) if causal else S
    for j0 in range(0, last, TILE):
        columns = min(TILE, last - j0)
        _transpose(k, j0, columns, kt)
        _scores(q, kt, mask, masked, causal, scale, i0, rows, j0, columns, s)
        for i in range(rows):
            s_, o_ = s[i], o[i0 + i]
            new = largest[i]
            for j in range(columns):
                new = s_[j] if s_[j] > new or s_[j] != s_[j] else new
            if new == lowest:  # nothing seen yet: exp(−∞ − −∞) would be NaN
                for j in range(columns):
                    s_[j] = 0
                continue
            shrink = exp_(largest[i] - new)
            part = zero
            for j in range(columns):
                e = exp_(s_[j] - new)
                s_[j] = e
                part += e
            total[i] = total[i] * shrink + part
            largest[i] = new
            for e in range(o.shape[1]):
                o_[e] *= shrink
        _add_product(s, v[j0:], rows, columns, v.shape[1], i0, o)
    for i in range(rows):
        if total[i] == zero:
            lse[i0 + i] = lowest
        else:
            lse[i0 + i] = largest[i] + np.log(total[i])
            inverse = q.dtype.type(1) / total[i]
            for e in range(o.shape[1]):
                o[i0 + i, e] *= inverse


@kernel
def _forward(q, k, v, mask, masked, causal, scale, o, lse):
    B, H, T, _ = q.shape
    tiles = (T + TILE - 1) // TILE
    for piece in prange(B * H * tiles):
        i = np.int64(piece)
        b, h, i0 = i // (H * tiles), i // tiles % H, i % tiles * TILE
        _query_tile(q[b, h], k[b, h], v[b, h], mask[b % mask.shape[0], h % mask.shape[1]], masked, causal,
                    scale[0], i0, o[b, h], lse[b, h])


@inner
def _head_backward(do, q, k, v, o, lse, mask, masked, causal, scale, dq, dk, dv):
    T, S, D, E = q.shape[0], k.shape[0], q.shape[1], v.shape[1]
    kt, vt = np.empty((D, TILE), q.dtype), np.empty((E, TILE), q.dtype)
    p, ds = np.empty((TILE, TILE), q.dtype), np.empty((TILE, TILE), q.dtype)
    pt, dst = np.empty((TILE, TILE), q.dtype), np.empty((TILE, TILE), q.dtype)
    delta = np.empty(T, q.dtype)
    for i in range(T):
        d = q.dtype.type(0)
        for e in range(E):
            d += do[i, e] * o[i, e]
        delta[i] = d
    dq[:, :] = 0
    dk[:, :] = 0
    dv[:, :] = 0
    for j0 in range(0, S, TILE):
        columns = min(TILE, S - j0)
        _transpose(k, j0, columns, kt)
        _transpose(v, j0, columns, vt)
        for i0 in range(j0 if causal else 0, T, TILE):
            rows = min(TILE, T - i0)
            _scores(q, kt, mask, masked, causal, scale, i0, rows, j0, columns, p)
            ds[:rows, :] = 0
            _add_product(do[i0:], vt, rows, E, columns, 0, ds)
            for i in range(rows):
                p_, ds_, l, d = p[i], ds[i], lse[i0 + i], delta[i0 + i]
                if l == -np.inf:  # a query that saw no key
                    for j in range(columns):
                        p_[j], ds_[j] = 0, 0
                    continue
                for j in range(columns):
                    p_[j] = exp_(p_[j] - l)
                    ds_[j] = p_[j] * (ds_[j] - d) * scale
            _transpose(p, 0, rows, pt)
            _transpose(ds, 0, rows, dst)
            _add_product(pt, do[i0:], columns, rows, E, j0, dv)
            _add_product(dst, q[i0:], columns, rows, D, j0, dk)
            _add_product(ds, k[j0:], rows, columns, D, i0, dq)


@kernel
def _backward(do, q, k, v, o, lse, mask, masked, causal, scale, dq, dk, dv):
    B, H = q.shape[:2]
    for head in prange(B * H):
        b, h = np.int64(head) // H, np.int64(head) % H
        _head_backward(do[b, h], q[b, h], k[b, h], v[b, h], o[b, h], lse[b, h],
                       mask[b % mask.shape[0], h % mask.shape[1]], masked, causal, scale[0], dq[b, h], dk[b, h], dv[b, h])


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


def _options(q, mask, causal, scale):
    """What the compiled loops take for mask, causal and scale; a one-number mask stands for none."""
    given = np.zeros((1, 1, 1, 1), q.dtype) if mask is None else mask
    return given, mask is not None, bool(causal), np.full(1, scale, q.dtype)


def attention_forward(q, k, v, mask, causal, scale):
    """Attention of T queries over S keys.

    q (B, H, T, D), k (B, H, S, D), v (B, H, S, E); mask None, or an array added to the scores, (B or 1, H or 1, T, S),
    −∞ where a key is not to be seen; scale a number, usually 1/√D. Returns o (B, H, T, E) and lse (B, H, T). A query
    that sees no key at all has o = 0, lse = −∞.
    """
    o, lse = empty(q.shape[:3] + v.shape[3:], q.dtype), empty(q.shape[:3], q.dtype)
    _forward(q, k, v, *_options(q, mask, causal, scale), o, lse)
    return o, lse


def attention_forward_plain(q, k, v, mask, causal, scale):
    """`attention_forward` as the formula reads, with the whole T × S matrix of weights in memory."""
    o, lse = empty(q.shape[:3] + v.shape[3:], q.dtype), empty(q.shape[:3], q.dtype)
    p = empty(q.shape[:3] + k.shape[2:3], q.dtype)
    _forward_plain(q, k, v, *_options(q, mask, causal, scale), p, o, lse)
    return o, lse


def attention_backward(do, q, k, v, o, lse, mask, causal, scale):
    """Gradients of `attention_forward`. With p recomputed from lse, and δ_i = do_i·o_i:

        dv_j = Σ_i p_ij·do_i,    ds_ij = p_ij · (do_i·v_j − δ_i),    dq_i = scale · Σ_j ds_ij·k_j,
        dk_j = scale · Σ_i ds_ij·q_i

    do and o (B, H, T, E), lse (B, H, T), the rest as in the forward pass. Returns dq, dk, dv, shaped as q, k, v.
    """
    dq, dk, dv = empty(q.shape, q.dtype), empty(k.shape, k.dtype), empty(v.shape, v.dtype)
    _backward(do, q, k, v, o, lse, *_options(q, mask, causal, scale), dq, dk, dv)
    return dq, dk, dv
