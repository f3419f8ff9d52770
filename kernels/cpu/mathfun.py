"""exp, log, tanh and the normal distribution as plain arithmetic, so that a loop over them is vectorised.

A call into the C library handles one number at a time; these handle 16 floats in one instruction. Inside a kernel,
``exp_(x)`` takes a float32 or float64 scalar and returns the same type. The method is Cody & Waite's (*Software Manual
for the Elementary Functions*, 1980): reduce the argument to a small interval by exact steps, sum a short series there,
and undo the reduction by moving exponent bits.

These are compiled with `precise`: a step like (x − n·hi) − n·lo keeps digits only if nobody rearranges it.
"""
import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from .jit import precise

f32, i32, i64 = np.float32, np.int32, np.int64

LOG2_E = 1.4426950408889634
LN2, LN2_REST = 0.6931471805599453, 2.3190468138462996e-17  # ln 2 = 0.6931471805599453094172321214581765…
LN2_HIGH_32 = math.floor(LN2 * 2.0**15) / 2.0**15  # few bits: n · high is exact
LN2_LOW_32 = (LN2 - LN2_HIGH_32) + LN2_REST
LN2_HIGH_64 = math.floor(LN2 * 2.0**38) / 2.0**38
LN2_LOW_64 = (LN2 - LN2_HIGH_64) + LN2_REST
SQRT2 = math.sqrt(2)


def _by_type(name, doc, single, double):
    """A function for kernels that calls `single` for a float32 and `double` for a float64."""
    def function(x):
        return single(x) if isinstance(x, np.float32) else double(x)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc

    def choose(x):
        if x == types.float32:
            return lambda x: single(x)
        if x == types.float64:
            return lambda x: double(x)
        return None
    overload(function, jit_options={"forceinline": True, "error_model": "numpy"})(choose)
    return function


def like(value, x):
    """`value` as a number of x's type: in a kernel ``0.5 * x`` would compute a float32 x in float64."""
    return type(x)(value)


@overload(like)
def _like(value, x):
    if x == types.float32:
        return lambda value, x: np.float32(value)
    return lambda value, x: np.float64(value)


def _llvm(name, doc):
    """LLVM's own function of two floats, for kernels: unlike a comparison, it can be vectorised in a reduction."""
    @intrinsic
    def function(typingctx, a, b):
        def generate(context, builder, signature, arguments):
            kind = arguments[0].type
            callee = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind, kind]))
            return builder.call(callee, arguments)
        return a(a, b), generate
    function.__doc__ = doc
    return function


maximum_ = _llvm("llvm.maximum", "The larger of two floats; NaN if either is NaN.")
minimum_ = _llvm("llvm.minimum", "The smaller of two floats; NaN if either is NaN.")


# ---- eˣ = 2ⁿ · eʳ with n = round(x / ln 2), |r| ≤ ½ ln 2, and eʳ = Σ rᵏ / k! ---------------------------------------

@precise
def _expm1_series_32(r):
    """(eʳ − 1) / r"""
    p = f32(1 / 5040)
    for c in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0):
        p = p * r + f32(c)
    return p


@precise
def _expm1_series_64(r):
    """(eʳ − 1) / r"""
    p = 1 / 6227020800  # 1 / 13!
    for c in (1 / 479001600, 1 / 39916800, 1 / 3628800, 1 / 362880, 1 / 40320, 1 / 5040, 1 / 720, 1 / 120, 1 / 24,
              1 / 6, 1 / 2, 1.0):
        p = p * r + c
    return p


@precise
def _power_of_2_32(n):
    """2ⁿ for −126 ≤ n ≤ 127, by writing the exponent's bits"""
    return i32((n + i32(127)) << i32(23)).view(f32)


@precise
def _power_of_2_64(n):
    """2ⁿ for −1022 ≤ n ≤ 1023"""
    return i64((i64(n) + i64(1023)) << i64(52)).view(np.float64)


@precise
def _exp_32(x):
    t = x if x > f32(-104) else f32(-104)  # beyond these the result is 0 or ∞
    t = t if t < f32(89) else f32(89)
    n = np.rint(t * f32(LOG2_E))
    r = (t - n * f32(LN2_HIGH_32)) - n * f32(LN2_LOW_32)
    k = i32(n)
    half = k >> i32(1)  # 2ⁿ in two factors: n = 128 is no exponent, n < −126 is rounded once, to a denormal
    y = (_expm1_series_32(r) * r + f32(1)) * _power_of_2_32(half) * _power_of_2_32(k - half)
    return y if x == x else x


