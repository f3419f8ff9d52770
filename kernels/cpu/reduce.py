"""Reductions, compiled. What each one computes is said in `reference.reduce`; the docstrings are its own.

Neighbouring axes that are all reduced, or all kept, count as one. What is left is (outer, R, inner): R numbers, `inner`
apart, become one. Where inner is 1 they lie together and are a row; else whole rows are combined, column by column, and
that loop is vectorised over the columns. Axes that do not lie together are reduced one group after the other.

A long R is cut into pieces of fixed size; what came of the pieces is added in float64, in order. So sums are the same
for any number of threads, and as accurate as if they had been added in pairs.
Integers and booleans are left to NumPy.
"""
import functools
import math

import numpy as np

from ..reference import reduce as spec
from ..reference.reduce import __all__
from .array import empty
from .jit import part, specialize
from .launch import launch
from .loops import BLOCK
from .mathfun import maximum_, minimum_

PIECE = 256  # rows that are combined in the arrays' own precision
LONG = 4096  # the same for numbers of one row, which are combined in many lanes at once


def _row_body(t, sizes, x, y):
    """y[o, piece] = the piece of row o, combined; task t takes several rows or one piece of a row."""
    R, pieces, length, rows_a_task, rows = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    for k in range(t * rows_a_task, min((t + 1) * rows_a_task, rows)):
        o, piece = k // pieces, k % pieces
        p = x[o * R + piece * length:o * R + min((piece + 1) * length, R)]
        result = p[0]
        for i in range(1, p.size):
            result = f(result, p[i])
        y[k] = result


def _column_body(t, sizes, x, y):
    """y[o, piece, :] = the rows of one piece, combined column by column; task t takes several pieces."""
    R, pieces, length, pieces_a_task, count, inner = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]
    for k in range(t * pieces_a_task, min((t + 1) * pieces_a_task, count)):
        o, piece = k // pieces, k % pieces
        begin, end = o * R + piece * length, o * R + min((piece + 1) * length, R)
        result = y[k * inner:(k + 1) * inner]
        first = x[begin * inner:(begin + 1) * inner]
        for c in range(inner):
            result[c] = first[c]
        for r in range(begin + 1, end):
            p = x[r * inner:(r + 1) * inner]
            for c in range(inner):
                result[c] = f(result[c], p[c])


@part
def _add(a, b):
    return a + b


@part
def _mul(a, b):
    return a * b


@functools.cache
def _bodies(name):
    f = {"sum": _add, "prod": _mul, "amax": maximum_, "amin": minimum_}[name]
    return specialize(_row_body, name + "_rows", part, f=f), specialize(_column_body, name + "_columns", part, f=f)


def _groups(shape, axes):
    """`shape` as (size, whether reduced) with neighbours of one kind made one, and axes of size 1 left out."""
    groups = []
    for axis, size in enumerate(shape):
        reduced = axis in axes
        if size == 1:
            continue
        if groups and groups[-1][1] == reduced:
            groups[-1][0] *= size
        else:
            groups.append([size, reduced])
    return groups


