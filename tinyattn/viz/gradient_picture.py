"""A gradient check as a picture: the V curve on the left, the map of errors on the right."""
import numpy as np
from matplotlib.colors import LogNorm

from .style import BLUE, FAINT, INK, RED, SOFT, Picture, figure, rules


def draw(report, path=None, title=""):
    """Draw a `gradcheck` report. Returns a Picture; writes it to `path` if given.

    ValueError where the report has no curve (it was made with ``curve=False``, or could not be checked).
    """
    if not report.curve:
        raise ValueError(f"gradient_check: there is no curve to draw: {report.problem or 'call gradcheck with curve=True'}")
    failed = [f for f in report.failures if f.map is not None]
    with rules():
        made = figure(9.2 if failed else 5.2, 3.6)
        axes = made.subplots(1, 2 if failed else 1, squeeze=False)[0]
        _curve(axes[0], report, title)
        if failed:
            _map(made, axes[1], failed[0])
    picture = Picture(made)
    if path is not None:
        picture.save(path)
    return picture


def _curve(axes, report, title):
    steps, errors = (np.array(v) for v in zip(*report.curve))
    shown = np.where(errors > 0, errors, np.nan)
    axes.loglog(steps, shown, "o-", color=BLUE if report.passed else RED, lw=1.5, ms=4)
    low = np.nanmin(shown) if np.isfinite(shown).any() else 1e-16
    axes.loglog(steps, low * steps**2 / 1e-5**2, ":", color=SOFT, lw=1)
    axes.loglog(steps, low * 1e-5 / steps, ":", color=SOFT, lw=1)
    axes.set_ylim(low / 10, 100 * np.nanmax(shown) if np.isfinite(shown).any() else 1)
    axes.text(0.03, 0.93, "1/h: rounding", transform=axes.transAxes, color=SOFT, fontsize=8)
    axes.text(0.97, 0.93, "h²: truncation", transform=axes.transAxes, color=SOFT, fontsize=8, ha="right")
    axes.set_xlabel("step h"), axes.set_ylabel("|backward − difference|")
    axes.set_title((title + ": " if title else "") + ("right" if report.passed else "wrong"), color=INK)


def _map(made, axes, failure):
    """The errors of one input as one sheet: the last two axes of each index above them, side by side."""
    error = np.atleast_2d(failure.map).astype(float)
    panels = error.reshape(-1, *error.shape[-2:])
    across = int(np.ceil(np.sqrt(len(panels))))
    rows, columns = panels.shape[1] + 1, panels.shape[2] + 1
    sheet = np.full((int(np.ceil(len(panels) / across)) * rows - 1, across * columns - 1), np.nan)
    for i, panel in enumerate(panels):
        top, left = i // across * rows, i % across * columns
        sheet[top:top + rows - 1, left:left + columns - 1] = panel
    wrong = sheet[sheet > 0]
    axes.set_facecolor(FAINT)
    if wrong.size:
        right = np.where(sheet == 0, 1.0, np.nan)
        axes.imshow(right, cmap="Greys", vmin=1, vmax=9, interpolation="nearest", aspect="auto" if min(sheet.shape) == 1 else "equal")
        low, high = wrong.min(), wrong.max()
        drawn = axes.imshow(np.where(sheet > 0, sheet, np.nan), cmap="Reds", norm=LogNorm(low / 2, max(high, low * 1.001)), interpolation="nearest",
                            aspect="auto" if min(sheet.shape) == 1 else "equal")
        made.colorbar(drawn, ax=axes, shrink=0.8)
    axes.set_xticks([]), axes.set_yticks([]), axes.grid(False)
    axes.set_title(f"input {failure.input} {tuple(failure.shape)}: {failure.wrong} of {failure.map.size} wrong", color=INK)
    axes.set_xlabel(_wrapped(failure.hint), fontsize=8)


def _wrapped(words):
    import textwrap
    return "\n".join(textwrap.wrap(words, 62)[:3])
