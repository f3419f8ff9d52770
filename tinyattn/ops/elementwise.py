"""One number in, one number out: arithmetic with broadcasting, and functions applied to each element.

A binary operation stretches axes of length 1 to fit (broadcasting); its backward sums the gradient over what was
stretched (`unbroadcast`). Python and NumPy numbers take the tensor's dtype. The derivative stands beside each formula.
"""
import numpy as np

from ..autograd import Function, is_grad_enabled
from ..tensor import FLOATS, Tensor, is_number
from .arguments import as_tensor, float_argument, real, tensor_argument
from .layout import common_order, to_public
from .shape import broadcast_shape, cast, unbroadcast


def _elementwise(kernels, kernel, *arrays, **options):
    """Call an elementwise kernel on arrays of any strides; the result keeps the memory order of its inputs."""
    shape = arrays[0].shape if len(arrays) == 1 else np.broadcast_shapes(*[a.shape for a in arrays])
    ordered, channels_last = common_order(kernels, arrays, shape)
    y = getattr(kernels, kernel)(*ordered, **options)
    return to_public(y) if channels_last else y


# --- two operands --------------------------------------------------------------------------------------------------

class _Binary(Function):
    """y = f(a, b) with broadcasting; subclasses name the kernel and the two partial derivatives."""
    kernel = None

    def forward(ctx, a, b):
        ctx.shapes = a.shape, b.shape
        ctx.keep(a, b)
        return _elementwise(ctx.kernels, ctx.kernel, a, b)

    def keep(ctx, a, b):
        """What the derivatives need; a sum needs nothing."""

    def backward(ctx, dy):
        partials = ctx.partials(dy, *ctx.saved)
        return tuple(unbroadcast(partial(), shape) if need else None
                     for partial, shape, need in zip(partials, ctx.shapes, ctx.needs))


class AddFunction(_Binary):
    """y = a + b"""
    kernel = "add"

    def partials(ctx, dy):
        return (lambda: dy), (lambda: dy)


class SubFunction(_Binary):
    """y = a − b"""
    kernel = "sub"

    def partials(ctx, dy):
        return (lambda: dy), (lambda: neg(dy))


class MulFunction(_Binary):
    """y = a · b"""
    kernel = "mul"

    def keep(ctx, a, b):
        ctx.save(a if ctx.needs[1] else None, b if ctx.needs[0] else None)

    def partials(ctx, dy, a, b):
        return (lambda: dy * b), (lambda: dy * a)


class DivFunction(_Binary):
    """y = a / b"""
    kernel = "div"

    def keep(ctx, a, b):
        ctx.save(a if ctx.needs[1] else None, b)

    def partials(ctx, dy, a, b):
        return (lambda: dy / b), (lambda: neg(dy * a / (b * b)))


class PowFunction(_Binary):
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


class MaximumFunction(_Binary):
    """y = max(a, b); where they tie, each takes half of the gradient (as in PyTorch)."""
    kernel, wins = "maximum", "gt"

    def keep(ctx, a, b):
        ctx.save(a, b)

    def partials(ctx, dy, a, b):
        wins, half = globals()[ctx.wins], cast(eq(a, b), dy.dtype) * 0.5
        return (lambda: dy * (cast(wins(a, b), dy.dtype) + half)), (lambda: dy * (cast(wins(b, a), dy.dtype) + half))


class MinimumFunction(MaximumFunction):
    """y = min(a, b); where they tie, each takes half of the gradient (as in PyTorch)."""
    kernel, wins = "minimum", "lt"


def _promoted(a, b, caller, to_float=False):
    """Both operands as Tensors of one dtype: the larger kind (bool < int < float); a 0-d operand never widens."""
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        raise TypeError(f"{caller}: expected at least one Tensor, got {type(a).__name__} and {type(b).__name__}")
    a, b = as_tensor(a, caller, b if isinstance(b, Tensor) else None), as_tensor(b, caller, a if isinstance(a, Tensor) else None)
    broadcast_shape(caller, a.shape, b.shape)
    dtype = a.dtype
    if a.dtype != b.dtype:
        rank = {x: ("biuf".index(x.dtype.kind.replace("u", "i")), x.ndim > 0, x.dtype.itemsize) for x in (a, b)}
        dtype = max((a, b), key=rank.get).dtype
    if to_float and dtype not in FLOATS:
        dtype = FLOATS[0]
    return cast(a, dtype), cast(b, dtype)


