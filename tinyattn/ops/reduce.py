"""Many numbers in, one out: sums, means, products, extremes, variance, and running sums.

`dim` is None (all axes), one axis, or several; `keepdim` leaves them with length 1; `dtype` converts the input first. The
gradient of a reduction is its dy read again by every element that took part, times that element's share.
"""
import builtins
import math

import numpy as np

from ..autograd import Function
from ..tensor import Tensor
from . import arguments
from .arguments import flag, float_argument, real, tensor_argument
from .compare import eq, maximum, minimum, where
from .elementwise import exp, log, sqrt, square
from .index import gather
from .named import ValuesIndices
from .pointwise import number_argument
from .layout import memory_axes, to_public
from .shape import cast, cat, flip


def _kept(shape, axes):
    """`shape` with length 1 at `axes`: how dy is seen by the elements that were reduced."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _reduce(kernels, kernel, x, axes, keepdim):
    """Call a reduction kernel in the memory order of `x`, and put the axes that stay back in their public order."""
    memory, memory_dims, channels_last = memory_axes(x, axes)
    if not channels_last:
        return getattr(kernels, kernel)(kernels.contiguous(x), axes, keepdim)
    y = to_public(getattr(kernels, kernel)(memory, memory_dims, True))
    return y if keepdim else y.reshape(tuple(n for i, n in enumerate(x.shape) if i not in axes))


class SumFunction(Function):
    """y = Σ x over some axes;  dx = dy, broadcast"""

    def forward(ctx, x, dim, keepdim):
        ctx.shape = x.shape
        return _reduce(ctx.kernels, "sum", x, dim, keepdim)

    def backward(ctx, dy):
        return dy.reshape(_kept(ctx.shape, ctx.attributes["dim"])).expand(ctx.shape)


class MeanFunction(Function):
    """y = (1/n) Σ x over some axes;  dx = dy / n, broadcast"""

    def forward(ctx, x, dim, keepdim):
        ctx.shape = x.shape
        return _reduce(ctx.kernels, "mean", x, dim, keepdim)

    def backward(ctx, dy):
        count = 1
        for i in ctx.attributes["dim"]:
            count *= ctx.shape[i]
        return (dy * (1 / builtins.max(count, 1))).reshape(_kept(ctx.shape, ctx.attributes["dim"])).expand(ctx.shape)


class ExtremeFunction(Function):
    """y = the largest (or smallest) x over some axes; where several tie, they share the gradient equally"""

    def forward(ctx, x, kernel, dim, keepdim):
        y = _reduce(ctx.kernels, kernel, x, dim, True)
        ctx.kept = y.shape
        result = y if keepdim else y.reshape(tuple(n for i, n in enumerate(x.shape) if i not in dim))
        ctx.save(x, y)
        return result

    def backward(ctx, dy):
        x, y = ctx.saved
        hits = cast(eq(x, y.detach()), dy.dtype)
        return hits / hits.sum(ctx.attributes["dim"], keepdim=True) * dy.reshape(ctx.kept)


class ProdFunction(Function):
    """y = Π x over some axes;  dx = dy · (the product of all the others)"""

    def forward(ctx, x, dim, keepdim):
        ctx.save(x)
        return _reduce(ctx.kernels, "prod", x, dim, keepdim)

    def backward(ctx, dy):
        (x,), dim = ctx.saved, ctx.attributes["dim"]
        dy = dy.reshape(_kept(x.shape, dim))
        order = [i for i in range(x.ndim) if i not in dim] + list(dim)
        kept = tuple(x.shape[i] for i in order if i not in dim)
        rows = x.permute(*order).reshape(*kept, math.prod(x.shape[i] for i in dim))           # (…, n)
        others = _product_of_others(rows)
        back = [order.index(i) for i in range(x.ndim)]
        return others.reshape(*(x.shape[i] for i in order)).permute(*back) * dy


def _product_of_others(x):
    """Along the last axis: for each element, the product of all the others. Right where some are 0.

    Products from the left and from the right, by doubling: log₂ n multiplications of whole arrays.
    """
    def exclusive(x):  # y_i = x_0 · … · x_(i−1)
        n = x.shape[-1]
        one = x[..., :1] * 0 + 1
        y, step = cat([one, x[..., :-1]], -1), 1
        while step < n:
            y = cat([y[..., :step], y[..., step:] * y[..., :-step]], -1)
            step *= 2
        return y

    last = x.ndim - 1
    return exclusive(x) * flip(exclusive(flip(x, last)), last)


class ArgFunction(Function):
    """y = the index of the largest (or smallest) element along an axis; the first of equals"""

    def forward(ctx, x, kernel, dim, keepdim):
        return getattr(ctx.kernels, kernel)(ctx.kernels.contiguous(x), dim, keepdim)


class CumsumFunction(Function):
    """y_i = x_0 + … + x_i along an axis;  dx_i = dy_i + … + dy_n"""

    def forward(ctx, x, dim):
        return ctx.kernels.cumsum(ctx.kernels.contiguous(x), dim)

    def backward(ctx, dy):
        dim = ctx.attributes["dim"]
        return dy.flip(dim).cumsum(dim).flip(dim)


def _converted(input, dtype, caller):
    """The input Tensor in the dtype asked for."""
    return tensor_argument(input, caller) if dtype is None else cast(tensor_argument(input, caller), dtype)


def sum(input, dim=None, keepdim=False, *, dtype=None):
    """Σ x over `dim`. Integers and booleans are summed as int64."""
    x = _converted(input, dtype, "sum")
    y = SumFunction.apply(x, dim=arguments.axes(dim, x.ndim, "sum"), keepdim=flag(keepdim, "sum", "keepdim"))
    return y if dtype is None else cast(y, dtype)


def mean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean of x over `dim` (NaN where that is empty)."""
    x = float_argument(_converted(input, dtype, "mean"), "mean")
    return MeanFunction.apply(x, dim=arguments.axes(dim, x.ndim, "mean"), keepdim=flag(keepdim, "mean", "keepdim"))


