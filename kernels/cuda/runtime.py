"""The one place that knows which `numba.cuda` is there: importing it, compiling for it, launching, moving bytes.

Three things can stand behind the same few functions:

    a GPU          numba-cuda and a driver: kernels are compiled when first launched
    the simulator  ``TINYATTN_CUDA=simulator``: kernels run as Python, one thread after another (see `simulator`)
    neither        everything can be imported and read; the first allocation says what is missing

Kernels are written against the names `cuda` and `jit` of this module, and are called through `launch`.
"""
import contextlib
import functools
import math
import os
import warnings

import numpy as np

from . import simulator

quiet = os.environ.setdefault("NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS", "0") == "0"
if not hasattr(np, "row_stack"):  # numba-cuda 0.30 asks for it; NumPy 2.5 has it no more
    np.row_stack = np.vstack
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # numba's own cuda says that numba-cuda should be installed; `why_not` says it better
    import numba
    from llvmlite import ir
    from numba import cuda
    try:
        from numba.cuda import cgutils, types
        from numba.cuda.extending import intrinsic
    except ImportError:  # numba's own cuda
        from numba.core import cgutils, types
        from numba.core.extending import intrinsic
if quiet:  # numba has read the environment when it was imported, which may be long ago
    numba.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0

SIMULATED = os.environ.get("TINYATTN_CUDA", "") == "simulator"
"""True if this process runs its CUDA kernels on the simulator."""

KERNELS = {}
"""Every kernel by (module, name), and every factory of kernels: what `jit` and `specialised` saw."""

launched = None
"""None, or a set that collects (key of a kernel, types of its arguments, threads of a block, bytes of dynamic shared memory) of every
launch; tests compile what is in it."""


def jit(function=None, **options):
    """`cuda.jit`, lazily: nothing is compiled before the first launch, so importing needs no GPU and no compiler."""
    if function is None:
        return functools.partial(jit, **options)
    kernel = cuda.jit(function, **options)
    kernel.key = function.__module__, function.__name__, None
    KERNELS.setdefault(kernel.key[:2], kernel)
    return kernel


def device(function):
    """A function that kernels call: inlined into them, known to nobody else."""
    return cuda.jit(function, device=True)


def specialised(factory):
    """A factory of kernels, each made once for each set of arguments (a dtype, a tile size, the name of a formula).

    Inside, constants are made of `real`, since a float literal is float64 and would pull its whole expression along:

    >>> @specialised
    ... def scaled(real):
    ...     half = real(0.5)
    ...     @jit
    ...     def scaled(x, y):
    ...         i = cuda.grid(1)
    ...         if i < x.size:
    ...             y[i] = x[i] * half
    ...     return scaled
    >>> launch(scaled(np.float32), blocks, THREADS, x, y)

    The arguments must be printable constants: NumPy scalar types, numbers, strings, tuples of them.
    """
    made = {}
    name = factory.__module__, factory.__name__

    @functools.wraps(factory)
    def make(*arguments):
        same = arguments, *map(type, arguments)  # 1, 1.0 and True are equal, and make different code
        kernel = made.get(same)
        if kernel is None:
            kernel = made[same] = factory(*arguments)
            if KERNELS.get(kernel.key[:2]) is kernel:
                del KERNELS[kernel.key[:2]]  # the body is known by its factory
            kernel.key = (*name, arguments)
        return kernel

    KERNELS[name] = make
    return make


def kernel_of(key):
    """The kernel that a launch noted in `launched` ran."""
    module, name, arguments = key
    known = KERNELS[module, name]
    return known if arguments is None else known(*arguments)


# --- is there a GPU? ----------------------------------------------------------------------------------------------------


@functools.cache
def why_not():
    """None if kernels can be launched; else one line that says what is missing."""
    if SIMULATED:
        return None
    from .. import diagnosis
    said = "numba-cuda is not installed"
    if "numba_cuda" in (cuda.__file__ or "") and not numba.config.ENABLE_CUDASIM:
        try:
            cuda.current_context()
            return None
        except Exception as error:  # the driver's own words differ from version to version
            said = diagnosis.said(error)
    return diagnosis.in_a_line(diagnosis.facts() | {"run_error": said}, said)


