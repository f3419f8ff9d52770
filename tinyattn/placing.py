"""From the host to where a tensor is: constants that are computed in NumPy, and values written over a tensor's own."""
import functools

import numpy as np

from . import kernels
from .tensor import Tensor


def constant(array, like):
    """A Tensor of the NumPy `array`, on the device of the Tensor `like`."""
    return Tensor(kernels.of(like.data).from_host(array))


@functools.lru_cache(maxsize=128)
def table(device, make, *arguments):
    """A Tensor, on `device`, of what ``make(*arguments)`` computes in NumPy: made, and moved there, once. For reading only."""
    return Tensor(kernels.on(device).from_host(make(*arguments)))


def overwrite(tensor, values):
    """Write `values` (a number, or an array of NumPy or of the tensor's device) over the tensor's own, in place and unrecorded."""
    k = kernels.of(tensor.data)
    if isinstance(values, (np.ndarray, np.generic)) and tensor.device != "cpu":
        values = k.from_host(np.ascontiguousarray(np.broadcast_to(values, tensor.shape), tensor.dtype))
    k.assign(tensor.data, values)
    tensor._changed()
    return tensor


def on_host(tensor):
    """The tensor's array as NumPy's: itself on the CPU, a copy from a device."""
    return tensor._on_host()
