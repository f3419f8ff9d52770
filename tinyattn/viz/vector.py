"""Pictures as SVG that is the same whenever the data is, and the data itself, so that a page made anew can be compared with a kept one."""
import io

import matplotlib
import numpy as np
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text

MOST = 400      # numbers kept of one line or image as they are; of more, an evenly spaced choice and the moments
DIGITS = 6


def svg(figure):
    """The text of an SVG of `figure`: letters as outlines, so that it looks the same everywhere; no date, no random names."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "tinyattn", "svg.fonttype": "path", "savefig.dpi": 100}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def plotted(figure):
    """What `figure` shows, as plain lists: of each of its axes the titles and texts, and the numbers of lines, images, patches, points.

    A list of {"title", "x", "y", "texts", "lines", "images", "patches", "points"}, numbers rounded to 6 digits.
    """
    return [{key: value for key, value in _axes(axes).items() if value} for axes in figure.axes]


def _axes(axes):
    children = axes.get_children()
    own = (axes.title, axes._left_title, axes._right_title, axes.patch)
    return {"title": axes.get_title() or axes.get_title("left"), "x": axes.get_xlabel(), "y": axes.get_ylabel(),
            "texts": [c.get_text() for c in children if isinstance(c, Text) and c not in own and c.get_text()],
            "lines": [_numbers(np.column_stack([np.asarray(v, float) for v in c.get_data()])) for c in children if isinstance(c, Line2D)],
            "images": [_numbers(np.asarray(c.get_array(), float)) for c in children if isinstance(c, AxesImage)],
            "patches": [_numbers(np.asarray(c.get_path().transformed(c.get_patch_transform()).vertices, float))
                        for c in axes.patches],
            "points": [_numbers(np.asarray(c.get_offsets(), float)) for c in axes.collections]}


def _numbers(values):
    """{"shape", "values"} of an array, where it is large with its mean and spread beside some of its values."""
    values = np.ma.filled(np.ma.asarray(values, float), np.nan)
    flat = values.ravel()
    kept = {"shape": list(values.shape)}
    if flat.size > MOST:
        kept["mean"], kept["spread"] = _rounded([np.nanmean(flat), np.nanstd(flat)])
        flat = flat[np.linspace(0, flat.size - 1, MOST // 4).round().astype(int)]
    return {**kept, "values": _rounded(flat)}


def _rounded(values):
    return [None if not np.isfinite(v) else float(f"{v:.{DIGITS}g}") for v in values]
