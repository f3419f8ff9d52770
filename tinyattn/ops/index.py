"""Reading and writing parts of a tensor: ``x[…]``, ``x[…] = v``, and picking rows by number.

Slices and integers give views. Arrays of integers or booleans pick elements into a copy; the gradient is added back
where each came from, in a fixed order, also where one element was picked twice.
"""
import math

import numpy as np

from ..autograd import Function, is_grad_enabled
from ..tensor import Tensor
from . import arguments
from .arguments import as_tensor, tensor_argument
from .shape import cast, unbroadcast


def _plain(index):
    """An index with Tensors and lists turned into arrays, as a tuple; TypeError for what cannot index."""
    items = index if isinstance(index, tuple) else (index,)
    plain = []
    for item in items:
        item = item.data if isinstance(item, Tensor) else item
        if isinstance(item, list):
            item = np.asarray(item, dtype=np.int64) if not item else np.asarray(item)
        if isinstance(item, np.ndarray) and item.dtype.kind not in "iub" or isinstance(item, float):
            raise TypeError(f"an index must be made of ints, slices, None, …, and integer or boolean arrays, got {item!r}")
        plain.append(item)
    return tuple(plain)


def _is_basic(index):
    return not any(isinstance(i, (np.ndarray, bool)) for i in index)


def _look_up(x, index):
    """``x[index]`` of an array, with errors that name the shape."""
    try:
        return x[index]
    except (IndexError, ValueError) as error:
        raise IndexError(f"index {index if len(index) != 1 else index[0]!r} does not fit a tensor of shape {x.shape}: "
                         f"{error}") from None


class SliceFunction(Function):
    """y = x[slices and integers], a view;  dx = dy in those places, 0 elsewhere"""
    is_view = True

    def forward(ctx, x, index):
        ctx.shape = x.shape
        return _look_up(x, index)

    def backward(ctx, dy):
        return UnsliceFunction.apply(dy, shape=ctx.shape, index=ctx.attributes["index"])


class UnsliceFunction(Function):
    """y = 0 everywhere but at x[index], which is x: the transpose of a slice"""

    def forward(ctx, x, shape, index):
        y = ctx.kernels.zeros(shape, x.dtype)
        y[index] = x
        return y

    def backward(ctx, dy):
        return SliceFunction.apply(dy, index=ctx.attributes["index"])


class PickFunction(Function):
    """y = x[arrays of indices], a copy;  dx adds up dy where it came from

    Any such index is a list of row numbers into the flattened tensor: `positions` holds them.
    """

    def forward(ctx, x, positions):
        ctx.shape = x.shape
        rows = ctx.kernels.contiguous(x).reshape(-1, 1)
        return ctx.kernels.take_rows(rows, positions.reshape(-1)).reshape(positions.shape)

    def backward(ctx, dy):
        return UnpickFunction.apply(dy, positions=ctx.attributes["positions"], shape=ctx.shape)


class UnpickFunction(Function):
    """y = 0, plus each x at its position: the transpose of picking"""

    def forward(ctx, x, positions, shape):
        rows = ctx.kernels.contiguous(x).reshape(-1, 1)
        count = int(np.prod(shape, dtype=np.int64))
        return ctx.kernels.add_rows(rows, positions.reshape(-1), count).reshape(shape)

    def backward(ctx, dy):
        return PickFunction.apply(dy, positions=ctx.attributes["positions"])


def getitem(x, index):
    """``x[index]``: a view for slices and integers, a copy for integer and boolean arrays."""
    index = _plain(index)
    if _is_basic(index):
        return SliceFunction.apply(x, index=index)
    numbers = np.arange(x.data.size, dtype=np.int64).reshape(x.shape)
    return PickFunction.apply(x, positions=np.ascontiguousarray(_look_up(numbers, index)))


