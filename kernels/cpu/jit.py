"""How every kernel of this rung is compiled: three decorators, and one way to make many kernels of one loop.

    @kernel     a parallel kernel: `prange` splits its outermost loop over the threads
    @inner      a serial helper that kernels call; LLVM inlines it
    @precise    such a helper with sums left in the order they are written

The first two allow LLVM to reorder sums and to contract a·b + c into one instruction (`reassoc, contract, nsz, arcp`),
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
    """Compile a serial helper that releases the GIL."""
    return _compile(function, nogil=True)


def part(function):
    """Compile a serial function that only compiled code calls: `inner` without its entrance from Python."""
    return _compile(function, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def precise(function):
    """Compile a serial helper, inlined however large, in which no sum is reordered: for arithmetic that minds rounding."""
    return _compile(function, fastmath={"contract"}, nogil=True, forceinline=True)


def specialize(template, name, decorator=kernel, **meanings):
    """Compile the plain function `template` as `name`, with `meanings` for the names it leaves open.

    One loop becomes many kernels: ``specialize(_unary, "exp", f=_exp)`` is the loop ``y[i] = f(x[i])`` with f = exp.
    Numba's cache tells them apart by `name`; a closure over `f` would instead be compiled anew in every process.
    """
    made = types.FunctionType(template.__code__, {**template.__globals__, **meanings}, name, template.__defaults__)
    made.__qualname__, made.__module__, made.__doc__ = name, template.__module__, template.__doc__
    return decorator(made)
