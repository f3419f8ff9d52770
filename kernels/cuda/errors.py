"""Mistakes that only the GPU sees: noted there as they are found, raised when the host next waits for the GPU.

To look at an index before using it, the host would have to wait at every step. Instead a kernel compares, and leaves the number of
the check that failed in one place of the device's memory. `to_host` and `synchronize`, which wait anyway, read it.
"""
import numpy as np

from . import runtime
from .array import blocks
from .device_array import new
from .loops import THREADS, as_bytes
from .runtime import cuda, jit, launch, specialised

__all__ = ["check_indices", "synchronize"]

MOST_BLOCKS = 1024
_flag = []  # the array of one number on the GPU, once it is needed
_checks = {}  # (low, high) → the number of this check, from 1


@specialised
def note_outside(dtype):
    """flag[0] = the largest number of a check that failed: this one's, if some x[i] is neither in low … high nor `other`."""
    real = np.dtype(dtype).type

    @jit
    def note_outside(x, low, high, other, flag, check):
        for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
            v = real(x[i])
            if not (v >= low and v <= high or v == other):
                cuda.atomic.max(flag, 0, check)
    return note_outside


def check_indices(x, low, high, other=None):
    """Let the next `synchronize` or `to_host` raise an IndexError unless low ≤ x ≤ high everywhere (a NaN is outside).

    `other` is one more number that is allowed.
    """
    if not _flag:
        _flag.append(new((1,), np.int64))
        _write_zero()
    real = x.dtype.type if x.dtype.kind == "f" else np.int64
    check = _checks.setdefault((low, high), len(_checks) + 1)
    launch(note_outside(np.dtype(real).name), min(blocks(x.size), MOST_BLOCKS), THREADS,
           as_bytes(x.flat), real(low), real(high), real(low if other is None else other), _flag[0], check)


def _write_zero():
    runtime.upload(_flag[0].block.memory, 0, np.zeros(1, np.int64))


def raise_found():
    """IndexError if a check failed since it was last asked. Only when the GPU was waited for."""
    if not _flag:
        return
    found = np.empty(1, np.int64)
    runtime.download(_flag[0].block.memory, 0, found)
    if found[0]:
        _write_zero()
        low, high = next(limits for limits, number in _checks.items() if number == found[0])
        raise IndexError(f"on the GPU, an index (or a label, or another number that is limited) was not in {low} … {high}: it was given to "
                         "an operation since the results were last waited for; on the CPU the same operation says which (x.cpu())")


def synchronize():
    """Wait until everything that was launched is done. IndexError if an index was out of range meanwhile."""
    runtime.synchronize()
    raise_found()
