"""Softmax of each row, in two visits to the row: maximum and sum in one, quotients in the other, which finds it in the cache.

    y_i = exp(x_i − m) / Σ_j exp(x_j − m),    log y_i = x_i − m − log Σ_j exp(x_j − m),    m = max_j x_j

Why it is fast. Softmax does little with each number, so memory sets the pace: everything is read from it once and written once.
A thread goes along its part of the row with the largest number so far, m, and the sum of exp(x − m); a number larger than m makes
the sum so far too large by exp(new − m), and it is corrected at once. The threads of a row (see `rows`) then agree on the largest m
of all by exchanges between lanes, and correct their sums to it before they add them. Neighbouring threads read neighbouring numbers.

Bridle: Probabilistic interpretation of feedforward classification network outputs (1990).
Milakov and Gimelshein: Online normalizer calculation for softmax (arXiv 1805.02867), for the running maximum.
"""
import functools
import math

import numpy as np

from . import array
from .rows import WARPS, grid_for, lanes_for, rows
from .runtime import cuda, device, jit, launch, specialised

__all__ = ["softmax_forward", "log_softmax_forward", "softmax_backward", "log_softmax_backward",
           "softmax_forward_plain", "softmax_backward_plain"]


@functools.cache
def running(real, lanes):
    """The device function that gives (m, Σ exp(x − m)) of the D numbers from x[start] to all threads of the row.

    −∞ adds nothing, unless all are: then, as with +∞ or NaN anywhere, the sum is NaN, as ∞ − ∞ is.
    """
    _, total, most = rows(lanes)
    one, none, least = real(1), real(0), real(-np.inf)

    @device
    def running(x, start, lane, D, scratch):
        largest, powers = least, none
        for j in range(lane, D, lanes):
            v = x[start + j]
            if v > largest:
                powers = powers * math.exp(largest - v) + one
                largest = v
            elif v != least:
                powers += math.exp(v - largest)
        shift = most(largest, scratch)
        return shift, total(powers * math.exp(largest - shift), scratch)
    return running


@specialised
def _forward(real, lanes, logarithm):
    """y[i, :] = softmax of x[i, :], or its logarithm.

        x[i, :]   ▢▢▢▢▢▢▢▢▢▢▢▢▢▢▢▢    lanes 0 1 2 3 0 1 2 3 0 1 2 3 … of row i, each with a maximum and a sum of its own
                  m₀,s₀ ⇄ m₁,s₁ ⇄ m₂,s₂ ⇄ m₃,s₃    exchanged: every lane has the row's
        y[i, :]   ▢▢▢▢▢▢▢▢▢▢▢▢▢▢▢▢    the same lanes read again what they read, and write
    """
    place, _, _ = rows(lanes)
    run = running(real, lanes)
    one = real(1)

    @jit
    def forward(x, y, M, D):
        scratch = cuda.shared.array(WARPS, real)
        row, lane = place()
        start = min(row, M - 1) * D
        shift, powers = run(x, start, lane, D, scratch)
        if row < M:
            if logarithm:
                log_powers = math.log(powers)
                for i in range(start + lane, start + D, lanes):
                    y[i] = x[i] - shift - log_powers
            else:
                inverse = one / powers
                for i in range(start + lane, start + D, lanes):
                    y[i] = math.exp(x[i] - shift) * inverse
    return forward


@specialised
def _backward(real, lanes, logarithm):
    """dx_i = y_i · (dy_i − Σ_j dy_j·y_j), or, of the logarithm, dy_i − exp(y_i) · Σ_j dy_j; threads as in `_forward`."""
    place, total, _ = rows(lanes)
    none = real(0)

    @jit
    def backward(dy, y, dx, M, D):
        scratch = cuda.shared.array(WARPS, real)
        row, lane = place()
        start = min(row, M - 1) * D
        mine = none
        for j in range(lane, D, lanes):
            mine += dy[start + j] if logarithm else dy[start + j] * y[start + j]
        whole = total(mine, scratch)
        if row < M:
            for i in range(start + lane, start + D, lanes):
                dx[i] = dy[i] - math.exp(y[i]) * whole if logarithm else y[i] * (dy[i] - whole)
    return backward


