"""A GPU in Python: the kernels of this folder, run one thread after another, with everything checked that a GPU does not check.

A kernel is a plain Python function once `cuda` means something. Here it means `Cuda`: its ``threadIdx`` is that of the thread
whose turn it is. A thread runs until it comes to a barrier or to an exchange between the lanes of its warp; there it waits, and
the next one runs; when all who must come have come, they go on. So a barrier that is missing shows: threads run in an order that
is shuffled anew at each barrier. An index out of range is an error, and so is a negative one. Shared and fresh memory hold NaN.
A lane that reads from one that isn't there, a barrier that only some can reach, and integers read from shared memory before
anybody wrote them are errors, and so is what a GPU would refuse: blocks and grids beyond its limits, too much shared memory.

It is for tiny sizes (a microsecond or so for each line of each thread), for tests and for `tinyattn xray`.
"""
import ctypes
import functools
import itertools
import linecache
import math
import pathlib
import random
import re
import sys
import types

import numpy as np

WARP = 32
"""Threads of a warp."""
SHARED_BYTES = 48 * 1024
"""Shared memory of a block that asks for no more than what every GPU gives."""
LARGEST_BLOCK, LARGEST_GRID = (1024, 1024, 64), (2**31 - 1, 65535, 65535)

_OURS = globals()

_stand_ins = {}  # id of a compiled intrinsic → (it, the function that does the same in Python)
_waiting = {}  # id of a kernel → (it, whether it waits)
_translated = {}  # id of a compiled function → (it, its body with every name in it made Python)


class SimulationError(RuntimeError):
    """A kernel did what a GPU would not survive, or would not do the same twice."""


def stand_in(intrinsic, function):
    """Let `function` stand for a compiled `intrinsic` that kernels call."""
    _stand_ins[id(intrinsic)] = intrinsic, function


class Dim3:
    """Three numbers: an index, or lengths."""
    __slots__ = ("x", "y", "z")

    def __init__(self, x=1, y=1, z=1):
        self.x, self.y, self.z = x, y, z


_WHOLE = {int, np.int64, np.int32, np.uint32}


class Memory:
    """An array as kernels see it: every index is checked."""
    __slots__ = ("array", "lengths", "_address")

    def __init__(self, array):
        self.array, self.lengths = array, array.shape  # NumPy makes a new tuple each time that it is asked for a shape
        self._address = None

    shape = property(lambda self: self.array.shape)
    size = property(lambda self: self.array.size)
    ndim = property(lambda self: self.array.ndim)
    dtype = property(lambda self: self.array.dtype)

    @property
    def address(self):
        """Where it begins, as a number."""
        if self._address is None:
            self._address = self.array.ctypes.data  # which makes an object each time, too
        return self._address

    def __len__(self):
        return len(self.array)

    def _checked(self, index):
        if type(index) in _WHOLE and len(self.lengths) == 1 and 0 <= index < self.lengths[0]:
            return index
        where = index if type(index) is tuple else (index,)
        if len(where) != self.array.ndim:
            raise SimulationError(f"{len(where)} indices for an array with {self.array.ndim} axes")
        for i, n in zip(where, self.array.shape):
            if not 0 <= i < n:
                raise SimulationError(f"index {tuple(map(int, where))} is outside an array of shape {self.array.shape}")
            if isinstance(i, (float, np.floating)):
                raise SimulationError(f"a float ({i}) cannot be an index")
        return index

    def __getitem__(self, index):
        return self.array[self._checked(index)]

    def __setitem__(self, index, value):
        self.array[self._checked(index)] = value

    def changed(self, index, change):
        """x[index] = change(x[index]), with nobody in between; the value before."""
        old = self.array[self._checked(index)]
        self.array[index] = change(old)
        return old

    def neighbours(self, i, lanes):
        """x[i], …, x[i + lanes − 1] at once."""
        self._checked(i), self._checked(i + lanes - 1)
        return tuple(self.array[i:i + lanes])

    def set_neighbours(self, i, values):
        """x[i + k] = values[k], at once."""
        self._checked(i), self._checked(i + len(values) - 1)
        self.array[i:i + len(values)] = values


