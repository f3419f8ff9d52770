"""Operations that move no number: views, and joins of arrays. Their gradients are moved back the same way.

`reshape`, `transpose`, `permute`, `squeeze`, `unsqueeze`, `expand` give views where memory allows; `cat` and `stack`
copy. Writing into a view changes its base (and is noticed by the version counter they share).
"""
import math
import numbers
from collections.abc import Iterable

import numpy as np

from ..autograd import Function
from ..tensor import Tensor, checked_dtype
from . import arguments
from .arguments import tensor_argument


def _shape_argument(shape, caller):
    """``f(2, 3)`` and ``f((2, 3))`` alike, as a tuple of ints."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = shape[0]
    for n in shape:
        if not isinstance(n, numbers.Integral) or isinstance(n, bool):
            raise TypeError(f"{caller}: a shape is made of ints, got {n!r}")
    if math.prod(n or 1 for n in shape) >= 2 ** 60:
        raise ValueError(f"{caller}: no memory holds a tensor of shape {shape}")
    return tuple(int(n) for n in shape)


class ReshapeFunction(Function):
    """The same elements, in the order of the axes, under another shape."""
    is_view = True

    def forward(ctx, x, shape):
        ctx.shape = x.shape
        return x.reshape(shape)

    def backward(ctx, dy):
        return dy.reshape(ctx.shape)


def _complete(x, shape, caller):
    """Replace one −1 in `shape` by what is left; ValueError if the sizes do not match."""
    missing = [i for i, n in enumerate(shape) if n == -1]
    known = int(np.prod([n for n in shape if n != -1], dtype=np.int64))
    if len(missing) > 1 or any(n < -1 for n in shape):
        raise ValueError(f"{caller}: shape {shape} may have one −1 and no other negative length")
    if missing and known and x.data.size % known == 0:
        shape = tuple(x.data.size // known if n == -1 else n for n in shape)
        missing = []
    if missing or int(np.prod(shape, dtype=np.int64)) != x.data.size:
        raise ValueError(f"{caller}: cannot give the {x.data.size} elements of shape {x.shape} the shape {shape}")
    return shape


def reshape(x, *shape):
    """The elements in the order of the axes under another `shape` (one length may be −1). A view where possible."""
    tensor_argument(x, "reshape")
    return ReshapeFunction.apply(x, shape=_complete(x, _shape_argument(shape, "reshape"), "reshape"))


def view(x, *shape):
    """As `reshape`, but never a copy: ValueError where the memory order does not allow it."""
    tensor_argument(x, "view")
    shape = _complete(x, _shape_argument(shape, "view"), "view")
    try:
        x.data.reshape(shape, copy=False)
    except ValueError:
        raise ValueError(f"view: the memory of this tensor of shape {x.shape} is not in the order of its axes (images are "
                         f"channels-last), so {shape} needs a copy: use reshape or flatten") from None
    return ReshapeFunction.apply(x, shape=shape)


def flatten(x, start_dim=0, end_dim=-1):
    """Axes `start_dim` to `end_dim` (included) merged into one, in the order of the axes."""
    tensor_argument(x, "flatten")
    if x.ndim == 0:
        return reshape(x, 1)
    first, last = (arguments.axis(d, x.ndim, "flatten") for d in (start_dim, end_dim))
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(x, x.shape[:first] + (int(np.prod(x.shape[first:last + 1], dtype=np.int64)),) + x.shape[last + 1:])


class PermuteFunction(Function):
    """y = x with its axes in another order: axis i of y is axis dims[i] of x."""
    is_view = True

    def forward(ctx, x, dims):
        return x.transpose(dims)

    def backward(ctx, dy):
        dims = ctx.attributes["dims"]
        return permute(dy, tuple(dims.index(i) for i in range(len(dims))))


def permute(x, *dims):
    """A view with the axes in the order `dims`."""
    tensor_argument(x, "permute")
    dims = tuple(arguments.axis(d, x.ndim, "permute") for d in _shape_argument(dims, "permute"))
    if sorted(dims) != list(range(x.ndim)):
        raise ValueError(f"permute: dims {dims} must name each of the {x.ndim} axes of shape {x.shape} once")
    return PermuteFunction.apply(x, dims=dims)


def transpose(x, dim0, dim1):
    """A view with axes `dim0` and `dim1` exchanged."""
    tensor_argument(x, "transpose")
    a, b = (arguments.axis(d, x.ndim, "transpose") for d in (dim0, dim1))
    order = list(range(x.ndim))
    if x.ndim:
        order[a], order[b] = b, a
    return PermuteFunction.apply(x, dims=tuple(order))


def matrix_transpose(x):
    """``x.T``: the axes in reverse order."""
    return PermuteFunction.apply(x, dims=tuple(range(x.ndim))[::-1])


def squeeze(x, dim=None):
    """A view without the axes of length 1 (all of them, or those in `dim` that have it)."""
    tensor_argument(x, "squeeze")
    dropped = arguments.axes(dim, x.ndim, "squeeze")
    return ReshapeFunction.apply(x, shape=tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in dropped))


def unsqueeze(x, dim):
    """A view with a new axis of length 1 at `dim`."""
    tensor_argument(x, "unsqueeze")
    at = arguments.axis(dim, x.ndim + 1, "unsqueeze")
    return ReshapeFunction.apply(x, shape=x.shape[:at] + (1,) + x.shape[at:])


class ExpandFunction(Function):
    """y = x read again and again along axes of length 1; dx sums dy over them."""
    is_view = True

    def forward(ctx, x, shape):
        ctx.shape = x.shape
        return x.reshape(shape) if x.size == math.prod(shape) else np.broadcast_to(x, shape)  # the latter is read-only

    def backward(ctx, dy):
        return unbroadcast(dy, ctx.shape)


def expand(x, *shape):
    """A view in which axes of length 1 (and new leading axes) are repeated to `shape`; −1 keeps a length."""
    tensor_argument(x, "expand")
    shape = _shape_argument(shape, "expand")
    extra = len(shape) - x.ndim
    full = tuple(x.shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(shape))
    if extra < 0 or any(n < 0 for n in full) or any(m not in (1, n) for m, n in zip(x.shape, full[max(extra, 0):])):
        raise ValueError(f"expand: shape {x.shape} cannot be expanded to {shape}; only axes of length 1 can grow")
    return x if full == x.shape else ExpandFunction.apply(x, shape=full)


def broadcast_shape(caller, *shapes):
    """The shape that `shapes` broadcast to. ValueError if they do not."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(map(str, shapes))
        raise ValueError(f"{caller}: shapes {listed} do not broadcast: counted from the last axis, lengths must be equal "
                         "or 1") from None