@specialised
def _forward_plain(real):
    """y[i, :] = softmax of x[i, :], one thread a row.

        x[0, :]   ▢▢▢▢▢▢▢▢▢▢    thread 0, three times from left to right: maximum, sum, quotients
        x[1, :]   ▢▢▢▢▢▢▢▢▢▢    thread 1
        x[2, :]   ▢▢▢▢▢▢▢▢▢▢    thread 2

    At one time the threads of a warp read numbers that lie a row apart: of each 32 bytes that memory delivers one number is used at
    once, and the rest must stay in the cache until its turn. `_forward` reads what lies together together.
    """
    least, none = real(-np.inf), real(0)

    @jit
    def forward_plain(x, y):
        i = cuda.grid(1)
        if i < x.shape[0]:
            shift, powers = least, none
            for j in range(x.shape[1]):
                shift = max(shift, x[i, j])
            for j in range(x.shape[1]):
                y[i, j] = math.exp(x[i, j] - shift)
                powers += y[i, j]
            for j in range(x.shape[1]):
                y[i, j] /= powers
    return forward_plain


@specialised
def _backward_plain(real):
    """dx_i = y_i · (dy_i − Σ_j dy_j·y_j), one thread a row."""
    none = real(0)

    @jit
    def backward_plain(dy, y, dx):
        i = cuda.grid(1)
        if i < y.shape[0]:
            whole = none
            for j in range(y.shape[1]):
                whole += dy[i, j] * y[i, j]
            for j in range(y.shape[1]):
                dx[i, j] = y[i, j] * (dy[i, j] - whole)
    return backward_plain


def _launch(factory, logarithm, arrays, out):
    """Run a kernel over the rows of `arrays`; returns `out`, or the array made for it."""
    x = arrays[0]
    (M, D), lanes = x.shape, lanes_for(x.shape[1])
    y = array.empty(x.shape, x.dtype) if out is None else out
    if y.size:
        launch(factory(x.dtype.type, lanes, logarithm), *grid_for(M, lanes), *(a.flat for a in (*arrays, y)), M, D)
    return y


def softmax_forward(x, out=None):
    """y = softmax of each row. x (M, D). Returns y (M, D); a row of nothing but −∞ gives NaN."""
    return _launch(_forward, False, (x,), out)


def log_softmax_forward(x, out=None):
    """y = log(softmax) of each row, exact also where softmax itself rounds to 0. x (M, D). Returns y (M, D)."""
    return _launch(_forward, True, (x,), out)


def softmax_backward(dy, y, out=None):
    """dx_i = y_i · (dy_i − Σ_j dy_j·y_j). dy and y = softmax(x), both (M, D). Returns dx (M, D)."""
    return _launch(_backward, False, (dy, y), out)


def log_softmax_backward(dy, y, out=None):
    """dx_i = dy_i − exp(y_i) · Σ_j dy_j. dy and y = log_softmax(x), both (M, D). Returns dx (M, D)."""
    return _launch(_backward, True, (dy, y), out)


def softmax_forward_plain(x, out=None):
    """`softmax_forward` with one thread a row."""
    y = array.empty(x.shape, x.dtype) if out is None else out
    if y.size:
        launch(_forward_plain(x.dtype.type), array.blocks(len(x)), array.THREADS, x, y)
    return y


def softmax_backward_plain(dy, y, out=None):
    """`softmax_backward` with one thread a row."""
    dx = array.empty(y.shape, y.dtype) if out is None else out
    if dx.size:
        launch(_backward_plain(y.dtype.type), array.blocks(len(y)), array.THREADS, dy, y, dx)
    return dx
