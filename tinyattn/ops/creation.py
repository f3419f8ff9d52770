"""Tensors out of nothing: zeros, ones, ranges. PyTorch's names and defaults; float32 where no dtype is given."""
import math
import numbers

import numpy as np

from .. import kernels
from ..tensor import Tensor, check_device, checked_dtype
from .arguments import real, tensor_argument, whole
from .shape import _shape_argument


def full(size, fill_value, *, dtype=None, device="cpu", requires_grad=False):
    """A tensor of shape `size` filled with one number; its dtype follows the number (float32, int64, bool)."""
    check_device(device, "full")
    if not isinstance(fill_value, (numbers.Real, np.bool_)):
        raise TypeError(f"full: fill_value must be a real number, got {fill_value!r}")
    if dtype is None:
        dtype = np.bool_ if isinstance(fill_value, (bool, np.bool_)) else (
            np.int64 if isinstance(fill_value, numbers.Integral) else np.float32)
    if dtype is np.int64 and not -2 ** 63 <= fill_value < 2 ** 63:
        raise ValueError(f"full: fill_value must fit into int64, got {fill_value}")
    shape = _shape_argument(size if isinstance(size, (tuple, list)) else (size,), "full")
    if any(n < 0 for n in shape):
        raise ValueError(f"full: lengths must not be negative, got {shape}")
    return Tensor(kernels.rung().full(shape, fill_value, checked_dtype(dtype, "full")), requires_grad)


def zeros(*size, dtype=np.float32, device="cpu", requires_grad=False):
    """A tensor of zeros."""
    return full(_shape_argument(size, "zeros"), 0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones(*size, dtype=np.float32, device="cpu", requires_grad=False):
    """A tensor of ones."""
    return full(_shape_argument(size, "ones"), 1, dtype=dtype, device=device, requires_grad=requires_grad)


def zeros_like(input, *, dtype=None, requires_grad=False):
    """Zeros in the shape and dtype of `input`."""
    x = tensor_argument(input, "zeros_like")
    return full(x.shape, 0, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def ones_like(input, *, dtype=None, requires_grad=False):
    """Ones in the shape and dtype of `input`."""
    x = tensor_argument(input, "ones_like")
    return full(x.shape, 1, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def arange(start, end=None, step=1, *, dtype=None, device="cpu", requires_grad=False):
    """start, start + step, … below `end` (from 0 with one argument); int64 for ints, float32 for floats."""
    check_device(device, "arange")
    start, end = (0, start) if end is None else (start, end)
    for name, value in (("start", start), ("end", end), ("step", step)):
        real(value, "arange", name)
    if step == 0:
        raise ValueError("arange: step must not be 0")
    if not abs((end - start) / step) < 2 ** 60:
        raise ValueError(f"arange: no memory holds the numbers from {start} to {end} in steps of {step}")
    if dtype is None:
        dtype = np.int64 if all(isinstance(v, numbers.Integral) for v in (start, end, step)) else np.float32
    return Tensor(np.arange(start, end, step).astype(checked_dtype(dtype, "arange")), requires_grad)


def eye(n, m=None, *, dtype=np.float32, device="cpu", requires_grad=False):
    """The identity matrix (n, m)."""
    check_device(device, "eye")
    n, m = whole(n, "eye", "n", 0), None if m is None else whole(m, "eye", "m", 0)
    return Tensor(np.eye(n, m, dtype=checked_dtype(dtype, "eye")), requires_grad)


def _triangle(x, diagonal, keep, caller):
    if tensor_argument(x, caller).ndim < 2:
        raise ValueError(f"{caller}: expected at least two axes, got shape {x.shape}")
    diagonal = whole(diagonal, caller, "diagonal", -math.inf)
    return x * Tensor(keep(np.ones(x.shape[-2:], x.dtype), diagonal))


def tril(input, diagonal=0):
    """The matrix (or batch) with everything above the diagonal set to 0."""
    return _triangle(input, diagonal, np.tril, "tril")


def triu(input, diagonal=0):
    """The matrix (or batch) with everything below the diagonal set to 0."""
    return _triangle(input, diagonal, np.triu, "triu")
