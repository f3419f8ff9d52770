"""Resampling: every number along an axis becomes a weighted sum of a few others. Padding, scaling, unfolding are this.

A list of *taps* says which: output i reads the places index[k] with the weights weight[k], for k from starts[i] to
starts[i + 1]. The transpose of such a list is another one, so the gradient of resampling is resampling too.
"""
import numpy as np

__all__ = ["resample_axes"]


def _along(x, axis, starts, index, weight):
    """y[…,i,…] = Σ_k weight[k] · x[…,index[k],…], k from starts[i] to starts[i + 1]"""
    shape = list(x.shape)
    shape[axis] = len(starts) - 1
    y = np.zeros(shape, x.dtype)
    source, target = np.moveaxis(x, axis, 0), np.moveaxis(y, axis, 0)
    for i in range(len(starts) - 1):
        for k in range(starts[i], starts[i + 1]):
            target[i] += weight[k] * source[index[k]]
    return y


def resample_axes(x, rows, columns):
    """y[a,i,j,b] = Σ_k Σ_l u[k] · v[l] · x[a, p[k], q[l], b], where the taps of i run over k and those of j over l.

    x (A, H, W, B); rows: None for an axis that stays as it is, or (starts int64 (H' + 1,), p int64, u of x's dtype), and
    columns likewise. Returns y (A, H', W', B). An output without taps is 0.
    """
    y = x if rows is None else _along(x, 1, *rows)
    return y.copy() if columns is None else _along(y, 2, *columns)
