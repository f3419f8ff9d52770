"""‖x‖ₚ = (Σ |xᵢ|ᵖ)^(1/p), added in float64: by blocks, and then by one block over what the blocks found.

Each thread goes along x in steps of the whole grid, whose size follows from that of x alone, and the sums of threads, warps and blocks
are added in a fixed order: a machine's bits are always the same. Memory sets the pace, at one addition a number, except on GPUs
that are slow in float64.
"""
import math

import numpy as np

from . import array
from .runtime import cuda, device, jit, launch, specialised
from .threads import block_max, block_sum

THREADS, WARPS = 256, 8
MOST_BLOCKS = 1024
"""Blocks of the first kernel: they keep any GPU busy."""
PER_THREAD = 8
"""Numbers of x that a thread has at least, where there are many threads."""

_TERMS = {
    "square": device(lambda x, order: x * x),
    "size": device(lambda x, order: abs(x)),
    "present": device(lambda x, order: 1.0 if x != 0.0 else 0.0),
    "power": device(lambda x, order: math.pow(abs(x), order)),
    "largest": device(lambda x, order: abs(x)),
    "smallest": device(lambda x, order: -abs(x)),
}


@specialised
def _partial(kind):
    """found[:, block] = Σ of the terms of a block's numbers (or the largest of them), and how many of the numbers are NaN."""
    term, extreme, least = _TERMS[kind], kind in ("largest", "smallest"), -np.inf

    @jit
    def partial(x, order, found):
        scratch = cuda.shared.array(WARPS, np.float64)
        total, unknown = 0.0, 0.0
        most = least
        for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
            v = np.float64(x[i])
            if extreme:
                if v != v:
                    unknown += 1.0
                else:
                    most = max(most, term(v, order))
            else:
                total += term(v, order)
        total, unknown = block_max(most, scratch) if extreme else block_sum(total, scratch), block_sum(unknown, scratch)
        if cuda.threadIdx.x == 0:
            found[0, cuda.blockIdx.x], found[1, cuda.blockIdx.x] = total, unknown
    return partial


@specialised
def _whole(kind):
    """norm[0] from what the blocks found, by one block; a maximum among which there is a NaN is NaN."""
    extreme, least, nan = kind in ("largest", "smallest"), -np.inf, np.nan

    @jit
    def whole(found, order, norm):
        scratch = cuda.shared.array(WARPS, np.float64)
        total, unknown, most = 0.0, 0.0, least
        for i in range(cuda.threadIdx.x, found.shape[1], cuda.blockDim.x):
            total += found[0, i]
            unknown += found[1, i]
            most = max(most, found[0, i])
        total, unknown, most = block_sum(total, scratch), block_sum(unknown, scratch), block_max(most, scratch)
        if cuda.threadIdx.x == 0:
            if extreme:
                norm[0] = nan if unknown > 0.0 else abs(most)
            elif kind == "power" or kind == "square":
                norm[0] = math.pow(total, 1.0 / order)
            else:
                norm[0] = total
    return whole


def power_norm(x, order):
    """‖x‖ₚ = (Σ |xᵢ|ᵖ)^(1/p) for p = `order`, as one float64 in an array of the device, added in float64.

    p = ∞ is the largest |xᵢ|, −∞ the smallest, and 0 the number of elements that are not 0. 0 for an empty x.
    """
    norm = array.empty(1, np.float64)
    if x.size == 0:
        return array.fill(norm, 0)
    kind = {2: "square", 1: "size", 0: "present", np.inf: "largest", -np.inf: "smallest"}.get(order, "power")
    blocks = min(MOST_BLOCKS, array.blocks(x.size, THREADS * PER_THREAD))
    found = array.empty((2, blocks), np.float64)
    launch(_partial(kind), blocks, THREADS, array.contiguous(x).flat, float(order), found)
    launch(_whole(kind), 1, THREADS, found, float(order), norm)
    return norm
