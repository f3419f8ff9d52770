"""Elementwise functions: y[i] = f(x[i]), and y[i] = f(a[i], b[i]) with NumPy's broadcasting.

The result has the inputs' dtype (comparisons: bool). A scalar, a Python number or an array without axes, takes the
dtype of the other operand: ``mul(x, 0.5)`` and ``mul(x, np.sqrt(64))`` leave a float32 x float32. `out` may be one of
the inputs: ``add(a, b, out=a)`` accumulates in place.
"""
import math

import numpy as np

from .array import empty

__all__ = [
    "add", "sub", "mul", "div", "floor_divide", "pow", "maximum", "minimum", "add_relu",
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_not",
    "neg", "abs", "sign", "exp", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "square", "sin", "cos", "tanh",
    "sigmoid", "erf", "floor", "ceil", "round", "relu", "gelu", "silu", "softplus", "elu", "leaky_relu",
    "clamp", "where", "all_finite",
    "relu_backward", "sigmoid_backward", "tanh_backward", "gelu_backward", "silu_backward",
]


_quiet = np.errstate(all="ignore")  # 0/0 is NaN, and no reason to speak


def _follow(value, other):
    """`value`, as a scalar of `other`'s dtype if `value` is a scalar and `other` is an array of floats."""
    is_scalar = np.ndim(value) == 0 and (np.ndim(other) > 0 or not isinstance(value, np.ndarray))
    if is_scalar and isinstance(other, np.ndarray):
        return other.dtype.type(value) if other.dtype.kind == "f" else np.asarray(value).item()
    return value


@_quiet
def _binary(f, a, b, out):
    return np.asarray(f(_follow(a, b), _follow(b, a), out=out))


@_quiet
def _unary(f, x, out):
    return np.asarray(f(x, out=out))


def _result(value, like, out):
    """`value` in the dtype of `like`, in `out` if that is given."""
    out = empty(np.shape(value), like.dtype) if out is None else out
    out[...] = value
    return out


# ---- two inputs ----------------------------------------------------------------------------------------------------

def add(a, b, out=None):
    """a + b"""
    return _binary(np.add, a, b, out)


def sub(a, b, out=None):
    """a − b"""
    return _binary(np.subtract, a, b, out)


def mul(a, b, out=None):
    """a · b"""
    return _binary(np.multiply, a, b, out)


def div(a, b, out=None):
    """a / b (true division; x/0 is ±inf, 0/0 is NaN)"""
    return _binary(np.true_divide, a, b, out)


def floor_divide(a, b, out=None):
    """⌊a / b⌋ of the exact quotient: ⌊1 / 0.1⌋ is 9, since the float 0.1 is a little more than a tenth. Integers stay integers."""
    return _binary(np.floor_divide, a, b, out)


def pow(a, b, out=None):
    """aᵇ (NaN for a negative a and a b that is no integer)"""
    return _binary(np.power, a, b, out)


def maximum(a, b, out=None):
    """The larger of a and b; NaN if either is NaN."""
    return _binary(np.maximum, a, b, out)


def add_relu(a, b, out=None):
    """max(a + b, 0): where a residual branch meets its shortcut, in one pass"""
    y = _binary(np.add, a, b, out)
    return np.maximum(y, 0, out=y if isinstance(y, np.ndarray) else None)


def minimum(a, b, out=None):
    """The smaller of a and b; NaN if either is NaN."""
    return _binary(np.minimum, a, b, out)


def eq(a, b, out=None):
    """a = b, as bool"""
    return _binary(np.equal, a, b, out)


def ne(a, b, out=None):
    """a ≠ b, as bool"""
    return _binary(np.not_equal, a, b, out)


def lt(a, b, out=None):
    """a < b, as bool"""
    return _binary(np.less, a, b, out)


def le(a, b, out=None):
    """a ≤ b, as bool"""
    return _binary(np.less_equal, a, b, out)


def gt(a, b, out=None):
    """a > b, as bool"""
    return _binary(np.greater, a, b, out)


def ge(a, b, out=None):
    """a ≥ b, as bool"""
    return _binary(np.greater_equal, a, b, out)


def logical_and(a, b, out=None):
    """a and b, as bool; any number but 0 is true."""
    return _binary(np.logical_and, a, b, out)


def logical_or(a, b, out=None):
    """a or b, as bool; any number but 0 is true."""
    return _binary(np.logical_or, a, b, out)


def logical_not(x, out=None):
    """not x, as bool; any number but 0 is true."""
    return _unary(np.logical_not, x, out)


# ---- one input -----------------------------------------------------------------------------------------------------

def neg(x, out=None):
    """−x"""
    return _unary(np.negative, x, out)


def abs(x, out=None):
    """|x|"""
    return _unary(np.absolute, x, out)


@_quiet
def sign(x, out=None):
    """−1, 0 or 1 as x is below, at or above 0; 0 for NaN, as in PyTorch."""
    y = np.sign(x)
    return _result(np.where(np.isnan(y), 0, y), y, out)


def exp(x, out=None):
    """eˣ"""
    return _unary(np.exp, x, out)


def log(x, out=None):
    """ln x (−inf at 0, NaN below)"""
    return _unary(np.log, x, out)


