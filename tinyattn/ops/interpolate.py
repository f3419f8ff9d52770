"""Scaling images up and down: `interpolate`. Every mode is a list of taps an axis (see `scaling`)."""
import math
import numbers

import numpy as np

from .arguments import choice, flag, float_argument, room, tensor_argument
from .resample import ResampleFunction
from .scaling import scaling_taps

RANKS = {"nearest": (3, 4, 5), "nearest-exact": (3, 4, 5), "area": (3, 4, 5), "linear": (3,), "bilinear": (4,), "bicubic": (4,),
         "trilinear": (5,)}
SMOOTH = ("linear", "bilinear", "bicubic", "trilinear")


def _each(value, x, name, kinds):
    """One number, or one for each axis of x after the second, as a tuple. `kinds`: what a number must be."""
    count = x.ndim - 2
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    if any(not isinstance(v, kinds) or isinstance(v, bool) for v in values):
        raise TypeError(f"interpolate: {name} must be {'an int' if kinds is numbers.Integral else 'a number'} or one for each axis "
                        f"that is scaled, got {value!r:.60}")
    if len(values) != count:
        raise ValueError(f"interpolate: {name} {value!r:.60} holds {len(values)} numbers, expected {count}, one for each axis after "
                         f"the second of input {x.shape}")
    return values


def _sizes(x, size, scale_factor, least):
    """The new lengths, and the factors that were given for them (or None for each)."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: give one of size and scale_factor, got size {size!r:.40} and scale_factor {scale_factor!r:.40}")
    if size is not None:
        sizes, factors = tuple(int(n) for n in _each(size, x, "size", numbers.Integral)), (None,) * (x.ndim - 2)
    else:
        factors = _each(scale_factor, x, "scale_factor", numbers.Real)
        if not all(0 < f < math.inf for f in factors):
            raise ValueError(f"interpolate: scale_factor must be positive, got {scale_factor!r}")
        sizes = tuple(int(min(n * float(f), 2 ** 62)) for n, f in zip(x.shape[2:], factors))
    if min(sizes) < least or max(sizes) >= 2 ** 31 or math.prod(x.shape[:2] + sizes) >= 2 ** 60:
        wanted = f"size {size!r:.60}" if scale_factor is None else f"scale_factor {scale_factor!r:.60}"
        raise ValueError(f"interpolate: {wanted} would give input {x.shape} the shape {x.shape[:2] + sizes}; lengths must be at least {least}, "
                         "and memory must hold them")
    room(x.shape[:2] + sizes, x.dtype, "interpolate")
    return sizes, factors


def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False):
    """`input` (N, C, L), (N, C, H, W) or (N, C, D, H, W) scaled to `size`, or by `scale_factor`: one number, or one an axis.

    mode: "nearest" (edges rounded down), "nearest-exact" (centres), "area" (means), or a weighted mean of neighbours:
    "linear" (3-D), "bilinear", "bicubic" (4-D), "trilinear" (5-D). These know `align_corners`: corner centres stay where they
    are, else corner edges do; bilinear and bicubic also `antialias`: where an image shrinks, all pixels count.
    recompute_scale_factor=True takes n/m for the distance of two places, where else 1/scale_factor is taken.
    ValueError for a mode that does not fit the shape.
    """
    x = tensor_argument(input, "interpolate")
    choice(mode, tuple(RANKS), "interpolate", "mode")
    if x.dtype != np.uint8 or mode not in ("nearest", "nearest-exact"):                # pixels that only move may be bytes
        float_argument(x, "interpolate")
    if x.ndim not in RANKS[mode]:
        fitting = {3: "linear", 4: "bilinear or bicubic", 5: "trilinear"}.get(x.ndim)
        raise ValueError(f"interpolate: mode {mode!r} needs input with {' or '.join(map(str, RANKS[mode]))} axes (N, C, …), got shape "
                         f"{x.shape}{f'; use {fitting}' if fitting else ''}")
    if 0 in x.shape[1:]:
        raise ValueError(f"interpolate: input has shape {x.shape}; only the batch axis may have length 0")
    if align_corners is not None and flag(align_corners, "interpolate", "align_corners") is not None and mode not in SMOOTH:
        raise ValueError(f"interpolate: align_corners belongs to the modes {', '.join(SMOOTH)}, got it with mode {mode!r}")
    if flag(antialias, "interpolate", "antialias") and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolate: antialias belongs to the modes bilinear and bicubic, got it with mode {mode!r}")
    recompute = recompute_scale_factor is not None and flag(recompute_scale_factor, "interpolate", "recompute_scale_factor")
    if recompute and size is not None:
        raise ValueError("interpolate: recompute_scale_factor belongs to scale_factor, got it with size")
    sizes, factors = _sizes(x, size, scale_factor, 0 if mode == "area" else 1)
    if recompute or mode == "area":
        factors = (None,) * len(sizes)
    if mode == "nearest" and x.ndim == 4:      # twice as long means each place twice, whatever the factor was: so PyTorch has it
        factors = [None if m in (n, 2 * n) else f for n, m, f in zip(x.shape[2:], sizes, factors)]
    taps = {axis: scaling_taps(x.shape[axis], m, mode, bool(align_corners), None if factor is None else float(factor), bool(antialias), x.dtype)
            for axis, (m, factor) in enumerate(zip(sizes, factors), 2)}
    return ResampleFunction.apply(x, taps={axis: t for axis, t in taps.items() if t is not None})
