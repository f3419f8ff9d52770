"""The array that lives on a GPU: a block of memory, and how to walk through it.

It has an ndarray's shape, strides and views, and none of its arithmetic: that is what kernels are for. Nothing is ever copied to
the host behind the user's back, so NumPy's functions refuse it; `to_host` copies when asked.
"""
import math
import operator

import numpy as np

from . import runtime
from .memory import POOL


class Flags:
    """The flags that are asked for."""
    __slots__ = ("_array",)

    def __init__(self, array):
        self._array = array

    @property
    def c_contiguous(self):
        """True if it lies in memory in the order of its axes without gaps."""
        return self._array.is_contiguous()

    @property
    def writeable(self):
        """True if every element has a place of its own, which an array broadcast to a shape has not."""
        return all(step != 0 or n == 1 for n, step in zip(self._array.shape, self._array.strides)) or self._array.size == 0


class DeviceArray:
    """An n-dimensional array in the GPU's memory.

    block     the memory, shared by all views of it, and returned to the pool with the last of them
    offset    bytes from its beginning to the first element
    shape     lengths of the axes
    strides   bytes between neighbours along each axis
    """
    __slots__ = ("block", "offset", "shape", "strides", "dtype", "_contiguous", "_handle", "_flat", "__weakref__")
    device = "cuda"
    __array_ufunc__ = None  # NumPy's functions and operators refuse it instead of trying

    def __init__(self, block, offset, shape, strides, dtype):
        self.block, self.offset, self.shape, self.strides, self.dtype = block, offset, shape, strides, dtype
        self._contiguous = self._handle = self._flat = None

    # --- what it is ---------------------------------------------------------------------------------------------------

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    itemsize = property(lambda self: self.dtype.itemsize)
    nbytes = property(lambda self: self.dtype.itemsize * math.prod(self.shape))
    flags = property(lambda self: Flags(self))

    def is_contiguous(self):
        """True if it lies in memory in the order of its axes without gaps."""
        if self._contiguous is None:
            self._contiguous = 0 in self.shape or _fits(self.shape, self.strides, self.dtype.itemsize)
        return self._contiguous

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __repr__(self):
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, device='cuda')"

    def _refuse(self, *args, **options):
        raise TypeError("an array on the GPU is not NumPy's: copy it to the host first (tensor.cpu(), or kernels.cuda.to_host)")

    __array__ = __bool__ = __float__ = __int__ = __iter__ = __radd__ = __reduce_ex__ = _refuse

    def __copy__(self):
        return self.view()

    def __deepcopy__(self, memo):
        from .array import copy
        return copy(self)

    def __reduce__(self):
        from .array import from_host, to_host
        return from_host, (to_host(self),)

    # --- as kernels take it -------------------------------------------------------------------------------------------

    def handle(self):
        """What `runtime.launch` passes to a kernel: the array, which must be C-contiguous."""
        if self._handle is None:
            if not self.is_contiguous():
                raise ValueError(f"a kernel was given an array of shape {self.shape} and strides {self.strides}, which is not contiguous")
            self._handle = runtime.typed(self.block.memory, self.offset, self.shape, self.dtype)
        return self._handle

    @property
    def flat(self):
        """All its elements as one axis: a view, of a contiguous array."""
        if self.ndim == 1:
            return self
        if not self.is_contiguous():
            raise ValueError(f"flat: an array of shape {self.shape} and strides {self.strides} is not contiguous")
        if self._flat is None:
            self._flat = DeviceArray(self.block, self.offset, (self.size,), (self.itemsize,), self.dtype)
        return self._flat

    def _ends(self):
        """The bytes in the block where its lowest element begins, and where its highest does."""
        low = high = self.offset
        for n, step in zip(self.shape, self.strides):
            low, high = low + min(0, (n - 1) * step), high + max(0, (n - 1) * step)
        return low, high

    def bounds(self):
        """The addresses where the memory that it reaches begins and ends (0 and 0 if it has no elements)."""
        if 0 in self.shape:
            return 0, 0
        low, high = self._ends()
        start = runtime.address(self.block.memory)
        return start + low, start + high + self.itemsize

    def span(self):
        """(a 1-d array over all the memory that it reaches, the index there of its first element), for strides of any kind."""
        if 0 in self.shape:
            return self.flat, 0
        low, high = self._ends()
        count = (high - low) // self.itemsize + 1
        return DeviceArray(self.block, low, (count,), (self.itemsize,), self.dtype), (self.offset - low) // self.itemsize

    # --- views --------------------------------------------------------------------------------------------------------

    def _as(self, shape, strides, offset=None):
        return DeviceArray(self.block, self.offset if offset is None else offset, tuple(shape), tuple(strides), self.dtype)

    def view(self):
        """The same memory as another object."""
        return self._as(self.shape, self.strides)

    @property
    def T(self):
        """Its axes in reverse."""
        return self._as(self.shape[::-1], self.strides[::-1])

    def transpose(self, *axes):
        """Its axes in another order (default: reversed)."""
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], (int, np.integer)) else axes
        if axes is None or not len(axes) and self.ndim:
            return self.T
        order = [self._axis(a, "transpose") for a in axes]
        if sorted(order) != list(range(self.ndim)):
            raise ValueError(f"transpose: axes {tuple(axes)} are no order of {self.ndim} axes")
        return self._as([self.shape[a] for a in order], [self.strides[a] for a in order])

    def _axis(self, a, what):
        if not -self.ndim <= a < self.ndim:
            raise ValueError(f"{what}: axis {a} is out of bounds for an array with {self.ndim} axes")
        return a % self.ndim

    def swapaxes(self, a, b):
        """Axes `a` and `b` exchanged."""
        a, b = self._axis(a, "swapaxes"), self._axis(b, "swapaxes")
        axes = list(range(self.ndim))
        axes[a], axes[b] = b, a
        return self.transpose(axes)

    def squeeze(self, axis=None):
        """Without the axes of length 1 named (default: all of them)."""
        axes = [a for a in range(self.ndim) if self.shape[a] == 1] if axis is None else (
            (axis,) if isinstance(axis, (int, np.integer)) else axis)
        gone = {self._axis(a, "squeeze") for a in axes}
        if any(self.shape[a] != 1 for a in gone):
            raise ValueError(f"squeeze: axes {sorted(gone)} of shape {self.shape} are not all of length 1")
        left = [a for a in range(self.ndim) if a not in gone]
        return self._as([self.shape[a] for a in left], [self.strides[a] for a in left])

    def reshape(self, *shape):
        """Its elements in another shape: a view where its strides allow, else a copy."""
        shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
        shape = _completed(tuple(map(int, shape)), self.shape)
        strides = _restrided(self.shape, self.strides, shape, self.itemsize)
        if strides is None:
            from .array import copy
            return copy(self).reshape(shape)
        return self._as(shape, strides)

    def __getitem__(self, index):
        """A view, by integers, slices, None and an Ellipsis."""
        index = index if type(index) is tuple else (index,)
        named = sum(i is not None and i is not Ellipsis for i in index)
        if named > self.ndim:
            raise IndexError(f"{named} indices for an array with {self.ndim} axes")
        dots = sum(i is Ellipsis for i in index)
        if dots != 1:
            if dots:
                raise IndexError("an index can hold only one Ellipsis (...)")
            index = (*index, Ellipsis)
        shape, strides, offset, axis = [], [], self.offset, 0
        for i in index:
            if i is None:
                shape.append(1), strides.append(0)
            elif i is Ellipsis:
                skipped = self.ndim - named
                shape += self.shape[axis:axis + skipped]
                strides += self.strides[axis:axis + skipped]
                axis += skipped
            else:
                n, step = self.shape[axis], self.strides[axis]
                if isinstance(i, slice):
                    first, last, stride = i.indices(n)
                    count = len(range(first, last, stride))
                    offset += first * step if count else 0
                    shape.append(count), strides.append(step * stride)
                else:
                    i = self._whole(i)
                    if not -n <= i < n:
                        raise IndexError(f"index {i} is out of bounds for axis {axis} with size {n}")
                    offset += i % n * step
                axis += 1
        return self._as(shape, strides, offset)

    def _whole(self, i):
        try:
            if not isinstance(i, (bool, np.bool_)):
                return operator.index(i)
        except TypeError:
            pass
        raise IndexError(f"an array on the GPU is viewed by integers, slices, None and an Ellipsis, not by {type(i).__name__}; "
                         "to gather elements use a tensor's x[...], or kernels.cuda.gather")

    # --- to other libraries -------------------------------------------------------------------------------------------

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        """For PyTorch, CuPy and others: the same memory, without a copy. See `dlpack.capsule`."""
        from . import dlpack
        return dlpack.capsule(self, stream, max_version, dl_device, copy)

    def __dlpack_device__(self):
        from . import dlpack
        return dlpack.device_of_all()

    @property
    def __cuda_array_interface__(self):
        if runtime.SIMULATED:
            raise AttributeError("a simulated array lives in the host's memory, where no CUDA library may look for it")
        return {"shape": self.shape, "typestr": self.dtype.str, "version": 3, "stream": 1,  # all our work is on the legacy default stream
                "data": (runtime.address(self.block.memory) + self.offset if self.size else 0, False),
                "strides": None if self.is_contiguous() else self.strides}


