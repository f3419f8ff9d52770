"""Along one axis: where the largest or smallest number stands, and running sums. Part of the family `reduce`.

x is (outer, R, inner) around the axis. Where inner is 1 a row's numbers lie together, and a warp (a block, if the row is long) reads
them side by side; else neighbouring threads have neighbouring columns, each to itself.
"""
import math

import numpy as np

from ..reference import reduce as spec
from .array import blocks, cast, empty
from .loops import THREADS, as_bytes
from .runtime import cuda, device, jit, launch, specialised
from .threads import ALL

WARP_ROW = 1024
"""Rows up to this length are a warp's work, longer ones a block's."""


def _first(largest):
    """Whether the number v at i comes before w at j: it is better, or equal and first; a NaN is better than any number."""
    @device
    def first(v, i, w, j):
        if v != v or w != w:
            return i < j if v != v and w != w else v != v
        if v == w:
            return i < j
        return v > w if largest else v < w
    return first


@specialised
def arg_rows(dtype, largest, group):
    """y[o] = the first r whose x[o, r] is the best; `group` threads for each o, of which each looks at every group-th number."""
    real, none, warps = np.dtype(dtype).type, np.int64(1 << 62), THREADS // 32
    first = _first(largest)

    @device
    def exchanged(v, i, bits):
        w, j = cuda.shfl_xor_sync(ALL, v, bits), cuda.shfl_xor_sync(ALL, i, bits)
        if j != none and (i == none or first(w, j, v, i)):
            return w, j
        return v, i

    @jit
    def arg_rows(x, y, R):
        t = cuda.threadIdx.x
        o = (cuda.blockIdx.x * THREADS + t) // group
        v, i = real(0), none  # nothing seen yet
        if o < y.size:
            for r in range(t % group, R, group):
                w = real(x[o * R + r])
                if i == none or first(w, np.int64(r), v, i):
                    v, i = w, np.int64(r)
        v, i = exchanged(v, i, 16)
        v, i = exchanged(v, i, 8)
        v, i = exchanged(v, i, 4)
        v, i = exchanged(v, i, 2)
        v, i = exchanged(v, i, 1)
        if group > 32:
            values = cuda.shared.array(warps, real)
            places = cuda.shared.array(warps, np.int64)
            if t % 32 == 0:
                values[t // 32] = v
                places[t // 32] = i
            cuda.syncthreads()
            v, i = values[0], places[0]
            for k in range(1, warps):
                if places[k] != none and (i == none or first(values[k], places[k], v, i)):
                    v, i = values[k], places[k]
        if t % group == 0 and o < y.size:
            y[o] = i
    return arg_rows


@specialised
def arg_columns(dtype, largest):
    """y[o, c] = the first r whose x[o, r, c] is the best; one thread for each."""
    first = _first(largest)

    @jit
    def arg_columns(x, y, R, inner):
        k = cuda.grid(1)
        if k < y.size:
            begin = k // inner * R * inner + k % inner
            v, i = x[begin], np.int64(0)
            for r in range(1, R):
                w = x[begin + r * inner]
                if first(w, np.int64(r), v, i):
                    v, i = w, np.int64(r)
            y[k] = i
    return arg_columns


def around(shape, axis):
    """(elements of the axes before `axis`, its length, elements of those behind)"""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1:])


def _arg(x, axis, keepdims, largest):
    axis %= x.ndim
    outer, R, inner = around(x.shape, axis)
    y = empty((outer * inner,), np.int64)
    shape = x.shape[:axis] + ((1,) if keepdims else ()) + x.shape[axis + 1:]
    flat = as_bytes(x.flat)
    if inner == 1:
        group = 32 if R <= WARP_ROW else THREADS
        wide = x.dtype.name if x.dtype.kind == "f" else "int64"
        launch(arg_rows(wide, largest, group), blocks(outer * group), THREADS, flat, y, R)
    else:
        launch(arg_columns(x.dtype.name, largest), blocks(outer * inner), THREADS, flat, y, R, inner)
    return y.reshape(shape)


def argmax(x, axis, keepdims=False):
    return _arg(x, axis, keepdims, True)


def argmin(x, axis, keepdims=False):
    return _arg(x, axis, keepdims, False)


@device
def compensated(total, lost, v, zero):
    """total + v and what rounding lost in it, to be added to the next (Kahan, "Further remarks on reducing truncation errors", 1965)."""
    wanted = v - lost
    sum_ = total + wanted
    lost = (sum_ - total) - wanted
    return sum_, lost if lost == lost else zero  # what an infinity lost is no number


@specialised
def cumsum_rows(dtype, result):
    """y[o, r] = x[o, 0] + … + x[o, r]; a warp for each o walks along it, 32 numbers at a time.

    Within a step each lane adds what stands 1, 2, 4, 8, 16 lanes below (Hillis & Steele, "Data parallel algorithms", 1986); what
    was before the step is carried along with its rounding errors.
    """
    real = np.dtype(result).type

    @jit
    def cumsum_rows(x, y, R):
        lane, o = cuda.threadIdx.x % 32, cuda.grid(1) // 32
        inside = o * R < x.size
        carried, lost = real(0), real(0)
        for start in range(0, R, 32):
            r = start + lane
            v = real(x[o * R + r]) if inside and r < R else real(0)
            for k in range(5):
                below = cuda.shfl_up_sync(ALL, v, 1 << k)
                if lane >= 1 << k:
                    v += below
            if inside and r < R:
                y[o * R + r] = carried + (v - lost)
            carried, lost = compensated(carried, lost, cuda.shfl_sync(ALL, v, 31), real(0))
    return cumsum_rows


@specialised
def cumsum_columns(dtype, result):
    """y[o, r, c] = x[o, 0, c] + … + x[o, r, c]; one thread for each o and c."""
    real = np.dtype(result).type

    @jit
    def cumsum_columns(x, y, R, inner, count):
        k = cuda.grid(1)
        if k < count:
            begin = k // inner * R * inner + k % inner
            total, lost = real(0), real(0)
            for r in range(R):
                total, lost = compensated(total, lost, real(x[begin + r * inner]), real(0))
                y[begin + r * inner] = total
    return cumsum_columns


def cumsum(x, axis, out=None):
    result = x.dtype.name if x.dtype.kind == "f" else "int64"
    y = empty(x.shape, result) if out is None or not out.is_contiguous() or out.dtype != result else out
    if x.size:
        outer, R, inner = around(x.shape, axis % x.ndim)
        given = as_bytes(x.flat), y.flat
        if inner == 1:
            launch(cumsum_rows(x.dtype.name, result), blocks(outer * 32), THREADS, *given, R)
        else:
            launch(cumsum_columns(x.dtype.name, result), blocks(outer * inner), THREADS, *given, R, inner, outer * inner)
    return y if out is None or out is y else cast(y, out.dtype, out)


for _function in (argmax, argmin, cumsum):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
