"""Museum, exhibit 14: a table of word vectors. Repaired.

NumPy reads `dw[ids] += dy` as `dw[ids] = dw[ids] + dy`: it reads all rows, adds, and writes all rows, and of a row that comes twice the
last write wins. `np.add.at` adds one after the other. It is exhibit 09 in other clothes.
"""
import numpy as np


class Embedding:
    """y[n] = w[ids[n]]: the row of each word. w (V, D), ids (N,) whole numbers, y (N, D)."""

    def forward(self, w, ids):
        self.shape, self.ids = w.shape, ids
        return w[ids]

    def backward(self, dy):
        """dy (N, D); returns dw (V, D)."""
        dw = np.zeros(self.shape)
        np.add.at(dw, self.ids, dy)
        return dw
