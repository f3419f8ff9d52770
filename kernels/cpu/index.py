"""Reading and adding by index, compiled. What is computed is said in `reference.index`; the docstrings are its own.

Several indices may point at one row, so adding is cut by columns, not by indices: each task owns some columns of
every row, and walks all indices in order. Nothing races, and sums come out the same on any number of threads.
"""
import numpy as np

from ..reference import index as spec
from ..reference.index import __all__
from .array import empty, zeros
from .jit import part
from .launch import launch
from .loops import BLOCK


@part
def _take_body(t, sizes, x, index, y):
    """y[n, :] = x[index[n], :] for some n"""
    D, rows_a_task = sizes[0], sizes[1]
    for n in range(t * rows_a_task, min((t + 1) * rows_a_task, index.size)):
        p, o = x[index[n] * D:(index[n] + 1) * D], y[n * D:(n + 1) * D]
        for d in range(D):
            o[d] = p[d]


@part
def _add_body(t, sizes, dy, index, dx):
    """dx[index[n], d] += dy[n, d] for all n and some d"""
    D, columns_a_task = sizes[0], sizes[1]
    begin, end = t * columns_a_task, min((t + 1) * columns_a_task, D)
    for n in range(index.size):
        p, o = dy[n * D + begin:n * D + end], dx[index[n] * D + begin:index[n] * D + end]
        for d in range(end - begin):
            o[d] += p[d]


@part
def _gather_body(t, sizes, x, index, y):
    """y[o, k, i] = x[o, index[o, k, i], i] for one o and some i"""
    n, size, inner, a_task = sizes[0], sizes[1], sizes[2], sizes[3]
    across = (inner + a_task - 1) // a_task
    o, begin = t // across, t % across * a_task
    for k in range(n):
        row = (o * n + k) * inner
        for i in range(begin, min(begin + a_task, inner)):
            y[row + i] = x[(o * size + index[row + i]) * inner + i]


@part
def _scatter_body(t, sizes, dy, index, dx):
    """dx[o, index[o, k, i], i] += dy[o, k, i] for one o and some i"""
    n, size, inner, a_task = sizes[0], sizes[1], sizes[2], sizes[3]
    across = (inner + a_task - 1) // a_task
    o, begin = t // across, t % across * a_task
    for k in range(n):
        row = (o * n + k) * inner
        for i in range(begin, min(begin + a_task, inner)):
            dx[(o * size + index[row + i]) * inner + i] += dy[row + i]


def _is_float(x):
    return x.dtype.char in "fd"


def take_rows(x, index, out=None):
    if not _is_float(x):
        return spec.take_rows(x, index, out)
    D = x.shape[1]
    y = out if out is not None and out.flags.carray else empty((index.size, D), x.dtype)
    a_task = max(1, BLOCK // max(D, 1))
    launch(_take_body, -(-index.size // a_task), np.array([D, a_task], np.int64), x, index, y)
    if out is not None and out is not y:
        out[...] = y
    return y if out is None else out


def add_rows(dy, index, R):
    if not _is_float(dy):
        return spec.add_rows(dy, index, R)
    D = dy.shape[1]
    dx = zeros((R, D), dy.dtype)
    a_task = D if index.size * D <= BLOCK else 64
    launch(_add_body, -(-D // a_task) if D else 0, np.array([D, a_task], np.int64), dy, index, dx)
    return dx


def _sizes(index, axis, size):
    """index as (outer, n, inner) around `axis`: the numbers for a body, and how many tasks."""
    axis %= index.ndim
    outer = int(np.prod(index.shape[:axis], dtype=np.int64))
    inner = int(np.prod(index.shape[axis + 1:], dtype=np.int64))
    n = index.shape[axis]
    a_task = min(inner, max(64, BLOCK // max(n, 1)))
    tasks = outer * -(-inner // a_task) if index.size else 0
    return np.array([n, size, inner, a_task], np.int64), tasks


def gather(x, axis, index, out=None):
    axis %= x.ndim
    if not _is_float(x):
        return spec.gather(x, axis, index, out)
    x = x[tuple(slice(None) if k == axis else slice(n) for k, n in enumerate(index.shape))]
    y = out if out is not None and out.flags.carray else empty(index.shape, x.dtype)
    sizes, tasks = _sizes(index, axis, x.shape[axis])
    launch(_gather_body, tasks, sizes, x, index, y)
    if out is not None and out is not y:
        out[...] = y
    return y if out is None else out


def scatter_add(dy, axis, index, size):
    axis %= dy.ndim
    if not _is_float(dy):
        return spec.scatter_add(dy, axis, index, size)
    dx = zeros(dy.shape[:axis] + (size,) + dy.shape[axis + 1:], dy.dtype)
    sizes, tasks = _sizes(index, axis, size)
    launch(_scatter_body, tasks, sizes, dy, index, dx)
    return dx


def one_hot(index, classes, dtype):
    return spec.one_hot(index, classes, dtype)


for _function in (take_rows, add_rows, gather, scatter_add, one_hot):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
