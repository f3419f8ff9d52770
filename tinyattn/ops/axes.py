"""Axes exchanged, dropped, added, and picked: views all of them, whose gradients are views the other way.

y = permute(x, dims) has y's axis i where x has axis dims[i]; every exchange of axes is one of these.
"""
import numbers

import numpy as np

from ..autograd import Function
from ..tensor import Tensor
from . import arguments
from .arguments import several, tensor_argument, whole
from .shape import ReshapeFunction, _shape_argument


class PermuteFunction(Function):
    """y = x with its axes in another order: axis i of y is axis dims[i] of x."""
    is_view = True

    def forward(ctx, x, dims):
        return x.transpose(*dims)

    def backward(ctx, dy):
        dims = ctx.attributes["dims"]
        return PermuteFunction.apply(dy, dims=tuple(dims.index(i) for i in range(len(dims))))


@several
def permute(input, dims):
    """A view with the axes in the order `dims`."""
    x = tensor_argument(input, "permute")
    dims = tuple(arguments.axis(d, x.ndim, "permute") for d in _shape_argument(dims, "permute"))
    if sorted(dims) != list(range(x.ndim)):
        raise ValueError(f"permute: dims {dims} must name each of the {x.ndim} axes of shape {x.shape} once")
    return PermuteFunction.apply(x, dims=dims)


def transpose(input, dim0, dim1):
    """A view with axes `dim0` and `dim1` exchanged."""
    return _exchanged(input, dim0, dim1, "transpose")


def swapaxes(input, axis0, axis1):
    """`transpose` under NumPy's name."""
    return _exchanged(input, axis0, axis1, "swapaxes")


def swapdims(input, dim0, dim1):
    """`transpose` again."""
    return _exchanged(input, dim0, dim1, "swapdims")


def _exchanged(x, dim0, dim1, caller):
    tensor_argument(x, caller)
    a, b = (arguments.axis(d, x.ndim, caller) for d in (dim0, dim1))
    order = list(range(x.ndim))
    if x.ndim:
        order[a], order[b] = b, a
    return PermuteFunction.apply(x, dims=tuple(order))


def movedim(input, source, destination):
    """Axes `source` (an int or several) moved to the places `destination`; the others keep their order."""
    return _moved(input, source, destination, "movedim")


def moveaxis(input, source, destination):
    """`movedim` under NumPy's name."""
    return _moved(input, source, destination, "moveaxis")


def _moved(x, source, destination, caller):
    tensor_argument(x, caller)
    places = []
    for name, given in (("source", source), ("destination", destination)):
        given = given if isinstance(given, (tuple, list)) else (given,)
        found = [arguments.axis(d, x.ndim, caller) for d in given]
        if len(set(found)) != len(found):
            raise ValueError(f"{caller}: {name} {given} names an axis twice")
        places.append(found)
    if len(places[0]) != len(places[1]):
        raise ValueError(f"{caller}: source {source} and destination {destination} must name equally many axes")
    order = [i for i in range(x.ndim) if i not in places[0]]
    for to, origin in sorted(zip(places[1], places[0])) if x.ndim else ():
        order.insert(to, origin)
    return PermuteFunction.apply(x, dims=tuple(order))


def matrix_transpose(x):
    """``x.T``: the axes in reverse order."""
    return PermuteFunction.apply(x, dims=tuple(range(x.ndim))[::-1])


def t(input):
    """A matrix transposed; a vector or a single number as it is. ValueError for more axes (see ``x.mT``)."""
    if tensor_argument(input, "t").ndim > 2:
        raise ValueError(f"t: expected at most two axes, got shape {input.shape}; x.mT transposes every matrix of a batch")
    return matrix_transpose(input)


def batch_transpose(x):
    """``x.mT``: the last two axes exchanged."""
    if x.ndim < 2:
        raise ValueError(f"mT: expected a matrix or a batch of them, got shape {x.shape}")
    return _exchanged(x, -2, -1, "mT")


