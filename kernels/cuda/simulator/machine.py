"""What a kernel finds under the name `cuda` while it is simulated."""
import itertools
import linecache
import math
import re
import sys

import numpy as np

from .basics import SHARED_BYTES, WARP, Dim3, SimulationError
from .memory import Memory, dtype_of, fresh, plain_memory

_OURS = globals()


_whereabouts = {}


def whereabouts(frame):
    """(code, position) of what `frame` is doing; position: first line, last line, first column, last column.

    Its `f_lasti` would not do: it changes when Python finds a quicker way to do the same. For one place it is one and the same tuple, since
    comparing the codes of two takes long.
    """
    code, at = frame.f_code, frame.f_lasti
    found = _whereabouts.get((id(code), at))
    if found is None:
        position = next(itertools.islice(code.co_positions(), at // 2, None), (frame.f_lineno,) * 2 + (0, 0))
        found = _whereabouts.setdefault((id(code), position), (code, position))
        _whereabouts[id(code), at] = found
    return found


def _called(frame):
    """The name that the shared array gets on the line of `frame`, or that line."""
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    found = re.match(r"\s*(\w+)\s*=[^=]", line)
    return f"shared {found[1]}" if found else f"shared, line {frame.f_lineno}"


class _Shared:
    """``cuda.shared.array``: one array for the block for each place in the code that asks for one, full of NaN.

    Unless it is asked for an ``alignment``, a GPU aligns it to its numbers only; here it then begins beside a multiple of 16 bytes, so
    that a vector access which relies on luck is found out.
    """
    def __init__(self, cuda):
        self.cuda = cuda

    def array(self, shape, dtype, alignment=None):
        """The block's array for the place in the code that asks."""
        shared, dtype = self.cuda.block.shared, dtype_of(dtype)
        if shape == 0:  # dynamic: all of it, whatever the dtype
            if "dynamic" not in shared:
                shared["dynamic"] = np.full(self.cuda.dynamic_bytes, 0xFF, np.uint8)
            return self.cuda.memory(shared["dynamic"][:self.cuda.dynamic_bytes // dtype.itemsize * dtype.itemsize].view(dtype), "shared", True)
        frame = sys._getframe(1)
        place = id(whereabouts(frame))           # these live as long as the process
        if place not in shared:
            self._room(math.prod(shape if isinstance(shape, tuple) else (shape,)) * dtype.itemsize)
            shared[place] = self.cuda.memory(fresh(shape, dtype, alignment or dtype.itemsize), _called(frame), True)
        return shared[place]

    def _room(self, nbytes):
        self.cuda.block.shared_bytes += nbytes
        asked = self.cuda.block.shared_bytes + self.cuda.dynamic_bytes
        if asked > SHARED_BYTES:
            raise SimulationError(f"a block asks for {asked} bytes of shared memory; it has {SHARED_BYTES}")


class _Local:
    """``cuda.local.array``: the thread's own."""
    def array(self, shape, dtype):
        """A new array, full of NaN."""
        return Memory(fresh(shape, dtype_of(dtype), 16))


class _Const:
    """``cuda.const.array_like``: a table that is part of the program."""
    def array_like(self, array):
        """What the kernel reads in the table's place."""
        return Memory(np.asarray(array))


class _Atomic:
    """Read, change and write that nobody comes between."""
    def _with(change):
        def atomic(self, array, index, value):
            return array.changed(index, lambda old: change(old, value))
        return atomic

    add = _with(lambda old, value: old + value)
    sub = _with(lambda old, value: old - value)
    max = _with(max)
    min = _with(min)
    or_ = _with(lambda old, value: old | value)
    and_ = _with(lambda old, value: old & value)
    exch = _with(lambda old, value: value)
    del _with

    def cas(self, array, index, old, value):
        """array[index] becomes `value` if it is `old`; the number before."""
        return array.changed(index, lambda found: value if found == old else found)


class Cuda:
    """What a kernel finds under the name `cuda` while it is simulated: the current thread's view of the machine."""
    warpsize = WARP

    def __init__(self, grid, block, dynamic_bytes=0, memory=plain_memory):
        self.gridDim, self.blockDim = Dim3(*grid), Dim3(*block)
        self.dynamic_bytes, self.memory = dynamic_bytes, memory
        self.block = self.thread = self.blockIdx = self.body = None
        self.arrays = {}                         # those at an address: see `array_at`
        self.shared, self.local, self.const, self.atomic = _Shared(self), _Local(), _Const(), _Atomic()

    threadIdx = property(lambda self: self.thread.index)
    laneid = property(lambda self: self.thread.rank % WARP)

    def grid(self, axes):
        """The thread's index in the whole grid."""
        b, d, t = self.blockIdx, self.blockDim, self.thread.index
        whole = b.x * d.x + t.x, b.y * d.y + t.y, b.z * d.z + t.z
        return whole[0] if axes == 1 else whole[:axes]

    def gridsize(self, axes):
        """The number of threads in the whole grid."""
        g, d = self.gridDim, self.blockDim
        whole = g.x * d.x, g.y * d.y, g.z * d.z
        return whole[0] if axes == 1 else whole[:axes]

    def _wait(self, kind, offered=None):
        frame, way, t, body = sys._getframe(1), [], self.thread, self.body
        while True:                              # all the way: a function that waits may be called from several places
            code = frame.f_code
            if frame.f_globals is not _OURS or code is body:
                way.append(whereabouts(frame))
            if code is body:
                break
            frame = frame.f_back
        t.waiting, t.offered = (kind, tuple(way)), offered
        t.turn.leave()
        return t.seen

    def _exchange(self, mask, offered):
        if mask != 0xFFFFFFFF:
            raise SimulationError(f"an exchange with mask {mask:#x}: only whole warps can be simulated")
        return self._wait("warp", offered)

    def syncthreads(self):
        """Wait for the whole block."""
        self._wait("block")

    def syncthreads_or(self, value):
        """Wait for the block; true if anybody came with something true."""
        return int(any(self._wait("block", value)))

    def syncthreads_and(self, value):
        """Wait for the block; true if everybody came with something true."""
        return int(all(self._wait("block", value)))

    def syncthreads_count(self, value):
        """Wait for the block; how many came with something true."""
        return sum(map(bool, self._wait("block", value)))

    def syncwarp(self, mask=0xFFFFFFFF):
        """Wait for the warp."""
        self._exchange(mask, None)
        self.thread.syncs += 1

    def threadfence(self):
        """Memory is in order here anyway."""

    threadfence_block = threadfence_system = threadfence

    def _from(self, lanes, source):
        if source not in lanes:
            raise SimulationError(f"lane {self.laneid} reads from lane {source}, which is not there")
        return lanes[source]

    def shfl_sync(self, mask, value, source):
        """The value of lane `source`."""
        return self._from(self._exchange(mask, value), int(source) % WARP)

    def shfl_xor_sync(self, mask, value, bits):
        """The value of the lane whose number differs in `bits`."""
        return self._from(self._exchange(mask, value), self.laneid ^ int(bits))

    def shfl_down_sync(self, mask, value, distance):
        """The value of the lane `distance` above; one's own where there is none in the warp."""
        lanes, source = self._exchange(mask, value), self.laneid + int(distance)
        return self._from(lanes, source if source < WARP else self.laneid)

    def shfl_up_sync(self, mask, value, distance):
        """The value of the lane `distance` below; one's own where there is none."""
        lanes, source = self._exchange(mask, value), self.laneid - int(distance)
        return self._from(lanes, source if source >= 0 else self.laneid)

    def any_sync(self, mask, value):
        """True if any lane's value is."""
        return any(self._exchange(mask, value).values())

    def all_sync(self, mask, value):
        """True if all lanes' values are."""
        return all(self._exchange(mask, value).values())

    def ballot_sync(self, mask, value):
        """A bit for each lane."""
        return sum(1 << lane for lane, v in self._exchange(mask, value).items() if v)

    def fma(self, a, b, c):
        """a · b + c."""
        return a * b + c

    def popc(self, value):
        """How many bits are set."""
        return int(value).bit_count()

    def selp(self, condition, a, b):
        """a if `condition`, else b."""
        return a if condition else b
