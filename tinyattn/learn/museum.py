"""The museum's picture: where the gradient of each exhibit is wrong, as it hangs there. Its tour, ``README.md``, is written by hand."""
import numpy as np

from .exercise import load
from .markdown import figures_file

ACROSS, RIGHT = 4, 0.06      # maps in a row; the shade of a number that is right
ALT = ("A map for each exhibit, red where its gradient is wrong: evenly for a wrong factor (02, 11), in some cells for ties (05) and dropped numbers (10), "
       "in whole rows for words that come twice (14), here and there for the others.")


def page(lesson):
    """{name: text} of the files of the museum's page: the tour as it is, and the picture made anew."""
    from ..viz import vector
    made = sheet(lesson)
    about = {"fig/errors.svg": {"alt": ALT, "data": vector.plotted(made)}}
    return {"README.md": (lesson.folder / "README.md").read_text(encoding="utf-8"), "fig/errors.svg": vector.svg(made),
            "fig/figures.json": figures_file(about)}


def sheet(lesson):
    """All exhibits as small maps of what is wrong, in one Matplotlib figure."""
    from .checks.museum import EXHIBITS
    from .page import figure
    rows = -(-len(EXHIBITS) // ACROSS)
    made, axes = figure(7.2, 1.5 * rows, rows, ACROSS)
    for at, place in enumerate(axes.flat):
        place.axis("off")
        if at < len(EXHIBITS):
            _draw(place, EXHIBITS[at], *error(lesson, EXHIBITS[at]))
    return made


def error(lesson, exhibit, seed=3):
    """(name, array) of the gradient of `exhibit` that is most wrong for random inputs: |wrong − right| / (|wrong| + |right|) of each of its numbers."""
    rng = np.random.default_rng(seed)
    options, inputs = (exhibit.shown or exhibit.draw)(rng)
    gradients, dy = [], None
    for path in (lesson.folder / exhibit.file, lesson.folder / "repaired" / exhibit.file):
        one = getattr(load(path), exhibit.name)(*options)
        y = one.forward(*(a.copy() for a in inputs))
        dy = rng.normal(size=np.shape(y)) if dy is None else dy
        back = one.backward(np.array(dy))
        gradients.append(back if isinstance(back, tuple) else (back,))
    off = [np.abs(wrong - right) / np.maximum(np.abs(wrong) + np.abs(right), 1e-12) for wrong, right in zip(*gradients)]
    worst = max(range(len(off)), key=lambda at: off[at].mean())
    return [name for name in exhibit.names if name][worst], off[worst]


def _draw(axes, exhibit, name, off):
    sheet = _tiles(off)
    axes.imshow(np.where(np.isnan(sheet), np.nan, np.where(sheet > 1e-9, 0.25 + 0.75 * sheet, RIGHT)), cmap="Reds", vmin=0, vmax=1.15,
                interpolation="nearest")
    axes.set_xlim(-0.7, sheet.shape[1] - 0.3), axes.set_ylim(sheet.shape[0] - 0.3, -0.7)
    axes.set_anchor("NW")
    axes.set_title(f"{exhibit.file[:2]} {exhibit.name}: d{name}", fontsize=8)


def _tiles(values):
    """An array of any number of axes as one sheet: the last two axes of each index above them, side by side, with gaps (nan)."""
    values = np.atleast_2d(values)
    panels = values.reshape(-1, *values.shape[-2:])
    across = -(-len(panels) // max(1, int(np.sqrt(len(panels)))))
    rows, columns = panels.shape[1] + 1, panels.shape[2] + 1
    sheet = np.full((-(-len(panels) // across) * rows - 1, across * columns - 1), np.nan)
    for at, panel in enumerate(panels):
        top, left = at // across * rows, at % across * columns
        sheet[top:top + rows - 1, left:left + columns - 1] = panel
    return sheet