@precise
def _exp_64(x):
    t = x if x > -746.0 else -746.0
    t = t if t < 710.0 else 710.0
    n = np.rint(t * LOG2_E)
    r = (t - n * LN2_HIGH_64) - n * LN2_LOW_64
    k = i32(n)
    half = k >> i32(1)
    y = (_expm1_series_64(r) * r + 1.0) * _power_of_2_64(half) * _power_of_2_64(k - half)
    return y if x == x else x


@precise
def _exp_falling_32(x):
    t = f32(-87) if x < f32(-87) else x  # a NaN stays one
    n = np.rint(t * f32(LOG2_E))
    r = (t - n * f32(LN2_HIGH_32)) - n * f32(LN2_LOW_32)
    y = (_expm1_series_32(r) * r + f32(1)) * _power_of_2_32(i32(n))
    return f32(0) if x < f32(-87) else y


@precise
def _exp_falling_64(x):
    t = -708.0 if x < -708.0 else x
    n = np.rint(t * LOG2_E)
    r = (t - n * LN2_HIGH_64) - n * LN2_LOW_64
    y = (_expm1_series_64(r) * r + 1.0) * _power_of_2_64(i32(n))
    return 0.0 if x < -708.0 else y


@precise
def _expm1_32(x):
    t = x if x > f32(-30) else f32(-30)  # below, the result is −1
    t = t if t < f32(88) else f32(88)
    n = np.rint(t * f32(LOG2_E))
    r = (t - n * f32(LN2_HIGH_32)) - n * f32(LN2_LOW_32)
    s = _power_of_2_32(i32(n))
    y = s * (_expm1_series_32(r) * r) + (s - f32(1))
    return y if x == x else x


@precise
def _expm1_64(x):
    t = x if x > -50.0 else -50.0
    t = t if t < 709.0 else 709.0
    n = np.rint(t * LOG2_E)
    r = (t - n * LN2_HIGH_64) - n * LN2_LOW_64
    s = _power_of_2_64(i32(n))
    y = s * (_expm1_series_64(r) * r) + (s - 1.0)
    return y if x == x else x


exp_ = _by_type("exp_", "eˣ within 1 unit in the last place: ∞ above 88.72 (709.78), denormals and 0 below −87 (−708).",
                _exp_32, _exp_64)
exp_falling_ = _by_type("exp_falling_", "eˣ for x up to 1, as in a softmax, a third cheaper: 0 below −87 (−708) instead of denormals.",
                       _exp_falling_32, _exp_falling_64)
expm1_ = _by_type("expm1_", "eˣ − 1, exact for small x; x up to 88 (709).", _expm1_32, _expm1_64)


# ---- ln x = e ln 2 + ln m with m in [√½, √2), and ln m = 2 artanh s = 2 Σ s²ᵏ⁺¹ / (2k + 1), s = (m − 1)/(m + 1) ---

@precise
def _bits_32(x):
    return f32(x).view(i32)


@precise
def _bits_64(x):
    return np.float64(x).view(i64)


@precise
def _log_32(x):
    tiny = x < f32(1.1754944e-38)  # a denormal has no exponent to read: scale it up
    bits = _bits_32(x * f32(2.0**25) if tiny else x)
    e = (bits >> i32(23)) - (i32(152) if tiny else i32(127))
    m = i32((bits & i32(0x7FFFFF)) | i32(0x3F800000)).view(f32)  # [1, 2)
    big = m > f32(SQRT2)
    m = m * f32(0.5) if big else m
    n = f32(e + (i32(1) if big else i32(0)))
    f = m - f32(1)
    s = f / (m + f32(1))
    z = s * s
    p = f32(2 / 9)
    for c in (2 / 7, 2 / 5, 2 / 3):
        p = p * z + f32(c)
    y = n * f32(LN2_HIGH_32) + (f - (s * (f - p * z) - n * f32(LN2_LOW_32)))  # 2 s = f − s · f
    y = y if x > f32(0) else (f32(-np.inf) if x == f32(0) else f32(np.nan))
    return y if x < f32(np.inf) else x


