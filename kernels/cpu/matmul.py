"""Matrix product of the last two axes; formula and shapes as in `reference/matmul.py`.

Why it is fast. A product of n³ multiplications touches only n² numbers, so every number loaded must be used many times.
A register tile of 8 rows × 32 columns of y (see `simd`) sums over a block of k: one step loads two vectors of b and
broadcasts 8 numbers of a, 16 fused multiply-adds for 10 loads. The block of b is first packed into panels as wide as
the tile, so that the loads of the innermost loop run straight through memory that stays in the second-level cache;
a transposed b is turned in passing. a is read where it lies, transposed or not: a tile only needs to know the steps.

Blocks of rows, blocks of columns and matrices of a batch are jobs of their own. Where the result is small and the sum
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
from .simd import (REGISTERS, clear_run, copy_run, lanes_of, multiply_add, put, stay_whole, take, tile_add, tile_store,
                   tile_zero, vector_lanes)

__all__ = ["matmul", "matmul_plain"]

ROWS = 8 if REGISTERS == 32 else 6
DEPTH = 256
"""Numbers of k summed in registers before a tile is written."""


def _strip(a, at, step_m, step_k, rows, depth, b, bat, y, writes):
    """Rows of y, one panel of columns: y (+)= a · b over `depth` numbers of k; `rows` a multiple of ROWS or fewer."""
    stay_whole()
    yat, ldy, real_rows, columns, add = writes
    width = VECTORS * vector_lanes(a)
    for m in range(0, rows, ROWS):
        tile = tile_zero(a, ROWS, VECTORS)
        for k in range(depth):
            tile = multiply_add(tile, a, at + m * step_m + k * step_k, step_m, b, bat + k * width, vector_lanes(a))
        if add:
            tile_add(tile, y, yat + m * ldy, ldy, real_rows - m, columns)
        else:
            tile_store(tile, y, yat + m * ldy, ldy, real_rows - m, columns)


_wide = specialize(_strip, "_wide", part, VECTORS=2)
_narrow = specialize(_strip, "_narrow", part, VECTORS=1)


@part
def _pack(b, at, step_k, step_n, depth, columns, packed):
    """packed[panel][k][lane] = b[at + k·step_k + n·step_n], panels of two vectors (the last of one), empty lanes 0."""
    V = vector_lanes(b)
    for n in range(0, columns, 2 * V):
        width = 2 * V if columns - n > V else V
        real, place = min(width, columns - n), n * depth
        for k in range(depth):
            if step_n == 1:
                copy_run(b, at + k * step_k + n, packed, place + k * width, real)
            if real < width:
                clear_run(packed, place + k * width + real, width - real)
        if step_n != 1:
            for lane in range(real):
                for k in range(depth):
                    put(packed, place + k * width + lane, take(b, at + k * step_k + (n + lane) * step_n))


@part
def _one_block(job, given, a, b, y):
    """One block of rows × columns of one product, summed over one block of k; see `matmul` for the numbers."""
    (M, N, K, a_batch, a_m, a_k, b_batch, b_k, b_n, m_blocks, mb, n_blocks, nb, k_blocks, kb, batch) = unpack(
        given, 16)
    rest, n0 = job // n_blocks, job % n_blocks * nb
    rest, m0 = rest // m_blocks, rest % m_blocks * mb
    i, part_k = rest // k_blocks, rest % k_blocks
    V, rows, columns = vector_lanes(a), min(mb, M - m0), min(nb, N - n0)
    whole = rows - rows % ROWS
    packed = np.empty(DEPTH * (columns + 2 * V), a.dtype)
    tail = np.empty(ROWS * DEPTH, a.dtype)
    for k in range(part_k * kb, min(K, (part_k + 1) * kb), DEPTH):
        depth = min(DEPTH, min(K, (part_k + 1) * kb) - k)
        start, add = i * a_batch + m0 * a_m + k * a_k, k > part_k * kb
        _pack(b, i * b_batch + k * b_k + n0 * b_n, b_k, b_n, depth, columns, packed)
        for m in range(whole, rows):  # rows that fill no tile: copied, since a tile reads ROWS of them
            for e in range(depth):
                put(tail, (m - whole) * DEPTH + e, take(a, start + m * a_m + e * a_k))
        for n in range(0, columns, 2 * V):
            yat = ((part_k * batch + i) * M + m0) * N + n0 + n
            if columns - n > V:
                _wide(a, start, a_m, a_k, whole, depth, packed, n * depth, y, (yat, N, whole, columns - n, add))
                _wide(tail, np.int64(0), np.int64(DEPTH), np.int64(1), rows - whole, depth, packed, n * depth, y,
                      (yat + whole * N, N, rows - whole, columns - n, add))
            else:
                _narrow(a, start, a_m, a_k, whole, depth, packed, n * depth, y, (yat, N, whole, columns - n, add))
                _narrow(tail, np.int64(0), np.int64(DEPTH), np.int64(1), rows - whole, depth, packed, n * depth, y,
                        (yat + whole * N, N, rows - whole, columns - n, add))


def _shapes(a, b, transpose_a, transpose_b):
    """The result's shape, and its batch, M, N, K."""
    M, K = a.shape[:-3:-1] if transpose_a else a.shape[-2:]
    N = b.shape[-2] if transpose_b else b.shape[-1]
    leading = a.shape[:-2] if a.ndim >= b.ndim else b.shape[:-2]
    batch = 1
    for size in leading:
        batch *= size
    return leading + (M, N), batch, M, N, K


def _plan(batch, M, N, K, V):
    """Blocks of rows, columns and k: (m_blocks, mb, n_blocks, nb, k_blocks, kb), about 32 jobs where there is work."""
    nb = 4 * V if M <= N else 8 * V
    n_blocks = -(-N // nb)
    k_blocks = 1 if K < 8 * DEPTH or batch * M * N > 65536 else min(32, K // (4 * DEPTH))
    kb = -(-K // (k_blocks * DEPTH)) * DEPTH
    wanted = max(1, 32 // (batch * n_blocks * k_blocks))
    mb = min(max(-(-M // wanted), 8 * ROWS), 256)
    mb = -(-mb // ROWS) * ROWS
    return -(-M // mb), mb, n_blocks, nb, -(-K // kb), kb


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
    plan = _plan(batch, M, N, K, lanes_of(a.dtype))
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
