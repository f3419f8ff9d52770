"""Differentiable operations, one file a family, under the same names as the kernels.

At the end of this file stands the one table that gives `Tensor` its operators and methods.
"""
import numpy as np

from ..autograd import Function
from ..tensor import Tensor, checked_device, moved
from . import (activation, attention, axes, compare, conv, creation, elementwise, embedding, gather, gates, index, length, loss, matmul, norm,
               pool, recurrent, reduce, shape, softmax, sort)
from . import random as random_ops
from .arguments import as_tensor
from .in_place import copy_, fill_, in_place, zero_


class ToFunction(Function):
    """y = x on another device, in the same memory order; the gradient comes back"""

    def forward(ctx, x, device):
        ctx.source, ctx.device = x.device, device
        return moved(x, device)

    def backward(ctx, dy):
        return ToFunction.apply(dy, device=ctx.source)


def _to(x, *targets, dtype=None, device=None):
    """``x.to(dtype)``, ``x.to("cuda")``, ``x.to(other)``: the tensor itself where nothing changes, else a copy."""
    for target in targets:
        if isinstance(target, Tensor):
            dtype, device = target.dtype, target.device
        elif isinstance(target, str) and target.partition(":")[0] in ("cpu", "cuda"):
            device = target
        else:
            dtype = target
    device = checked_device(device, "to", x.device)
    x = x if dtype is None else shape.cast(x, dtype)
    return x if x.device == device else ToFunction.apply(x, device=device)


def _reversed(function):
    def operator(x, other):
        return function(as_tensor(other, function.__name__, x), x)
    return operator


def _of_booleans(function, sign):
    def operator(x, *others):
        others = [as_tensor(other, sign) for other in others]
        for one in (x, *others):
            if one.dtype != bool:
                raise TypeError(f"{sign}: expected boolean tensors, got {one.dtype}; compare first, as in (x > 0) {sign} (x < 1); "
                                "the bits of integers cannot be combined here")
        return function(x, *others)
    return operator


OPERATORS = {
    "add": elementwise.add, "sub": elementwise.sub, "mul": elementwise.mul, "truediv": elementwise.div,
    "floordiv": elementwise.floor_divide, "mod": elementwise.remainder, "pow": elementwise.pow, "matmul": matmul.matmul,
}
KEEPS_NOTHING = ("add", "sub")
"""Operators whose derivative does not need the values that an in-place form overwrites."""

METHODS = {
    elementwise: "abs exp log log1p sqrt rsqrt reciprocal square sin cos tanh sigmoid erf floor ceil round trunc sign add sub mul div "
                 "floor_divide remainder pow neg",
    activation: "relu gelu silu",
    compare: "clamp maximum minimum masked_fill isnan isfinite isinf isclose allclose equal logical_not logical_and logical_or logical_xor eq ne lt le gt ge",
    length: "norm",
    reduce: "sum mean prod amax amin max min argmax argmin var std all any cumsum logsumexp logsumexp",
    shape: "reshape view flatten ravel unflatten reshape_as view_as expand expand_as broadcast_to repeat tile clone contiguous split chunk flip",
    axes: "permute transpose swapaxes swapdims movedim moveaxis t squeeze unsqueeze select narrow unbind diagonal",
    index: "masked_select",
    gather: "gather index_select scatter scatter_add",
    sort: "sort argsort topk",
    matmul: "matmul mm bmm mv dot outer",
    softmax: "softmax log_softmax",
    creation: "tril triu",
}

for _name, _function in OPERATORS.items():
    setattr(Tensor, f"__{_name}__", _function)
    setattr(Tensor, f"__r{_name}__", _reversed(_function))
    if _name != "matmul":
        setattr(Tensor, f"__i{_name}__", in_place(_function, _name not in KEEPS_NOTHING))

for _name, _function in (("add_", elementwise.add), ("sub_", elementwise.sub), ("mul_", elementwise.mul), ("div_", elementwise.div),
                         ("clamp_", compare.clamp)):
    setattr(Tensor, _name, in_place(_function, _name[:-1] not in KEEPS_NOTHING))
for _function in (fill_, zero_, copy_):
    setattr(Tensor, _function.__name__, _function)

for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Tensor, f"__{_name}__", getattr(compare, _name))

for _family, _names in METHODS.items():
    for _name in _names.split():
        setattr(Tensor, _name, getattr(_family, _name))

Tensor.where = lambda x, condition, other: compare.where(condition, x, other)
Tensor.__neg__ = elementwise.neg
Tensor.__abs__ = elementwise.abs
Tensor.__invert__ = _of_booleans(compare.logical_not, "~")
Tensor.__and__ = Tensor.__rand__ = _of_booleans(compare.logical_and, "&")
Tensor.__or__ = Tensor.__ror__ = _of_booleans(compare.logical_or, "|")
Tensor.__xor__ = Tensor.__rxor__ = _of_booleans(compare.logical_xor, "^")
Tensor.__getitem__ = index.getitem
Tensor.__setitem__ = index.setitem
Tensor.T = property(axes.matrix_transpose)
Tensor.mT = property(axes.batch_transpose)
Tensor.to = _to
Tensor.cpu = lambda x: _to(x, device="cpu")
Tensor.cuda = lambda x, device="cuda": _to(x, device=device)
Tensor.float = lambda x: shape.cast(x, np.float32)
Tensor.double = lambda x: shape.cast(x, np.float64)
Tensor.int = lambda x: shape.cast(x, np.int32)
Tensor.long = lambda x: shape.cast(x, np.int64)
Tensor.bool = lambda x: shape.cast(x, np.bool_)
