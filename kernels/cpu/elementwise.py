"""Elementwise functions, compiled: the table below has a formula a line, and `loops` has what runs them.

What each one computes, and how scalars and broadcasting behave, is said in `reference.elementwise`; the docstrings
are its own. Arrays of integers and booleans are left to NumPy, which has vector code for them.
"""
import functools
import math

import numpy as np

from ..reference import elementwise as spec
from ..reference.elementwise import __all__, floor_divide, logical_and, logical_not, logical_or
from . import loops
from .array import empty
from .jit import part, precise, specialize
from .launch import launch
from .mathfun import (
    erf_, exp_, expm1_, like, log1p_, log_, maximum_, minimum_, normal_, sigmoid_, softplus_, tanh_,
)

INVERSE_SQRT_2PI = 1 / math.sqrt(2 * math.pi)


def _is_float(x):
    return isinstance(x, np.ndarray) and x.dtype.char in "fd"


def _operand(x, dtype):
    """`x` as an array of `dtype`; a scalar becomes one without axes."""
    return x if isinstance(x, np.ndarray) and x.dtype == dtype else np.asarray(x, dtype)


def _common(a, b):
    """The float dtype that a and b are computed in, or None: then the work is NumPy's."""
    if _is_float(a) and (a.ndim or not _is_float(b)):
        lead, other = a, b
    elif _is_float(b):
        lead, other = b, a
    else:
        return a.dtype if _is_float(a) else None
    mixed = isinstance(other, np.ndarray) and other.ndim and other.dtype != lead.dtype
    return None if mixed else lead.dtype


def _same_memory(x, y):
    if x is y:
        return True
    return np.may_share_memory(x, y) and x.shape == y.shape and x.dtype == y.dtype and x.ctypes.data == y.ctypes.data


def _run(body, operands, dtype, out):
    """Launch `body` over broadcast `operands`; the result has `dtype`."""
    shape, tasks, steps = loops.layout(*(x.shape for x in operands))
    if steps is None:
        operands = [np.ascontiguousarray(np.broadcast_to(x, shape)) for x in operands]
        shape, tasks, steps = loops.layout(*(x.shape for x in operands))
    y = out if out is not None and out.flags.carray else empty(shape, dtype)
    launch(body, tasks, steps, *operands, y)
    return y if out is None or out is y else _into(y, out)


def _into(y, out):
    np.copyto(out, y)
    return out


def _body(template, formula, name):
    """The loop `template` with `formula` in its hole, to be compiled when first called."""
    return specialize(template, name, part, f=specialize(formula, name + "_formula", precise))


# ---- what turns a formula into a kernel ----------------------------------------------------------------------------

def _named(function, like_this):
    function.__name__ = function.__qualname__ = like_this.__name__
    function.__doc__ = like_this.__doc__
    return function


def _unary(model, formula):
    @functools.cache
    def body(template):
        return _body(template, formula, model.__name__ + ("_in_place" if template is loops.unary_in_place else ""))

    def function(x, out=None):
        if not _is_float(x):
            return model(x, out)
        if out is not None and out.flags.carray and _same_memory(x, out):
            launch(body(loops.unary_in_place), loops.blocks(x.size), out)
            return out
        y = out if out is not None and out.flags.carray else empty(x.shape, x.dtype)
        launch(body(loops.unary), loops.blocks(x.size), x, y)
        return y if out is None or out is y else _into(y, out)
    return _named(function, model)


def _binary(model, formula, result=None):
    @functools.cache
    def body(template):
        return _body(template, formula, model.__name__ + ("_in_place" if template is loops.binary_in_place else ""))

    def function(a, b, out=None):
        dtype = _common(a, b)
        if dtype is None:
            return model(a, b, out)
        a, b = _operand(a, dtype), _operand(b, dtype)
        if out is not None and out.flags.carray and _same_memory(a, out):
            _, tasks, steps = loops.layout(a.shape, b.shape)
            if steps is not None:
                launch(body(loops.binary_in_place), tasks, steps, out, b)
                return out
        return _run(body(loops.binary), (a, b), result or dtype, out)
    return _named(function, model)


