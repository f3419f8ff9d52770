"""Arrays: making, copying, joining them. NumPy's own, on memory that is reused (see `reuse`)."""
import numpy as np

from ..reference.array import (__all__, arange, assign, broadcast_to, diagonal, fill, from_host, may_share_memory,  # noqa: F401
                               to_host)
from .reuse import POOL, SMALLEST


def empty(shape, dtype):
    """A C-contiguous array of `shape` whose values are whatever was in memory; big ones start at a multiple of 64."""
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size < SMALLEST or dtype.hasobject:
        return np.empty(shape, dtype)
    return POOL.array(tuple(int(n) for n in shape), dtype)


def zeros(shape, dtype):
    """A C-contiguous array of `shape`, all 0."""
    return fill(empty(shape, dtype), 0)


def full(shape, value, dtype):
    """A C-contiguous array of `shape`, every element `value`."""
    return fill(empty(shape, dtype), value)


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


def cat(arrays, axis, out=None):
    """`arrays` joined along `axis`; their other axes, and their dtypes, must agree.

    out[…, start_k : start_k + n_k, …] = arrays[k], where start_k is the sum of the sizes before it.
    """
    if out is None:
        shape = list(arrays[0].shape)
        shape[axis] = sum(a.shape[axis] for a in arrays)
        out = empty(tuple(shape), arrays[0].dtype)
    return np.concatenate(arrays, axis, out=out)