def load_vector(x, i, lanes):
    """x[i], …, x[i + lanes − 1], which must start at a multiple of `lanes`."""
    if i % lanes or x.address % min(16, lanes * x.array.itemsize):
        raise SimulationError(f"a vector of {lanes} at index {i} is not aligned")
    return x.neighbours(i, lanes)


def store_vector(x, i, values):
    """x[i + k] = values[k], from a multiple of their number."""
    if i % len(values) or x.address % min(16, len(values) * x.array.itemsize):
        raise SimulationError(f"a vector of {len(values)} at index {i} is not aligned")
    x.set_neighbours(i, values)


def array_at(address, size, dtype):
    """The array of `size` numbers of `dtype` at an address, as kernels see it: the same one for all threads of a launch."""
    machine, key = _Now.machine, (address, size, dtype)
    if key not in machine.arrays:
        memory = (ctypes.c_uint8 * (size * dtype.itemsize)).from_address(address)
        machine.arrays[key] = machine.memory(np.frombuffer(memory, dtype), f"array at {address:#x}")
    return machine.arrays[key]


# --- threads that take turns --------------------------------------------------------------------------------------------


class Thread:
    """One thread of the running block."""
    __slots__ = ("index", "rank", "turn", "waiting", "done", "offered", "seen", "syncs")

    def __init__(self, index, rank):
        self.index, self.rank = index, rank      # threadIdx; x + y·width + z·width·height
        self.waiting, self.done, self.offered, self.seen = None, False, None, None
        self.syncs = 0                           # how many syncwarp it has passed


try:
    from greenlet import greenlet as _greenlet
except ImportError:
    _greenlet = None


class _Abandoned(BaseException):
    """Ends a thread of the system whose block came to nothing."""


class _Turn:
    """A function that can be left in the middle and gone on with: a greenlet where there is one, else a thread of the system."""

    def __init__(self, function):
        if _greenlet is not None:
            self._main, self._body = _greenlet.getcurrent(), _greenlet(function)
            self.resume, self.leave = self._body.switch, self._main.switch
            self.abandon = lambda: None          # what nobody refers to goes by itself
            return
        import threading
        self._mine, self._theirs, self._error, self._abandoned = threading.Semaphore(0), threading.Semaphore(0), None, False

        def body():
            try:
                self._my_turn()
                function()
            except _Abandoned:
                return
            except BaseException as error:
                self._error = error
            self._theirs.release()

        self._body = threading.Thread(target=body, daemon=True)
        self._body.start()

    def _my_turn(self):
        self._mine.acquire()
        if self._abandoned:
            raise _Abandoned

    def resume(self):
        """Go on with the function until it leaves again, or ends."""
        self._mine.release()
        self._theirs.acquire()
        if self._error is not None:
            raise self._error

    def leave(self):
        """From inside the function: back to whoever resumed it."""
        self._theirs.release()
        self._my_turn()

    def abandon(self):
        """Never go on with it."""
        self._abandoned = True
        self._mine.release()
        self._body.join()


