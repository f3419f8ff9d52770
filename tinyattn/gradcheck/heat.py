"""Where a gradient is wrong, as a picture made of letters."""
import numpy as np

RIGHT, SHADES = "·", "░▒▓█"
ACROSS, DOWN, PANELS = 76, 26, 12  # what a terminal shows


def draw(excess):
    """Lines of text. excess: an array, 0 where the gradient is right, else how wrong it is.

    Images and more are shown as panels of their last two axes, each under the index that it stands at.
    """
    excess = np.asarray(excess, float)
    if excess.ndim == 0:
        return ["  " + _letters(excess.reshape(1), excess)]
    if excess.ndim == 1:
        excess = excess[None]
    rows, columns = excess.shape[-2:]
    panels = list(np.ndindex(*excess.shape[:-2]))
    if not excess.size or columns > ACROSS or rows > DOWN or len(panels) > PANELS:
        return [f"  too large for a terminal ({' × '.join(map(str, excess.shape))}): --picture FILE.png draws it"]
    width = max(columns, max(len(_title(p)) for p in panels)) + 3
    per_line = max(1, ACROSS // width)
    lines = []
    for start in range(0, len(panels), per_line):
        shown = panels[start:start + per_line]
        if excess.ndim > 2:
            lines.append("  " + "".join(_title(p).ljust(width) for p in shown).rstrip())
        for i in range(rows):
            lines.append("  " + "".join(_letters(excess[p][i], excess).ljust(width) for p in shown).rstrip())
    lines.append(f"  {RIGHT} right   {SHADES} wrong, the darker the more (█ = {excess.max():.2g})")
    return lines


def _title(panel):
    return f"[{', '.join(map(str, panel))}]" if panel else ""


def _letters(row, whole):
    """One line of a panel; the shade is by the share of the largest error."""
    top = np.max(whole, initial=0.0)
    made = ""
    for value in row:
        level = 0 if not value > 0 and np.isfinite(value) else 1.0 if not np.isfinite(value) or not np.isfinite(top) else value / top
        made += RIGHT if level == 0 else SHADES[min(3, int(level * 4))]
    return made
