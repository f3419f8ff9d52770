"""Tensors out of nothing: zeros, ones, ranges. PyTorch's names and defaults; float32 where no dtype is given."""
import math
import numbers

import numpy as np

from .. import kernels
from ..tensor import Tensor, checked_device, checked_dtype
from .arguments import real, room, tensor_argument, whole
from .compare import ge, logical_not
from .shape import _shape_argument, cast


def full(size, fill_value, *, dtype=None, device="cpu", requires_grad=False):
    """A tensor of shape `size` filled with one number; its dtype follows the number (float32, int64, bool)."""
    return _filled(size, fill_value, dtype, device, requires_grad, "full")


def _filled(size, fill_value, dtype, device, requires_grad, caller):
    device = checked_device(device, caller)
    if not isinstance(fill_value, (numbers.Real, np.bool_)):
        raise TypeError(f"{caller}: fill_value must be a real number, got {fill_value!r}")
    if dtype is None:
        dtype = np.bool_ if isinstance(fill_value, (bool, np.bool_)) else (
            np.int64 if isinstance(fill_value, numbers.Integral) else np.float32)
    dtype = checked_dtype(dtype, caller)
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= fill_value <= np.iinfo(dtype).max:
        raise ValueError(f"{caller}: fill_value must fit into {dtype}, got {fill_value}")
    shape = _shape_argument(size if isinstance(size, (tuple, list)) else (size,), caller)
    if any(n < 0 for n in shape):
        raise ValueError(f"{caller}: lengths must not be negative, got {shape}")
    room(shape, dtype, caller, device)
    return Tensor(kernels.on(device).full(shape, fill_value, dtype), requires_grad)


def _size(size, named, caller):
    """``zeros(2, 3)``, ``zeros((2, 3))`` and ``zeros(size=(2, 3))`` alike."""
    if named is None:
        return _shape_argument(size, caller)
    if size:
        raise TypeError(f"{caller}: the size was given twice, as {size} and as size={named!r:.60}")
    return _shape_argument((named,), caller)


def zeros(*shape, size=None, dtype=np.float32, device="cpu", requires_grad=False):
    """A tensor of zeros."""
    return _filled(_size(shape, size, "zeros"), 0, dtype, device, requires_grad, "zeros")


def ones(*shape, size=None, dtype=np.float32, device="cpu", requires_grad=False):
    """A tensor of ones."""
    return _filled(_size(shape, size, "ones"), 1, dtype, device, requires_grad, "ones")


def empty(*shape, size=None, dtype=np.float32, device="cpu", requires_grad=False):
    """A tensor to be filled: its numbers are whatever was in memory."""
    device = checked_device(device, "empty")
    shape = _size(shape, size, "empty")
    if any(n < 0 for n in shape):
        raise ValueError(f"empty: lengths must not be negative, got {shape}")
    room(shape, checked_dtype(dtype, "empty"), "empty", device)
    return Tensor(kernels.on(device).empty(shape, np.dtype(dtype)), requires_grad)


def _like(input, caller, fill_value, dtype, device, requires_grad):
    x = tensor_argument(input, caller)
    return _filled(x.shape, fill_value, x.dtype if dtype is None else dtype, x.device if device is None else device, requires_grad, caller)


def zeros_like(input, *, dtype=None, device=None, requires_grad=False):
    """Zeros in the shape and dtype of `input`, and where it is."""
    return _like(input, "zeros_like", 0, dtype, device, requires_grad)


def ones_like(input, *, dtype=None, device=None, requires_grad=False):
    """Ones in the shape and dtype of `input`, and where it is."""
    return _like(input, "ones_like", 1, dtype, device, requires_grad)


def full_like(input, fill_value, *, dtype=None, device=None, requires_grad=False):
    """One number in the shape and dtype of `input`, and where it is."""
    return _like(input, "full_like", fill_value, dtype, device, requires_grad)