def is_available():
    """True if tensors can live on "cuda": a GPU that works, or the simulator."""
    return why_not() is None


def check_available():
    """RuntimeError that names what is missing, unless `is_available`."""
    if (problem := why_not()) is not None:
        raise RuntimeError(f"device 'cuda' cannot be used: {problem}")


# --- launching ----------------------------------------------------------------------------------------------------------

_configured = {}


def launch(kernel, grid, block, *args, shared=0):
    """Run `kernel` on `grid` blocks of `block` threads (numbers, or tuples of up to three), after all that was launched before.

    DeviceArrays are handed over as arrays of their own shape (C-contiguous), NumPy scalars with their dtype, Python integers as
    int64, tuples of integers as tuples. `shared` is the number of bytes of dynamic shared memory. Launching costs microseconds
    for each argument: pass few. A grid of no blocks is no launch.
    """
    if grid == 0 or type(grid) is tuple and 0 in grid:
        return
    given = [a.handle() if hasattr(a, "handle") else a for a in args]
    if launched is not None:
        launched.add((kernel.key, tuple(map(_type_name, given)), math.prod(block) if type(block) is tuple else block, shared))
    if capturing is not None:
        capturing.note(kernel, grid, block, given, shared)
        return
    if SIMULATED:
        simulator.run(kernel, grid, block, given, shared)
        return
    key = kernel, grid, block, shared
    ready = _configured.get(key)
    if ready is None:
        if len(_configured) > 10_000:
            _configured.clear()
        ready = _configured[key] = _prepared(kernel, grid, block, 0, shared)
    ready(*given)


def _prepared(kernel, grid, block, stream, shared):
    """`kernel`, ready to be called with its arguments."""
    if shared > 48 * 1024:
        raise ValueError(f"launch: {shared} bytes of dynamic shared memory, more than the 49152 that need no opting in")
    grid, block = (tuple(map(int, n)) if type(n) is tuple else int(n) for n in (grid, block))  # cuda.core refuses NumPy's integers
    return kernel[grid, block, stream, int(shared)]


def _type_name(value):
    """The argument's type as `signature` reads it back: ("array", dtype, axes), ("tuple", n), or a dtype's name."""
    if hasattr(value, "shape") and not np.isscalar(value) and not isinstance(value, np.generic):
        return "array", np.dtype(value.dtype).name, len(value.shape)
    if isinstance(value, tuple):
        return "tuple", len(value)
    return np.dtype(type(value)).name if isinstance(value, np.generic) else {int: "int64", float: "float64", bool: "bool"}[type(value)]


def signature(names):
    """The Numba types of arguments noted in `launched`."""
    def type_of(name):
        if name[0] == "array":
            return numba.types.Array(numba.from_dtype(np.dtype(name[1])), name[2], "C")
        if name[0] == "tuple":
            return numba.types.UniTuple(numba.int64, name[1])
        return numba.from_dtype(np.dtype(name))
    return tuple(map(type_of, names))


def ptx(kernel, names, *capabilities):
    """The code of `kernel` for arguments noted in `launched`, for each compute capability such as (9, 0), compiled without a GPU.

    Types are found out once; only the last step, from LLVM's instructions to a GPU's, is another for each.
    """
    from numba.cuda import compiler, dispatcher
    real = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: Compiled(capabilities[0])  # functions that kernels call are compiled for "the" GPU
    try:
        library, _ = compiler._compile_pyfunc_with_fixup(kernel.py_func, signature(names), device=False, cc=capabilities[0], abi="numba")
        return [library.get_asm_str(cc=capability) for capability in capabilities]
    finally:
        dispatcher.get_current_device = real


class Compiled:
    """A GPU of which only the compute capability is known."""

    def __init__(self, capability):
        self.compute_capability = capability


