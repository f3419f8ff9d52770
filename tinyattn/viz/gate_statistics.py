"""What gates say on average: of each class, over a data set; and how much of a gate's movement the class explains."""
import numpy as np

import tinyattn as ta

from ..nn.module import evaluating
from .record import record

STILL = 1e-6   # a gate that moves by less is dead: rounding moves one by a tenth of that


class GateStatistics:
    """Of one gate. With K classes and a gate of shape S (C channels, or H × W places):

    mean     (K, *S), a class's mean gate; NaN for a class without images
    overall  (*S,), the mean over all images
    spread   (*S,), the standard deviation over all images
    explained  the share of the variance over images that lies between the classes' means, 0 … 1. Where it is 0 the gate
               knows nothing of the class; where the spread is 0 too it is a constant
    dead     whether it is the same for every image: it weighs nothing. A gate behind a narrow layer of ReLUs (CBAM, SE) ends so when
             all its units are off for all images; then no gradient reaches the layer any more
    """

    def __init__(self, sums, squares, counts):
        images = counts.sum()
        with np.errstate(invalid="ignore"):
            self.mean = sums / counts.reshape(-1, *[1] * (sums.ndim - 1))
        self.overall = sums.sum(axis=0) / images
        variance = np.maximum(squares / images - self.overall ** 2, 0)
        between = (np.nan_to_num(self.mean - self.overall) ** 2 * counts.reshape(-1, *[1] * (sums.ndim - 1))).sum(axis=0) / images
        self.spread = np.sqrt(variance)
        self.explained = float(min(1.0, between.sum() / variance.sum())) if variance.sum() > 1e-12 else 0.0
        self.counts = counts
        self.dead = bool(self.spread.max() < STILL)

    def words(self):
        """What is wrong with a dead gate; "" of one that lives."""
        if not self.dead:
            return ""
        alike = np.ptp(self.overall) < STILL
        return f"dead: {f'{self.overall.mean():.3g} everywhere, ' if alike else ''}the same for every image"


def gates_per_class(model, batches, classes, kinds=("channel", "pixel", "branches", "levels", "pool")):
    """Run `model` over batches of (images, labels), Tensors, and gather its gates: (name, kind) → `GateStatistics`.

    classes: how many there are. Sums are kept, not maps: memory does not grow with the data.
    """
    sums, squares, counts = {}, {}, np.zeros(classes)
    with evaluating(model), ta.no_grad(), record(model) as recording:
        for images, labels in batches:
            model(images)
            labels = labels.data
            counts += np.bincount(labels, minlength=classes)
            for name, maps in recording.maps.items():
                for kind in kinds:
                    if kind in maps:
                        values = maps[kind].astype(np.float64)
                        key, shape = (name, kind), values.shape[1:]
                        if key not in sums:
                            sums[key], squares[key] = np.zeros((classes, *shape)), np.zeros(shape)
                        np.add.at(sums[key], labels, values)
                        squares[key] += (values ** 2).sum(axis=0)
    return {key: GateStatistics(sums[key], squares[key], counts) for key in sums}
