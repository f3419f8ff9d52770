"""What gates say of each class: the mean over all images, and how far each class is from it."""
import numpy as np
from matplotlib.colors import TwoSlopeNorm

from . import style

MOST_GATES = 6


def draw(found, classes, path=None, title=""):
    """Draw the statistics of gates over channels, branches or levels.

    found: (layer, kind) → `GateStatistics` of values of one or two axes;   classes: K names
    A panel a gate (of many, the last ones): above, the mean of each channel over all images, strongest first; below, a line a
    class, how much more (orange) or less (purple) it lets each channel pass than the mean does.
    """
    shown = [(name, kind, found[name, kind]) for name, kind in list(found)[-MOST_GATES:]]
    present = np.flatnonzero(shown[0][2].counts)
    lengths = [gate.overall.size for _, _, gate in shown]
    height = 1.7 + max(1.6, 0.145 * len(present))
    widths = [max(1.4, min(3.2, 0.055 * n)) for n in lengths]
    with style.rules():
        made = style.figure(max(0.9 + sum(widths) + 0.55 * len(shown), 0.095 * len(title)), height)
        grid = made.subplots(2, len(shown), squeeze=False, height_ratios=[1, 0.145 * len(present) + 0.6], width_ratios=widths)
        if title:
            made.suptitle(title, fontsize=10.5, color=style.SOFT, x=0.01, ha="left")
        for (above, below), (name, kind, gate), width in zip(grid.T, shown, widths):
            mean = gate.overall.ravel()
            order = np.argsort(-mean, kind="stable")
            above.bar(np.arange(len(mean)), mean[order], width=1.0, color=style.BLUE, lw=0)
            above.set_xlim(-0.5, len(mean) - 0.5)
            above.set_ylim(min(0, mean.min() * 1.05), max(1.0, mean.max() * 1.05))
            above.set_title(f"{name}\n{kind}: {_shape(gate.overall.shape, kind)}", fontsize=7.5, weight="normal")
            above.tick_params(labelbottom=False, length=0, labelsize=6.5)
            above.grid(axis="x", visible=False)
            away = gate.mean.reshape(len(gate.mean), -1)[present][:, order] - mean[order]
            most = max(float(np.abs(away).max()), 1e-6)
            drawn = below.imshow(away, cmap="PuOr_r", norm=TwoSlopeNorm(0, -most, most), aspect="auto", interpolation="nearest")
            below.grid(False)
            below.tick_params(length=0, labelsize=6.5)
            below.set_xticks([])
            says = gate.words().replace(", ", ",\n") or f"the class explains {100 * gate.explained:.0f} %"
            below.set_xlabel(f"{_unit(kind)}, strongest first\n{says}", fontsize=6.5, color=style.RED if gate.dead else style.SOFT)
            below.set_yticks(range(len(present)), [str(classes[k]) for k in present] if (above is grid[0, 0]) else [])
            bar = made.colorbar(drawn, ax=below, location="bottom", fraction=0.05, pad=0.02, aspect=11 * width, ticks=[-most, 0, most])
            bar.ax.set_xticklabels([f"−{most:.2g}", "mean", f"+{most:.2g}"])
            bar.ax.tick_params(labelsize=6, length=0)
            bar.outline.set_visible(False)
        grid[0, 0].set_ylabel("mean gate", fontsize=7)
        grid[1, 0].set_ylabel("class", fontsize=7)
        return style.save(made, path)


def _shape(shape, kind):
    return " × ".join(map(str, shape)) + ("" if len(shape) > 1 else f" {_unit(kind)}")


def _unit(kind):
    return {"levels": "levels", "branches": "branches and channels"}.get(kind, "channels")
