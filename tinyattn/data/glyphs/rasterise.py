"""Our own rasteriser: closed outlines in, signed distance fields out, and from a distance the ink of a pixel.

The field of a glyph holds, at every sample of a square grid, how far the nearest outline is: negative in the ink,
positive outside. Such a field can be bent, scaled and sampled between its grid points, and still says where the edge is;
adding a constant to it makes strokes thicker or thinner. It is computed exactly, from the outline's straight pieces:

- the distance, from each piece, to the samples near it (farther than `reach` nobody asks);
- the sign, by the winding number: walk along each row, add +1 for each piece crossed going down and −1 going up; where
  the sum is not 0 there is ink.

Every step is a whole-number operation or a single IEEE 754 operation (+ − × ÷ √) on float64, and minima and whole-number
sums do not depend on their order, so the fields have the same bits on every machine.

Sources: Foley, van Dam, Feiner and Hughes, "Computer Graphics: Principles and Practice", 2nd ed., 1990 (non-zero winding
rule); Green, "Improved alpha-tested magnification for vector textures and special effects", SIGGRAPH 2007 courses
(glyphs as sampled distance fields).
"""
import numpy as np


def signed_distance(pieces, owner, count, size, reach):
    """Signed distance fields of many shapes at once.

    pieces  float64 (e, 2, 2): straight pieces from pieces[:, 0] to pieces[:, 1] of closed outlines, as (x, y), in units
            of the grid; sample (row i, column j) stands at (x, y) = (j, i). Short pieces are quickest.
    owner   int (e,): the shape, 0 … count − 1, that each piece belongs to
    size    samples along a side; reach: distances are cut off at ±reach

    Returns float32 (count, size, size): d < 0 in the ink, d > 0 outside, |d| ≤ reach.
    """
    distance = np.sqrt(_nearest(pieces, owner, count, size, reach))
    return np.where(_winding(pieces, owner, count, size) != 0, -distance, distance).astype(np.float32)


def coverage(distance, width=1.0):
    """The share of ink, 0 to 1, in a pixel whose centre lies `distance` outside the edge, the edge being `width` wide.

    clip(½ − d/w, 0, 1): with w = 1 pixel exactly the covered area for an upright or level edge, and within 0.05 of it for
    a slanted one; wider is a blurred edge.
    """
    return np.clip(0.5 - distance / width, 0, 1)


def _nearest(pieces, owner, count, size, reach):
    """Squared distance to the nearest piece, at most reach²: float64 (count, size, size).

    Each piece touches only a square window of samples around its middle. From a to b, and a sample p, with t the nearest
    place on the line, cut to the piece:  t = clip((p−a)·(b−a) / |b−a|², 0, 1),  d² = |p − a − t(b−a)|².
    """
    field = np.full(count * size * size, float(reach) ** 2)
    a, step = pieces[:, 0], pieces[:, 1] - pieces[:, 0]                             # (e, 2)
    middle = a + 0.5 * step
    length2 = step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1]
    half = np.ceil(0.5 * np.sqrt(length2) + reach).astype(np.int64)                 # half a window's side
    for h in np.unique(half).tolist():
        every = np.flatnonzero(half == h)
        offset = np.arange(-h, h + 1)
        for some in np.array_split(every, len(every) * len(offset) ** 2 // 300_000 + 1):     # stay within the cache
            column = np.rint(middle[some, 0]).astype(np.int64)[:, None] + offset    # (s, window)
            row = np.rint(middle[some, 1]).astype(np.int64)[:, None] + offset
            px, py = column - a[some, 0, None], row - a[some, 1, None]
            dx, dy = step[some, 0, None], step[some, 1, None]
            along = (px * dx)[:, None, :] + (py * dy)[:, :, None]                   # (s, window rows, window columns)
            along /= np.where(length2[some] > 0, length2[some], 1)[:, None, None]
            np.clip(along, 0, 1, out=along)
            d2 = (px[:, None, :] - along * dx[:, :, None]) ** 2
            d2 += (py[:, :, None] - along * dy[:, :, None]) ** 2
            inside = ((row >= 0) & (row < size))[:, :, None] & ((column >= 0) & (column < size))[:, None, :]
            near = np.flatnonzero(inside & (d2 < reach * reach))
            place = (owner[some, None, None] * size + row[:, :, None]) * size + column[:, None, :]
            np.minimum.at(field, place.ravel()[near], d2.ravel()[near])
    return field.reshape(count, size, size)


def _winding(pieces, owner, count, size):
    """Winding number around every sample: int64 (count, size, size).

    A piece crosses row i if i lies in [y₀, y₁) (or [y₁, y₀)): half-open, so that a corner is never counted twice. All
    samples of the row at or right of the crossing get ±1: one entry at the first of them, then a running sum.
    """
    (x0, y0), (x1, y1) = pieces[:, 0].T, pieces[:, 1].T
    first, last = np.ceil(np.minimum(y0, y1)), np.ceil(np.maximum(y0, y1)) - 1      # rows crossed
    rows = np.maximum(last - first + 1, 0).astype(np.int64)
    of = np.repeat(np.arange(len(pieces)), rows)                                    # one entry a crossing
    row = first[of].astype(np.int64) + np.arange(len(of)) - np.repeat(np.cumsum(rows) - rows, rows)
    x = x0[of] + (row - y0[of]) * (x1[of] - x0[of]) / (y1[of] - y0[of])
    column = np.clip(np.ceil(x), 0, size).astype(np.int64)                          # `size`: right of the whole row
    keep = (row >= 0) & (row < size)
    crossings = np.zeros(count * size * (size + 1), np.int64)
    place = (owner[of] * size + row) * (size + 1) + column
    np.add.at(crossings, place[keep], np.where(y1 > y0, 1, -1)[of][keep])
    return np.cumsum(crossings.reshape(count, size, size + 1), axis=2)[:, :, :size]
