"""How a block of threads walks over the columns of images x (N, P, C), for what is worked out for each channel.

A row of threads reads whole pixels: thread t of a block has column t mod C, for as long as it lives, and pixel t // C of every
step. So neighbouring threads read neighbouring numbers whatever C is, what belongs to a channel is read once and kept in a
register, and nothing is divided inside a loop:

    C = 3, 8 threads            memory   │ r g b │ r g b │ r g b │ r g b │ …
                                thread     0 1 2   3 4 5   0 1 2   3 4 5      (6 and 7 would break a pixel: they rest)

    block (n · slabs + s, tile)   pixels s·slab … of image n, columns tile·columns …; with more than `THREADS` channels, tiles
                                  share them out evenly

What a thread has gathered, the block folds over its rows of threads, half onto half; what the blocks have gathered, `sum_rows`
or a kernel like it puts together: always in the same order, whatever the GPU. Each thread reads `ROWS` numbers before it uses
one, so that enough are on their way.
"""
import functools

from .array import empty
from .runtime import cuda, device, jit, launch, specialised

ROWS = 4
"""Numbers that a thread reads at once."""
FEW, MANY, SMALL = 64, 256, 8192
"""Threads of a block: few for arrays of less than `SMALL` numbers, so that there are more blocks."""
NARROW = 8
"""Columns of a block of `sum_rows`: so many float32 are the 32 bytes that memory hands out at once."""


@functools.cache
def nothing(dtype):
    """An array without elements: what a kernel gets in the place of one that is None."""
    return empty((0,), dtype)


@functools.lru_cache(maxsize=4096)
def plan(N, P, C, groups=1, most=512):
    """(grid, threads, sizes) to walk over x (N, P, C) in at most about `most` blocks, if the images are not more.

    sizes, for `walk`, is (P, C, columns, slab, slabs, groups); `groups` is only passed on. The grid is (N·slabs, tiles).
    """
    threads = FEW if N * P * C < SMALL else MANY
    tiles = -(-C // threads)
    columns = -(-C // max(tiles, 1))
    step = threads // max(columns, 1) * ROWS
    slabs = max(1, min(most // max(N * tiles, 1), -(-P // step)))
    slab = max(1, -(-P // (slabs * step))) * step
    slabs = -(-P // slab)
    return (N * slabs, tiles), threads, (P, C, columns, slab, slabs, groups)


@device
def walk(sizes):
    """The thread's walk: (image, column, its row of threads, rows of threads, first element, elements to the next, how many)."""
    P, C, columns, slab, slabs = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    t = cuda.threadIdx.x
    r, rows = t // columns, cuda.blockDim.x // columns
    c = cuda.blockIdx.y * columns + t - r * columns
    n = cuda.blockIdx.x // slabs
    start = (cuda.blockIdx.x - n * slabs) * slab
    stop = min(start + slab, P)
    count = (stop - start - r + rows - 1) // rows
    if r >= rows or c >= C or count < 0:
        count = 0
    return n, c, r, rows, (n * P + start + r) * C + c, rows * C, count


@device
def fold(v, r, rows, columns, scratch):
    """The sum of v over the rows of threads, in the threads of row 0. `scratch` is a shared array with a place a thread."""
    t = cuda.threadIdx.x
    scratch[t] = v
    while rows > 1:
        half = (rows + 1) // 2
        cuda.syncthreads()
        if r < rows - half:
            v += scratch[t + half * columns]
            scratch[t] = v
        rows = half
    return v


@specialised
def _sum_rows(real):
    """y[c] = Σ_m x[m, c], block by block of `NARROW` columns: each thread adds up every rows-th number of its column."""
    zero = real(0)

    @jit
    def sum_rows(x, columns, y):
        scratch = cuda.shared.array(MANY, real)
        C = y.size
        t = cuda.threadIdx.x
        r, rows = t // columns, cuda.blockDim.x // columns
        c = cuda.blockIdx.x * columns + t - r * columns
        total = zero
        if r < rows and c < C:
            for i in range(r * C + c, x.size, rows * C):
                total += x[i]
        total = fold(total, r, rows, columns, scratch)
        if r == 0 and c < C:
            y[c] = total
    return sum_rows


def sum_rows(x, out=None):
    """Σ_m x[m], the sums of the columns of x (M, …): the second stage of a reduction. Of one row, the row."""
    if len(x) == 1 and out is None:
        return x[0]
    y = empty(x.shape[1:], x.dtype) if out is None else out
    threads = FEW if len(x) <= 16 else MANY
    columns = max(1, min(y.size, NARROW))
    launch(_sum_rows(x.dtype.type), -(-y.size // columns), threads, x.flat, columns, y.flat)
    return y
