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

STREAMS = {"train": 0xFFFFFFF0, "test": 0xFFFFFFF1}     # in place of an epoch's number: far from those of any training


def labels(split, seed, first, last):
    """int64 (last − first,): the classes of images first … last − 1.

    Each block of len(CLASSES) images has every class once, in random order, so that any number of them is balanced.
    """
    k = len(CLASSES)
    blocks = np.arange(first // k, -(-last // k))
    high, low = np.moveaxis(Rng(seed, STREAMS[split], blocks).words(2 * k).reshape(-1, k, 2), 2, 0)
    order = np.argsort((high << np.uint64(32)) | low, axis=1, kind="stable")
    start = first - first // k * k
    return order.reshape(-1)[start:start + last - first].astype(np.int64)


def images(split, seed, first, last, clutter):
    """Images first … last − 1 of a split: (uint8 (n, 28, 28), bool (n, 28, 28) of the pixels at least half in the ink)."""
    fields, widths = glyph_fields(split)
    random = Draws(split, seed, first, last)
    n = last - first
    glyph = random.integers(len(SPLITS[split])) * len(CLASSES) + labels(split, seed, first, last)
    scale = random.uniform(CLUTTER_SCALE if clutter else SCALE)
    room = np.float32(CLUTTER_ROOM if clutter else ROOM) + np.maximum(np.float32(PIXELS / 2) - 10 * scale, 0) / 2
    distance = _distance(random, fields, glyph, scale, np.stack([random.uniform((-1, 1)) * room for _ in range(2)]))
    wanted = random.uniform(STROKE)
    own = widths[glyph] * scale / np.float32(distort.UNITS)
    offset = np.clip((wanted - own) / 2, *np.float32(THICKER))
    picture = distort.ink(distance, offset, scale)
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


def _distance(random, fields, glyph, scale, shift):
    """Distance to the edge, in samples of the field, at every pixel, under a random distortion: (28, 28, n)."""
    matrix = distort.inverse_affine(random.uniform(TURN), scale, random.uniform(ASPECT), random.uniform(SHEAR))
    bend = random.block((2, CONTROLS, CONTROLS)) * random.uniform(BEND)
    return distort.sample(fields, glyph, *distort.pixel_map(matrix, shift, bend))


def _cutting(random, fields, n, distance, glyph_scale):
    """A disc cut from another glyph, somewhere in the image: its grey (28, 28, n). It keeps clear of the glyph's ink."""
    half = np.float32(PIXELS / 2)
    x, y = random.uniform((-half, half)), random.uniform((-half, half))
    radius, scale = random.uniform(CUTTING_RADIUS), random.uniform(CUTTING_SCALE)
    off = np.stack([x + random.uniform((-6, 6)), y + random.uniform((-6, 6))])
    other = random.integers(len(fields))
    piece = distort.ink(_distance(random, fields, other, scale, off), np.float32(0.3), scale)
    at = (np.arange(PIXELS) - distort.CENTRE).astype(np.float32)
    dx, dy = at[:, None] - x, (at[:, None] - y)[:, None]
    piece *= np.clip(radius + np.float32(0.5) - np.sqrt(dx * dx + dy * dy), 0, 1)
    piece *= np.clip(distance * (glyph_scale / np.float32(distort.UNITS)) - np.float32(1), 0, 1)
    piece *= random.uniform(CUTTING_GREY)
    return piece


class Draws:
    """The random numbers of images first … last − 1, image by image along the last axis."""

    def __init__(self, split, seed, first, last):
        self.rng = Rng(seed, STREAMS[split], np.arange(first, last), stream=1)      # stream 0: the labels

    def uniform(self, interval):
        """float32 (n,), uniform in the interval."""
        return self.rng.uniform(1, *interval)[:, 0]

    def block(self, shape):
        """float32 (*shape, n), uniform from −1 to 1."""
        count = int(np.prod(shape))
        return np.ascontiguousarray(self.rng.uniform(count, -1, 1).T).reshape(*shape, -1)

    def integers(self, high):
        """int64 (n,), uniform in 0 … high − 1."""
        return self.rng.integers(1, high)[:, 0]

    def keys(self):
        """uint32 (n,) of random bits."""
        return self.rng.words(1)[:, 0].astype(np.uint32)
