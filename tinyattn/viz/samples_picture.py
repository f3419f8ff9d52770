"""A sheet of a data set's images, one column a class, to see at a glance what there is to learn."""
import numpy as np

from . import style


def draw(dataset, path=None, title="", rows=6, columns=20):
    """Draw the first `rows` images of each of the first `columns` classes of a data set."""
    classes = list(dataset.classes)[:columns]
    with style.rules():
        made = style.figure(0.55 * len(classes) + 0.6, 0.55 * rows + 0.9)
        grid = made.subplots(rows, len(classes), squeeze=False)
        made.suptitle(title or f"{dataset.name}, {dataset.split}: {len(dataset):,} images", x=0.01, ha="left", fontsize=10)
        for column, name in enumerate(classes):
            members = np.flatnonzero(dataset.labels == column)[:rows]
            for row in range(rows):
                axes = grid[row, column]
                axes.axis("off")
                if row < len(members):
                    show(axes, dataset.images[members[row]])
                if row == 0:
                    axes.set_title(str(name), loc="center", fontsize=8, rotation=45 if len(str(name)) > 2 else 0)
        return style.save(made, path)


def show(axes, image):
    """Show one uint8 image (C, H, W) in `axes`: grey or colour."""
    if image.shape[0] == 1:
        axes.imshow(image[0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