def log1p(x, out=None):
    """ln(1 + x), exact for small x"""
    return _unary(np.log1p, x, out)


def sqrt(x, out=None):
    """√x (NaN below 0)"""
    return _unary(np.sqrt, x, out)


@_quiet
def rsqrt(x, out=None):
    """1 / √x"""
    return _result(1 / np.sqrt(x), x, out)


def reciprocal(x, out=None):
    """1 / x"""
    return _unary(np.reciprocal, x, out)


def square(x, out=None):
    """x²"""
    return _unary(np.square, x, out)


def sin(x, out=None):
    """sin x"""
    return _unary(np.sin, x, out)


def cos(x, out=None):
    """cos x"""
    return _unary(np.cos, x, out)


def tanh(x, out=None):
    """tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)"""
    return _unary(np.tanh, x, out)


def _sigmoid(x):
    e = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


@_quiet
def sigmoid(x, out=None):
    """σ(x) = 1 / (1 + e⁻ˣ)"""
    return _result(_sigmoid(x), x, out)


_erf = np.vectorize(math.erf, otypes=[float])
_erfc = np.vectorize(math.erfc, otypes=[float])


def _normal_cdf(x):
    """Φ(x) = ½ erfc(−x/√2), the probability that a standard normal is below x; float64."""
    return 0.5 * _erfc(-np.asarray(x, np.float64) / math.sqrt(2))


def _normal_pdf(x):
    """φ(x) = Φ′(x) = e^(−x²/2) / √(2π); float64."""
    return np.exp(-0.5 * np.square(x, dtype=np.float64)) / math.sqrt(2 * math.pi)


@_quiet
def erf(x, out=None):
    """erf x = 2/√π ∫₀ˣ e^(−t²) dt"""
    return _result(_erf(x), x, out)


def floor(x, out=None):
    """The largest integer ≤ x"""
    return _unary(np.floor, x, out)


def ceil(x, out=None):
    """The smallest integer ≥ x"""
    return _unary(np.ceil, x, out)


def round(x, out=None):
    """The nearest integer, halves to the even one"""
    return _unary(np.rint, x, out)


def relu(x, out=None):
    """max(x, 0); NaN stays NaN"""
    return _binary(np.maximum, x, 0, out)


@_quiet
def gelu(x, out=None):
    """x · Φ(x), Φ the standard normal distribution function, by erf (Hendrycks & Gimpel 2016, arXiv:1606.08415)."""
    return _result(x * _normal_cdf(x), x, out)


@_quiet
def silu(x, out=None):
    """x · σ(x) (Elfwing et al. 2017, arXiv:1702.03118)"""
    return _result(x * _sigmoid(x), x, out)


@_quiet
def softplus(x, out=None):
    """ln(1 + eˣ) = max(x, 0) + ln(1 + e^(−|x|))"""
    return _result(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), x, out)


@_quiet
def elu(x, alpha=1.0, out=None):
    """x above 0, α · (eˣ − 1) below (Clevert et al. 2015, arXiv:1511.07289)"""
    return _result(np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), x, out)


@_quiet
def leaky_relu(x, slope, out=None):
    """x above 0, slope · x below"""
    return _result(np.where(x > 0, x, slope * x), x, out)


# ---- three inputs, and checks --------------------------------------------------------------------------------------

@_quiet
def clamp(x, lo, hi, out=None):
    """min(max(x, lo), hi); `lo` or `hi` may be None (no limit), a number, or an array that broadcasts."""
    y = x if lo is None else np.maximum(x, _follow(lo, x))
    return _result(y if hi is None else np.minimum(y, _follow(hi, x)), x, out)


@_quiet
def where(cond, a, b, out=None):
    """a where `cond` (bool) is true, else b; all three broadcast."""
    y = np.where(cond, _follow(a, b), _follow(b, a))
    return _result(y, y, out)


def all_finite(x):
    """Whether `x` has neither a NaN nor an infinity, as a Python bool."""
    return bool(np.isfinite(x).all())


# ---- derivatives: dx = dy · f′, written with whichever of x and y = f(x) is cheaper --------------------------------

@_quiet
def relu_backward(dy, y, out=None):
    """dx = 0 where y ≤ 0, else dy; from y = relu(x)"""
    return _result(np.where(y <= 0, 0, dy), dy, out)


@_quiet
def sigmoid_backward(dy, y, out=None):
    """dx = dy · y · (1 − y); from y = σ(x)"""
    return _result(dy * y * (1 - y), dy, out)


@_quiet
def tanh_backward(dy, y, out=None):
    """dx = dy · (1 − y²); from y = tanh x"""
    return _result(dy * (1 - y * y), dy, out)


@_quiet
def gelu_backward(dy, x, out=None):
    """dx = dy · (Φ(x) + x · φ(x)); from x"""
    return _result(dy * (_normal_cdf(x) + x * _normal_pdf(x)), dy, out)


@_quiet
def silu_backward(dy, x, out=None):
    """dx = dy · σ(x) · (1 + x · (1 − σ(x))); from x"""
    s = _sigmoid(x)
    return _result(dy * s * (1 + x * (1 - s)), dy, out)
