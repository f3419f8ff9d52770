"""Chance: tensors of random numbers, and dropout.

All of it is counter-based: position i of a stream is a fixed function of (seed, i), so the backward pass of dropout
makes its mask again instead of keeping it.
"""
import numpy as np

from .. import kernels, random
from ..autograd import Function
from ..tensor import FLOATS, Tensor, check_device, checked_dtype
from .arguments import float_argument, probability
from .layout import is_channels_last, to_memory, to_public
from .shape import _shape_argument


def _random(kernel, shape, dtype, device, requires_grad, caller):
    check_device(device, caller)
    dtype = checked_dtype(dtype, caller)
    if dtype not in FLOATS:
        raise TypeError(f"{caller}: dtype must be float32 or float64, got {dtype}")
    shape = _shape_argument(shape, caller)
    if any(n < 0 for n in shape):
        raise ValueError(f"{caller}: lengths must not be negative, got {shape}")
    seed, offset = random.take(int(np.prod(shape, dtype=np.int64)))
    return Tensor(getattr(kernels.rung(), kernel)(shape, seed, offset, dtype), requires_grad)


def rand(*shape, dtype=np.float32, device="cpu", requires_grad=False):
    """Numbers uniform in [0, 1)."""
    return _random("random_uniform", shape, dtype, device, requires_grad, "rand")


def randn(*shape, dtype=np.float32, device="cpu", requires_grad=False):
    """Numbers from the normal distribution with mean 0 and deviation 1."""
    return _random("random_normal", shape, dtype, device, requires_grad, "randn")


class DropoutFunction(Function):
    """y = x / (1 − p) with probability 1 − p, else 0; the same mask scales the gradient

    The numbers are drawn in the memory order of x; the gradient, whatever its own order, is met by the same.
    """

    def forward(ctx, x, p, seed, offset, channels_last):
        k = ctx.kernels
        if channels_last:
            return to_public(k.dropout(to_memory(k, x), p, seed, offset))
        return k.dropout(k.contiguous(x), p, seed, offset)

    def backward(ctx, dy):
        return DropoutFunction.apply(dy, **ctx.attributes)


def dropout(input, p=0.5, training=True):
    """Set each element to 0 with probability p and divide the others by 1 − p; the input itself unless `training`.

    (Srivastava et al., JMLR 15, 2014.)
    """
    x = float_argument(input, "dropout")
    p = probability(p, "dropout")
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0
    seed, offset = random.take(x.data.size)
    return DropoutFunction.apply(x, p=p, seed=seed, offset=offset, channels_last=is_channels_last(x.data))
