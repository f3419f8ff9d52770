"""Which classes are taken for which: the confusion matrix as a picture."""
import numpy as np

from . import style


def draw(matrix, classes, path=None, title=""):
    """Draw a confusion matrix.

    matrix:  (K, K) counts, row = true class, column = predicted class
    classes: K names
    Colour shows the share of the true class; the diagonal is drawn apart (blue) from the mistakes (red), so that rare
    mistakes are seen beside it. Up to 60 classes the counts are written into the cells.
    """
    matrix = np.asarray(matrix)
    count = len(classes)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    wrong = share - np.diag(np.diag(share))
    size = min(4.2 + 0.17 * count, 13)
    with style.rules():
        made = style.figure(size + 0.6, size)
        axes = made.subplots()
        top = max(wrong.max(), 0.01)
        picture = np.ones((count, count, 3))
        for colour, strength in ((style.RED, np.sqrt(wrong / top)), (style.BLUE, np.diag(np.diag(share)) ** 2 * 0.75)):
            tint = np.array([int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)])
            picture += strength[:, :, None] * (tint - 1.0)
        axes.imshow(np.clip(picture, 0, 1), interpolation="nearest")
        font = 8 if count <= 12 else 6
        if count <= 60:
            names = [str(name) for name in classes]
            axes.set_xticks(range(count), names, rotation=90 if max(map(len, names)) > 2 else 0, fontsize=font + 1)
            axes.set_yticks(range(count), names, fontsize=font + 1)
            for t, p in zip(*np.nonzero(matrix)):
                dark = share[t, p] > 0.6 if t == p else wrong[t, p] > 0.35 * top
                axes.text(p, t, matrix[t, p], ha="center", va="center", fontsize=font if count <= 30 else 5,
                          color=style.PAPER if dark else style.INK)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.grid(False)
        axes.tick_params(length=0)
        accuracy = np.diag(matrix).sum() / max(matrix.sum(), 1)
        axes.set_title(f"{title}{': ' if title else ''}{accuracy:.2%} right, "
                       f"{matrix.sum() - np.diag(matrix).sum():,} of {matrix.sum():,} wrong", pad=10)
        return style.save(made, path)
