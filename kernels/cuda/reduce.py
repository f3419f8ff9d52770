"""Reductions on the GPU. What each one computes is said in `reference.reduce`; the docstrings are its own.

Neighbouring axes that are all reduced, or all kept, count as one. What is left is (outer, R, inner): y[o, c] = ⊕_r x[o, r, c].

    inner = 1   the numbers of a row lie together: a warp (or, for long rows, a block) reads them side by side, each thread
                combines every 32nd (256th), and the threads' results are combined by exchanges between lanes
    inner > 1   neighbouring threads read neighbouring columns; the rows are dealt out to the groups of threads of a block,
                whose results are combined in shared memory, half of them with the other half, again and again
    R short     one thread for each result

Where that leaves most of the GPU idle, R is cut into pieces that depend on the shape alone; the results of the pieces are the next
stage's input. Axes that do not lie together are reduced one group after the other. Everything is combined in an order that is fixed:
two runs give the same bits. Floats are added in their own dtype, but never more than some hundreds in a row, so rounding errors
stay as small as those of adding in pairs (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, §4.2).
"""
import functools
import math

import numpy as np

from ..reference import reduce as spec
from ..reference.reduce import __all__
from .along import WARP_ROW, argmax, argmin, cumsum
from .array import blocks, cast, empty, full
from .formulas import FORMULAS
from .loops import LANES, THREADS, as_bytes
from .runtime import cuda, device, jit, launch, load4, specialised
from .threads import ALL

SHORT_ROW, SHORT_COLUMN = 8, 16
"""So many numbers are combined by one thread."""
PIECE = 4096
"""Numbers of a row that a block takes at once if there are few rows."""
ENOUGH = 1024
"""So many blocks keep any GPU busy."""


@functools.cache
def _combination(name, real):
    """(f, identity, what makes an operand of an element, the same for four, f of fours) for the accumulator type `real`."""
    formula = {"sum": "add", "mean": "add", "prod": "mul", "amax": "maximum", "amin": "minimum"}[name]
    f = device(FORMULAS[formula](real))
    least, most = (-np.inf, np.inf) if real in (np.float32, np.float64) else (np.iinfo(real).min, np.iinfo(real).max)
    identity = real({"add": 0, "mul": 1, "maximum": least, "minimum": most}[formula])

    @device
    def four(a, b):
        return f(a[0], real(b[0])), f(a[1], real(b[1])), f(a[2], real(b[2])), f(a[3], real(b[3]))

    @device
    def warp(v):
        v = f(v, cuda.shfl_xor_sync(ALL, v, 16))
        v = f(v, cuda.shfl_xor_sync(ALL, v, 8))
        v = f(v, cuda.shfl_xor_sync(ALL, v, 4))
        v = f(v, cuda.shfl_xor_sync(ALL, v, 2))
        return f(v, cuda.shfl_xor_sync(ALL, v, 1))

    return f, identity, four, warp


def _finish(name, real, result):
    """What makes the result of the combination: a mean is divided by the number of elements."""
    convert = np.uint8 if result == "bool" else np.dtype(result).type
    if name == "mean":
        return device(lambda v, n: convert(v / n))
    return device(lambda v, n: convert(v))


