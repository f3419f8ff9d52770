"""Activations: what stands between two layers, so that together they are more than one.

relu, sigmoid and tanh also give their derivative from their output, in one pass. `inplace=True` writes the result over
the input, as in PyTorch; here it saves no time.
"""
import numpy as np

from .arguments import axis, choice, flag, float_argument, real, same_dtype, tensor_argument
from .compare import clamp, ge, gt, le, logical_or, lt, where
from .elementwise import div, erf, exp, mul, neg, sigmoid, square, tanh
from .in_place import in_place
from .pointwise import Binary, Unary, fused, pointwise, promoted, unary
from .shape import cast, chunk


def _gelu_derivative(dy, x):
    phi = exp(square(x) * -0.5) * (1 / np.sqrt(2 * np.pi))       # the normal density
    return dy * ((erf(x * np.sqrt(0.5)) + 1) * 0.5 + x * phi)


def _silu_derivative(dy, x):
    s = sigmoid(x)
    return dy * (s * (1 + x * (1 - s)))


_relu_gradient = fused("relu_backward", lambda dy, y: dy * cast(gt(y, 0), dy.dtype))
_relu = unary("relu", "max(x, 0)", _relu_gradient, "y",
              "dy where y > 0, else 0", __name__)
_gelu = unary("gelu", "x · Φ(x) = x · (1 + erf(x/√2)) / 2", fused("gelu_backward", _gelu_derivative), "x",
              "dy · (Φ(x) + x φ(x))", __name__)
_silu = unary("silu", "x · σ(x)", fused("silu_backward", _silu_derivative), "x", "dy · σ(x)(1 + x(1 − σ(x)))", __name__)
log1pexp = unary("softplus", "ln(1 + eˣ)", lambda dy, x: dy * sigmoid(x), "x", "dy · σ(x)", __name__)


class EluFunction(Unary):
    """y = x if x > 0 else α (eˣ − 1);  dx = dy · (1 if x > 0 else y + α)"""
    kernel = "elu"

    def forward(ctx, x, alpha):
        y = pointwise(ctx.kernels, "elu", x, alpha=alpha)
        ctx.save(x, y)
        return y

    def derivative(ctx, dy, x, y):
        alpha = ctx.attributes["alpha"]
        return dy * where(lt(x, 0), y + alpha, 1 if alpha == 1 else where(gt(x, 0), 1, y.detach() + alpha))     # at 0 it is flat, as PyTorch's


class LeakyReluFunction(Unary):
    """y = x if x > 0 else slope · x;  dx = dy · (1 if x > 0 else slope)"""
    kernel = "leaky_relu"

    def derivative(ctx, dy, x):
        return where(gt(x, 0), dy, dy * ctx.attributes["slope"])


def relu(input, inplace=False):
    """max(x, 0), element by element;  dx = dy where y > 0, else 0."""
    return in_place(relu)(input) if flag(inplace, "relu", "inplace") else _relu(input)


def gelu(input, approximate="none"):
    """x · Φ(x) = x · (1 + erf(x/√2)) / 2;  dx = dy · (Φ(x) + x φ(x)).

    `approximate="tanh"`: x · (1 + tanh u) / 2 with u = √(2/π) (x + 0.044715 x³). (Hendrycks & Gimpel, arXiv:1606.08415)
    """
    x = float_argument(input, "gelu")
    if choice(approximate, ("none", "tanh"), "gelu", "approximate") == "none":
        return _gelu(x)
    return x * sigmoid((x + x * square(x) * 0.044715) * (2 * np.sqrt(2 / np.pi)))     # (1 + tanh u)/2 = σ(2u)


def silu(input, inplace=False):
    """x · σ(x), element by element;  dx = dy · σ(x)(1 + x(1 − σ(x))). (Elfwing et al., arXiv:1702.03118)"""
    float_argument(input, "silu")
    return in_place(silu)(input) if flag(inplace, "silu", "inplace") else _silu(input)


def softplus(input, beta=1.0, threshold=20.0):
    """ln(1 + e^(βx)) / β, and x itself where βx > threshold;  dx = dy · σ(βx)."""
    x, beta = float_argument(input, "softplus"), real(beta, "softplus", "beta")
    threshold = real(threshold, "softplus", "threshold")
    if beta == 0:
        raise ValueError("softplus: beta must not be 0")
    scaled = x if beta == 1 else mul(x, beta)
    y = log1pexp(scaled) if beta == 1 else div(log1pexp(scaled), beta)
    return where(gt(scaled, threshold), x, y)


