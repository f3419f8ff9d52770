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

from .array import empty
from .jit import part
from .launch import launch, numbers, scalars

__all__ = ["batch_norm_forward", "batch_norm_inference", "batch_norm_backward",
           "layer_norm_forward", "layer_norm_backward"]

LANES = 256    # numbers a tile holds, about
BLOCK = 32768  # numbers whose sums are accumulated together, about: fixed, so that sums do not depend on the threads


def _cut(size, C):
    """Tile length, block length and number of blocks for `size` numbers in rows of C."""
    tile = C * max(1, LANES // C)
    block = tile * max(1, BLOCK // tile)
    return tile, block, -(-size // block)


@part
def _repeat(parameter, tile):
    """A parameter (C,) repeated to the length of a tile."""
    repeated = np.empty(tile, parameter.dtype)
    for r in range(0, tile, len(parameter)):
        for c in range(len(parameter)):
            repeated[r + c] = parameter[c]
    return repeated


@part
def _fold(tile, C, total):
    """total[c] = Σ_r tile[r·C + c]. Loops, here and below: slices assigned to slices compile slowly."""
    for c in range(C):
        total[c] = tile[c]
    for r in range(C, len(tile), C):
        for c in range(C):
            total[c] += tile[r + c]


@part
def _moments(t, sizes, x, partial):
    """partial (blocks, 3, C), block t: shift, Σ (x − shift), Σ (x − shift)² of each channel.

    shift is the mean of the block's first tile. Squares of uncentred numbers would lose the variance of large ones; as
    k of the n rows have mean `shift`, its squared distance from the block's mean is at most n/k variances, and so at
    most log₂(1 + n/k) bits of the variance are lost: seldom one, never more than seven.
    """
    C, tile, start = sizes[0], sizes[1], t * sizes[2]
    stop = min(start + sizes[2], len(x))
    shift = partial[3 * t * C:3 * t * C + C]
    sums, squares = np.zeros(tile, x.dtype), np.zeros(tile, x.dtype)
    rows = min(tile, stop - start) // C
    _fold(x[start:start + rows * C], C, shift)
    for c in range(C):
        shift[c] /= x.dtype.type(rows)
    shifts = _repeat(shift, tile)
    for at in range(start, stop, tile):
        part = x[at:min(at + tile, stop)]
        for j in range(len(part)):
            d = part[j] - shifts[j]
            sums[j] += d
            squares[j] += d * d
    _fold(sums, C, partial[(3 * t + 1) * C:(3 * t + 2) * C])
    _fold(squares, C, partial[(3 * t + 2) * C:(3 * t + 3) * C])


@part
def _combine(t, sizes, eps, partial, mean, var, rstd):
    """What `_moments` found in the blocks (sizes: C, rows, rows of a block), put together in float64, block by block."""
    C, M, rows = sizes[0], sizes[1], sizes[2]
    for c in range(C):
        count, middle, squares = 0.0, 0.0, 0.0  # of the blocks so far: rows, their mean, Σ (x − mean)²
        for at in range(c, len(partial), 3 * C):
            n = np.float64(min(rows, M - np.int64(count)))
            shift, first, second = np.float64(partial[at]), np.float64(partial[at + C]), np.float64(partial[at + 2 * C])
            step = shift + first / n - middle
            squares += max(second - first * first / n, 0.0) + step * step * (count * n / (count + n))
            middle += step * (n / (count + n))
            count += n
        mean[c], var[c], rstd[c] = middle, squares / M, 1 / np.sqrt(squares / M + eps[0])


@part
def _normalise(t, sizes, x, mean, scale, bias, y):
    """Block t of y = (x − mean)·scale + bias, negative values zeroed with relu."""
    tile, start, relu, zero = sizes[1], t * sizes[2], sizes[3], x.dtype.type(0)
    stop = min(start + sizes[2], len(x))
    mean, scale, bias = _repeat(mean, tile), _repeat(scale, tile), _repeat(bias, tile)
    for at in range(start, stop, tile):
        part, result = x[at:min(at + tile, stop)], y[at:min(at + tile, stop)]
        if relu:
            for j in range(len(part)):
                v = (part[j] - mean[j]) * scale[j] + bias[j]
                result[j] = zero if v < zero else v  # NaN stays NaN
        else:
            for j in range(len(part)):
                result[j] = (part[j] - mean[j]) * scale[j] + bias[j]


@part
def _gradient_sums(t, sizes, dy, x, mean, scale, bias, partial):
    """partial (blocks, 2, C), block t: Σ g and Σ g·(x − mean), where g = dy, with relu only where y > 0.

    y is computed anew, just as `_normalise` did: these loops wait for memory, not for arithmetic.
    """
    C, tile, start, relu, zero = sizes[0], sizes[1], t * sizes[2], sizes[3], x.dtype.type(0)
    stop = min(start + sizes[2], len(x))
    sums, products = np.zeros(tile, x.dtype), np.zeros(tile, x.dtype)
    mean, scale, bias = _repeat(mean, tile), _repeat(scale, tile), _repeat(bias, tile)
    for at in range(start, stop, tile):
        end = min(at + tile, stop)
        gradient, part = dy[at:end], x[at:end]
        if relu:
            for j in range(len(part)):
                d, v = part[j] - mean[j], gradient[j]
                g = v if d * scale[j] + bias[j] > zero else zero
                sums[j] += g
                products[j] += g * d
        else:
            for j in range(len(part)):
                sums[j] += gradient[j]
                products[j] += gradient[j] * (part[j] - mean[j])
    _fold(sums, C, partial[2 * t * C:(2 * t + 1) * C])
    _fold(products, C, partial[(2 * t + 1) * C:(2 * t + 2) * C])


@part
def _slopes(t, sizes, partial, rstd, scale, dweight, dbias, slope, offset):
    """dbias = Σ g, dweight = Σ g·x̂, and what `_input_gradient` makes of them; sizes: C, rows. In float64."""
    C, M = sizes[0], sizes[1]
    for c in range(C):
        total, product = 0.0, 0.0
        for at in range(c, len(partial), 2 * C):
            total += partial[at]
            product += partial[at + C]
        product *= rstd[c]
        dbias[c], dweight[c] = total, product
        slope[c], offset[c] = -scale[c] * rstd[c] * product / M, -scale[c] * total / M


@part
def _input_gradient(t, sizes, dy, x, mean, scale, bias, slope, offset, dx):
    """Block t of dx = g·scale + (x − mean)·slope + offset, with g as in `_gradient_sums`."""
    tile, start, relu, zero = sizes[1], t * sizes[2], sizes[3], x.dtype.type(0)
    stop = min(start + sizes[2], len(x))
    mean, scale, bias = _repeat(mean, tile), _repeat(scale, tile), _repeat(bias, tile)
    slope, offset = _repeat(slope, tile), _repeat(offset, tile)
    for at in range(start, stop, tile):
        end = min(at + tile, stop)
        gradient, part, out = dy[at:end], x[at:end], dx[at:end]
        if relu:
            for j in range(len(part)):
                d, v = part[j] - mean[j], gradient[j]
                g = v if d * scale[j] + bias[j] > zero else zero
                out[j] = g * scale[j] + (d * slope[j] + offset[j])
        else:
            for j in range(len(part)):
                out[j] = gradient[j] * scale[j] + ((part[j] - mean[j]) * slope[j] + offset[j])


def _scale_and_bias(rstd, weight, bias):
    """weight · rstd and bias, in rstd's dtype: the same bits forward and backward."""
    return rstd if weight is None else rstd * weight, np.zeros_like(rstd) if bias is None else bias


def _apply(x, mean, rstd, weight, bias, relu):
    tile, block, blocks = _cut(x.size, x.shape[1])
    y = empty(x.shape, x.dtype)
    launch(_normalise, blocks, numbers(x.shape[1], tile, block, relu), x, mean, *_scale_and_bias(rstd, weight, bias), y)
    return y


def batch_norm_forward(x, weight, bias, eps, relu=False):
    """Normalise each column of x by its own statistics; with `relu`, y = max(0, …).

    x (M, C): M = N·H·W pixels. weight and bias (C,) or None. Returns y (M, C), and mean, var (biased: divided by M) and
    rstd, each (C,).
    """
    M, C = x.shape
    tile, block, blocks = _cut(x.size, C)
    partial = np.empty((blocks, 3, C), x.dtype)
    mean, var, rstd = np.empty(C, x.dtype), np.empty(C, x.dtype), np.empty(C, x.dtype)
    launch(_moments, blocks, numbers(C, tile, block), x, partial)
    launch(_combine, 1, numbers(C, M, block // C), scalars(np.float64, eps), partial, mean, var, rstd)
    return _apply(x, mean, rstd, weight, bias, relu), mean, var, rstd


def batch_norm_inference(x, mean, var, weight, bias, eps, relu=False):
    """The same with given statistics: x (M, C), mean and var (C,), weight and bias (C,) or None. Returns y (M, C)."""
    with np.errstate(invalid="ignore"):                          # a negative eps may well give NaN
        rstd = (1 / np.sqrt(var.astype(np.float64) + eps)).astype(x.dtype)
    return _apply(x, mean, rstd, weight, bias, relu)


def batch_norm_backward(dy, x, mean, rstd, weight, bias, relu=False):
    """Gradients of `batch_norm_forward`. With x̂ = (x − mean) · rstd, and dy zeroed where y ≤ 0 if `relu`:

        dbias = Σ_m dy,   dweight = Σ_m dy·x̂,   dx = weight · rstd · (dy − dbias/M − x̂·dweight/M)

    dy, x (M, C); mean, rstd (C,); weight and bias (C,) or None. The sign of y is computed anew, which costs less than
    reading it; only with `relu` does it matter, and with it bias. Returns dx (M, C), dweight (C,), dbias (C,).
    """
    M, C = x.shape
    tile, block, blocks = _cut(x.size, C)
    scale, bias = _scale_and_bias(rstd, weight, bias)
    given = numbers(C, tile, block, relu), dy, x, mean, scale, bias
    partial, dx = np.empty((blocks, 2, C), x.dtype), empty(x.shape, x.dtype)
    dweight, dbias, slope, offset = (np.empty(C, x.dtype) for _ in range(4))
    launch(_gradient_sums, blocks, *given, partial)
    launch(_slopes, 1, numbers(C, M), partial, rstd, scale, dweight, dbias, slope, offset)
    launch(_input_gradient, blocks, *given, slope, offset, dx)
    return dx, dweight, dbias


@part
def _layer_norm(t, sizes, x, weight, bias, eps, y, mean, rstd):
    """Rows t·rows … of y, mean and rstd."""
    D, rows = len(weight), sizes[0]
    count = x.dtype.type(D)
    for i in range(t * rows, min((t + 1) * rows, len(mean))):
        row, result = x[i * D:(i + 1) * D], y[i * D:(i + 1) * D]
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


@part
def _layer_norm_backward(t, sizes, dy, x, mean, rstd, weight, dx, partial):
    """Rows t·rows … of dx; partial (blocks, 2, D): Σ dy·x̂ and Σ dy over them."""
    D, rows = len(weight), sizes[0]
    count = x.dtype.type(D)
    dweight, dbias = partial[2 * t * D:(2 * t + 1) * D], partial[(2 * t + 1) * D:(2 * t + 2) * D]
    dweight[:] = 0
    dbias[:] = 0
    for i in range(t * rows, min((t + 1) * rows, len(mean))):
        gradient, row, out = dy[i * D:(i + 1) * D], x[i * D:(i + 1) * D], dx[i * D:(i + 1) * D]
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


def layer_norm_forward(x, weight, bias, eps):
    """Normalise each row of x. x (M, D); weight and bias (D,) or None. Returns y (M, D), mean (M,), rstd (M,)."""
    M, D = x.shape
    y, mean, rstd = empty(x.shape, x.dtype), empty((M,), x.dtype), empty((M,), x.dtype)
    weight = np.ones(D, x.dtype) if weight is None else weight
    bias = np.zeros(D, x.dtype) if bias is None else bias
    rows = max(1, BLOCK // D)
    launch(_layer_norm, -(-M // rows), numbers(rows), x, weight, bias, scalars(x.dtype, eps),
           y, mean, rstd)
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
    blocks = -(-M // rows)
    partial = np.empty((blocks, 2, D), x.dtype)
    launch(_layer_norm_backward, blocks, numbers(rows), dy, x, mean, rstd, weight,
           dx, partial)
    dweight, dbias = partial.sum(axis=0, dtype=np.float64).astype(x.dtype)
    return dx, dweight, dbias
