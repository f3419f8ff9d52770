"""The shipped outlines: read them, and cut their curves into short straight pieces.

``atlas.npz`` holds, for every typeface of faces.py and every character, the closed contours of the glyph exactly as they
stand in the font: TrueType outlines, points on the curve and off it. Two neighbouring points off the curve have a point
on the curve half-way between them, which the format leaves out; between points on the curve runs a straight line or a
parabola (a quadratic Bézier segment). Licences: the files in ``licenses/``. The atlas is made by build_atlas.py.

Source: Apple's TrueType Reference Manual, chapter "Digitizing Letterform Designs".
"""
import functools
import hashlib
import io
import pathlib
from typing import NamedTuple

import numpy as np

from ..opening import open_file

ATLAS_FILE = pathlib.Path(__file__).with_name("atlas.npz")
ATLAS_SHA256 = "5380f37830a6f120de4658264c478bbec2318760f31aa245e0c038432290df0a"


class Outline(NamedTuple):
    """One glyph: points (p, 2) float64 in font units (y up), on_curve (p,) bool, contour_ends (c,) int."""
    points: np.ndarray
    on_curve: np.ndarray
    contour_ends: np.ndarray


@functools.cache
def load_outlines():
    """All outlines of the atlas: a dict (face name, character) → `Outline`. RuntimeError where the shipped file is damaged."""
    try:
        with open_file(ATLAS_FILE, "the atlas of outlines") as file:
            data = file.read(1 << 20)
    except OSError as error:
        raise RuntimeError(f"{error}; the file is part of TinyAttn: install it again") from error
    if hashlib.sha256(data).hexdigest() != ATLAS_SHA256:  # before its headers are believed
        raise RuntimeError(f"{ATLAS_FILE} is damaged: its checksum is not the one it was made with; the file is part of "
                           "TinyAttn: install it again")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        characters, faces = str(arrays["characters"]), [str(name) for name in arrays["faces"]]
        steps = np.stack([arrays["dx"], arrays["dy"]], 1).astype(np.int64)          # (P, 2)
        on_curve = np.unpackbits(arrays["on_curve"])[:len(steps)].astype(bool)
        contour_points, glyph_contours = arrays["contour_points"].astype(np.int64), arrays["glyph_contours"]
    outlines, point, contour = {}, 0, 0
    keys = [(face, character) for face in faces for character in characters]
    for key, contours in zip(keys, glyph_contours.tolist(), strict=True):
        ends = np.cumsum(contour_points[contour:contour + contours])
        here = slice(point, point + int(ends[-1]))
        outlines[key] = Outline(np.cumsum(steps[here], axis=0).astype(np.float64), on_curve[here], ends)
        point, contour = here.stop, contour + contours
    return outlines


def bezier_segments(outline):
    """The outline as quadratic Bézier segments (s, 3, 2): start, control point, end, contour after contour.

    A straight line gets its middle as control point. The missing points between two off-curve points are put back.
    """
    segments, start = [], 0
    for end in outline.contour_ends.tolist():
        points, on = outline.points[start:end], outline.on_curve[start:end]
        start = end
        following = np.roll(points, -1, axis=0)
        # Every second entry is a given point; between two of a kind there is one more, half-way: the missing point on
        # the curve between two controls, or the idle control of a line between two points of the curve.
        extra = on == np.roll(on, -1)
        row = np.arange(len(points)) + np.cumsum(extra) - extra
        whole = np.empty((len(points) + int(extra.sum()), 2))
        whole[row] = points
        whole[row[extra] + 1] = (points[extra] + following[extra]) / 2
        if not on[0]:
            whole = np.roll(whole, -1, axis=0)                                      # begin on the curve
        segments.append(np.stack([whole[0::2], whole[1::2], np.roll(whole[0::2], -1, axis=0)], 1))
    return np.concatenate(segments)


def flatten(segments, longest):
    """Cut Bézier segments (s, 3, 2) into straight pieces (e, 2, 2) no longer than about ``longest``.

    B(t) = (1−t)²·a + 2t(1−t)·b + t²·c at equal steps of t; the number of steps comes from the length of the control
    polygon, which is never shorter than the curve. Also returns, for each piece, the segment it was cut from (e,).
    """
    a, b, c = segments[:, 0], segments[:, 1], segments[:, 2]
    length = np.sqrt(((b - a) ** 2)[:, 0] + ((b - a) ** 2)[:, 1]) + np.sqrt(((c - b) ** 2)[:, 0] + ((c - b) ** 2)[:, 1])
    steps = np.maximum(np.ceil(length / longest), 1).astype(np.int64)               # (s,)
    of = np.repeat(np.arange(len(steps)), steps)                                    # (e,)
    number = np.arange(len(of)) - np.repeat(np.cumsum(steps) - steps, steps)
    at = []
    for t in (number / steps[of], (number + 1) / steps[of]):                        # same t, same bits: no gaps
        t = t[:, None]
        at.append((1 - t) * (1 - t) * a[of] + 2 * t * (1 - t) * b[of] + t * t * c[of])
    return np.stack(at, 1), of
