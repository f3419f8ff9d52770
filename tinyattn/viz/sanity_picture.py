"""Which map depends on what was learned: how alike it stays to what it was while layer after layer loses what it learned."""
import numpy as np

from . import bootstrap, sanity, style
from .score_picture import LINES


def draw(stages, rows, path=None, title=""):
    """Draw the comparison (see `sanity.sanity`): on the left the mean ranks of each map, stage by stage; on the right, when all is mixed.

    Maps are full lines, the control "edges" is grey and broken. On the right a dot is the mean, with its interval, and a small mark how
    alike the maps of two images are, which is what a map cannot be told from if it knows nothing of the image.
    """
    shown = [row for row in rows if row.kind != "control"][-len(LINES):] + [row for row in rows if row.kind == "control"]
    colors = [style.SOFT if row.kind == "control" else LINES[i] for i, row in enumerate(shown)]
    with style.rules():
        made = style.figure(10.5, max(4.0, 2.2 + 0.28 * len(shown)))
        left, right = made.subplots(1, 2, width_ratios=[1.35, 1])
        if title:
            made.suptitle(title, fontsize=10.5, color=style.SOFT, x=0.01, ha="left")
        for row, color in zip(shown, colors):
            line = np.concatenate([[1.0], row.ranks.mean(axis=1)])
            left.plot(line, color=color, ls="--" if row.kind == "control" else "-", lw=1.5, marker="o", ms=2.5)
        left.set_xticks(range(len(stages) + 1), ["nothing", *(_short(name) for name in stages)], rotation=35, ha="right", fontsize=7)
        left.set_xlabel("mixed, from the last layer on, down to")
        left.set_ylabel("rank correlation with the map before")
        left.set_title("layer by layer")
        for i, (row, color) in enumerate(zip(shown, colors)):
            mean, (low, high) = bootstrap.interval(row.ranks[-1])
            right.plot([low, high], [i, i], color=color, lw=1.6)
            right.plot([mean], [i], "o", color=color, ms=5)
            right.plot([row.other.mean()], [i], "|", color=style.INK, ms=9, mew=1.2)
        right.set_yticks(range(len(shown)), [sanity.title(row) for row in shown], fontsize=7)
        right.set_ylim(len(shown) - 0.4, -0.6)
        right.grid(axis="y", visible=False)
        right.set_title("all layers mixed")
        right.set_xlabel("rank correlation with\n● the map before   | another image's map")
        low = min(-0.05, min(float(row.ranks.mean(axis=1).min()) for row in shown) - 0.05, min(float(row.other.mean()) for row in shown) - 0.05)
        left.set_ylim(low, 1.05)
        right.set_xlim(low, 1.05)
        return style.save(made, path)


def _short(name):
    """The end of a layer's name, of which the axis has room for so much."""
    name = name or "the model"
    return name if len(name) <= 22 else "…" + name[-21:]
