"""Reductions: many numbers become one, over the axes named.

`axes` is a tuple of axes, counted from either end. Over all axes the result is an array without axes, not a scalar.
Sums of floats are added in float64 and rounded once; sums of integers and booleans are int64.
"""
import numpy as np

from .array import copy

__all__ = ["sum", "mean", "amax", "amin", "prod", "argmax", "argmin", "cumsum"]


def _accumulator(x):
    """The dtype to add in, and the dtype of the result."""
    return (np.float64, x.dtype) if x.dtype.kind == "f" else (np.int64, np.int64)


def sum(x, axes, keepdims=False):
    """Σ x over `axes`"""
    wide, narrow = _accumulator(x)
    return np.asarray(np.sum(x, axes, dtype=wide, keepdims=keepdims), dtype=narrow)


def mean(x, axes, keepdims=False):
    """(1/n) Σ x over `axes`, n elements in each; x is float"""
    return np.asarray(np.mean(x, axes, dtype=np.float64, keepdims=keepdims), dtype=x.dtype)


def amax(x, axes, keepdims=False):
    """The largest element over `axes`; NaN if there is a NaN"""
    return np.asarray(np.max(x, axes, keepdims=keepdims))


def amin(x, axes, keepdims=False):
    """The smallest element over `axes`; NaN if there is a NaN"""
    return np.asarray(np.min(x, axes, keepdims=keepdims))


def prod(x, axes, keepdims=False):
    """Π x over `axes`"""
    wide, narrow = _accumulator(x)
    return np.asarray(np.prod(x, axes, dtype=wide, keepdims=keepdims), dtype=narrow)


def argmax(x, axis, keepdims=False):
    """The first index along `axis` of the largest element (of the first NaN, if there is one), int64"""
    return np.asarray(np.argmax(x, axis, keepdims=keepdims), dtype=np.int64)


def argmin(x, axis, keepdims=False):
    """The first index along `axis` of the smallest element (of the first NaN, if there is one), int64"""
    return np.asarray(np.argmin(x, axis, keepdims=keepdims), dtype=np.int64)


def cumsum(x, axis, out=None):
    """y[i] = x[0] + … + x[i] along `axis`"""
    wide, narrow = _accumulator(x)
    y = np.cumsum(x, axis, dtype=wide).astype(narrow)
    return copy(y, out)