def _gradient(formula, name):
    """How a derivative is run: dx[i] = formula(dy[i], x[i] or y[i])."""
    @functools.cache
    def body():
        return _body(loops.backward, formula, name)

    def run(dy, other, out):
        dx = out if out is not None and out.flags.carray else empty(dy.shape, dy.dtype)
        launch(body(), loops.blocks(dy.size), dy, other, dx)
        return dx if out is None or out is dx else _into(dx, out)
    return run


def _from_y(model, formula):
    run = _gradient(formula, model.__name__)
    return _named(lambda dy, y, out=None: run(dy, y, out), model)


def _from_x(model, formula):
    run = _gradient(formula, model.__name__)
    return _named(lambda dy, x, out=None: run(dy, x, out), model)


# ---- the table -----------------------------------------------------------------------------------------------------

add = _binary(spec.add, lambda a, b: a + b)
sub = _binary(spec.sub, lambda a, b: a - b)
mul = _binary(spec.mul, lambda a, b: a * b)
div = _binary(spec.div, lambda a, b: a / b)
maximum = _binary(spec.maximum, lambda a, b: maximum_(a, b))
add_relu = _binary(spec.add_relu, lambda a, b: like(0, a) if a + b <= like(0, a) else a + b)
minimum = _binary(spec.minimum, lambda a, b: minimum_(a, b))

eq = _binary(spec.eq, lambda a, b: a == b, np.bool_)
ne = _binary(spec.ne, lambda a, b: a != b, np.bool_)
lt = _binary(spec.lt, lambda a, b: a < b, np.bool_)
le = _binary(spec.le, lambda a, b: a <= b, np.bool_)
gt = _binary(spec.gt, lambda a, b: a > b, np.bool_)
ge = _binary(spec.ge, lambda a, b: a >= b, np.bool_)

neg = _unary(spec.neg, lambda x: -x)
abs = _unary(spec.abs, lambda x: np.abs(x))
sign = _unary(spec.sign, lambda x: like(1, x) if x > like(0, x) else (like(-1, x) if x < like(0, x) else like(0, x)))
exp = _unary(spec.exp, lambda x: exp_(x))
log = _unary(spec.log, lambda x: log_(x))
log1p = _unary(spec.log1p, lambda x: log1p_(x))
sqrt = _unary(spec.sqrt, lambda x: np.sqrt(x))
rsqrt = _unary(spec.rsqrt, lambda x: like(1, x) / np.sqrt(x))
reciprocal = _unary(spec.reciprocal, lambda x: like(1, x) / x)
square = _unary(spec.square, lambda x: x * x)
sin = _unary(spec.sin, lambda x: math.sin(x))
cos = _unary(spec.cos, lambda x: math.cos(x))
tanh = _unary(spec.tanh, lambda x: tanh_(x))
sigmoid = _unary(spec.sigmoid, lambda x: sigmoid_(x))
erf = _unary(spec.erf, lambda x: erf_(x))
floor = _unary(spec.floor, lambda x: np.floor(x))
ceil = _unary(spec.ceil, lambda x: np.ceil(x))
round = _unary(spec.round, lambda x: np.rint(x))
relu = _unary(spec.relu, lambda x: like(0, x) if x <= like(0, x) else x)
gelu = _unary(spec.gelu, lambda x: x * normal_(x)[0])
silu = _unary(spec.silu, lambda x: x * sigmoid_(x))
softplus = _unary(spec.softplus, lambda x: softplus_(x))

relu_backward = _from_y(spec.relu_backward, lambda dy, y: like(0, y) if y <= like(0, y) else dy)
sigmoid_backward = _from_y(spec.sigmoid_backward, lambda dy, y: dy * y * (like(1, y) - y))
tanh_backward = _from_y(spec.tanh_backward, lambda dy, y: dy * (like(1, y) - y * y))


