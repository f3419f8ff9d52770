"""Arrays: making, copying, joining them. On this rung an array is NumPy's own.

Every other kernel asks this family for its outputs, so a rung that keeps its arrays elsewhere (a pool, a GPU)
changes this file alone.
"""
import numpy as np

__all__ = ["empty", "zeros", "full", "arange", "copy", "contiguous", "cast", "fill", "assign", "cat", "broadcast_to", "diagonal",
           "may_share_memory", "from_host", "to_host"]


def empty(shape, dtype):
    """A C-contiguous array of `shape` whose values are whatever was in memory."""
    return np.empty(shape, dtype)


def zeros(shape, dtype):
    """A C-contiguous array of `shape`, all 0."""
    return np.zeros(shape, dtype)


def full(shape, value, dtype):
    """A C-contiguous array of `shape`, every element `value`."""
    return fill(empty(shape, dtype), value)


def arange(n):
    """0, 1, … n − 1, int64"""
    return np.arange(n, dtype=np.int64)


def copy(x, out=None):
    """A C-contiguous copy of `x`, which may have any strides; same shape and dtype."""
    out = empty(x.shape, x.dtype) if out is None else out
    out[...] = x
    return out


def contiguous(x):
    """`x` itself if it is C-contiguous, else a C-contiguous copy."""
    return x if x.flags.c_contiguous else copy(x)


def cast(x, dtype, out=None):
    """A C-contiguous copy of `x` converted to `dtype`, as ``astype`` converts: floats towards zero into integers."""
    out = empty(x.shape, dtype) if out is None else out
    np.copyto(out, x, casting="unsafe")
    return out


def fill(x, value):
    """Write `value` into every element of `x`, in place; returns `x`."""
    x[...] = value
    return x


def assign(target, value):
    """Write `value`, an array that broadcasts or a number, over `target`, which may have any strides; returns `target`.

    The two share no memory.
    """
    target[...] = value
    return target


def cat(arrays, axis, out=None):
    """`arrays` joined along `axis`; their other axes, and their dtypes, must agree.

    out[…, start_k : start_k + n_k, …] = arrays[k], where start_k is the sum of the sizes before it.
    """
    if out is None:
        shape = list(arrays[0].shape)
        shape[axis] = sum(a.shape[axis] for a in arrays)
        out = empty(tuple(shape), arrays[0].dtype)
    return np.concatenate(arrays, axis, out=out)


def broadcast_to(x, shape):
    """A view of `x` for reading, its axes of length 1 (and new leading ones) read again and again to fill `shape`."""
    return np.broadcast_to(x, shape)


def diagonal(x, offset):
    """A view y[…, i] = x[…, i, i + offset] of the last two axes, which may be written to (that of ``numpy.diagonal`` may not)."""
    square = x[..., max(-offset, 0):, max(offset, 0):]
    n = min(square.shape[-2:])
    return np.einsum("...ii->...i", square[..., :n, :n])


def may_share_memory(a, b):
    """Whether a change of `a` might be seen in `b`, as a Python bool: true of an array and its views."""
    return np.may_share_memory(a, b)


def from_host(a):
    """The array of this rung that holds the NumPy array `a`: on a CPU, `a` itself."""
    return a


def to_host(a):
    """`a` as a NumPy array: on a CPU, `a` itself."""
    return a
