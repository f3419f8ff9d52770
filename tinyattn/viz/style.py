"""How our pictures look: one palette, few lines, words at the marks they explain."""
import io

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, SOFT, FAINT, PAPER = "#1d2330", "#6b7385", "#dfe3ea", "#ffffff"
BLUE, ORANGE, GREEN, RED = "#2f6fdb", "#e8793a", "#2a9d67", "#d0413e"

_RULES = {
    "font.size": 9, "font.family": "DejaVu Sans", "text.color": INK,
    "axes.labelcolor": SOFT, "axes.edgecolor": FAINT, "axes.titlecolor": INK, "axes.titlesize": 10,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": FAINT, "grid.linewidth": 0.8,
    "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.frameon": False,
    "figure.facecolor": PAPER, "savefig.facecolor": PAPER, "savefig.dpi": 140,
}


class Picture:
    """A finished picture: `figure` is Matplotlib's. A notebook shows it; `save(path)` writes it."""

    def __init__(self, figure):
        self.figure = figure

    def save(self, path):
        """Write it to `path` (PNG, PDF, SVG …, by the name's ending)."""
        with rules():
            self.figure.savefig(path)

    def _repr_png_(self):
        buffer = io.BytesIO()
        with rules():
            self.figure.savefig(buffer, format="png")
        return buffer.getvalue()


def rules():
    """``with rules():`` draws in our style and leaves the user's settings alone."""
    return matplotlib.rc_context(_RULES)


def use():
    """Draw all that follows in our style, as a lesson does: it is a program of its own, with no settings of the user's to respect."""
    matplotlib.rcParams.update(_RULES)


def figure(width, height, **layout):
    """A figure of `width` × `height` inches that belongs to no window system, so it works on any machine and thread.

    layout: margins and gaps as `subplots_adjust` takes them; without any, Matplotlib finds them (slower).
    """
    made = Figure(figsize=(width, height), layout=None if layout else "constrained")
    FigureCanvasAgg(made)
    if layout:
        made.subplots_adjust(**layout)
    return made


def sheet(width, height, unit, top=0.0, margin=0.12):
    """A figure with one bare coordinate system of `width` × `height` units of `unit` inches, y down, `top` more above.

    Many small pictures on one sheet are drawn ten times faster than in a coordinate system each.
    """
    full = (width + 2 * margin, height + top + 2 * margin)
    made = figure(full[0] * unit, full[1] * unit, left=0, right=1, bottom=0, top=1)
    axes = made.add_axes((0, 0, 1, 1))
    axes.set_xlim(-margin, width + margin)
    axes.set_ylim(height + margin, -top - margin)
    axes.axis("off")
    return made, axes


def place(axes, image, x, y, width=1.0):
    """Draw an image (H, W, 3) of 0 … 1 with its upper left corner at (x, y), `width` units wide."""
    bottom = y + width * image.shape[0] / image.shape[1]
    axes.imshow(image.clip(0, 1), extent=(x, x + width, bottom, y), interpolation="nearest", aspect="auto")
    axes.autoscale(False)


def heat(level):
    """The colours (…, 3) of levels 0 … 1."""
    return matplotlib.colormaps["magma"](level)[..., :3]


def tones(level):
    """The colours (…, 3) of levels 0 … 1, where no image lies under them."""
    return matplotlib.colormaps["viridis"](level)[..., :3]


def apart(level):
    """The colours (…, 3) of levels −1 … 1: purple below 0, white, orange above; told apart by those who see no red or no green, too."""
    return matplotlib.colormaps["PuOr_r"]((level + 1) / 2)[..., :3]


def save(made, path=None):
    """Write the figure to `path`, if given, and return it as a `Picture`."""
    picture = Picture(made)
    if path is not None:
        picture.save(path)
    return picture
