"""Checks of arguments that many operations share. Each error says what was given, what was expected, and the repair."""
import functools
import inspect
import math
import numbers

import numpy as np

from .. import kernels
from ..kernels import memory
from ..tensor import FLOATS, Tensor, is_number


def as_tensor(value, caller, like=None):
    """`value` as a Tensor; a Python or NumPy scalar takes the dtype of `like` where that can hold its kind."""
    if isinstance(value, Tensor):
        return value
    if is_number(value):
        dtype = scalar_dtype(value, like)
        try:
            return Tensor(np.asarray(value, dtype))
        except OverflowError:
            raise ValueError(f"{caller}: {value!r:.40} does not fit into {dtype}; convert the tensor with .to(…)") from None
    if isinstance(value, np.ndarray):
        return Tensor(value)
    raise TypeError(f"{caller}: expected a Tensor or a number, got {type(value).__name__}; "
                    "wrap lists and arrays with ta.tensor(…)")


def scalar_dtype(value, like):
    """The dtype a bare number takes beside `like`: scalars never change a tensor's dtype, except int → float."""
    if isinstance(value, (bool, np.bool_)):
        kind = np.dtype(bool)
    elif isinstance(value, numbers.Integral):
        kind = np.dtype(np.int64)
    elif isinstance(value, numbers.Real):
        kind = np.dtype(np.float32)
    else:
        raise TypeError(f"expected a real number, got {value!r}")
    if like is None or "biuf".index(kind.kind) > "biuf".index(like.dtype.kind):
        return kind
    return like.dtype


