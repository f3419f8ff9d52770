"""The arrays that simulated kernels are given and make: every index is checked, and what nobody wrote is not read."""
import ctypes
import functools
import math

import numpy as np

from .basics import Now, SimulationError


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
    machine, key = Now.machine, (address, size, dtype)
    if key not in machine.arrays:
        memory = (ctypes.c_uint8 * (size * dtype.itemsize)).from_address(address)
        machine.arrays[key] = machine.memory(np.frombuffer(memory, dtype), f"array at {address:#x}")
    return machine.arrays[key]


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


def plain_memory(array, name, shared=False):
    """What a kernel gets in an array's place where nobody watches."""
    return _Written(array) if shared and array.dtype.kind in "iu" else Memory(array)


@functools.cache
def dtype_of(kind):
    """NumPy's dtype of what a kernel names one by, which may be a type of Numba's."""
    from numba.np.numpy_support import as_dtype
    try:
        return np.dtype(kind)
    except TypeError:
        return np.dtype(as_dtype(kind))


def fresh(shape, dtype, alignment):
    """An array full of bytes 0xFF that begins at a multiple of `alignment`, but of no larger power of two up to 16 bytes."""
    nbytes = math.prod(shape if isinstance(shape, tuple) else (shape,)) * dtype.itemsize
    memory = np.full(nbytes + 48, 0xFF, np.uint8)
    start = -memory.ctypes.data % 16 + alignment % 16
    return memory[start:start + nbytes].view(dtype).reshape(shape)