def synchronize():
    """Wait until everything that was launched is done."""
    _not_while_capturing("waits for the GPU")
    if not SIMULATED:
        cuda.synchronize()


def device_name():
    """What the device calls itself."""
    if SIMULATED:
        return "simulator"
    name = cuda.get_current_device().name
    return name.decode() if isinstance(name, bytes) else name


# --- graphs -------------------------------------------------------------------------------------------------------------

capturing = None
"""The `Graph` that notes launches instead of running them, or None."""


class CaptureError(RuntimeError):
    """What is being captured cannot be replayed as a graph."""


def _not_while_capturing(what):
    if capturing is not None:
        raise CaptureError(f"a graph is being captured, and the code {what}: a replay could not do that")


@contextlib.contextmanager
def _captures():
    """What the driver says against a capture is a CaptureError."""
    try:
        yield
    except (CaptureError, MemoryError):
        raise
    except Exception as error:  # of numba-cuda, of cuda.core, or a RuntimeError
        raise CaptureError(f"the driver refuses it: {type(error).__name__}: {error}") from error


class Graph:
    """Launches noted once and replayed as one: the GPU is given a whole training step for the cost of a launch or two.

    >>> graph = Graph()
    >>> with graph.capture():
    ...     step()                 # runs nothing: what it launches is noted, with the addresses of its arrays
    >>> graph.replay()             # runs it, on whatever those arrays hold by now

    Arrays that are made meanwhile stay reserved as long as the graph lives (`memory.Pool.begin_capture`). What the code does
    besides launching is not repeated. CaptureError if it copies from the host or looks at values. Every kernel should have run
    before, so that none is compiled or loaded meanwhile. (CUDA C++ Programming Guide, "CUDA Graphs".)
    """

    def __init__(self):
        self.launches, self._builder, self._graph, self._kept = [], None, None, []

    @contextlib.contextmanager
    def capture(self):
        """Note what is launched inside, instead of running it."""
        global capturing
        from .memory import POOL
        if capturing is not None:
            raise CaptureError("a graph is being captured already")
        if self.launches:
            raise CaptureError("this graph was captured before; make another Graph()")
        with _captures():
            self._begin()
        POOL.begin_capture()
        capturing = self
        try:
            yield self
            with _captures():
                self._complete()
        except BaseException:
            self._close()
            self.launches.clear()
            raise
        finally:
            capturing = None
            self._kept = POOL.end_capture()

    def _begin(self):
        if not SIMULATED:
            from cuda.core import Device
            device = Device(device_id())
            device.set_current()  # it may be this thread's first, and then knows of no context
            self._builder = device.create_graph_builder()
            self._builder.begin_building()

    def _complete(self):
        if self._builder is not None:
            self._graph = self._builder.end_building().complete()
            self._close()

    def _close(self):
        builder, self._builder = self._builder, None
        if builder is not None:
            with contextlib.suppress(Exception):  # a capture that failed cannot be ended, and what matters is why it did
                builder.close()

    def note(self, kernel, grid, block, args, shared):
        """One launch."""
        self.launches.append((kernel, grid, block, args, shared))  # the arrays' handles live as long as the graph
        if not SIMULATED:
            with _captures():
                _prepared(kernel, grid, block, self._builder, shared)(*args)

    def replay(self):
        """Run all of it, behind what was launched before."""
        if not self.launches:
            raise RuntimeError("replay: nothing was captured")
        if SIMULATED:
            for kernel, grid, block, args, shared in self.launches:
                simulator.run(kernel, grid, block, args, shared)
        else:
            from numba.cuda.cudadrv.driver import _to_core_stream
            self._graph.launch(_to_core_stream(0))


# --- bytes --------------------------------------------------------------------------------------------------------------


def allocate(nbytes):
    """`nbytes` of the device's memory. MemoryError if the driver has no more."""
    if SIMULATED:
        return np.full(nbytes, 0xFF, np.uint8)  # read as floats: NaN, so that what a kernel forgot to write is seen
    try:
        return cuda.current_context().memalloc(nbytes)
    except Exception as error:
        if "OUT_OF_MEMORY" in str(error).upper().replace(" ", "_"):
            raise MemoryError(str(error)) from None
        raise