def elu(input, alpha=1.0, inplace=False):
    """x where x > 0, else α (eˣ − 1). (Clevert et al., arXiv:1511.07289)"""
    x, alpha = float_argument(input, "elu"), real(alpha, "elu", "alpha")
    return in_place(elu)(x, alpha) if flag(inplace, "elu", "inplace") else EluFunction.apply(x, alpha=alpha)


class AddReluFunction(Binary):
    """y = max(a + b, 0);  da = db = dy where y > 0"""
    kernel = "add_relu"

    def forward(ctx, a, b):
        y = super().forward(a, b)
        ctx.save(y)
        return y

    def partials(ctx, dy, y):
        dx = _relu_gradient(dy, y)
        return (lambda: dx), (lambda: dx)


def add_relu(a, b):
    """max(a + b, 0) in one pass: where a residual branch meets its shortcut."""
    a, b = promoted(float_argument(a, "add_relu", "a"), float_argument(b, "add_relu", "b"), "add_relu")
    return AddReluFunction.apply(a, b)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where x > 0, else negative_slope · x."""
    x, slope = float_argument(input, "leaky_relu"), real(negative_slope, "leaky_relu", "negative_slope")
    if flag(inplace, "leaky_relu", "inplace"):
        return in_place(leaky_relu)(x, slope)
    return LeakyReluFunction.apply(x, slope=slope)


# --- compositions of the above ---------------------------------------------------------------------------------------

def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x limited to [min_val, max_val]. ValueError where min_val > max_val."""
    x, lo, hi = tensor_argument(input, "hardtanh"), min_val, max_val
    real(lo, "hardtanh", "min_val"), real(hi, "hardtanh", "max_val")
    if lo > hi:
        raise ValueError(f"hardtanh: min_val must not be above max_val, got {lo} and {hi}")
    if flag(inplace, "hardtanh", "inplace"):
        return in_place(hardtanh)(x, lo, hi)
    if not x.is_floating_point():
        return cast(clamp(x, lo, hi), x.dtype)
    return where(logical_or(le(x, lo), ge(x, hi)), clamp(x.detach(), lo, hi), x)     # at the limits PyTorch's gradient is 0


def relu6(input, inplace=False):
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input, inplace=False):
    """(x + 3) / 6 limited to [0, 1]. (Howard et al., arXiv:1905.02244)"""
    x = float_argument(input, "hardsigmoid")
    return in_place(hardsigmoid)(x) if flag(inplace, "hardsigmoid", "inplace") else div(hardtanh(x + 3, 0.0, 6.0), 6)


def hardswish(input, inplace=False):
    """x · hardsigmoid(x). (Howard et al., arXiv:1905.02244)"""
    x = float_argument(input, "hardswish")
    return in_place(hardswish)(x) if flag(inplace, "hardswish", "inplace") else x * hardsigmoid(x)


def logsigmoid(input):
    """ln σ(x) = −ln(1 + e⁻ˣ)."""
    return neg(log1pexp(neg(float_argument(input, "logsigmoid"))))


def mish(input, inplace=False):
    """x · tanh(ln(1 + eˣ)). (Misra, arXiv:1908.08681)"""
    x = float_argument(input, "mish")
    return in_place(mish)(x) if flag(inplace, "mish", "inplace") else x * tanh(log1pexp(x))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def selu(input, inplace=False):
    """λ · elu(x, α), with the λ and α that keep mean 0 and variance 1. (Klambauer et al., arXiv:1706.02515)"""
    x = float_argument(input, "selu")
    return in_place(selu)(x) if flag(inplace, "selu", "inplace") else elu(x, SELU_ALPHA) * SELU_SCALE


def prelu(input, weight):
    """x where x > 0, else weight · x; weight holds one number, or one for each channel (axis 1). (He et al., arXiv:1502.01852)"""
    x = float_argument(input, "prelu")
    same_dtype("prelu", input=x, weight=float_argument(weight, "prelu", "weight"))
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.data.size not in (1, channels):
        raise ValueError(f"prelu: weight has shape {weight.shape}, expected () or (1,), or ({channels},), one for each channel of input {x.shape}")
    slope = weight.reshape(()) if weight.data.size == 1 else weight.reshape((1, channels) + (1,) * (x.ndim - 2))
    return where(gt(x, 0), x, x * slope)


def glu(input, dim=-1):
    """a · σ(b), where a and b are the halves of the input along `dim`. (Dauphin et al., arXiv:1612.08083)"""
    x = float_argument(input, "glu")
    at = axis(dim, x.ndim, "glu")
    if x.ndim == 0 or x.shape[at] % 2:
        raise ValueError(f"glu: input has shape {x.shape}, expected an even length along axis {at}")
    a, b = chunk(x, 2, at)
    return a * sigmoid(b)
