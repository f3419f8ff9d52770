"""Softmax of each row, in one visit to the row: maximum, exponentials, sum and quotient while it sits in cache.

    y_i = exp(x_i − m) / Σ_j exp(x_j − m),    log y_i = x_i − m − log Σ_j exp(x_j − m),    m = max_j x_j

Bridle: Probabilistic interpretation of feedforward classification network outputs (1990).
"""
import numpy as np
from numba import prange

from .array import empty
from .jit import inner, kernel

exp_ = np.exp  # inlined by Numba

__all__ = ["softmax_forward", "log_softmax_forward", "softmax_backward", "log_softmax_backward"]

BLOCK = 16384  # numbers a thread takes at a time, about


@inner
def _row_softmax(row, result, logarithm):
    largest = row[0]
    for j in range(1, len(row)):
        largest = row[j] if row[j] > largest else largest
    total = row.dtype.type(0)
    for j in range(len(row)):
        e = exp_(row[j] - largest)
        result[j] = e
        total += e
    if logarithm:
        log_total = np.log(total)
        for j in range(len(row)):
            result[j] = row[j] - largest - log_total
    else:
        inverse = row.dtype.type(1) / total
        for j in range(len(row)):
            result[j] *= inverse


@kernel
def _softmax(x, rows, logarithm, y):
    for b in prange((len(x) + rows - 1) // rows):
        start = np.int64(b) * rows
        for i in range(start, min(start + rows, len(x))):
            _row_softmax(x[i], y[i], logarithm)


@inner
def _row_softmax_backward(dy, y, dx, logarithm):
    total = dy.dtype.type(0)
    if logarithm:
        for j in range(len(dy)):
            total += dy[j]
        for j in range(len(dy)):
            dx[j] = dy[j] - exp_(y[j]) * total
    else:
        for j in range(len(dy)):
            total += dy[j] * y[j]
        for j in range(len(dy)):
            dx[j] = y[j] * (dy[j] - total)


@kernel
def _softmax_backward(dy, y, rows, logarithm, dx):
    for b in prange((len(dy) + rows - 1) // rows):
        start = np.int64(b) * rows
        for i in range(start, min(start + rows, len(dy))):
            _row_softmax_backward(dy[i], y[i], dx[i], logarithm)


def _rows(x):
    return max(1, BLOCK // max(1, x.shape[1]))


def softmax_forward(x, out=None):
    """y = softmax of each row. x (M, D). Returns y (M, D); a row of nothing but −∞ gives NaN."""
    y = empty(x.shape, x.dtype) if out is None else out
    _softmax(x, _rows(x), False, y)
    return y


def log_softmax_forward(x, out=None):
    """y = log(softmax) of each row, exact also where softmax itself rounds to 0. x (M, D). Returns y (M, D)."""
    y = empty(x.shape, x.dtype) if out is None else out
    _softmax(x, _rows(x), True, y)
    return y


def softmax_backward(dy, y, out=None):
    """dx_i = y_i · (dy_i − Σ_j dy_j·y_j). dy and y = softmax(x), both (M, D). Returns dx (M, D)."""
    dx = empty(y.shape, y.dtype) if out is None else out
    _softmax_backward(dy, y, _rows(y), False, dx)
    return dx


def log_softmax_backward(dy, y, out=None):
    """dx_i = dy_i − exp(y_i) · Σ_j dy_j. dy and y = log_softmax(x), both (M, D). Returns dx (M, D)."""
    dx = empty(y.shape, y.dtype) if out is None else out
    _softmax_backward(dy, y, _rows(y), True, dx)
    return dx
