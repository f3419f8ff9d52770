"""Additive scores on the GPU; formulas and shapes as in `reference/additive.py`. Nothing of size N·T·S·D is ever written.

A tanh takes some twenty instructions, so it is tanh that counts here, one a (t, s, d) forward and two backward; memory only has to
be read by neighbours.
"""
import math

from . import reduce
from ..reference.additive import __all__  # noqa: F401
from .array import THREADS, blocks, empty
from .runtime import cuda, jit, launch, specialised

DEPTH = 16
"""Numbers of a query that a block has in shared memory at a time."""


@specialised
def _additive_scores(real, side):
    """e[n, t, s] = Σ_d v_d tanh(q[n, t, d] + k[n, s, d]): a block has side × side scores, a thread one of them.

    Slices of `side` queries and keys, DEPTH numbers of each, lie in shared memory, so that they are fetched along d although threads
    are neighbours along s; rows are 1 longer, so that those of neighbours begin in different banks. blockIdx.y: n.
    """
    zero = real(0)
    APART = DEPTH + 1
    SIZE = side * APART

    @jit
    def additive_scores(q, k, v, e):
        queries = cuda.shared.array(SIZE, real)
        keys = cuda.shared.array(SIZE, real)
        N, T, D = q.shape
        S = k.shape[1]
        tiles = (S + side - 1) // side
        n, me = cuda.blockIdx.y, cuda.threadIdx.x
        t0, s0 = cuda.blockIdx.x // tiles * side, cuda.blockIdx.x % tiles * side
        t, s = me // side, me % side
        while n < N:
            total = zero
            for d0 in range(0, D, DEPTH):
                cuda.syncthreads()  # the slices before are still being read
                for place in range(me, side * DEPTH, side * side):
                    row, d = place // DEPTH, place % DEPTH
                    inside = d0 + d < D
                    queries[row * APART + d] = q[n, t0 + row, d0 + d] if inside and t0 + row < T else zero
                    keys[row * APART + d] = k[n, s0 + row, d0 + d] if inside and s0 + row < S else zero
                cuda.syncthreads()
                for d in range(min(DEPTH, D - d0)):
                    total += v[d0 + d] * math.tanh(queries[t * APART + d] + keys[s * APART + d])
            if t0 + t < T and s0 + s < S:
                e[n, t0 + t, s0 + s] = total
            n += cuda.gridDim.y
    return additive_scores


@specialised
def _additive_scores_backward(real, of_keys):
    """dq[n, t, d] = Σ_s de_ts v_d (1 − h²), h = tanh(q_td + k_sd), and Σ_s de_ts h, of which dv is the sum; or (of_keys) dk[n, s, d].

    A thread has one number of the result; neighbours are neighbours along d, and read the same de.
    """
    zero, one = real(0), real(1)

    @jit
    def additive_scores_backward(de, x, other, v, dx, dv):
        R, C, D = x.shape[1], other.shape[1], x.shape[2]
        i = cuda.grid(1)
        if i < x.size:
            d, r, n = i % D, i // D % R, i // (D * R)
            mine, total, of_v = x[n, r, d], zero, zero
            for c in range(C):
                h = math.tanh(mine + other[n, c, d])
                slope = de[n, c, r] if of_keys else de[n, r, c]
                total += slope * (one - h * h)
                of_v += slope * h
            dx[n, r, d] = total * v[d]
            if not of_keys:
                dv[n, r, d] = of_v
    return additive_scores_backward


def additive_scores_forward(q, k, v):
    """e (N, T, S) of q (N, T, D), k (N, S, D), v (D,)."""
    (N, T, _), S = q.shape, k.shape[1]
    side = 8 if max(T, S) <= 8 else 16
    e = empty((N, T, S), q.dtype)
    launch(_additive_scores(q.dtype.type, side), (blocks(T, side) * blocks(S, side), min(N, 65535)), side * side, q, k, v, e)
    return e


def additive_scores_backward(de, q, k, v):
    """dq (N, T, D), dk (N, S, D) and dv (D,) of de (N, T, S).

        h = tanh(q_t + k_s),    u_ts = de_ts · v ⊙ (1 − h²),    dq_t = Σ_s u_ts,    dk_s = Σ_t u_ts,    dv = Σ_ts de_ts h
    """
    real = q.dtype.type
    dq, dk, parts = (empty(a.shape, a.dtype) for a in (q, k, q))
    launch(_additive_scores_backward(real, False), blocks(q.size), THREADS, de, q, k, v, dq, parts)
    launch(_additive_scores_backward(real, True), blocks(k.size), THREADS, de, k, q, v, dk, dk)
    return dq, dk, reduce.sum(parts, (0, 1))
