"""`glyphs`, the built-in data set: 28×28 grey digits and letters, drawn from a seed, with nothing to download.

    train = Glyphs("train")                      # 20,500 images of 12 typefaces
    test = Glyphs("test")                        # 5,125 images of 5 other typefaces
    hard = Glyphs("test", clutter=True, return_masks=True)      # with distractors; hard.masks is where the glyph is

Read on: faces.py (typefaces and classes), atlas.py (outlines), rasterise.py and fields.py (distance fields), distort.py
(affine and elastic distortion, stroke width, blur, noise), draw.py (the random numbers of image i).
"""
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..datasets import ImageDataset
from . import draw
from .distort import PIXELS
from .faces import CLASSES, SPLITS
from .fields import glyph_fields

__all__ = ["Glyphs"]

SIZES = {"train": 20_500, "test": 5_125}          # 500 and 125 of each class
MOST = 10_000_000                               # 8 GB: no number typed by mistake fills the memory
CHUNK = 128                                     # images drawn at once: their arrays stay within a core's cache

# Of the default training split, without and with clutter, scaled to 0 … 1 (a test computes them again).
MEAN = {False: 0.1626, True: 0.1367}
STD = {False: 0.2752, True: 0.2365}


class Glyphs(ImageDataset):
    """The built-in data set: an `ImageDataset` of grey 28×28 digits and letters in random distortion.

    split         "train" or "test"; they share no typeface
    size          how many images; default 20,500 and 5,125. Image i is the same whatever the size
    seed          integer from 0 to 2⁶⁴ − 1; another seed is another data set of the same kind
    clutter       True: the glyph is smaller and off the middle, among cuttings from other glyphs
    return_masks  True: `masks`, bool (N, 28, 28), says which pixels are the glyph's own ink (else None)

    Equal arguments give equal bits on every machine. Raises ValueError for a split, size or seed out of range.
    """

    def __init__(self, split="train", size=None, seed=0, clutter=False, return_masks=False):
        if not isinstance(split, str) or split not in SPLITS:
            raise ValueError(f"Glyphs: unknown split {split!r}, expected 'train' or 'test'")
        size = SIZES[split] if size is None else size
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 0 < size <= MOST:
            raise ValueError(f"Glyphs: size is {size!r}, expected a whole number of images, 1 to {MOST:,}")
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 64:
            raise ValueError(f"Glyphs: seed is {seed!r}, expected an integer from 0 to 2**64 - 1")
        clutter, seed = bool(clutter), int(seed)
        images = np.empty((size, PIXELS, PIXELS), np.uint8)
        masks = np.empty((size, PIXELS, PIXELS), bool) if return_masks else None

        def fill(first):
            last = min(first + CHUNK, size)
            images[first:last], mask = draw.images(split, seed, first, last, clutter)
            if return_masks:
                masks[first:last] = mask

        glyph_fields(split)                     # once, before the threads ask for it
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for _ in pool.map(fill, range(0, size, CHUNK)):
                pass                            # an error in a thread comes up here
        super().__init__("glyphs", split, images[:, None], draw.labels(split, seed, 0, size), CLASSES,
                         (MEAN[clutter],), (STD[clutter],))
        self.seed, self.clutter, self.masks = seed, clutter, masks
