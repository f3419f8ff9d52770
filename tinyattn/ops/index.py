"""Reading and writing parts of a tensor: ``x[…]``, ``x[…] = v``, and picking by number along an axis.

An index is read as PyTorch reads it, in two steps. First integers, slices, None and … give a *view*; where an array stands, the
axis is kept. Then the arrays pick from the axes of that view: together they are broadcast, and

    y[…] = x[a[…], b[…]]          is          rows of the matrix (axes of a and b, all the others), numbered a · n_b + b

a copy; the gradient is added back where each row came from, in a fixed order, also where one was picked twice. A boolean array
of several axes stands for the numbers of its True elements, one array an axis; how many these are must be known, so a mask on a GPU is
waited for and read. Numbers on a GPU stay there, unseen: what is out of range is for the kernels to notice. (NumPy counts a plain integer beside an array
as an array too, so x[0, :, [1, 2]] has other axes there.)
"""
import math
import numbers

import numpy as np

from .. import kernels
from ..autograd import Function, is_grad_enabled
from ..tensor import Tensor, is_number
from .arguments import as_tensor, tensor_argument
from .axes import PermuteFunction
from .compare import where
from .gather import IndexSelectFunction, gather, put_rows  # noqa: F401  (others look for gather here)
from .shape import ReshapeFunction, broadcast_shape, cast, contiguous, unbroadcast

_WANTED = "an index must be made of ints, slices, None, …, and integer or boolean arrays"


def _plain(index, device):
    """An index as a tuple of ints, slices, None, … and arrays, and whether there are arrays; TypeError for what cannot index.

    Arrays are NumPy's, but numbers that are on the `device` of what is indexed are that device's.
    """
    items = index if type(index) is tuple else (index,)
    if not all(type(i) is int or i is None or i is Ellipsis for i in items):
        items = tuple([i if type(i) is int or i is None else _slice(i) if type(i) is slice else _item(i, device) for i in items])
    return items, any(kernels.is_array(i) for i in items)


def _item(item, device):
    if item is Ellipsis:
        return item
    if isinstance(item, (bool, np.bool_)):
        return np.array(item)
    if isinstance(item, numbers.Integral):
        return int(item)
    if isinstance(item, (list, tuple, range)):
        item = _array(item)
    if isinstance(item, Tensor) and item.device == device != "cpu" and item.ndim and item.dtype.kind in "iu" and item.dtype != np.uint8:
        return cast(item, np.int64).data
    array = item._on_host() if isinstance(item, Tensor) else item
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iub":
        raise TypeError(f"{_WANTED}, got {item!r:.100}")
    if array.dtype == np.uint8:
        raise TypeError("an index of uint8 is a mask in PyTorch and a list of numbers in NumPy: say which, by .bool() or .long()")
    return array if array.dtype == bool else int(array) if array.ndim == 0 else array.astype(np.int64)


def _array(values):
    """Nested lists of ints or bools (or tensors of one) as an array; an empty list is a list of ints."""
    def plain(v):
        return [plain(w) for w in v] if isinstance(v, (list, tuple, range)) else v.item() if isinstance(v, Tensor) and v.ndim == 0 else v
    try:
        array = np.asarray(plain(values))
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{_WANTED}, got {values!r:.100}") from None
    return array if array.size else array.astype(np.int64)


def _slice(s):
    bounds = []
    for name, value in (("start", s.start), ("stop", s.stop), ("step", s.step)):
        if isinstance(value, Tensor) and value.data.size == 1 and value.dtype.kind in "iu":
            value = value.item()
        if value is not None and not isinstance(value, numbers.Integral):
            raise TypeError(f"the {name} of a slice must be an int, got {value!r:.60}")
        bounds.append(value)
    if bounds[2] is not None and bounds[2] <= 0:
        raise ValueError(f"index: the step of a slice must be positive, got {bounds[2]}; x.flip(dim) reads an axis backwards")
    return slice(*bounds)


def _shown(index):
    """An index as it was written, shortened."""
    items = [f"array of shape {i.shape}" if kernels.is_array(i) else repr(i).replace("Ellipsis", "…") for i in index]
    return items[0] if len(items) == 1 else f"({', '.join(items)})"


def _look_up(x, index):
    """``x[index]`` of an array, without arrays in the index, with errors that name the shape."""
    try:
        y = x[index]
        return x[(*index, Ellipsis)] if isinstance(y, np.generic) else y      # where all are integers: a view all the same
    except (IndexError, ValueError) as error:
        raise IndexError(f"index {_shown(index)} does not fit a tensor of shape {x.shape}: {error}") from None