class Block:
    """The threads of one block, and what they share."""

    def __init__(self, cuda, function, args, threads, order):
        self.cuda, self.order = cuda, order
        self.phase = 0                           # how many barriers of the whole block are passed
        self.shared, self.shared_bytes = {}, 0
        self.threads = threads
        for t in threads:
            t.turn = _Turn(lambda t=t: self._live(t, function, args))

    def _live(self, thread, function, args):
        with np.errstate(all="ignore"):          # every turn has a context of its own
            function(*args)
        thread.done = True

    def run(self):
        """Let everyone run to the end; barriers hold them meanwhile."""
        ready = list(self.threads)
        try:
            while ready:
                for t in _shuffled(ready, self.order):
                    self.cuda.thread = t
                    t.turn.resume()
                ready = self._released()
        finally:
            for t in self.threads:
                if not t.done:
                    t.turn.abandon()

    def _released(self):
        """The threads that may go on: warps, or else the block, of which all that live wait at the same place."""
        alive = [t for t in self.threads if not t.done]
        released = []
        for _, warp in itertools.groupby(alive, lambda t: t.rank // WARP):
            warp = list(warp)
            if all(t.waiting[0] == "warp" for t in warp):
                if any(t.waiting != warp[0].waiting for t in warp):
                    raise SimulationError("lanes of one warp wait at different places: " + _places(warp))
                self._exchange(warp)
                released += warp
        if not released and alive:
            if any(t.waiting != alive[0].waiting for t in alive):
                raise SimulationError("threads of one block wait for each other at different places: " + _places(alive))
            if len(alive) < len(self.threads):
                raise SimulationError(f"{len(self.threads) - len(alive)} threads have ended and will not come to the barrier where others "
                                      "wait: " + _places(alive))
            offered = [t.offered for t in alive]
            for t in alive:
                t.seen = offered
            released = alive
            self.phase += 1
        for t in released:
            t.waiting = None
        return released

    def _exchange(self, warp):
        lanes = {t.rank % WARP: t.offered for t in warp}
        for t in warp:
            t.seen = lanes


def _shuffled(threads, order):
    """The threads in an order of their own; `order.shuffle` takes several times as long."""
    chance = order.random
    return sorted(threads, key=lambda _: chance())


def _places(threads):
    """Where they wait: "block at softmax.py:12, warp at softmax.py:20 → threads.py:16"."""
    ways = {(kind, " → ".join(f"{pathlib.Path(code.co_filename).name}:{at[0]}" for code, at in reversed(way)))
            for kind, way in (t.waiting for t in threads)}
    return ", ".join(f"{kind} at {way}" for kind, way in sorted(ways))


class _Written(Memory):
    """Integers that the threads of a block share: NaN cannot say of them that nobody wrote them, so that is noted."""
    __slots__ = ("written",)

    def __init__(self, array):
        super().__init__(array)
        self.written = np.zeros(array.shape, bool)

    def __getitem__(self, index):
        value = super().__getitem__(index)
        if not self.written[index]:
            raise SimulationError(f"shared memory is read at {index} before anybody wrote there")
        return value

    def __setitem__(self, index, value):
        super().__setitem__(index, value)
        self.written[index] = True

    def changed(self, index, change):
        """As `Memory.changed`."""
        old = self[index]
        self[index] = change(old)
        return old

    def neighbours(self, i, lanes):
        """As `Memory.neighbours`."""
        return tuple([self[i + k] for k in range(lanes)])

    def set_neighbours(self, i, values):
        """As `Memory.set_neighbours`."""
        super().set_neighbours(i, values)
        self.written[i:i + len(values)] = True


class _Shared:
    """``cuda.shared.array``: one array for the block for each place in the code that asks for one, full of NaN.

    Unless it is asked for an ``alignment``, a GPU aligns it to its numbers only; here it then begins beside a multiple of 16 bytes, so
    that a vector access which relies on luck is found out.
    """
    def __init__(self, cuda):
        self.cuda = cuda

    def array(self, shape, dtype, alignment=None):
        """The block's array for the place in the code that asks."""
        shared, dtype = self.cuda.block.shared, _dtype(dtype)
        if shape == 0:  # dynamic: all of it, whatever the dtype
            if "dynamic" not in shared:
                shared["dynamic"] = np.full(self.cuda.dynamic_bytes, 0xFF, np.uint8)
            return self.cuda.memory(shared["dynamic"][:self.cuda.dynamic_bytes // dtype.itemsize * dtype.itemsize].view(dtype), "shared", True)
        frame = sys._getframe(1)
        place = id(whereabouts(frame))           # these live as long as the process
        if place not in shared:
            self._room(math.prod(shape if isinstance(shape, tuple) else (shape,)) * dtype.itemsize)
            shared[place] = self.cuda.memory(_fresh(shape, dtype, alignment or dtype.itemsize), _called(frame), True)
        return shared[place]

    def _room(self, nbytes):
        self.cuda.block.shared_bytes += nbytes
        asked = self.cuda.block.shared_bytes + self.cuda.dynamic_bytes
        if asked > SHARED_BYTES:
            raise SimulationError(f"a block asks for {asked} bytes of shared memory; it has {SHARED_BYTES}")


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


def _plain_memory(array, name, shared=False):
    return _Written(array) if shared and array.dtype.kind in "iu" else Memory(array)


class _Local:
    """``cuda.local.array``: the thread's own."""
    def array(self, shape, dtype):
        """A new array, full of NaN."""
        return Memory(_fresh(shape, _dtype(dtype), 16))


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


@functools.cache
def _dtype(kind):
    from numba.np.numpy_support import as_dtype
    try:
        return np.dtype(kind)
    except TypeError:
        return np.dtype(as_dtype(kind))


def _fresh(shape, dtype, alignment):
    """An array full of bytes 0xFF that begins at a multiple of `alignment`, but of no larger power of two up to 16 bytes."""
    nbytes = math.prod(shape if isinstance(shape, tuple) else (shape,)) * dtype.itemsize
    memory = np.full(nbytes + 48, 0xFF, np.uint8)
    start = -memory.ctypes.data % 16 + alignment % 16
    return memory[start:start + nbytes].view(dtype).reshape(shape)


class Cuda:
    """What a kernel finds under the name `cuda` while it is simulated: the current thread's view of the machine."""
    warpsize = WARP

    def __init__(self, grid, block, dynamic_bytes=0, memory=_plain_memory):
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
                way.append(_whereabouts.get((id(code), frame.f_lasti)) or whereabouts(frame))
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


class _Math:
    """The module `math` as a GPU has it: a result has its argument's dtype, and nothing is an error (exp(1000) is inf, √−1 NaN)."""
    _names = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
              "atanh": "arctanh", "pow": "power"}

    def __getattr__(self, name):
        exact = getattr(math, name)
        if not callable(exact) or name in ("floor", "ceil", "trunc"):  # these give an integer
            return exact
        f = getattr(np, self._names.get(name, name), None)
        if f is None:  # erf and its like
            def f(*args):
                return np.result_type(*(a if isinstance(a, np.floating) else np.float64 for a in args)).type(exact(*args))
        setattr(self, name, f)
        return f


_math = _Math()


def _largest(*values):
    """max as a GPU has it: of two, NaN loses against every number; of more, Python's order of comparisons decides."""
    return np.fmax(*values) if len(values) == 2 and not _integers(*values) else max(*values)


def _smallest(*values):
    """min as a GPU has it."""
    return np.fmin(*values) if len(values) == 2 and not _integers(*values) else min(*values)


def _integers(a, b):
    return isinstance(a, (int, np.integer)) and isinstance(b, (int, np.integer))


_BUILT_IN = {"max": _largest, "min": _smallest}


# --- a compiled function, made Python again -----------------------------------------------------------------------------

_PASSES = {"syncthreads", "syncwarp", "syncthreads_or", "syncthreads_and", "syncthreads_count", "shfl_sync", "shfl_xor_sync",
           "shfl_down_sync", "shfl_up_sync", "any_sync", "all_sync", "ballot_sync"}


class _Now:
    """The name `cuda` in translated functions: whichever machine runs now."""
    machine = None

    def __getattr__(self, name):
        return getattr(_Now.machine, name)


_now = _Now()


def _python(value):
    """`value` as a simulated kernel should find it: compiled functions as their Python bodies, `cuda` as the simulator's."""
    if isinstance(value, types.ModuleType) and value.__name__ == "numba.cuda":
        return _now
    if value is math:
        return _math
    if id(value) in _stand_ins:
        return _stand_ins[id(value)][1]
    if hasattr(value, "py_func"):
        return translated(value)
    return value


def translated(kernel):
    """The Python function that does what the compiled `kernel` does, with the names in it as the simulator has them."""
    if id(kernel) not in _translated:
        f = kernel.py_func
        names = _BUILT_IN | f.__globals__
        python = types.FunctionType(f.__code__, names, f.__name__, f.__defaults__,
                                    tuple(types.CellType() for _ in f.__closure__ or ()))
        _translated[id(kernel)] = kernel, python
        for name in _names(f.__code__):
            if name in names:
                names[name] = _python(names[name])
        for mine, theirs in zip(python.__closure__ or (), f.__closure__ or ()):
            mine.cell_contents = _python(theirs.cell_contents)
    return _translated[id(kernel)][1]


def _names(code):
    return set(code.co_names).union(*(_names(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def _waits(kernel):
    """True if `kernel`, or a function that it calls, has a barrier or an exchange: only then must threads take turns."""
    if id(kernel) not in _waiting:
        _waiting[id(kernel)] = kernel, _has_barriers(kernel)
    return _waiting[id(kernel)][1]


def _has_barriers(kernel, seen=()):
    f = kernel.py_func
    if _names(f.__code__) & _PASSES:
        return True
    used = [f.__globals__[n] for n in _names(f.__code__) if n in f.__globals__] + [c.cell_contents for c in f.__closure__ or ()]
    return any(hasattr(u, "py_func") and u not in seen and _has_barriers(u, (*seen, kernel)) for u in used)


def three(lengths):
    """`lengths`, a number or a tuple, as a tuple of three."""
    lengths = lengths if isinstance(lengths, tuple) else (lengths,)
    return (*map(int, lengths), 1, 1)[:3]


witness = None
"""None, or whoever is told of every launch, and asked for the memory of every array: see `witness.Witness`."""


def run(kernel, grid, block, args, shared=0, seed=0, memory=None):
    """Run `kernel` on NumPy arrays and numbers; arrays are written in place.

    seed     of the order in which threads run; another one must give the same result
    memory   memory(array, name, shared) → what the kernel gets in the array's place (default: what `witness` says, else `Memory`,
             which checks indices); name: the parameter's, or where shared memory was asked for

    Raises SimulationError, or what the kernel raises, with block and thread named.
    """
    grid, block = three(grid), three(block)
    if math.prod(block) > 1024:
        raise SimulationError(f"a block of {math.prod(block)} threads; a GPU has at most 1024")
    for what, lengths, largest in ("block", block, LARGEST_BLOCK), ("grid", grid, LARGEST_GRID):
        if not all(1 <= n <= most for n, most in zip(lengths, largest)):
            raise SimulationError(f"a {what} of {lengths}; a GPU takes 1 to {largest}")
    if witness is not None:
        witness.launched(kernel.py_func.__name__, grid, block)
    memory = memory or (witness.memory if witness is not None else _plain_memory)
    function, waits = translated(kernel), _waits(kernel)
    parameters = kernel.py_func.__code__.co_varnames
    args = [memory(a, parameters[i]) if isinstance(a, np.ndarray) else a for i, a in enumerate(args)]
    order, outer = random.Random(seed), _Now.machine
    cuda = _Now.machine = Cuda(grid, block, shared, memory)
    cuda.body = function.__code__
    blocks = [Dim3(x, y, z) for z, y, x in itertools.product(*map(range, grid[::-1]))]
    if witness is None:  # who watches wants to see them in order
        order.shuffle(blocks)
    try:
        with np.errstate(all="ignore"):
            for cuda.blockIdx in blocks:
                _run_block(cuda, function, args, block, order, waits)
    except Exception as error:
        t = cuda.thread.index if cuda.thread else Dim3()
        error.add_note(f"in {kernel.py_func.__name__}, block ({cuda.blockIdx.x}, {cuda.blockIdx.y}, {cuda.blockIdx.z}), "
                       f"thread ({t.x}, {t.y}, {t.z})")
        raise
    finally:
        _Now.machine = outer


def _run_block(cuda, function, args, block, order, waits):
    threads = [Thread(Dim3(x, y, z), rank) for rank, (z, y, x) in enumerate(itertools.product(*map(range, block[::-1])))]
    if waits:
        cuda.block = Block(cuda, function, args, threads, order)
        cuda.block.run()
        return
    cuda.block = Block(cuda, function, args, [], order)
    for t in threads if witness is not None else _shuffled(threads, order):
        cuda.thread = t
        function(*args)
