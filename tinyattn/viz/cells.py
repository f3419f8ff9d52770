"""The cells that our sheets are laid out with: an image, a map over it, the answer, bars. The unit is a cell: x to the right, y down."""
import numpy as np
from matplotlib.patches import Polygon, Rectangle
from PIL import Image

from . import style

CELL, PIXELS = 1.15, 168   # of an image's cell: inches, and about how many pixels it is drawn with
GAP, ANSWER = 0.06, 1.15   # between cells, and the width of the answer, in cells
RANGE = 0.13               # the height of the words on a map's range, under it


def answer(axes, x, y, probabilities, label, classes):
    """The three most probable classes as bars, the answer in words above them."""
    best = np.argsort(-probabilities, kind="stable")[:3]
    good = style.BLUE if label is None else style.GREEN if best[0] == label else style.RED  # blue: who knows?
    word = str(classes[best[0]])
    axes.text(x, y + 0.02, word, fontsize=13 if len(word) < 4 else 9, weight="bold", va="top",
              color=good)
    if good == style.RED:
        axes.text(x, y + 0.35, f"is {classes[label]}", fontsize=7.5, va="top", color=style.SOFT)
    for place, index in enumerate(best):
        middle = y + 0.62 + 0.15 * place
        colour = style.GREEN if index == label else good if place == 0 else style.FAINT
        length = (ANSWER - 0.5) * float(probabilities[index])
        axes.add_patch(Rectangle((x, middle - 0.045), length, 0.09, color=colour, lw=0))
        axes.text(x + length + 0.04, middle, f"{classes[index]}  {100 * probabilities[index]:.0f} %", fontsize=6.5,
                  va="center", color=style.INK)


def plain(image):
    """A uint8 image (C, H, W) as (H', W', 3) in 0 … 1, enlarged without smoothing."""
    values = np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0) / 255
    times = max(1, PIXELS // image.shape[2])
    return values.repeat(times, axis=0).repeat(times, axis=1)


def over(image, values, low=None, smooth=True):
    """A map over its image, (H', W', 3): the image in grey, the map in colour, from its least value (or `low`) to its largest."""
    base = plain(image.mean(axis=0, keepdims=True)) * 0.69 + 0.10
    low, high = float(values.min()) if low is None else low, float(values.max())
    level = ((values - low) / (high - low) if high > low else np.zeros_like(values)).astype(np.float32)
    level = np.asarray(Image.fromarray(level).resize(base.shape[1::-1], Image.Resampling.BILINEAR if smooth else
                                                      Image.Resampling.NEAREST))[..., None]
    weight = 0.2 + 0.42 * level
    return base * (1 - weight) + style.heat(level[..., 0]) * weight


def bars(axes, x, y, values):
    """Channel gates as bars, strongest first, in a frame from 0 (or the least, if that is lower) to 1 or the largest; the line is at 1/2, or 0."""
    values = np.sort(values)[::-1]
    low, high = min(0.0, float(values.min())), max(1.0, float(values.max()))
    ground = y + 1 + low / (high - low)
    corners = [(x, ground)]
    for i, value in enumerate(values):
        level = ground - float(value) / (high - low)
        corners += [(x + i / len(values), level), (x + (i + 1) / len(values), level)]
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor="#f5f6f9", lw=0))
    axes.add_patch(Polygon([*corners, (x + 1, ground)], color=style.BLUE, lw=0))
    middle = ground if low < 0 else ground - 0.5 / high
    axes.plot([x, x + 1], [middle] * 2, color=style.INK if low < 0 else style.PAPER, lw=0.8)


def value_range(axes, x, y, values):
    """What a cell's colours run from and to, in words under it: from its least to its largest value."""
    axes.text(x + 0.5, y + 1.02, f"{number(values.min())} … {number(values.max())}", fontsize=5.5, color=style.SOFT, ha="center", va="top")


def wide_enough(width, title):
    """The width of a sheet, in cells, that its title fits into, too (a letter of 10.5 points is 0.08 of a cell wide)."""
    return max(width, 0.08 * len(title))


def number(value):
    """Three digits, as people write them: 0.0123, 1.5, 0."""
    return f"{float(value):.3g}" if abs(value) >= 1e-4 or value == 0 else f"{float(value):.1e}"


def scale(axes, x, y, width=0.42):
    """The colour scale of heat cells, and what its ends mean, with its left upper corner at (x, y)."""
    style.place(axes, style.heat(np.broadcast_to(np.linspace(0, 1, 128), (16, 128))), x, y, width)
    for at, word, side in ((x - 0.03, "least", "right"), (x + width + 0.03, "largest", "left")):
        axes.text(at, y + width / 16, word, fontsize=6, color=style.SOFT, va="center", ha=side)