def _gelu_slope(dy, x):
    distribution, bell = normal_(x)
    return dy * (distribution + x * bell * like(INVERSE_SQRT_2PI, x))


def _silu_slope(dy, x):
    s = sigmoid_(x)
    return dy * s * (like(1, x) + x * (like(1, x) - s))


gelu_backward = _from_x(spec.gelu_backward, _gelu_slope)
silu_backward = _from_x(spec.silu_backward, _silu_slope)


# ---- those that take more than the table holds ---------------------------------------------------------------------

_power = _binary(spec.pow, lambda a, b: a ** b)
_elu = _binary(spec.elu, lambda x, alpha: x if x > like(0, x) else alpha * expm1_(x))
_leaky_relu = _binary(spec.leaky_relu, lambda x, slope: x if x > like(0, x) else slope * x)
_EXPONENTS = {2.0: square, 0.5: sqrt, -1.0: reciprocal}


def pow(a, b, out=None):
    if isinstance(b, (int, float)) and b in _EXPONENTS and _is_float(a):
        return _EXPONENTS[b](a, out)  # exact, and vectorised, which the C library's pow is not
    return _power(a, b, out)


def elu(x, alpha=1.0, out=None):
    return _elu(x, alpha, out)


def leaky_relu(x, slope, out=None):
    return _leaky_relu(x, slope, out)


@part
def _clamp_body(t, limits, x, y):
    lo, hi = limits[0], limits[1]
    begin, end = t * loops.BLOCK, min((t + 1) * loops.BLOCK, x.size)
    p, o = x[begin:end], y[begin:end]
    for i in range(end - begin):
        v = lo if p[i] < lo else p[i]
        o[i] = hi if v > hi else v


def clamp(x, lo, hi, out=None):
    if not _is_float(x) or np.ndim(lo) or np.ndim(hi):
        y = x if lo is None else maximum(x, lo, out)
        return (y if out is None or out is y else _into(y, out)) if hi is None else minimum(y, hi, out)
    limits = np.array([-np.inf if lo is None else lo, np.inf if hi is None else hi], x.dtype)
    y = out if out is not None and out.flags.carray else empty(x.shape, x.dtype)
    launch(_clamp_body, loops.blocks(x.size), limits, x, y)
    return y if out is None or out is y else _into(y, out)


@functools.cache
def _where_body():
    return _body(loops.ternary, lambda condition, a, b: a if condition else b, "where")


def where(cond, a, b, out=None):
    dtype = _common(a, b)
    if dtype is None or cond.dtype != np.bool_:
        return spec.where(cond, a, b, out)
    a, b = _operand(a, dtype), _operand(b, dtype)
    shape, _, steps = loops.layout(cond.shape, a.shape, b.shape)
    if steps is None or steps[7] == 0 and steps[2] > 1:  # the loop wants the condition to move along the innermost axis
        cond = np.ascontiguousarray(np.broadcast_to(cond, shape))
    return _run(_where_body(), (cond, a, b), dtype, out)


@part
def _finite_body(t, x, finite):
    """finite[t] = whether Σ 0 · x is 0 over block t, which an infinity or a NaN prevents."""
    p = x[t * loops.BLOCK:min((t + 1) * loops.BLOCK, x.size)]
    total = x.dtype.type(0)
    for i in range(p.size):
        total += p[i] * x.dtype.type(0)
    finite[t] = total == x.dtype.type(0)


def all_finite(x):
    if not _is_float(x):
        return spec.all_finite(x)
    finite = np.ones(loops.blocks(x.size), np.bool_)
    launch(_finite_body, finite.size, x, finite)
    return bool(finite.all())


for _function in (pow, elu, leaky_relu, clamp, where, all_finite):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
