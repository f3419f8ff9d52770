"""One number in, one number out: arithmetic with broadcasting, and functions applied to each element.

Python and NumPy numbers take the tensor's dtype. The derivative stands beside each formula.
"""
import numbers

import numpy as np

from ..tensor import FLOATS, Tensor, is_number
from .arguments import real, tensor_argument, whole
from .compare import eq, ge, gt, logical_and, lt, ne, where
from .pointwise import Binary, fused, pointwise, promoted, unary


class AddFunction(Binary):
    """y = a + b"""
    kernel = "add"

    def partials(ctx, dy):
        return (lambda: dy), (lambda: dy)


class SubFunction(Binary):
    """y = a − b"""
    kernel = "sub"

    def partials(ctx, dy):
        return (lambda: dy), (lambda: neg(dy))


class MulFunction(Binary):
    """y = a · b"""
    kernel = "mul"

    def keep(ctx, a, b):
        ctx.save(a if ctx.needs[1] else None, b if ctx.needs[0] else None)

    def partials(ctx, dy, a, b):
        return (lambda: dy * b), (lambda: dy * a)


class DivFunction(Binary):
    """y = a / b"""
    kernel = "div"

    def keep(ctx, a, b):
        ctx.save(a if ctx.needs[1] else None, b)

    def partials(ctx, dy, a, b):
        return (lambda: dy / b), (lambda: neg(dy * a / (b * b)))


class RoundedDivideFunction(Binary):
    """y = a / b rounded, a step function: its gradient is 0"""

    def forward(ctx, a, b, towards):
        ctx.shapes, k = (a.shape, b.shape), ctx.kernels
        if towards == "floor":
            return pointwise(k, "floor_divide", a, b)
        y = pointwise(k, "div", a, b)
        return pointwise(k, "where", pointwise(k, "gt", y, np.zeros((), y.dtype)), pointwise(k, "floor", y), pointwise(k, "ceil", y))

    def partials(ctx, dy):
        return (lambda: dy * 0), (lambda: dy * 0)


class PowFunction(Binary):
    """y = a ** b;  ∂y/∂a = b · a^(b−1) (0 where b = 0),  ∂y/∂b = y · log a (0 where a = 0 and b ≥ 0)"""
    kernel = "pow"

    def keep(ctx, a, b):
        ctx.save(a, b)

    def partials(ctx, dy, a, b):
        def base():
            return dy * where(eq(b, 0), 0, b * pow(a, where(eq(b, 0), 1, b) - 1))

        def exponent():
            at_zero = logical_and(eq(a, 0), ge(b, 0))
            return dy * where(at_zero, 0, pow(a, b) * log(where(at_zero, 1, a)))

        return base, exponent


def _scaled(input, other, alpha, caller):
    """Both operands in one dtype, the second times alpha."""
    a, b = promoted(input, other, caller)
    if type(alpha) is int and alpha == 1:
        return a, b
    if not isinstance(alpha, (bool, np.bool_)):
        real(alpha, caller, "alpha")
    if not a.is_floating_point() and not isinstance(alpha, numbers.Integral):
        raise TypeError(f"{caller}: alpha must be an int for tensors of {a.dtype}, got {alpha}; convert with .to(np.float32)")
    return a, mul(b, alpha)


def add(input, other, *, alpha=1):
    """input + alpha · other"""
    return AddFunction.apply(*_scaled(input, other, alpha, "add"))


def sub(input, other, *, alpha=1):
    """input − alpha · other"""
    a, b = _scaled(input, other, alpha, "sub")
    if bool in (getattr(input, "dtype", type(input)), getattr(other, "dtype", type(other))):
        raise TypeError("sub: booleans cannot be subtracted; use a != b or ~a, or convert with .to(np.float32)")
    return SubFunction.apply(a, b)


def mul(input, other):
    """input · other"""
    return MulFunction.apply(*promoted(input, other, "mul"))


def div(input, other, *, rounding_mode=None):
    """input / other (integers become float32); `rounding_mode` "trunc" rounds towards 0, "floor" downwards, without gradient.

    With a rounding mode integers stay integers; ValueError where they are divided by 0.
    """
    if rounding_mode is None:
        return DivFunction.apply(*promoted(input, other, "div", to_float=True))
    if not isinstance(rounding_mode, str) or rounding_mode not in ("trunc", "floor"):
        raise ValueError(f"div: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}")
    a, b = promoted(input, other, "div")
    if a.dtype == bool:
        raise TypeError("div: booleans cannot be divided into whole numbers; convert with .to(np.int64)")
    if a.is_floating_point():
        return RoundedDivideFunction.apply(a, b, towards=rounding_mode)
    if a.data.size and b.data.size and eq(b, 0).any():
        raise ValueError("div: an integer was divided by 0; convert with .to(np.float32) to get an infinity")
    down = RoundedDivideFunction.apply(a, b, towards="floor")
    between = logical_and(ne(a, down * b), ne(a < 0, b < 0))     # below 0, and not a whole number
    return down if rounding_mode == "floor" else down + between


