"""Matrix product of the last two axes; formula and shapes as in `reference/matmul.py`.

A block of threads computes a tile of y, as told in `tile`, which also says why that is fast. Decided here, by the shapes and the
number of the GPU's processors alone, so that a machine's bits are always the same:

    the tile    whichever shape is done soonest if each processor takes one tile after another (`_plan`): large ones use every
                number they fetch more often, small ones leave fewer processors idle and less of themselves outside of y
    parts       where tiles are few and the sum is long (the gradient of a linear layer's weights), parts of k are summed by blocks
                of their own, and their sums are added in order by a second kernel
    quads       16-byte accesses to each matrix whose rows are multiples of 4 numbers; else 4 accesses, each looked after
    order       tiles one after another along n, so that those that run at one time share their rows of a in the second-level cache
"""
import numpy as np

from ..reference.matmul import __all__  # noqa: F401
from . import array, runtime
from .runtime import cuda, device, jit, launch, load4, specialised
from .tile import depth_of, lines_of, side, slices_of, sums_of, threads_of, tile

SPEED = {"large": 1, "medium": 0.7, "small": 0.5}
"""Multiply-adds a clock, relative to each other: reckoned from `tile`'s count of loads."""
BEGINNING, ADDING = 1000, 6000
"""Clocks that a tile takes besides its sums, and that the second kernel takes."""
LEAST = 128
"""Numbers of k that a part has at least."""


@specialised
def _plain(dtype, transpose_a, transpose_b):
    """y[i, m, n] = Σ_k a[i, m, k] · b[i, k, n], one thread an output.

                      b   │    column n, all of k: read by every thread of column n of y
                          ▼
             a   ──────►  y[m, n]        256 threads a block, one after another along n
                row m, all of k: read by every thread of row m of y

    Each multiply-add fetches two numbers, so the kernel runs as fast as the caches deliver, not as the multipliers go: the tiles of
    `_tiled` fetch each number once for 128 multiply-adds. Neighbouring threads read neighbouring numbers of b, and the same number of a.
    """
    zero = dtype(0)

    @jit
    def plain(a, b, y):
        B, M, N = y.shape
        K = a.shape[1] if transpose_a else a.shape[2]
        place = cuda.grid(1)
        if place < y.size:
            n, m, i = place % N, place // N % M, place // N // M
            left, right = min(i, a.shape[0] - 1), min(i, b.shape[0] - 1)  # a single matrix serves the whole batch
            total = zero
            for k in range(K):
                number = a[left, k, m] if transpose_a else a[left, m, k]
                total = dtype(total + number * (b[right, n, k] if transpose_b else b[right, k, n]))
            y[i, m, n] = total
    return plain


@device
def _split(place, count):
    """(place // count, place % count), in 32 bits: a block finds its tile in no time."""
    rest = np.int32(place) // np.int32(count)
    return rest, np.int32(place) - rest * np.int32(count)


@specialised
def _tiled(real, shape, turn_a, turn_b, wide_a, wide_b, wide_y):
    """y[part, i, m, n] = Σ_k a[i, m, k] · b[i, k, n] over a part of k, with one block a tile of y and part.

                            b   8 of k × 128 of n, in shared memory
                          ┌──────────┐
                          └──────────┘           a thread fetches 4 numbers of a and 4 of b for each slice, while it multiplies
            a  ┌──┐       ┌──────────┐           the slice before: 64 sums += 8 numbers of a × 8 of b, 8 times
       128 of m│  │       │ 128 × 128│
        × 8    │  │       │  of y    │           256 threads ("large"; other shapes and the picture of a thread's
        of k   └──┘       └──────────┘           part are in `tile`)

    turn_a, turn_b: memory runs along k. wide_…: by accesses of 16 bytes.
    """
    own, multiply, store = tile(shape)
    rows, columns = lines_of(shape)
    depth, (left_size, right_size) = depth_of(shape), slices_of(shape)
    (left_slot, left_put), (right_slot, right_put) = side(rows, depth), side(columns, depth)
    LEFT, RIGHT = 2 * left_size, 2 * right_size
    zero, none, nothing = real(0), (real(0),) * 4, (real(0),) * sums_of(shape)

    @device
    def fetch(x, start, apart, line, lines, k, end, turned, wide):
        """A quad of the matrix at `start`: 4 numbers from line `line` of `lines` and place `k` of those before `end`; 0 outside."""
        inner, inners = (k, end) if turned else (line, lines)
        if line >= lines or k >= end:
            return none
        at = start + (line * apart + k if turned else k * apart + line)
        if wide:
            return load4(x, at)
        return (x[at], x[at + 1] if inner + 1 < inners else zero, x[at + 2] if inner + 2 < inners else zero,
                x[at + 3] if inner + 3 < inners else zero)

    @jit(max_registers=128)
    def tiled(a, b, y, sizes):
        M, N, K, a_batch, b_batch, a_apart, b_apart, part_k, batch, m_tiles, n_tiles = sizes
        left = cuda.shared.array(LEFT, real, alignment=16)
        right = cuda.shared.array(RIGHT, real, alignment=16)
        rest, n0 = _split(cuda.blockIdx.x, n_tiles)
        rest, m0 = _split(rest, m_tiles)
        part, i = _split(rest, batch)
        m0, n0 = np.int64(m0) * rows, np.int64(n0) * columns
        begin, a_start, b_start = part * part_k, i * a_batch, i * b_batch
        end = min(K, begin + part_k)
        (a_line, a_k), (b_line, b_k) = left_slot(cuda.threadIdx.x, turn_a), right_slot(cuda.threadIdx.x, turn_b)
        row, column = own()
        left_put(left, 0, a_line, a_k, turn_a, fetch(a, a_start, a_apart, m0 + a_line, M, begin + a_k, end, turn_a, wide_a))
        right_put(right, 0, b_line, b_k, turn_b, fetch(b, b_start, b_apart, n0 + b_line, N, begin + b_k, end, turn_b, wide_b))
        cuda.syncthreads()
        sums, odd = nothing, 0
        for k in range(begin, end, depth):
            a_next = fetch(a, a_start, a_apart, m0 + a_line, M, k + depth + a_k, end, turn_a, wide_a)
            b_next = fetch(b, b_start, b_apart, n0 + b_line, N, k + depth + b_k, end, turn_b, wide_b)
            sums = multiply(sums, left, odd * left_size, right, odd * right_size, row, column)
            odd = 1 - odd
            left_put(left, odd * left_size, a_line, a_k, turn_a, a_next)  # last read before the barrier of the round before
            right_put(right, odd * right_size, b_line, b_k, turn_b, b_next)
            cuda.syncthreads()
        store(sums, y, (part * batch + i) * M * N, m0 + row, n0 + column, M, N, wide_y)
    return tiled


