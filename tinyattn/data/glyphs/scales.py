"""`scales`: one glyph, 8 to 28 pixels long, somewhere in a picture of 40×40. Which feature level should be trusted?

    test = Scales("test")
    test.images       # uint8 (5125, 1, 40, 40)
    test.sizes        # float32 (5125,): the glyph's longer side in pixels, 8 to 28, each as likely as the other
    test.masks        # bool (5125, 40, 40): its ink
    test.boxes        # int64 (5125, 4): x0, y0, x1, y1 around it

A small glyph's strokes are thin, and it is bent less: it is the same figure seen from farther away.
"""
import numpy as np

from ..datasets import ImageDataset
from . import distort, draw, generated
from .faces import CLASSES, SPLITS
from .fields import glyph_fields

PIXELS = 40
CONTROLS = -(-PIXELS // distort.CELL) + 3      # a picture of 42, of which the middle 40 are kept
EDGE = (distort.CELL * (CONTROLS - 3) - PIXELS) // 2

LONGER_SIDE = (8.0, 28.0)       # pixels, before the glyph is turned, sheared and bent
BLUR = (0.0, 0.12)              # less than in `glyphs`: it takes most from the small

MEAN, STD = 0.0756, 0.2001      # of the default training split, scaled to 0 … 1 (a test computes them again)


class Scales(ImageDataset):
    """One glyph of 8 to 28 pixels anywhere in a picture of 40×40; `sizes`, `masks` and `boxes` say how large and where.

    split  "train" or "test"; they share no typeface
    size   how many images; default 20,500 and 5,125. Image i is the same whatever the size
    seed   integer from 0 to 2⁶⁴ − 1; another seed is another data set of the same kind

    sizes  float32 (N,): the longer side in pixels that the glyph was drawn with, before it was turned, sheared and bent
    masks  bool (N, 40, 40): the pixels at least half covered by the glyph
    boxes  int64 (N, 4): x0, y0, x1, y1 of the smallest box around the mask; x1 and y1 are the first column and row after it

    Equal arguments give equal bits on every machine. Raises ValueError for a split, size or seed out of range.
    """

    def __init__(self, split="train", size=None, seed=0):
        split, size, self.seed = generated.checked("Scales", PIXELS, split, size, seed)
        images, self.masks, self.sizes = generated.drawn(images_masks_sizes, split, size, self.seed)
        self.boxes = generated.boxes(self.masks)
        super().__init__("scales", split, images[:, None], draw.labels(split, self.seed, 0, size, "scales"), CLASSES,
                         (MEAN,), (STD,))


def images_masks_sizes(split, seed, first, last):
    """Images first … last − 1 of a split, uint8 (n, 40, 40), their masks, bool (n, 40, 40), and sizes, float32 (n,)."""
    fields, widths = glyph_fields(split)
    random = draw.Draws("scales", split, seed, first, last)
    label = draw.labels(split, seed, first, last, "scales")
    glyph, longer = random.integers(len(SPLITS[split])) * len(CLASSES) + label, random.uniform(LONGER_SIDE)
    scale = longer / np.float32(20)                                                # as in `glyphs`: 1 is 20 pixels long
    room = (np.float32(PIXELS) - longer * np.float32(draw.SCALE[1])) / 2           # room for what shears and bends
    shift = np.stack([random.uniform((-1, 1)) * room for _ in range(2)])
    distance = draw.distance_at(random, fields, glyph, scale, shift, CONTROLS, bend=scale)
    picture = distort.ink(distance, draw.thicker(random.uniform(draw.STROKE) * scale, widths[glyph], scale, scale), scale)
    picture = picture[EDGE:EDGE + PIXELS, EDGE:EDGE + PIXELS]                      # (40, 40, n)
    mask = picture >= np.float32(0.5)
    picture = picture * random.uniform(draw.GREY)
    distort.blur(picture, random.uniform(BLUR))
    grain = distort.noise(random.keys(), PIXELS)
    grain *= random.uniform(draw.NOISE)
    picture += grain
    return distort.to_bytes(picture), mask.transpose(2, 0, 1), longer
