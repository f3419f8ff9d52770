"""Calls of kernels that no operation sample makes, or not in the sizes that enter every path of the GPU's rung.

Each family adds a function to `FAMILIES`: it gets the reference rung, and calls on it what should be played again.
"""
import collections
import functools

import numpy as np
from cuda_calls import of_samples, recorded

from tinyattn import kernels

FAMILIES = []


def family(function):
    """Note a function of calls."""
    FAMILIES.append(function)
    return function


def calls():
    """The calls that all families make."""
    def run():
        for function in FAMILIES:
            for dtype in (np.float32, np.float64):
                function(kernels.rung("reference"), dtype, np.random.default_rng(0))
    return recorded(run, largest=20_000)


@functools.cache
def by_kernel(rung):
    """All calls there are of the kernels of `rung`, by name; a plain twin is called as the kernel that it explains."""
    found = collections.defaultdict(list)
    for call in [*of_samples(), *calls()]:
        for name in (call.name, f"{call.name}_plain"):
            if hasattr(rung, name):
                found[name].append(call)
    return dict(found)


@family
def array(k, dtype, random):
    """Strides of every kind, and conversions between kinds of numbers."""
    x = random.normal(size=(3, 4, 5)).astype(dtype) * 10
    k.fill(x.copy(), 3.5)
    for view in (x, x.transpose(2, 0, 1), x[::-1, 1:, ::2], x[:, None, 0], np.broadcast_to(x[:1], (3, 4, 5)), x[0, 0, 0, ...], x[:0]):
        k.copy(view)
    for to in (np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_):
        k.cast(abs(x), to)
        k.cast(abs(x).astype(to), dtype)
    k.cat([x, x[:, :1], x[:, ::-1]], 1)