def _two_steps(shape, index):
    """The two steps of an index with arrays: what makes the view, and {axis of the view: int64 array}, counted from 0."""
    def refuse(why):
        raise IndexError(f"index {_shown(index)} does not fit a tensor of shape {shape}: {why}")

    named = sum(i.ndim if kernels.is_array(i) and i.dtype == bool else i is not None and i is not Ellipsis for i in index)
    if named > len(shape) or sum(i is Ellipsis for i in index) > 1:
        refuse(f"it names {named} axes" if named > len(shape) else "… may stand in it once")
    view, arrays, axis, at = [], {}, 0, 0            # axis: of x; at: of the view
    for item in index:
        if item is Ellipsis:
            skipped = len(shape) - named
            view += [slice(None)] * skipped
            axis, at = axis + skipped, at + skipped
        elif not kernels.is_array(item):
            view.append(item)
            axis, at = axis + (item is not None), at + (type(item) is not int)
        elif item.dtype == bool and item.ndim == 0:  # x[True] has a new axis of length 1, x[False] one of length 0
            view.append(None)
            arrays[at] = np.zeros(int(item), np.int64)
            at += 1
        elif item.dtype == bool:
            if item.shape != shape[axis:axis + item.ndim]:
                refuse(f"a mask of shape {item.shape} stands for axes of lengths {shape[axis:axis + item.ndim]}")
            for numbers_of_one_axis in item.nonzero():
                view.append(slice(None))
                arrays[at] = numbers_of_one_axis
                axis, at = axis + 1, at + 1
        else:
            n, k = shape[axis], kernels.of(item)
            if type(item) is np.ndarray and item.size and not -n <= item.min() <= item.max() < n:
                wrong = int(item.max() if item.max() >= n else item.min())
                refuse(f"{wrong} is out of range for axis {axis} of length {n}")
            view.append(slice(None))
            arrays[at] = item + n * (item < 0) if type(item) is np.ndarray else k.where(k.lt(item, 0), k.add(item, n), item)
            axis, at = axis + 1, at + 1
    shapes = [a.shape for a in arrays.values()]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        refuse(f"arrays of shapes {' and '.join(map(str, shapes))} do not broadcast")
    return tuple(view), arrays


def _place(shape, arrays):
    """The shape that arrays pick from a view of `shape`, and the axis where theirs begins: at the first, or 0 if they stand apart."""
    picked = np.broadcast_shapes(*[a.shape for a in arrays.values()])
    axes = list(arrays)
    first = axes[0] if axes == list(range(axes[0], axes[0] + len(axes))) else 0
    rest = tuple(n for i, n in enumerate(shape) if i not in arrays)
    return rest[:first] + picked + rest[first:], first, len(picked)


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
        ctx.kernels.assign(_look_up(y, index), x)
        return y

    def backward(ctx, dy):
        return SliceFunction.apply(dy, index=ctx.attributes["index"])


def getitem(x, index):
    """``x[index]``: a view for slices and integers, a copy for integer and boolean arrays. IndexError says what is out of range."""
    index, picks = _plain(index, x.device)
    if not picks:
        return SliceFunction.apply(x, index=index)
    return _read(x, *_two_steps(x.shape, index))


def _on_device(k, array):
    """An array of numbers, where the kernels k find it."""
    return k.from_host(np.ascontiguousarray(array)) if isinstance(array, np.ndarray) else array


def _row_numbers(k, lengths, arrays):
    """a · n_b + b for the arrays a, b, … that pick from axes of these lengths, in one axis."""
    if all(isinstance(a, np.ndarray) for a in arrays):                  # most often, and at once
        rows = arrays[0]
        for n, a in zip(lengths[1:], arrays[1:]):
            rows = rows * n + a
        return _on_device(k, rows.reshape(-1))
    rows, *rest = [_on_device(k, a) for a in arrays]
    for n, a in zip(lengths[1:], rest):
        rows = k.add(k.mul(rows, n), a)
    return k.contiguous(rows).reshape(rows.size)


def _read(x, view, arrays):
    """What both steps of an index give."""
    if any(type(i) is not slice or i != slice(None) for i in view):
        x = SliceFunction.apply(x, index=view)
    if not arrays:
        return x
    shape, first, picked = _place(x.shape, arrays)
    axes, rest = list(arrays), [i for i in range(x.ndim) if i not in arrays]
    lengths = [x.shape[i] for i in axes]
    rows = Tensor(_row_numbers(kernels.of(x.data), lengths, list(arrays.values())))
    if len(axes) == 1:
        return ReshapeFunction.apply(IndexSelectFunction.apply(x, rows, dim=first), shape=shape)
    matrix = PermuteFunction.apply(x, dims=tuple(axes + rest)).reshape(math.prod(lengths), math.prod(x.shape[i] for i in rest))
    y = IndexSelectFunction.apply(matrix, rows, dim=0)
    y = y.reshape(shape[first:first + picked] + tuple(x.shape[i] for i in rest))      # the picked axes first, …
    order = [*range(picked, picked + first), *range(picked), *range(picked + first, y.ndim)]
    return contiguous(PermuteFunction.apply(y, dims=tuple(order))) if first else y    # … then where they belong


