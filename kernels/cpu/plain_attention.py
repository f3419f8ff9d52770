"""Attention as the formulas of `attention` read, with a matrix of all T × S weights: what the tiles are measured against."""
import numpy as np
from numba import prange

from .array import empty
from .jit import kernel
from .mathfun import exp_

__all__ = ["attention_forward_plain", "attention_backward_plain"]


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


@kernel
def _backward_plain(do, q, k, v, o, lse, mask, masked, causal, scale, ds, dq, dk, dv):
    """ds (B, H, T, S) are the gradients of the scores, all in memory."""
    B, H, T, D = q.shape
    S, E = v.shape[2:]
    for head in prange(B * H):
        b, h = np.int64(head) // H, np.int64(head) % H
        dq[b, h], dk[b, h], dv[b, h] = 0, 0, 0
        for i in range(T):
            delta = q.dtype.type(0)
            for e in range(E):
                delta += do[b, h, i, e] * o[b, h, i, e]
            for j in range(S):
                s, dp = q.dtype.type(0), q.dtype.type(0)
                for d in range(D):
                    s += q[b, h, i, d] * k[b, h, j, d]
                s *= scale[0]
                if masked:
                    s += mask[b % mask.shape[0], h % mask.shape[1], i, j]
                if causal and j > i or lse[b, h, i] == -np.inf:
                    s = q.dtype.type(-np.inf)
                p = exp_(s - (q.dtype.type(0) if lse[b, h, i] == -np.inf else lse[b, h, i]))
                for e in range(E):
                    dp += do[b, h, i, e] * v[b, h, j, e]
                    dv[b, h, j, e] += p * do[b, h, i, e]
                ds[b, h, i, j] = p * (dp - delta)
            for j in range(S):
                for d in range(D):
                    dq[b, h, i, d] += scale[0] * ds[b, h, i, j] * k[b, h, j, d]
                    dk[b, h, j, d] += scale[0] * ds[b, h, i, j] * q[b, h, i, d]


def _given(q, mask, scale):
    """The scale as an array of q's dtype, and a mask, of one number if there is none."""
    return np.full(1, scale, q.dtype), np.zeros((1, 1, 1, 1), q.dtype) if mask is None else mask


def attention_forward_plain(q, k, v, mask, causal, scale):
    """`attention_forward` as the formula reads, with the whole T × S matrix of weights in memory."""
    o, lse = empty(q.shape[:3] + v.shape[3:], q.dtype), empty(q.shape[:3], q.dtype)
    p = empty(q.shape[:3] + k.shape[2:3], q.dtype)
    scale, given = _given(q, mask, scale)
    _forward_plain(q, k, v, given, mask is not None, causal, scale, p, o, lse)
    return o, lse


def attention_backward_plain(do, q, k, v, o, lse, mask, causal, scale):
    """`attention_backward` as the formulas read, with the gradients of all T × S scores in memory."""
    dq, dk, dv = empty(q.shape, q.dtype), empty(k.shape, k.dtype), empty(v.shape, v.dtype)
    ds = empty(q.shape[:3] + k.shape[2:3], q.dtype)
    scale, given = _given(q, mask, scale)
    _backward_plain(do, q, k, v, o, lse, given, mask is not None, causal, scale, ds, dq, dk, dv)
    return dq, dk, dv
