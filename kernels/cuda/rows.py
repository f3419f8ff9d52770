"""Threads laid over the rows of a matrix: a few lanes of a warp for a short row, a warp for one of middle length, a block for a long one.

    lanes    4    8    16    32         the threads of a row: neighbours, which read neighbouring numbers, each every lanes-th
    rows    32   16     8     4         rows of a block of 128 threads
    lanes  256                          a block has one row

What the threads of a row work out together is in each of them afterwards, always added in the same order. All threads come along
to the exchanges: those beyond the last row work on the last row again, and write nothing.
"""
import functools

from .runtime import cuda, device
from .threads import ALL, block_max, block_sum

WARPS = 8
"""Numbers of shared memory that `rows` needs as scratch."""
LONG = 2048
"""A row with more numbers has a block."""


def lanes_for(D):
    """Threads for a row of D numbers: each takes up to 4 before there are more of them."""
    return 256 if D > LONG else max(4, min(32, 1 << max(0, -(-D // 4) - 1).bit_length()))


def grid_for(M, lanes):
    """(blocks, threads) for M rows."""
    threads = max(128, lanes)
    return -(-M // (threads // lanes)), threads


@functools.cache
def rows(lanes):
    """(place, total, most): the thread's (row, lane), and the sum and the largest of a row's threads' numbers, NaN left out."""
    steps = lanes.bit_length() - 1

    @device
    def place():
        t = cuda.threadIdx.x
        return cuda.blockIdx.x * (cuda.blockDim.x // lanes) + t // lanes, t % lanes

    if lanes > 32:
        return place, block_sum, block_max

    @device
    def total(v, scratch):
        for step in range(steps):
            v += cuda.shfl_xor_sync(ALL, v, lanes >> (step + 1))
        return v

    @device
    def most(v, scratch):
        for step in range(steps):
            v = max(v, cuda.shfl_xor_sync(ALL, v, lanes >> (step + 1)))
        return v

    return place, total, most
