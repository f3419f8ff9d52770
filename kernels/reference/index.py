"""Reading and adding by index. Indices are int64, from 0 to size − 1: the caller checked them and turned negative ones.

Each reader comes with the kernel that carries its gradient back: an element read twice gets the sum of both.
"""
import numpy as np

from .array import copy, zeros

__all__ = ["take_rows", "add_rows", "gather", "scatter_add", "one_hot"]


def take_rows(x, index, out=None):
    """y[n, :] = x[index[n], :]; x (R, D), index (n,), y (n, D)"""
    return copy(x[index], out)


def add_rows(dy, index, R):
    """dx[r, :] = Σ over n with index[n] = r of dy[n, :], in the order of n; dy (n, D), index (n,), dx (R, D)"""
    dx = np.zeros((R, dy.shape[1]), np.float64)
    np.add.at(dx, index, dy)
    return copy(dx.astype(dy.dtype))


def _coordinates(shape, axis, index):
    """For every element of `index`, where it points: its own coordinates, with the one along `axis` replaced."""
    grid = list(np.ogrid[tuple(slice(size) for size in shape)])
    grid[axis] = index
    return tuple(grid)


def gather(x, axis, index, out=None):
    """y[i, j, k] = x[i, index[i, j, k], k], here with axis = 1; y has the shape of `index`.

    Off `axis`, `index` may be smaller than x but not larger.
    """
    return copy(x[_coordinates(index.shape, axis, index)], out)


def scatter_add(dy, axis, index, size):
    """The gradient of `gather`: dx[i, index[i, j, k], k] += dy[i, j, k], here with axis = 1, from zeros.

    dy and index have one shape; dx has it too but for `size` along `axis`.
    """
    shape = list(dy.shape)
    shape[axis] = size
    dx = np.zeros(shape, np.float64)
    np.add.at(dx, _coordinates(index.shape, axis, index), dy)
    return copy(dx.astype(dy.dtype))


def one_hot(index, classes, dtype):
    """y[n, c] = 1 where c = index[n], else 0; index (n,), y (n, classes)"""
    y = zeros((index.size, classes), dtype)
    y[np.arange(index.size), index] = 1
    return y
