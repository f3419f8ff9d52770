"""How every kernel of this rung is compiled: a few decorators, and one way to make many kernels of one loop.

    @part       a serial function that compiled code calls: a helper, or the body that `launch` spreads over the threads
    @precise    such a helper with sums left in the order they are written
    @kernel     a parallel kernel with a `prange` of its own: the plain kernels that are there to be read
    @inner      a serial function that Python calls beside all this: it releases the GIL
    @entrance   one that does not

All but `precise` allow LLVM to reorder sums and to contract a·b + c into one instruction (`reassoc, contract, nsz, arcp`),
which a vectorised sum needs, but not to assume that there are no infinities or NaNs, as ``fastmath=True`` would:
attention masks are made of −inf. ``error_model="numpy"`` drops the zero check that keeps a division scalar.
"""
import os
import types

import numba

from .cache import FOLDER

# A thread that waits for the next kernel turns in a loop, by default for so long that on a busy machine (or beside our
# own loader) it keeps the very thread from its core that it waits for: measured, 5 to 25 times slower. 2,000 turns last some
# 50 µs, enough to pass from one kernel to the next. GNU OpenMP reads this when its first kernel runs.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

FAST = {"reassoc", "contract", "nsz", "arcp"}


def _compile(function, fastmath=FAST, **options):
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = FOLDER  # read by the decorator, and put back: the user's own functions keep theirs
    try:
        return numba.njit(cache=True, fastmath=fastmath, error_model="numpy", **options)(function)
    finally:
        numba.config.CACHE_DIR = before


def kernel(function):
    """Compile a parallel kernel. Give every iteration of its `prange` an output of its own to write."""
    return _compile(function, parallel=True)


def inner(function):
    """Compile a serial function that Python calls; it releases the GIL."""
    return _compile(function, nogil=True)


def part(function):
    """Compile a serial helper, or the body of a `launch`. Python must not call it: it has no entrance, which would cost as much again."""
    return _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def entrance(function):
    """Compile a serial function that Python calls; it keeps the GIL: to wait for it anew can take longer than little work."""
    return _compile(function)


def precise(function):
    """Compile a helper that is inlined however large, in which no sum is reordered: for arithmetic that minds rounding."""
    return _compile(function, fastmath={"contract"}, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)


def specialize(template, name, decorator=kernel, **meanings):
    """Compile the plain function `template` as `name`, with `meanings` for the names it leaves open.

    One loop becomes many kernels: ``specialize(_unary, "exp", f=_exp)`` is the loop ``y[i] = f(x[i])`` with f = exp.
    Numba's cache tells them apart by `name`; a closure over `f` would instead be compiled anew in every process.
    """
    made = types.FunctionType(template.__code__, {**template.__globals__, **meanings}, name, template.__defaults__)
    made.__qualname__, made.__module__, made.__doc__ = name, template.__module__, template.__doc__
    return decorator(made)