def unbroadcast(dy, shape):
    """Sum `dy` over the axes along which an input of `shape` was repeated: the transpose of broadcasting."""
    if dy.shape == tuple(shape):
        return dy
    extra = dy.ndim - len(shape)
    repeated = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and dy.shape[i + extra] != 1)
    return dy.sum(repeated, keepdim=True).reshape(shape) if repeated else dy.reshape(shape)


class CloneFunction(Function):
    """y = x, in memory of its own and in the order of the axes."""

    def forward(ctx, x):
        return ctx.kernels.copy(x)

    def backward(ctx, dy):
        return dy


def clone(x):
    """A copy with memory of its own; gradients pass through it."""
    return CloneFunction.apply(tensor_argument(x, "clone"))


def contiguous(x):
    """The tensor itself if its memory is in the order of its axes, else a copy that is."""
    return x if tensor_argument(x, "contiguous").is_contiguous() else CloneFunction.apply(x)


class CastFunction(Function):
    """y = x in another dtype; the gradient is cast back."""

    def forward(ctx, x, dtype):
        ctx.dtype = x.dtype
        return ctx.kernels.cast(x, dtype)

    def backward(ctx, dy):
        return CastFunction.apply(dy, dtype=ctx.dtype)


def cast(x, dtype):
    """The tensor itself if it has `dtype`, else a copy in that dtype."""
    dtype = checked_dtype(dtype, "to")
    return x if x.dtype == dtype else CastFunction.apply(tensor_argument(x, "to"), dtype=dtype)


class CatFunction(Function):
    """y = the inputs one after the other along an axis; each gradient is its stretch of dy."""

    def forward(ctx, *arrays, dim):
        ctx.ends = np.cumsum([a.shape[dim] for a in arrays]).tolist()
        return ctx.kernels.cat(arrays, dim)

    def backward(ctx, dy):
        dim, starts = ctx.attributes["dim"], [0] + ctx.ends[:-1]
        before = (slice(None),) * dim
        return tuple(dy[before + (slice(a, b),)] if need else None
                     for a, b, need in zip(starts, ctx.ends, ctx.needs))