@functools.cache
def processors():
    """Multiprocessors of the GPU: how many blocks must run for all of it to be busy. The simulator is a GPU of two."""
    return 2 if SIMULATED else int(cuda.current_context().device.MULTIPROCESSOR_COUNT)


def forget(memory):
    """On the simulator, make memory that another array had before look as `allocate` leaves it. A GPU has better things to do."""
    if SIMULATED:
        memory[...] = 0xFF


def memory_info():
    """(free, total) bytes of the device."""
    if SIMULATED:
        return 1 << 34, 1 << 34
    info = cuda.current_context().get_memory_info()
    return int(info.free), int(info.total)


def device_id():
    """The number of the GPU that is used."""
    return 0 if SIMULATED else cuda.current_context().device.id


def address(memory):
    """Where `memory` begins, as a number."""
    return memory.ctypes.data if SIMULATED else int(memory.device_pointer_value)


def typed(memory, offset, shape, dtype):
    """The C-contiguous array of `shape` and `dtype` that begins `offset` bytes into `memory`, as kernels take it."""
    size = dtype.itemsize
    for n in shape:
        size *= n
    if SIMULATED:
        return memory[offset:offset + size].view(dtype).reshape(shape) if size else np.empty(shape, dtype)
    strides, step = [], dtype.itemsize
    for n in reversed(shape):
        strides.append(step)
        step *= n
    from numba.cuda.cudadrv.devicearray import DeviceNDArray
    return DeviceNDArray(shape, tuple(reversed(strides)), dtype, gpu_data=memory.view(offset, offset + size) if size else None)


def foreign(pointer, nbytes, owner):
    """Memory at `pointer` that another library owns, kept alive by holding `owner`."""
    if SIMULATED:
        import ctypes
        memory = np.frombuffer((ctypes.c_uint8 * nbytes).from_address(pointer), np.uint8)
        return _Kept(memory, owner)
    from numba.cuda.cudadrv.driver import MemoryPointer
    return MemoryPointer(cuda.current_context(), numba.cuda.cudadrv.driver.binding.CUdeviceptr(pointer), nbytes, owner=owner)


class _Kept(np.ndarray):
    """Bytes that hold on to whoever owns them."""
    def __new__(cls, memory, owner):
        made = memory.view(cls)
        made.owner = owner
        return made

    def __array_finalize__(self, other):
        self.owner = getattr(other, "owner", None)


def upload(memory, offset, host):
    """Copy the C-contiguous NumPy array `host` to `offset` bytes into `memory`, behind what was launched before."""
    _not_while_capturing("copies from the host")
    if SIMULATED:
        memory[offset:offset + host.nbytes] = host.reshape(-1).view(np.uint8)
        return
    from numba.cuda.cudadrv import driver
    driver.host_to_device(memory.view(offset, offset + host.nbytes), host, host.nbytes)


def download(memory, offset, host):
    """Fill the C-contiguous NumPy array `host` from `offset` bytes into `memory`, when all that was launched is done."""
    _not_while_capturing("looks at values on the GPU")
    if SIMULATED:
        host.reshape(-1).view(np.uint8)[...] = memory[offset:offset + host.nbytes]
        return
    from numba.cuda.cudadrv import driver
    driver.device_to_host(host, memory.view(offset, offset + host.nbytes), host.nbytes)


# --- intrinsics ---------------------------------------------------------------------------------------------------------


