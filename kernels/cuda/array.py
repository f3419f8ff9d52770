"""Arrays on the device: making, copying, converting and joining them, and the way to and from the host."""
import numpy as np

from ..reference.array import __all__
from . import runtime
from .device_array import DeviceArray, new
from .runtime import cuda, jit, launch, specialised
from .strides import broadcast, collapsed

THREADS = 256
"""Threads of a block where each thread has an element of its own."""


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


@specialised
def _strided_copy(source, target, axes, back):
    """to[i] = from[…] (or, `back`, to[…] = from[i]), where … are the strides of a view with `axes` axes."""
    convert = np.dtype(target).type

    @jit
    def strided_copy(x, y, start, shape, strides):
        i = cuda.grid(1)
        there = i
        place = start
        count = 1
        for a in range(axes):
            axis = axes - 1 - a
            place += there % shape[axis] * strides[axis]
            there //= shape[axis]
            count *= shape[axis]
        if i < count:
            if back:
                y[place] = convert(x[i])
            else:
                y[i] = convert(x[place])
    return strided_copy


def _move(x, y, view, back):
    """Copy and convert between a contiguous array and a `view` of any strides (x, or y if `back`)."""
    if x.size == 0:
        return
    shape, strides = collapsed(view.shape, broadcast(view.shape, view))
    whole, start = view.span()
    kernel = _strided_copy(_name(x), _name(y), len(shape), back)
    given = (x.flat, whole) if back else (whole, y.flat)
    launch(kernel, blocks(x.size), THREADS, *given, start, shape, strides)


def _name(x):
    return x.dtype.name


def copy(x, out=None):
    """A C-contiguous copy of `x`, which may have any strides; same shape and dtype."""
    return cast(x, x.dtype, out)


def contiguous(x):
    """`x` itself if it is C-contiguous, else a C-contiguous copy."""
    return x if x.flags.c_contiguous else copy(x)


def cast(x, dtype, out=None):
    """A C-contiguous copy of `x` converted to `dtype`, as ``astype`` converts: floats towards zero into integers."""
    out = empty(x.shape, dtype) if out is None else out
    if out.flags.c_contiguous:
        _move(x, out, x, back=False)
    else:
        _move(contiguous(x), out, out, back=True)
    return out


@specialised
def _fill(dtype):
    @jit
    def fill(y, value):
        i = cuda.grid(1)
        if i < y.size:
            y[i] = value
    return fill


def fill(x, value):
    """Write `value` into every element of `x`, in place; returns `x`."""
    value = x.dtype.type(value)
    if x.flags.c_contiguous:
        launch(_fill(_name(x)), blocks(x.size), THREADS, x.flat, value)
    else:
        cast(full(x.shape, value, x.dtype), x.dtype, x)
    return x


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
    """`a` as a NumPy array, with its axes in memory as they are; waits for what computes it."""
    if not isinstance(a, DeviceArray):
        return a
    order = sorted(range(a.ndim), key=lambda k: (-abs(a.strides[k]), k))
    lying = a.transpose(order) if a.ndim else a
    lying = contiguous(lying)
    y = np.empty(lying.shape, a.dtype)
    if y.size:
        runtime.download(lying.block.memory, lying.offset, y)
    return y.transpose(np.argsort(order)) if a.ndim else y