def arange(start, end=None, step=1, *, dtype=None, device="cpu", requires_grad=False):
    """start, start + step, … before `end` (from 0 with one argument); int64 for ints, float32 for floats.

    ValueError for a step of 0, or one that leads away from `end`.
    """
    device = checked_device(device, "arange")
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (int(v) if isinstance(v, (bool, np.bool_)) else v for v in (start, end, step))
    for name, value in (("start", start), ("end", end), ("step", step)):
        real(value, "arange", name)
    dtype = None if dtype is None else checked_dtype(dtype, "arange")
    if step and (end - start) * step < 0:
        raise ValueError(f"arange: a step of {step} never leads from {start} to {end}; give a step of the other sign")
    if dtype == np.int64 and all(map(math.isfinite, (start, end, step))):
        start, end, step = int(start), int(end), int(step)     # before they are counted, as PyTorch does
    if step == 0:
        raise ValueError("arange: step must not be 0")
    if max(abs(start), abs(step)) >= 2 ** 62 and isinstance(start, int) and isinstance(step, int):
        raise ValueError(f"arange: start and step must fit into int64, got {start} and {step}")
    if not abs((end - start) / step) < 2 ** 60:
        raise ValueError(f"arange: no memory holds the numbers from {start} to {end} in steps of {step}")
    if dtype is None:
        dtype = np.dtype(np.int64 if all(isinstance(v, numbers.Integral) for v in (start, end, step)) else np.float32)
    count = math.ceil((end - start) / step)
    room((count,), np.int64, "arange", device)
    if dtype.kind not in "iu":
        return Tensor(kernels.on(device).from_host(np.arange(start, end, step).astype(dtype)), requires_grad)
    i = Tensor(kernels.on(device).arange(count))
    i = i if step == 1 else i * int(step)
    return Tensor(cast(i if start == 0 else i + int(start), dtype).data, requires_grad)


def linspace(start, end, steps, *, dtype=np.float32, device="cpu", requires_grad=False):
    """`steps` numbers from `start` to `end`, both included, equally far apart."""
    device = checked_device(device, "linspace")
    start, end = (real(v.item() if isinstance(v, Tensor) and v.ndim == 0 else v, "linspace", name)
                  for name, v in (("start", start), ("end", end)))
    steps = whole(steps, "linspace", "steps", 0)
    room((steps,), np.float64, "linspace", device)
    i, step = np.arange(steps), (end - start) / max(steps - 1, 1)
    values = np.where(i < steps // 2, start + step * i, end - step * (steps - 1 - i)) if steps > 1 else np.full(steps, start)
    return Tensor(kernels.on(device).from_host(values.astype(checked_dtype(dtype, "linspace"))), requires_grad)


def eye(n, m=None, *, dtype=np.float32, device="cpu", requires_grad=False):
    """The identity matrix (n, m)."""
    device = checked_device(device, "eye")
    n, m = whole(n, "eye", "n", 0), None if m is None else whole(m, "eye", "m", 0)
    room((n, n if m is None else m), checked_dtype(dtype, "eye"), "eye", device)
    k = kernels.on(device)
    y = k.zeros((n, n if m is None else m), checked_dtype(dtype, "eye"))
    k.assign(k.diagonal(y, 0), 1)
    return Tensor(y, requires_grad)


def triangle(n, m, diagonal, device):
    """The boolean matrix (n, m) that is True on the diagonal and below it, as `tril` counts diagonals."""
    return ge(arange(n, device=device).unsqueeze(1) + diagonal, arange(m, device=device))


def _triangle(x, diagonal, upper, caller):
    if tensor_argument(x, caller).ndim < 2:
        raise ValueError(f"{caller}: expected at least two axes, got shape {x.shape}")
    diagonal = whole(diagonal, caller, "diagonal", -math.inf)
    room(x.shape[-2:], x.dtype, caller, x.device)
    lower = triangle(*x.shape[-2:], diagonal - upper, x.device)
    return x * cast(logical_not(lower) if upper else lower, x.dtype)


def tril(input, diagonal=0):
    """The matrix (or batch) with everything above the diagonal set to 0."""
    return _triangle(input, diagonal, False, "tril")


def triu(input, diagonal=0):
    """The matrix (or batch) with everything below the diagonal set to 0."""
    return _triangle(input, diagonal, True, "triu")
