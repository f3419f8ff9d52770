"""The loops of elementwise functions: y[…] = f(a[…], b[…], …), where each array has strides of its own and operands broadcast.

However the arrays lie, axes that are one walk in all of them become one (`strides.collapsed`), and few cases are left. In the
usual one every array is a single row, or stands still: thread i takes four neighbours at once, by one instruction of 16 bytes,
and nothing is divided:

    thread     0           1           2
    a   │ 0  1  2  3 │ 4  5  6  7 │ 8  9 10 11 │ …     load4
    y   │ 0  1  2  3 │ 4  5  6  7 │ 8  9 10 11 │ …     store4

With more axes (a bias over images, gates over channels) the element's number is taken apart by divisions, once for four
neighbours, if the innermost axis allows that in all arrays. Else each thread has one element, at any stride. A formula is one
line of `formulas`; each comes as one kernel for each such case. Numbers among the operands are arguments of the kernel.
Booleans are bytes that are 0 or 1, here and in all kernels.
"""
import collections
import functools

import numpy as np

from .device_array import DeviceArray
from .formulas import FORMULAS
from .runtime import cuda, device, jit, launch, load4, specialised, store4
from .strides import broadcast, collapsed

THREADS = 256
LANES = 4
"""Neighbours that a thread takes where it can."""

View = collections.namedtuple("View", "shape strides itemsize misplaced")
"""What a plan needs to know of an array; `misplaced` is how many bytes it begins after a multiple of 16."""


@functools.lru_cache(maxsize=8192)
def _plan(shape, *views):
    """How to run through `shape`: (what each array is, number of axes, lanes, the walk: lengths and strides).

    views   of the arrays, the result's last; None for a number. Each of them is then, by the letters returned,
            n a number, s standing still and v moving by one along the innermost axis, x anything
    """
    arrays = [view for view in views if view is not None]
    lengths, *walks = collapsed(shape, *(broadcast(shape, view) for view in arrays))
    even = len(lengths) == 1 or lengths[-1] % LANES == 0
    aligned = all(view.misplaced % min(16, LANES * view.itemsize) == 0 for view in arrays)
    stepwise = all(walk[-1] in (0, 1) and all(s >= 0 and s % LANES == 0 for s in walk[:-1]) for walk in walks)
    vector = even and aligned and stepwise and walks[-1][-1] == 1
    letters = iter("v" if walk[-1] else "s" for walk in walks) if vector else iter("x" * len(walks))
    kinds = "".join("n" if view is None else next(letters) for view in views)
    walk = lengths if vector and len(lengths) == 1 else sum(walks, lengths)
    return kinds, len(lengths), LANES if vector else 1, walk


@functools.cache
def _access(kind, lanes):
    """Functions that read what thread wants at a place: all its lanes, and one alone."""
    @device
    def number(x, i):
        return x

    @device
    def one(x, i):
        return x[i]

    @device
    def four_numbers(x, i):
        return x, x, x, x

    @device
    def four_times(x, i):
        return x[i], x[i], x[i], x[i]

    @device
    def four(x, i):
        return load4(x, i)

    alone = number if kind == "n" else one
    return (alone if lanes == 1 else {"n": four_numbers, "s": four_times, "v": four}[kind]), alone


