"""The built-in data sets: grey digits and letters, drawn from a seed, with nothing to download. `glyphs` is the plain one:

    train = Glyphs("train")                      # 20,500 images of 12 typefaces
    test = Glyphs("test")                        # 5,125 images of 5 other typefaces
    hard = Glyphs("test", clutter=True, return_masks=True)      # with distractors; hard.masks is where the glyph is

Two more ask where to look, and know the answer: `Cluttered` (cluttered.py), one glyph among fragments of others, and
`Scales` (scales.py), one glyph of any size.

Read on: faces.py (typefaces and classes), atlas.py (outlines), rasterise.py and fields.py (distance fields), distort.py
(affine and elastic distortion, stroke width, blur, noise), draw.py (the random numbers of image i), generated.py (all images of a split).
"""
import numpy as np

from ..datasets import ImageDataset
from . import draw, generated
from .cluttered import Cluttered
from .distort import PIXELS
from .faces import CLASSES
from .scales import Scales

__all__ = ["Cluttered", "Glyphs", "Scales"]

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
        split, size, seed = generated.checked("Glyphs", PIXELS, split, size, seed)
        clutter = bool(clutter)
        keep = 2 if return_masks else 1
        images, *masks = generated.drawn(lambda *which: draw.images(*which, clutter)[:keep], split, size, seed)
        super().__init__("glyphs", split, images[:, None], draw.labels(split, seed, 0, size), CLASSES,
                         (MEAN[clutter],), (STD[clutter],))
        self.seed, self.clutter, self.masks = seed, clutter, masks[0] if masks else None
