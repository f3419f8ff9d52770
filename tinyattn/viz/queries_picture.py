"""What learned queries looked at: images, and beside each where every query found its answer."""
import numpy as np

from . import cells, style
from .cells import CELL, GAP
from .kinds import as_grid, token_grid

MOST = 8   # queries, or heads


def draw(images, weights, path=None, title=""):
    """Draw cross-attention `weights` (N, heads, T, S) of T queries over the S places of images uint8 (N, C, H, W), a column a query.

    Shown is the mean of the heads; of one query alone, head by head and their mean. Of many queries those are drawn that look
    most sharply: whose largest weight is largest, in the mean over the images. Each map's colours run from 0 (or its least weight, if
    that is lower) to its largest; both stand under it. ValueError where the S keys are no grid over the image.
    """
    images, weights = np.asarray(images), np.asarray(weights)
    if images.ndim != 4 or weights.ndim != 4 or len(images) != len(weights):
        raise ValueError(f"queries: images have shape {images.shape} and weights {weights.shape}, expected (N, C, H, W) and (N, heads, T, S)")
    size = images.shape[2:]
    if token_grid(weights.shape[3], size) is None:
        raise ValueError(f"queries: {weights.shape[3]} keys form no grid over an image of {size[0]} × {size[1]} pixels")
    columns = _columns(weights, size)
    pitch, names = 1 + GAP + cells.RANGE, ["image", *(name for name, _ in columns)]
    with style.rules():
        made, axes = style.sheet(cells.wide_enough(len(names) * (1 + GAP) - GAP, title), len(images) * pitch - GAP, CELL, top=0.56 if title else 0.3)
        axes.text(0, -0.5, title, fontsize=10.5, color=style.SOFT, va="center")
        for i, name in enumerate(names):
            axes.text(i * (1 + GAP) + 0.5, -0.07, name, fontsize=7, color=style.SOFT, ha="center", va="bottom")
        for i, image in enumerate(images):
            style.place(axes, cells.plain(image), 0, i * pitch)
            for j, (_, maps) in enumerate(columns, 1):
                low = min(0.0, float(maps[i].min()))
                style.place(axes, cells.over(image, maps[i], low=low, smooth=False), j * (1 + GAP), i * pitch)
                cells.value_range(axes, j * (1 + GAP), i * pitch, np.append(maps[i], low))
        return style.save(made, path)


def _columns(weights, size):
    """(words, maps (N, h, w)) of each column: queries, or the heads of the one query."""
    maps = as_grid(weights, size)                                       # (N, heads, T, h, w)
    n, heads, queries = maps.shape[:3]
    if queries == 1:
        several = [(f"head {i}", maps[:, i, 0]) for i in range(min(heads, MOST))] if heads > 1 else []
        return [*several, ("the query" if heads == 1 else "mean of the heads", maps[:, :, 0].mean(axis=1))]
    mean = maps.mean(axis=1)                                            # (N, T, h, w)
    return [(f"query {i}", mean[:, i]) for i in sharpest(mean, MOST)]


def sharpest(maps, count):
    """The `count` queries of maps (N, T, h, w) whose largest weight is largest, in the mean over the images; in the order they stand in."""
    return np.sort(np.argsort(-maps.max(axis=(2, 3)).mean(axis=0), kind="stable")[:count])
