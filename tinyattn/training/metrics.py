"""How well it goes: running means of a training epoch, and what a finished model gets right and wrong."""
import dataclasses

import numpy as np


@dataclasses.dataclass
class Meter:
    """Mean loss and accuracy of the examples seen so far; sums, so that a resumed epoch adds up the same."""

    loss_sum: float = 0.0
    correct: int = 0
    examples: int = 0

    def add(self, loss, correct, examples):
        """Count a batch: its mean loss, how many were right, of how many."""
        self.loss_sum += loss * examples
        self.correct += correct
        self.examples += examples

    @property
    def loss(self):
        """Mean loss, NaN before the first batch."""
        return self.loss_sum / self.examples if self.examples else float("nan")

    @property
    def accuracy(self):
        """Share of right answers in 0 … 1, NaN before the first batch."""
        return self.correct / self.examples if self.examples else float("nan")

    def asdict(self):
        """The sums, for a checkpoint: ``Meter(**meter.asdict())`` is equal to the meter."""
        return dataclasses.asdict(self)


def confusion(predicted, labels, classes):
    """Count matrix (classes, classes): entry [t, p] is how many examples of class t were taken for p."""
    predicted, labels = np.asarray(predicted, np.int64), np.asarray(labels, np.int64)
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def per_class(matrix):
    """For each class of a confusion matrix: precision, recall, F1 and the number of examples.

    precision = right / called so, recall = right / truly so, F1 = their harmonic mean; NaN where nothing was counted.
    """
    right, called, true = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    with np.errstate(invalid="ignore"):
        precision, recall = right / called, right / true
        f1 = 2 * right / (called + true)
    return [{"precision": float(p), "recall": float(r), "f1": float(f), "examples": int(n)}
            for p, r, f, n in zip(precision, recall, f1, true)]


def most_confused(matrix, count=5):
    """The largest off-diagonal entries: list of (true class, predicted class, how many), most frequent first."""
    off = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-off, axis=None, kind="stable")[:count]
    pairs = [divmod(int(i), matrix.shape[1]) for i in order]
    return [(t, p, int(off[t, p])) for t, p in pairs if off[t, p] > 0]
