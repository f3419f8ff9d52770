"""Arrays shared with other libraries, without a copy: DLPack, which PyTorch, CuPy, JAX and NumPy speak, and CUDA's array interface.

An array is handed over as a capsule: a pointer to a C structure with the address, shape and strides (in elements), and a function
that the receiver calls when it needs the memory no more. Until then the sender keeps it. A capsule that nobody took is cleared away
by its destructor; whoever takes it renames it, so that only one of the two happens. On the simulator memory is the host's,
and so the device is called CPU. (DLPack 1.0, github.com/dmlc/dlpack, dlpack.h; Python array API, "Data interchange mechanisms".)
"""
import ctypes

import numpy as np

from . import runtime
from .memory import Block

CPU, CUDA = 1, 2
"""DLPack's kinds of device."""
CODES = {"i": 0, "u": 1, "f": 2, "b": 6}
"""Its kinds of numbers, by NumPy's."""
READ_ONLY, COPIED = 1, 2
"""Its flags."""
NAMES = {False: b"dltensor", True: b"dltensor_versioned"}
TAKEN = {False: b"used_dltensor", True: b"used_dltensor_versioned"}
ALIGNED = 256
"""Offsets count from a multiple of this many bytes, so that an array's offset tells whether vectors of it are aligned."""


class _Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32),
                ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class _Versioned(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
                ("flags", ctypes.c_uint64), ("tensor", _Tensor)]


def _python(name, result, *arguments):
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


