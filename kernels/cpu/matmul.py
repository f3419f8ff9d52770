"""Matrix product of the last two axes; formula and shapes as in `reference/matmul.py`.

Why it is fast. A product of n³ multiplications touches only n² numbers, so every number loaded must be used many times.
A register tile of 8 rows × 32 columns of y (see `simd`) sums over a block of k: one step loads two vectors of b and
broadcasts 8 numbers of a, 16 fused multiply-adds for 10 loads. The block of b is first packed into panels as wide as
the tile, so that the loads of the innermost loop run straight through memory that stays in the second-level cache;
a transposed b is turned in passing. The block of a is copied, too, so that its rows neither collide in the cache nor have to be
fetched from afar in the innermost loop: as rows, or, transposed, as panels of what a tile wants of each k. With vectors of 8
there are 6 × 16 sums, 12 multiply-adds for 8 loads; there the strip below runs at 97% of what the core can do, and at 73% where
each row's address is made from the one before (`rows_apart`).

Blocks of rows, blocks of columns and matrices of a batch are jobs of their own. What a job copies is used as often as the job is
wide and tall, so a job is as large as the second-level cache allows (192 × 256 floats of y; 64 wide, with a copied anew for every
64 columns, a fifth to a third of the time went into copying). Where the result is small and the sum
long (the gradient of a linear layer's weights), blocks of k are jobs as well, and their sums are added in order. All
this depends on the shapes alone: the bits do not depend on the number of threads.

Source: K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3), 2008.
"""
import numpy as np
from numba import prange

from ..reference.matmul import matmul as of_integers
from . import array
from .jit import kernel, part, specialize
from .launch import launch, numbers, unpack
from .reduce import add_blocks
from .shuffle import transpose
from .simd import (REGISTERS, clear_run, copy_run, fetch_run, lanes_of, multiply_add, rows_apart, stay_whole, tile_add, tile_load, tile_store,
                   tile_zero, vector_lanes)

__all__ = ["matmul", "matmul_plain"]

ROWS = 8 if REGISTERS == 32 else 6
DEPTH = 256
"""Numbers of k summed in registers before a tile is written."""

APART = DEPTH + 16
"""From one row of a packed block to the next: were it a power of two, the rows of a tile would push each other out of the cache."""

SPILL, AHEAD = 16, 4
"""Room behind a panel of a, for a last vector that is longer than a tile is tall; rows of k that are fetched in advance."""

TALL, WIDE, JOBS = 768, 1024, 8
"""The most a job's y has of rows and columns, in bytes of one of its columns and rows; how many jobs there should be at least."""


def _strip(a, panel, step_m, step_k, rows, depth, b, bat, y, writes):
    """Rows of y, one panel of columns: y (+)= a · b over `depth` numbers of k; every `panel` numbers of a there are ROWS rows more."""
    stay_whole()
    yat, ldy, columns, add = writes
    width, steps = VECTORS * vector_lanes(a), rows_apart(step_m, ROWS)
    for m in range(0, rows, ROWS):
        tile, at = tile_zero(a, ROWS, VECTORS), m // ROWS * panel
        for row in range(ROWS):
            fetch_run(y, yat + (m + row) * ldy, width)
        for k in range(depth):
            tile = multiply_add(tile, a, at + k * step_k, steps, b, bat + k * width, vector_lanes(a))
        if add:
            tile_add(tile, y, yat + m * ldy, ldy, rows - m, columns)
        else:
            tile_store(tile, y, yat + m * ldy, ldy, rows - m, columns)


_wide = specialize(_strip, "_wide", part, VECTORS=2)
_narrow = specialize(_strip, "_narrow", part, VECTORS=1)


@part
def _begin(n, depth):
    """Where the panel of column n begins in a packed block: were panels a power of two apart, they would collide in the cache."""
    return n * (depth + 1)


def packed_size(columns, depth, lanes):
    """Numbers that a block has when it is packed."""
    return (columns + lanes - 1) // lanes * lanes * (depth + 1)


_packed_size = part(packed_size)


