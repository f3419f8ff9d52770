"""A sheet of corrupted images: one row a corruption, the clean image first, then severity 1 to 5."""
import numpy as np

from ..data.corruptions import SEVERITIES, corrupt
from . import style


def draw(dataset, names, path=None, title="", seed=0):
    """Draw what each corruption of `names` makes of an image; of a single one, what it makes of six images."""
    rows = [(name, member) for name in names for member in (_different(dataset, 6) if len(names) == 1 else _different(dataset, 1))]
    gap, left = 0.06, 1.6
    with style.rules():
        width = left + (1 + gap) * (1 + len(SEVERITIES)) - gap
        made, axes = style.sheet(width, len(rows) * (1 + gap) - gap, 0.75, top=0.8)
        axes.text(0, -0.55, title or f"{dataset.name}, {dataset.split}", fontsize=9, color=style.SOFT)
        for column, words in enumerate(["clean", *map(str, SEVERITIES)]):
            axes.text(left + 0.5 + column * (1 + gap), -0.1, words, fontsize=8, ha="center", va="bottom")
        for row, (name, member) in enumerate(rows):
            y, image = row * (1 + gap), dataset.images[member:member + 1]
            axes.text(left - 0.12, y + 0.5, name, fontsize=8, ha="right", va="center")
            for column, shown in enumerate([image, *(corrupt(image, name, severity, seed + row) for severity in SEVERITIES)]):
                shown = np.broadcast_to(shown[0], (3, *shown.shape[2:])).transpose(1, 2, 0)
                style.place(axes, shown / 255, left + column * (1 + gap), y)
        return style.save(made, path)


def _different(dataset, count):
    """The first image of each of the first `count` classes."""
    return [int(np.flatnonzero(dataset.labels == label)[0]) for label in np.unique(dataset.labels)[:count]]
