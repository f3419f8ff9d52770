"""Order on the GPU. What is computed is said in `reference.sort`; the docstrings are its own.

A row is cut into tiles of at most 512 numbers, which a block sorts in shared memory by Batcher's bitonic network ("Sorting networks
and their applications", AFIPS 1968): log² steps of comparisons that do not depend on the data, each thread comparing one pair,
here for a tile of 4:

    0 ─●───────●─●─   Each vertical pair is put in order. Equal numbers are told apart by where they came from, so that the order
    1 ─●─────●─┼─●─   is the stable one, which the network alone would not keep.
    2 ─●───●─●─┼─●
    3 ─●───●───●─●

Sorted stretches are then merged in pairs: each number finds its place by searching the other stretch for how many go before it.
The k best of a long row are the k best of the k best of its tiles.
"""
import numpy as np

from ..reference.sort import __all__
from ..reference.sort import sort as specified_sort
from ..reference.sort import topk as specified_topk
from .array import blocks, copy, empty
from .loops import THREADS, as_bytes
from .runtime import cuda, device, jit, launch, specialised

TILE = 2 * THREADS
"""Numbers that a block sorts at once: two for each thread."""


def _order(descending):
    """Whether v goes before w, as numbers; NaN counts as the largest."""
    @device
    def less(v, w):
        return v < w or (w != w and v == v)

    @device
    def more(v, w):
        return v > w or (v != v and w == w)

    return more if descending else less


@specialised
def sort_tiles(dtype, tile, descending, numbered):
    """The first `keep` of every tile of each row, in order: y and their numbers j; tile/2 threads for each tile.

    numbered   x's elements have numbers of their own, in i; else they are numbered along the row
    """
    real, half = np.dtype(dtype).type, tile // 2
    per_block = THREADS // half
    before = _order(descending)

    @jit
    def sort_tiles(x, i, y, j, n, keep, tiles):
        values = cuda.shared.array(TILE, real)
        places = cuda.shared.array(TILE, np.int32)  # where in the tile a value came from
        t = cuda.threadIdx.x
        s, m, base = cuda.blockIdx.x * per_block + t // half, t % half, t // half * tile
        across = (n + tile - 1) // tile
        row, start = s // across, s % across * tile
        count = min(tile, n - start) if s < tiles else 0
        for e in range(m, tile, half):
            places[base + e] = e
            values[base + e] = x[row * n + start + e] if e < count else real(0)
        cuda.syncthreads()
        size = 2
        while size <= tile:
            step = size // 2
            while step > 0:
                a = base + m // step * 2 * step + m % step
                b = a + step
                v, w, p, q = values[a], values[b], places[a], places[b]
                if p >= count or q >= count:  # what fills a tile up goes to its end
                    behind = q < p
                elif before(w, v):
                    behind = True
                else:
                    behind = q < p and not before(v, w)
                if behind == ((a - base) & size == 0):
                    values[a] = w
                    values[b] = v
                    places[a] = q
                    places[b] = p
                cuda.syncthreads()
                step //= 2
            size *= 2
        last = min(tile, n - (across - 1) * tile)
        width = (across - 1) * keep + min(keep, last)
        for e in range(m, min(keep, count), half):
            to = row * width + s % across * keep + e
            came = start + places[base + e]
            y[to] = values[base + e]
            j[to] = i[row * n + came] if numbered else came
    return sort_tiles


@specialised
def merge(dtype, descending):
    """y, j = x, i with sorted stretches of `half` merged in pairs, in every row; one thread for each number."""
    before = _order(descending)

    @jit
    def merge(x, i, y, j, n, half):
        at = cuda.grid(1)
        if at < x.size:
            row, place = at // n * n, at % n
            start = place // (2 * half) * 2 * half
            middle, end = min(start + half, n), min(start + 2 * half, n)
            v, left = x[at], place < middle
            low, high = (middle, end) if left else (start, middle)
            other = low
            while low < high:  # how many of the other stretch go before v; of equals, all from the left stretch
                k = (low + high) // 2
                w = x[row + k]
                if before(w, v) or (not left and not before(v, w)):
                    low = k + 1
                else:
                    high = k
            own = place - start if left else place - middle
            to = row + start + own + low - other
            y[to] = v
            j[to] = i[at]
    return merge


def _tiled(x, i, keep, descending):
    """One launch of `sort_tiles` over x (R, n) and the numbers `i` (or None): values and indices (R, less)."""
    R, n = x.shape
    tile = 2
    while tile < min(n, TILE):
        tile *= 2
    across = blocks(n, tile)
    keep = min(keep, tile)
    width = (across - 1) * keep + min(keep, n - (across - 1) * tile)
    y, j = empty((R, width), x.dtype), empty((R, width), np.int64)
    launch(sort_tiles(as_bytes(y).dtype.name, tile, descending, i is not None), blocks(R * across, 2 * THREADS // tile), THREADS,
           as_bytes(x.flat), (j if i is None else i).flat, as_bytes(y.flat), j.flat, n, keep, R * across)
    return y, j


def sort(x, descending):
    R, n = x.shape
    if R * n == 0:
        return empty((R, n), x.dtype), empty((R, n), np.int64)
    y, j = _tiled(x, None, n, bool(descending))
    half = TILE
    while half < n:
        z, i = empty((R, n), x.dtype), empty((R, n), np.int64)
        launch(merge(as_bytes(y).dtype.name, bool(descending)), blocks(R * n), THREADS,
               as_bytes(y.flat), j.flat, as_bytes(z.flat), i.flat, n, half)
        y, j, half = z, i, 2 * half
    return y, j


def topk(x, k, largest):
    R, n = x.shape
    if R * k == 0:
        return empty((R, k), x.dtype), empty((R, k), np.int64)
    if n > TILE and 4 * k > TILE:
        values, indices = sort(x, largest)
        return copy(values[:, :k]), copy(indices[:, :k])
    y, j = _tiled(x, None, k, bool(largest))
    while y.shape[1] > k:
        y, j = _tiled(y, j, k, bool(largest))
    return y, j


sort.__doc__, topk.__doc__ = specified_sort.__doc__, specified_topk.__doc__
