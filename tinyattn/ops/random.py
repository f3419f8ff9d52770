"""Chance: tensors of random numbers, and dropout.

All of it is counter-based: position i of a stream is a fixed function of (seed, i), so the backward pass of dropout
makes its mask again instead of keeping it.
"""
import math

import numpy as np

from .. import kernels, random
from ..autograd import Function
from ..tensor import FLOATS, Tensor, check_device, checked_dtype
from .arguments import float_argument, probability, tensor_argument, whole
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


def rand_like(input, *, dtype=None, device="cpu", requires_grad=False):
    """Numbers uniform in [0, 1), in the shape and dtype of `input`."""
    x = tensor_argument(input, "rand_like")
    return _random("random_uniform", x.shape, x.dtype if dtype is None else dtype, device, requires_grad, "rand_like")


def randn_like(input, *, dtype=None, device="cpu", requires_grad=False):
    """Numbers from the normal distribution, in the shape and dtype of `input`."""
    x = tensor_argument(input, "randn_like")
    return _random("random_normal", x.shape, x.dtype if dtype is None else dtype, device, requires_grad, "randn_like")


def randint(low, high=None, size=None, *, dtype=np.int64, device="cpu"):
    """Whole numbers from `low` (0 if left out) up to but not including `high`: ``randint(10, (2, 3))``, ``randint(3, 10, (2,))``."""
    if size is None:
        low, high, size = 0, low, high
    low, high = (whole(n, "randint", name, -math.inf) for name, n in (("low", low), ("high", high)))
    if low >= high:
        raise ValueError(f"randint: expected low < high, got {low} and {high}")
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"randint: size must be a tuple of ints, got {size!r:.60}")
    drawn = _random("random_uniform", (size,), np.float64, device, False, "randint").data
    return Tensor(np.minimum(np.floor(drawn * (high - low)), high - low - 1).astype(checked_dtype(dtype, "randint")) + low)


def randperm(n, *, dtype=np.int64, device="cpu"):
    """The numbers 0 … n − 1 in random order."""
    drawn = _random("random_uniform", (whole(n, "randperm", "n", 0),), np.float64, device, False, "randperm").data
    return Tensor(np.argsort(drawn, kind="stable").astype(checked_dtype(dtype, "randperm")))


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
