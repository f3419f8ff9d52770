"""Images, one a row; what was said of each, one a column: the answer, maps over the image, bars of channels."""
from . import cells, style
from .cells import ANSWER, CELL, GAP


def draw(images, labels, classes, probabilities, columns, path=None, title="", ranges=False):
    """Lay the cells out on one sheet.

    images         uint8 (N, C, H, W);   labels int64 (N,), or None where the truth is not known
    probabilities  (N, K), of the classes named in `classes`
    columns        list of (title, "heat" | "bars", values): maps (N, h, w), or numbers (N, C)
    ranges         write under each map what its colours run from and to; else they run from its least to its largest value unsaid
    """
    rows, lefts = len(images), []
    x = 1 + GAP + ANSWER + GAP
    for _ in columns:
        lefts.append(x)
        x += 1 + GAP
    pitch = 1 + GAP + (cells.RANGE if ranges else 0)
    width, height = x - GAP, rows * pitch - GAP
    lines = max([title_.count("\n") for title_, _, _ in columns], default=0)
    top = 0.18 + 0.12 * (lines + 1)
    with style.rules():
        made, axes = style.sheet(cells.wide_enough(width, title), height, CELL, top=top + 0.2 if title else top)
        if title:
            axes.text(0, -top - 0.08, title, fontsize=10.5, color=style.SOFT, va="center")
        if ranges:
            cells.scale(axes, 1 + GAP + 0.24, -0.14)
        names = ["test image" if labels is not None else "image", *(name for name, _, _ in columns)]
        for left, name in zip([0, *lefts], names):
            axes.text(left + 0.5, -0.07, name, fontsize=7, color=style.SOFT, ha="center", va="bottom")
        for row in range(rows):
            y = row * pitch
            style.place(axes, cells.plain(images[row]), 0, y)
            cells.answer(axes, 1 + GAP, y, probabilities[row], None if labels is None else int(labels[row]), classes)
            for left, (_, kind, values) in zip(lefts, columns):
                if kind == "heat":
                    style.place(axes, cells.over(images[row], values[row]), left, y)
                    if ranges:
                        cells.value_range(axes, left, y, values[row])
                else:
                    cells.bars(axes, left, y, values[row])
        return style.save(made, path)
