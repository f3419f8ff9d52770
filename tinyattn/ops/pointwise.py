"""What all elementwise operations share: broadcasting, dtypes, memory order, and how each is made from its derivative.

A binary operation stretches axes of length 1 to fit (broadcasting); its backward sums the gradient over what was
stretched (`unbroadcast`). Two dtypes meet in the larger kind (bool < int < float), and within a kind a tensor without
axes or a bare number never widens the other's: PyTorch's rules.
"""
import functools

import numpy as np

from ..autograd import Function, is_grad_enabled
from ..tensor import FLOATS, Tensor
from .arguments import as_tensor, tensor_argument
from .layout import common_order, to_public
from .shape import broadcast_shape, cast, unbroadcast

def pointwise(kernels, kernel, *arrays, **options):
    """Call an elementwise kernel on arrays of any strides; the result keeps the memory order of its inputs."""
    shape = arrays[0].shape if len(arrays) == 1 else np.broadcast_shapes(*[a.shape for a in arrays])
    ordered, channels_last = common_order(kernels, arrays, shape)
    y = getattr(kernels, kernel)(*ordered, **options)
    return to_public(y) if channels_last else y


def result_dtype(a, b, *more):
    """The dtype of an operation on these Tensors."""
    if a.dtype == b.dtype and not more:
        return a.dtype
    kind = {x: "bif".index(x.dtype.kind.replace("u", "i")) for x in (a, b, *more)}
    leading = [x for x in kind if kind[x] == max(kind.values())]
    leading = [x for x in leading if x.ndim] or leading
    return functools.reduce(np.promote_types, [x.dtype for x in leading])


def promoted(a, b, caller, to_float=False):
    """Both operands as Tensors of one dtype, that of the result; with `to_float` at least float32."""
    a, b = as_tensor(a, caller, b if isinstance(b, Tensor) else None), as_tensor(b, caller, a if isinstance(a, Tensor) else None)
    broadcast_shape(caller, a.shape, b.shape)
    dtype = result_dtype(a, b)
    if to_float and dtype not in FLOATS:
        dtype = FLOATS[0]
    return cast(a, dtype), cast(b, dtype)


class Binary(Function):
    """y = f(a, b) with broadcasting; subclasses name the kernel and the two partial derivatives."""
    kernel, takes_numbers = None, True

    def forward(ctx, a, b):
        ctx.shapes = a.shape, b.shape
        ctx.keep(a, b)
        return pointwise(ctx.kernels, ctx.kernel, a, b)

    def keep(ctx, a, b):
        """What the derivatives need; a sum needs nothing."""

    def backward(ctx, dy):
        partials = ctx.partials(dy, *ctx.saved)
        return tuple(unbroadcast(partial(), shape) if need else None
                     for partial, shape, need in zip(partials, ctx.shapes, ctx.needs))


class Unary(Function):
    """y = f(x); `keeps` says whether the derivative is written with the input "x", the output "y" or nothing."""
    kernel, keeps = None, "x"

    def forward(ctx, x, **options):
        y = pointwise(ctx.kernels, ctx.kernel, x, **options)
        if ctx.keeps:
            ctx.save(x if ctx.keeps == "x" else y)
        return y

    def backward(ctx, dy):
        return ctx.derivative(dy, *ctx.saved)


class FusedDerivative(Function):
    """dx = f′ · dy in one pass, through a kernel that takes dy and what was saved; not recorded (see `fused`)."""

    def forward(ctx, dy, saved, kernel):
        return pointwise(ctx.kernels, kernel, dy, saved)


OF_INTEGERS = ("neg", "abs", "sign", "square", "relu", "floor", "ceil", "round")
"""Functions that give integers for integers; all others give float32 for them."""


WHOLE = ("floor", "ceil", "round")
"""Functions that leave integers as they are."""


def number_argument(x, name):
    """`x` as `name` takes it: integers and booleans as float32, unless it is one of `OF_INTEGERS`."""
    tensor_argument(x, name)
    if x.is_floating_point():
        return x
    if name not in OF_INTEGERS:
        return cast(x, FLOATS[0])
    if x.dtype == bool and name == "square":
        return cast(x, np.int64)
    if x.dtype == bool and name != "sign":
        raise TypeError(f"{name}: input must be of numbers, got bool; {'use ~x for not, or ' * (name == 'neg')}convert with .to(np.float32)")
    return x


def unary(name, formula, derivative, keeps="x", formula_of_derivative="", room="tinyattn.ops.elementwise"):
    """A function of one tensor: its Function class and the public function, made from its derivative."""
    cls = type(f"{name.capitalize()}Function", (Unary,), {
        "kernel": name, "keeps": keeps, "__doc__": f"y = {formula};  dx = {formula_of_derivative}", "__module__": room,
        "derivative": lambda ctx, dy, *saved: derivative(dy, *saved)})

    def function(input):
        x = number_argument(input, name)
        return x if x.dtype == bool or name in WHOLE and x.dtype not in FLOATS else cls.apply(x)

    function.__name__ = function.__qualname__ = name
    function.__module__ = room
    function.__doc__ = f"{formula}, element by element;  dx = {formula_of_derivative}."
    return function


def fused(kernel, written_out):
    """A derivative that runs as one kernel, and as operations where it is itself being recorded."""
    def derivative(dy, saved):
        if is_grad_enabled() and (dy.requires_grad or saved.requires_grad):
            return written_out(dy, saved)
        return FusedDerivative.apply(dy, saved, kernel=kernel)
    return derivative
