"""`cluttered`: one whole glyph somewhere in a picture of 60×60, among fragments of others. Where it is, is the question.

    test = Cluttered("test")
    test.images       # uint8 (5125, 1, 60, 60)
    test.masks        # bool (5125, 60, 60): the whole glyph's own ink
    test.boxes        # int64 (5125, 4): x0, y0, x1, y1 around it

The glyph is about 20 pixels long, covers a ninth of the picture, and may lie anywhere in it. The fragments are round
cuttings, a quarter of a glyph and less, of any glyph of the same split, with strokes as wide and as bright: only the
whole says what is meant. They may touch the glyph's surroundings, but leave its strokes alone.

After Mnih, Heess, Graves and Kavukcuoglu, "Recurrent models of visual attention", arXiv:1406.6247 (cluttered
translated MNIST, 60×60), with our own glyphs, and test typefaces that are not those of training.
"""
import numpy as np

from ..datasets import ImageDataset
from . import distort, draw, generated
from .faces import CLASSES, SPLITS
from .fields import glyph_fields

PIXELS = 60
WINDOW = distort.PIXELS         # the glyph is drawn in so many pixels a side, then put somewhere
PATCH = 13                      # and a fragment in so many

SCALE = (0.85, 1.1)             # 1: the longer side is 20 pixels
FRAGMENTS = 10
RADIUS = (3.5, 6.0)             # of a fragment, in pixels
OFF = (-7, 7)                   # pixels from the middle of a fragment to that of the glyph it is cut from

MEAN, STD = 0.0934, 0.2103      # of the default training split, scaled to 0 … 1 (a test computes them again)


class Cluttered(ImageDataset):
    """One glyph of 20 pixels in a picture of 60×60, among fragments of others; `masks` and `boxes` say where it is.

    split  "train" or "test"; they share no typeface
    size   how many images; default 20,500 and 5,125. Image i is the same whatever the size
    seed   integer from 0 to 2⁶⁴ − 1; another seed is another data set of the same kind

    masks  bool (N, 60, 60): the pixels at least half covered by the glyph
    boxes  int64 (N, 4): x0, y0, x1, y1 of the smallest box around the mask; x1 and y1 are the first column and row after it

    Equal arguments give equal bits on every machine. Raises ValueError for a split, size or seed out of range.
    """

    def __init__(self, split="train", size=None, seed=0):
        split, size, self.seed = generated.checked("Cluttered", PIXELS, split, size, seed)
        images, self.masks = generated.drawn(images_and_masks, split, size, self.seed)
        self.boxes = generated.boxes(self.masks)
        super().__init__("cluttered", split, images[:, None], draw.labels(split, self.seed, 0, size, "cluttered"), CLASSES,
                         (MEAN,), (STD,))


def images_and_masks(split, seed, first, last):
    """Images first … last − 1 of a split, uint8 (n, 60, 60), and their masks, bool (n, 60, 60)."""
    fields, widths = glyph_fields(split)
    random = draw.Draws("cluttered", split, seed, first, last)
    n = last - first
    picture = np.zeros((n, PIXELS, PIXELS), np.float32)
    for piece, y, x in _fragments(random, fields, widths):                        # (13, 13, n)
        for part, new in zip(_windows(picture, PATCH, y, x), _first(piece)):
            np.maximum(part, new, out=part)

    label = draw.labels(split, seed, first, last, "cluttered")
    glyph, scale = random.integers(len(SPLITS[split])) * len(CLASSES) + label, random.uniform(SCALE)
    distance = draw.distance_at(random, fields, glyph, scale, random.uniforms(2, (-0.5, 0.5)))
    ink = distort.ink(distance, draw.thicker(random.uniform(draw.STROKE), widths[glyph], scale), scale)      # (28, 28, n)
    clear = np.clip(distance * (scale / np.float32(distort.UNITS)) - np.float32(1), 0, 1)     # no fragment within a pixel
    own, mask = ink >= np.float32(0.5), np.zeros(picture.shape, bool)
    ink *= random.uniform(draw.GREY)
    y, x = random.integers(PIXELS - WINDOW + 1, 2)
    for part, new, free in zip(_windows(picture, WINDOW, y, x), _first(ink), _first(clear)):
        part *= free
        np.maximum(part, new, out=part)
    for part, new in zip(_windows(mask, WINDOW, y, x), _first(own)):
        part[:] = new

    picture = np.ascontiguousarray(picture.transpose(1, 2, 0))                     # (60, 60, n)
    distort.blur(picture, random.uniform(draw.BLUR))
    grain = distort.noise(random.keys(), PIXELS)
    grain *= random.uniform(draw.NOISE)
    picture += grain
    return distort.to_bytes(picture), mask


def _first(block):
    """Images one after the other in memory: (side, side, n) → (n, side, side)."""
    return np.ascontiguousarray(block.transpose(2, 0, 1))


def _windows(pictures, side, y, x):
    """The square of `side` pixels at row y, column x (n,) of each of pictures (n, 60, 60), to be written to."""
    return (picture[i:i + side, j:j + side] for picture, i, j in zip(pictures, y.tolist(), x.tolist()))


def _fragments(random, fields, widths):
    """Round cuttings from any glyphs: for each its grey (13, 13, n), and where it goes, y and x (n,).

    They are turned, scaled and sheared as glyphs are; of bending a piece so small shows next to nothing.
    """
    glyphs, scales = random.integers(len(fields), FRAGMENTS), random.uniforms(FRAGMENTS, SCALE)               # (10, n)
    matrices = distort.inverse_affine(random.uniforms(FRAGMENTS, draw.TURN), scales, random.uniforms(FRAGMENTS, draw.ASPECT),
                                      random.uniforms(FRAGMENTS, draw.SHEAR))
    shifts = random.uniforms(FRAGMENTS, OFF), random.uniforms(FRAGMENTS, OFF)
    thicker = draw.thicker(random.uniforms(FRAGMENTS, draw.STROKE), widths[glyphs], scales)
    radii, greys = random.uniforms(FRAGMENTS, RADIUS), random.uniforms(FRAGMENTS, draw.GREY)
    rows, columns = (random.integers(PIXELS - PATCH + 1, FRAGMENTS) for _ in range(2))
    at = (np.arange(PATCH) - (PATCH - 1) / 2).astype(np.float32)
    middle = np.sqrt(at * at + (at * at)[:, None])[:, :, None]                     # distance from the patch's middle
    for f in range(FRAGMENTS):
        place = distort.straight_map([part[f] for part in matrices], (shifts[0][f], shifts[1][f]), PATCH)
        piece = distort.ink(distort.sample(fields, glyphs[f], *place), thicker[f], scales[f])
        piece *= np.clip(radii[f] + np.float32(0.5) - middle, 0, 1)
        piece *= greys[f]
        yield piece, rows[f], columns[f]