def prod(input, dim=None, keepdim=False, *, dtype=None):
    """Π x over `dim`. Integers and booleans are multiplied as int64."""
    x = _converted(input, dtype, "prod")
    y = ProdFunction.apply(x, dim=arguments.axes(dim, x.ndim, "prod"), keepdim=flag(keepdim, "prod", "keepdim"))
    return y if dtype is None else cast(y, dtype)


def _extreme(kernel, x, dim, keepdim):
    axes = arguments.axes(dim, tensor_argument(x, kernel).ndim, kernel)
    for i in axes:
        if x.shape[i] == 0:
            raise ValueError(f"{kernel}: axis {i} of shape {x.shape} is empty, so it has no extreme element")
    return ExtremeFunction.apply(x, kernel=kernel, dim=axes, keepdim=flag(keepdim, kernel, "keepdim"))


def amax(input, dim=None, keepdim=False):
    """The largest element over `dim`; equal ones share the gradient. ValueError for an empty axis."""
    return _extreme("amax", input, dim, keepdim)


def amin(input, dim=None, keepdim=False):
    """The smallest element over `dim`; equal ones share the gradient. ValueError for an empty axis."""
    return _extreme("amin", input, dim, keepdim)


def _arg(kernel, x, dim, keepdim):
    if (tensor_argument(x, kernel).data.size if dim is None else x.shape and x.shape[arguments.axis(dim, x.ndim, kernel)]) == 0:
        raise ValueError(f"{kernel}: the tensor of shape {x.shape} is empty")
    flag(keepdim, kernel, "keepdim")
    if dim is None:
        y = ArgFunction.apply(x.detach().reshape(-1), kernel=kernel, dim=0, keepdim=False)
        return y.reshape((1,) * x.ndim) if keepdim else y
    dim = arguments.axis(dim, x.ndim, kernel)
    if x.ndim == 0:
        return _arg(kernel, x.reshape(1), 0, False)
    return ArgFunction.apply(x, kernel=kernel, dim=dim, keepdim=keepdim)


def argmax(input, dim=None, keepdim=False):
    """Index of the largest element along `dim` (None: of the flattened tensor), int64; the first of equals."""
    return _arg("argmax", input, dim, keepdim)


def argmin(input, dim=None, keepdim=False):
    """Index of the smallest element along `dim` (None: of the flattened tensor), int64; the first of equals."""
    return _arg("argmin", input, dim, keepdim)


def _extreme_along(kernel, arg, x, dim, keepdim):
    """The extreme along `dim` and where it is; the gradient goes to the first of equals, as in PyTorch's max(dim)."""
    if tensor_argument(x, kernel).ndim == 0:
        values, indices = _extreme_along(kernel, arg, x.reshape(1), dim, False)
        return ValuesIndices(values.reshape(()), indices.reshape(()))
    indices = _arg(arg, x, dim, True)
    values = gather(x, dim, indices)
    return ValuesIndices(values, indices) if keepdim else ValuesIndices(values.squeeze(dim), indices.squeeze(dim))


