"""Who read and wrote what, on the simulator: races, and the log that `tinyattn xray` draws.

    with watching() as seen:
        kernels.cuda.matmul(a, b)
    assert seen.races == []

A **race** is a cell that two threads reach, one of them to write, with nothing between them that says who comes first. Within a
block a barrier says it (``syncthreads``), within a warp ``syncwarp`` too; an exchange between lanes (``shfl_sync``) orders no memory.
Blocks come in any order, so what one writes no other may touch in the same launch. Two atomic changes are no race, nor are two
writes of the same value (a flag that many set); an atomic change and an ordinary access are one. On a GPU a race may give the right
result a thousand times; here it is found whatever the result, since the question is not who came first but whether anything said so.
(C. Flanagan & S. Freund, "FastTrack", PLDI 2009, is the idea: remember for each cell only whom the next access could collide with.)
"""
import contextlib
import dataclasses
import pathlib
import sys

import numpy as np

from . import runtime, simulator
from .simulator import WARP, Memory

READ, WRITE, ATOMIC = "reads", "writes", "changes atomically"

MOST_ACCESSES = 2_000_000
"""Accesses that a log holds: some 0.5 GB."""


class TooMany(RuntimeError):
    """The log is full."""


@dataclasses.dataclass(frozen=True)
class Place:
    """A place in the source: the innermost line of a kernel, or of a function that it calls, and where on that line.

    calls: the (file, line) of the calls that led there, from the kernel's own line inwards.
    """
    file: str
    line: int
    position: tuple
    calls: tuple = ()

    def __str__(self):
        called = f", called at {pathlib.Path(self.calls[0][0]).name}:{self.calls[0][1]}" if self.calls else ""
        return f"{pathlib.Path(self.file).name}:{self.line}{called}"


@dataclasses.dataclass(slots=True)
class Access:
    """One access by one thread. `start` counts elements from the array's beginning, `count` is more than 1 for a vector."""
    launch: int
    block: tuple
    thread: tuple
    rank: int
    phase: int
    syncs: int
    array: object
    start: int
    count: int
    kind: str
    place: Place
    time: int  # how often this thread was at this place before

    def who(self):
        """Thread, verb, place: "thread (1, 0, 0) of block (0, 0, 0) writes at matmul.py:12"."""
        return f"thread {self.thread} of block {self.block} {self.kind} at {self.place}"


@dataclasses.dataclass
class Race:
    """Two accesses that nothing orders."""
    kernel: str
    array: str
    index: tuple
    first: Access
    second: Access

    def __str__(self):
        why = ("blocks run in any order" if self.first.block != self.second.block else
               "no syncthreads is between them" if self.first.rank // WARP != self.second.rank // WARP else
               "no syncthreads or syncwarp is between them")
        return f"race in {self.kernel} on {self.array}[{', '.join(map(str, self.index))}]: {self.first.who()}, {self.second.who()}; {why}"


@dataclasses.dataclass
class Launch:
    """One launch of a kernel; `arrays`: what it was given and the shared arrays that it asked for, by name, one of each."""
    kernel: str
    grid: tuple
    block: tuple
    arrays: dict


class Watched(Memory):
    """An array that tells its `Witness` of every access."""
    __slots__ = ("witness", "name", "shared", "aligned")

    def __init__(self, array, witness, name, shared):
        super().__init__(array)
        self.witness, self.name, self.shared = witness, name, shared
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        self.aligned = 0 if shared else (self.address - root.ctypes.data) % 256  # bytes: memory of the device begins at multiples of 256

    def __getitem__(self, index):
        value = self.array[self._checked(index)]
        self.witness.note(self, index, READ)
        return value

    def __setitem__(self, index, value):
        self.array[self._checked(index)] = value
        self.witness.note(self, index, WRITE)

    def changed(self, index, change):
        """As `Memory.changed`."""
        old = super().changed(index, change)
        self.witness.note(self, index, ATOMIC)
        return old

    def neighbours(self, i, lanes):
        """As `Memory.neighbours`."""
        values = super().neighbours(i, lanes)
        self.witness.note(self, i, READ, lanes)
        return values

    def set_neighbours(self, i, values):
        """As `Memory.set_neighbours`."""
        super().set_neighbours(i, values)
        self.witness.note(self, i, WRITE, len(values))

    def index_of(self, cell):
        """The index of element number `cell`."""
        return tuple(map(int, np.unravel_index(cell, self.array.shape)))


class _Cell:
    """Whom the next access of a cell could collide with."""
    __slots__ = ("block", "phase", "readers", "writers", "elsewhere")

    def __init__(self):
        self.block = self.phase = None
        self.readers, self.writers = {}, {}  # of this block since its last barrier: rank → access; (access, value)
        self.elsewhere = []                  # of all blocks: for each kind the first accesses of two blocks, as (access, value)


