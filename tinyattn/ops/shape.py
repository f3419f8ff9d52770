"""Operations that move no number: other shapes, repetition, and joins of arrays. Their gradients are moved back the same way.

`reshape`, `expand`, `split` and their kin give views where memory allows; `cat`, `stack`, `repeat` and `flip` copy. Writing
into a view changes its base (and is noticed by the version counter they share). Axes are exchanged in `axes`.
"""
import math
import numbers
from collections.abc import Iterable

import numpy as np

from ..autograd import Function
from ..tensor import Tensor, checked_dtype
from . import arguments
from .arguments import several, tensor_argument


def _shape_argument(shape, caller):
    """``f(2, 3)`` and ``f((2, 3))`` alike, as a tuple of ints."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = shape[0]
    if not all([type(n) is int for n in shape]):  # the usual case needs no closer look
        shape = [n.item() if isinstance(n, Tensor) and n.ndim == 0 else n for n in shape]
        for n in shape:
            if not isinstance(n, numbers.Integral) or isinstance(n, bool):
                raise TypeError(f"{caller}: a shape is made of ints, got {n!r}")
    if math.prod([n or 1 for n in shape]) >= 2 ** 60:
        raise ValueError(f"{caller}: no memory holds a tensor of shape {shape}")
    return tuple([int(n) for n in shape])


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
    if -1 not in shape and math.prod(shape) == x.data.size and min(shape, default=0) >= 0:
        return shape
    missing = [i for i, n in enumerate(shape) if n == -1]
    known = math.prod([n for n in shape if n != -1])
    if len(missing) > 1 or any(n < -1 for n in shape):
        raise ValueError(f"{caller}: shape {shape} may have one −1 and no other negative length")
    if missing and known and x.data.size % known == 0:
        shape = tuple(x.data.size // known if n == -1 else n for n in shape)
        missing = []
    if missing or math.prod(shape) != x.data.size:
        raise ValueError(f"{caller}: cannot give the {x.data.size} elements of shape {x.shape} the shape {shape}")
    return shape


@several
def reshape(input, shape):
    """The elements in the order of the axes under another `shape` (one length may be −1). A view where possible."""
    x = tensor_argument(input, "reshape")
    return ReshapeFunction.apply(x, shape=_complete(x, _shape_argument(shape, "reshape"), "reshape"))


@several
def view(input, size):
    """As `reshape`, but never a copy: ValueError where the memory order does not allow it."""
    x = tensor_argument(input, "view")
    shape = _complete(x, _shape_argument(size, "view"), "view")
    memory = x.data
    if type(memory) is not np.ndarray:      # an array that lies like it, of which nothing is read
        memory = np.lib.stride_tricks.as_strided(np.empty(1, x.dtype), x.shape, memory.strides, writeable=False)
    try:
        memory.reshape(shape, copy=False)
    except ValueError:
        raise ValueError(f"view: the memory of this tensor of shape {x.shape} is not in the order of its axes (images are "
                         f"channels-last), so {shape} needs a copy: use reshape or flatten") from None
    return ReshapeFunction.apply(x, shape=shape)


def reshape_as(input, other):
    """`reshape` to the shape of another tensor."""
    return reshape(input, tensor_argument(other, "reshape_as", "other").shape)


def view_as(input, other):
    """`view` in the shape of another tensor."""
    return view(input, tensor_argument(other, "view_as", "other").shape)


def flatten(input, start_dim=0, end_dim=-1):
    """Axes `start_dim` to `end_dim` (included) merged into one, in the order of the axes."""
    x = tensor_argument(input, "flatten")
    first, last = (arguments.axis(d, x.ndim, "flatten") for d in (start_dim, end_dim))
    if x.ndim == 0:
        return reshape(x, 1)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(x, x.shape[:first] + (math.prod(x.shape[first:last + 1]),) + x.shape[last + 1:])


def ravel(input):
    """All elements in one axis: `flatten`."""
    return reshape(tensor_argument(input, "ravel"), -1 if input.data.size else 0)


def unflatten(input, dim, sizes):
    """Axis `dim` cut into axes of `sizes` (one may be −1): the inverse of `flatten`."""
    x = tensor_argument(input, "unflatten")
    if x.ndim == 0:
        raise ValueError("unflatten: a tensor without axes has none to cut")
    dim, sizes = arguments.axis(dim, x.ndim, "unflatten"), _shape_argument((sizes,), "unflatten")
    known, free = math.prod(n for n in sizes if n != -1), sizes.count(-1)
    if not sizes or free > 1 or min(sizes) < -1 or (x.shape[dim] % known if free and known else free or known != x.shape[dim]):
        raise ValueError(f"unflatten: axis {dim} of length {x.shape[dim]} cannot be cut into {sizes}")
    sizes = tuple(x.shape[dim] // known if n == -1 else n for n in sizes)
    return ReshapeFunction.apply(x, shape=x.shape[:dim] + sizes + x.shape[dim + 1:])


class ExpandFunction(Function):
    """y = x read again and again along axes of length 1; dx sums dy over them."""
    is_view = True

    def forward(ctx, x, shape):
        ctx.shape = x.shape
        return x.reshape(shape) if x.size == math.prod(shape) else ctx.kernels.broadcast_to(x, shape)  # the latter is read-only

    def backward(ctx, dy):
        return unbroadcast(dy, ctx.shape)


@several
def expand(input, size):
    """A view in which axes of length 1 (and new leading axes) are repeated to `size`; −1 keeps a length."""
    x, shape = tensor_argument(input, "expand"), _shape_argument(size, "expand")
    extra = len(shape) - x.ndim
    full = tuple(x.shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(shape))
    if extra < 0 or any(n < 0 for n in full) or any(m not in (1, n) for m, n in zip(x.shape, full[max(extra, 0):])):
        raise ValueError(f"expand: shape {x.shape} cannot be expanded to {shape}; only axes of length 1 can grow")
    return x if full == x.shape else ExpandFunction.apply(x, shape=full)


@several
def broadcast_to(input, size):
    """`expand` under NumPy's name."""
    return expand(input, size)


