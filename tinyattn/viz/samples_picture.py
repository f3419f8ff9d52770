"""A sheet of a data set's images, one column a class, to see at a glance what there is to learn."""
import numpy as np

from . import style


def draw(dataset, path=None, title="", rows=6, columns=25):
    """Draw the first `rows` images of each of the first `columns` classes of a data set."""
    classes, gap = list(dataset.classes)[:columns], 0.06
    long = max(len(str(name)) for name in classes)
    with style.rules():
        made, axes = style.sheet(len(classes) * (1 + gap) - gap, rows * (1 + gap) - gap, 0.6,
                                 top=0.8 if long <= 2 else 0.6 + 0.13 * long)
        words = f"{dataset.name}, {dataset.split}: {len(dataset):,} images, {len(dataset.classes)} classes"
        axes.text(0, -0.55 - (0 if long <= 2 else 0.13 * long), title or words, fontsize=9, color=style.SOFT)
        for column, name in enumerate(classes):
            x = column * (1 + gap)
            axes.text(x + 0.5, -0.1, str(name), fontsize=8, rotation=60 if long > 2 else 0, va="bottom",
                      ha="center" if long <= 2 else "left", rotation_mode="anchor")
            for row, member in enumerate(np.flatnonzero(dataset.labels == column)[:rows]):
                image = np.broadcast_to(dataset.images[member], (3, *dataset.images.shape[2:])).transpose(1, 2, 0)
                style.place(axes, image / 255, x, row * (1 + gap))
        return style.save(made, path)
