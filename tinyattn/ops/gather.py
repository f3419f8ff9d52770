"""Picking and placing by number along one axis: `index_select` takes whole slices, `gather` a number for every element.

Each has its transpose, which adds up: where one element was picked twice, its gradient is the sum of both.
"""
import math

import numpy as np

from .. import kernels
from ..autograd import Function, is_grad_enabled
from ..tensor import Tensor, is_number, moved
from . import arguments
from .arguments import as_tensor, check_range, choice, tensor_argument
from .shape import cast


def _row_numbers(kernels, shape, dim, n, index):
    """Along axis `dim` of (outer, n, inner): which rows of length `inner` the index means, and (outer, inner)."""
    outer, inner = math.prod(shape[:dim]), math.prod(shape[dim + 1:])
    if isinstance(index, np.ndarray):
        return (np.arange(outer)[:, None] * n + index).reshape(-1), outer, inner        # the sooner for not being kernels
    index = kernels.contiguous(index)
    if outer != 1:
        index = kernels.add(kernels.mul(kernels.arange(outer), n).reshape(outer, 1), index.reshape(1, index.size))
    return index.reshape(index.size), outer, inner


class IndexSelectFunction(Function):
    """y = the slices of x numbered by `index` along an axis;  dx adds up dy where each came from"""

    def forward(ctx, x, index, dim):
        ctx.length = n = x.shape[dim]
        ctx.save(index)
        rows, outer, inner = _row_numbers(ctx.kernels, x.shape, dim, n, index)
        y = ctx.kernels.take_rows(ctx.kernels.contiguous(x).reshape(outer * n, inner), rows)
        return y.reshape(x.shape[:dim] + index.shape + x.shape[dim + 1:])

    def backward(ctx, dy):
        (index,) = ctx.saved
        return IndexAddFunction.apply(dy, index, dim=ctx.attributes["dim"], length=ctx.length)


class IndexAddFunction(Function):
    """y = 0, plus each slice of x at its place along an axis: the transpose of index_select"""

    def forward(ctx, x, index, dim, length):
        ctx.save(index)
        rows, outer, inner = _row_numbers(ctx.kernels, x.shape, dim, length, index)
        y = ctx.kernels.add_rows(ctx.kernels.contiguous(x).reshape(rows.size, inner), rows, outer * length)
        return y.reshape(x.shape[:dim] + (length,) + x.shape[dim + 1:])

    def backward(ctx, dy):
        (index,) = ctx.saved
        return IndexSelectFunction.apply(dy, index, dim=ctx.attributes["dim"])


def index_argument(index, length, caller, name="index"):
    """An int64 index Tensor with values in range, else a clear error."""
    tensor_argument(index, caller, name)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{caller}: {name} must hold integers, got {index.dtype}")

    def refuse(least, most):
        raise IndexError(f"{caller}: {name} holds values from {least} to {most}, expected 0 to {length - 1}")
    check_range(index, 0, length - 1, refuse)
    return cast(index, np.int64)


def index_select(input, dim, index):
    """The slices of input numbered by the 1-D integer tensor `index` (or a single number) along `dim`; a copy."""
    x = tensor_argument(input, "index_select")
    dim = arguments.axis(dim, x.ndim, "index_select")
    index = index_argument(index, x.shape[dim] if x.ndim else 1, "index_select")
    if index.ndim > 1 or x.ndim == 0 and index.data.size != 1:
        raise ValueError(f"index_select: index must have one axis{'' if x.ndim else ' and one element'}, got shape {index.shape}")
    y = IndexSelectFunction.apply(x if x.ndim else x.reshape(1), index.reshape(-1), dim=dim)
    return y if x.ndim else y.reshape(())


class GatherFunction(Function):
    """y[i, j] = x[index[i, j], j] (along axis 0, and likewise for others);  dx adds up dy where each came from"""

    def forward(ctx, x, index, dim):
        ctx.shape = x.shape
        ctx.save(index)
        return ctx.kernels.gather(ctx.kernels.contiguous(x), dim, ctx.kernels.contiguous(index))

    def backward(ctx, dy):
        (index,) = ctx.saved
        return ScatterAddFunction.apply(dy, index, dim=ctx.attributes["dim"], shape=ctx.shape)


class ScatterAddFunction(Function):
    """y = 0, plus y[index[i, j], j] += x[i, j] (along axis 0): the transpose of gather"""

    def forward(ctx, x, index, dim, shape):
        ctx.save(index)
        k = ctx.kernels
        y = k.scatter_add(k.contiguous(x), dim, k.contiguous(index), shape[dim])
        if y.shape == shape:
            return y
        whole = k.zeros(shape, x.dtype)            # the index left out what is far along other axes
        k.assign(whole[tuple(map(slice, y.shape))], y)
        return whole

    def backward(ctx, dy):
        (index,) = ctx.saved
        return GatherFunction.apply(dy, index, dim=ctx.attributes["dim"])


def _beside(x, dim, index, caller):
    """x, axis and index of gather and scatter, all with at least one axis; off the axis index may be shorter than x."""
    dim = arguments.axis(dim, tensor_argument(x, caller).ndim, caller)
    x = x if x.ndim else x.reshape(1)
    index = index_argument(index, x.shape[dim], caller)
    index = index if index.ndim else index.reshape(1)
    if index.data.size and (index.ndim != x.ndim or any(m > n for i, (m, n) in enumerate(zip(index.shape, x.shape)) if i != dim)):
        raise ValueError(f"{caller}: index has shape {index.shape}, expected that of input, {x.shape}, or less, in every axis but {dim}")
    return x, dim, index


