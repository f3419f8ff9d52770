"""Arrays on the device: making, copying, converting and joining them, and the way to and from the host."""
import numpy as np

from ..reference.array import __all__
from . import runtime
from .device_array import DeviceArray, new
from .loops import THREADS, run
from .runtime import cuda, jit, launch
from .strides import broadcast


def blocks(count, threads=THREADS):
    """Blocks of `threads` for `count` elements."""
    return -(-count // threads)


def empty(shape, dtype):
    """A C-contiguous array of `shape` whose values are whatever was in memory."""
    return new(shape, dtype)


def zeros(shape, dtype):
    """A C-contiguous array of `shape`, all 0."""
    return fill(empty(shape, dtype), 0)


def full(shape, value, dtype):
    """A C-contiguous array of `shape`, every element `value`."""
    return fill(empty(shape, dtype), value)


def arange(n):
    """0, 1, … n − 1, int64"""
    y = empty((n,), np.int64)
    launch(_count, blocks(n), THREADS, y)
    return y


@jit
def _count(y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = i


def copy(x, out=None):
    """A C-contiguous copy of `x`, which may have any strides; same shape and dtype."""
    return cast(x, x.dtype, out)


def contiguous(x):
    """`x` itself if it is C-contiguous, else a C-contiguous copy."""
    return x if x.flags.c_contiguous else copy(x)


def cast(x, dtype, out=None):
    """A C-contiguous copy of `x` converted to `dtype`, as ``astype`` converts: floats towards zero into integers."""
    out = empty(x.shape, dtype) if out is None else out
    return run("nonzero" if out.dtype == np.bool_ != x.dtype else "copy", (x,), out, x.dtype)


def fill(x, value):
    """Write `value` into every element of `x`, in place; returns `x`."""
    return run("copy", (value,), x)


def assign(target, value):
    """Write `value`, an array that broadcasts or a number, over `target`, which may have any strides; returns `target`.

    The two share no memory.
    """
    return run("copy", (value,), target)


def cat(arrays, axis, out=None):
    """`arrays` joined along `axis`; their other axes, and their dtypes, must agree.

    out[…, start_k : start_k + n_k, …] = arrays[k], where start_k is the sum of the sizes before it.
    """
    axis %= arrays[0].ndim
    if out is None:
        shape = list(arrays[0].shape)
        shape[axis] = sum(a.shape[axis] for a in arrays)
        out = empty(tuple(shape), arrays[0].dtype)
    start = 0
    for a in arrays:
        copy(a, out[(slice(None),) * axis + (slice(start, start + a.shape[axis]),)])
        start += a.shape[axis]
    return out


def broadcast_to(x, shape):
    """A view of `x` for reading, its axes of length 1 (and new leading ones) read again and again to fill `shape`."""
    if np.broadcast_shapes(x.shape, shape) != tuple(shape):
        raise ValueError(f"broadcast_to: shape {x.shape} does not broadcast to {tuple(shape)}")
    return DeviceArray(x.block, x.offset, tuple(shape), tuple(step * x.itemsize for step in broadcast(shape, x)), x.dtype)


def diagonal(x, offset):
    """A view y[…, i] = x[…, i, i + offset] of the last two axes, which may be written to."""
    square = x[..., max(-offset, 0):, max(offset, 0):]
    n = min(square.shape[-2:])
    return DeviceArray(x.block, square.offset, (*square.shape[:-2], n), (*square.strides[:-2], square.strides[-2] + square.strides[-1]),
                       x.dtype)


def may_share_memory(a, b):
    """Whether a change of `a` might be seen in `b`, as a Python bool: whether the stretches of memory that they span overlap."""
    (first, last), (begin, end) = a.bounds(), b.bounds()
    return first < end and begin < last


def from_host(a):
    """The DeviceArray that holds the NumPy array `a`; the copy is C-contiguous."""
    a = np.asarray(a)
    if not a.dtype.isnative:
        a = a.astype(a.dtype.newbyteorder("="))
    y = empty(a.shape, a.dtype)
    if a.size:
        runtime.upload(y.block.memory, y.offset, np.ascontiguousarray(a))
    return y


def to_host(a):
    """`a` as a NumPy array, with its axes in memory as they are; waits for what computes it, and raises what went wrong (see `errors`)."""
    if not isinstance(a, DeviceArray):
        return a
    order = sorted(range(a.ndim), key=lambda k: (-abs(a.strides[k]), k))
    lying = a.transpose(order) if a.ndim else a
    lying = contiguous(lying)
    y = np.empty(lying.shape, a.dtype)
    if y.size:
        runtime.download(lying.block.memory, lying.offset, y)
        from .errors import raise_found
        raise_found()
    return y.transpose(np.argsort(order)) if a.ndim else y


def write(array, values):
    """Copy NumPy's `values` over the contiguous `array`, which keeps its place in memory: what a captured graph reads changes so."""
    runtime.upload(array.block.memory, array.offset, np.ascontiguousarray(values, array.dtype))
    return array