def new(shape, dtype):
    """A C-contiguous DeviceArray whose values are whatever was in memory."""
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf" or not dtype.isnative:
        raise TypeError(f"an array on the GPU cannot be of {dtype!r}; expected this machine's numbers: float32, float64, int64, uint8, "
                        "bool, …")
    if min(shape, default=0) < 0:
        raise ValueError(f"shape {shape} has a negative length")
    strides, step = [], dtype.itemsize
    for n in reversed(shape):
        strides.append(step)
        step *= n
    if POOL.handed_out == 0:
        runtime.check_available()
    block = POOL.block(step)
    runtime.forget(block.memory)
    return DeviceArray(block, 0, shape, tuple(reversed(strides)), dtype)


def _fits(shape, strides, step):
    for n, stride in zip(reversed(shape), reversed(strides)):
        if n != 1 and stride != step:
            return False
        step *= n
    return True


def _completed(shape, old):
    """`shape` with its −1 computed. ValueError if the numbers of elements differ."""
    size = math.prod(old)
    if shape.count(-1) == 1:
        rest = -math.prod(shape)
        if rest == 0 or size % rest:
            raise ValueError(f"reshape: {size} elements of shape {old} do not fill shape {shape}")
        shape = tuple(size // rest if n == -1 else n for n in shape)
    if math.prod(shape) != size or min(shape, default=0) < 0:
        raise ValueError(f"reshape: {size} elements of shape {old} do not fill shape {shape}")
    return shape


def _restrided(old, strides, new_shape, itemsize):
    """Strides of a view of `new_shape`, or None where none can be had without a copy.

    Axes are walked in groups that hold equally many elements; within a group, the old axes must lie one behind the other.
    """
    if 0 in new_shape:
        return tuple(itemsize for _ in new_shape)
    axes = [(n, s) for n, s in zip(old, strides) if n != 1]
    made, i, k = [], 0, 0
    while k < len(new_shape):
        if new_shape[k] == 1:
            made.append(itemsize)
            k += 1
            continue
        there, here, start = axes[i][0], new_shape[k], k
        i, k = i + 1, k + 1
        while there != here:
            if there < here:
                if axes[i - 1][1] != axes[i][1] * axes[i][0]:
                    return None
                there *= axes[i][0]
                i += 1
            else:
                here *= new_shape[k]
                k += 1
        step, group = axes[i - 1][1], []
        for n in reversed(new_shape[start:k]):
            group.append(step)
            step *= n
        made += reversed(group)
    return tuple(made)