class AssignFunction(Function):
    """x[index] = v in place;  dv = dy[index], and dx = dy with 0 there"""

    def forward(ctx, x, v, index):
        ctx.value_shape = v.shape
        x[index] = v
        return x

    def backward(ctx, dy):
        index, dx = ctx.attributes["index"], None
        if ctx.needs[0] and not (len(index) == 1 and index[0] is Ellipsis):
            keep = np.ones(dy.shape, dy.dtype)
            keep[index] = 0
            dx = dy * Tensor(keep)
        return dx, unbroadcast(getitem(dy, index), ctx.value_shape) if ctx.needs[1] else None


def refuse_in_place(x):
    """RuntimeError unless a recorded change of `x` in place can be told from its old value."""
    if x.requires_grad and x.is_leaf:
        raise RuntimeError("in place: this leaf requires a gradient, and changing it would lose the value that the gradient "
                           "belongs to; work on x.clone(), or change it under ta.no_grad()")
    if x._base is not None:
        raise RuntimeError("in place: this is a view, and its base would not know of the recorded change; assign through the "
                           "base (base[i, j] = … instead of base[i][j] = …), or use clone()")


def _fitted(value, target):
    """`value` without leading axes of length 1 that a place of shape `target` does not have; ValueError if it does not fit."""
    extra = max(value.ndim - len(target), 0)
    kept = value.shape[extra:]
    if set(value.shape[:extra]) - {1} or any(n not in (1, m) for n, m in zip(kept[::-1], target[::-1])):
        raise ValueError(f"x[…] = …: a value of shape {value.shape} does not fit into a place of shape {target}")
    return value.reshape(kept) if extra else value


def setitem(x, index, value):
    """``x[index] = value`` in place, recorded if a gradient is wanted.

    RuntimeError for a leaf that requires a gradient (its old value would be lost), for a view inside a recorded
    history (assign through the tensor that it is a view of), and for an expanded view.
    """
    index = _plain(index)
    value = _fitted(cast(as_tensor(value, "x[…] = …", x), x.dtype), _look_up(x.data, index).shape)
    if not x.data.flags.writeable:
        raise RuntimeError(f"x[…] = …: the memory of this tensor of shape {x.shape} is read-only: several of its elements may "
                           "share one place (expand), or it belongs to someone else; work on x.clone()")
    if is_grad_enabled() and (x.requires_grad or value.requires_grad):
        refuse_in_place(x)
        y = AssignFunction.apply(x, value, index=index)
        x.grad_fn, x._output_index, x.requires_grad = y.grad_fn, y._output_index, True
        x._history += 1
    else:
        x.data[index] = value.data
    x._changed()


def _rows(x):
    """(n, …) as (n, everything else), also where that is nothing."""
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


class IndexSelectFunction(Function):
    """y = the slices of x numbered by `index` along an axis;  dx adds up dy where each came from"""

    def forward(ctx, x, index, dim):
        ctx.length = x.shape[dim]
        ctx.save(index)
        moved = ctx.kernels.contiguous(np.moveaxis(x, dim, 0))
        y = ctx.kernels.take_rows(_rows(moved), ctx.kernels.contiguous(index))
        return np.moveaxis(y.reshape((index.size,) + moved.shape[1:]), 0, dim)

    def backward(ctx, dy):
        (index,) = ctx.saved
        return IndexAddFunction.apply(dy, index, dim=ctx.attributes["dim"], length=ctx.length)


class IndexAddFunction(Function):
    """y = 0, plus each slice of x at its place along an axis: the transpose of index_select"""

    def forward(ctx, x, index, dim, length):
        ctx.save(index)
        moved = ctx.kernels.contiguous(np.moveaxis(x, dim, 0))
        y = ctx.kernels.add_rows(_rows(moved), ctx.kernels.contiguous(index), length)
        return np.moveaxis(y.reshape((length,) + moved.shape[1:]), 0, dim)

    def backward(ctx, dy):
        (index,) = ctx.saved
        return IndexSelectFunction.apply(dy, index, dim=ctx.attributes["dim"])