@specialised
def reduce_rows(name, accumulator, result, group, lanes):
    """y[k] = ⊕ of piece k % pieces of row k // pieces; `group` threads (a warp, or the whole block) for each k."""
    real = np.dtype(accumulator).type
    f, identity, four, warp = _combination(name, real)
    finish = _finish(name, real, result)
    warps = THREADS // 32

    @device
    def one_lane(x, begin, end, member):
        v = identity
        for i in range(begin + member, end, group):
            v = f(v, real(x[i]))
        return v

    @device
    def four_lanes(x, begin, end, member):
        a = (identity, identity, identity, identity)
        for i in range(begin + 4 * member, end, 4 * group):
            a = four(a, load4(x, i))
        return f(f(a[0], a[1]), f(a[2], a[3]))

    own = one_lane if lanes == 1 else four_lanes

    @jit
    def rows(x, y, R, pieces, length, count):
        t = cuda.threadIdx.x
        k = (cuda.blockIdx.x * THREADS + t) // group
        v = identity
        if k < y.size:
            o, piece = k // pieces, k % pieces
            begin = o * R + piece * length
            v = own(x, begin, min(begin + length, (o + 1) * R), t % group)
        v = warp(v)
        if group > 32:
            scratch = cuda.shared.array(warps, real)
            if t % 32 == 0:
                scratch[t // 32] = v
            cuda.syncthreads()
            v = scratch[0]
            for w in range(1, warps):
                v = f(v, scratch[w])
        if t % group == 0 and k < y.size:
            y[k] = finish(v, count)
    return rows


@specialised
def reduce_columns(name, accumulator, result, columns):
    """y[k, c] = ⊕ over the rows of piece k % pieces of block k // pieces of x; a block takes `columns` neighbouring c."""
    real = np.dtype(accumulator).type
    f, identity, _, _ = _combination(name, real)
    finish = _finish(name, real, result)
    rows = THREADS // columns

    @jit
    def reduce_columns(x, y, R, inner, pieces, length, count):
        scratch = cuda.shared.array(THREADS, real)
        t = cuda.threadIdx.x
        across = (inner + columns - 1) // columns
        k, c = cuda.blockIdx.x // across, cuda.blockIdx.x % across * columns + t % columns
        o, piece = k // pieces, k % pieces
        v = identity
        if c < inner:
            for r in range(piece * length + t // columns, min((piece + 1) * length, R), rows):
                v = f(v, real(x[(o * R + r) * inner + c]))
        scratch[t] = v
        cuda.syncthreads()
        half = THREADS // 2
        while half >= columns:
            if t < half:
                scratch[t] = f(scratch[t], scratch[t + half])
            cuda.syncthreads()
            half //= 2
        if t < columns and c < inner:
            y[k * inner + c] = finish(scratch[t], count)
    return reduce_columns


@specialised
def reduce_each(name, accumulator, result):
    """y[o, c] = ⊕_r x[o, r, c], one thread for each result."""
    real = np.dtype(accumulator).type
    f, identity, _, _ = _combination(name, real)
    finish = _finish(name, real, result)

    @jit
    def reduce_each(x, y, R, inner, count):
        i = cuda.grid(1)
        if i < y.size:
            begin, v = i // inner * R * inner + i % inner, identity
            for r in range(R):
                v = f(v, real(x[begin + r * inner]))
            y[i] = finish(v, count)
    return reduce_each


@functools.lru_cache(maxsize=4096)
def _plan(shape, axes, keepdims):
    """The shape of the result, and the stages (outer, R, inner), the innermost axes first."""
    axes = {axis % len(shape) for axis in axes}
    groups = []  # lengths of neighbours of one kind, and whether they are reduced
    for axis, n in enumerate(shape):
        if n != 1:
            alike = groups and groups[-1][1] == (axis in axes)
            groups[-1:] = [(groups[-1][0] * n, axis in axes)] if alike else [*groups[-1:], (n, axis in axes)]
    stages = []
    for k in reversed([k for k, (_, reduced) in enumerate(groups) if reduced]):
        inner = math.prod(n for n, reduced in groups[k + 1:] if not reduced)
        stages.append((math.prod(n for n, _ in groups[:k]), groups[k][0], inner))
    kept = tuple(1 if axis in axes else n for axis, n in enumerate(shape) if keepdims or axis not in axes)
    return kept, tuple(stages)


def _stage(name, last, x, outer, R, inner, accumulator, result, count):
    """(outer · inner,) results of x (outer, R, inner), in one launch, or several if R is cut; `last` is the last one's name."""
    short = R <= (SHORT_ROW if inner == 1 else SHORT_COLUMN)
    pieces, length, columns = 1, R, 32
    if not short and inner == 1 and outer < ENOUGH // 2:
        length = PIECE
    elif not short and inner > 1:
        while columns > 1 and columns // 2 >= inner:
            columns //= 2
        at_least = 16 * THREADS // columns
        wanted = max(1, ENOUGH // (outer * blocks(inner, columns)))
        length = max(at_least, -(-R // wanted))
    pieces = -(-R // length)
    now, gives = (last, result) if pieces == 1 else (name, accumulator.name)
    y = empty((outer * pieces * inner,), gives)
    given = (x.flat, as_bytes(y))
    if short or inner > 1 and outer * inner >= 1 << 17:
        launch(reduce_each(now, accumulator.name, gives), blocks(y.size), THREADS, *given, R, inner, count)
    elif inner == 1:
        group = 32 if min(R, length) <= WARP_ROW else THREADS
        lanes = LANES if R % LANES == 0 and x.offset % min(16, LANES * x.itemsize) == 0 else 1
        launch(reduce_rows(now, accumulator.name, gives, group, lanes), blocks(y.size * group), THREADS, *given, R, pieces, length, count)
    else:
        launch(reduce_columns(now, accumulator.name, gives, columns), outer * pieces * blocks(inner, columns), THREADS,
               *given, R, inner, pieces, length, count)
    return y if pieces == 1 else _stage(name, last, y, outer, pieces, inner, accumulator, result, count)


def _reduce(name, x, axes, keepdims):
    shape, stages = _plan(x.shape, tuple(axes), bool(keepdims))
    is_float = x.dtype.kind == "f"
    accumulator = x.dtype if is_float else np.dtype(np.int64)
    result = x.dtype.name if is_float or name in ("amax", "amin") else "int64"
    if x.size == 0:
        return full(shape, {"sum": 0, "prod": 1, "mean": np.nan}[name], result)
    if not stages:
        return cast(x, result).reshape(shape)
    partial = "sum" if name == "mean" else name
    count = accumulator.type(x.size // math.prod(shape))
    y = as_bytes(x)
    for outer, R, inner in stages[:-1]:
        y = _stage(partial, partial, y, outer, R, inner, accumulator, accumulator.name, count)
    return _stage(partial, name, y, *stages[-1], accumulator, result, count).reshape(shape)


def _reduction(name):
    def function(x, axes, keepdims=False):
        return _reduce(name, x, axes, keepdims)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = getattr(spec, name).__doc__
    return function


sum, mean, prod, amax, amin = map(_reduction, ("sum", "mean", "prod", "amax", "amin"))
