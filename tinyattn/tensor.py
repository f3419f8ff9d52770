"""The Tensor: an array, maybe a gradient, and how it was made.

It knows no operation: arithmetic, methods and indexing are bound to it in one table, in `tinyattn.ops`. What is here
is what every operation needs of it: the array, whether a gradient is wanted, the node of the tape that made it, and
the counters that notice a value changed in place after it was saved.
"""
import itertools
import numbers

import numpy as np

from . import kernels
from .nearest import did_you_mean

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
"""The dtypes that can carry a gradient."""

DLPACK_CUDA = 2
"""The number by which DLPack names a CUDA device."""

_KINDS = "biuf"
_NAMES = ("float32", "float64", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool")


class Tensor:
    """An n-dimensional array with automatic differentiation.

    Make one with `tinyattn.tensor`, `zeros`, `randn`…; ``Tensor(array)`` itself wraps an array without a copy.

    data            the array: an ``ndarray`` on the CPU, one of `kernels.cuda` on a GPU. Writing through it is not seen by the
                    in-place checks.
    grad            None, or the Tensor that ``backward()`` added up here (leaves only)
    requires_grad   whether operations on it are recorded
    grad_fn         the recorded operation that made it; None for a leaf
    """

    __slots__ = ("data", "grad", "requires_grad", "grad_fn", "_output_index", "_version", "_base", "_base_history",
                 "_history", "_hooks", "__weakref__", "__dict__")
    __array_priority__ = 1000  # NumPy arrays on the left leave `array + tensor` to the Tensor

    def __init__(self, data, requires_grad=False):
        if type(data) is not np.ndarray and not hasattr(data, "dtype"):
            raise TypeError(f"Tensor: wraps an array, got {type(data).__name__}; make one of it with ta.tensor(…)")
        self.data = data
        self.grad = None
        self.grad_fn = None
        self._output_index = 0
        self._version = [0]       # a box, shared by all views of one memory; bumped when it is changed in place
        self._base = None         # the tensor that this one is a view of
        self._base_history = 0    # how often the base had been rewritten, with history, when this view was taken
        self._history = 0
        self._hooks = None
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_()

    # --- what it is ---------------------------------------------------------------------------------------------

    @property
    def shape(self):
        """The lengths of its axes, a tuple."""
        return self.data.shape

    @property
    def ndim(self):
        """The number of axes."""
        return self.data.ndim

    @property
    def dtype(self):
        """The NumPy dtype of its elements."""
        return self.data.dtype

    @property
    def device(self):
        """Where its memory is: ``"cpu"`` or ``"cuda"``."""
        return self.data.device

    @property
    def is_cuda(self):
        """True if its memory is on the GPU."""
        return self.data.device == "cuda"

    @property
    def is_leaf(self):
        """True if no recorded operation made it: `backward` leaves gradients only at leaves."""
        return self.grad_fn is None

    def is_floating_point(self):
        """True for float32 and float64, the dtypes that can carry a gradient."""
        return self.data.dtype in FLOATS

    def size(self, dim=None):
        """Its shape, or the length of axis `dim`."""
        if dim is not None and not -self.ndim <= dim < self.ndim:
            raise IndexError(f"size: dim {dim} is out of range for a tensor with {self.ndim} axes")
        return self.shape if dim is None else self.shape[dim]

    def dim(self):
        """The number of axes."""
        return self.ndim

    def numel(self):
        """The number of elements."""
        return self.data.size

    nelement = numel

    def element_size(self):
        """Bytes of one element."""
        return self.data.itemsize

    def stride(self, dim=None):
        """How many elements lie between neighbours along each axis, or along axis `dim`."""
        steps = tuple(step // self.data.itemsize for step in self.data.strides)
        if dim is not None and not -self.ndim <= dim < self.ndim:
            raise IndexError(f"stride: dim {dim} is out of range for a tensor with {self.ndim} axes")
        return steps if dim is None else steps[dim]

    def is_contiguous(self):
        """True if its memory is in the order of its axes (an image tensor is usually channels-last instead)."""
        return bool(self.data.flags.c_contiguous)

    def __len__(self):
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(self.shape[0]))

    # --- its values, out of the graph ---------------------------------------------------------------------------

    def contiguous_data(self):
        """Its array if that is C-contiguous in some order of its axes, else a contiguous copy (for reading only)."""
        data = self.data
        if data.flags.c_contiguous or data.ndim == 4 and data.transpose(0, 2, 3, 1).flags.c_contiguous:
            return data if data.flags.c_contiguous else data.transpose(0, 2, 3, 1)
        return kernels.of(data).copy(data)

    def _on_host(self):
        """Its array as NumPy's (for reading only): itself on the CPU, else a copy."""
        data = self.data
        return data if type(data) is np.ndarray else kernels.of(data).to_host(data)

    def _without_gradient(self, caller, repair):
        """Its array. RuntimeError if it requires a gradient."""
        if self.requires_grad:
            raise RuntimeError(f"{caller}: this tensor requires a gradient, which an array cannot carry; use {repair}")
        return self.data

    def numpy(self):
        """Its array. RuntimeError if it requires a gradient (call ``detach()`` first), TypeError if it is on a GPU (``cpu()``)."""
        return self._numpy("numpy()", self._without_gradient("numpy()", "x.detach().numpy()"))

    def _numpy(self, caller, data):
        if not isinstance(data, (np.ndarray, np.generic)):
            raise TypeError(f"{caller}: this tensor is on {data.device!r}, and NumPy's arrays are not; copy it with x.cpu() first")
        return data

    def item(self):
        """The one element, as a Python number. ValueError if there are more."""
        if self.data.size != 1:
            raise ValueError(f"item(): the tensor has {self.data.size} elements (shape {self.shape}), expected one; "
                             "use tolist() or reduce it first")
        return self._on_host().reshape(()).item()

    def tolist(self):
        """Its elements as nested Python lists (a number for a 0-d tensor)."""
        return self._on_host().tolist()

    def detach(self):
        """The same values without history; shares memory with this tensor."""
        other = Tensor(self.data)
        other._version = self._version
        return other

    def __array__(self, dtype=None, copy=None):
        return np.array(self._numpy("NumPy", self.data), dtype=dtype, copy=copy)

    def __dlpack__(self, **options):
        return self._without_gradient("__dlpack__", "x.detach()").__dlpack__(**options)

    def __dlpack_device__(self):
        return self.data.__dlpack_device__()

    @property
    def __cuda_array_interface__(self):
        """What other libraries read a GPU's array by; AttributeError for a tensor on the CPU."""
        if not self.is_cuda:
            raise AttributeError("__cuda_array_interface__: this tensor is on the CPU; copy it with x.cuda() first")
        return self._without_gradient("__cuda_array_interface__", "x.detach()").__cuda_array_interface__

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        if self.data.dtype.kind not in "iu":
            raise TypeError(f"only an integer tensor can be used as an index, got {self.dtype}")
        return int(self.item())

    def __bool__(self):
        if self.data.size != 1:
            raise ValueError(f"the truth of a tensor with {self.data.size} elements is ambiguous; "
                             "use (x > 0).all() or any()")
        return bool(self.item())

    def __repr__(self):
        body = np.array2string(self._on_host(), separator=", ", prefix="tensor(", precision=4, floatmode="maxprec")
        notes = "" if self.dtype in (FLOATS[0], np.dtype(np.int64), np.dtype(bool)) else f", dtype={self.dtype}"
        if self.device != "cpu":
            notes = f", device={self.device!r}" + notes
        if self.grad_fn is not None:
            notes += f", grad_fn=<{self.grad_fn.name}>"
        elif self.requires_grad:
            notes += ", requires_grad=True"
        return f"tensor({body}{notes})"

    def __reduce_ex__(self, protocol):
        if self.grad_fn is not None:
            raise RuntimeError(f"a tensor with a history (the result of {self.grad_fn.name}) cannot be copied whole or pickled; "
                               "use x.clone() to copy it within the history, or x.detach()")
        return super().__reduce_ex__(protocol)

    __hash__ = object.__hash__  # by identity, although == compares elements

    # --- its place on the tape ----------------------------------------------------------------------------------

    def requires_grad_(self, requires_grad=True):
        """Ask for a gradient (in place; returns the tensor). Only float32 and float64 tensors can have one."""
        if requires_grad and not self.is_floating_point():
            raise TypeError(f"requires_grad_: only float32 and float64 tensors can require a gradient, got {self.dtype}; "
                            "convert with x.to(np.float32)")
        if not requires_grad and self.grad_fn is not None:
            raise RuntimeError("requires_grad_(False): this tensor is the result of a recorded operation; "
                               "use detach() to cut it from its history")
        self.requires_grad = bool(requires_grad)
        return self

    def backward(self, gradient=None, retain_graph=None, create_graph=False):
        """Add the gradient of this scalar (or of ``gradient · self``) to ``.grad`` of every leaf that it depends on.

        See `tinyattn.autograd.backward` for the arguments and the errors.
        """
        from .autograd import backward
        backward(self, gradient, retain_graph, create_graph)

    def register_hook(self, hook):
        """Call ``hook(gradient)`` when this tensor's gradient is known; what it returns (if not None) replaces it.

        Returns a handle with ``remove()``.
        """
        if not self.requires_grad:
            raise RuntimeError("register_hook: this tensor requires no gradient, so none will ever arrive")
        if self.grad_fn is None:
            self._hooks = self._hooks or {}
            return HookHandle(self._hooks, hook)
        if self.grad_fn.hooks is None:
            self.grad_fn.hooks = {}
        return HookHandle(self.grad_fn.hooks.setdefault(self._output_index, {}), hook)

    def retain_grad(self):
        """Keep the gradient of this non-leaf tensor in its ``.grad`` as well."""
        import weakref
        me = weakref.ref(self)

        def keep(gradient):
            if me() is not None:
                me().grad = gradient if me().grad is None else me().grad + gradient

        if self.grad_fn is not None:
            self.register_hook(keep)

    def _edge(self):
        """Where its gradient goes: (the node that made it, which output), or (itself, 0) for a leaf."""
        return (self, 0) if self.grad_fn is None else (self.grad_fn, self._output_index)

    def _become_view_of(self, base):
        """Share the version counter of `base` if the memory is shared."""
        shared = np.may_share_memory if type(self.data) is np.ndarray else kernels.of(self.data).may_share_memory
        if self.data is base.data or shared(self.data, base.data):
            self._version = base._version
            self._base = base if base._base is None else base._base
            self._base_history = self._base._history

    def _changed(self):
        """Note that the values were changed in place (for every view of the same memory)."""
        self._version[0] += 1


class HookHandle:
    """Takes a hook away again: ``handle.remove()``, or leave a ``with handle:`` block."""

    _numbers = itertools.count()

    def __init__(self, hooks, hook):
        self._hooks, self._key = hooks, next(HookHandle._numbers)
        hooks[self._key] = hook

    def remove(self):
        """Stop calling the hook; a second call does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def tensor(data, dtype=None, device=None, requires_grad=False):
    """A new Tensor holding a copy of `data`: numbers, nested lists, an array or a Tensor.

    Python floats become float32, ints int64, bools bool; arrays keep their dtype and their memory order. It is on `device`, or,
    if that is not said, where `data` is. TypeError for anything that is not numbers, or a dtype that is not supported.
    """
    device = checked_device(device, "tensor", data.device if isinstance(data, Tensor) else "cpu")
    dtype = None if dtype is None else checked_dtype(dtype, "tensor")
    if isinstance(data, Tensor) and data.device == device != "cpu":
        return Tensor(kernels.on(device).cast(data.data, data.dtype if dtype is None else dtype), requires_grad)
    if isinstance(data, Tensor):
        data = data._on_host()
    try:
        array = np.array(data, dtype=dtype, order="K")
    except MemoryError:
        raise MemoryError(f"tensor: a copy of an array of shape {np.shape(data)} needs more memory than is free") from None
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"tensor: cannot make an array of {data!r:.80}; expected numbers, in lists of equal lengths") from None
    if array.dtype.kind not in _KINDS or array.dtype.itemsize > 8 or array.dtype == np.float16:
        raise TypeError(f"tensor: cannot hold values of dtype {array.dtype}; expected numbers (float32, float64, "
                        "integers or booleans): pass dtype=np.float32 to convert")
    if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
        array = array.astype(np.float32)
    return Tensor(moved(array, device), requires_grad)


def as_tensor(data, dtype=None, device=None):
    """`data` as a Tensor, without a copy where it is a Tensor or an array of that dtype, and on that device, already."""
    here = data.device if isinstance(data, Tensor) else "cpu"
    stays = checked_device(device, "as_tensor", here) == here
    if isinstance(data, Tensor) and stays and (dtype is None or data.dtype == checked_dtype(dtype, "as_tensor")):
        return data
    if isinstance(data, np.ndarray) and stays and (dtype is None or data.dtype == checked_dtype(dtype, "as_tensor")):
        return from_numpy(data)
    return tensor(data, dtype, device)


def from_numpy(array):
    """A Tensor on the memory of `array`: each sees the other change. TypeError for dtypes that tensors cannot have."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected an array, got {type(array).__name__}; use ta.tensor(…)")
    checked_dtype(array.dtype, "from_numpy")
    return Tensor(array)