def add(a, b, *, alpha=1):
    """a + alpha · b"""
    if type(alpha) is not int or alpha != 1:
        real(alpha, "add", "alpha")
        b = mul(b, alpha)
    return AddFunction.apply(*_promoted(a, b, "add"))


def sub(a, b, *, alpha=1):
    """a − alpha · b"""
    if type(alpha) is not int or alpha != 1:
        real(alpha, "sub", "alpha")
        b = mul(b, alpha)
    a, b = _promoted(a, b, "sub")
    if a.dtype == bool:
        raise TypeError("sub: booleans cannot be subtracted; use a != b, or convert with .to(np.float32)")
    return SubFunction.apply(a, b)


def mul(a, b):
    """a · b"""
    return MulFunction.apply(*_promoted(a, b, "mul"))


def div(a, b):
    """a / b (integers become float32)"""
    return DivFunction.apply(*_promoted(a, b, "div", to_float=True))


def pow(a, b):
    """a ** b. A negative base with a fractional exponent gives NaN."""
    if isinstance(a, Tensor) and a.is_floating_point() and is_number(b):
        if b == 2:
            return square(a)
        if b == 0.5:
            return sqrt(a)
    a, b = _promoted(a, b, "pow")
    if a.dtype not in FLOATS and b.data.size and b.data.min() < 0:
        raise ValueError("pow: integers have no integer negative powers; convert with .to(np.float32)")
    return PowFunction.apply(a, b)


def maximum(a, b):
    """The larger of a and b, element by element; NaN where either is."""
    return MaximumFunction.apply(*_promoted(a, b, "maximum"))


def minimum(a, b):
    """The smaller of a and b, element by element; NaN where either is."""
    return MinimumFunction.apply(*_promoted(a, b, "minimum"))


# --- comparisons: booleans, without gradient -----------------------------------------------------------------------

class CompareFunction(Function):
    """y = (a ? b), boolean"""

    def forward(ctx, a, b, kernel):
        return _elementwise(ctx.kernels, kernel, a, b)


def _comparison(kernel, sign):
    def compare(a, b):
        return CompareFunction.apply(*_promoted(a, b, kernel), kernel=kernel)
    compare.__name__ = compare.__qualname__ = kernel
    compare.__doc__ = f"a {sign} b, element by element: a boolean tensor."
    return compare


eq, ne = _comparison("eq", "=="), _comparison("ne", "!=")
lt, le = _comparison("lt", "<"), _comparison("le", "<=")
gt, ge = _comparison("gt", ">"), _comparison("ge", ">=")
logical_and, logical_or = _comparison("logical_and", "and"), _comparison("logical_or", "or")


class LogicalNotFunction(Function):
    """y = not x"""

    def forward(ctx, x):
        return _elementwise(ctx.kernels, "logical_not", x)


def logical_not(x):
    """True where x is 0."""
    return LogicalNotFunction.apply(tensor_argument(x, "logical_not"))


def isnan(x):
    """True where x is not a number."""
    return ne(x, x)


def isfinite(x):
    """True where x is neither infinite nor NaN."""
    return lt(abs(x), np.inf)


# --- one operand ---------------------------------------------------------------------------------------------------

class _Unary(Function):
    """y = f(x); `keeps` says whether the derivative is written with the input "x", the output "y" or nothing."""
    kernel, keeps = None, "x"

    def forward(ctx, x, **options):
        y = _elementwise(ctx.kernels, ctx.kernel, x, **options)
        if ctx.keeps:
            ctx.save(x if ctx.keeps == "x" else y)
        return y

    def backward(ctx, dy):
        return ctx.derivative(dy, *ctx.saved)


OF_INTEGERS = ("neg", "abs", "sign", "square")
"""Functions that give integers for integers; all others want floats."""


