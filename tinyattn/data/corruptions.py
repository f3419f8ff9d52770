"""Corruptions: what befalls images in the world, in five severities, to ask how much of an accuracy survives it.

    worse = corrupt(images, "fog", severity=3)              # the same images, in fog
    transform = Compose([Corruption("noise", 2), Normalize(mean, std)])

Images are (N, C, H, W), uint8 0 … 255 or float32 0 … 1, square or not; the result has the same shape, dtype and range. What is
random depends on the seed and the image's number alone, and not on the severity: a noise or a fog only grows. Each function
below is one corruption, images (B, H, W, C) float32 and its `level` in, new images out; `CORRUPTIONS` has the levels.

Sources of the levels:
    [HD]  Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations",
          arXiv:1903.12261 (ImageNet-C)
    [MG]  Mu and Gilmer, "MNIST-C: a robustness benchmark for computer vision", arXiv:1906.02337
Moves that they give in pixels of a 28×28 image are here a share of the side; where no source is named the levels are ours.
"""
import math
from typing import Callable, NamedTuple

import numpy as np

from ..nearest import did_you_mean
from .rng import Rng
from .transforms import ToFloat, _images, _rows, _Transform, affine

SEVERITIES = (1, 2, 3, 4, 5)
CHUNK = 256                     # images corrupted at once: the noise of more would fill the memory


def noise(rows, level, rng):
    """x + σ·ε, ε standard normal, for every value by itself; level: σ."""
    return rows + np.float32(level) * _normal(rows, rng)


def speckle(rows, level, rng):
    """x + x·σ·ε: noise where there is light; level: σ."""
    return rows + rows * (np.float32(level) * _normal(rows, rng))


def impulse(rows, level, rng):
    """A share p of the values is 0 or 1, each as often ("salt and pepper"); level: p."""
    u = rng.uniform(rows[0].size).reshape(rows.shape)
    return np.where(u < np.float32(level / 2), np.float32(0), np.where(u < np.float32(level), np.float32(1), rows))


def blur(rows, level, rng):
    """y = Σ_d g(d)·x(i + d) along both axes, g(d) ∝ exp(−d²/2σ²), |d| ≤ 4σ; the border goes on as it is. level: σ in pixels."""
    reach = int(4 * level + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / level) ** 2)
    for axis in (1, 2):
        edges = [(reach, reach) if each == axis else (0, 0) for each in range(4)]
        padded, length = np.pad(rows, edges, "edge"), rows.shape[axis]
        rows = sum(np.float32(weight) * padded[(slice(None),) * axis + (slice(d, d + length),)]
                   for d, weight in enumerate(weights / weights.sum()))
    return rows


def pixelate(rows, level, rng):
    """Means over rectangles, n = ⌊level·side⌋ of them along each side, in place of what was in them."""
    for axis in (1, 2):
        side = rows.shape[axis]
        count = max(1, int(level * side))
        edges = np.arange(count + 1) * (side / count)
        pixel = np.arange(side)
        share = np.clip(np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel), 0, 1) * (count / side)   # (n, side)
        nearest = np.minimum((pixel + 0.5) * count / side, count - 1).astype(int)
        rows = _along(rows, share[nearest], axis)
    return rows


def brightness(rows, level, rng):
    """The largest channel v becomes v' = min(v + c, 1), the others keep their ratio to it: x·v'/v, and c where v = 0. level: c."""
    v = rows.max(3, keepdims=True)
    raised = np.minimum(v + np.float32(level), 1)
    return np.where(v > 0, rows * (raised / np.where(v > 0, v, 1)), raised)


def contrast(rows, level, rng):
    """μ + c·(x − μ), μ the image's mean of each channel; level: c."""
    mean = rows.mean((1, 2), keepdims=True)
    return mean + np.float32(level) * (rows - mean)


def stripe(rows, level, rng):
    """1 − x in an upright stripe along the left and the right edge; level: each one's share of the width."""
    out, width = rows.copy(), round(level * rows.shape[2])
    for part in (slice(0, width), slice(rows.shape[2] - width, None)):
        out[:, :, part] = 1 - rows[:, :, part]
    return out