@functools.lru_cache(maxsize=4096)
def _plan(shape, axes, keepdims):
    """The shape of the result, and the stages: each has (outer, pieces, inner), how many tasks, and a body's sizes."""
    axes = {axis % len(shape) for axis in axes}
    groups, stages = _groups(shape, axes), []
    while any(reduced for _, reduced in groups):
        k = max(i for i, group in enumerate(groups) if group[1])  # the innermost that is to be reduced
        outer, inner = (math.prod(size for size, _ in part) for part in (groups[:k], groups[k + 1:]))
        R = groups.pop(k)[0]
        length = LONG if inner == 1 else PIECE
        pieces = -(-R // length)
        a_task = max(1, BLOCK // (min(R, length) * inner))
        count = outer * pieces
        sizes = np.array([R, pieces, length, a_task, count, inner], np.int64)
        stages.append(((outer, pieces, inner), -(-count // a_task), sizes))
    kept = [1 if axis in axes else size for axis, size in enumerate(shape) if keepdims or axis not in axes]
    return tuple(kept), stages


def _reduce(name, x, axes, keepdims):
    shape, stages = _plan(x.shape, tuple(axes), bool(keepdims))
    rows, columns = _bodies(name)
    y = x
    for (outer, pieces, inner), tasks, sizes in stages:
        y, x = empty((outer * pieces * inner,), y.dtype), y
        launch(rows if inner == 1 else columns, tasks, sizes, x, y)
        if pieces > 1:
            wide = np.float64 if name in ("sum", "prod") else y.dtype
            y = _COMBINE[name].reduce(y.reshape(outer, pieces, inner), axis=1, dtype=wide).astype(y.dtype).reshape(-1)
    return y.reshape(shape) if stages else y.reshape(shape).copy()


@part
def _add_blocks(t, blocks, total):
    begin, end = t * BLOCK, min((t + 1) * BLOCK, len(total))
    result = total[begin:end]
    for i in range(len(result)):
        result[i] = blocks[begin + i]
    for at in range(len(total) + begin, len(blocks), len(total)):
        block = blocks[at:at + len(result)]
        for i in range(len(result)):
            result[i] += block[i]


def add_blocks(blocks, total):
    """total = the sums of several blocks of work, (blocks, …), added in order."""
    launch(_add_blocks, -(-total.size // BLOCK), blocks, total)
    return total


_COMBINE = {"sum": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def _reduction(name):
    model = getattr(spec, name)

    def function(x, axes, keepdims=False):
        if x.dtype.char not in "fd" or x.size == 0:
            return model(x, axes, keepdims)
        return _reduce(name, x, axes, keepdims)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = model.__doc__
    return function


sum, prod, amax, amin = _reduction("sum"), _reduction("prod"), _reduction("amax"), _reduction("amin")


def mean(x, axes, keepdims=False):
    if x.dtype.char not in "fd" or x.size == 0:
        return spec.mean(x, axes, keepdims)
    y = _reduce("sum", x, axes, keepdims)
    y /= x.dtype.type(x.size // y.size)
    return y


def _arg_body(t, sizes, x, y):
    """y[o, c] = the first r whose x[o, r, c] is f of them all; task t takes some outer indices."""
    R, inner, a_task, outer = sizes[0], sizes[1], sizes[2], sizes[3]
    for o in range(t * a_task, min((t + 1) * a_task, outer)):
        for c in range(inner):
            p = x[o * R * inner + c:(o + 1) * R * inner]
            best = p[0]
            if inner == 1:  # said apart, because this loop can be vectorised
                for r in range(1, R):
                    best = f(best, p[r])
            else:
                for r in range(1, R):
                    best = f(best, p[r * inner])
            where = 0
            while p[where * inner] != best and p[where * inner] == p[where * inner]:
                where += 1
            y[o * inner + c] = where


@functools.cache
def _arg_kernel(name):
    return specialize(_arg_body, name, part, f={"argmax": maximum_, "argmin": minimum_}[name])


def _arg(name, x, axis, keepdims):
    axis %= x.ndim
    outer, R, inner = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1:])
    a_task = max(1, BLOCK // (R * inner))
    y = empty((outer * inner,), np.int64)
    launch(_arg_kernel(name), -(-outer // a_task), np.array([R, inner, a_task, outer], np.int64), x, y)
    return y.reshape((*x.shape[:axis], *([1] if keepdims else []), *x.shape[axis + 1:]))


def argmax(x, axis, keepdims=False):
    if x.dtype.char not in "fd" or x.size == 0:
        return spec.argmax(x, axis, keepdims)
    return _arg("argmax", x, axis, keepdims)


def argmin(x, axis, keepdims=False):
    if x.dtype.char not in "fd" or x.size == 0:
        return spec.argmin(x, axis, keepdims)
    return _arg("argmin", x, axis, keepdims)


def cumsum(x, axis, out=None):
    return spec.cumsum(x, axis, out)


for _function in (mean, argmax, argmin, cumsum):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
