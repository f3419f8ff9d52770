"""How good the maps are, beside the controls: how the class's probability falls and rises, and how often a map points at the object."""
import numpy as np

from . import bootstrap, style

LINES = (style.BLUE, style.ORANGE, "#7a4fb5", style.GREEN, "#b0862a", "#3aa6c4", "#c2417c", style.INK)
CONTROLS = {"random": ":", "centre": "--", "gradient": "-."}


def draw(chance, rows, path=None, title=""):
    """Draw the scores (see `score.score`): two panels of mean curves, and where masks are known one of pointing and mass.

    Maps are drawn as full lines, controls in grey, broken; a map's blurred twin is left to the table.
    """
    own = [row for row in rows if row.what not in ("control", "blurred")][-len(LINES):]
    control = [row for row in rows if row.what == "control"]
    with style.rules():
        made = style.figure(11.2 if chance else 8.4, 3.9 + 0.05 * len(own))
        panels = made.subplots(1, 3 if chance else 2)
        if title:
            made.suptitle(title, fontsize=10.5, color=style.SOFT, x=0.01, ha="left")
        for axes, measure, word in zip(panels, ("deletion", "insertion"), ("low is good", "high is good")):
            for row, color in zip(own, LINES):
                _curve(axes, row, measure, color, "-", row.name)
            for row in control:
                _curve(axes, row, measure, style.SOFT, CONTROLS.get(row.name, ":"), row.name)
            axes.set_title(f"{measure}: {word}")
            axes.set_xlabel("pixels taken away, %" if measure == "deletion" else "pixels brought back, %")
            axes.set_ylim(0, 1.02)
            axes.set_xlim(0, 100)
        panels[0].set_ylabel("mean probability of the answer")
        if chance:
            _points(panels[2], chance, [*own, *control])
        handles, names = panels[1].get_legend_handles_labels()
        made.legend(handles, names, loc="outside lower left", ncols=min(6, len(names)), fontsize=7)
        return style.save(made, path)


def _curve(axes, row, measure, color, line, label):
    mean = row.curves[measure].mean(axis=0)
    axes.plot(np.linspace(0, 100, len(mean)), mean, color=color, ls=line, lw=1.5, label=label)


def _points(axes, chance, rows):
    """Pointing (dots) and mass inside (squares), with intervals, a line a map; chance as an upright line."""
    for i, row in enumerate(rows):
        color = style.SOFT if row.what == "control" else LINES[i % len(LINES)]
        for measure, mark, shift in (("pointing", "o", -0.15), ("mass", "s", 0.15)):
            mean, (low, high) = bootstrap.interval(row.values[measure])
            axes.plot([100 * low, 100 * high], [i + shift] * 2, color=color, lw=1.2)
            axes.plot([100 * mean], [i + shift], mark, color=color, ms=4, mfc=color if mark == "o" else style.PAPER)
    axes.axvline(100 * chance["pointing"], color=style.INK, lw=0.8, ls=":")
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.set_title("on the object")
    axes.set_xlabel("● pointing   □ mass   %,  dotted: chance")
