"""Many numbers in, one out: sums, means, products, extremes, variance, and running sums.

`dim` is None (all axes), one axis, or several; `keepdim` leaves them with length 1. The gradient of a reduction is
its dy read again by every element that took part, times that element's share.
"""
import builtins
import math

from ..autograd import Function
from . import arguments
from .arguments import flag, float_argument, real, tensor_argument
from .elementwise import cast, eq, sqrt, square, where
from .index import gather
from .layout import memory_axes, to_public
from .shape import cat, flip


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


def sum(x, dim=None, keepdim=False):
    """Σ x over `dim`. Integers and booleans are summed as int64."""
    axes = arguments.axes(dim, tensor_argument(x, "sum").ndim, "sum")
    return SumFunction.apply(x, dim=axes, keepdim=flag(keepdim, "sum", "keepdim"))


def mean(x, dim=None, keepdim=False):
    """The mean of x over `dim` (NaN where that is empty)."""
    return MeanFunction.apply(float_argument(x, "mean"), dim=arguments.axes(dim, x.ndim, "mean"),
                              keepdim=flag(keepdim, "mean", "keepdim"))


def prod(x, dim=None, keepdim=False):
    """Π x over `dim`."""
    return ProdFunction.apply(tensor_argument(x, "prod"), dim=arguments.axes(dim, x.ndim, "prod"),
                              keepdim=flag(keepdim, "prod", "keepdim"))


def _extreme(kernel, x, dim, keepdim):
    axes = arguments.axes(dim, tensor_argument(x, kernel).ndim, kernel)
    for i in axes:
        if x.shape[i] == 0:
            raise ValueError(f"{kernel}: axis {i} of shape {x.shape} is empty, so it has no extreme element")
    return ExtremeFunction.apply(x, kernel=kernel, dim=axes, keepdim=flag(keepdim, kernel, "keepdim"))


def amax(x, dim=None, keepdim=False):
    """The largest element over `dim`; equal ones share the gradient. ValueError for an empty axis."""
    return _extreme("amax", x, dim, keepdim)


def amin(x, dim=None, keepdim=False):
    """The smallest element over `dim`; equal ones share the gradient. ValueError for an empty axis."""
    return _extreme("amin", x, dim, keepdim)


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


def argmax(x, dim=None, keepdim=False):
    """Index of the largest element along `dim` (None: of the flattened tensor), int64; the first of equals."""
    return _arg("argmax", x, dim, keepdim)


def argmin(x, dim=None, keepdim=False):
    """Index of the smallest element along `dim` (None: of the flattened tensor), int64; the first of equals."""
    return _arg("argmin", x, dim, keepdim)


def _extreme_along(kernel, arg, x, dim, keepdim):
    """With `dim`: (values, indices), the gradient going to the first of equals, as PyTorch's max(dim)."""
    if dim is None:
        return _extreme(kernel, x, None, False)
    if tensor_argument(x, kernel).ndim == 0:
        values, indices = _extreme_along(kernel, arg, x.reshape(1), dim, False)
        return values.reshape(()), indices.reshape(())
    indices = _arg(arg, x, dim, True)
    values = gather(x, dim, indices)
    return (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))


def max(x, dim=None, keepdim=False):
    """The largest element; with `dim`, a pair (values, indices) along it."""
    return _extreme_along("amax", "argmax", x, dim, keepdim)


def min(x, dim=None, keepdim=False):
    """The smallest element; with `dim`, a pair (values, indices) along it."""
    return _extreme_along("amin", "argmin", x, dim, keepdim)


def var(x, dim=None, correction=1, keepdim=False):
    """Σ (x − mean)² / (n − correction) over `dim`, in two passes."""
    axes = arguments.axes(dim, float_argument(x, "var").ndim, "var")
    count = 1
    for i in axes:
        count *= x.shape[i]
    squares = square(x - mean(x, axes, True)).sum(axes, keepdim) if axes else x * 0
    return squares / builtins.max(count - real(correction, "var", "correction"), 0)


def std(x, dim=None, correction=1, keepdim=False):
    """The square root of `var`."""
    return root(var(x, dim, correction, keepdim))


def root(x):
    """√x, with gradient 0 instead of infinity at 0: for lengths and deviations, as PyTorch has it."""
    zero = eq(x, 0)
    return where(zero, 0, sqrt(where(zero, 1, x)))


def all(x, dim=None, keepdim=False):
    """True where every element along `dim` is nonzero."""
    return eq(sum(eq(x, 0), dim, keepdim), 0)


def any(x, dim=None, keepdim=False):
    """True where some element along `dim` is nonzero."""
    return sum(eq(x, 0).logical_not(), dim, keepdim) > 0


def cumsum(x, dim):
    """Running sum along `dim`."""
    dim = arguments.axis(dim, tensor_argument(x, "cumsum").ndim, "cumsum")
    return CumsumFunction.apply(x, dim=dim) if x.ndim else CumsumFunction.apply(x.reshape(1), dim=0).reshape(())