class Witness:
    """What all launches did since `watching` began.

    races     the first race of every pair of places, as `Race`
    launches  every `Launch`
    accesses  every `Access` in the order they happened, if `log`
    """

    def __init__(self, log=False):
        self.log, self.races, self.launches, self.accesses = log, [], [], []
        self._known, self._places = set(), {}

    # --- what the simulator says and asks -----------------------------------------------------------------------------

    def launched(self, kernel, grid, block):
        """A launch begins: whatever was before it is done."""
        self.launches.append(Launch(kernel, grid, block, {}))
        self._everywhere, self._here, self._block, self._times = {}, {}, None, {}

    def memory(self, array, name, shared=False):
        """The array, watched."""
        watched = Watched(array, self, name, shared)
        self.launches[-1].arrays.setdefault(name, watched)
        return watched

    # --- an access --------------------------------------------------------------------------------------------------

    def note(self, array, index, kind, count=1):
        """A thread reads or writes `count` cells of `array` from `index` on."""
        machine = simulator.Now.machine
        block, thread = machine.block, machine.thread
        if block is not self._block:
            self._block, self._here = block, {}
            self._times = {}
        start = index if type(index) is not tuple else 0
        if type(index) is tuple:
            for i, n in zip(index, array.array.shape):
                start = start * n + i
        start, place = int(start), self._place()
        key = thread.rank, id(place), kind
        self._times[key] = time = self._times.get(key, -1) + 1
        b, t = machine.blockIdx, thread.index
        access = Access(len(self.launches) - 1, (b.x, b.y, b.z), (t.x, t.y, t.z), thread.rank, block.phase, thread.syncs, array, start,
                        count, kind, place, time)
        if self.log:
            if len(self.accesses) >= MOST_ACCESSES:
                raise TooMany(f"more than {MOST_ACCESSES:,} accesses")
            self.accesses.append(access)
        cells, itemsize = self._here if array.shared else self._everywhere, array.array.itemsize
        for k in range(count):
            value = None if kind is READ else array.array.flat[start + k].tobytes()
            self._collide(cells, array.address + (start + k) * itemsize, access, value, start + k)

    def _place(self):
        frame = sys._getframe(2)
        while id(frame.f_globals) in _NO_KERNELS:
            frame = frame.f_back
        innermost, calls = frame, []
        while id(frame.f_globals) not in _NO_KERNELS:
            calls.append(simulator.whereabouts(frame))
            frame = frame.f_back
        key = tuple(map(id, calls))
        place = self._places.get(key)
        if place is None:
            within = tuple((code.co_filename, position[0]) for code, position in reversed(calls[1:]))
            place = self._places[key] = Place(innermost.f_code.co_filename, innermost.f_lineno, calls[0][1], within)
        return place

    def _collide(self, cells, address, access, value, number):
        cell = cells.get(address)
        if cell is None:
            cell = cells[address] = _Cell()
        if cell.block is not self._block or cell.phase != access.phase:  # what was before is done
            cell.block, cell.phase = self._block, access.phase
            if cell.readers or cell.writers:
                cell.readers, cell.writers = {}, {}
        kind, rank = access.kind, access.rank
        for other, held in cell.writers.values():
            if other.rank != rank and not _ordered(other, access) and not _harmless(other, held, access, value):
                self._race(other, access, number)
        if kind is not READ:
            for other in cell.readers.values():
                if other.rank != rank and not _ordered(other, access):
                    self._race(other, access, number)
            cell.writers[rank] = access, value
        else:
            cell.readers[rank] = access
        if not access.array.shared:
            self._collide_with_other_blocks(cell.elsewhere, access, value, number)

    def _collide_with_other_blocks(self, elsewhere, access, value, number):
        blocks = []
        for other, held in elsewhere:
            one_writes = other.kind is not READ or access.kind is not READ
            if other.block != access.block and one_writes and not _harmless(other, held, access, value):
                self._race(other, access, number)
            if other.kind is access.kind:
                blocks.append(other.block)
        if len(blocks) < 2 and access.block not in blocks:
            elsewhere.append((access, value))

    def _race(self, first, second, number):
        key = second.launch, second.array.name, frozenset(((first.place, first.kind), (second.place, second.kind)))
        if key not in self._known:
            self._known.add(key)
            self.races.append(Race(self.launches[second.launch].kernel, second.array.name, second.array.index_of(number), first, second))


def _ordered(one, other):
    """Of two accesses of one block since its last barrier: are they lanes of one warp with a syncwarp between them?"""
    return one.rank // WARP == other.rank // WARP and one.syncs != other.syncs


def _harmless(one, held, other, value):
    """Both atomic, or both writing the same."""
    return one.kind is ATOMIC and other.kind is ATOMIC or one.kind is WRITE and other.kind is WRITE and held == value


_NO_KERNELS = {id(globals()), *(id(vars(module)) for module in (runtime, simulator, *simulator.PARTS))}


@contextlib.contextmanager
def watching(log=False):
    """A `Witness` of all simulated launches inside the ``with`` block."""
    outer, simulator.witness = simulator.witness, Witness(log)
    try:
        yield simulator.witness
    finally:
        simulator.witness = outer