class AssignFunction(Function):
    """x[index] = v in place;  dv = dy[index], and dx = dy with 0 there"""
    takes_numbers = True

    def forward(ctx, x, v, view, arrays):
        ctx.value_shape = v.shape
        _write(x, view, arrays, v)
        return x

    def backward(ctx, dy):
        (view, arrays), dx = ctx.attributes.values(), None
        if ctx.needs[0] and not (view == (Ellipsis,) and not arrays):
            keep = kernels.on(ctx.device).full(dy.shape, 1, dy.dtype)
            _write(keep, view, arrays, 0)
            dx = dy * Tensor(keep)
        return dx, unbroadcast(_read(dy, view, arrays), ctx.value_shape) if ctx.needs[1] else None


def _write(x, view, arrays, v):
    place = x[(*view, Ellipsis)] if Ellipsis not in view else x[view]                 # an array, where all are integers too
    if isinstance(place, np.ndarray):
        place[tuple(arrays.get(i, slice(None)) for i in range(place.ndim)) if arrays else ...] = v
        return
    k = kernels.of(place)
    if getattr(v, "device", None) == place.device:
        v = k.copy(v) if k.may_share_memory(place, v) else v
    if arrays:
        _write_rows(k, place, arrays, v)
    else:
        k.assign(place, v)


def _write_rows(k, place, arrays, v):
    """``place[arrays] = v`` on a device: the axes that are picked from are brought to the front, and rows of them written."""
    shape, first, picked = _place(place.shape, arrays)
    axes, rest = list(arrays), [i for i in range(place.ndim) if i not in arrays]
    lengths = [place.shape[i] for i in axes]
    rows = _row_numbers(k, lengths, list(arrays.values()))
    v = v if getattr(v, "device", None) == place.device else k.full((), v, place.dtype)
    v = k.broadcast_to(v, shape).transpose(*range(first, first + picked), *range(first), *range(first + picked, len(shape)))
    turned = place.transpose(*axes, *rest)
    matrix = k.contiguous(turned).reshape(math.prod(lengths), math.prod(place.shape[i] for i in rest))
    made = put_rows(k, matrix, rows, k.contiguous(v).reshape(rows.size, matrix.shape[1]))
    if made is not matrix:
        k.assign(turned, made.reshape(turned.shape))


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


def _is_mask(index, x):
    """Whether `index` is one mask for the first axes of `x`, both on a device: a number is written there without a look at the mask."""
    return (isinstance(index, Tensor) and index.device == x.device != "cpu" and index.dtype == bool and 0 < index.ndim
            and index.shape == x.shape[:index.ndim])


def setitem(x, index, value):
    """``x[index] = value`` in place, recorded if a gradient is wanted. The value is broadcast; of two for one place the last stays.

    RuntimeError for a leaf that requires a gradient (its old value would be lost), for a view inside a recorded
    history (assign through the tensor that it is a view of), and for an expanded view.
    """
    if _is_mask(index, x) and (value.ndim == 0 if isinstance(value, Tensor) else is_number(value)):
        mask = index.reshape(index.shape + (1,) * (x.ndim - index.ndim))
        index, value = Ellipsis, where(mask, cast(as_tensor(value, "x[…] = …", x), x.dtype), x)
    view, picks = _plain(index, x.device)
    view, arrays = _two_steps(x.shape, view) if picks else (view, {})
    target = _look_up(x.data, view).shape
    if arrays:
        target = _place(target, arrays)[0]
    value = _fitted(cast(as_tensor(value, "x[…] = …", x), x.dtype), target)
    if value.device != x.device and (value.ndim or x.device == "cpu"):
        value = value.to(x.device)      # but a number is written from where it is
    if not x.data.flags.writeable:
        raise RuntimeError(f"x[…] = …: the memory of this tensor of shape {x.shape} is read-only: several of its elements may "
                           "share one place (expand), or it belongs to someone else; work on x.clone()")
    if is_grad_enabled() and (x.requires_grad or value.requires_grad):
        refuse_in_place(x)
        y = AssignFunction.apply(x, value, view=view, arrays=arrays)
        x.grad_fn, x._output_index, x.requires_grad = y.grad_fn, y._output_index, True
        x._history += 1
    else:
        _write(x.data, view, arrays, value.data)
    x._changed()


def masked_select(input, mask):
    """The elements where `mask` is True, in one axis; both are broadcast first."""
    x = tensor_argument(input, "masked_select")
    if tensor_argument(mask, "masked_select", "mask").dtype != bool:
        raise TypeError(f"masked_select: mask must be boolean, got {mask.dtype}; compare first, as in x > 0")
    shape = broadcast_shape("masked_select", x.shape, mask.shape)
    return getitem(x.expand(shape), (mask.expand(shape),)).reshape(-1)
