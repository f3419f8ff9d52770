"""What the threads of a warp, and of a block, work out together: sums and maxima, always added in the same order.

Lanes of a warp exchange values without memory (`shfl_xor_sync`): after five exchanges, with the lane 16, 8, 4, 2, 1 away, each
lane holds the sum of all 32. A block does that in each warp, writes one value a warp to shared memory, and does it once more.
Every lane of the warp, every thread of the block, must come along, and the block must have a multiple of 32 threads.
"""
from .runtime import cuda, device

ALL = 0xFFFFFFFF
"""The mask of a whole warp."""
WARP = 32


@device
def warp_sum(v):
    """The sum of the 32 lanes' v, in every lane."""
    v += cuda.shfl_xor_sync(ALL, v, 16)
    v += cuda.shfl_xor_sync(ALL, v, 8)
    v += cuda.shfl_xor_sync(ALL, v, 4)
    v += cuda.shfl_xor_sync(ALL, v, 2)
    v += cuda.shfl_xor_sync(ALL, v, 1)
    return v


@device
def warp_max(v):
    """The largest of the 32 lanes' v, in every lane; NaN counts as smaller than everything."""
    v = max(v, cuda.shfl_xor_sync(ALL, v, 16))
    v = max(v, cuda.shfl_xor_sync(ALL, v, 8))
    v = max(v, cuda.shfl_xor_sync(ALL, v, 4))
    v = max(v, cuda.shfl_xor_sync(ALL, v, 2))
    v = max(v, cuda.shfl_xor_sync(ALL, v, 1))
    return v


@device
def block_sum(v, scratch):
    """The sum of all threads' v, in every thread. `scratch` is a shared array with a place for each warp."""
    lane, warp, warps = cuda.threadIdx.x & 31, cuda.threadIdx.x >> 5, cuda.blockDim.x >> 5
    v = warp_sum(v)
    cuda.syncthreads()  # the scratch may still be read from the time before
    if lane == 0:
        scratch[warp] = v
    cuda.syncthreads()
    total = scratch[0]
    for w in range(1, warps):
        total += scratch[w]
    return total


@device
def block_max(v, scratch):
    """The largest of all threads' v, in every thread; see `block_sum`."""
    lane, warp, warps = cuda.threadIdx.x & 31, cuda.threadIdx.x >> 5, cuda.blockDim.x >> 5
    v = warp_max(v)
    cuda.syncthreads()
    if lane == 0:
        scratch[warp] = v
    cuda.syncthreads()
    most = scratch[0]
    for w in range(1, warps):
        most = max(most, scratch[w])
    return most