_new_capsule = _python("PyCapsule_New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_rename = _python("PyCapsule_SetName", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
# by address: a destructor is shown a capsule that no name may be given to any more
_is_called = _python("PyCapsule_IsValid", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
_pointer = _python("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)

_lent = {}
"""What others hold: address of a structure → it, its lengths and strides, and the array whose memory it shows."""


@_Deleter
def _returned(address):
    _lent.pop(address, None)


@_Deleter
def _destroyed(capsule):
    for name in NAMES.values():
        if _is_called(capsule, name):
            _returned(_pointer(capsule, name))


for _callback in (_returned, _destroyed):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_callback))  # others may call them while this module is being cleared away


def device_of_all():
    """(kind, number) of the device that all our arrays live on."""
    return (CPU, 0) if runtime.SIMULATED else (CUDA, runtime.device_id())


def capsule(array, stream=None, max_version=None, dl_device=None, copy=None):
    """The DeviceArray `array` for another library; see ``__dlpack__`` of the array API standard.

    stream       the receiver's: what computes `array` is done before anything that is started on it from now on
    max_version  the newest DLPack it understands; from (1, 0) on the capsule is a versioned one
    dl_device    where it wants it: here, or on the CPU, which takes a copy
    copy         True: a copy; False: BufferError rather than a copy
    """
    here = device_of_all()
    if dl_device is not None and tuple(dl_device) != here:
        if tuple(dl_device) != (CPU, 0) or copy is False:
            raise BufferError(f"__dlpack__: the array lives on {_said(here)} and was asked for on {_said(dl_device)}"
                              + (" without a copy" if copy is False else "; copy it there first"))
        from .array import to_host
        return to_host(array).__dlpack__(max_version=max_version)
    _wait_for_us(stream)
    if copy:
        from .array import copy as copied
        array = copied(array)
    versioned = max_version is not None and tuple(max_version) >= (1, 0)
    made = _Versioned(major=1, minor=0, flags=COPIED if copy else 0) if versioned else _Managed()
    lengths = (ctypes.c_int64 * array.ndim)(*array.shape)
    strides = (ctypes.c_int64 * array.ndim)(*(s // array.itemsize for s in array.strides))
    made.tensor = _Tensor(data=runtime.address(array.block.memory) + array.offset if array.size else None, device_type=here[0],
                          device_id=here[1], ndim=array.ndim, code=CODES[array.dtype.kind], bits=8 * array.itemsize, lanes=1,
                          shape=ctypes.cast(lengths, ctypes.POINTER(ctypes.c_int64)),
                          strides=ctypes.cast(strides, ctypes.POINTER(ctypes.c_int64)), byte_offset=0)
    made.deleter = ctypes.cast(_returned, ctypes.c_void_p)
    address = ctypes.addressof(made)
    _lent[address] = made, lengths, strides, array
    return _new_capsule(address, NAMES[versioned], ctypes.cast(_destroyed, ctypes.c_void_p))


def _wait_for_us(stream):
    """All our work is on CUDA's legacy default stream, which orders itself with 1 (that stream) and 2 (a thread's default one)."""
    if runtime.SIMULATED:
        if stream not in (None, -1):
            raise BufferError(f"__dlpack__: stream is {stream!r}; simulated arrays are on the CPU, which has none")
    elif stream == 0:
        raise ValueError("__dlpack__: stream 0 may mean two things; say 1 (the legacy default stream) or 2 (a thread's default stream)")
    elif stream not in (None, -1, 1, 2):
        runtime.synchronize()


def from_dlpack(x):
    """The DeviceArray on the memory of `x`, which stays the other library's: whoever writes, both see it.

    x: anything with ``__dlpack__`` on our device (a PyTorch, CuPy or JAX array; on the simulator one on the CPU, as NumPy's), or
    with ``__cuda_array_interface__`` (Numba's own arrays). TypeError, or BufferError, if it cannot be shared.
    """
    runtime.check_available()
    if not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        if not runtime.SIMULATED and hasattr(x, "__cuda_array_interface__"):
            return from_interface(x.__cuda_array_interface__, x)
        raise TypeError(f"from_dlpack: {type(x).__name__} has no __dlpack__; expected an array of PyTorch, CuPy, JAX or NumPy")
    there, here = tuple(map(int, x.__dlpack_device__())), device_of_all()
    if there != here:
        raise BufferError(f"from_dlpack: the {type(x).__name__} lives on {_said(there)}, expected one on {_said(here)}; "
                          + ("copy it there first, or use kernels.cuda.from_host" if there[0] == CPU else "copy it there first"))
    stream = {} if runtime.SIMULATED else {"stream": 1}
    try:
        given = x.__dlpack__(**stream, max_version=(1, 0))
    except TypeError:  # older than DLPack 1.0
        given = x.__dlpack__(**stream)
    return _taken(given, type(x).__name__)


class _Owner:
    """Tells the other library, when it dies, that we need the memory no more."""

    def __init__(self, managed):
        self.managed = managed

    def __del__(self):
        if self.managed.deleter:
            _Deleter(self.managed.deleter)(ctypes.addressof(self.managed))


def _taken(given, name):
    """The DeviceArray of a capsule, which is ours from here on."""
    versioned = bool(_is_called(id(given), NAMES[True]))
    if not versioned and not _is_called(id(given), NAMES[False]):
        raise BufferError("from_dlpack: the capsule was taken already; a capsule can be used once")
    managed = (_Versioned if versioned else _Managed).from_address(_pointer(id(given), NAMES[versioned]))
    if versioned and managed.major > 1:
        raise BufferError(f"from_dlpack: DLPack {managed.major}.{managed.minor} was given, expected 1.x")
    tensor = managed.tensor
    kind = {code: kind for kind, code in CODES.items()}.get(tensor.code)
    if kind is None or tensor.lanes != 1 or tensor.bits not in ((8,) if kind == "b" else (16, 32, 64) if kind == "f" else (8, 16, 32, 64)):
        raise TypeError(f"from_dlpack: numbers of DLPack's kind {tensor.code} with {tensor.bits} bits and {tensor.lanes} lanes are not "
                        "known here; convert them to float32 first")
    if versioned and managed.flags & READ_ONLY:
        raise BufferError(f"from_dlpack: the {name} is read-only, and kernels may write to it; give a copy of it")
    dtype = np.dtype(f"{kind}{tensor.bits // 8}")
    shape = tuple(tensor.shape[k] for k in range(tensor.ndim))
    strides = tuple(tensor.strides[k] * dtype.itemsize for k in range(tensor.ndim)) if tensor.strides else None
    _rename(given, TAKEN[versioned])
    return foreign((tensor.data or 0) + tensor.byte_offset, shape, strides, dtype, _Owner(managed))


def from_interface(description, owner):
    """The DeviceArray of a ``__cuda_array_interface__``, a dict, whose memory `owner` keeps. (Numba, "CUDA Array Interface", version 3.)"""
    pointer, read_only = description["data"]
    dtype = np.dtype(description["typestr"])
    if dtype.kind not in CODES or description.get("mask") is not None:
        raise TypeError(f"from_dlpack: an array of {dtype}{' with a mask' if description.get('mask') is not None else ''} cannot be shared")
    if read_only:
        raise BufferError(f"from_dlpack: the {type(owner).__name__} is read-only, and kernels may write to it; give a copy of it")
    if description.get("stream") not in (None, 1, 2):
        runtime.synchronize()
    return foreign(pointer, tuple(description["shape"]), description.get("strides"), dtype, owner)


def foreign(pointer, shape, strides, dtype, owner):
    """A DeviceArray on memory at `pointer` that `owner` keeps; strides in bytes, or None if C-contiguous."""
    from .device_array import DeviceArray, new
    if 0 in shape:
        return new(shape, dtype)
    if strides is None:
        strides, step = [], dtype.itemsize
        for n in reversed(shape):
            strides.insert(0, step)
            step *= n
    low = pointer + sum(min(0, (n - 1) * s) for n, s in zip(shape, strides))
    high = pointer + sum(max(0, (n - 1) * s) for n, s in zip(shape, strides)) + dtype.itemsize
    low -= low % ALIGNED
    return DeviceArray(Block(runtime.foreign(low, high - low, owner), high - low, None), pointer - low, tuple(shape), tuple(strides), dtype)


def _said(device):
    kind, number = device
    return {CPU: "the CPU", CUDA: f"CUDA device {number}"}.get(kind, f"device {number} of DLPack's kind {kind}")
