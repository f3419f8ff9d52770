"""A whole attention gate as it is written down: parallel over the images, without tricks. Read it before `fused.py`.

Each image is taken through the formulas of `reference/gates.py` step by step, forward or backward; the gradients of the
weights are left image by image and added up at the end. Only the notes are as there: mean, maximum, where, gate.
"""
import numpy as np
from numba import prange

from ..array import empty
from ..jit import kernel, part
from ..mathfun import sigmoid_

__all__ = ["attention_gate_forward_plain", "attention_gate_backward_plain"]


@part
def _note(values, n, at, notes):
    """Mean and maximum of some values, and where it first is, to notes[n, :3, at]."""
    total, best = values[0], 0
    for i in range(1, len(values)):
        total += values[i]
        b = values[best]
        if values[i] > b or (values[i] != values[i] and b == b):
            best = i
    notes[n, 0, at], notes[n, 1, at], notes[n, 2, at] = total / values.dtype.type(len(values)), values[best], best


@part
def _hidden(v, w1, b1):
    """max(W₁ v + b₁, 0)"""
    h, zero = b1.copy(), v.dtype.type(0)
    for j in range(len(h)):
        for c in range(len(v)):
            h[j] += w1[j, c] * v[c]
        h[j] = zero if h[j] < zero else h[j]
    return h


@part
def _inside(i, r, R, H):
    """The row that tap r of R reads for output row i, or −1 outside the H rows."""
    h = i + r - R // 2
    return h if 0 <= h < H else -1


@kernel
def _forward(x, w1, b1, w2, b2, filters, with_max, y, notes):
    N, H, W, C = x.shape
    R, S = filters.shape[2], filters.shape[3]
    for image in prange(N):
        n = np.int64(image)
        tokens, gate = x[n].reshape(H * W, C), np.zeros(C, x.dtype)
        for c in range(C):
            _note(tokens[:, c], n, c, notes)
        for k in range(2 if with_max else 1):
            v = notes[n, k, :C]
            h = _hidden(v, w1, b1)
            for c in range(C):
                gate[c] += b2[c] if len(h) else v[c]
                for j in range(len(h)):
                    gate[c] += w2[c, j] * h[j]
        for c in range(C):
            notes[n, 3, c] = gate[c] = sigmoid_(gate[c])
            if not with_max:
                notes[n, 1, c] = notes[n, 2, c] = 0
        for p in range(H * W if R else 0):
            _note(tokens[p] * gate, n, C + p, notes)
        for p in range(H * W):
            s = x.dtype.type(0)
            for k in range(2 if R else 0):
                for r in range(R):
                    for t in range(S):
                        i, j = _inside(p // W, r, R, H), _inside(p % W, t, S, W)
                        if i >= 0 and j >= 0:
                            s += filters[0, k, r, t] * notes[n, k, C + i * W + j]
            s = sigmoid_(s) if R else x.dtype.type(1)
            if R:
                notes[n, 3, C + p] = s
            for c in range(C):
                y[n, p // W, p % W, c] = tokens[p, c] * gate[c] * s


@kernel
def _backward(dy, x, w1, b1, w2, filters, with_max, notes, dx, dw1, db1, dw2, db2, dfilters):
    N, H, W, C = x.shape
    R, S = filters.shape[2], filters.shape[3]
    for image in prange(N):
        n = np.int64(image)
        P, pools = H * W, 2 if with_max else 1
        tokens, gradient, result = x[n].reshape(P, C), dy[n].reshape(P, C), dx[n].reshape(P, C)
        gate, maps = notes[n, 3, :C], np.zeros((2, P), x.dtype)           # maps: the gradients of A
        for p in range(P if R else 0):
            s, slope = notes[n, 3, C + p], x.dtype.type(0)
            for c in range(C):
                slope += gradient[p, c] * tokens[p, c] * gate[c]
            slope *= s * (1 - s)
            for k in range(2):
                for r in range(R):
                    for t in range(S):
                        i, j = _inside(p // W, r, R, H), _inside(p % W, t, S, W)
                        if i >= 0 and j >= 0:
                            maps[k, i * W + j] += filters[0, k, r, t] * slope
                            dfilters[n, k, r, t] += notes[n, k, C + i * W + j] * slope
        slopes = np.zeros(C, x.dtype)
        for p in range(P):
            s = notes[n, 3, C + p] if R else x.dtype.type(1)
            for c in range(C):
                d = gradient[p, c] * s + maps[0, p] / x.dtype.type(C)
                if R and c == notes[n, 2, C + p]:
                    d += maps[1, p]
                slopes[c] += d * tokens[p, c]
                result[p, c] = d * gate[c]
        for c in range(C):
            slopes[c] *= gate[c] * (1 - gate[c])
        for k in range(pools):
            v, back = notes[n, k, :C], np.zeros(C, x.dtype)
            h = _hidden(v, w1, b1)
            for j in range(len(h)):
                d = x.dtype.type(0)
                for c in range(C):
                    d += w2[c, j] * slopes[c] if h[j] > 0 else x.dtype.type(0)
                    dw2[n, c, j] += slopes[c] * h[j]
                db1[n, j] += d
                for c in range(C):
                    dw1[n, j, c] += d * v[c]
                    back[c] += d * w1[j, c]
            for c in range(C):
                db2[n, c] += slopes[c]
                back[c] = back[c] if len(h) else slopes[c]
                if k:
                    result[np.int64(notes[n, 2, c]), c] += back[c]
                for p in range(P if k == 0 else 0):
                    result[p, c] += back[c] / x.dtype.type(P)


def _given(x, w1, b1, w2, b2, filters):
    """Weights of size 0, or zeros, for those that are not there."""
    C, zeros = x.shape[3], lambda *shape: np.zeros(shape, x.dtype)
    h = 0 if w1 is None else len(w1)
    return (zeros(0, C) if w1 is None else w1, zeros(h) if b1 is None else b1, zeros(C, 0) if w2 is None else w2,
            zeros(C) if b2 is None else b2, zeros(1, 2, 0, 0) if filters is None else filters)


def attention_gate_forward_plain(x, w1, b1, w2, b2, filters, with_max):
    """y = x·g·s and the notes."""
    N, H, W, C = x.shape
    y, notes = empty(x.shape, x.dtype), empty((N, 4, C if filters is None else C + H * W), x.dtype)
    _forward(x, *_given(x, w1, b1, w2, b2, filters), with_max, y, notes)
    return y, notes


def attention_gate_backward_plain(dy, x, w1, b1, w2, b2, filters, with_max, notes):
    """dx, dw1, db1, dw2, db2, dfilters; None where there is no weight."""
    w1_, b1_, w2_, b2_, filters_ = given = _given(x, w1, b1, w2, b2, filters)
    dx, shares = empty(x.shape, x.dtype), [np.zeros((len(x), *(w.shape if w is not filters_ else w.shape[1:])), x.dtype) for w in given]
    _backward(dy, x, w1_, b1_, w2_, filters_, with_max, notes, dx, *shares)
    return dx, *[None if w is None else share.sum(axis=0).reshape(w.shape) for w, share in zip((w1, b1, w2, b2, filters), shares)]