def _tensors(tensors, caller):
    """A list of Tensors. TypeError for anything else."""
    if not isinstance(tensors, Iterable):
        raise TypeError(f"{caller}: expected a list of tensors, got {type(tensors).__name__}")
    return [tensor_argument(x, caller, f"tensors[{i}]") for i, x in enumerate(tensors)]


def cat(tensors, dim=0):
    """Tensors joined along axis `dim`; all other lengths must be equal."""
    tensors = _tensors(tensors, "cat")
    if not tensors:
        raise ValueError("cat: expected at least one tensor, got an empty list")
    first = tensors[0]
    if first.ndim == 0:
        raise ValueError("cat: tensors without axes cannot be joined; use ta.stack")
    dim = arguments.axis(dim, first.ndim, "cat")
    for i, x in enumerate(tensors):
        if x.ndim == 0 or x.shape[:dim] + x.shape[dim + 1:] != first.shape[:dim] + first.shape[dim + 1:]:
            raise ValueError(f"cat: tensors[{i}] has shape {x.shape}, tensors[0] has {first.shape}; all lengths but that "
                             f"of axis {dim} must be equal")
        if x.dtype != first.dtype:
            raise TypeError(f"cat: tensors[{i}] is {x.dtype}, tensors[0] is {first.dtype}; convert with .to(…)")
    return CatFunction.apply(*tensors, dim=dim)


def stack(tensors, dim=0):
    """Tensors of one shape joined along a new axis `dim`."""
    tensors = _tensors(tensors, "stack")
    for i, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise ValueError(f"stack: tensors[{i}] has shape {x.shape}, expected that of tensors[0], {tensors[0].shape}")
    return cat([unsqueeze(x, dim) for x in tensors], arguments.axis(dim, tensors[0].ndim + 1, "stack") if tensors else 0)


def split(x, split_size_or_sections, dim=0):
    """Views of consecutive stretches along `dim`: of one size (the last may be shorter), or of the listed sizes."""
    if tensor_argument(x, "split").ndim == 0:
        raise ValueError("split: a tensor without axes cannot be split")
    dim = arguments.axis(dim, x.ndim, "split")
    length, sizes = x.shape[dim], split_size_or_sections
    if isinstance(sizes, numbers.Integral):
        if sizes <= 0:
            raise ValueError(f"split: the size must be positive, got {sizes}")
        sizes = [min(sizes, length - i) for i in range(0, length, sizes)] or [0]
    if not isinstance(sizes, (tuple, list)):
        raise TypeError(f"split: split_size_or_sections must be an int or a list of ints, got {sizes!r}")
    sizes = [arguments.whole(n, "split", "a size", 0) for n in sizes]
    if sum(sizes) != length:
        raise ValueError(f"split: sizes {sizes} add up to {sum(sizes)}, expected {length}, the length of axis {dim}")
    ends = np.cumsum(sizes).tolist()
    return tuple(x[(slice(None),) * dim + (slice(b - n, b),)] for b, n in zip(ends, sizes))


def chunk(x, chunks, dim=0):
    """At most `chunks` views of equal length along `dim` (the last may be shorter)."""
    if arguments.whole(chunks, "chunk", "chunks", -math.inf) <= 0:
        raise ValueError(f"chunk: chunks must be positive, got {chunks}")
    if tensor_argument(x, "chunk").ndim == 0:
        raise ValueError("chunk: a tensor without axes cannot be split")
    length = x.shape[arguments.axis(dim, x.ndim, "chunk")]
    return split(x, max(1, -(-length // chunks)), dim)


class FlipFunction(Function):
    """y = x read backward along some axes."""

    def forward(ctx, x, dims):
        return ctx.kernels.copy(np.flip(x, dims))

    def backward(ctx, dy):
        return FlipFunction.apply(dy, dims=ctx.attributes["dims"])


def flip(x, dims):
    """A copy with the axes `dims` reversed."""
    return FlipFunction.apply(tensor_argument(x, "flip"), dims=arguments.axes(dims, x.ndim, "flip"))


def detach(x):
    """The same values without history."""
    return tensor_argument(x, "detach").detach()