def fog(rows, level, rng):
    """(x + c·f)·m/(m + c), f a cloud from 0 to 1, m the image's largest value; level: c.

    The cloud is a sum of grids of 2ᵏ × 2ᵏ cells, k = 1 … 5, with a random number at every corner, linear between them, each
    grid half as strong as the one before (after Fournier, Fussell and Carpenter, "Computer rendering of stochastic models",
    1982); lastly it is stretched to go from 0 to 1.
    """
    cloud = 0
    for k in range(1, 6):
        cells = 2 ** k
        grid = rng.uniform((cells + 1) ** 2, -1, 1).reshape(-1, cells + 1, cells + 1, 1)
        for axis in (1, 2):
            grid = _along(grid, _between_corners(rows.shape[axis], cells), axis)
        cloud = cloud + grid * np.float32(2.0 ** -k)                             # (B, H, W, 1)
    low, high = cloud.min((1, 2), keepdims=True), cloud.max((1, 2), keepdims=True)
    most = rows.max((1, 2, 3), keepdims=True)
    cloud = (cloud - low) / np.maximum(high - low, np.float32(1e-6))
    return (rows + np.float32(level) * cloud) * (most / (most + np.float32(level)))


def occlusion(rows, level, rng):
    """A black square somewhere in the image; level: its side as a share of the image's (after DeVries and Taylor, arXiv:1708.04552)."""
    out, place = rows.copy(), rng.uniform(2)                                       # (B, 2)
    sides = [round(level * length) for length in rows.shape[1:3]]
    y, x = (np.floor(place[:, axis] * (length - side + 1)).astype(int) for axis, (length, side) in enumerate(zip(rows.shape[1:3], sides)))
    for n, (i, j) in enumerate(zip(y.tolist(), x.tolist())):
        out[n, i:i + sides[0], j:j + sides[1]] = 0
    return out


def rotation(rows, level, rng):
    """A turn about the middle, to the left or to the right; level: the angle in radians."""
    return _moved(rows, angle=_sign(rng)[:, 0] * math.degrees(level))


def scale(rows, level, rng):
    """Everything smaller, about the middle; level: by this factor."""
    return _moved(rows, scale=np.full(len(rows), level))


def shear(rows, level, rng):
    """Rows shifted in proportion to their height, one way or the other; level: the angle of what was upright, in radians."""
    return _moved(rows, shear=np.stack([_sign(rng)[:, 0] * math.degrees(level), np.zeros(len(rows))], 1))


def translation(rows, level, rng):
    """Moved by whole pixels along both axes, in one of the four directions; level: pixels of 28."""
    return _moved(rows, translate=_sign(rng, 2) * np.round(np.array(rows.shape[2:0:-1]) * (level / 28)))


class Kind(NamedTuple):
    """A corruption: its function, its level at each severity, where the levels are from, and a few words."""
    function: Callable
    levels: tuple
    source: str
    words: str


CORRUPTIONS = {kind.function.__name__: kind for kind in (
    Kind(noise, (0.08, 0.12, 0.18, 0.26, 0.38), "[HD]", "Gaussian noise"),
    Kind(speckle, (0.15, 0.2, 0.35, 0.45, 0.6), "[HD]", "noise where there is light"),
    Kind(impulse, (0.03, 0.06, 0.09, 0.17, 0.27), "[HD]", "single values black or white"),
    Kind(blur, (0.5, 1.0, 1.5, 2.0, 3.0), "", "out of focus"),
    Kind(pixelate, (0.6, 0.5, 0.4, 0.3, 0.25), "[HD]", "fewer pixels"),
    Kind(brightness, (0.1, 0.2, 0.3, 0.4, 0.5), "[HD]", "more light everywhere"),
    Kind(contrast, (0.4, 0.3, 0.2, 0.1, 0.05), "[HD]", "all values near their mean"),
    Kind(stripe, (0.05, 0.1, 0.15, 0.2, 0.25), "[MG] at 5", "inverted along two edges"),
    Kind(fog, (1.0, 1.5, 2.0, 2.5, 3.0), "[HD] at 5", "a cloud before it"),
    Kind(occlusion, (0.2, 0.3, 0.4, 0.5, 0.6), "", "a black square before it"),
    Kind(rotation, (0.2, 0.4, 0.6, 0.8, 1.0), "[MG]", "turned"),
    Kind(scale, (0.9, 0.8, 0.7, 0.6, 0.5), "[MG]", "smaller"),
    Kind(shear, (0.2, 0.4, 0.6, 0.8, 1.0), "[MG]", "slanted"),
    Kind(translation, (1, 2, 3, 4, 5), "[MG]", "moved"),
)}
"""Name → kind of every corruption."""


