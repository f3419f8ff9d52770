"""From a glyph to an image: move it, bend it, thicken it, draw it, blur it, and add noise.

The steps, for each image, with its own random numbers:

1. A map from the pixels of the image back into the glyph's distance field: rotation, scale, aspect, shear and shift, and
   a smooth random displacement. Both at once: the map is a cubic B-spline surface over 7 × 7 control points. Such a
   surface through control points on an affine map is that affine map; moving each control point by a random amount
   bends it elastically.
2. The field is sampled there (bilinear), the stroke width changed by adding to the distance, and ink is where it is < 0.
3. Blur (a three-pixel kernel along each axis), the grey of the ink, noise, and rounding to 0 … 255.

Simard, Steinkraus and Platt displace each pixel at random and smooth the displacements with a Gaussian of σ = 4 pixels. A
cubic B-spline over control points 7 pixels apart smooths nearly alike: its bump has σ = 7/√3 = 4.04 pixels.

Bits: only whole numbers and single IEEE 754 operations on float32, one element at a time (no library's sine or
exponential, no sum whose order the hardware chooses), so an image is the same on every machine. Memory: images lie side
by side, (28, 28, n), so that a number of each image meets n neighbouring pixels at once.

Sources: Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
analysis", ICDAR 2003; Sederberg and Parry, "Free-form deformation of solid geometric models", SIGGRAPH 1986; de Boor, "A
practical guide to splines", 1978.
"""
import numpy as np

from .fields import GLYPH, SIZE

PIXELS = 28                 # along a side of an image
CELL = 7                    # pixels from one control point to the next
CONTROLS = PIXELS // CELL + 3
CENTRE = (PIXELS - 1) / 2
UNITS = GLYPH / 20          # field samples to a pixel: a glyph's longer side is 20 pixels before it is scaled

_one = np.float32(1)


def spline_weights():
    """float32 (4, CELL): how much each of the four control points around it counts at each pixel of a cell."""
    t = np.arange(CELL) / CELL
    return (np.stack([(1 - t) * (1 - t) * (1 - t), (3 * t - 6) * t * t + 4, ((3 - 3 * t) * t + 3) * t + 1, t * t * t])
            / 6).astype(np.float32)


def inverse_affine(turn, scale, aspect, shear):
    """The 2 × 2 matrix (a, b, c, d), each (n,), from pixels of the image to samples of the field.

    M = (UNITS/scale) · diag(1/aspect, aspect) · [[1, shear], [0, 1]] · R.  The rotation R by the angle 2·arctan(turn) is
    written with t = turn alone: cos = (1 − t²)/(1 + t²), sin = 2t/(1 + t²).
    """
    cos, sin = (_one - turn * turn) / (_one + turn * turn), (turn + turn) / (_one + turn * turn)
    across, down = np.float32(UNITS) / (scale * aspect), np.float32(UNITS) * aspect / scale
    return across * (cos - shear * sin), across * (sin + shear * cos), down * -sin, down * cos


def pixel_map(matrix, shift, bend):
    """Where in the field each pixel lies: x, y, float32 (P, P, n) each, for an image of P = 7·(k − 3) pixels a side.

    matrix  as `inverse_affine` gives it
    shift   (2, n): where the glyph's middle goes, in pixels from the image's
    bend    (2, k, k, n): random displacement of the control points, in pixels; k = 7 for an image of 28
    """
    controls = bend.shape[1]
    at = ((np.arange(controls) - 1) * CELL - (CELL * (controls - 3) - 1) / 2).astype(np.float32)
    u = at[:, None] - shift[0] + bend[0]                                            # (k, k, n)
    v = at[:, None, None] - shift[1] + bend[1]
    a, b, c, d = matrix
    middle = np.float32((SIZE - 1) / 2)
    return tuple(_spline_surface(controls) for controls in (a * u + b * v + middle, c * u + d * v + middle))


def straight_map(matrix, shift, pixels):
    """`pixel_map` without the bending, for an image of any number of `pixels` a side: x, y (pixels, pixels, n)."""
    at = (np.arange(pixels) - (pixels - 1) / 2).astype(np.float32)
    u, v = at[:, None] - shift[0], at[:, None] - shift[1]                           # (pixels, n)
    a, b, c, d = matrix
    middle = np.float32((SIZE - 1) / 2)
    return a * u + (b * v + middle)[:, None], c * u + (d * v + middle)[:, None]


