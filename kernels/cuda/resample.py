"""Resampling: every number along an axis becomes a weighted sum of a few others; formula and shapes as in `reference/resample.py`.

A thread has a pixel of y, or four neighbouring channels of it, and adds up the taps of its row times the taps of its column: no image
of half the work is ever written. Both axes' taps are few in what is built on this (padding 1 × 1, bilinear 2 × 2, bicubic 4 × 4), and what
neighbours share comes from the cache.
"""
import numpy as np

from ..reference.resample import __all__  # noqa: F401
from .array import THREADS, blocks, copy, empty
from .columns import nothing
from .lanes import access, each, lanes_of
from .runtime import cuda, device, jit, launch, specialised


@specialised
def _resample(real, lanes, by_rows, by_columns):
    """y[a,i,j,b] = Σ_l v[l] · Σ_k u[k] · x[a, p[k], q[l], b], over the taps k of i and l of j. Each thread: `lanes` of b."""
    read, write = access(lanes)

    @device
    def scaled(total, value, same, same_too, factor):
        return real(total + real(factor * value))

    add, nothing_yet, one = each(scaled, lanes), (real(0),) * lanes, real(1)

    @jit
    def resample(x, y, row_starts, row_index, row_weight, column_starts, column_index, column_weight, sizes):
        H, W, B, Ho, Wo = sizes
        e = cuda.grid(1) * lanes
        if e < y.size:
            b, pixel = e % B, e // B
            j, i, a = pixel % Wo, pixel // Wo % Ho, pixel // (Wo * Ho)
            k0, k1, l0, l1 = i, i + 1, j, j + 1
            if by_rows:
                k0, k1 = row_starts[i], row_starts[i + 1]
            if by_columns:
                l0, l1 = column_starts[j], column_starts[j + 1]
            total = nothing_yet
            for l in range(l0, l1):
                column, v = l, one
                if by_columns:
                    column, v = column_index[l], column_weight[l]
                inner = nothing_yet
                for k in range(k0, k1):
                    row, u = k, one
                    if by_rows:
                        row, u = row_index[k], row_weight[k]
                    value = read(x, ((a * H + row) * W + column) * B + b)
                    inner = add(inner, value, value, value, u)
                total = add(total, inner, inner, inner, v)
            write(y, e, total)
    return resample


def resample_axes(x, rows, columns):
    """y[a,i,j,b] = Σ_k Σ_l u[k] · v[l] · x[a, p[k], q[l], b], where the taps of i run over k and those of j over l.

    x (A, H, W, B); rows: None for an axis that stays as it is, or (starts int64 (H' + 1,), p int64, u of x's dtype), and
    columns likewise. Returns y (A, H', W', B). An output without taps is 0.
    """
    if rows is None and columns is None:
        return copy(x)
    A, H, W, B = x.shape
    Ho, Wo = H if rows is None else rows[0].size - 1, W if columns is None else columns[0].size - 1
    y, lanes = empty((A, Ho, Wo, B), x.dtype), lanes_of(B, x)
    none = nothing(np.dtype(np.int64)), nothing(np.dtype(np.int64)), nothing(x.dtype)
    kernel = _resample(x.dtype.type, lanes, rows is not None, columns is not None)
    launch(kernel, blocks(y.size // lanes), THREADS, x.flat, y.flat, *(rows or none), *(columns or none), (H, W, B, Ho, Wo))
    return y
