"""Attention pooling on the GPU; formulas and shapes as in `reference/token_pool.py`.

A block has all tokens of one n. Scores are inner products along the channels, a warp a token; weighted sums run over the tokens, a
lane a channel, and the warps share the tokens. So both read memory along the channels, 32 neighbours at a time; the second time the
tokens come from the second-level cache.
"""
import math

import numpy as np

from ..reference.token_pool import __all__  # noqa: F401
from .array import empty
from .matmul import matmul
from .runtime import cuda, jit, launch, specialised
from .threads import WARP, block_max, block_sum, warp_sum

MOST_WARPS = 8
"""Warps of a block, at most; as many as there are tokens, if they are fewer."""


def _threads(T):
    return WARP * min(MOST_WARPS, max(1, T))


@specialised
def _attention_pool(real):
    """s_t = x_t·w + b, a = softmax_t(s), y = Σ_t a_t x_t. `a` holds the scores first, then exponentials, then the weights."""
    zero, one, low = real(0), real(1), real(-np.inf)
    PARTS = MOST_WARPS * WARP

    @jit
    def attention_pool(x, w, b, y, a):
        scratch = cuda.shared.array(MOST_WARPS, real)
        parts = cuda.shared.array(PARTS, real)
        n, T, C = cuda.blockIdx.x, x.shape[1], x.shape[2]
        t0, threads = cuda.threadIdx.x, cuda.blockDim.x
        lane, warp, warps = t0 % WARP, t0 // WARP, threads // WARP
        for t in range(warp, T, warps):
            s = zero
            for c in range(lane, C, WARP):
                s += x[n, t, c] * w[c]
            s = warp_sum(s)
            if lane == 0:
                a[n, t] = s + b[0]
        cuda.syncthreads()
        most = low
        for t in range(t0, T, threads):
            most = max(most, a[n, t])
        most = block_max(most, scratch)
        total = zero
        for t in range(t0, T, threads):
            weight = math.exp(a[n, t] - most)
            a[n, t] = weight
            total += weight
        scale = one / block_sum(total, scratch)
        for t in range(t0, T, threads):
            a[n, t] *= scale
        cuda.syncthreads()
        for c0 in range(0, C, WARP):
            c, s = c0 + lane, zero
            if c < C:
                for t in range(warp, T, warps):
                    s += a[n, t] * x[n, t, c]
            parts[t0] = s
            cuda.syncthreads()
            if warp == 0 and c < C:
                for other in range(1, warps):
                    s += parts[other * WARP + lane]
                y[n, c] = s
            cuda.syncthreads()
    return attention_pool


@specialised
def _attention_pool_backward(real):
    """da_t = dy·x_t,  ds_t = a_t (da_t − Σ_u a_u da_u),  dx_t = a_t dy + ds_t w.  `ds` holds da first."""
    zero = real(0)

    @jit
    def attention_pool_backward(dy, x, w, a, dx, ds):
        scratch = cuda.shared.array(MOST_WARPS, real)
        n, T, C = cuda.blockIdx.x, x.shape[1], x.shape[2]
        t0, threads = cuda.threadIdx.x, cuda.blockDim.x
        lane, warp, warps = t0 % WARP, t0 // WARP, threads // WARP
        for t in range(warp, T, warps):
            s = zero
            for c in range(lane, C, WARP):
                s += dy[n, c] * x[n, t, c]
            s = warp_sum(s)
            if lane == 0:
                ds[n, t] = s
        cuda.syncthreads()
        mean = zero
        for t in range(t0, T, threads):
            mean += a[n, t] * ds[n, t]
        mean = block_sum(mean, scratch)
        for t in range(t0, T, threads):
            ds[n, t] = a[n, t] * (ds[n, t] - mean)
        cuda.syncthreads()
        for t in range(warp, T, warps):
            for c in range(lane, C, WARP):
                dx[n, t, c] = a[n, t] * dy[n, c] + ds[n, t] * w[c]
    return attention_pool_backward


def attention_pool_forward(x, w, b):
    """y (N, C) and a (N, T) of tokens x (N, T, C), w (C,), b (1,)."""
    N, T, C = x.shape
    y, a = empty((N, C), x.dtype), empty((N, T), x.dtype)
    launch(_attention_pool(x.dtype.type), N, _threads(T), x, w, b, y, a)
    return y, a


def attention_pool_backward(dy, x, w, a):
    """dx (N, T, C) and dw (C,) of dy (N, C). (db = Σ ds_t is 0: a softmax does not see what all scores have in common.)

        da_t = dy·x_t,    ds_t = a_t (da_t − Σ_u a_u da_u),    dx_t = a_t dy + ds_t w,    dw = Σ ds_t x_t
    """
    N, T, C = x.shape
    dx, ds = empty(x.shape, x.dtype), empty(a.shape, a.dtype)
    launch(_attention_pool_backward(x.dtype.type), N, _threads(T), dy, x, w, a, dx, ds)
    return dx, matmul(ds.reshape(1, N * T), x.reshape(N * T, C)).reshape(C)
