"""Where a spatial transformer looked: its sampling grid on the image, and what it saw through it."""
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

import tinyattn as ta

from ..nn import functional as F
from . import cells, style
from .cells import CELL, GAP

MARGIN = 0.25      # of the image's side, shown around it: a grid may reach out of it
LINES = 8          # lines of the grid in each direction, about


def draw(images, grids, path=None, title=""):
    """Draw sampling grids (N, h, w, 2), x and y from −1 to 1, on images uint8 (N, C, H, W); beside each, what was sampled there.

    The grid's outline is orange, its upper edge thick: so one sees what was turned and mirrored. Outside of the image all is 0.
    """
    images, grids = np.asarray(images), np.asarray(grids)
    if images.ndim != 4 or grids.ndim != 4 or len(images) != len(grids) or grids.shape[3] != 2:
        raise ValueError(f"grids: images have shape {images.shape} and grids {grids.shape}, expected (N, C, H, W) and (N, h, w, 2)")
    seen = sampled(images, grids)
    wide, tall = 1 + 2 * MARGIN, images.shape[2] / images.shape[3] + 2 * MARGIN
    beside = 2 if len(images) > 2 else 1                                # images in a row
    pair = 2 * wide + 4 * GAP
    with style.rules():
        made, axes = style.sheet(cells.wide_enough(beside * pair - 3 * GAP, title), -(-len(images) // beside) * (tall + GAP) - GAP, CELL,
                                 top=0.56 if title else 0.3)
        axes.text(0, -0.5, title, fontsize=10.5, color=style.SOFT, va="center")
        for i, (image, grid) in enumerate(zip(images, grids)):
            x, y = i % beside * pair, i // beside * (tall + GAP)
            if i < beside:
                for left, name in ((x, "where it looked"), (x + wide + GAP, "what it saw")):
                    axes.text(left + wide / 2, -0.07, name, fontsize=7, color=style.SOFT, ha="center", va="bottom")
            frame = Rectangle((x, y), wide, tall, facecolor=style.FAINT, lw=0, zorder=-1)
            axes.add_patch(frame)
            style.place(axes, cells.plain(image), x + MARGIN, y + MARGIN)
            _net(axes, grid, x + MARGIN, y + MARGIN, tall - 2 * MARGIN, frame)
            h, w = grid.shape[:2]
            width = min(wide, tall * w / h)
            style.place(axes, cells.plain(seen[i]), x + wide + GAP + (wide - width) / 2, y + (tall - width * h / w) / 2, width)
        return style.save(made, path)


def sampled(images, grids):
    """The images (N, C, H, W) seen through grids (N, h, w, 2), between their pixels: uint8 (N, C, h, w)."""
    x = ta.tensor(np.ascontiguousarray(images, np.float32))
    y = F.grid_sample(x, ta.tensor(np.ascontiguousarray(grids, np.float32)), align_corners=False)
    return np.round(y.data).clip(0, 255).astype(np.uint8)


def lines(grid, most=LINES):
    """Some rows and columns of a grid (h, w, 2), the first and the last among them: a list of (points, 2)."""
    rows, columns = (np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)) for n in grid.shape[:2])
    return [*grid[rows], *grid[:, columns].swapaxes(0, 1)]


def _net(axes, grid, left, top, height, frame):
    """The grid over an image of 1 × `height` cells: its lines thin, its outline and its upper edge strong; cut off at the frame."""
    scale = np.array([0.5, height / 2])

    def place(points):
        return (np.asarray(points) + 1) * scale + (left, top)

    edge = [grid[0], grid[:, -1], grid[-1], grid[:, 0]]
    for each, color, width, alpha in ((lines(grid), style.PAPER, 0.5, 0.55), (edge, style.PAPER, 2.2, 0.9), (edge, style.ORANGE, 1.2, 1),
                                      (edge[:1], style.ORANGE, 2.6, 1)):
        made = LineCollection([place(points) for points in each], colors=color, linewidths=width, alpha=alpha, capstyle="round")
        axes.add_collection(made, autolim=False)
        made.set_clip_path(frame)
