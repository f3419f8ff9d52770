"""How our pictures look: one palette, few lines, words at the marks they explain."""
import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, SOFT, FAINT, PAPER = "#1d2330", "#6b7385", "#e4e7ee", "#ffffff"
BLUE, ORANGE, GREEN, RED = "#2f6fdb", "#e8793a", "#2a9d67", "#d0413e"
HEAT = "magma"

_RULES = {
    "font.size": 9, "font.family": "DejaVu Sans", "text.color": INK,
    "axes.labelcolor": SOFT, "axes.edgecolor": FAINT, "axes.titlecolor": INK, "axes.titlesize": 10,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": FAINT, "grid.linewidth": 0.8,
    "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.frameon": False,
    "figure.facecolor": PAPER, "savefig.facecolor": PAPER, "savefig.dpi": 140,
}


def rules():
    """``with rules():`` draws in our style and leaves the user's settings alone."""
    return matplotlib.rc_context(_RULES)


def figure(width, height):
    """A figure of `width` × `height` inches that belongs to no window system, so it works on any machine and thread."""
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def save(made, path=None):
    """Write the figure to `path` (PNG), if given, and return it: a notebook shows it."""
    if path is not None:
        made.savefig(path)
    return made
