"""Reading and adding by index on the GPU. What is computed is said in `reference.index`; the docstrings are its own.

Readers have one thread for each element of the result. Several indices may point at one place, and atomic additions would come in
any order; so places are owned by threads, and each adds what belongs to it in the order of the list:

    many columns   thread (o, i) walks along the axis, and adds dy[o, k, i] to dx[o, index[o, k, i], i]
    few            the indices are sorted (stably, with where they stood); what goes to row r is then one stretch, found by bisection

An index out of range reads 0 and adds nothing: the error is raised elsewhere (see `errors`), memory is never touched.
"""
import math

import numpy as np

from ..reference import index as spec
from ..reference.index import __all__
from .along import around, compensated
from .array import blocks, cast, contiguous, empty, zeros
from .loops import LANES, THREADS, as_bytes, writer
from .runtime import cuda, device, jit, launch, load4, specialised
from .sort import sort

ENOUGH_COLUMNS = 4096
"""From so many columns on, a thread for each is the faster way to add."""


@specialised
def take_rows_by(dtype, lanes):
    """y[n, d] = x[index[n], d]; `lanes` neighbouring d for a thread."""
    zero, write = np.dtype(dtype).type(0), writer(lanes)

    @device
    def one(x, i, inside):
        return x[i] if inside else zero

    @device
    def four(x, i, inside):
        return load4(x, i) if inside else (zero, zero, zero, zero)

    read = one if lanes == 1 else four

    @jit
    def take_rows_by(x, index, y, R, D):
        i = cuda.grid(1) * lanes
        if i < y.size:
            r, d = index[i // D], i % D
            write(y, i, read(x, r * D + d, 0 <= r < R))
    return take_rows_by


def _into(y, out):
    """`y`, or `out` with what is in y."""
    return y if out is None or out is y else cast(y, out.dtype, out)


def _room(shape, dtype, out):
    return empty(shape, dtype) if out is None or not out.is_contiguous() or out.dtype != dtype else out


def take_rows(x, index, out=None):
    R, D = x.shape
    y = _room((index.size, D), x.dtype, out)
    whole = min(16, LANES * x.itemsize)
    lanes = LANES if D % LANES == 0 and x.offset % whole == y.offset % whole == 0 else 1
    launch(take_rows_by(as_bytes(x).dtype.name, lanes), blocks(y.size // lanes), THREADS,
           as_bytes(x.flat), index.flat, as_bytes(y.flat), R, D)
    return _into(y, out)


@specialised
def add_stretches(dtype):
    """dx[r, d] = Σ dy[place[k], d] over the stretch of k with sorted[k] = r; one thread for each r and d."""
    zero = np.dtype(dtype).type(0)

    @jit
    def add_stretches(dy, sorted_, place, dx, D):
        i = cuda.grid(1)
        if i < dx.size:
            r, d = i // D, i % D
            low, high = 0, sorted_.size
            while low < high:
                k = (low + high) // 2
                if sorted_[k] < r:
                    low = k + 1
                else:
                    high = k
            total, lost = zero, zero
            while low < sorted_.size and sorted_[low] == r:
                total, lost = compensated(total, lost, dy[place[low] * D + d], zero)
                low += 1
            dx[i] = total
    return add_stretches


def add_rows(dy, index, R):
    D = dy.shape[1]
    if index.size == 0:
        return zeros((R, D), dy.dtype)
    dx = empty((R, D), dy.dtype)
    values, places = sort(index.reshape(1, index.size), False)
    launch(add_stretches(dy.dtype.name), blocks(dx.size), THREADS, dy.flat, values.flat, places.flat, dx.flat, D)
    return dx


@specialised
def gather_by(dtype):
    """y[o, k, i] = x[o, index[o, k, i], i]; one thread for each."""
    zero = np.dtype(dtype).type(0)

    @jit
    def gather_by(x, index, y, n, size, inner):
        at = cuda.grid(1)
        if at < y.size:
            r = index[at]
            y[at] = x[(at // (n * inner) * size + r) * inner + at % inner] if 0 <= r < size else zero
    return gather_by


def gather(x, axis, index, out=None):
    axis %= x.ndim
    x = contiguous(x[tuple(slice(None) if k == axis else slice(n) for k, n in enumerate(index.shape))])
    y = _room(index.shape, x.dtype, out)
    _, n, inner = around(index.shape, axis)
    launch(gather_by(as_bytes(x).dtype.name), blocks(y.size), THREADS,
           as_bytes(x.flat), index.flat, as_bytes(y.flat), n, x.shape[axis], inner)
    return _into(y, out)


@specialised
def scatter_columns(dtype):
    """dx[o, index[o, k, i], i] += dy[o, k, i] for k = 0, 1, …; one thread for each o and i."""
    @jit
    def scatter_columns(dy, index, dx, n, size, inner, columns):
        c = cuda.grid(1)
        if c < columns:
            o, i = c // inner, c % inner
            for k in range(n):
                at = (o * n + k) * inner + i
                r = index[at]
                if 0 <= r < size:
                    dx[(o * size + r) * inner + i] += dy[at]
    return scatter_columns


@jit
def flat_places(index, y, n, size, inner):
    """y = where in dx (outer, size, inner) each element of `index` points; −1 if nowhere."""
    at = cuda.grid(1)
    if at < y.size:
        r = index[at]
        y[at] = (at // (n * inner) * size + r) * inner + at % inner if 0 <= r < size else -1


def scatter_add(dy, axis, index, size):
    axis %= dy.ndim
    outer, n, inner = around(dy.shape, axis)
    shape = dy.shape[:axis] + (size,) + dy.shape[axis + 1:]
    if outer * inner >= ENOUGH_COLUMNS or n <= 64:
        dx = zeros(shape, dy.dtype)
        launch(scatter_columns(dy.dtype.name), blocks(outer * inner), THREADS, dy.flat, index.flat, dx.flat, n, size, inner, outer * inner)
        return dx
    places = empty((index.size,), np.int64)
    launch(flat_places, blocks(index.size), THREADS, index.flat, places, n, size, inner)
    return add_rows(dy.reshape(dy.size, 1), places, math.prod(shape)).reshape(shape)


@specialised
def one_hot_rows(dtype):
    """y[n, c] = 1 where c = index[n], else 0; one thread for each."""
    convert = np.dtype(dtype).type

    @jit
    def one_hot_rows(index, y, classes):
        at = cuda.grid(1)
        if at < y.size:
            y[at] = convert(1) if index[at // classes] == at % classes else convert(0)
    return one_hot_rows


def one_hot(index, classes, dtype):
    y = empty((index.size, classes), dtype)
    launch(one_hot_rows(as_bytes(y).dtype.name), blocks(y.size), THREADS, index.flat, as_bytes(y.flat), classes)
    return y


for _function in (take_rows, add_rows, gather, scatter_add, one_hot):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