@precise
def _log_64(x):
    tiny = x < 2.2250738585072014e-308
    bits = _bits_64(x * 2.0**54 if tiny else x)
    e = (bits >> i64(52)) - (i64(1077) if tiny else i64(1023))
    m = i64((bits & i64(0xFFFFFFFFFFFFF)) | i64(0x3FF0000000000000)).view(np.float64)
    big = m > SQRT2
    m = m * 0.5 if big else m
    n = np.float64(i32(e) + (i32(1) if big else i32(0)))
    f = m - 1.0
    s = f / (m + 1.0)
    z = s * s
    p = 2 / 23
    for c in (2 / 21, 2 / 19, 2 / 17, 2 / 15, 2 / 13, 2 / 11, 2 / 9, 2 / 7, 2 / 5, 2 / 3):
        p = p * z + c
    y = n * LN2_HIGH_64 + (f - (s * (f - p * z) - n * LN2_LOW_64))
    y = y if x > 0.0 else (-np.inf if x == 0.0 else np.nan)
    return y if x < np.inf else x


log_ = _by_type("log_", "ln x within 2 units in the last place; −∞ at 0, NaN below.", _log_32, _log_64)


@precise
def log1p_(x):
    """ln(1 + x), exact for small x: the rounding of u = 1 + x is put back as (x − (u − 1)) / u."""
    one = like(1, x)
    u = one + x
    y = log_(u)
    lost = (x - (u - one)) / u
    return y + (lost if (u > like(0, x)) & (u < like(np.inf, x)) else like(0, x))


# ---- functions of eˣ -----------------------------------------------------------------------------------------------

@precise
def sigmoid_(x):
    """1 / (1 + e⁻ˣ); e⁻ˣ = ∞ gives the right 0."""
    return like(1, x) / (like(1, x) + exp_(-x))


@precise
def tanh_(x):
    """sign(x) · d / (d + 2) with d = e^(2|x|) − 1, which keeps its digits for small x; ±1 beyond 20."""
    a = abs(x)
    a = a if a < like(20, x) else like(20, x)
    d = expm1_(a + a)
    y = d / (d + like(2, x))
    y = y if x > like(0, x) else -y
    return y if x == x else x


@precise
def softplus_(x):
    """ln(1 + eˣ) = max(x, 0) + ln(1 + e^(−|x|))"""
    top = like(0, x) if x < like(0, x) else x
    return top + log1p_(exp_(-abs(x)))


# ---- the error function and the normal distribution ----------------------------------------------------------------

@precise
def _scaled_erfc_32(z):
    """e^(z²) · erfc z for z ≥ 0, as a polynomial in t = 1 / (1 + z/2) whose coefficients were fitted to it.

    Relative error 4e-8, and a little more from rounding. The form is Hastings's (*Approximations for Digital
    Computers*, 1955), with more terms.
    """
    t = f32(1) / (f32(1) + f32(0.5) * z)
    p = f32(-0.05919432886377575)
    for c in (0.28518751417342225, -0.48847016156482576, 0.27952267022714045, -0.02762995578330607,
              0.20311248574702156, 0.2429960208142097, 0.2823901408123904, 0.28208557105029153):
        p = p * t + f32(c)
    return p * t


@precise
def _erf_series_32(x):
    """erf x for |x| ≤ ½: 2/√π Σ (−1)ᵏ x²ᵏ⁺¹ / (k! (2k + 1))"""
    z = x * x
    p = f32(1 / 9360)
    for c in (-1 / 1320, 1 / 216, -1 / 42, 1 / 10, -1 / 3, 1.0):
        p = p * z + f32(c)
    return p * x * f32(2 / math.sqrt(math.pi))


@precise
def _erf_32(x):
    a = abs(x)
    near = _erf_series_32(x)
    far = f32(1) - _scaled_erfc_32(a) * _exp_32(-a * a)
    far = far if x > f32(0) else -far
    far = far if x == x else x
    return near if a < f32(0.5) else far


@precise
def _normal_32(x):
    """Φ(x) and e^(−x²/2)"""
    z = abs(x) * f32(1 / SQRT2)
    e = _exp_32(f32(-0.5) * (x * x))  # −z² would carry the rounding of z
    tail = f32(0.5) * _scaled_erfc_32(z) * e
    return (tail if x < f32(0) else f32(1) - tail), e


@precise
def _normal_64(x):
    """Φ(x) and e^(−x²/2)"""
    return 0.5 * math.erfc(-x / SQRT2), _exp_64(-0.5 * x * x)


@precise
def _erf_64(x):
    return math.erf(x)  # the C library's: float64 is for checking gradients, not for speed


erf_ = _by_type("erf_", "erf x = 2/√π ∫₀ˣ e^(−t²) dt", _erf_32, _erf_64)
normal_ = _by_type("normal_", "The standard normal's distribution Φ(x), and e^(−x²/2) = √(2π) Φ′(x).",
                   _normal_32, _normal_64)
