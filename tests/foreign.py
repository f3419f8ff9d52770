"""A device that is none: arrays that allow nothing but what the framework may ask of an array on a device, and kernels for them.

A `ForeignArray` has a shape, a dtype, strides and views; everything else, NumPy's functions above all, raises. Its kernels unwrap it,
run the reference rung, and wrap what comes back. With ``installed()`` it stands in for "cuda": what runs on it touches no
array outside the kernels, and must give the reference's numbers to the last bit.
"""
import contextlib
import functools
import types

import numpy as np

from tinyattn import kernels

ALLOWED_ON_HOST = {"seed", "offset", "lr", "step"}
"""Arguments of kernels that are one-element arrays in the host's memory."""


class ForeignArray:
    """An array somewhere else. `_hidden` is for the kernels below alone."""

    __slots__ = ("_hidden", "__weakref__")
    __array_ufunc__ = None                       # NumPy's operators leave it alone …
    device = "cuda"

    def __init__(self, hidden):
        assert type(hidden) is np.ndarray
        self._hidden = hidden

    shape = property(lambda self: self._hidden.shape)
    ndim = property(lambda self: self._hidden.ndim)
    size = property(lambda self: self._hidden.size)
    dtype = property(lambda self: self._hidden.dtype)
    itemsize = property(lambda self: self._hidden.itemsize)
    nbytes = property(lambda self: self._hidden.nbytes)
    strides = property(lambda self: self._hidden.strides)
    flags = property(lambda self: types.SimpleNamespace(c_contiguous=self._hidden.flags.c_contiguous, writeable=self._hidden.flags.writeable))
    T = property(lambda self: ForeignArray(self._hidden.T))

    def transpose(self, *axes):
        assert all(type(a) is int for a in axes), "transpose takes axes"
        return ForeignArray(self._hidden.transpose(axes if axes or not self.ndim else None))

    def swapaxes(self, a, b):
        return ForeignArray(self._hidden.swapaxes(a, b))

    def squeeze(self, axis):
        return ForeignArray(self._hidden.squeeze(axis))

    def reshape(self, *shape):
        return ForeignArray(self._hidden.reshape(*shape))

    def view(self):
        return ForeignArray(self._hidden.view())

    def __len__(self):
        return len(self._hidden)

    def __getitem__(self, index):
        index = index if isinstance(index, tuple) else (index,)
        for item in index:
            if not (item is None or item is Ellipsis or type(item) in (int, slice)):
                raise TypeError(f"a foreign array is indexed by ints, slices, None and …, got {type(item).__name__}")
        return ForeignArray(self._hidden[index if Ellipsis in index else (*index, Ellipsis)])      # a view, where all are ints too

    def __deepcopy__(self, memo):
        return ForeignArray(self._hidden.copy())

    def _refuse(self, *_, **__):
        raise TypeError("a foreign array was touched outside the kernels")


for _name in ("array", "iter", "bool", "float", "int", "index", "setitem", "contains", "eq", "ne", "lt", "le", "gt", "ge", "neg", "abs", "invert",
              *(way + name for way in ("", "r", "i") for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or"))):
    setattr(ForeignArray, f"__{_name}__", ForeignArray._refuse)      # … and Python's raise
ForeignArray.__hash__ = object.__hash__


def from_host(a):
    """A copy of a C-contiguous array elsewhere."""
    assert type(a) is np.ndarray and a.flags.c_contiguous
    return ForeignArray(a.copy())


def to_host(a):
    """A copy of it here."""
    return a._hidden.copy()


def write(a, values):
    """Overwrite it with an array from here."""
    a._hidden[...] = values
    return a


def _unwrapped(value, name):
    if isinstance(value, ForeignArray):
        return value._hidden
    if isinstance(value, (list, tuple)):
        return type(value)([_unwrapped(v, name) for v in value])
    if isinstance(value, np.ndarray):
        assert name in ALLOWED_ON_HOST or value.ndim == 0, f"an array of shape {value.shape} in the host's memory was given as {name}"
    return value


def _wrapped(value):
    if isinstance(value, (tuple, list)):
        return type(value)([_wrapped(v) for v in value])
    return ForeignArray(np.asarray(value)) if isinstance(value, (np.ndarray, np.generic)) else value


def _foreign(name, kernel, signature):
    @functools.wraps(kernel)
    def call(*args, **options):
        given = signature.bind(*args, **options)
        given.arguments.update({key: _unwrapped(value, key) for key, value in given.arguments.items()})
        out = given.arguments.get("out")
        result = _wrapped(kernel(*given.args, **given.kwargs))
        assert out is None or result._hidden is out or np.may_share_memory(result._hidden, out)
        return result
    return call


def rung():
    """The kernels of foreign arrays: a module with the names of the reference rung."""
    import inspect
    reference = kernels.rung("reference")
    module = types.ModuleType("tinyattn.kernels.foreign")
    for name, kernel in vars(reference).items():
        if inspect.isfunction(kernel) and not name.startswith("_"):
            setattr(module, name, _foreign(name, kernel, inspect.signature(kernel)))
    module.from_host, module.to_host, module.check_available, module.write = from_host, to_host, lambda: None, write
    return module


@contextlib.contextmanager
def installed():
    """Foreign arrays stand in for the device "cuda"."""
    before = kernels._loaded.get("cuda")
    kernels._loaded["cuda"] = rung()
    try:
        yield kernels._loaded["cuda"]
    finally:
        kernels._loaded.pop("cuda")
        if before is not None:
            kernels._loaded["cuda"] = before
