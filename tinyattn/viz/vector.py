"""Pictures as SVG that is the same whenever the data is, and the data itself, so that a page made anew can be compared with a kept one."""
import io

import matplotlib
import numpy as np
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text

SEEN = 1e-12    # of an axis's length, or of an image's range: what is less lies at 0, and is what rounding left; not so on an axis of powers
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
            "lines": [_numbers(_places(axes, np.column_stack(c.get_data()))) for c in children if isinstance(c, Line2D)],
            "images": [_numbers(_visible(np.asarray(c.get_array(), float))) for c in children if isinstance(c, AxesImage)],
            "patches": [_numbers(_places(axes, c.get_path().transformed(c.get_patch_transform()).vertices)) for c in axes.patches],
            "points": [_numbers(_places(axes, np.ma.filled(c.get_offsets(), np.nan))) for c in axes.collections]}


def _places(axes, xy):
    """Places (n, 2) in `axes`, with what is too near to 0 to be seen at 0."""
    xy = np.array(xy, float)
    for column, axis in zip(xy.T, (axes.xaxis, axes.yaxis)):
        if axis.get_scale() == "linear":
            column[...] = _visible(column, np.abs(axis.get_view_interval()).max())
    return xy


def _visible(values, largest=None):
    largest = np.nanmax(np.abs(values), initial=0) if largest is None else largest
    return np.where(np.abs(values) < SEEN * largest, 0.0, values)


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
