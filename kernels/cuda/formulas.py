"""What elementwise kernels compute, a formula a line: name → a function of the dtype that gives the function of the numbers.

``real`` is the type of the constants: 0.5 alone would be a float64, and pull a float32 along. Truth values are bytes (uint8), any
number but 0 is true, and comparisons give Python's True and False, which the loop turns into bytes. NaN is the number that is
not equal to itself: where it must win, as in `maximum`, the formula asks.
"""
import math

import numpy as np

from .runtime import device, library

INVERSE_SQRT_2, INVERSE_SQRT_2PI = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)


def _absolute(real):
    if np.dtype(real).kind == "u":
        return lambda x: x
    return lambda x: x if x > real(0) else real(0) - x  # −0 becomes 0, NaN stays


def _sign(real):
    below = real(0) if np.dtype(real).kind == "u" else real(-1)
    return lambda x: real(1) if x > real(0) else below if x < real(0) else real(0)


def _to_whole(name):
    """A float rounded by the library's function; integers are whole."""
    def formula(real):
        if np.dtype(real).kind != "f":
            return lambda x: x
        function = library(name, real, getattr(np, name))
        return lambda x: function(x)
    return formula


def _floor_divide(real):
    """⌊a/b⌋ of the exact quotient: with rest = a − n·b exactly, (a − rest) / b is n but for rounding."""
    if np.dtype(real).kind != "f":
        return lambda a, b: a // b if b != real(0) else real(0)

    def floor_divide(a, b):
        rest = math.fmod(a, b)
        n = (a - rest) / b
        if rest != real(0) and (rest < real(0)) != (b < real(0)):
            n -= real(1)
        down = floor(n)
        down = down + real(1) if n - down > real(0.5) else down
        return a / b if b == real(0) else down if n != real(0) else math.copysign(real(0), a / b)
    floor = library("floor", real, np.floor)
    return floor_divide


def _power(real):
    if np.dtype(real).kind == "f":
        return lambda a, b: math.pow(a, b)

    def power(a, b):  # by squaring: aᵇ = Π a^(2ᵏ) over the bits k of b
        result, factor, left = real(1), a, b
        while left > real(0):
            if left & real(1):
                result = real(result * factor)
            factor = real(factor * factor)
            left = real(left >> real(1))
        return result
    return power


def _sigmoid(real):
    return lambda x: real(1) / (real(1) + math.exp(-x))  # e⁻ˣ = ∞ gives the right 0


def _softplus(real):
    absolute = device(_absolute(real))
    return lambda x: (real(0) if x < real(0) else x) + math.log1p(math.exp(-absolute(x)))


def _normal_cdf(real):
    """Φ(x) = ½ erfc(−x/√2)"""
    return lambda x: real(0.5) * math.erfc(x * real(-INVERSE_SQRT_2))


def _gelu(real):
    cdf = device(_normal_cdf(real))
    return lambda x: x * cdf(x)


def _gelu_slope(real):
    cdf = device(_normal_cdf(real))
    return lambda dy, x: dy * (cdf(x) + x * math.exp(real(-0.5) * x * x) * real(INVERSE_SQRT_2PI))


def _silu(real):
    sigmoid = device(_sigmoid(real))
    return lambda x: x * sigmoid(x)


def _silu_slope(real):
    sigmoid = device(_sigmoid(real))

    def slope(dy, x):
        s = sigmoid(x)
        return dy * s * (real(1) + x * (real(1) - s))
    return slope


def _clamp(real):
    larger, smaller = device(FORMULAS["maximum"](real)), device(FORMULAS["minimum"](real))
    return lambda x, lo, hi: smaller(larger(x, lo), hi)


def _add_relu(real):
    def add_relu(a, b):
        total = real(a + b)
        return real(0) if total <= real(0) else total
    return add_relu


FORMULAS = {
    # --- copies and conversions
    "copy": lambda real: lambda x: x,
    "nonzero": lambda real: lambda x: x != real(0),
    # --- two operands
    "add": lambda real: lambda a, b: a + b,
    "sub": lambda real: lambda a, b: a - b,
    "mul": lambda real: lambda a, b: a * b,
    "div": lambda real: lambda a, b: a / b,
    "floor_divide": _floor_divide,
    "pow": _power,
    "maximum": lambda real: lambda a, b: a if a > b or a != a else b,
    "minimum": lambda real: lambda a, b: a if a < b or a != a else b,
    "add_relu": _add_relu,
    "eq": lambda real: lambda a, b: a == b,
    "ne": lambda real: lambda a, b: a != b,
    "lt": lambda real: lambda a, b: a < b,
    "le": lambda real: lambda a, b: a <= b,
    "gt": lambda real: lambda a, b: a > b,
    "ge": lambda real: lambda a, b: a >= b,
    "logical_and": lambda real: lambda a, b: a != real(0) and b != real(0),
    "logical_or": lambda real: lambda a, b: a != real(0) or b != real(0),
    # --- one operand
    "logical_not": lambda real: lambda x: x == real(0),
    "neg": lambda real: lambda x: -x,
    "abs": _absolute,
    "sign": _sign,
    "exp": lambda real: lambda x: math.exp(x),
    "log": lambda real: lambda x: math.log(x),
    "log1p": lambda real: lambda x: math.log1p(x),
    "sqrt": lambda real: lambda x: math.sqrt(x),
    "rsqrt": lambda real: lambda x: real(1) / math.sqrt(x),
    "reciprocal": lambda real: lambda x: real(1) / x,
    "square": lambda real: lambda x: x * x,
    "sin": lambda real: lambda x: math.sin(x),
    "cos": lambda real: lambda x: math.cos(x),
    "tanh": lambda real: lambda x: math.tanh(x),
    "sigmoid": _sigmoid,
    "erf": lambda real: lambda x: math.erf(x),
    "floor": _to_whole("floor"),
    "ceil": _to_whole("ceil"),
    "round": _to_whole("rint"),
    "relu": lambda real: lambda x: real(0) if x <= real(0) else x,
    "gelu": _gelu,
    "silu": _silu,
    "softplus": _softplus,
    "elu": lambda real: lambda x, alpha: x if x > real(0) else alpha * math.expm1(x),
    "leaky_relu": lambda real: lambda x, slope: x if x > real(0) else slope * x,
    # --- three operands
    "clamp": _clamp,
    "where": lambda real: lambda condition, a, b: a if condition else b,
    # --- derivatives: dx = dy · f′
    "relu_backward": lambda real: lambda dy, y: real(0) if y <= real(0) else dy,
    "sigmoid_backward": lambda real: lambda dy, y: dy * y * (real(1) - y),
    "tanh_backward": lambda real: lambda dy, y: dy * (real(1) - y * y),
    "gelu_backward": _gelu_slope,
    "silu_backward": _silu_slope,
}