def floor_divide(input, other):
    """⌊input / other⌋, without gradient."""
    return div(input, other, rounding_mode="floor")


def remainder(input, other):
    """input − other · ⌊input / other⌋: what is left, with the sign of `other`."""
    if not isinstance(input, Tensor):
        tensor_argument(other, "remainder", "one of input and other")
    return sub(input, mul(floor_divide(input, other), other))


def pow(input, exponent):
    """input ** exponent. A negative base with a fractional exponent gives NaN."""
    if isinstance(input, Tensor) and input.is_floating_point() and is_number(exponent):
        if exponent == 2:
            return square(input)
        if exponent == 0.5:
            return sqrt(input)
    if not isinstance(input, Tensor):
        tensor_argument(exponent, "pow", "one of input and exponent")
    a, b = promoted(input, exponent, "pow")
    if a.dtype not in FLOATS and b.data.size and lt(b, 0).any():
        raise ValueError("pow: integers have no integer negative powers; convert with .to(np.float32)")
    if a.dtype == bool:
        raise TypeError("pow: booleans have no powers; convert with .to(np.float32)")
    return PowFunction.apply(a, b)


# --- one operand ---------------------------------------------------------------------------------------------------

neg = unary("neg", "−x", lambda dy: neg(dy), None, "−dy")
abs = unary("abs", "|x|", lambda dy, x: dy * sign(x), "x", "dy · sign x")
sign = unary("sign", "sign x", lambda dy: dy * 0, None, "0")
floor = unary("floor", "⌊x⌋", lambda dy: dy * 0, None, "0")
ceil = unary("ceil", "⌈x⌉", lambda dy: dy * 0, None, "0")
_round = unary("round", "x to the nearest integer, halves to even", lambda dy: dy * 0, None, "0")
exp = unary("exp", "eˣ", lambda dy, y: dy * y, "y", "dy · y")
log = unary("log", "ln x", lambda dy, x: dy / x, "x", "dy / x")
log1p = unary("log1p", "ln(1 + x)", lambda dy, x: dy / (x + 1), "x", "dy / (1 + x)")
sqrt = unary("sqrt", "√x", lambda dy, y: dy * 0.5 / y, "y", "dy / 2y")
rsqrt = unary("rsqrt", "1/√x", lambda dy, y: dy * -0.5 * y * square(y), "y", "−dy · y³ / 2")
reciprocal = unary("reciprocal", "1/x", lambda dy, y: neg(dy * square(y)), "y", "−dy · y²")
square = unary("square", "x²", lambda dy, x: dy * (x * 2), "x", "dy · 2x")
sin = unary("sin", "sin x", lambda dy, x: dy * cos(x), "x", "dy · cos x")
cos = unary("cos", "cos x", lambda dy, x: neg(dy * sin(x)), "x", "−dy · sin x")
tanh = unary("tanh", "tanh x", fused("tanh_backward", lambda dy, y: dy * (1 - square(y))), "y", "dy · (1 − y²)")
sigmoid = unary("sigmoid", "σ(x) = 1 / (1 + e⁻ˣ)", fused("sigmoid_backward", lambda dy, y: dy * y * (1 - y)), "y",
                "dy · y(1 − y)")
erf = unary("erf", "erf x = 2/√π ∫₀ˣ e^(−t²) dt", lambda dy, x: dy * exp(neg(square(x))) * (2 / np.sqrt(np.pi)), "x",
            "dy · 2/√π e^(−x²)")


def round(input, *, decimals=0):
    """input to the nearest multiple of 10^(−decimals), halves to even;  dx = 0."""
    x = tensor_argument(input, "round")
    if whole(decimals, "round", "decimals", -300) == 0:
        return _round(x)
    if decimals > 300:
        raise ValueError(f"round: decimals must be at most 300, got {decimals}")
    if not x.is_floating_point():
        raise TypeError(f"round: decimals need a tensor of float32 or float64, got {x.dtype}")
    scale = 10.0 ** decimals if decimals > 0 else 10.0 ** -decimals
    return div(_round(mul(x, scale)), scale) if decimals > 0 else mul(_round(div(x, scale)), scale)


def trunc(input):
    """The whole part of input, rounded towards 0;  dx = 0."""
    x = tensor_argument(input, "trunc")
    return where(gt(x, 0), floor(x), ceil(x)) if x.is_floating_point() else x
