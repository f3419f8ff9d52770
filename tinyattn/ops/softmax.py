"""Softmax: numbers to weights that are positive and add up to 1, along one axis.

    y_i = exp(x_i − m) / Σ_j exp(x_j − m),  m = max x          (m cancels, and keeps exp from overflowing)
    dx = y · (dy − Σ_j dy_j y_j)
"""
import math

from ..autograd import Function, is_grad_enabled
from . import arguments
from .arguments import float_argument, tensor_argument
from .elementwise import exp
from .layout import moved_back, moved_last
from .shape import cast


def _along_last(ctx, kernel, dim, *arrays):
    """Call a row kernel with axis `dim` last, and put the axis back."""
    moved = [ctx.kernels.contiguous(moved_last(a, dim)) for a in arrays]
    rows = [a.reshape(math.prod(a.shape[:-1]), a.shape[-1]) for a in moved]
    return moved_back(getattr(ctx.kernels, kernel)(*rows).reshape(moved[0].shape), dim)


class SoftmaxFunction(Function):
    """y = exp(x) / Σ exp(x) along an axis"""

    def forward(ctx, x, dim):
        y = _along_last(ctx, "softmax_forward", dim, x)
        ctx.save(y)
        return y

    def backward(ctx, dy):
        (y,), dim = ctx.saved, ctx.attributes["dim"]
        if is_grad_enabled():
            return y * (dy - (dy * y).sum(dim, keepdim=True))
        return RowGradFunction.apply(dy, y, kernel="softmax_backward", dim=dim)


class LogSoftmaxFunction(Function):
    """y = x − log Σ exp(x) along an axis"""

    def forward(ctx, x, dim):
        y = _along_last(ctx, "log_softmax_forward", dim, x)
        ctx.save(y)
        return y

    def backward(ctx, dy):
        (y,), dim = ctx.saved, ctx.attributes["dim"]
        if is_grad_enabled():
            return dy - exp(y) * dy.sum(dim, keepdim=True)
        return RowGradFunction.apply(dy, y, kernel="log_softmax_backward", dim=dim)


class RowGradFunction(Function):
    """dx of softmax or log-softmax in one pass over dy and y; not recorded"""

    def forward(ctx, dy, y, kernel, dim):
        return _along_last(ctx, kernel, dim, dy, y)


def _argument(input, dim, dtype, caller):
    x = tensor_argument(input, caller) if dtype is None else cast(tensor_argument(input, caller), dtype)
    float_argument(x, caller)
    if dim is None:
        raise TypeError(f"{caller}: dim is missing: name the axis along which the weights add up to 1 (dim=-1 for the last)")
    return x, arguments.axis(dim, x.ndim, caller)


def softmax(input, dim=None, dtype=None):
    """exp(x) / Σ exp(x) along `dim`, which must be given; `dtype` converts x first. A row of −∞ gives NaN, as in PyTorch."""
    x, dim = _argument(input, dim, dtype, "softmax")
    return SoftmaxFunction.apply(x, dim=dim) if x.ndim else SoftmaxFunction.apply(x.reshape(1), dim=0).reshape(())


def log_softmax(input, dim=None, dtype=None):
    """log softmax(x) along `dim`, without the overflow or the rounding that taking the log afterwards would bring."""
    x, dim = _argument(input, dim, dtype, "log_softmax")
    return LogSoftmaxFunction.apply(x, dim=dim) if x.ndim else LogSoftmaxFunction.apply(x.reshape(1), dim=0).reshape(())