@specialised
def _add_parts(real):
    """y[i] = Σ_part parts[part, i], in order."""
    @jit
    def add_parts(parts, y):
        i = cuda.grid(1)
        if i < y.size:
            total = parts[0, i]
            for part in range(1, parts.shape[0]):
                total += parts[part, i]
            y[i] = total
    return add_parts


def _plan(batch, M, N, K, real, processors):
    """(shape of the tile, parts of k): the pair that is done soonest, where a processor multiplies 128 numbers a clock."""
    best = None
    for shape in SPEED if real == np.float32 else ("medium", "small"):
        rows, columns = lines_of(shape)
        tiles = batch * -(-M // rows) * -(-N // columns)
        for parts in sorted({max(1, min(each * processors // tiles, K // LEAST)) for each in (0, 1, 2)}):
            clocks = rows * columns * (-(-K // parts) + depth_of(shape)) / (128 * SPEED[shape]) + BEGINNING
            time = -(-tiles * parts // processors) * clocks + (ADDING if parts > 1 else 0)
            if best is None or time < best[0]:
                best = time, shape, parts
    return best[1:]


def _shapes(a, b, transpose_a, transpose_b):
    """The result's shape, and its batch, M, N, K."""
    M, K = a.shape[:-3:-1] if transpose_a else a.shape[-2:]
    N = b.shape[-2] if transpose_b else b.shape[-1]
    leading = a.shape[:-2] if a.ndim >= b.ndim else b.shape[:-2]
    batch = 1
    for size in leading:
        batch *= size
    return leading + (M, N), batch, M, N, K


def _wide(x, apart):
    """True if rows `apart` numbers from each other can be read 4 numbers at a time."""
    return apart % 4 == 0 and x.offset % 16 == 0


def matmul(a, b, transpose_a=False, transpose_b=False, out=None):
    """y (…, M, N) of a (…, M, K) and b (…, K, N): equal leading axes, or one of the two a single matrix.

    With transpose_a, a is (…, K, M); with transpose_b, b is (…, N, K). Numbers that are no floats take the plain kernel.
    """
    if a.dtype.kind != "f":
        return matmul_plain(a, b, transpose_a, transpose_b, out)
    real = a.dtype.type
    shape, batch, M, N, K = _shapes(a, b, transpose_a, transpose_b)
    if a.ndim > 2 and b.ndim == 2 and not transpose_a:  # one matrix for all rows of all products: one tall product
        batch, M = 1, batch * M
    y = array.empty(shape, a.dtype) if out is None else out
    if y.size == 0 or K == 0:
        return array.fill(y, 0)
    form, parts = _plan(batch, M, N, K, real, runtime.processors())
    rows, columns = lines_of(form)
    part_k = -(-K // (parts * 16)) * 16  # whole quads, and whole slices of any shape
    parts = -(-K // part_k)
    sums = y if parts == 1 else array.empty((parts, y.size), a.dtype)
    a_apart, b_apart = M if transpose_a else K, K if transpose_b else N
    kernel = _tiled(real, form, not transpose_a, bool(transpose_b), _wide(a, a_apart), _wide(b, b_apart), _wide(sums, N))
    m_tiles, n_tiles = -(-M // rows), -(-N // columns)
    sizes = (M, N, K, M * K if a.ndim > 2 and batch > 1 else 0, K * N if b.ndim > 2 else 0, a_apart, b_apart, part_k, batch, m_tiles,
             n_tiles)
    launch(kernel, parts * batch * m_tiles * n_tiles, threads_of(form), a.flat, b.flat, sums.flat, sizes)
    if parts > 1:
        launch(_add_parts(real), array.blocks(y.size), array.THREADS, sums, y.flat)
    return y


def matmul_plain(a, b, transpose_a=False, transpose_b=False, out=None):
    """y (…, M, N): `matmul` with one thread an output."""
    shape, batch, M, N, K = _shapes(a, b, transpose_a, transpose_b)
    y = array.empty(shape, a.dtype) if out is None else out
    if y.size == 0 or K == 0:
        return array.fill(y, 0)
    kernel = _plain(a.dtype.type, bool(transpose_a), bool(transpose_b))
    matrices = a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:]), y.reshape(batch, M, N)
    launch(kernel, array.blocks(y.size), array.THREADS, *matrices)
    return y
