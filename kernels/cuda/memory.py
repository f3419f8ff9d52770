"""Memory of the device, kept for the next array instead of given back to the driver.

Asking the driver costs as much as many kernels, and it waits for everything that runs. A training step asks for the sizes that
the step before asked for; so a block whose array has died goes to a list of its size, and the next array of that size takes
it at once. That is safe without waiting: all kernels run on one stream, in order, so whatever still reads the old array was
launched before whatever writes the new one.

Sizes are rounded up so that lists are few: to 512 bytes, above 1 MiB to steps of an eighth of the next lower power of two.
"""
import collections
import threading

from . import runtime

SMALL_STEP, SMALL = 512, 1 << 20


def rounded(nbytes):
    """The size of block that serves `nbytes`: at most 511 bytes or an eighth more."""
    if nbytes <= SMALL:
        return max(-(-nbytes // SMALL_STEP), 1) * SMALL_STEP
    step = 1 << (nbytes - 1).bit_length() - 4
    return -(-nbytes // step) * step


class Block:
    """A piece of the device's memory; as the last array on it dies, it goes back to its pool."""
    __slots__ = ("memory", "nbytes", "pool", "__weakref__")

    def __init__(self, memory, nbytes, pool):
        self.memory, self.nbytes, self.pool = memory, nbytes, pool

    def __del__(self):
        if self.pool is not None:
            self.pool.take_back(self.memory, self.nbytes)


class Pool:
    """Idle blocks by size, over a `source` of memory with ``allocate(nbytes)``, ``memory_info()`` and ``synchronize()``."""

    def __init__(self, source=runtime):
        self.source = source
        self._lock = threading.Lock()
        self._home = collections.deque()  # returned, not yet sorted in: blocks die anywhere, even while the lock is held
        self._idle = collections.defaultdict(list)
        self._out = {}  # by id, what blocks hold: were it theirs alone, it would be freed before the `__del__` of a block in a cycle
        self._private = None  # the blocks handed out since a capture began, by id: the graph keeps them
        self._reserved = {}  # those of captured graphs: they are written to whenever one is replayed
        self._let_go = collections.deque()  # what graphs that have died held
        self._resting = {}  # (block, size) of those that no array holds
        self.used_bytes = self.idle_bytes = self.peak_bytes = 0
        self.asked_driver = self.handed_out = 0

    def block(self, nbytes):
        """A block of at least `nbytes`. MemoryError says what is held if the device has no more."""
        size = rounded(nbytes)
        with self._lock:
            self._sort_in()
            self.handed_out += 1
            if self._idle[size]:
                memory = self._idle[size].pop()
                self.idle_bytes -= size
            else:
                memory = self._ask(size, nbytes)
            self.used_bytes += size
            self.peak_bytes = max(self.peak_bytes, self.used_bytes)
            self._out[id(memory)] = memory
            if self._private is not None:
                self._private[id(memory)] = memory
        return Block(memory, size, self)

    def _ask(self, size, nbytes):
        self.asked_driver += 1
        try:
            return self.source.allocate(size)
        except MemoryError:
            pass
        if self._private is None:  # while a graph is captured, the driver cannot be waited for
            self._give_back()      # idle blocks of other sizes may make room
        try:
            return self.source.allocate(size)
        except MemoryError:
            free, total = self.source.memory_info()
            raise MemoryError(
                f"the GPU has no {readable(nbytes)} left: {readable(self.used_bytes)} are held by living arrays (peak "
                f"{readable(self.peak_bytes)}), {readable(free)} of {readable(total)} are free, the rest belongs to other programs or "
                "lies in pieces; use a smaller batch, delete what holds arrays, or see tinyattn.cuda.memory_summary()") from None

    def take_back(self, memory, size):
        """A block's array has died."""
        self._home.append((memory, size))

    def _sort_in(self):
        while self._home:
            memory, size = self._home.popleft()
            self._out.pop(id(memory), None)
            self.used_bytes -= size
            if self._private is not None and id(memory) in self._private or id(memory) not in self._reserved:
                self._idle[size].append(memory)
                self.idle_bytes += size
            else:
                self._resting[id(memory)] = memory, size
        while self._let_go:
            for key in self._let_go.popleft():
                self._reserved.pop(key, None)
                if key in self._resting:
                    memory, size = self._resting.pop(key)
                    self._idle[size].append(memory)
                    self.idle_bytes += size

    def _give_back(self):
        self._sort_in()
        self.source.synchronize()
        self._idle.clear()
        self.idle_bytes = 0

    def give_back(self):
        """Return all idle memory to the driver. RuntimeError while a graph is being captured: some of it will be that graph's."""
        with self._lock:
            if self._private is not None:
                raise RuntimeError("give_back: a graph is being captured, which keeps idle memory too; give back after the capture")
            self._give_back()

    def begin_capture(self):
        """From now on, note every block that is handed out: a captured graph will write to them at each replay."""
        with self._lock:
            self._private = {}

    def end_capture(self):
        """The `Reservation` that keeps the captured blocks from everyone else for as long as it is held."""
        with self._lock:
            self._sort_in()
            kept, self._private = self._private, None
            self._reserved.update(kept)
            for size, blocks in self._idle.items():
                leaving = [m for m in blocks if id(m) in kept]
                self._resting.update((id(m), (m, size)) for m in leaving)
                self.idle_bytes -= size * len(leaving)
                blocks[:] = [m for m in blocks if id(m) not in kept]
        return Reservation(self, kept)

    def counted(self):
        """(bytes that living arrays hold, the most they ever held)"""
        with self._lock:
            self._sort_in()
            return self.used_bytes, self.peak_bytes

    def reset_peak(self):
        """Count the peak from now on."""
        with self._lock:
            self._sort_in()
            self.peak_bytes = self.used_bytes

    def summary(self):
        """A few lines: what living arrays hold, what lies idle by size, and how often the driver was asked."""
        with self._lock:
            self._sort_in()
            free, total = self.source.memory_info()
            resting = sum(size for _, size in self._resting.values())
            lines = [f"held by living arrays  {readable(self.used_bytes):>10}   (peak {readable(self.peak_bytes)})",
                     f"idle, for the next     {readable(self.idle_bytes):>10}   in {sum(map(len, self._idle.values()))} blocks",
                     *([f"kept for graphs        {readable(resting):>10}   in {len(self._resting)} blocks"] if resting else []),
                     f"free on the device     {readable(free):>10}   of {readable(total)}",
                     f"blocks handed out      {self.handed_out:>10,}   of which {self.asked_driver:,} came from the driver"]
            sizes = sorted((size, len(blocks)) for size, blocks in self._idle.items() if blocks)
            lines += [f"  idle  {count:>5} × {readable(size)}" for size, count in sizes]
        return "\n".join(lines)


class Reservation:
    """The blocks of a captured graph, which must not get into other hands as long as it may be replayed."""

    def __init__(self, pool, kept):
        self.pool, self.kept = pool, kept

    def __del__(self):
        self.pool._let_go.append(self.kept)


def readable(nbytes):
    """1536 → "1.5 KiB"."""
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:
            return f"{nbytes:.4g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.4g} GiB"


POOL = Pool()
"""Where every array of the device gets its memory."""
