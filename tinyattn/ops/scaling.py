"""The taps of interpolation: an axis of n places is read at m places, i ↦ s(i), and what lies between is weighed.

    the corners stay:   s(i) = i · (n − 1) / (m − 1)
    the edges stay:     s(i) = (i + ½) · n/m − ½,   the centre of place i

Rounding follows PyTorch's, in the dtype of the image, so that a place between two is the same one there and here: the
place before s is found in float32 (its `floorf`), and a scale factor that was given replaces n/m by 1/factor.

Keys: Cubic convolution interpolation for digital image processing (IEEE ASSP 29, 1981).
"""
import functools

import numpy as np

from .taps import from_table

CUBIC, SMOOTH_CUBIC = -0.75, -0.5
"""Keys's a: PyTorch's, and (under antialias) Pillow's."""


def cubic(x, a):
    """Keys's kernel at distances x, all at least 0: two cubic pieces that meet smoothly, and 0 from 2 on."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0 * x))


def _triangle(x):
    return np.maximum(1 - x, 0)


def _sources(n, m, align_corners, factor, real):
    """s(i) for i = 0 … m − 1, as an array of dtype `real`, and how far apart they are."""
    i, half = np.arange(m).astype(real), real(0.5)
    if align_corners:
        step = real(n - 1) / real(m - 1) if m > 1 else real(0)
        return step * i, step
    step = real(n) / real(m) if factor is None else real(1 / factor)
    return step * (i + half) - half, step


def _before(s, n):
    """The last place that is not after s, and how far behind it s lies, 0 … 1."""
    place = np.minimum(np.floor(s.astype(np.float32)).astype(np.int64), n - 1)
    return place, np.clip(s - place.astype(s.dtype), 0, 1)


def _nearest(n, m, factor, real, exact):
    """The place that s falls into; without `exact`, the edge of it is rounded down instead of its centre (as OpenCV does)."""
    s, step = _sources(n, m, False, factor, real)
    s = np.maximum(s, 0) + real(0.5) if exact else step * np.arange(m).astype(real)
    return np.minimum(np.floor(s.astype(np.float32)).astype(np.int64), n - 1)[:, None], np.ones((m, 1), real)


def _linear(n, m, align_corners, factor, real):
    place, t = _before(np.maximum(_sources(n, m, align_corners, factor, real)[0], 0), n)
    return np.stack([place, np.where(place < n - 1, place + 1, place)], 1), np.stack([1 - t, t], 1)


def _cubic(n, m, align_corners, factor, real):
    place, t = _before(_sources(n, m, align_corners, factor, real)[0], n)
    distances = np.stack([t + 1, t, 1 - t, 2 - t], 1)
    return np.clip(place[:, None] + np.arange(-1, 3), 0, n - 1), cubic(distances, real(CUBIC))


def _antialiased(n, m, align_corners, factor, real, reach, kernel):
    """The kernel stretched over all places that become one, where the axis shrinks; weights add up to 1."""
    step = _sources(n, m, align_corners, factor, real)[1]
    stretch = np.maximum(step, real(1))
    support, center = real(reach) * stretch, step * (np.arange(m).astype(real) + real(0.5))
    first = np.maximum((center - support + real(0.5)).astype(np.int64), 0)
    last = np.minimum((center + support + real(0.5)).astype(np.int64), n)
    place = first[:, None] + np.arange(max(int((last - first).max()), 1))
    weight = kernel(np.abs((place.astype(real) - center[:, None] + real(0.5)) / stretch))
    weight = np.where(place < last[:, None], weight, real(0))
    total = weight.sum(1, keepdims=True)
    return np.where(place < last[:, None], place, -1), weight / np.where(total == 0, real(1), total)


def _area(n, m, real):
    """The mean of places ⌊i·n/m⌋ … ⌈(i + 1)·n/m⌉ − 1."""
    i = np.arange(m)
    first, last = i * n // max(m, 1), -(-(i + 1) * n // max(m, 1))
    place = first[:, None] + np.arange((last - first).max(initial=0))
    return np.where(place < last[:, None], place, -1), np.repeat((1 / (last - first)).astype(real)[:, None], place.shape[1], 1)


@functools.lru_cache(maxsize=512)
def scaling_taps(n, m, mode, align_corners, factor, antialias, dtype):
    """Taps that make m places of n, or None where all stay as they are.

    factor: the scale factor, where it says how far apart the places are read, and not n/m; else None.
    """
    real = dtype.type if dtype.kind == "f" else np.float32
    if n == m and (antialias or mode in ("linear", "bilinear", "trilinear", "area")):
        return None
    if mode in ("nearest", "nearest-exact"):
        table = _nearest(n, m, factor, real, mode == "nearest-exact")
    elif mode == "area":
        table = _area(n, m, real)
    elif antialias:
        reach, kernel = (2, lambda x: cubic(x, real(SMOOTH_CUBIC))) if mode == "bicubic" else (1, _triangle)
        table = _antialiased(n, m, align_corners, factor, real, reach, kernel)
    elif mode == "bicubic":
        table = _cubic(n, m, align_corners, factor, real)
    else:
        table = _linear(n, m, align_corners, factor, real)
    place, weight = table
    return from_table(place, weight.astype(dtype), n)