@part
def pack(b, at, step_k, step_n, depth, columns, packed):
    """packed[panel][k][lane] = b[at + k·step_k + n·step_n], panels of two vectors (the last of one), empty lanes 0.

    One of the two steps is 1. See `packed_size`; `add_packed` is what reads it.
    """
    V = vector_lanes(b)
    if step_n != 1:
        for n in range(0, columns, 2 * V):
            width = 2 * V if columns - n > V else V
            real, place = min(width, columns - n), _begin(n, depth)
            transpose(b, at + n * step_n, step_n, real, depth, packed[place:place + depth * width], width)
            for k in range(depth if real < width else 0):
                clear_run(packed, place + k * width + real, width - real)
    else:
        for k in range(depth):
            for n in range(0, columns, 2 * V):
                width = 2 * V if columns - n > V else V
                place, start = _begin(n, depth) + k * width, at + k * step_k + n
                if columns - n >= 2 * V:
                    tile_store(tile_load(b, start, 0, 1, 2), packed, place, 0, 1, 2 * V)
                else:
                    real = min(width, columns - n)
                    copy_run(b, start, packed, place, real)
                    clear_run(packed, place + real, width - real)


@part
def add_packed(a, panel, step_m, step_k, rows, depth, b, bat, columns, y, yat, ldy, add):
    """y (+)= a · b, b packed from `bat` on, y from `yat` on with rows `ldy` apart. a as for `_strip`, with room for whole tiles of rows."""
    V = vector_lanes(a)
    for n in range(0, columns, 2 * V):
        writes, at = (yat + n, ldy, columns - n, add), bat + _begin(n, depth)
        if columns - n > V:
            _wide(a, panel, step_m, step_k, rows, depth, b, at, y, writes)
        else:
            _narrow(a, panel, step_m, step_k, rows, depth, b, at, y, writes)


@part
def _pack_rows(a, at, step_m, step_k, rows, depth, left):
    """left = the block of a, rounded up to whole tiles; returns (panel, step_m, step_k): how it lies there (see `_strip`).

    Rows of numbers that are neighbours along k are copied as they are; where a is transposed, the ROWS numbers that a tile wants of each
    k come to lie side by side: whole vectors are copied, and what is too much of one is overwritten by the next k's. A tile's rows
    beyond the block are then whatever is there; they are never written to y.
    """
    whole = (rows + ROWS - 1) // ROWS * ROWS
    if step_k == 1:
        for m in range(rows):
            copy_run(a, at + m * step_m, left, m * APART, depth)
        clear_run(left, rows * APART, (whole - rows) * APART)
        return np.int64(ROWS * APART), np.int64(APART), np.int64(1)
    V, panel = vector_lanes(a), ROWS * depth + SPILL
    for k in range(depth):
        start = at + k * step_k
        if k + AHEAD < depth:
            fetch_run(a, start + AHEAD * step_k, rows)
        for m in range(0, whole, ROWS):
            place = m // ROWS * panel + k * ROWS
            if start + m + ROWS + V - 1 <= len(a):
                for i in range(0, ROWS, V):
                    tile_store(tile_load(a, start + m + i, 0, 1, 1), left, place + i, 0, 1, V)
            else:
                copy_run(a, start + m, left, place, min(ROWS, rows - m))
    return panel, np.int64(1), np.int64(ROWS)


@part
def _one_block(job, given, a, b, y):
    """One block of rows × columns of one product, summed over one block of k; see `matmul` for the numbers."""
    (M, N, K, a_batch, a_m, a_k, b_batch, b_k, b_n, m_blocks, mb, n_blocks, nb, k_blocks, kb, batch) = unpack(
        given, 16)
    rest, n0 = job // n_blocks, job % n_blocks * nb
    rest, m0 = rest // m_blocks, rest % m_blocks * mb
    i, part_k = rest // k_blocks, rest % k_blocks
    V, rows, columns = vector_lanes(a), min(mb, M - m0), min(nb, N - n0)
    packed, left = np.empty(_packed_size(columns, DEPTH, V), a.dtype), np.empty((rows + ROWS) * APART, a.dtype)
    for k in range(part_k * kb, min(K, (part_k + 1) * kb), DEPTH):
        depth = min(DEPTH, min(K, (part_k + 1) * kb) - k)
        start, add = i * a_batch + m0 * a_m + k * a_k, k > part_k * kb
        pack(b, i * b_batch + k * b_k + n0 * b_n, b_k, b_n, depth, columns, packed)
        panel, step_m, step_k = _pack_rows(a, start, a_m, a_k, rows, depth, left)
        add_packed(left, panel, step_m, step_k, rows, depth, packed, np.int64(0), columns,
                   y, ((part_k * batch + i) * M + m0) * N + n0, N, add)


