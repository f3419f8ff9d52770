"""Order: every row sorted, or its first k in order. Equal numbers keep the order they came in; NaN counts as the largest.

Both give the numbers and where they stood: values[r, i] = x[r, indices[r, i]].
"""
import numpy as np

from .array import copy

__all__ = ["sort", "topk"]


def sort(x, descending):
    """Rows of x (R, n) from the smallest to the largest, or `descending`. Returns values (R, n) and indices (R, n), int64."""
    n = x.shape[1]
    if descending:  # backwards, sorted upwards, and read backwards again: equal numbers keep their order
        indices = n - 1 - np.argsort(x[:, ::-1], axis=1, kind="stable")[:, ::-1]
    else:
        indices = np.argsort(x, axis=1, kind="stable")
    return copy(np.take_along_axis(x, indices, 1)), copy(indices.astype(np.int64, copy=False))


def topk(x, k, largest):
    """The k largest (or smallest) of each row of x (R, n), best first, 0 ≤ k ≤ n. Returns values (R, k) and indices (R, k).

    Of equal numbers those that stand first are taken.
    """
    values, indices = sort(x, largest)
    return copy(values[:, :k]), copy(indices[:, :k])