def tensor_argument(x, caller, name="input"):
    """TypeError unless `x` is a Tensor."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{caller}: {name} must be a Tensor, got {type(x).__name__}; wrap it with ta.tensor(…)")
    return x


def float_argument(x, caller, name="input"):
    """TypeError unless `x` is a Tensor of float32 or float64."""
    tensor_argument(x, caller, name)
    if x.dtype not in FLOATS:
        raise TypeError(f"{caller}: {name} must be float32 or float64, got {x.dtype}; convert with {name}.to(np.float32)")
    return x


def same_dtype(caller, **tensors):
    """TypeError unless all given tensors (None is skipped) share one float dtype."""
    given = {name: x for name, x in tensors.items() if x is not None}
    dtypes = set()
    for name, x in given.items():
        dtypes.add(float_argument(x, caller, name).dtype)
    if len(dtypes) > 1:
        listed = ", ".join(f"{name} {x.dtype}" for name, x in given.items())
        raise TypeError(f"{caller}: all tensors must have one dtype, got {listed}; convert with .to(np.float32)")


def axis(dim, ndim, caller):
    """`dim` counted from the front. IndexError if out of range; a 0-d tensor accepts 0 and −1."""
    if not isinstance(dim, numbers.Integral) or isinstance(dim, (bool, np.bool_)):
        raise TypeError(f"{caller}: dim must be an int, got {dim!r}")
    span = max(ndim, 1)
    if not -span <= dim < span:
        raise IndexError(f"{caller}: dim {dim} is out of range for a tensor with {ndim} axes "
                         f"(expected {-span} to {span - 1})")
    return int(dim) % span


def axes(dim, ndim, caller):
    """`dim` (None for all, an int, or a sequence) as a sorted tuple of axes, each once."""
    if dim is None or isinstance(dim, (tuple, list)) and not dim:
        return tuple(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    found = [axis(d, ndim, caller) for d in dims]
    if len(set(found)) != len(found):
        raise ValueError(f"{caller}: dim {dim} names an axis twice")
    return tuple(sorted(found)) if ndim else ()


def check_range(x, least, most, refuse):
    """Call ``refuse(smallest, largest)``, which raises an error, unless the numbers of the Tensor `x` lie in least … most.

    That is of what is in the host's memory. A device that can note such a mistake is asked to; it is then raised when its
    results are next waited for, since to look here would be to wait at every step.
    """
    data = x.data
    if type(data) is np.ndarray:
        if data.size and not (data.min() >= least and data.max() <= most):
            refuse(data.min(), data.max())
        return
    k = kernels.of(data)
    if data.size and hasattr(k, "check_indices"):
        k.check_indices(k.contiguous(data), least, most)


def pair(value, caller, name, least=0):
    """An int, a pair of ints (for height and width) or a tuple of one, each at least `least`, as a tuple of two ints."""
    if type(value) is tuple and len(value) == 2 and type(value[0]) is type(value[1]) is int and least <= min(value) <= max(value) < 2 ** 31:
        return value  # as every layer gives it: the questions below cost more than small convolutions
    if type(value) is int and least <= value < 2 ** 31:
        return value, value
    values = (value, value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else value
    if isinstance(values, (tuple, list)) and len(values) == 1:
        values = (values[0], values[0])
    if (not isinstance(values, (tuple, list)) or len(values) != 2
            or any(not isinstance(v, numbers.Integral) or isinstance(v, bool) for v in values)):
        raise TypeError(f"{caller}: {name} must be an int or a pair of ints, got {value!r}")
    if min(values) < least:
        raise ValueError(f"{caller}: {name} must be at least {least}, got {value!r}")
    return _sized(int(values[0]), caller, name), _sized(int(values[1]), caller, name)


def _sized(value, caller, name):
    if abs(value) >= 2 ** 31:
        raise ValueError(f"{caller}: {name} must be less than 2³¹, got {value}")
    return value


def images(x, caller, channels=None, reason=""):
    """The (N, C, H, W) Tensor of an image argument and whether a batch axis was missing (a (C, H, W) input).

    ValueError for another rank, or where C is not `channels`.
    """
    float_argument(x, caller)
    expected = f"(N, C, H, W) or (C, H, W){f' with C = {channels} {reason}' if channels is not None else ''}"
    if x.ndim not in (3, 4):
        hint = "; a single grey image is x[None, None]" if x.ndim == 2 else ""
        raise ValueError(f"{caller}: input has shape {x.shape}, expected {expected}{hint}")
    if channels is not None and x.shape[-3] != channels:
        hint = ""
        if x.shape[-1] == channels:
            hint = "; the channels seem to be last: use x.permute(0, 3, 1, 2)" if x.ndim == 4 else ""
        raise ValueError(f"{caller}: input has shape {x.shape}, expected {expected}{hint}")
    if 0 in x.shape[-3:]:
        raise ValueError(f"{caller}: input has shape {x.shape}; only the batch axis may have length 0")
    return (x, False) if x.ndim == 4 else (x.unsqueeze(0), True)


def lines(x, caller, channels=None, reason=""):
    """The (N, C, 1, L) Tensor of a sequence argument: what is said of (N, C, L) and (C, L) is said here, the rest by `images`."""
    float_argument(x, caller)
    if x.ndim not in (2, 3) or channels is not None and x.shape[-2] != channels or 0 in x.shape[-2:]:
        expected = f"(N, C, L) or (C, L){f' with C = {channels} {reason}' if channels is not None else ''}"
        raise ValueError(f"{caller}: input has shape {x.shape}, expected {expected}, where only N may be 0")
    return x.unsqueeze(-2)


def room(shape, dtype, caller, device="cpu"):
    """MemoryError where an array of `shape` and `dtype` is larger than the memory that is free (a GPU speaks for its own)."""
    problem = None if device != "cpu" else memory.lacking(math.prod(shape) * np.dtype(dtype).itemsize)
    if problem:
        raise MemoryError(f"{caller}: a tensor of shape {tuple(shape)} and {np.dtype(dtype)} {problem}")


def one(value, caller, name):
    """The int of an int or a tuple of one."""
    if isinstance(value, (tuple, list)) and len(value) == 1:
        value = value[0]
    if not isinstance(value, numbers.Integral) or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{caller}: {name} must be an int or a tuple of one, got {value!r:.60}")
    return value


def whole(value, caller, name, least=1):
    """`value` as an int, at least `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{caller}: {name} must be an int, got {value!r}")
    if value < least:
        raise ValueError(f"{caller}: {name} must be at least {least}, got {value}")
    return _sized(int(value), caller, name)


def real(value, caller, name, least=None):
    """`value` as a float, not NaN and at least `least` if given."""
    if not isinstance(value, numbers.Real) or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{caller}: {name} must be a number, got {value!r}")
    if value != value or least is not None and value < least:
        raise ValueError(f"{caller}: {name} must be {'a number' if least is None else f'at least {least}'}, got {value}")
    return float(value)


def flag(value, caller, name):
    """TypeError unless `value` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{caller}: {name} must be True or False, got {value!r:.60}")
    return bool(value)


def probability(p, caller, name="p"):
    """ValueError unless 0 ≤ p ≤ 1."""
    if not isinstance(p, numbers.Real) or not 0 <= p <= 1:
        raise ValueError(f"{caller}: {name} must be between 0 and 1, got {p!r}")
    return float(p)


def choice(value, options, caller, name):
    """ValueError unless `value` is one of `options`."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{caller}: {name} must be one of {', '.join(map(repr, options))}, got {value!r}")
    return value


def several(function):
    """Let f(x, numbers) take its numbers as PyTorch's methods do: f(x, (2, 3)), f(x, 2, 3), or by name."""
    caller, (_, name) = function.__name__, inspect.signature(function).parameters

    @functools.wraps(function)
    def spread(input, *values, **named):
        if named:
            if values or list(named) != [name]:
                raise TypeError(f"{caller}: unexpected argument {next(iter(named))!r}; it takes a tensor and {name}, once")
            values = named[name]
        elif len(values) == 1 and isinstance(values[0], (tuple, list)):
            values = values[0]
        return function(input, values if isinstance(values, (tuple, list)) else (values,))

    return spread