def _spline_surface(controls):
    """The B-spline surface over controls (k, k, n) at every pixel: (P, P, n). First down the rows, then across."""
    weights, cells, n = spline_weights(), controls.shape[1] - 3, controls.shape[-1]
    down = _along(weights[:, :, None, None], [controls[k:k + cells, None] for k in range(4)])       # (cells, 7, k, n)
    down = down.reshape(CELL * cells, cells + 3, n)
    across = _along(weights[:, :, None], [down[:, k:k + cells, None] for k in range(4)])            # (P, cells, 7, n)
    return across.reshape(CELL * cells, CELL * cells, n)


def _along(weights, controls):
    total = weights[0] * controls[0]
    for weight, control in zip(weights[1:], controls[1:]):
        total += weight * control
    return total


def sample(fields, glyph, x, y):
    """The fields of glyphs (n,) at x, y (P, P, n), bilinear between the four samples around; outside, the nearest edge."""
    last = np.float32(SIZE - 1) - np.float32(2.0 ** -10)                            # a neighbour to the right is always there
    x, y = np.clip(x, 0, last), np.clip(y, 0, last)
    column, row = x.astype(np.int32), y.astype(np.int32)
    x -= column.astype(np.float32)
    y -= row.astype(np.float32)
    row *= SIZE
    row += column
    place = row + (glyph * (SIZE * SIZE)).astype(np.intp)
    flat = fields.reshape(-1)
    upper, lower = (_between(flat[k:].take(place, mode="clip"), flat[k + 1:].take(place, mode="clip"), x) for k in (0, SIZE))
    return _between(upper, lower, y)


def _between(a, b, t):
    """a + t·(b − a), in the memory of b."""
    b -= a
    b *= t
    b += a
    return b


def ink(distance, offset, scale):
    """Coverage (P, P, n) from distance in samples of the field, with strokes thicker by 2·offset pixels.

    The edge is a ramp one pixel wide:  clip(½ − (scale·d/UNITS − offset), 0, 1).
    """
    covered = distance * (scale / np.float32(-UNITS))
    covered += np.float32(0.5) + offset
    return np.clip(covered, 0, 1, out=covered)


def blur(image, strength):
    """Blur images (P, P, n) in place with the kernel (s, 1 − 2s, s) along both axes; strength s (n,), 0 to ⅓.

    The image goes on beyond its border with the border's own value.
    """
    for axis in (0, 1):
        along = np.moveaxis(image, axis, 0)
        step = np.diff(along, axis=0)
        step *= strength
        along[:-1] += step
        along[1:] -= step
    return image


def noise(keys, pixels=PIXELS):
    """Random numbers (pixels, pixels, n), nearly normal: mean 0, standard deviation 1, never beyond ±3.45.

    The pixel's number and the image's key (n,) uint32 are mixed to 32 random bits (the finalizer of MurmurHash3, Appleby
    2011), and the four bytes of these added up.
    """
    h = (np.arange(pixels * pixels, dtype=np.uint32) * np.uint32(0x9E3779B9)).reshape(pixels, pixels, 1) ^ keys
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h ^= h >> np.uint32(shift)
        h *= np.uint32(factor)
    h ^= h >> np.uint32(16)
    two = (h & np.uint32(0x00FF00FF)) + ((h >> np.uint32(8)) & np.uint32(0x00FF00FF))     # two sums side by side
    total = (two + (two >> np.uint32(16))) & np.uint32(0xFFFF)                            # 0 … 1020
    value = total.astype(np.float32)
    value -= np.float32(510)
    value *= np.float32(1 / 147.8)                                                        # √(4·(256² − 1)/12) = 147.8
    return value


def to_bytes(image):
    """Values 0 … 1 (P, P, n) to uint8 (n, P, P): clip(⌊255·v + ½⌋, 0, 255). Uses up `image`."""
    image *= np.float32(255)
    image += np.float32(0.5)
    np.clip(image, 0, 255, out=image)
    return image.astype(np.uint8).transpose(2, 0, 1)
