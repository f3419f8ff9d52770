"""Comparing and choosing: a ? b, the larger of two, one where a condition holds and the other elsewhere.

Comparisons give booleans, without gradient. A choice passes its gradient to what was chosen.
"""
import numpy as np

from ..autograd import Function
from ..tensor import Tensor, is_number
from .arguments import as_tensor, flag, real, tensor_argument
from .pointwise import Binary, pointwise, promoted, result_dtype
from .shape import broadcast_shape, cast, unbroadcast


class CompareFunction(Function):
    """y = (a ? b), boolean"""
    takes_numbers = True

    def forward(ctx, a, b, kernel):
        return pointwise(ctx.kernels, kernel, a, b)


def _comparison(kernel, sign, numbers=True):
    def compare(input, other):
        if not numbers:
            tensor_argument(other, kernel, "other")
        return CompareFunction.apply(*promoted(tensor_argument(input, kernel), other, kernel), kernel=kernel)
    compare.__name__ = compare.__qualname__ = kernel
    compare.__doc__ = f"input {sign} other, element by element: a boolean tensor."
    return compare


eq, ne = _comparison("eq", "=="), _comparison("ne", "!=")
lt, le = _comparison("lt", "<"), _comparison("le", "<=")
gt, ge = _comparison("gt", ">"), _comparison("ge", ">=")
logical_and, logical_or = _comparison("logical_and", "and", False), _comparison("logical_or", "or", False)


def logical_xor(input, other):
    """input or other but not both, element by element: a boolean tensor."""
    return ne(logical_not(input), logical_not(tensor_argument(other, "logical_xor", "other")))


class LogicalNotFunction(Function):
    """y = not x"""

    def forward(ctx, x):
        return pointwise(ctx.kernels, "logical_not", x)


def logical_not(input):
    """True where input is 0."""
    return LogicalNotFunction.apply(tensor_argument(input, "logical_not"))


def isnan(input):
    """True where input is not a number."""
    return ne(input, input)


def isfinite(input):
    """True where input is neither infinite nor NaN."""
    return logical_and(gt(input, -np.inf), lt(input, np.inf))


def isinf(input):
    """True where input is ∞ or −∞."""
    return logical_or(eq(input, -np.inf), eq(input, np.inf))


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """True where |input − other| ≤ atol + rtol · |other|, or both are the same infinity (or NaN, with `equal_nan`)."""
    tensor_argument(input, "isclose"), tensor_argument(other, "isclose", "other")
    a, b = (cast(x, np.float64).detach() for x in promoted(input, other, "isclose"))
    rtol, atol = real(rtol, "isclose", "rtol", 0), real(atol, "isclose", "atol", 0)
    close = logical_or(eq(a, b), logical_and(isfinite(b), le((a - b).abs(), b.abs() * rtol + atol)))
    return logical_or(close, logical_and(isnan(a), isnan(b))) if flag(equal_nan, "isclose", "equal_nan") else close


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether `isclose` holds everywhere, as a Python bool."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


def equal(input, other):
    """Whether both have one shape and the same elements, as a Python bool."""
    tensor_argument(input, "equal"), tensor_argument(other, "equal", "other")
    return input.shape == other.shape and bool(eq(input, other).all().item())


# --- choices ---------------------------------------------------------------------------------------------------------

class MaximumFunction(Binary):
    """y = max(a, b); where they tie, each takes half of the gradient (as in PyTorch)."""
    kernel, loses = "maximum", lt

    def keep(ctx, a, b):
        ctx.save(a, b)

    def partials(ctx, dy, a, b):
        rest = 1 - cast(eq(a, b), dy.dtype) * 0.5                     # beside a NaN nobody loses: both get all
        return (lambda: dy * (rest - cast(type(ctx).loses(a, b), dy.dtype))), (lambda: dy * (rest - cast(type(ctx).loses(b, a), dy.dtype)))


class MinimumFunction(MaximumFunction):
    """y = min(a, b); where they tie, each takes half of the gradient (as in PyTorch)."""
    kernel, loses = "minimum", gt


def maximum(input, other):
    """The larger of input and other, element by element; NaN where either is."""
    tensor_argument(input, "maximum"), tensor_argument(other, "maximum", "other")
    return MaximumFunction.apply(*promoted(input, other, "maximum"))


