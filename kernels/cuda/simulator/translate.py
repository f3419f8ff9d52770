"""A compiled function, made Python again: with the names in it as the simulator has them."""
import math
import types

import numpy as np

from .basics import Now

_stand_ins = {}  # id of a compiled intrinsic → (it, the function that does the same in Python)
_waiting = {}  # id of a kernel → (it, whether it waits)
_translated = {}  # id of a compiled function → (it, its body with every name in it made Python)


def stand_in(intrinsic, function):
    """Let `function` stand for a compiled `intrinsic` that kernels call."""
    _stand_ins[id(intrinsic)] = intrinsic, function


class _Math:
    """The module `math` as a GPU has it: a result has its argument's dtype, and nothing is an error (exp(1000) is inf, √−1 NaN)."""
    _names = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
              "atanh": "arctanh", "pow": "power"}

    def __getattr__(self, name):
        exact = getattr(math, name)
        if not callable(exact) or name in ("floor", "ceil", "trunc"):  # these give an integer
            return exact
        f = getattr(np, self._names.get(name, name), None)
        if f is None:  # erf and its like
            def f(*args):
                return np.result_type(*(a if isinstance(a, np.floating) else np.float64 for a in args)).type(exact(*args))
        setattr(self, name, f)
        return f


gpus_math = _Math()


def _largest(*values):
    """max as a GPU has it: of two, NaN loses against every number; of more, Python's order of comparisons decides."""
    return np.fmax(*values) if len(values) == 2 and not _integers(*values) else max(*values)


def _smallest(*values):
    """min as a GPU has it."""
    return np.fmin(*values) if len(values) == 2 and not _integers(*values) else min(*values)


def _integers(a, b):
    return isinstance(a, (int, np.integer)) and isinstance(b, (int, np.integer))


BUILT_IN = {"max": _largest, "min": _smallest}


_PASSES = {"syncthreads", "syncwarp", "syncthreads_or", "syncthreads_and", "syncthreads_count", "shfl_sync", "shfl_xor_sync",
           "shfl_down_sync", "shfl_up_sync", "any_sync", "all_sync", "ballot_sync"}


_now = Now()


def _python(value):
    """`value` as a simulated kernel should find it: compiled functions as their Python bodies, `cuda` as the simulator's."""
    if isinstance(value, types.ModuleType) and value.__name__ == "numba.cuda":
        return _now
    if value is math:
        return gpus_math
    if id(value) in _stand_ins:
        return _stand_ins[id(value)][1]
    if hasattr(value, "py_func"):
        return translated(value)
    return value


def translated(kernel):
    """The Python function that does what the compiled `kernel` does, with the names in it as the simulator has them."""
    if id(kernel) not in _translated:
        f = kernel.py_func
        names = BUILT_IN | f.__globals__
        python = types.FunctionType(f.__code__, names, f.__name__, f.__defaults__,
                                    tuple(types.CellType() for _ in f.__closure__ or ()))
        _translated[id(kernel)] = kernel, python
        for name in _names(f.__code__):
            if name in names:
                names[name] = _python(names[name])
        for mine, theirs in zip(python.__closure__ or (), f.__closure__ or ()):
            mine.cell_contents = _python(theirs.cell_contents)
    return _translated[id(kernel)][1]


def _names(code):
    return set(code.co_names).union(*(_names(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def waits(kernel):
    """True if `kernel`, or a function that it calls, has a barrier or an exchange: only then must threads take turns."""
    if id(kernel) not in _waiting:
        _waiting[id(kernel)] = kernel, _has_barriers(kernel)
    return _waiting[id(kernel)][1]


def _has_barriers(kernel, seen=()):
    f = kernel.py_func
    if _names(f.__code__) & _PASSES:
        return True
    used = [f.__globals__[n] for n in _names(f.__code__) if n in f.__globals__] + [c.cell_contents for c in f.__closure__ or ()]
    return any(hasattr(u, "py_func") and u not in seen and _has_barriers(u, (*seen, kernel)) for u in used)