def from_dlpack(source):
    """A Tensor on the memory of an array of another library, without a copy: of NumPy, PyTorch, CuPy, JAX … (anything with DLPack).

    TypeError for what has no ``__dlpack__``, or dtypes that tensors cannot have.
    """
    if not hasattr(source, "__dlpack__") or not hasattr(source, "__dlpack_device__"):
        raise TypeError(f"from_dlpack: expected an array with __dlpack__, got {type(source).__name__}; use ta.tensor(…)")
    on_gpu = source.__dlpack_device__()[0] == DLPACK_CUDA
    if on_gpu:
        checked_device("cuda", "from_dlpack")
    array = kernels.rung("cuda").from_dlpack(source) if on_gpu else np.from_dlpack(source)
    checked_dtype(array.dtype, "from_dlpack")
    return Tensor(array)


def moved(array, device):
    """An array on `device`, in the memory order that it has: itself if it is there already, else a copy."""
    if array.device == device:
        return array
    source, target = kernels.of(array), kernels.on(device)
    last = array.ndim == 4 and not array.flags.c_contiguous and array.transpose(0, 2, 3, 1).flags.c_contiguous
    ordered = source.contiguous(array.transpose(0, 2, 3, 1) if last else array)
    made = target.from_host(source.to_host(ordered))
    return made.transpose(0, 3, 1, 2) if last else made


