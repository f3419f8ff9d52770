"""The glyphs of a split as distance fields, all brought to one size: what the images are drawn from.

As in MNIST (LeCun, Bottou, Bengio and Haffner, 1998) each glyph is scaled, with its proportions kept, until its longer
side fills a box of fixed size, and stands in the middle of it. So size tells nothing about the class: a small letter
is as large as a capital.
"""
import functools

import numpy as np

from . import atlas, rasterise
from .faces import CLASSES, SPLITS, STAND_IN, TWINS

SIZE = 48                   # samples along a side of a field
GLYPH = 36.0                # samples along the longer side of a glyph
REACH = 4.0                 # distances are cut off here (in samples); less than the margin (SIZE − GLYPH) / 2
LONGEST = 3.0               # longest straight piece of a flattened outline


@functools.cache
def glyph_fields(split):
    """Fields and stroke widths of all glyphs of a split; glyph f·len(CLASSES) + c is class c in face f.

    Returns (fields float32 (G, SIZE, SIZE), widths float32 (G,)), both in samples of the grid. The width of a glyph's
    strokes, on average, is twice its area over its circumference. Both are counted, so the sums are exact: the area
    is the number of samples in the ink, and twice the circumference that of the samples within 1 of the edge.
    """
    outlines = atlas.load_outlines()
    keys = [(STAND_IN if character in TWINS.get(face, "") else face, character)
            for face in SPLITS[split] for character in CLASSES]
    glyphs = [atlas.bezier_segments(outlines[key]) for key in keys]
    owner = np.repeat(np.arange(len(glyphs)), [len(segments) for segments in glyphs])
    segments = fit(np.concatenate(glyphs), owner)
    pieces, segment = atlas.flatten(segments, LONGEST)
    fields = rasterise.signed_distance(pieces, owner[segment], len(glyphs), SIZE, REACH)
    area = np.count_nonzero(fields < 0, axis=(1, 2)).astype(np.float32)
    edge = np.count_nonzero(np.abs(fields) < 1, axis=(1, 2)).astype(np.float32)
    return fields, 4 * area / edge


def fit(segments, owner):
    """Scale each glyph's segments (s, 3, 2), font units and y up, to fit the box of a field: grid units and y down."""
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    middle = (segments[:, 0] + 2 * segments[:, 1] + segments[:, 2]) / 4             # on the curve, where it bulges most
    low = np.minimum.reduceat(np.minimum(segments[:, 0], middle), first)            # (G, 2)
    high = np.maximum.reduceat(np.maximum(segments[:, 0], middle), first)
    scale = GLYPH / np.maximum((high - low)[:, 0], (high - low)[:, 1])
    centred = (segments - ((low + high) / 2)[owner, None]) * scale[owner, None, None]
    return centred * np.array([1.0, -1.0]) + (SIZE - 1) / 2