def _unary(name, formula, derivative, keeps="x", formula_of_derivative=""):
    """A function of one tensor: its Function class and the public function, made from its derivative."""
    cls = type(f"{name.capitalize()}Function", (_Unary,), {
        "kernel": name, "keeps": keeps, "__doc__": f"y = {formula};  dx = {formula_of_derivative}", "__module__": __name__,
        "derivative": lambda ctx, dy, *saved: derivative(dy, *saved)})

    def function(x):
        (tensor_argument if name in OF_INTEGERS else float_argument)(x, name)
        if name in ("neg", "sign") and x.dtype == bool:
            raise TypeError(f"{name}: input must be of numbers, got bool; use ~x for not, or convert with .to(np.float32)")
        return cls.apply(x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{formula}, element by element;  dx = {formula_of_derivative}."
    return function


class _FusedDerivative(Function):
    """dx = f′ · dy in one pass, through a kernel that takes dy and what was saved; linear in dy."""

    def forward(ctx, dy, saved, kernel):
        return _elementwise(ctx.kernels, kernel, dy, saved)


def _fused(kernel, written_out):
    """A derivative that runs as one kernel, and as operations where it is itself being recorded."""
    def derivative(dy, saved):
        if is_grad_enabled() and (dy.requires_grad or saved.requires_grad):
            return written_out(dy, saved)
        return _FusedDerivative.apply(dy, saved, kernel=kernel)
    return derivative


def _gelu_derivative(dy, x):
    phi = exp(square(x) * -0.5) * (1 / np.sqrt(2 * np.pi))       # the normal density
    return dy * ((erf(x * np.sqrt(0.5)) + 1) * 0.5 + x * phi)


def _silu_derivative(dy, x):
    s = sigmoid(x)
    return dy * (s * (1 + x * (1 - s)))


neg = _unary("neg", "−x", lambda dy: neg(dy), None, "−dy")
abs = _unary("abs", "|x|", lambda dy, x: dy * sign(x), "x", "dy · sign x")
sign = _unary("sign", "sign x", lambda dy: dy * 0, None, "0")
floor = _unary("floor", "⌊x⌋", lambda dy: dy * 0, None, "0")
ceil = _unary("ceil", "⌈x⌉", lambda dy: dy * 0, None, "0")
round = _unary("round", "x to the nearest integer, halves to even", lambda dy: dy * 0, None, "0")
exp = _unary("exp", "eˣ", lambda dy, y: dy * y, "y", "dy · y")
log = _unary("log", "ln x", lambda dy, x: dy / x, "x", "dy / x")
log1p = _unary("log1p", "ln(1 + x)", lambda dy, x: dy / (x + 1), "x", "dy / (1 + x)")
sqrt = _unary("sqrt", "√x", lambda dy, y: dy * 0.5 / y, "y", "dy / 2y")
rsqrt = _unary("rsqrt", "1/√x", lambda dy, y: dy * -0.5 * y * square(y), "y", "−dy · y³ / 2")
reciprocal = _unary("reciprocal", "1/x", lambda dy, y: neg(dy * square(y)), "y", "−dy · y²")
square = _unary("square", "x²", lambda dy, x: dy * (x * 2), "x", "dy · 2x")
sin = _unary("sin", "sin x", lambda dy, x: dy * cos(x), "x", "dy · cos x")
cos = _unary("cos", "cos x", lambda dy, x: neg(dy * sin(x)), "x", "−dy · sin x")
tanh = _unary("tanh", "tanh x", _fused("tanh_backward", lambda dy, y: dy * (1 - square(y))), "y", "dy · (1 − y²)")
sigmoid = _unary("sigmoid", "σ(x) = 1 / (1 + e⁻ˣ)", _fused("sigmoid_backward", lambda dy, y: dy * y * (1 - y)), "y",
                 "dy · y(1 − y)")
erf = _unary("erf", "erf x = 2/√π ∫₀ˣ e^(−t²) dt", lambda dy, x: dy * exp(neg(square(x))) * (2 / np.sqrt(np.pi)), "x",
             "dy · 2/√π e^(−x²)")
relu = _unary("relu", "max(x, 0)", _fused("relu_backward", lambda dy, y: dy * cast(gt(y, 0), dy.dtype)), "y",
              "dy where y > 0, else 0")
gelu = _unary("gelu", "x · Φ(x) = x · (1 + erf(x/√2)) / 2", _fused("gelu_backward", _gelu_derivative), "x",
              "dy · (Φ(x) + x φ(x))")
silu = _unary("silu", "x · σ(x)", _fused("silu_backward", _silu_derivative), "x", "dy · σ(x)(1 + x(1 − σ(x)))")
softplus = _unary("softplus", "ln(1 + eˣ)", lambda dy, x: dy * sigmoid(x), "x", "dy · σ(x)")
elu = _unary("elu", "x if x > 0 else eˣ − 1", lambda dy, y: dy * where(gt(y, 0), 1, y + 1), "y", "dy · (1 if y > 0 else y + 1)")


class LeakyReluFunction(_Unary):
    """y = x if x > 0 else slope · x"""
    kernel = "leaky_relu"

    def forward(ctx, x, slope):
        ctx.save(x)
        return _elementwise(ctx.kernels, "leaky_relu", x, slope=slope)

    def derivative(ctx, dy, x):
        return where(gt(x, 0), dy, dy * ctx.attributes["slope"])


def leaky_relu(x, negative_slope=0.01):
    """x where x > 0, else negative_slope · x."""
    return LeakyReluFunction.apply(float_argument(x, "leaky_relu"), slope=real(negative_slope, "leaky_relu", "negative_slope"))


class ClampFunction(Function):
    """y = min(max(x, lo), hi); the gradient passes where lo ≤ x ≤ hi."""

    def forward(ctx, x, lo, hi):
        ctx.save(x)
        return _elementwise(ctx.kernels, "clamp", x, lo=lo, hi=hi)

    def backward(ctx, dy):
        (x,), lo, hi = ctx.saved, ctx.attributes["lo"], ctx.attributes["hi"]
        inside = logical_and(ge(x, lo), le(x, hi))
        return where(inside, dy, 0)


def _bound(value, name):
    if isinstance(value, Tensor):
        if value.ndim:
            raise TypeError(f"clamp: {name} must be a number, got a tensor of shape {value.shape}; use maximum and minimum")
        value = value.item()
    return real(value, "clamp", name)


def clamp(x, min=None, max=None):
    """x limited to [min, max]; None leaves a side open. ValueError if both are None."""
    if min is None and max is None:
        raise ValueError("clamp: give min, max, or both")
    lo, hi = (side if bound is None else _bound(bound, name)
              for name, bound, side in (("min", min, -np.inf), ("max", max, np.inf)))
    return ClampFunction.apply(float_argument(x, "clamp"), lo=lo, hi=hi)


class WhereFunction(Function):
    """y = a where the condition holds, else b"""

    def forward(ctx, condition, a, b):
        ctx.shapes = a.shape, b.shape
        ctx.save(condition)
        return _elementwise(ctx.kernels, "where", condition, a, b)

    def backward(ctx, dy):
        (condition,), (a, b) = ctx.saved, ctx.shapes
        return (None,
                unbroadcast(where(condition, dy, 0), a) if ctx.needs[1] else None,
                unbroadcast(where(condition, 0, dy), b) if ctx.needs[2] else None)


def where(condition, a, b):
    """a where `condition` (boolean) is true, else b, with broadcasting; the gradient goes where the value came from."""
    if tensor_argument(condition, "where", "condition").dtype != bool:
        raise TypeError(f"where: condition must be boolean, got {condition.dtype}; compare first, as in x > 0")
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a, b = as_tensor(a, "where"), as_tensor(b, "where")
    a, b = _promoted(a, b, "where")
    broadcast_shape("where", condition.shape, a.shape, b.shape)
    return WhereFunction.apply(condition, a, b)


def masked_fill(x, mask, value):
    """x with `value` where the boolean `mask` is true."""
    return where(mask, as_tensor(value, "masked_fill", tensor_argument(x, "masked_fill")), x)
