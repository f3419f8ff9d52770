"""Which glyph is image i, and how is it distorted? Every number is drawn by counter from (seed, split, i).

Image i depends on nothing else: not on how many images are asked for, nor on the order or the thread it is drawn in.
"""
import numpy as np

from ..rng import Rng
from . import distort
from .distort import CONTROLS, PIXELS
from .faces import CLASSES, SPLITS
from .fields import glyph_fields

# How far each distortion goes. Ranges are (low, high); every value in between is equally likely.
TURN = (-0.08, 0.08)            # tangent of half the angle: ±9°
SCALE = (0.9, 1.15)             # 1: the longer side is 20 pixels
ASPECT = (0.88, 1.14)           # wider by this, lower by this
SHEAR = (-0.22, 0.22)
ROOM = 0.5                      # pixels by which the middle may be off, besides the space the scale leaves
BEND = (0.5, 2.0)               # pixels by which the control points move at most
STROKE = (1.7, 3.5)             # width of the strokes in pixels that is aimed at ...
THICKER = (-0.15, 0.6)          # ... but no edge moves by more than this
BLUR = (0.0, 0.25)
GREY = (0.65, 1.0)              # of the ink
NOISE = (0.0, 0.06)             # standard deviation

# With clutter the glyph is smaller and anywhere, among round cuttings from other glyphs.
CLUTTER_SCALE = (0.62, 0.85)
CLUTTER_ROOM = 1.0
CUTTINGS = 5
CUTTING_RADIUS = (2.0, 4.5)     # pixels
CUTTING_SCALE = (0.7, 1.3)
CUTTING_GREY = (0.5, 1.0)

# In place of an epoch's number: far from those of any training. Every data set has its own.
STREAMS = {"glyphs": {"train": 0xFFFFFFF0, "test": 0xFFFFFFF1},
           "cluttered": {"train": 0xFFFFFFF2, "test": 0xFFFFFFF3},
           "scales": {"train": 0xFFFFFFF4, "test": 0xFFFFFFF5}}


def labels(split, seed, first, last, data="glyphs"):
    """int64 (last − first,): the classes of images first … last − 1 of a split of `data`.

    Each block of len(CLASSES) images has every class once, in random order, so that any number of them is balanced.
    """
    k = len(CLASSES)
    blocks = np.arange(first // k, -(-last // k))
    high, low = np.moveaxis(Rng(seed, STREAMS[data][split], blocks).words(2 * k).reshape(-1, k, 2), 2, 0)
    order = np.argsort((high << np.uint64(32)) | low, axis=1, kind="stable")
    start = first - first // k * k
    return order.reshape(-1)[start:start + last - first].astype(np.int64)


def images(split, seed, first, last, clutter):
    """Images first … last − 1 of a split: (uint8 (n, 28, 28), bool (n, 28, 28) of the pixels at least half in the ink)."""
    fields, widths = glyph_fields(split)
    random = Draws("glyphs", split, seed, first, last)
    n = last - first
    glyph = random.integers(len(SPLITS[split])) * len(CLASSES) + labels(split, seed, first, last)
    scale = random.uniform(CLUTTER_SCALE if clutter else SCALE)
    room = np.float32(CLUTTER_ROOM if clutter else ROOM) + np.maximum(np.float32(PIXELS / 2) - 10 * scale, 0) / 2
    distance = distance_at(random, fields, glyph, scale, np.stack([random.uniform((-1, 1)) * room for _ in range(2)]))
    picture = distort.ink(distance, thicker(random.uniform(STROKE), widths[glyph], scale), scale)
    mask = picture >= np.float32(0.5)
    picture *= random.uniform(GREY)
    if clutter:
        for _ in range(CUTTINGS):
            np.maximum(picture, _cutting(random, fields, n, distance, scale), out=picture)
    distort.blur(picture, random.uniform(BLUR))
    grain = distort.noise(random.keys())
    grain *= random.uniform(NOISE)
    picture += grain
    return distort.to_bytes(picture), mask.transpose(2, 0, 1)


def distance_at(random, fields, glyph, scale, shift, controls=CONTROLS, bend=1):
    """Distance to the edge, in samples of the field, at every pixel, under a random distortion: (28, 28, n).

    Another number of `controls` makes an image of 7·(controls − 3) pixels a side; `bend` (n,) bends more, or less.
    """
    matrix = distort.inverse_affine(random.uniform(TURN), scale, random.uniform(ASPECT), random.uniform(SHEAR))
    bend = random.block((2, controls, controls)) * (random.uniform(BEND) * np.float32(bend))
    return distort.sample(fields, glyph, *distort.pixel_map(matrix, shift, bend))


def thicker(wanted, width, scale, reach=1):
    """By how many pixels (n,) edges move for strokes `wanted` pixels wide, of glyphs whose own are `width` samples wide.

    No edge moves by more than THICKER · `reach`.
    """
    own = width * scale / np.float32(distort.UNITS)
    low, high = np.float32(THICKER)
    return np.clip((wanted - own) / 2, low * np.float32(reach), high * np.float32(reach))


def _cutting(random, fields, n, distance, glyph_scale):
    """A disc cut from another glyph, somewhere in the image: its grey (28, 28, n). It keeps clear of the glyph's ink."""
    half = np.float32(PIXELS / 2)
    x, y = random.uniform((-half, half)), random.uniform((-half, half))
    radius, scale = random.uniform(CUTTING_RADIUS), random.uniform(CUTTING_SCALE)
    off = np.stack([x + random.uniform((-6, 6)), y + random.uniform((-6, 6))])
    other = random.integers(len(fields))
    piece = distort.ink(distance_at(random, fields, other, scale, off), np.float32(0.3), scale)
    at = (np.arange(PIXELS) - distort.CENTRE).astype(np.float32)
    dx, dy = at[:, None] - x, (at[:, None] - y)[:, None]
    piece *= np.clip(radius + np.float32(0.5) - np.sqrt(dx * dx + dy * dy), 0, 1)
    piece *= np.clip(distance * (glyph_scale / np.float32(distort.UNITS)) - np.float32(1), 0, 1)
    piece *= random.uniform(CUTTING_GREY)
    return piece


class Draws:
    """The random numbers of images first … last − 1, image by image along the last axis."""

    def __init__(self, data, split, seed, first, last):
        self.rng = Rng(seed, STREAMS[data][split], np.arange(first, last), stream=1)   # stream 0: the labels

    def uniform(self, interval):
        """float32 (n,), uniform in the interval."""
        return self.rng.uniform(1, *interval)[:, 0]

    def uniforms(self, count, interval):
        """float32 (count, n), uniform in the interval: much cheaper than `count` draws of one."""
        return np.ascontiguousarray(self.rng.uniform(count, *interval).T)

    def block(self, shape):
        """float32 (*shape, n), uniform from −1 to 1."""
        count = int(np.prod(shape))
        return np.ascontiguousarray(self.rng.uniform(count, -1, 1).T).reshape(*shape, -1)

    def integers(self, high, count=None):
        """int64 (n,), uniform in 0 … high − 1; (count, n) where `count` says so."""
        return self.rng.integers(1, high)[:, 0] if count is None else np.ascontiguousarray(self.rng.integers(count, high).T)

    def keys(self):
        """uint32 (n,) of random bits."""
        return self.rng.words(1)[:, 0].astype(np.uint32)
