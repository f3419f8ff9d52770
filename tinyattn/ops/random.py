"""Chance: tensors of random numbers, and dropout.

All of it is counter-based: position i of a stream is a fixed function of (seed, i), so the backward pass of dropout
makes its mask again instead of keeping it.
"""
import math

import numpy as np

from .. import kernels, random
from ..autograd import Function
from ..tensor import FLOATS, Tensor, checked_device, checked_dtype
from .arguments import flag, float_argument, probability, room, tensor_argument, whole
from .compare import clamp
from .creation import ones
from .elementwise import floor
from .in_place import in_place
from .layout import is_channels_last, to_memory, to_public
from .shape import _shape_argument, cast
from .sort import argsort


def _random(kernel, shape, dtype, device, requires_grad, caller):
    device = checked_device(device, caller)
    dtype = checked_dtype(dtype, caller)
    if dtype not in FLOATS:
        raise TypeError(f"{caller}: dtype must be float32 or float64, got {dtype}")
    shape = _shape_argument(shape, caller)
    if any(n < 0 for n in shape):
        raise ValueError(f"{caller}: lengths must not be negative, got {shape}")
    room(shape, dtype, caller, device)
    seed, offset = random.take(int(np.prod(shape, dtype=np.int64)))
    return Tensor(getattr(kernels.on(device), kernel)(shape, seed, offset, dtype), requires_grad)


def rand(*shape, dtype=np.float32, device="cpu", requires_grad=False):
    """Numbers uniform in [0, 1)."""
    return _random("random_uniform", shape, dtype, device, requires_grad, "rand")


def randn(*shape, dtype=np.float32, device="cpu", requires_grad=False):
    """Numbers from the normal distribution with mean 0 and deviation 1."""
    return _random("random_normal", shape, dtype, device, requires_grad, "randn")


def rand_like(input, *, dtype=None, device=None, requires_grad=False):
    """Numbers uniform in [0, 1), in the shape and dtype of `input`, and where it is."""
    x = tensor_argument(input, "rand_like")
    return _random("random_uniform", x.shape, x.dtype if dtype is None else dtype, x.device if device is None else device, requires_grad, "rand_like")


def randn_like(input, *, dtype=None, device=None, requires_grad=False):
    """Numbers from the normal distribution, in the shape and dtype of `input`, and where it is."""
    x = tensor_argument(input, "randn_like")
    return _random("random_normal", x.shape, x.dtype if dtype is None else dtype, x.device if device is None else device, requires_grad, "randn_like")


def randint(low, high=None, size=None, *, dtype=np.int64, device="cpu"):
    """Whole numbers from `low` (0 if left out) up to but not including `high`: ``randint(10, (2, 3))``, ``randint(3, 10, (2,))``."""
    if size is None:
        low, high, size = 0, low, high
    low, high = (whole(n, "randint", name, -math.inf) for name, n in (("low", low), ("high", high)))
    if low >= high:
        raise ValueError(f"randint: expected low < high, got {low} and {high}")
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"randint: size must be a tuple of ints, got {size!r:.60}")
    dtype, drawn = checked_dtype(dtype, "randint"), _random("random_uniform", (size,), np.float64, device, False, "randint")
    return cast(clamp(floor(drawn * (high - low)), max=high - low - 1) + low, dtype)


def randperm(n, *, dtype=np.int64, device="cpu"):
    """The numbers 0 … n − 1 in random order."""
    dtype = checked_dtype(dtype, "randperm")
    return cast(argsort(_random("random_uniform", (whole(n, "randperm", "n", 0),), np.float64, device, False, "randperm")), dtype)


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


def dropout(input, p=0.5, training=True, inplace=False):
    """Set each element to 0 with probability p and divide the others by 1 − p; the input itself unless `training`.

    (Srivastava et al., JMLR 15, 2014.)
    """
    return _dropped(float_argument(input, "dropout"), p, training, inplace, "dropout", _drop)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of (N, C, L) or (C, L): each is set to 0 or divided by 1 − p. (Tompson et al., arXiv:1411.4280.)"""
    x = float_argument(input, "dropout1d")
    if x.ndim not in (2, 3):
        raise ValueError(f"dropout1d: input has shape {x.shape}, expected (N, C, L) or (C, L)")
    return _dropped(x, p, training, inplace, "dropout1d", lambda x, p: x * _drop(ones(x.shape[:-1] + (1,), dtype=x.dtype, device=x.device), p))


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of (N, C, H, W); (N, C, L) is taken as dropout1d takes it, as in PyTorch."""
    x = float_argument(input, "dropout2d")
    if x.ndim not in (3, 4):
        raise ValueError(f"dropout2d: input has shape {x.shape}, expected (N, C, H, W) or (N, C, L); one image is x[None]")
    return _dropped(x, p, training, inplace, "dropout2d",
                    lambda x, p: x * _drop(ones(x.shape[:2] + (1,) * (x.ndim - 2), dtype=x.dtype, device=x.device), p))


def _drop(x, p):
    if p == 1:
        return x * 0
    seed, offset = random.take(x.data.size)
    return DropoutFunction.apply(x, p=p, seed=seed, offset=offset, channels_last=is_channels_last(x.data))


def _dropped(x, p, training, inplace, caller, drop):
    """``drop(x, p)``, over x itself with `inplace`; x where nothing is to be dropped."""
    p, inplace = probability(p, caller), flag(inplace, caller, "inplace")
    if not flag(training, caller, "training") or p == 0:
        return x
    return in_place(lambda x: drop(x, p), keeps=False)(x) if inplace else drop(x, p)