def _index_argument(index, length, caller):
    """An int64 index Tensor with values in range, else a clear error."""
    tensor_argument(index, caller, "index")
    if index.dtype.kind not in "iu":
        raise TypeError(f"{caller}: index must hold integers, got {index.dtype}")
    if index.data.size and (int(index.data.min()) < 0 or int(index.data.max()) >= length):
        raise IndexError(f"{caller}: index holds values from {int(index.data.min())} to {int(index.data.max())}, "
                         f"expected 0 to {length - 1}")
    return cast(index, np.int64)


def index_select(x, dim, index):
    """The slices of x numbered by the 1-D integer tensor `index` along `dim`."""
    if tensor_argument(x, "index_select").ndim == 0:
        raise ValueError("index_select: a tensor without axes has no slices")
    dim = arguments.axis(dim, x.ndim, "index_select")
    index = _index_argument(index, x.shape[dim], "index_select")
    if index.ndim != 1:
        raise ValueError(f"index_select: index must have one axis, got shape {index.shape}")
    return IndexSelectFunction.apply(x, index, dim=dim)


def embedding(input, weight):
    """Rows of `weight` (V, D) numbered by the integer tensor `input` (any shape) → (…, D)."""
    if tensor_argument(weight, "embedding", "weight").ndim != 2:
        raise ValueError(f"embedding: weight has shape {weight.shape}, expected (num_embeddings, embedding_dim)")
    index = _index_argument(input, weight.shape[0], "embedding")
    return IndexSelectFunction.apply(weight, index.reshape(-1), dim=0).reshape(index.shape + weight.shape[1:])


class GatherFunction(Function):
    """y[i, j] = x[index[i, j], j] (along axis 0, and likewise for others);  dx adds up dy where each came from"""

    def forward(ctx, x, index, dim):
        ctx.length, ctx.shape = x.shape[dim], x.shape
        ctx.save(index)
        return ctx.kernels.gather(ctx.kernels.contiguous(x), dim, ctx.kernels.contiguous(index))

    def backward(ctx, dy):
        (index,) = ctx.saved
        return ScatterAddFunction.apply(dy, index, dim=ctx.attributes["dim"], length=ctx.length)


class ScatterAddFunction(Function):
    """y = 0, plus y[index[i, j], j] += x[i, j] (along axis 0): the transpose of gather"""

    def forward(ctx, x, index, dim, length):
        ctx.save(index)
        return ctx.kernels.scatter_add(ctx.kernels.contiguous(x), dim, ctx.kernels.contiguous(index), length)

    def backward(ctx, dy):
        (index,) = ctx.saved
        return GatherFunction.apply(dy, index, dim=ctx.attributes["dim"])


def gather(x, dim, index):
    """Elements of x picked along `dim` by `index`, which has x's shape in all other axes."""
    dim = arguments.axis(dim, tensor_argument(x, "gather").ndim, "gather")
    index = _index_argument(index, x.shape[dim] if x.ndim else 1, "gather")
    if index.ndim != x.ndim or any(index.shape[i] != x.shape[i] for i in range(x.ndim) if i != dim):
        raise ValueError(f"gather: index has shape {index.shape}, expected that of input, {x.shape}, in every axis but {dim}")
    if x.ndim == 0:
        return gather(x.reshape(1), 0, index.reshape(1)).reshape(())
    return GatherFunction.apply(x, index, dim=dim)


def one_hot(input, num_classes=-1):
    """(…,) integers → (…, num_classes) int64 with a 1 at each. −1: as many classes as the largest needs."""
    most = int(input.data.max()) + 1 if tensor_argument(input, "one_hot").data.size else 0
    count = max(most, 0) if isinstance(num_classes, int) and num_classes == -1 else arguments.whole(num_classes, "one_hot", "num_classes")
    index = _index_argument(input, count, "one_hot")
    return Tensor(np.eye(count, dtype=np.int64)[index.data])