def squeeze(input, dim=None):
    """A view without the axes of length 1: all of them, or those named in `dim` (an int or several) that have it."""
    x = tensor_argument(input, "squeeze")
    dropped = () if isinstance(dim, (tuple, list)) and not dim else arguments.axes(dim, x.ndim, "squeeze")
    return ReshapeFunction.apply(x, shape=tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in dropped))


def unsqueeze(input, dim):
    """A view with a new axis of length 1 at `dim`."""
    x = tensor_argument(input, "unsqueeze")
    at = arguments.axis(dim, x.ndim + 1, "unsqueeze")
    return ReshapeFunction.apply(x, shape=x.shape[:at] + (1,) + x.shape[at:])


def _along(x, dim, part):
    return x[(slice(None),) * dim + (part,)]


def select(input, dim, index):
    """The slice number `index` (from the end if negative) along `dim`, without that axis."""
    x = tensor_argument(input, "select")
    if x.ndim == 0:
        raise ValueError("select: a tensor without axes has no slices")
    dim, index = arguments.axis(dim, x.ndim, "select"), _number(index, "select", "index")
    if not -x.shape[dim] <= index < x.shape[dim]:
        raise IndexError(f"select: index {index} is out of range for axis {dim} of shape {x.shape}")
    return _along(x, dim, index)


def narrow(input, dim, start, length):
    """The stretch of `length` from `start` (from the end if negative) along `dim`."""
    x = tensor_argument(input, "narrow")
    if x.ndim == 0:
        raise ValueError("narrow: a tensor without axes has no stretches")
    dim, start, length = arguments.axis(dim, x.ndim, "narrow"), _number(start, "narrow", "start"), whole(length, "narrow", "length", 0)
    n = x.shape[dim]
    first = start + n if start < 0 else start
    if not 0 <= first <= n or first + length > n:
        raise IndexError(f"narrow: {length} from {start} are not all within axis {dim} of shape {x.shape}")
    return _along(x, dim, slice(first, first + length))


def _number(value, caller, name):
    """An int, also out of an integer tensor with one element."""
    if isinstance(value, Tensor) and value.data.size == 1 and value.dtype.kind in "iu":
        return int(value)
    if not isinstance(value, numbers.Integral) or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{caller}: {name} must be an int, got {value!r:.60}")
    return int(value)


def unbind(input, dim=0):
    """All slices along `dim`, a tuple."""
    x = tensor_argument(input, "unbind")
    if x.ndim == 0:
        raise ValueError("unbind: a tensor without axes has no slices")
    dim = arguments.axis(dim, x.ndim, "unbind")
    return tuple(_along(x, dim, i) for i in range(x.shape[dim]))


class DiagonalFunction(Function):
    """y[…, i] = x[…, i, i + offset], of the last two axes; dx = dy there, 0 elsewhere"""
    is_view = True

    def forward(ctx, x, offset):
        ctx.shape = x.shape
        return ctx.kernels.diagonal(x, offset)

    def backward(ctx, dy):
        return DiagonalGradFunction.apply(dy, shape=ctx.shape, offset=ctx.attributes["offset"])


class DiagonalGradFunction(Function):
    """y = 0 everywhere but on a diagonal of the last two axes, which is x: the transpose of `diagonal`"""

    def forward(ctx, x, shape, offset):
        y = ctx.kernels.zeros(shape, x.dtype)
        ctx.kernels.assign(ctx.kernels.diagonal(y, offset), x)
        return y

    def backward(ctx, dy):
        return DiagonalFunction.apply(dy, offset=ctx.attributes["offset"])


def diagonal(input, offset=0, dim1=0, dim2=1):
    """A view of the elements on a diagonal of axes `dim1` and `dim2`, in a new last axis; above the main one where offset > 0."""
    x = tensor_argument(input, "diagonal")
    offset = _number(offset, "diagonal", "offset")
    a, b = (arguments.axis(d, x.ndim, "diagonal") for d in (dim1, dim2))
    if x.ndim < 2 or a == b:
        raise ValueError(f"diagonal: expected two different axes, got {dim1} and {dim2} of shape {x.shape}")
    return DiagonalFunction.apply(_moved(x, (a, b), (-2, -1), "diagonal"), offset=offset)
