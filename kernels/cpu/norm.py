"""Batch and layer normalisation: as few passes over memory as the formulas allow.

    y = (x − mean) · rstd · weight + bias,    rstd = 1 / √(var + eps)

Batch norm in training reads x twice: once for the statistics, once to apply them. Its backward pass likewise: once for
the two sums, once for dx. A map of C channels is treated as one long row of numbers, cut into *tiles* of whole pixels,
about `LANES` numbers each, against per-channel parameters repeated to the tile's length: so that the inner loop is long
and the same for 3 channels and for 300.

Ioffe, Szegedy: Batch normalization (arXiv 1502.03167). Ba, Kiros, Hinton: Layer normalization (arXiv 1607.06450).
Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances (1979).
"""
import numpy as np
from numba import prange

from .array import empty
from .jit import inner, kernel

__all__ = ["batch_norm_forward", "batch_norm_inference", "batch_norm_backward",
           "layer_norm_forward", "layer_norm_backward"]

LANES = 256    # numbers a tile holds, about
BLOCK = 32768  # numbers whose sums are accumulated together, about: fixed, so that sums do not depend on the threads


def _cut(size, C):
    """Tile length, block length and number of blocks for `size` numbers in rows of C."""
    tile = C * max(1, LANES // C)
    block = tile * max(1, BLOCK // tile)
    return tile, block, -(-size // block)


def _repeat(parameter, tile, dtype):
    """A parameter (C,) repeated to the length of a tile."""
    return np.tile(parameter.astype(dtype), tile // len(parameter))


@inner
def _block_moments(x, start, stop, tile, C, shift, first, second):
    """Σ (x − shift) and Σ (x − shift)² of each channel over x[start:stop]; shift is the mean of the first tile.

    Squares of uncentred numbers would lose the variance of large ones. As k of the n rows have mean `shift`, the
    squared distance of shift from the true mean is at most n/k variances: a bound on what can be lost.
    """
    shifts, sums, squares = np.empty(tile, x.dtype), np.zeros(tile, x.dtype), np.zeros(tile, x.dtype)
    rows = min(tile, stop - start) // C
    shift[:] = 0
    for r in range(rows):
        for c in range(C):
            shift[c] += x[start + r * C + c]
    for c in range(C):
        shift[c] /= x.dtype.type(rows)
    for r in range(tile // C):
        for c in range(C):
            shifts[r * C + c] = shift[c]
    for at in range(start, stop, tile):
        part = x[at:min(at + tile, stop)]
        for j in range(len(part)):
            d = part[j] - shifts[j]
            sums[j] += d
            squares[j] += d * d
    first[:] = 0
    second[:] = 0
    for r in range(tile // C):
        for c in range(C):
            first[c] += sums[r * C + c]
            second[c] += squares[r * C + c]


@kernel
def _moments(x, C, tile, block, partial):
    """partial (blocks, 3, C): shift, Σ (x − shift), Σ (x − shift)² of each block."""
    for b in prange(len(partial)):
        start = np.int64(b) * block
        _block_moments(x, start, min(start + block, len(x)), tile, C, partial[b, 0], partial[b, 1], partial[b, 2])


@inner
def _block_normalise(x, start, stop, tile, mean, scale, bias, relu, y):
    zero = x.dtype.type(0)
    for at in range(start, stop, tile):
        part, result = x[at:min(at + tile, stop)], y[at:min(at + tile, stop)]
        if relu:
            for j in range(len(part)):
                v = (part[j] - mean[j]) * scale[j] + bias[j]
                result[j] = zero if v < zero else v  # NaN stays NaN
        else:
            for j in range(len(part)):
                result[j] = (part[j] - mean[j]) * scale[j] + bias[j]


@kernel
def _normalise(x, tile, block, mean, scale, bias, relu, y):
    """y = (x − mean)·scale + bias, negative values zeroed where `relu`; parameters repeated to a tile."""
    for b in prange((len(x) + block - 1) // block):
        start = np.int64(b) * block
        _block_normalise(x, start, min(start + block, len(x)), tile, mean, scale, bias, relu, y)


@inner
def _block_gradient_sums(dy, x, y, start, stop, tile, C, mean, relu, first, second):
    zero = x.dtype.type(0)
    sums, products = np.zeros(tile, x.dtype), np.zeros(tile, x.dtype)
    for at in range(start, stop, tile):
        end = min(at + tile, stop)
        gradient, part, result = dy[at:end], x[at:end], y[at:end]
        if relu:
            for j in range(len(part)):
                g = gradient[j] if result[j] > zero else zero
                sums[j] += g
                products[j] += g * (part[j] - mean[j])
        else:
            for j in range(len(part)):
                sums[j] += gradient[j]
                products[j] += gradient[j] * (part[j] - mean[j])
    first[:] = 0
    second[:] = 0
    for r in range(tile // C):
        for c in range(C):
            first[c] += sums[r * C + c]
            second[c] += products[r * C + c]


@kernel
def _gradient_sums(dy, x, y, C, tile, block, mean, relu, partial):
    """partial (blocks, 2, C): Σ g and Σ g·(x − mean) of each block, g = dy where y > 0 (everywhere without `relu`)."""
    for b in prange(len(partial)):
        start = np.int64(b) * block
        _block_gradient_sums(dy, x, y, start, min(start + block, len(x)), tile, C, mean, relu,
                             partial[b, 0], partial[b, 1])


@inner
def _block_input_gradient(dy, x, y, start, stop, tile, mean, scale, slope, offset, relu, dx):
    zero = x.dtype.type(0)
    for at in range(start, stop, tile):
        end = min(at + tile, stop)
        gradient, part, result, out = dy[at:end], x[at:end], y[at:end], dx[at:end]
        if relu:
            for j in range(len(part)):
                g = gradient[j] if result[j] > zero else zero
                out[j] = g * scale[j] + ((part[j] - mean[j]) * slope[j] + offset[j])
        else:
            for j in range(len(part)):
                out[j] = gradient[j] * scale[j] + ((part[j] - mean[j]) * slope[j] + offset[j])


@kernel
def _input_gradient(dy, x, y, tile, block, mean, scale, slope, offset, relu, dx):
    """dx = g·scale + (x − mean)·slope + offset, with g as in `_gradient_sums`."""
    for b in prange((len(x) + block - 1) // block):
        start = np.int64(b) * block
        _block_input_gradient(dy, x, y, start, min(start + block, len(x)), tile, mean, scale, slope, offset, relu, dx)


def _apply(x, mean, rstd, weight, bias, relu):
    C = x.shape[1]
    tile, block, _ = _cut(x.size, C)
    y = empty(x.shape, x.dtype)
    scale = rstd if weight is None else rstd * weight
    bias = np.zeros(C) if bias is None else bias
    _normalise(x.reshape(-1), tile, block, _repeat(mean, tile, x.dtype), _repeat(scale, tile, x.dtype),
               _repeat(bias, tile, x.dtype), relu, y.reshape(-1))
    return y


def batch_norm_forward(x, weight, bias, eps, relu=False):
    """Normalise each column of x by its own statistics; with `relu`, y = max(0, …).

    x (M, C): M = N·H·W pixels. weight and bias (C,) or None. Returns y (M, C), and mean, var (biased: divided by M) and
    rstd, each (C,).
    """
    M, C = x.shape
    tile, block, blocks = _cut(x.size, C)
    partial = np.empty((blocks, 3, C), x.dtype)
    _moments(x.reshape(-1), C, tile, block, partial)
    shift, first, second = partial.astype(np.float64).transpose(1, 0, 2)             # (blocks, C) each
    count = np.full((blocks, 1), block // C, np.float64)                             # (blocks, 1) rows of each block
    count[-1] = M - (blocks - 1) * (block // C)
    means = shift + first / count                                                    # (blocks, C)
    mean = (means * count).sum(axis=0) / M                                           # (C,)
    squares = np.maximum(second - first ** 2 / count, 0) + count * (means - mean) ** 2
    var = squares.sum(axis=0) / M                                                    # (C,)
    rstd = 1 / np.sqrt(var + eps)                                                    # (C,)
    y = _apply(x, mean, rstd, weight, bias, relu)
    return y, mean.astype(x.dtype), var.astype(x.dtype), rstd.astype(x.dtype)


def batch_norm_inference(x, mean, var, weight, bias, eps, relu=False):
    """The same with given statistics: x (M, C), mean and var (C,), weight and bias (C,) or None. Returns y (M, C)."""
    return _apply(x, mean, 1 / np.sqrt(var.astype(np.float64) + eps), weight, bias, relu)


def batch_norm_backward(dy, x, y, mean, rstd, weight, relu=False):
    """Gradients of `batch_norm_forward`. With x̂ = (x − mean) · rstd, and dy zeroed where y = 0 if `relu`:

        dbias = Σ_m dy,   dweight = Σ_m dy·x̂,   dx = weight · rstd · (dy − dbias/M − x̂·dweight/M)

    dy, x, y (M, C); y is read only with `relu` and may be None without; mean, rstd (C,); weight (C,) or None.
    Returns dx (M, C), dweight (C,), dbias (C,).
    """
    M, C = x.shape
    tile, block, blocks = _cut(x.size, C)
    dy_, x_, y_ = dy.reshape(-1), x.reshape(-1), (y if relu else dy).reshape(-1)
    means = _repeat(mean, tile, x.dtype)
    partial = np.empty((blocks, 2, C), x.dtype)
    _gradient_sums(dy_, x_, y_, C, tile, block, means, relu, partial)
    dbias, dweight = partial.sum(axis=0, dtype=np.float64)                           # (C,) each
    rstd = rstd.astype(np.float64)
    dweight *= rstd
    scale = rstd if weight is None else rstd * weight                                # (C,)
    dx = empty(x.shape, x.dtype)
    _input_gradient(dy_, x_, y_, tile, block, means, _repeat(scale, tile, x.dtype),
                    _repeat(-scale * rstd * dweight / M, tile, x.dtype), _repeat(-scale * dbias / M, tile, x.dtype),
                    relu, dx.reshape(-1))
    return dx, dweight.astype(x.dtype), dbias.astype(x.dtype)


@inner
def _layer_rows(x, weight, bias, eps, start, stop, y, mean, rstd):
    D = x.shape[1]
    count = x.dtype.type(D)
    for i in range(start, stop):
        row, result = x[i], y[i]
        total = x.dtype.type(0)
        for j in range(D):
            total += row[j]
        m = total / count
        squares = x.dtype.type(0)
        for j in range(D):
            d = row[j] - m
            squares += d * d
        r = x.dtype.type(1) / np.sqrt(squares / count + eps[0])
        for j in range(D):
            result[j] = (row[j] - m) * r * weight[j] + bias[j]
        mean[i], rstd[i] = m, r


@kernel
def _layer_norm(x, weight, bias, eps, rows, y, mean, rstd):
    for b in prange((len(x) + rows - 1) // rows):
        start = np.int64(b) * rows
        _layer_rows(x, weight, bias, eps, start, min(start + rows, len(x)), y, mean, rstd)


@inner
def _layer_rows_backward(dy, x, mean, rstd, weight, start, stop, dx, dweight, dbias):
    D = x.shape[1]
    count = x.dtype.type(D)
    dweight[:] = 0
    dbias[:] = 0
    for i in range(start, stop):
        gradient, row, out = dy[i], x[i], dx[i]
        m, r = mean[i], rstd[i]
        total, product = x.dtype.type(0), x.dtype.type(0)
        for j in range(D):
            g = gradient[j] * weight[j]
            total += g
            product += g * (row[j] - m)
        total /= count
        product *= r * r / count
        for j in range(D):
            d = row[j] - m
            dbias[j] += gradient[j]
            dweight[j] += gradient[j] * (d * r)
            out[j] = (gradient[j] * weight[j] - total - d * product) * r


@kernel
def _layer_norm_backward(dy, x, mean, rstd, weight, rows, dx, partial):
    """partial (blocks, 2, D): Σ dy·x̂ and Σ dy of each block of `rows` rows."""
    for b in prange(len(partial)):
        start = np.int64(b) * rows
        _layer_rows_backward(dy, x, mean, rstd, weight, start, min(start + rows, len(x)), dx,
                             partial[b, 0], partial[b, 1])


def layer_norm_forward(x, weight, bias, eps):
    """Normalise each row of x. x (M, D); weight and bias (D,) or None. Returns y (M, D), mean (M,), rstd (M,)."""
    M, D = x.shape
    y, mean, rstd = empty(x.shape, x.dtype), empty((M,), x.dtype), empty((M,), x.dtype)
    weight = np.ones(D, x.dtype) if weight is None else weight
    bias = np.zeros(D, x.dtype) if bias is None else bias
    _layer_norm(x, weight, bias, np.full(1, eps, x.dtype), max(1, BLOCK // D), y, mean, rstd)
    return y, mean, rstd


def layer_norm_backward(dy, x, mean, rstd, weight):
    """Gradients of `layer_norm_forward`. With x̂ = (x − mean) · rstd and g = dy · weight:

        dx = rstd · (g − ⟨g⟩ − x̂·⟨g·x̂⟩)  (⟨⟩: mean of a row),   dweight = Σ_m dy·x̂,   dbias = Σ_m dy

    dy, x (M, D); mean, rstd (M,); weight (D,) or None. Returns dx (M, D), dweight (D,), dbias (D,).
    """
    M, D = x.shape
    rows = max(1, BLOCK // D)
    weight = np.ones(D, x.dtype) if weight is None else weight
    dx = empty(x.shape, x.dtype)
    partial = np.empty((-(-M // rows), 2, D), x.dtype)
    _layer_norm_backward(dy, x, mean, rstd, weight, rows, dx, partial)
    dweight, dbias = partial.sum(axis=0, dtype=np.float64).astype(x.dtype)
    return dx, dweight, dbias