def _vector_access(lanes):
    """Functions that load and store `lanes` neighbours by one instruction: x[i], x[i + 1], …; address a multiple of 16 bytes.

    The compiler does not merge neighbouring loads of its own accord, since it cannot know that they are aligned.
    """
    def _pointer(context, builder, array_type, array, i):
        data = context.make_array(array_type)(context, builder, array).data
        vector = ir.VectorType(data.type.pointee, lanes)
        return builder.bitcast(builder.gep(data, [i]), ir.PointerType(vector, data.type.addrspace)), vector

    @intrinsic
    def load(typingctx, x, i):
        def build(context, builder, signature, args):
            place, _ = _pointer(context, builder, signature.args[0], args[0], args[1])
            vector = builder.load(place)
            vector.align = min(16, lanes * context.get_abi_sizeof(place.type.pointee.element))
            parts = [builder.extract_element(vector, ir.Constant(ir.IntType(32), k)) for k in range(lanes)]
            return context.make_tuple(builder, signature.return_type, parts)
        return types.UniTuple(x.dtype, lanes)(x, types.int64), build

    @intrinsic
    def store(typingctx, x, i, values):
        def build(context, builder, signature, args):
            place, vector = _pointer(context, builder, signature.args[0], args[0], args[1])
            value = ir.Constant(vector, ir.Undefined)
            for k in range(lanes):
                value = builder.insert_element(value, builder.extract_value(args[2], k), ir.Constant(ir.IntType(32), k))
            builder.store(value, place).align = min(16, lanes * context.get_abi_sizeof(vector.element))
            return context.get_dummy_value()
        return types.void(x, types.int64, types.UniTuple(x.dtype, lanes)), build

    simulator.stand_in(load, lambda x, i: simulator.load_vector(x, i, lanes))
    simulator.stand_in(store, lambda x, i, values: simulator.store_vector(x, i, values))
    return load, store


load4, store4 = _vector_access(4)
load2, store2 = _vector_access(2)


@intrinsic
def multiply_add(typingctx, sums, left, right):
    """sums + the outer product of `left` and `right`: tuples of m · n, m and n numbers, row by row; m · n fused multiply-adds.

    A tuple is a value, like a number: its parts are registers, whatever the compiler makes of the loops around. Parts of a
    `cuda.local.array` are registers only if all those loops are unrolled.
    """
    m, n = len(left), len(right)

    def build(context, builder, signature, args):
        rows = [builder.extract_value(args[1], i) for i in range(m)]
        columns = [builder.extract_value(args[2], j) for j in range(n)]
        parts = [builder.fma(rows[i], columns[j], builder.extract_value(args[0], i * n + j)) for i in range(m) for j in range(n)]
        return context.make_tuple(builder, signature.return_type, parts)
    return sums(sums, left, right), build


def _outer(sums, left, right):
    products = [a * b for a in left for b in right]
    return tuple([s + p for s, p in zip(sums, products)])


simulator.stand_in(multiply_add, _outer)


@intrinsic
def array_at(typingctx, address, size, like):
    """The array of `size` numbers at `address`, of the dtype of `like`: so that one launch reaches any number of arrays."""
    made = types.Array(like.dtype, 1, "C")

    def build(context, builder, signature, args):
        array = context.make_array(made)(context, builder)
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(made.dtype)))
        for name, value in (("data", builder.inttoptr(args[0], array.data.type)), ("nitems", args[1]), ("itemsize", itemsize),
                            ("shape", cgutils.pack_array(builder, [args[1]])), ("strides", cgutils.pack_array(builder, [itemsize])),
                            ("meminfo", array.meminfo.type(None)), ("parent", array.parent.type(None))):
            setattr(array, name, value)
        return array._getvalue()
    return made(types.int64, types.int64, like), build


simulator.stand_in(array_at, lambda address, size, like: simulator.array_at(int(address), int(size), like.dtype))


def library(name, real, numpys):
    """A function of CUDA's library that Python's `math` lacks, from and to floats of type `real`; on the simulator `numpys` runs.

    "floor", "ceil" and "rint" (to the nearest, halves to even) give floats, where those of `math` give integers; "sinpi" and
    "cospi" are of π times the argument, and need no table to bring it near 0.
    """
    from numba.cuda import libdevice  # numba's own cuda does not load it by itself
    function = getattr(libdevice, name + ("f" if real is np.float32 else ""))
    simulator.stand_in(function, numpys)
    return function
