"""Make the outline atlas from the fonts that matplotlib ships:  ``python -m tinyattn.data.glyphs.build_atlas [FILE]``

The outlines are copied point for point out of the fonts' ``glyf`` tables (whole numbers in the font's own units), so the
atlas is a small part of each font in another container, and rebuilding it gives the same arrays. It needs fontTools,
which comes with matplotlib. Nobody needs to run this to use the data set.

Source: Apple's TrueType Reference Manual, chapter "The 'glyf' table" (points, on-curve flags, ends of contours).
"""
import argparse
import hashlib
import importlib.util
import logging
import pathlib

import numpy as np

from .atlas import ATLAS_FILE
from .faces import CHARACTERS, FACES


def font_folder():
    """The folder of matplotlib's TrueType fonts (found without importing matplotlib)."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None:
        raise FileNotFoundError("build_atlas: the fonts are matplotlib's, and matplotlib is not installed")
    return pathlib.Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"


def read_outlines(path, characters):
    """The outlines of ``characters`` in the TrueType font at ``path``.

    Returns a list, one entry a character: (points int (p, 2), on_curve bool (p,), contour_ends int (c,)), where contour
    k is the points from contour_ends[k−1] to contour_ends[k] and is closed.
    """
    from fontTools.ttLib import TTFont
    outlines = []
    with TTFont(path) as font:
        names, glyf = font.getBestCmap(), font["glyf"]
        for character in characters:
            if ord(character) not in names:
                raise ValueError(f"build_atlas: {path} has no outline for {character!r}")
            points, last, flags = glyf[names[ord(character)]].getCoordinates(glyf)
            outlines.append((np.array(points).reshape(-1, 2), np.array(flags) & 1 == 1, np.array(last) + 1))
    return outlines


def font_sums():
    """The SHA-256 of each typeface's font file, as hexadecimal digits: bytes (F,)."""
    folder = font_folder()
    return np.array([hashlib.sha256((folder / face.source).read_bytes()).hexdigest().encode() for face in FACES])


def build():
    """The arrays of the atlas (see atlas.py), read from matplotlib's fonts.

    Coordinates are stored as differences from point to point, x and y apart: small numbers, which pack to a third.
    """
    folder = font_folder()
    steps, on_curve, ends, counts = [], [], [], []
    for face in FACES:
        for points, on, contour_ends in read_outlines(folder / face.source, CHARACTERS):
            if np.any(points != np.rint(points)):
                raise ValueError(f"build_atlas: {face.source} has points between the font's own units")
            steps.append(np.diff(points, axis=0, prepend=0))
            on_curve.append(on)
            ends.append(np.diff(contour_ends, prepend=0))
            counts.append(len(contour_ends))
    steps = np.concatenate(steps).astype(np.int16)                                  # (P, 2)
    return {
        "characters": np.array(CHARACTERS),
        "faces": np.array([face.name for face in FACES]),
        "font_sha256": font_sums(),                                                 # which fonts these outlines are from
        "dx": np.ascontiguousarray(steps[:, 0]), "dy": np.ascontiguousarray(steps[:, 1]),
        "on_curve": np.packbits(np.concatenate(on_curve)),
        "contour_points": np.concatenate(ends).astype(np.uint16),                   # points of each contour
        "glyph_contours": np.array(counts, np.uint8),                               # contours of each glyph
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tinyattn.data.glyphs.build_atlas", description=__doc__.split("\n")[0])
    parser.add_argument("file", nargs="?", type=pathlib.Path, default=ATLAS_FILE, help="where to write it")
    file = parser.parse_args(arguments).file
    logging.getLogger("fontTools").setLevel(logging.ERROR)      # it doubts the dates in the Computer Modern files
    np.savez_compressed(file, **build())
    print(f"{file}: {len(FACES)} typefaces × {len(CHARACTERS)} characters, {file.stat().st_size:,} bytes; "
          f"ATLAS_SHA256 = {hashlib.sha256(file.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
