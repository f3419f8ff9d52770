"""Additive scores; formula and shapes as in `reference/additive.py`.

Why it is fast. The hidden layer has N·T·S·D numbers, of which nothing is wanted but their sum over D. Here as many of them as
fit into the first-level cache are made at a time, in one run over which tanh goes in vectors however short D is, and used up
before the next are made; backward makes them again, which costs less than to fetch them from memory.

Forward, a task is a few queries of one image. Backward, it is a few columns of D for all queries and keys of one image: they
are the same sums for dq, dk and dv, and no other column is needed. Parts of dv lie a row an image and are added in order.
"""
import numpy as np

from .array import empty, zeros
from .jit import part
from .launch import launch, numbers, unpack
from .mathfun import tanh_
from .reduce import add_blocks

__all__ = ["additive_scores_forward", "additive_scores_backward"]

ROOM = 4096     # numbers of the hidden layer that are held at a time
QUERIES = 4     # of a task, forward
COLUMNS = 64    # of a task, backward


@part
def _hidden(q, k, first, count, step, h):
    """h[s·w + d] = tanh(q[d] + k[(first + s)·step + d]) for the w numbers of q and `count` keys."""
    w = len(q)
    for s in range(count):
        row, key = h[s * w:(s + 1) * w], k[(first + s) * step:(first + s) * step + w]
        for d in range(w):
            row[d] = q[d] + key[d]
    run = h[:count * w]
    for i in range(len(run)):
        run[i] = tanh_(run[i])


@part
def _forward(t, sizes, q, k, v, e):
    """QUERIES queries of one image."""
    T, S, D = unpack(sizes, 3)
    tasks, held = (T + QUERIES - 1) // QUERIES, max(1, ROOM // D)
    n, begin = t // tasks, t % tasks * QUERIES
    keys, h = k[n * S * D:(n + 1) * S * D], np.empty(min(held, S) * D, q.dtype)
    for i in range(n * T + begin, n * T + min(begin + QUERIES, T)):
        for first in range(0, S, held):
            count = min(held, S - first)
            _hidden(q[i * D:(i + 1) * D], keys, first, count, D, h)
            for s in range(count):
                row, total = h[s * D:(s + 1) * D], q.dtype.type(0)
                for d in range(D):
                    total += v[d] * row[d]
                e[i * S + first + s] = total


@part
def _backward(t, sizes, de, q, k, v, dq, dk, sums):
    """Up to COLUMNS columns of one image; its part of dv is a row of sums."""
    T, S, D = unpack(sizes, 3)
    tasks = (D + COLUMNS - 1) // COLUMNS
    n, left = t // tasks, t % tasks * COLUMNS
    w = min(COLUMNS, D - left)
    held = max(1, ROOM // w)
    keys, h, one = k[n * S * D + left:(n + 1) * S * D], np.empty(min(held, S) * w, q.dtype), q.dtype.type(1)
    weight, total = v[left:left + w], sums[n * D + left:n * D + left + w]
    total[:] = 0
    for s in range(n * S, (n + 1) * S):
        dk[s * D + left:s * D + left + w] = 0
    for i in range(n * T, (n + 1) * T):
        gradient = dq[i * D + left:i * D + left + w]
        gradient[:] = 0
        for first in range(0, S, held):
            count = min(held, S - first)
            _hidden(q[i * D + left:i * D + left + w], keys, first, count, D, h)
            for s in range(count):
                row, g = h[s * w:(s + 1) * w], de[i * S + first + s]
                place = (n * S + first + s) * D + left
                other = dk[place:place + w]
                for d in range(w):
                    total[d] += g * row[d]
                for d in range(w):
                    row[d] = g * weight[d] * (one - row[d] * row[d])
                for d in range(w):
                    other[d] += row[d]
                for d in range(w):
                    gradient[d] += row[d]


def additive_scores_forward(q, k, v):
    """e (N, T, S) of q (N, T, D), k (N, S, D), v (D,)."""
    (N, T, D), S = q.shape, k.shape[1]
    e = empty((N, T, S), q.dtype)
    launch(_forward, N * -(-T // QUERIES), numbers(T, S, D), q, k, v, e, work=e.size * D)
    return e


def additive_scores_backward(de, q, k, v):
    """dq (N, T, D), dk (N, S, D) and dv (D,) of de (N, T, S)."""
    (N, T, D), S = q.shape, k.shape[1]
    dq, dk, dv, sums = empty(q.shape, q.dtype), empty(k.shape, q.dtype), empty((D,), q.dtype), empty((N, D), q.dtype)
    launch(_backward, N * -(-D // COLUMNS), numbers(T, S, D), de, q, k, v, dq, dk, sums, work=2 * de.size * D)
    return dq, dk, add_blocks(sums, dv) if N else zeros((D,), q.dtype)