def gather(input, dim, index):
    """y[i, j] = input[index[i, j], j] for dim = 0, and likewise along others; y has the shape of `index`.

    Off `dim`, `index` may be shorter than input. An index without elements gives a y without elements.
    """
    x, dim, numbered = _beside(input, dim, index, "gather")
    if numbered.data.size == 0:
        return x.reshape(-1)[:0].reshape(index.shape)
    y = GatherFunction.apply(x, numbered, dim=dim)
    return y if index.ndim else y.reshape(())


def _source(x, index, src, caller):
    """What is scattered: the part of the tensor `src` that `index` covers."""
    tensor_argument(src, caller, "src")
    src = src if src.ndim else src.reshape(1)
    if src.dtype != x.dtype:
        raise TypeError(f"{caller}: src must be {x.dtype} as input is, got {src.dtype}; convert with .to(…)")
    if src.ndim != index.ndim or any(m > n for m, n in zip(index.shape, src.shape)):
        raise ValueError(f"{caller}: src has shape {src.shape}, expected at least that of index, {index.shape}")
    return src[tuple(map(slice, index.shape))]


def _and_nothing(input, src, caller):
    """input, where nothing is taken of `src`, which is noted in the history all the same."""
    return input + cast(tensor_argument(src, caller, "src"), input.dtype).reshape(-1)[:0].sum()


def scatter_add(input, dim, index, src):
    """input, plus y[index[i, j], j] += src[i, j] for dim = 0, and likewise along others; numbers for one place are summed."""
    x, dim, index = _beside(input, dim, index, "scatter_add")
    if index.data.size == 0:
        return _and_nothing(input, src, "scatter_add")
    src = _source(x, index, src, "scatter_add")
    return (x + ScatterAddFunction.apply(src, index, dim=dim, shape=x.shape)).reshape(input.shape)


def _coordinates(index, dim):
    """For every element of `index`, where it points: its own coordinates, with the one along `dim` replaced."""
    place = list(np.ogrid[tuple(map(slice, index.shape))])
    place[dim] = index
    return tuple(place)


def put_rows(k, x, index, v):
    """x (R, D), but its row index[n] is v[n], and of several for one row the last; index (n,) int64, v (n, D).

    By kernels alone, on a device: the numbers are sorted, and of equal ones the last is known by its neighbour.
    """
    n, R = index.size, x.shape[0]
    if not n or not x.size:
        return x
    numbers, places = (a.reshape(n) for a in k.sort(index.reshape(1, n), False))       # equal ones as they came
    last = k.full((n,), True, np.dtype(bool))
    k.assign(last[:-1], k.ne(numbers[:-1], numbers[1:]))
    winner = k.where(last, k.add(places, 1), k.zeros((n,), np.dtype(np.int64)))
    source = k.sub(k.scatter_add(winner, 0, numbers, R), 1)                             # of each row; −1: it stays
    rows = k.take_rows(v, k.maximum(source, 0))
    return k.where(k.ge(source, 0).reshape(R, 1), rows, x)


def _scattered(k, x, v, index, dim):
    """`x` with `v` written to where `index` points along an axis: a copy."""
    if isinstance(x, np.ndarray):
        y = k.copy(x)
        y[_coordinates(index, dim)] = v
        return y
    steps = [math.prod(x.shape[i + 1:]) for i in range(x.ndim)]                         # in a contiguous array
    place = k.mul(k.contiguous(index), steps[dim])
    for i, n in enumerate(index.shape):
        if i != dim:
            place = k.add(place, k.mul(k.arange(n), steps[i]).reshape((n,) + (1,) * (index.ndim - 1 - i)))
    made = put_rows(k, k.contiguous(x).reshape(x.size, 1), place.reshape(place.size), k.contiguous(v).reshape(place.size, 1))
    return made.reshape(x.shape)


class ScatterFunction(Function):
    """y = x but y[index[i, j], j] = v[i, j] (along axis 0);  dv = dy from there, dx = dy with 0 there"""

    def forward(ctx, x, v, index, dim):
        ctx.save(index)
        return _scattered(ctx.kernels, x, v, index, dim)

    def backward(ctx, dy):
        (index,), dim = ctx.saved, ctx.attributes["dim"]
        nothing = Tensor(kernels.on(ctx.device).zeros(index.shape, dy.dtype))
        return (ScatterFunction.apply(dy, nothing, index, dim=dim) if ctx.needs[0] else None,
                GatherFunction.apply(dy, index, dim=dim) if ctx.needs[1] else None, None)


def scatter(input, dim, index, src, *, reduce=None):
    """input, but y[index[i, j], j] = src[i, j] for dim = 0, and likewise along others; src a tensor or one number.

    Of several numbers for one place the last stays (in PyTorch any may). With `reduce` "add" or "multiply" each is added to what
    is there, or multiplied with it; the latter has no gradient, and is done in the host's memory.
    """
    if reduce is not None:
        choice(reduce, ("add", "multiply"), "scatter", "reduce")
    x, dim, index = _beside(input, dim, index, "scatter")
    if index.data.size == 0:
        return input.clone() if is_number(src) else _and_nothing(input, src, "scatter")
    src = as_tensor(src, "scatter", x).to(x).expand(index.shape) if is_number(src) else _source(x, index, src, "scatter")
    if reduce == "add":
        return (x + ScatterAddFunction.apply(src, index, dim=dim, shape=x.shape)).reshape(input.shape)
    if reduce == "multiply":
        if is_grad_enabled() and (x.requires_grad or src.requires_grad):
            raise RuntimeError("scatter: reduce=\"multiply\" has no gradient; work on x.detach(), or under ta.no_grad()")
        y = np.array(x._on_host())
        np.multiply.at(y, _coordinates(index._on_host(), dim), src._on_host())
        return Tensor(moved(y.reshape(input.shape), x.device))
    return ScatterFunction.apply(x, src, index, dim=dim).reshape(input.shape)