def max(input, dim=None, keepdim=False):
    """The largest element; with `dim`, a pair (values, indices) along it; with a Tensor in its place, `maximum` of both."""
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    if dim is None:
        return _extreme("amax", input, None, keepdim)
    return _extreme_along("amax", "argmax", input, dim, keepdim)


def min(input, dim=None, keepdim=False):
    """The smallest element; with `dim`, a pair (values, indices) along it; with a Tensor in its place, `minimum` of both."""
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    if dim is None:
        return _extreme("amin", input, None, keepdim)
    return _extreme_along("amin", "argmin", input, dim, keepdim)


def _spread_options(dim, unbiased, correction, caller):
    """PyTorch's two ways to say by what a variance is divided: ``var(x, unbiased)``, ``var(x, dim, correction=1)``."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{caller}: give unbiased or correction, not both")
    if unbiased is not None:
        correction = 1 if flag(unbiased, caller, "unbiased") else 0
    return dim, 1 if correction is None else real(correction, caller, "correction")


def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Σ (x − mean)² / (n − correction) over `dim`, in two passes; correction = 1, or 0 for ``unbiased=False``."""
    return _variance(input, dim, unbiased, keepdim, correction, "var")


def _variance(input, dim, unbiased, keepdim, correction, caller):
    dim, correction = _spread_options(dim, unbiased, correction, caller)
    x, keepdim = float_argument(input, caller), flag(keepdim, caller, "keepdim")
    axes = arguments.axes(dim, x.ndim, caller)
    count = math.prod(x.shape[i] for i in axes)
    squares = square(x - mean(x, axes, True)).sum(axes, keepdim) if axes else x * 0
    return squares / builtins.max(count - correction, 0)


def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The square root of `var`."""
    return root(_variance(input, dim, unbiased, keepdim, correction, "std"))


def root(x):
    """√x, with gradient 0 instead of infinity at 0: for lengths and deviations, as PyTorch has it."""
    zero = eq(x, 0)
    return where(zero, 0, sqrt(where(zero, 1, x)))


def all(input, dim=None, keepdim=False):
    """True where every element along `dim` is nonzero (uint8, 1, for uint8 inputs; no axis at all for (), as in PyTorch)."""
    dim = _axes_or_none(input, dim, keepdim, "all")
    zero = eq(input, 0)
    y = zero.logical_not() if dim == () and input.ndim else eq(sum(zero, dim, keepdim), 0)
    return cast(y, np.uint8) if input.dtype == np.uint8 else y


def _axes_or_none(x, dim, keepdim, caller):
    """The axes that `all` and `any` go over: of an empty tuple none."""
    tensor_argument(x, caller), flag(keepdim, caller, "keepdim")
    return () if isinstance(dim, (tuple, list)) and not dim else arguments.axes(dim, x.ndim, caller)


def any(input, dim=None, keepdim=False):
    """True where some element along `dim` is nonzero (uint8, 1, for uint8 inputs; no axis at all for (), as in PyTorch)."""
    dim = _axes_or_none(input, dim, keepdim, "any")
    other = eq(input, 0).logical_not()
    y = other if dim == () and input.ndim else sum(other, dim, keepdim) > 0
    return cast(y, np.uint8) if input.dtype == np.uint8 else y


def cumsum(input, dim, *, dtype=None):
    """Running sum along `dim`. Integers and booleans are summed as int64."""
    x = _converted(input, dtype, "cumsum")
    dim = arguments.axis(dim, x.ndim, "cumsum")
    y = CumsumFunction.apply(x, dim=dim) if x.ndim else CumsumFunction.apply(x.reshape(1), dim=0).reshape(())
    return y if dtype is None else cast(y, dtype)


def logsumexp(input, dim, keepdim=False):
    """log Σ exp(x) over `dim`, without overflow: m + log Σ exp(x − m) with m = max x;  dx = dy · softmax(x)."""
    x = number_argument(input, "logsumexp")
    axes = arguments.axes(dim, x.ndim, "logsumexp")
    flag(keepdim, "logsumexp", "keepdim")
    if 0 in [x.shape[i] for i in axes]:
        return log(exp(x).sum(axes, keepdim))
    most = amax(x, axes, True).detach()
    most = where(most.abs() < np.inf, most, 0)
    y = log(exp(x - most).sum(axes, True)) + most
    return y if keepdim else y.reshape(tuple(n for i, n in enumerate(x.shape) if i not in axes))