def _shapes(a, b, transpose_a, transpose_b):
    """The result's shape, and its batch, M, N, K."""
    M, K = a.shape[:-3:-1] if transpose_a else a.shape[-2:]
    N = b.shape[-2] if transpose_b else b.shape[-1]
    leading = a.shape[:-2] if a.ndim >= b.ndim else b.shape[:-2]
    batch = 1
    for size in leading:
        batch *= size
    return leading + (M, N), batch, M, N, K


def _plan(batch, M, N, K, V, itemsize):
    """Blocks of rows, columns and k: (m_blocks, mb, n_blocks, nb, k_blocks, kb), at least JOBS jobs where there is work."""
    k_blocks = 1 if K < 8 * DEPTH or batch * M * N > 65536 else min(32, K // (4 * DEPTH))
    kb = -(-K // (k_blocks * DEPTH)) * DEPTH
    k_blocks = -(-K // kb)
    tall, nb = TALL // itemsize, WIDE // itemsize
    while nb > 4 * V and batch * k_blocks * -(-M // tall) * -(-N // nb) < JOBS:
        nb //= 2
    n_blocks = -(-N // nb)
    m_blocks = max(-(-M // tall), min(JOBS // (batch * n_blocks * k_blocks), M // (8 * ROWS)), 1)
    nb, mb = _even(N, n_blocks, 2 * V), _even(M, m_blocks, ROWS)
    return -(-M // mb), mb, -(-N // nb), nb, k_blocks, kb


def _even(size, parts, unit):
    """The length of `parts` equal parts of `size`, a multiple of `unit`."""
    return -(-size // (parts * unit)) * unit


def matmul(a, b, transpose_a=False, transpose_b=False, out=None):
    """y (…, M, N) of a (…, M, K) and b (…, K, N): equal leading axes, or one of the two a single matrix.

    With transpose_a, a is (…, K, M); with transpose_b, b is (…, N, K).
    """
    if a.dtype.char not in "fd":
        return of_integers(a, b, transpose_a, transpose_b, out)
    shape, batch, M, N, K = _shapes(a, b, transpose_a, transpose_b)
    if a.ndim > 2 and b.ndim == 2 and not transpose_a:  # one matrix for all rows of all products: one tall product
        batch, M = 1, batch * M
    y = array.empty(shape, a.dtype) if out is None else out
    if K == 0:
        y[...] = 0
    if y.size == 0 or K == 0:
        return y
    plan = _plan(batch, M, N, K, lanes_of(a.dtype), a.itemsize)
    k_blocks = plan[4]
    sums = y if k_blocks == 1 else array.empty((k_blocks,) + y.shape, a.dtype)
    given = numbers(M, N, K, M * K if a.ndim > 2 and batch > 1 else 0, *((1, M) if transpose_a else (K, 1)),
                    K * N if b.ndim > 2 else 0, *((1, K) if transpose_b else (N, 1)), *plan, batch)
    launch(_one_block, batch * plan[0] * plan[2] * k_blocks, given, a, b, sums, work=batch * M * N * K // 32)
    if k_blocks > 1:
        add_blocks(sums, y)
    return y


@kernel
def _plain(a, b, transpose_a, transpose_b, y):
    B, M, N = y.shape
    K = a.shape[1] if transpose_a else a.shape[2]
    for job in prange(B * M):
        i, m = np.int64(job) // M, np.int64(job) % M
        ia, ib = min(i, len(a) - 1), min(i, len(b) - 1)  # a single matrix serves the whole batch
        for n in range(N):
            y[i, m, n] = 0
        for k in range(K):
            left = a[ia, k, m] if transpose_a else a[ia, m, k]
            for n in range(N):
                y[i, m, n] += left * (b[ib, n, k] if transpose_b else b[ib, k, n])


def matmul_plain(a, b, transpose_a=False, transpose_b=False, out=None):
    """y (…, M, N): `matmul` with one thread a row of the result."""
    shape, batch, M, N, _ = _shapes(a, b, transpose_a, transpose_b)
    y = array.empty(shape, a.dtype) if out is None else out
    _plain(a.reshape((-1,) + a.shape[-2:]), b.reshape((-1,) + b.shape[-2:]), bool(transpose_a), bool(transpose_b),
           y.reshape(batch, M, N))
    return y
