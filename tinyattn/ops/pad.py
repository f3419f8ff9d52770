"""Padding: more numbers around a tensor (or fewer: a negative pad cuts off), a constant or taken from inside."""
import math
import numbers

import numpy as np

from ..autograd import Function
from .arguments import choice, room, tensor_argument
from .layout import NCHW, NHWC, is_channels_last
from .resample import ResampleFunction
from .taps import padding_taps

MODES = ("constant", "reflect", "replicate", "circular")


class PadFunction(Function):
    """y = value everywhere but in the middle, which is x; a negative pad cuts. dx = dy, padded by the opposite amounts"""

    def forward(ctx, x, pads, value):
        channels_last = not x.flags.c_contiguous and is_channels_last(x)
        if channels_last:
            x, pads = x.transpose(*NHWC), [pads[axis] for axis in NHWC]
        y = ctx.kernels.full(tuple(n + a + b for n, (a, b) in zip(x.shape, pads)), value, x.dtype)
        inside = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(y.shape, pads))
        ctx.kernels.assign(y[inside], x[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, pads))])
        return y.transpose(*NCHW) if channels_last else y

    def backward(ctx, dy):
        return PadFunction.apply(dy, pads=[(-a, -b) for a, b in ctx.attributes["pads"]], value=0)


def _pads(x, given):
    """`given`, (before, after) of the last axis, then of the one before it, …, as a list of pairs, one for each axis of x."""
    if not isinstance(given, (tuple, list)) or any(not isinstance(p, numbers.Integral) or isinstance(p, bool) for p in given):
        raise TypeError(f"pad: pad must be a list of ints, (before, after) of the last axis first, got {given!r:.60}")
    if len(given) % 2 or len(given) > 2 * x.ndim:
        raise ValueError(f"pad: pad must hold two ints for each axis that is padded, so an even number up to {2 * x.ndim} for "
                         f"input {x.shape}, got {len(given)}")
    pairs = [(int(given[i]), int(given[i + 1])) for i in range(0, len(given), 2)][::-1]
    pads = [(0, 0)] * (x.ndim - len(pairs)) + pairs
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, pads))
    if any(n < max(a, 0) + max(b, 0) for n, (a, b) in zip(shape, pads)):
        raise ValueError(f"pad: pad {tuple(given)} cuts off more than input {x.shape} has")
    if math.prod(n or 1 for n in shape) >= 2 ** 60:
        raise ValueError(f"pad: no memory holds a tensor of shape {shape}")
    room(shape, x.dtype, "pad")
    return pads


def _check_source(x, given, pads, mode):
    """ValueError where `mode` cannot take from x what it puts around it."""
    count = len(given) // 2
    if len(given) not in (2, 4, 6) or x.ndim not in (count + 1, count + 2):
        raise ValueError(f"pad: mode {mode!r} pads the last axis of 2-D or 3-D input, the last 2 of 3-D or 4-D, or the last 3 of "
                         f"4-D or 5-D, got input {x.shape} and {len(given)} numbers; mode 'constant' takes any")
    if 0 in x.shape[-count - 1 if mode != "circular" and x.ndim == count + 2 else -count:]:
        raise ValueError(f"pad: input has shape {x.shape}; only the batch axis may have length 0 in mode {mode!r}")
    for axis, (n, (a, b)) in list(enumerate(zip(x.shape, pads)))[-count:]:
        most = n - 1 if mode == "reflect" else n if mode == "circular" else math.inf
        if max(a, b) > most:
            raise ValueError(f"pad: mode {mode!r} can add at most {most} at each end of axis {axis} of input {x.shape}, "
                             f"got {(a, b)}")
        if n + a + b == 0 and mode != "circular":
            raise ValueError(f"pad: pad {(a, b)} leaves nothing of axis {axis} of input {x.shape}")


def _fill_value(x, value, mode):
    """`value` as a number that x's dtype holds; None is 0."""
    value = 0 if value is None else value
    if not isinstance(value, (numbers.Real, np.bool_)):
        raise TypeError(f"pad: value must be a number or None, got {value!r:.60}")
    if mode != "constant" and value != 0:
        raise ValueError(f"pad: value belongs to mode 'constant', got value {value!r} with mode {mode!r}")
    kind = x.dtype.kind
    if kind != "b" and not (kind == "f" and value in (math.inf, -math.inf) or kind == "f" and value != value):
        limits = np.finfo(x.dtype) if kind == "f" else np.iinfo(x.dtype)
        if not limits.min <= value <= limits.max:
            raise ValueError(f"pad: value {value!r:.40} does not fit into {x.dtype}, the dtype of input")
    return x.dtype.type(value)


def pad(input, pad, mode="constant", value=None):
    """`input` with `pad` = (before, after) numbers added to its last axis, then (before, after) to the one before it, ….

    mode: "constant" (`value`, 0 if None), "reflect" (what lies inside, mirrored at the edge), "replicate" (the edge),
    "circular" (the other end). A negative number cuts off. ValueError for pads that do not fit the shape.
    """
    x = tensor_argument(input, "pad")
    choice(mode, MODES, "pad", "mode")
    pads, value = _pads(x, pad), _fill_value(x, value, mode)
    if mode == "constant":
        return PadFunction.apply(x, pads=pads, value=value)
    _check_source(x, pad, pads, mode)
    taps = {axis: padding_taps(n, a, b, mode, x.dtype) for axis, (n, (a, b)) in enumerate(zip(x.shape, pads)) if a or b}
    return ResampleFunction.apply(x, taps=taps)