@functools.cache
def _place(kind, before, arrays, axes, lanes, wide):
    """The function that gives the place of element i of the walk in one of several `arrays`, of which some stand `before` it."""
    index = np.int64 if wide else np.uint32  # divisions of 32 bits are several times faster
    strides, start = axes * (1 + before), axes * (1 + arrays) + before
    starts = lanes == 1

    @device
    def itself(i, walk):
        return np.int64(i)

    @device
    def still(i, walk):
        return np.int64(0)

    @device
    def far(i, walk):
        there, place = index(i), walk[start] if starts else np.int64(0)
        for a in range(axes - 1):
            length = index(walk[axes - 1 - a])
            outer = index(there // length)
            place += np.int64(there - outer * length) * walk[strides + axes - 1 - a]
            there = outer
        return place + np.int64(there) * walk[strides]

    if kind == "n":
        return itself
    if lanes > 1 and axes == 1:
        return itself if kind == "v" else still
    return far


@functools.cache
def _result(dtype):
    """The function that makes what a formula gave a number of `dtype`; a boolean is a byte, 0 or 1."""
    convert = np.uint8 if dtype == "bool" else np.dtype(dtype).type
    no, yes = np.uint8(0), np.uint8(1)

    @device
    def rounded(v):
        return convert(v)

    @device
    def truth(v):
        return yes if v else no

    return truth if dtype == "bool" else rounded


@functools.cache
def writer(lanes):
    """The function that writes all lanes of a thread."""
    @device
    def one(y, i, v):
        y[i] = v

    @device
    def four(y, i, v):
        store4(y, i, v)

    return one if lanes == 1 else four


def _unary(f, to, reads, alone, places, write, lanes):
    (read_a,), (one_a,), (at_a, at_y) = reads, alone, places

    @device
    def one(a):
        return to(f(a))

    @device
    def four(a):
        return one(a[0]), one(a[1]), one(a[2]), one(a[3])

    compute = one if lanes == 1 else four

    @jit
    def unary(a, y, count, walk):
        i = cuda.grid(1) * lanes
        if i + lanes <= count:
            write(y, at_y(i, walk), compute(read_a(a, at_a(i, walk))))
        else:
            for k in range(i, count):  # the last few, of a single row
                y[k] = one(one_a(a, at_a(k, walk)))
    return unary


def _binary(f, to, reads, alone, places, write, lanes):
    (read_a, read_b), (one_a, one_b), (at_a, at_b, at_y) = reads, alone, places

    @device
    def one(a, b):
        return to(f(a, b))

    @device
    def four(a, b):
        return one(a[0], b[0]), one(a[1], b[1]), one(a[2], b[2]), one(a[3], b[3])

    compute = one if lanes == 1 else four

    @jit
    def binary(a, b, y, count, walk):
        i = cuda.grid(1) * lanes
        if i + lanes <= count:
            write(y, at_y(i, walk), compute(read_a(a, at_a(i, walk)), read_b(b, at_b(i, walk))))
        else:
            for k in range(i, count):
                y[k] = one(one_a(a, at_a(k, walk)), one_b(b, at_b(k, walk)))
    return binary


def _ternary(f, to, reads, alone, places, write, lanes):
    (read_a, read_b, read_c), (one_a, one_b, one_c), (at_a, at_b, at_c, at_y) = reads, alone, places

    @device
    def one(a, b, c):
        return to(f(a, b, c))

    @device
    def four(a, b, c):
        return one(a[0], b[0], c[0]), one(a[1], b[1], c[1]), one(a[2], b[2], c[2]), one(a[3], b[3], c[3])

    compute = one if lanes == 1 else four

    @jit
    def ternary(a, b, c, y, count, walk):
        i = cuda.grid(1) * lanes
        if i + lanes <= count:
            write(y, at_y(i, walk), compute(read_a(a, at_a(i, walk)), read_b(b, at_b(i, walk)), read_c(c, at_c(i, walk))))
        else:
            for k in range(i, count):
                y[k] = one(one_a(a, at_a(k, walk)), one_b(b, at_b(k, walk)), one_c(c, at_c(k, walk)))
    return ternary


@specialised
def loop(name, real, result, kinds, axes, lanes, wide):
    """y[…] = f(…) with f the formula `name` in `real`, rounded to `result`; see `_plan` for kinds, axes and lanes."""
    f = device(FORMULAS[name](np.uint8 if real == "bool" else np.dtype(real).type))
    reads, alone = zip(*(_access(kind, lanes) for kind in kinds[:-1]))
    arrays = len(kinds.replace("n", ""))
    places = [_place(kind, len(kinds[:k].replace("n", "")), arrays, axes, lanes, wide) for k, kind in enumerate(kinds)]
    template = (_unary, _binary, _ternary)[len(kinds) - 2]
    return template(f, _result(result), reads, alone, places, writer(lanes), lanes)


def run(name, operands, y, real=None):
    """y[…] = f(operands…) for the formula `name`; returns y.

    operands   arrays of any strides that broadcast to y, or numbers
    y          an array of any strides; it may be one of the operands
    real       the dtype that numbers and the formula's constants get (default: y's)
    """
    if y.size == 0:
        return y
    real = y.dtype if real is None else np.dtype(real)
    arrays = [x if isinstance(x, DeviceArray) else None for x in (*operands, y)]
    kinds, axes, lanes, walk = _plan(y.shape, *(None if x is None else View(x.shape, x.strides, x.itemsize, x.offset % 16) for x in arrays))
    given, starts = [], ()
    for x, operand in zip(arrays, (*operands, y)):
        if x is None:
            given.append(_number(operand, real))
            continue
        whole, start = (x.flat, 0) if x.is_contiguous() else x.span()
        given.append(as_bytes(whole))
        starts += start,
    count = y.size
    kernel = loop(name, real.name, y.dtype.name, kinds, axes, lanes, count >= 1 << 31)
    launch(kernel, -(-count // (THREADS * lanes)), THREADS, *given, count, walk if lanes > 1 else walk + starts)
    return y


def _number(value, dtype):
    return np.uint8(bool(value)) if dtype == np.bool_ else dtype.type(value)


def as_bytes(x):
    """An array of booleans as one of bytes, on the same memory; any other itself."""
    return DeviceArray(x.block, x.offset, x.shape, x.strides, np.dtype(np.uint8)) if x.dtype == np.bool_ else x
