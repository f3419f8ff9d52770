"""Memory of dead arrays, kept for the next ones.

The system hands out fresh memory a page at a time, when each is first touched, and that costs more than most kernels
that would fill it: a training step would spend its time there. A step asks for the same sizes as the step before, so
big blocks are not given back but kept, and handed to the next array of their size.

An array's memory belongs to an `_Owner`, which NumPy keeps alive as the `.base` of the array and of every view of
it. When the last of them is gone, so is the owner, and as it goes it returns the block. Two living arrays can
therefore never share one.
"""
import collections
import threading

import numpy as np

from ..memory import lacking

SMALLEST = 256 * 1024  # bytes; below, NumPy's own allocator is quick
MOST_IDLE = 1 << 30  # bytes that may lie unused; beyond, what has lain longest goes back to the system
ALIGNMENT = 64  # a cache line, and the widest vector


class _Owner:
    """Owns one block as long as an array does, and tells NumPy where it lies and how to read it."""
    __slots__ = ("block", "give", "__array_interface__", "__weakref__")
    of_one_array = True  # nobody else knows the memory: `tinyattn.arrival` asks it

    def __init__(self, block, give, shape, dtype):
        self.block, self.give = block, give
        address = -(-block.__array_interface__["data"][0] // ALIGNMENT) * ALIGNMENT
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (address, False)}

    def __del__(self):
        self.give(self.block)


class Pool:
    """Blocks by size. Blocks come home through a queue, which needs no lock: owners die anywhere, even in here."""

    def __init__(self, most_idle=MOST_IDLE):
        self.most_idle = most_idle
        self._lock = threading.Lock()
        self._home = collections.deque()  # returned, not yet sorted in
        self._idle = collections.OrderedDict()  # id of a block: the block, longest idle first
        self._by_size = collections.defaultdict(list)  # size: ids, latest (still in cache) last
        self.idle_bytes = 0

    def array(self, shape, dtype):
        """An uninitialised C-contiguous array on a block of its own."""
        size = dtype.itemsize
        for n in shape:
            size *= n
        step = 1 << max(size.bit_length() - 4, 12)  # sizes in steps of an eighth: at most that much is wasted
        size = -(-(size + ALIGNMENT) // step) * step
        block = self._take(size)
        if block is None and (problem := lacking(size)):
            raise MemoryError(f"an array of shape {shape} {problem}")
        return np.asarray(_Owner(np.empty(size, np.uint8) if block is None else block, self._give, shape, dtype))

    def _take(self, size):
        with self._lock:
            self._sort_in()
            if not self._by_size[size]:
                return None
            self.idle_bytes -= size
            return self._idle.pop(self._by_size[size].pop())

    def _give(self, block):
        self._home.append(block)
        if self._lock.acquire(blocking=False):  # whoever holds it sorts in what is home when next at it
            try:
                self._sort_in()
            finally:
                self._lock.release()

    def _sort_in(self):
        while self._home:
            block = self._home.popleft()
            self._idle[id(block)] = block
            self._by_size[block.size].append(id(block))
            self.idle_bytes += block.size
        while self.idle_bytes > self.most_idle:
            key, block = self._idle.popitem(last=False)
            self._by_size[block.size].remove(key)
            self.idle_bytes -= block.size


POOL = Pool()
