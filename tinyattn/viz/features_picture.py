"""What convolutions see: the filters of the first layer, and the liveliest feature maps of some layers."""
import numpy as np

from . import cells, style
from .cells import CELL, GAP
from .features import liveliest

MOST_FILTERS, MOST_MAPS = 64, 12


def draw_filters(name, weights, path=None, title=""):
    """Draw filters (K, C, R, S): those over three channels in colour, each from its least to its largest weight; over others a tile a
    channel, orange above 0 and purple below, on one scale for all."""
    k, c, r, s = weights.shape
    count = min(k, MOST_FILTERS)
    columns = min(count, 8 if count <= 24 else 16)
    rows = -(-count // columns)
    unit = 0.62
    most = float(np.abs(weights).max()) or 1.0
    with style.rules():
        made, axes = style.sheet(max(columns * (1 + GAP) - GAP, 7.2, 0.14 * len(title)), rows * (1 + 2.5 * GAP), unit, top=1.25)
        axes.text(0, -1.1, title, fontsize=10, color=style.SOFT, va="center")
        colour = c == 3
        words = ("each from its least to its largest weight" if colour else
                 f"purple −{most:.2g} … white 0 … orange +{most:.2g}" + ("" if c == 1 else f"; mean over {c} channels"))
        axes.text(0, -0.5, f"{name}: {count} of {k} filters {r}×{s}, {words}" if count < k else f"{name}: {k} filters {r}×{s}, {words}",
                  fontsize=7, color=style.SOFT, va="center")
        for i in range(count):
            w = weights[i]
            if colour:
                low, high = w.min(), w.max()
                tile = ((w - low) / ((high - low) or 1)).transpose(1, 2, 0)
            else:
                tile = style.apart(w.mean(axis=0) / most)
            style.place(axes, tile, i % columns * (1 + GAP), i // columns * (1 + 2.5 * GAP))
            axes.text(i % columns * (1 + GAP) + 0.5, i // columns * (1 + 2.5 * GAP) + 1.02, str(i), fontsize=4.5, color=style.SOFT, ha="center", va="top")
        return style.save(made, path)


def draw_features(image, features, path=None, title=""):
    """Draw what layers give out for one image.

    image uint8 (C, H, W); features: layer → (K, h, w). A row a layer: its liveliest maps, strongest first, their channel's number
    and range under each; colours run from a map's least to its largest value.
    """
    pitch, left = 1 + GAP + cells.RANGE + 0.09, 1 + 6 * GAP
    most = min(MOST_MAPS, max(len(maps) for maps in features.values()))
    with style.rules():
        made, axes = style.sheet(cells.wide_enough(left + most * (1 + GAP) - GAP, title), max(len(features) * pitch, 1.2) - GAP + 0.16 * len(features), CELL, top=0.3)
        axes.text(0, -0.25, title, fontsize=10.5, color=style.SOFT, va="center")
        style.place(axes, cells.plain(image), 0, 0.16)
        axes.text(0.5, 0.12, "image", fontsize=7, color=style.SOFT, ha="center", va="bottom")
        for row, (name, maps) in enumerate(features.items()):
            top = row * (pitch + 0.16) + 0.16
            chosen = liveliest(maps, most)
            axes.text(left, top - 0.04, f"{name}: {len(maps)} channels of {maps.shape[1]}×{maps.shape[2]}"
                      + (f", the {len(chosen)} that vary most" if len(chosen) < len(maps) else ""), fontsize=7, color=style.SOFT, va="bottom")
            for i, channel in enumerate(chosen):
                values, x = maps[channel], left + i * (1 + GAP)
                low, high = float(values.min()), float(values.max())
                style.place(axes, style.tones((values - low) / ((high - low) or 1)), x, top)
                axes.text(x + 0.5, top + 1.02, f"{channel}: {cells.number(low)} … {cells.number(high)}", fontsize=5, color=style.SOFT, ha="center", va="top")
        return style.save(made, path)
