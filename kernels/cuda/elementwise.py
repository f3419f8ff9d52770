"""Elementwise functions on the GPU: the formulas are in `formulas`, what runs them over arrays of any strides in `loops`.

What each one computes, and how scalars and broadcasting behave, is said in `reference.elementwise`; the docstrings are its own.
A number beside an array, be it Python's or a NumPy array without axes, is handed to the kernel as it is: nothing is uploaded.
"""
import numpy as np

from ..reference import elementwise as spec
from ..reference.elementwise import __all__
from . import loops
from .array import cast, contiguous, empty, full, to_host
from .device_array import DeviceArray
from .runtime import cuda, jit, launch

OF_INTEGERS = {"neg", "abs", "sign", "square", "floor", "ceil", "round", "relu", "logical_not"}
"""Functions of one operand that integers have too; all others convert them to float64, as NumPy does."""


def _is_array(x):
    return isinstance(x, DeviceArray)


def _common(operands):
    """The dtype in which operands meet: that of the arrays, which numbers and arrays without axes follow if they are floats."""
    arrays = [x.dtype for x in operands if _is_array(x) and x.ndim] or [x.dtype for x in operands if _is_array(x)]
    dtype = arrays[0] if len(set(arrays)) == 1 else np.result_type(*arrays) if arrays else np.result_type(*operands)
    if dtype.kind == "f":
        return dtype
    scalars = [x.dtype.type(0).item() if _is_array(x) else np.asarray(x).item() for x in operands if not _is_array(x) or not x.ndim]
    return np.result_type(dtype, *scalars)


def _shape(operands):
    shapes = {x.shape for x in operands if _is_array(x)}
    return shapes.pop() if len(shapes) == 1 else np.broadcast_shapes(*shapes)


def _apply(name, operands, dtype, result, out):
    """The formula `name` of operands that are brought to `dtype`, into a new array of dtype `result`, or into `out`."""
    operands = [cast(x, dtype) if _is_array(x) and x.dtype != dtype else x for x in operands]
    y = empty(_shape(operands), result) if out is None or out.dtype != result else out
    loops.run(name, operands, y, dtype)
    return y if out is None or out is y else cast(y, out.dtype, out)


def _named(function, model):
    function.__name__ = function.__qualname__ = model.__name__
    function.__doc__ = model.__doc__
    return function


def _unary(model):
    name = model.__name__

    def function(x, out=None):
        dtype = x.dtype if x.dtype.kind == "f" or name in OF_INTEGERS else np.dtype(np.float64)
        return _apply(name, (x,), dtype, np.dtype(bool) if name == "logical_not" else dtype, out)
    return _named(function, model)


def _binary(model, result=None):
    name = model.__name__

    def function(a, b, out=None):
        dtype = _common((a, b))
        if name == "div" and dtype.kind != "f":
            dtype = np.dtype(np.float64)
        return _apply(name, (a, b), dtype, result or dtype, out)
    return _named(function, model)


def _from_y(model):
    return _named(lambda dy, y, out=None: _apply(model.__name__, (dy, y), dy.dtype, dy.dtype, out), model)


def _from_x(model):
    return _named(lambda dy, x, out=None: _apply(model.__name__, (dy, x), dy.dtype, dy.dtype, out), model)


# ---- as the formulas have them -------------------------------------------------------------------------------------

BOOL = np.dtype(bool)

add, sub, mul, div = _binary(spec.add), _binary(spec.sub), _binary(spec.mul), _binary(spec.div)
floor_divide, maximum, minimum, add_relu = map(_binary, (spec.floor_divide, spec.maximum, spec.minimum, spec.add_relu))
eq, ne, lt = _binary(spec.eq, BOOL), _binary(spec.ne, BOOL), _binary(spec.lt, BOOL)
le, gt, ge = _binary(spec.le, BOOL), _binary(spec.gt, BOOL), _binary(spec.ge, BOOL)
logical_and, logical_or, logical_not = _binary(spec.logical_and, BOOL), _binary(spec.logical_or, BOOL), _unary(spec.logical_not)

neg, abs, sign, exp, log, log1p = map(_unary, (spec.neg, spec.abs, spec.sign, spec.exp, spec.log, spec.log1p))
sqrt, rsqrt, reciprocal, square = map(_unary, (spec.sqrt, spec.rsqrt, spec.reciprocal, spec.square))
sin, cos, tanh, sigmoid, erf = map(_unary, (spec.sin, spec.cos, spec.tanh, spec.sigmoid, spec.erf))
floor, ceil, round, relu = map(_unary, (spec.floor, spec.ceil, spec.round, spec.relu))
gelu, silu, softplus = map(_unary, (spec.gelu, spec.silu, spec.softplus))

relu_backward, sigmoid_backward, tanh_backward = map(_from_y, (spec.relu_backward, spec.sigmoid_backward, spec.tanh_backward))
gelu_backward, silu_backward = map(_from_x, (spec.gelu_backward, spec.silu_backward))


# ---- those that take more than the table holds ---------------------------------------------------------------------

_power = _binary(spec.pow)
_EXPONENTS = {2.0: square, 0.5: sqrt, -1.0: reciprocal}


def pow(a, b, out=None):
    if _is_array(a) and a.dtype.kind == "f" and not _is_array(b) and float(b) in _EXPONENTS:
        return _EXPONENTS[float(b)](a, out)
    return _power(a, b, out)


def elu(x, alpha=1.0, out=None):
    return _apply("elu", (x, alpha), x.dtype, x.dtype, out)


def leaky_relu(x, slope, out=None):
    return _apply("leaky_relu", (x, slope), x.dtype, x.dtype, out)


def clamp(x, lo, hi, out=None):
    if x.dtype.kind == "f":
        least, most = -np.inf, np.inf
    else:
        least, most = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
    return _apply("clamp", (x, least if lo is None else lo, most if hi is None else hi), x.dtype, x.dtype, out)


def where(cond, a, b, out=None):
    dtype = _common((a, b))
    if not _is_array(cond):  # a number decides: one of the two, as large as both
        chosen = a if cond else b
        y = empty(_shape((a, b)), dtype) if out is None else out
        return loops.run("copy", (chosen,), y, dtype)
    a, b = (cast(x, dtype) if _is_array(x) and x.dtype != dtype else x for x in (a, b))
    y = empty(_shape((cond, a, b)), dtype) if out is None or out.dtype != dtype else out
    loops.run("where", (cond, a, b), y, dtype)
    return y if out is None or out is y else cast(y, out.dtype, out)


@jit
def _look_for_infinite(x, finite):
    """finite[0] = 0 if x[i] − x[i] is NaN for some i, as it is for an infinity or a NaN. Whoever writes, writes the same."""
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        difference = x[i] - x[i]
        if difference != difference:
            finite[0] = 0


def all_finite(x):
    """Whether `x` has neither a NaN nor an infinity, as a Python bool: waits for the GPU."""
    if x.dtype.kind != "f":
        return True
    finite = full((1,), 1, np.int32)
    launch(_look_for_infinite, min(-(-x.size // loops.THREADS), 1024), loops.THREADS, contiguous(x).flat, finite)
    return bool(to_host(finite)[0])


for _function in (pow, elu, leaky_relu, clamp, where):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
