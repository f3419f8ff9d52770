"""Museum, exhibit 14: a table of word vectors.

Symptom. It trains. Rare words learn as they should; "the", which stands in every sentence several times, learns far too slowly. A batch
in which no word comes twice passes every check.
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
        dw[self.ids] += dy
        return dw