def minimum(input, other):
    """The smaller of input and other, element by element; NaN where either is."""
    tensor_argument(input, "minimum"), tensor_argument(other, "minimum", "other")
    return MinimumFunction.apply(*promoted(input, other, "minimum"))


class WhereFunction(Function):
    """y = a where the condition holds, else b"""
    takes_numbers = True

    def forward(ctx, condition, a, b):
        ctx.shapes = a.shape, b.shape
        ctx.save(condition)
        return pointwise(ctx.kernels, "where", condition, a, b)

    def backward(ctx, dy):
        (condition,), (a, b) = ctx.saved, ctx.shapes
        return (None,
                unbroadcast(where(condition, dy, 0), a) if ctx.needs[1] else None,
                unbroadcast(where(condition, 0, dy), b) if ctx.needs[2] else None)


def where(condition, input, other):
    """input where `condition` (boolean) is true, else other, with broadcasting; the gradient goes where the value came from."""
    if tensor_argument(condition, "where", "condition").dtype != bool:
        raise TypeError(f"where: condition must be boolean, got {condition.dtype}; compare first, as in x > 0")
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input, other = as_tensor(input, "where"), as_tensor(other, "where")
    input, other = promoted(input, other, "where")
    broadcast_shape("where", condition.shape, input.shape, other.shape)
    return WhereFunction.apply(condition, input, other)


def masked_fill(input, mask, value):
    """input with `value`, a number or a tensor without axes, where the boolean `mask` is true."""
    if tensor_argument(mask, "masked_fill", "mask").dtype != bool:
        raise TypeError(f"masked_fill: mask must be boolean, got {mask.dtype}; compare first, as in x > 0")
    value = as_tensor(value, "masked_fill", tensor_argument(input, "masked_fill"))
    broadcast_shape("masked_fill", input.shape, mask.shape)
    if value.ndim:
        raise ValueError(f"masked_fill: value must be a number or a tensor without axes, got shape {value.shape}; use "
                         "ta.where(mask, value, input)")
    if input.dtype.kind in "iu" and not np.iinfo(input.dtype).min <= value.item() <= np.iinfo(input.dtype).max:
        raise ValueError(f"masked_fill: {value.item()} does not fit into an input of {input.dtype}; convert the input with .to(…)")
    return where(mask, cast(value, input.dtype), input)


# --- limits ----------------------------------------------------------------------------------------------------------

class ClampFunction(Function):
    """y = min(max(x, lo), hi); the gradient passes where lo ≤ x ≤ hi."""

    def forward(ctx, x, lo, hi):
        ctx.save(x)
        return pointwise(ctx.kernels, "clamp", x, lo=lo, hi=hi)

    def backward(ctx, dy):
        (x,), lo, hi = ctx.saved, ctx.attributes["lo"], ctx.attributes["hi"]
        inside = logical_and(ge(x, -np.inf if lo is None else lo), le(x, np.inf if hi is None else hi))
        return where(inside, dy, 0)


def _by_tensors(x, lo, hi):
    """Clamp by tensors: a bound that takes the place of x takes its gradient (all of it; a tie leaves it with x)."""
    low = None if lo is None else lt(x, lo)
    y = x if lo is None else where(low, lo, x)
    return y if hi is None else where(gt(y, hi), hi, y)


def clamp(input, min=None, max=None):
    """input limited to [min, max], which are numbers or tensors that broadcast; None leaves a side open.

    Where min > max the result is max. ValueError if both are None.
    """
    x = tensor_argument(input, "clamp")
    if min is None and max is None:
        raise ValueError("clamp: give min, max, or both")
    if x.dtype == bool:
        raise TypeError("clamp: input must be of numbers, got bool; convert with .to(np.float32)")
    bounds = [None if b is None else as_tensor(b, "clamp", x) for b in (min, max)]
    for bound, name in zip(bounds, ("min", "max")):
        if bound is None:
            continue
        if bound.dtype == bool:
            raise TypeError(f"clamp: {name} must be a number or a tensor of numbers, got bool")
        broadcast_shape(f"clamp: {name}", bound.shape, x.shape)
    x = cast(x, result_dtype(x, *[b for b in bounds if b is not None]))
    if all(b is None or is_number(b) for b in (min, max)):
        if any(b is not None and b != b for b in (min, max)):
            return x * np.nan
        return ClampFunction.apply(x, lo=min, hi=max)
    return _by_tensors(x, *(None if b is None else cast(b, x.dtype) for b in bounds))