def expand_as(input, other):
    """`expand` to the shape of another tensor."""
    return expand(input, tensor_argument(other, "expand_as", "other").shape)


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


def clone(input):
    """A copy with memory of its own; gradients pass through it."""
    return CloneFunction.apply(tensor_argument(input, "clone"))


def contiguous(input):
    """The tensor itself if its memory is in the order of its axes, else a copy that is."""
    return input if tensor_argument(input, "contiguous").is_contiguous() else CloneFunction.apply(input)


@several
def repeat(input, repeats):
    """A copy laid out again and again: repeats[i] times along axis i. More repeats than axes make new leading axes."""
    return _repeated(tensor_argument(input, "repeat"), _shape_argument(repeats, "repeat"), "repeat")


@several
def tile(input, dims):
    """As `repeat`, where fewer repeats than axes mean the last axes."""
    x, dims = tensor_argument(input, "tile"), _shape_argument(dims, "tile")
    return _repeated(x, (1,) * (x.ndim - len(dims)) + dims, "tile")


def _repeated(x, repeats, caller):
    if len(repeats) < x.ndim or any(n < 0 for n in repeats):
        raise ValueError(f"{caller}: expected a count, 0 or more, for each of the {x.ndim} axes of shape {x.shape}, got {repeats}")
    lengths = (1,) * (len(repeats) - x.ndim) + x.shape
    if all(n == 1 for n in repeats):
        return reshape(clone(x), lengths)
    apart = [n for r, length in zip(repeats, lengths) for n in ((1, length) if r != 1 else (length,))]     # … 1, n …
    wide = [n for r, length in zip(repeats, lengths) for n in ((r, length) if r != 1 else (length,))]      # … r, n …
    return contiguous(reshape(expand(reshape(x, apart), wide), [r * length for r, length in zip(repeats, lengths)]))


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


