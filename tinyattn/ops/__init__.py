"""Differentiable operations, one file a family, under the same names as the kernels.

At the end of this file stands the one table that gives `Tensor` its operators and methods.
"""
import numpy as np

from ..autograd import is_grad_enabled
from ..tensor import Tensor
from . import attention, conv, creation, elementwise, gates, index, loss, matmul, norm, pool, reduce, shape, softmax
from . import random as random_ops
from .arguments import as_tensor


def _to(x, *targets, dtype=None, device=None):
    """``x.to(dtype)``, ``x.to("cpu")``, ``x.to(other)``: the tensor itself where nothing changes, else a copy."""
    from ..tensor import check_device
    for target in targets:
        if isinstance(target, Tensor):
            dtype = target.dtype
        elif isinstance(target, str) and target.partition(":")[0] in ("cpu", "cuda"):
            device = target
        else:
            dtype = target
    if device is not None:
        check_device(device, "to")
    return x if dtype is None else shape.cast(x, dtype)


def _reversed(function):
    def operator(x, other):
        return function(as_tensor(other, function.__name__, x), x)
    return operator


def _in_place(function):
    """``x += y`` changes x itself, and every view of it, as PyTorch does."""
    def operator(x, other):
        before = _before(x, other, function)
        y = function(before, before if other is x else other)
        if y.shape != x.shape:
            raise ValueError(f"in place, the result must keep the shape {x.shape}, got {y.shape}")
        if y.dtype != x.dtype:
            raise TypeError(f"in place, the result must keep the dtype {x.dtype}, got {y.dtype}")
        index.setitem(x, (Ellipsis,), y)
        return x
    return operator


def _before(x, other, function):
    """`x` itself, or a copy of it with its history where the operation keeps the values that are about to change."""
    wanted = x.requires_grad or isinstance(other, Tensor) and other.requires_grad
    if function in (elementwise.add, elementwise.sub) or not wanted or not is_grad_enabled():
        return x
    index.refuse_in_place(x)
    before = Tensor(x.data.copy())
    before.requires_grad, before.grad_fn, before._output_index = x.requires_grad, x.grad_fn, x._output_index
    return before


OPERATORS = {
    "add": elementwise.add, "sub": elementwise.sub, "mul": elementwise.mul, "truediv": elementwise.div,
    "pow": elementwise.pow, "matmul": matmul.matmul,
}

METHODS = {
    elementwise: "abs exp log log1p sqrt rsqrt reciprocal square sin cos tanh sigmoid erf relu gelu silu floor ceil round sign "
                 "clamp maximum minimum where masked_fill isnan isfinite logical_not logical_and logical_or "
                 "add sub mul div pow neg eq ne lt le gt ge",
    reduce: "sum mean prod amax amin max min argmax argmin var std all any cumsum",
    shape: "reshape view flatten transpose permute squeeze unsqueeze expand clone contiguous split chunk flip",
    index: "gather index_select",
    matmul: "matmul",
    softmax: "softmax log_softmax",
    creation: "tril triu",
}

for _name, _function in OPERATORS.items():
    setattr(Tensor, f"__{_name}__", _function)
    setattr(Tensor, f"__r{_name}__", _reversed(_function))
    if _name != "matmul":
        setattr(Tensor, f"__i{_name}__", _in_place(_function))

for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Tensor, f"__{_name}__", getattr(elementwise, _name))

for _family, _names in METHODS.items():
    for _name in _names.split():
        setattr(Tensor, _name, getattr(_family, _name))

Tensor.where = lambda x, condition, other: elementwise.where(condition, x, other)
Tensor.__neg__ = elementwise.neg
Tensor.__abs__ = elementwise.abs
Tensor.__invert__ = elementwise.logical_not
Tensor.__and__ = elementwise.logical_and
Tensor.__or__ = elementwise.logical_or
Tensor.__getitem__ = index.getitem
Tensor.__setitem__ = index.setitem
Tensor.T = property(shape.matrix_transpose)
Tensor.to = _to
Tensor.float = lambda x: shape.cast(x, np.float32)
Tensor.double = lambda x: shape.cast(x, np.float64)
Tensor.long = lambda x: shape.cast(x, np.int64)
Tensor.bool = lambda x: shape.cast(x, np.bool_)