class Corruption(_Transform):
    """The corruption `name` in severity 1 (hardly) to 5 (badly), as a transform: t(images, rng).

    Raises ValueError, with the nearest one, for a name that is not in `CORRUPTIONS`, and for another severity.
    """

    def __init__(self, name, severity=3):
        if not isinstance(name, str) or name not in CORRUPTIONS:
            hint = did_you_mean(name, CORRUPTIONS)
            raise ValueError(f"unknown corruption {name!r}" + (f"; {hint}" if hint else "") + f" (there are {', '.join(CORRUPTIONS)})")
        if isinstance(severity, bool) or severity not in SEVERITIES:
            raise ValueError(f"Corruption: severity is {severity!r}, expected a whole number from 1 to 5")
        self.name, self.severity = name, int(severity)
        from . import warp  # noqa: F401 -- Numba's decorators are not for the loader's thread

    def __call__(self, images, rng):
        _rows(images, self.name, rng)
        if not len(images):
            return images.copy()
        kind = CORRUPTIONS[self.name]
        rows = np.ascontiguousarray(_rows(ToFloat()(images), self.name))           # (B, H, W, C)
        out = np.clip(kind.function(rows, kind.levels[self.severity - 1], rng), 0, 1)
        if images.dtype == np.uint8:
            out = np.rint(out * np.float32(255))
        return _images(np.ascontiguousarray(out, images.dtype))


def corrupt(images, name, severity=3, seed=0):
    """A corrupted copy of images (N, C, H, W), uint8 or float32 from 0 to 1: the same shape, dtype and range.

    Equal arguments give equal images; image n depends on nothing but itself, its number n and the seed. ValueError for an
    unknown name, another severity than 1 to 5, or images of another kind.
    """
    corruption = Corruption(name, severity)
    _rows(images, name)
    parts = [corruption(images[first:first + CHUNK], Rng(seed, 0, np.arange(first, min(first + CHUNK, len(images)))))
             for first in range(0, len(images), CHUNK)]
    return _images(np.concatenate([_rows(part, name) for part in parts])) if parts else images.copy()


def _normal(rows, rng):
    return rng.normal(rows[0].size).reshape(rows.shape)


def _sign(rng, count=1):
    """−1 or 1, (B, count)."""
    return np.where(rng.uniform(count) < 0.5, -1.0, 1.0)


def _along(rows, matrix, axis):
    """Σ_k matrix[i, k]·rows[…, k, …] along axis 1 or 2 of rows (B, H, W, C)."""
    return np.einsum("ik,bkwc->biwc" if axis == 1 else "ik,bhkc->bhic", matrix.astype(np.float32), rows, optimize=True)


def _between_corners(length, cells):
    """How much each of cells + 1 corners counts at each of `length` pixels, linear in between: (length, cells + 1)."""
    at = (np.arange(length) + 0.5) * cells / length
    return np.maximum(1 - np.abs(at[:, None] - np.arange(cells + 1)), 0)


def _moved(rows, angle=None, translate=None, scale=None, shear=None):
    count = len(rows)
    given = [default if value is None else value for value, default in (
        (angle, np.zeros(count)), (translate, np.zeros((count, 2))), (scale, np.ones(count)), (shear, np.zeros((count, 2))))]
    return _rows(affine(_images(rows), *given), "affine")
