"""Calls of kernels to check the GPU's rung with: those that the table of operation samples makes on the reference rung.

The reference rung is run with a recorder in its place; each call is kept with its arguments, what it returned, and what it wrote
into its arguments. Playing it again on another rung is then a test of that rung's kernel that nobody had to write. Kernels that
no sample calls, or none that is small enough to simulate, are called by `MORE`.
"""
import copy
import ctypes
import dataclasses
import inspect
import warnings

import numpy as np
import op_samples

from tinyattn import kernels

PER_KERNEL = 12
"""Calls kept of each kernel and dtype: the first ones whose arguments differ in more than their values."""
LARGEST = 3_000
"""Elements of all arguments of a call: a simulated thread takes a while."""


@dataclasses.dataclass
class Call:
    """One call of the kernel `name`: arguments before and after, and the result."""
    name: str
    args: tuple
    options: dict
    after: tuple
    result: object

    def describe(self):
        """The arguments in short: shapes of arrays, values of numbers."""
        return f"{self.name}({', '.join(map(_short, (*self.args, *self.options.values())))})"


def _short(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype.name}{list(value.shape)}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_short, value))}]"
    return str(value)


class _Recorder:
    """The reference rung, noting every call of it from outside."""

    def __init__(self, rung, calls, largest, per_kernel):
        self._rung, self._calls, self._largest, self._per_kernel, self._seen = rung, calls, largest, per_kernel, {}

    def __getattr__(self, name):
        kernel = getattr(self._rung, name)
        if not inspect.isfunction(kernel) or name.startswith("_") or name in ("from_host", "to_host"):
            return kernel

        def noted(*args, **options):
            if not self._wanted(name, args, options):
                return kernel(*args, **options)
            before = _copied((args, options), {})
            result = kernel(*args, **options)
            self._calls.append(Call(name, *before, copy.deepcopy(args), copy.deepcopy(result)))
            return result

        setattr(self, name, noted)
        return noted

    def _wanted(self, name, args, options):
        if sum(a.size for a in arrays_in((args, options))) > self._largest:
            return False
        if self._per_kernel is None:
            return True
        key = name, tuple(map(_short, (*args, *options.values())))
        kind = name, next((a.dtype for a in arrays_in((args, options)) if a.dtype.kind == "f"), None)
        seen = self._seen.setdefault(kind, set())
        if key in seen or len(seen) >= self._per_kernel:
            return False
        seen.add(key)
        return True


def _copied(value, known):
    """A copy of nested arguments; arrays keep their strides, and one that is given twice stays one."""
    if isinstance(value, np.ndarray):
        if id(value) not in known:
            known[id(value)] = value.copy() if value.flags.c_contiguous else _on_copied_memory(value)
        return known[id(value)]
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(v, known) for v in value)
    if isinstance(value, dict):
        return {k: _copied(v, known) for k, v in value.items()}
    return copy.deepcopy(value)


def _on_copied_memory(array):
    low, high = np.lib.array_utils.byte_bounds(array)
    memory = np.array((ctypes.c_uint8 * (high - low)).from_address(low), np.uint8)
    return np.ndarray(array.shape, array.dtype, memory, array.ctypes.data - low, array.strides)


def uploaded(array, rung):
    """`array` on the device, lying in its memory as it does on the host."""
    if array.flags.c_contiguous:
        return rung.from_host(array)
    low, high = np.lib.array_utils.byte_bounds(array)
    memory = rung.from_host(np.array((ctypes.c_uint8 * (high - low)).from_address(low), np.uint8))
    return type(memory)(memory.block, array.ctypes.data - low, array.shape, array.strides, array.dtype)


def arrays_in(value):
    """All arrays in nested tuples, lists and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from arrays_in(v)
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))


def recorded(run, largest=LARGEST, per_kernel=PER_KERNEL):
    """The calls of reference kernels that ``run()`` makes: `per_kernel` of each that differ, or all of them if that is None."""
    calls = []
    rung = kernels.rung("reference")
    kernels._loaded["reference"] = _Recorder(rung, calls, largest, per_kernel)
    try:
        with kernels.use("reference"), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, of the infinities and empty arrays that are meant
            run()
    finally:
        kernels._loaded["reference"] = rung
    return calls


def of_samples():
    """The calls that the samples of all operations make, forward and backward, in float32 and float64."""
    def run():
        for dtype in (np.float32, np.float64):
            for sample in op_samples.CASES:
                arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in sample.arrays()]
                if sum(a.size for a in arrays) < LARGEST:
                    op_samples.run(sample, arrays, "reference")
    return recorded(run)


def moved(value, move):
    """`value` with every array in it replaced by ``move(array)``."""
    if isinstance(value, (list, tuple)):
        return type(value)(moved(v, move) for v in value)
    return move(value) if isinstance(value, np.ndarray) or hasattr(value, "block") else value


def replay(call, rung, name=None):
    """(result, arguments afterwards) of `call` on `rung`, as NumPy arrays; with the kernel `name` in place of the one called."""
    known = {}

    def move(array):
        if id(array) not in known:
            known[id(array)] = uploaded(array, rung)
        return known[id(array)]

    args, options = moved(list(call.args), move), {k: moved(v, move) for k, v in call.options.items()}
    result = getattr(rung, name or call.name)(*args, **options)
    return moved(result, rung.to_host), moved(args, rung.to_host)


def check(call, rung, name=None, tolerance=None):
    """AssertionError if `rung` (its kernel `name`, if given) does not do what the reference did."""
    result, after = replay(call, rung, name)
    same(result, call.result, f"{call.describe()} →", tolerance)
    for i, (got, expected) in enumerate(zip(after, call.after)):
        same(got, expected, f"{call.describe()}, argument {i} afterwards:", tolerance)


def same(got, expected, what, tolerance=None):
    """Equal structure, dtypes and shapes; floats within `tolerance` of the largest, everything else exactly."""
    if isinstance(expected, np.generic) and isinstance(got, np.ndarray):
        expected = np.asarray(expected)
    if isinstance(expected, (list, tuple)):
        assert isinstance(got, (list, tuple)) and len(got) == len(expected), f"{what} {len(expected)} results expected, got {got!r}"
        for i, (g, e) in enumerate(zip(got, expected)):
            same(g, e, f"{what} [{i}]", tolerance)
    elif isinstance(expected, np.ndarray):
        assert isinstance(got, np.ndarray), f"{what} expected an array, got {type(got).__name__}"
        assert got.dtype == expected.dtype, f"{what} dtype {got.dtype}, expected {expected.dtype}"
        if expected.dtype.kind == "f":
            allowed = tolerance or (2e-5 if expected.dtype == np.float32 else 1e-11)
            op_samples.close(got, expected, allowed, what)
        else:
            assert got.shape == expected.shape, f"{what} shape {got.shape}, expected {expected.shape}"
            assert np.array_equal(got, expected), f"{what} {got.tolist()}, expected {expected.tolist()}"
    elif isinstance(expected, (int, float, bool, np.generic)):
        assert got == expected or got != got and expected != expected, f"{what} {got}, expected {expected}"
    else:
        assert got == expected, f"{what} {got!r}, expected {expected!r}"
