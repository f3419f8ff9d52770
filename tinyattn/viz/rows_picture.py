"""What one place looked at: images with a place marked in each, and beside them the row of that query, head by head."""
from matplotlib.patches import Rectangle

from . import cells, style
from .cells import CELL, GAP
from .kinds import as_grid, token_grid
from .query_rows import token_at

MOST_HEADS = 8


def draw(images, tokens, pixels, path=None, title=""):
    """Draw the rows of attention weights `tokens` (N, heads, T, T) that belong to a pixel (y, x) of each image.

    images uint8 (N, C, H, W); pixels: N pairs. Each map's colours run from 0 (or its least
    weight, if that is lower) to its largest; both stand under it.
    """
    size = images.shape[2:]
    h, w, extra = token_grid(tokens.shape[2], size)
    heads = min(tokens.shape[1], MOST_HEADS)
    pitch = 1 + GAP + cells.RANGE
    names = ["the place that asks", *([f"head {i}" for i in range(heads)] if heads > 1 else []), "mean of the heads" if heads > 1 else "looks at"]
    with style.rules():
        made, axes = style.sheet(cells.wide_enough(len(names) * (1 + GAP) - GAP, title), len(images) * pitch - GAP, CELL, top=0.56)
        axes.text(0, -0.5, title, fontsize=10.5, color=style.SOFT, va="center")
        for i, name in enumerate(names):
            axes.text(i * (1 + GAP) + 0.5, -0.07, name, fontsize=7, color=style.SOFT, ha="center", va="bottom")
        for i, (image, own, (y, x)) in enumerate(zip(images, tokens, pixels)):
            token = token_at(y, x, tokens.shape[2], size)
            row, column = divmod(token - extra, w)
            rows = as_grid(own[:, token], size)                         # (heads, h, w)
            shown = [*rows[:heads], rows.mean(axis=0)] if heads > 1 else [rows[0]]
            top = i * pitch
            style.place(axes, cells.plain(image), 0, top)
            _mark(axes, 0, top, row, column, h, w)
            for j, values in enumerate(shown, 1):
                left, low = j * (1 + GAP), min(0.0, float(values.min()))
                style.place(axes, cells.over(image, values, low=low, smooth=False), left, top)
                _mark(axes, left, top, row, column, h, w)
                axes.text(left + 0.5, top + 1.02, f"{cells.number(low)} … {cells.number(values.max())}", fontsize=5.5, color=style.SOFT, ha="center", va="top")
        return style.save(made, path)


def _mark(axes, left, top, row, column, h, w):
    """A frame around the place that asks: dark within light, to be seen on any ground."""
    for color, width in ((style.PAPER, 2.6), (style.BLUE, 1.3)):
        axes.add_patch(Rectangle((left + column / w, top + row / h), 1 / w, 1 / h, fill=False, edgecolor=color, lw=width))