def is_tensor(value):
    """True for Tensors."""
    return isinstance(value, Tensor)


def checked_dtype(dtype, caller):
    """`dtype` as a NumPy dtype that tensors can have, else TypeError."""
    given = dtype
    try:
        dtype = np.dtype(dtype)
    except (TypeError, ValueError):
        dtype = None
    if dtype is None or dtype.kind not in _KINDS or dtype.itemsize > 8 or dtype == np.float16:
        hint = did_you_mean(given, _NAMES) if isinstance(given, str) else ""
        raise TypeError(f"{caller}: unsupported dtype {(given if dtype is None else dtype)!r:.60}{f', {hint}' if hint else ';'} expected "
                        "np.float32, np.float64, an integer dtype or bool")
    return dtype


def checked_device(device, caller, default="cpu"):
    """The name of a device: "cpu" or "cuda"; None stands for `default`.

    ValueError for any other, RuntimeError where there is no GPU, or none that can be used.
    """
    if device is None or isinstance(device, str) and device == "cpu":
        return device or default
    if not isinstance(device, str) or device not in ("cuda", "cuda:0"):
        raise ValueError(f"{caller}: unknown device {device!r}; there are \"cpu\" and, with a GPU, \"cuda\" (also as \"cuda:0\", the one "
                         "GPU that is used)")
    try:
        kernels.rung("cuda").check_available()
    except RuntimeError as error:
        raise RuntimeError(f"{caller}: {error}") from None
    return "cuda"


def is_number(value):
    """True for Python and NumPy scalars (not for 0-d tensors)."""
    return isinstance(value, (numbers.Number, np.generic, bool))
