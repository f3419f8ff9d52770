"""Order: `sort`, its indices alone, and the first few of it.

    values[i] = x[indices[i]],      dx[indices[i]] = dvalues[i]

NaN counts as the largest number. Equal numbers always keep the order they came in, whether `stable` is asked for or not.
"""
import math

from ..autograd import Function
from . import arguments
from .arguments import flag, tensor_argument, whole
from .gather import ScatterAddFunction
from .layout import moved_back, moved_last
from .named import ValuesIndices


class SortFunction(Function):
    """values and indices of x in order along an axis, all of them or the first k; only values carry a gradient"""

    def forward(ctx, x, dim, descending, k):
        ctx.shape, kernels = x.shape, ctx.kernels
        moved = moved_last(x, dim)                                                  # (…, n)
        rows = kernels.contiguous(moved).reshape(math.prod(moved.shape[:-1]), x.shape[dim])
        made = kernels.sort(rows, descending) if k is None else kernels.topk(rows, k, descending)
        values, indices = (kernels.contiguous(moved_back(y.reshape(moved.shape[:-1] + y.shape[1:]), dim)) for y in made)
        ctx.save(indices)
        return values, indices

    def backward(ctx, dvalues, _):
        (indices,) = ctx.saved
        return ScatterAddFunction.apply(dvalues, indices, dim=ctx.attributes["dim"], shape=ctx.shape)


def _ordered(x, dim, descending, k, caller):
    dim = arguments.axis(dim, tensor_argument(x, caller).ndim, caller)
    n = x.shape[dim] if x.ndim else 1
    if k is not None and whole(k, caller, "k", 0) > n:
        raise ValueError(f"{caller}: k must be at most {n}, the length of axis {dim} of shape {x.shape}, got {k}")
    if x.ndim:
        return ValuesIndices(*SortFunction.apply(x, dim=dim, descending=descending, k=k))
    both = SortFunction.apply(x.reshape(1), dim=0, descending=descending, k=k)
    return ValuesIndices(*(y.reshape(()) for y in both)) if k != 0 else ValuesIndices(*both)


def sort(input, dim=-1, descending=False, stable=False):
    """(values, indices) along `dim` from the smallest to the largest, or the other way round."""
    flag(stable, "sort", "stable")
    return _ordered(input, dim, flag(descending, "sort", "descending"), None, "sort")


def argsort(input, dim=-1, descending=False, stable=False):
    """The indices that `sort` gives."""
    flag(stable, "argsort", "stable")
    return _ordered(tensor_argument(input, "argsort").detach(), dim, flag(descending, "argsort", "descending"), None, "argsort").indices


def topk(input, k, dim=-1, largest=True, sorted=True):
    """(values, indices) of the k largest along `dim`, or of the k smallest, best first (also with sorted=False)."""
    flag(sorted, "topk", "sorted")
    return _ordered(input, dim, flag(largest, "topk", "largest"), k, "topk")
