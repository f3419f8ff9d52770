"""What this machine can do at most, measured before anything is compared with it.

    fma_gflops   a register tile (see `kernels/cpu/simd.py`) to which products are added again and again: nothing is loaded or
                 stored, and every core does what it can; a multiply-add counts as two operations
    copy_gbs     an array far larger than the caches copied to another, on all threads; bytes read and bytes written both count

A kernel that adds and multiplies much is held against the first, one that only passes over its arrays against the second
(which it can exceed where they still lie in the cache).
"""
import time

import numpy as np
from numba import prange

from ..kernels.cpu.jit import kernel
from ..kernels.cpu.simd import REGISTERS, copy_run, lanes_of, multiply_add, tile_load, tile_store, vector_lanes
from ..threads import get_num_threads

ROWS = 12 if REGISTERS == 32 else 6
VECTORS = 2


@kernel
def _multiply_adds(x, rounds, tasks, y):
    """y[t] ← a tile to which x[0] · x[0 : 2 vectors] was added `rounds` times."""
    for t in prange(tasks):
        task = np.int64(t)
        width = VECTORS * vector_lanes(x)
        tile = tile_load(x, 0, width, ROWS, VECTORS)
        for _ in range(rounds):
            tile = multiply_add(tile, x, 0, 0, x, 0, vector_lanes(x))
        tile_store(tile, y, task * ROWS * width, width, ROWS, width)


@kernel
def _copy(x, y, tasks):
    """y ← x, in `tasks` pieces."""
    piece = (len(x) + tasks - 1) // tasks
    for t in prange(tasks):
        start = np.int64(t) * piece
        count = min(piece, len(x) - start)
        if count > 0:
            copy_run(x, start, y, start, count)


def _best(function, repeats):
    """Seconds of the quickest call: a ceiling is what was once reached."""
    function()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


def measure(quick=False):
    """``{"fma_gflops", "copy_gbs", "threads"}`` of this machine, now, with as many threads as the kernels use."""
    threads, lanes = get_num_threads(), lanes_of(np.dtype(np.float32))
    rounds, tasks, repeats = 200_000, 2 * threads, 5 if quick else 60
    x = np.random.default_rng(0).random(ROWS * VECTORS * lanes, np.float32)
    y = np.empty(tasks * x.size, np.float32)
    multiplying = _best(lambda: _multiply_adds(x, rounds, tasks, y), repeats)
    source = np.ones(24 << 20, np.float32)  # 96 MB
    target = np.empty_like(source)
    copying = _best(lambda: _copy(source, target, 8 * threads), min(repeats, 12))
    return {"fma_gflops": 2 * rounds * tasks * x.size / multiplying / 1e9, "copy_gbs": 2 * source.nbytes / copying / 1e9, "threads": threads}