def common_dtype(dtypes):
    """The dtype that all fit into, by PyTorch's rule: the largest kind (bool < int < float), and within it the widest."""
    dtypes = list(dtypes)
    floats = [d for d in dtypes if d.kind == "f"]
    whole = [d for d in dtypes if d.kind in "iu"]
    return np.result_type(*(floats or whole or dtypes))


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
    """Tensors joined along axis `dim`; all other lengths must be equal. The dtype is the one that all fit into.

    Tensors of shape (0,) are left out, whatever the others' shape, as in PyTorch.
    """
    tensors = _tensors(tensors, "cat")
    if not tensors:
        raise ValueError("cat: expected at least one tensor, got an empty list")
    for x in tensors:
        if x.ndim == 0:
            raise ValueError("cat: tensors without axes cannot be joined; use ta.stack")
    dtype = common_dtype(x.dtype for x in tensors)
    flat = all(x.ndim == 1 for x in tensors)
    joined = [(i, x) for i, x in enumerate(tensors) if flat or x.shape != (0,)]
    if all(x.shape == (0,) for x in tensors):
        return CatFunction.apply(*[cast(x, dtype) for x in tensors], dim=0)
    at, first = joined[0]
    dim = arguments.axis(dim, first.ndim, "cat")
    for i, x in joined:
        if x.shape[:dim] + x.shape[dim + 1:] != first.shape[:dim] + first.shape[dim + 1:] or x.ndim != first.ndim:
            raise ValueError(f"cat: tensors[{i}] has shape {x.shape}, tensors[{at}] has {first.shape}; all lengths but that "
                             f"of axis {dim} must be equal")
    parts = [x for _, x in joined]
    if len(parts) < len(tensors):                              # the others take part in the history
        nothing = first.shape[:dim] + (0,) + first.shape[dim + 1:]
        parts += [reshape(x, nothing) for x in tensors if x.shape == (0,) and x.requires_grad]
    return CatFunction.apply(*[cast(x, dtype) for x in parts], dim=dim)


def stack(tensors, dim=0):
    """Tensors of one shape joined along a new axis `dim`."""
    tensors = _tensors(tensors, "stack")
    if not tensors:
        raise ValueError("stack: expected at least one tensor, got an empty list")
    shape = tensors[0].shape
    for i, x in enumerate(tensors):
        if x.shape != shape:
            raise ValueError(f"stack: tensors[{i}] has shape {x.shape}, expected that of tensors[0], {shape}")
    dim = arguments.axis(dim, len(shape) + 1, "stack")
    return cat([reshape(x, shape[:dim] + (1,) + shape[dim:]) for x in tensors], dim)


def split(tensor, split_size_or_sections, dim=0):
    """Views of consecutive stretches along `dim`: of one size (the last may be shorter), or of the listed sizes."""
    x, sizes = tensor_argument(tensor, "split", "tensor"), split_size_or_sections
    if x.ndim == 0:
        raise ValueError("split: a tensor without axes cannot be split")
    dim = arguments.axis(dim, x.ndim, "split")
    length = x.shape[dim]
    if isinstance(sizes, numbers.Integral) and not isinstance(sizes, bool):
        if sizes < 0 or sizes == 0 < length:
            raise ValueError(f"split: the size must be positive, got {sizes}")
        sizes = [min(sizes, length - i) for i in range(0, length, max(sizes, 1))] or [0]
    if not isinstance(sizes, (tuple, list)):
        raise TypeError(f"split: split_size_or_sections must be an int or a list of ints, got {sizes!r}")
    sizes = [arguments.whole(n, "split", "a size", 0) for n in sizes]
    if sum(sizes) != length:
        raise ValueError(f"split: sizes {sizes} add up to {sum(sizes)}, expected {length}, the length of axis {dim}")
    ends = np.cumsum(sizes).tolist()
    return tuple(x[(slice(None),) * dim + (slice(b - n, b),)] for b, n in zip(ends, sizes))


def chunk(input, chunks, dim=0):
    """At most `chunks` views of equal length along `dim` (the last may be shorter)."""
    x = tensor_argument(input, "chunk")
    if arguments.whole(chunks, "chunk", "chunks", -math.inf) <= 0:
        raise ValueError(f"chunk: chunks must be positive, got {chunks}")
    if x.ndim == 0:
        raise ValueError("chunk: a tensor without axes cannot be split")
    length = x.shape[arguments.axis(dim, x.ndim, "chunk")]
    if not length:
        return split(x, [0] * chunks, dim)
    return split(x, -(-length // chunks), dim)


class FlipFunction(Function):
    """y = x read backward along some axes."""

    def forward(ctx, x, dims):
        return ctx.kernels.copy(x[tuple([slice(None, None, -1 if i in dims else None) for i in range(x.ndim)])])

    def backward(ctx, dy):
        return FlipFunction.apply(dy, dims=ctx.attributes["dims"])


@several
def flip(input, dims):
    """A copy with the axes `dims` reversed (none if there are none)."""
    x = tensor_argument(input, "flip")
    return FlipFunction.apply(x, dims=arguments.axes(dims, x.ndim, "flip") if dims else ())


def detach(input):
    """The same values without history."""
    return tensor_argument(input, "detach").detach()
