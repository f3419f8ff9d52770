"""Changing a tensor in place: ``x += y``, ``relu(x, inplace=True)``. Every view of it sees the change, as in PyTorch."""
from .. import kernels
from ..autograd import is_grad_enabled
from ..tensor import Tensor
from . import index
from .arguments import tensor_argument


def in_place(function, keeps=True):
    """`function` with its result written over its first argument; `keeps`: its derivative needs the old values."""
    def operator(x, *others, **options):
        before = _before(x, others, keeps)
        y = function(before, *[before if other is x else other for other in others], **options)
        if y.shape != x.shape:
            raise ValueError(f"in place, the result must keep the shape {x.shape}, got {y.shape}")
        if y.dtype != x.dtype:
            raise TypeError(f"in place, the result must keep the dtype {x.dtype}, got {y.dtype}")
        index.setitem(x, (Ellipsis,), y)
        return x
    return operator


def _before(x, others, keeps):
    """`x` itself, or a copy of it with its history where the operation keeps the values that are about to change."""
    wanted = x.requires_grad or any(isinstance(other, Tensor) and other.requires_grad for other in others)
    if not keeps or not wanted or not is_grad_enabled():
        return x
    index.refuse_in_place(x)
    before = Tensor(kernels.of(x.data).copy(x.data))
    before.requires_grad, before.grad_fn, before._output_index = x.requires_grad, x.grad_fn, x._output_index
    return before


def fill_(x, value):
    """Every element of x becomes `value`, in place."""
    index.setitem(x, (Ellipsis,), value)
    return x


def zero_(x):
    """Every element of x becomes 0, in place: ``w.grad.zero_()``."""
    return fill_(x, 0)


def copy_(x, src):
    """The elements of `src`, which may broadcast, are written over those of x, in place."""
    return fill_(x, tensor_argument(src, "copy_", "src"))
